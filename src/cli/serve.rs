//! `evenload serve`: the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError, Flag, Loaded};

/// Arguments of `evenload serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration file; without it `evenload.toml` in this folder, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// The folder that keeps what must survive [default: ./evenload-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Our address as partners see it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl ServeArgs {
    /// The configuration: file, environment, and these flags on top.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let flag = |name, key, value: Option<String>| value.map(|value| Flag { name, key, value });
        let flags = [
            flag(
                "--listen",
                "server.listen",
                self.listen.map(|it| it.to_string()),
            ),
            flag("--data", "data.dir", self.data.clone()),
            flag("--public-url", "server.public_url", self.public_url.clone()),
            flag("--log-format", "log.format", self.log_format.clone()),
        ];
        Config::load_here(self.config.as_deref(), flags.into_iter().flatten())
    }
}
