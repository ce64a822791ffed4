//! `evenload serve`: the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::check::refuse;
use super::exit::Exit;
use super::output;
use crate::config::{Config, ConfigError, Flag, Loaded};
use crate::service::{self, Base, Running, StartError, telemetry};

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
    /// Runs the service until it is told to stop.
    pub fn run(&self) -> Exit {
        let loaded = match self.load() {
            Ok(loaded) => loaded,
            Err(error) => return refuse(&error, false),
        };
        telemetry::start_log(&loaded.config.log);
        for warning in &loaded.warnings {
            tracing::warn!(key = warning.key, "{}", warning.detail);
        }
        match super::runtime() {
            Ok(runtime) => runtime.block_on(serve(loaded.config)),
            Err(error) => {
                output::complain(&format!("the runtime did not start: {error}"));
                Exit::Internal
            }
        }
    }

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

async fn serve(config: Config) -> Exit {
    let started = match Base::of(&config) {
        Ok(base) => service::start(config, base).await,
        Err(error) => Err(error),
    };
    match started {
        Ok(running) => {
            welcome(&running);
            told_to_stop().await;
            running.stop().await;
            Exit::Done
        }
        Err(error) => {
            output::complain(&format!("evenload did not start: {error}"));
            match error {
                StartError::Listen { .. } | StartError::Tls(_) | StartError::Key(_) => {
                    Exit::Invalid
                }
                _ => Exit::Internal,
            }
        }
    }
}

/// What a person needs to go on.
fn welcome(running: &Running) {
    output::line(&format!("evenload is ready at http://{}", running.address));
    output::line(&format!(
        "  versions URL for OCPI partners  {}/ocpi/versions",
        running.public_url
    ));
    if running.has_no_users() {
        output::line(&format!(
            "  dashboard (signs in once)       {}",
            running.sign_in_link()
        ));
    } else {
        output::line(&format!(
            "  dashboard                       {}/",
            running.public_url
        ));
    }
    if let Some(token) = &running.new_admin_token {
        output::line(&format!(
            "  admin token (shown this once)   {}",
            token.expose()
        ));
    }
    if running.registry().keys().is_empty() {
        output::line("  no site yet: PUT /api/v1/sites/NAME, see the README");
    }
}

/// Waits for an interrupt or a termination signal.
async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM; only an interrupt stops us");
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = interrupt.await;
    }
}
