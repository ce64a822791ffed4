//! `evenload serve`: the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::check::refuse;
use super::data_folder;
use super::exit::Exit;
use super::output;
use crate::config::{Config, ConfigError, Flag, Loaded, Supervision};
use crate::service::supervisor::Supervisor;
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
    /// Make a new key for secrets if the old one is lost; every partner must be registered anew
    #[arg(long)]
    new_secret_key: bool,
}

impl ServeArgs {
    /// Runs the service until it is told to stop.
    pub fn run(&self) -> Exit {
        let mut loaded = match self.load() {
            Ok(loaded) => loaded,
            Err(error) => return refuse(&error, false),
        };
        loaded.config.data.new_secret_key = self.new_secret_key;
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

/// The port first: who starts us a second time by mistake must find no second data folder.
async fn start(config: Config) -> Result<Running, StartError> {
    let listener = service::listen(&config)?;
    let base = Base::of(&config)?;
    service::start_on(listener, config, base).await
}

/// Whether it is for the operator to mend, rather than a defect.
fn exit(error: &StartError) -> Exit {
    match error {
        StartError::Listen { .. } | StartError::Tls(_) | StartError::Key(_) => Exit::Invalid,
        StartError::Store(error) => data_folder::exit(error),
        StartError::Sites(_) => Exit::CheckFailed,
        _ => Exit::Internal,
    }
}

async fn serve(config: Config) -> Exit {
    let dir = config.data.dir.clone();
    match start(config).await {
        Ok(running) => {
            welcome(&running);
            let supervisor = Supervisor::new(&Supervision::here());
            supervisor.is_ready();
            tokio::select! {
                () = told_to_stop() => {}
                () = supervisor.keep_alive() => {}
            }
            supervisor.is_stopping();
            running.stop().await;
            Exit::Done
        }
        Err(error) => {
            output::complain(&format!("evenload did not start: {error}"));
            if let StartError::Store(error) = &error
                && let Some(next) = data_folder::advice(error, &dir)
            {
                output::complain(&next);
            }
            exit(&error)
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
        output::line("  no site yet: the dashboard makes one from five answers");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled_store::{SledOptions, SledStore};

    fn config(listen: SocketAddr, data: &std::path::Path) -> Config {
        let mut config = Config::default();
        config.server.listen = listen;
        config.data.dir = data.to_owned();
        config
    }

    #[tokio::test]
    async fn a_port_in_use_is_the_operators_to_mend_and_leaves_no_data_folder() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        let config = config(taken.local_addr().expect("bound"), &data);
        let refused = start(config).await.expect_err("the port is taken");
        assert_eq!(exit(&refused), Exit::Invalid, "{refused}");
        assert!(!data.exists());
    }

    #[tokio::test]
    async fn a_data_folder_in_use_is_the_operators_to_mend() {
        let dir = tempfile::tempdir().expect("a folder");
        let _other = SledStore::open(dir.path(), SledOptions::default()).expect("opened");
        let any = "127.0.0.1:0".parse().expect("an address");
        let refused = start(config(any, dir.path())).await;
        let refused = refused.expect_err("the folder is locked");
        assert_eq!(exit(&refused), Exit::Invalid, "{refused}");
    }
}
