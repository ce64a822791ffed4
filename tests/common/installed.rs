//! A service of one test's own, and the command line beside it.

use std::process::Output;

use serde_json::Value;

use super::served::{Served, TOKEN, command, start};

/// A service in an empty folder, on a free port.
pub(crate) struct Installed {
    pub(crate) served: Served,
    _data: tempfile::TempDir,
}

impl Installed {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut command = command(&data.path().join("data"), 0);
        let served = start(command.current_dir(data.path()));
        Self {
            served: served.expect("the service starts"),
            _data: data,
        }
    }

    /// What `evenload` says with these arguments: exit code and object. Off the runtime, since others
    /// of the test must be able to answer meanwhile.
    pub(crate) async fn evenload(&self, arguments: &[&str], stdin: Option<&str>) -> (i32, Value) {
        let mut command = assert_cmd::Command::cargo_bin("evenload").expect("built");
        command
            .args(arguments)
            .env("EVENLOAD_URL", &self.served.base)
            .env("EVENLOAD_TOKEN", TOKEN);
        if let Some(text) = stdin {
            command.write_stdin(text);
        }
        let run = tokio::task::spawn_blocking(move || command.output());
        let output: Output = run.await.expect("no panic").expect("runs");
        let object = serde_json::from_slice(&output.stdout).expect("one JSON object");
        (output.status.code().expect("an exit code"), object)
    }
}
