//! `evenload version`: what this binary is.

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::output;

/// Arguments of `evenload version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The OCPI versions we speak, as in partners' version lists.
const OCPI_VERSIONS: [&str; 2] = ["2.2.1", "2.3.0"];

/// The commit this was built from, where the build said so.
const COMMIT: Option<&str> = option_env!("EVENLOAD_COMMIT");

impl VersionArgs {
    /// Prints it.
    pub fn run(&self) -> Exit {
        let version = env!("CARGO_PKG_VERSION");
        if self.json {
            output::object(&json!({
                "name": "evenload",
                "version": version,
                "commit": COMMIT,
                "ocpi_versions": OCPI_VERSIONS,
            }));
        } else {
            let commit = COMMIT.map_or(String::new(), |commit| format!(" ({commit})"));
            let ocpi = OCPI_VERSIONS.join(", ");
            output::line(&format!("evenload {version}{commit}, OCPI {ocpi}"));
        }
        Exit::Done
    }
}
