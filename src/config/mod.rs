//! The configuration: TOML file, then environment, then flags; the later wins. It is read once into
//! types before a port opens, and every fault is reported at once.
//!
//! An environment variable is named `EVENLOAD__SECTION__KEY`; `EVENLOAD__PUBLIC_URL` is short for
//! `EVENLOAD__SERVER__PUBLIC_URL`. Unknown keys are refused. Nothing has to be configured.

mod api;
pub mod client;
mod data;
mod fault;
mod files;
mod kind;
mod layers;
mod log;
mod network;
mod ocpi;
mod ocpp;
mod planner;
mod reader;
mod secret;
mod server;
mod supervision;
mod tls;
mod warning;

use std::path::{Path, PathBuf};

use crate::domain::policy::Policy;

pub use api::ApiConfig;
pub use data::DataConfig;
pub use fault::{ConfigError, ConfigFault, Origin};
pub use layers::Flag;
pub use log::{LogConfig, LogFormat, LogLevel};
pub use network::Network;
pub use ocpi::OcpiConfig;
pub use ocpp::OcppConfig;
pub use reader::Setting;
pub use secret::Secret;
pub use server::ServerConfig;
pub use supervision::Supervision;
pub use tls::TlsConfig;
pub use warning::Warning;

use layers::Layers;
use reader::Reader;

/// Everything that can be configured. `Config::default()` is what runs when nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where we listen.
    pub server: ServerConfig,
    /// Where we keep data.
    pub data: DataConfig,
    /// Who we are towards OCPI partners.
    pub ocpi: OcpiConfig,
    /// How charging stations that connect to us are served.
    pub ocpp: OcppConfig,
    /// Who may use our own API.
    pub api: ApiConfig,
    /// How sites are planned and commanded.
    pub planner: Policy,
    /// What is logged.
    pub log: LogConfig,
    /// Our certificate; `None` = plain http.
    pub tls: Option<TlsConfig>,
}

/// A configuration with where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Each setting in effect, in a fixed order.
    pub settings: Vec<Setting>,
    /// Advice.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Loads from a file (absent: `evenload.toml` in the working directory where there is one),
    /// an environment, and flags.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Loaded, ConfigError> {
        let file = file.map(Path::to_path_buf).or_else(layers::default_file);
        let mut layers = Layers::default();
        if let Some(path) = &file {
            layers.add_file(path);
        }
        layers.add_environment(environment);
        layers.add_flags(flags);
        let mut reader = Reader::new(layers);
        let config = Self::read(&mut reader);
        let (faults, settings) = reader.finish();
        if !faults.is_empty() {
            return Err(ConfigError { faults });
        }
        let warnings = warning::all(&config, &settings);
        Ok(Loaded {
            config,
            file,
            settings,
            warnings,
        })
    }

    /// Loads like [`Config::load`] with the environment of this process. Text that is not UTF-8 is
    /// taken with its odd bytes replaced, and so refused where it matters.
    pub fn load_here(
        file: Option<&Path>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Loaded, ConfigError> {
        let environment = std::env::vars_os().map(|(name, value)| {
            let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
            (text(name), text(value))
        });
        Self::load(file, environment, flags)
    }

    fn read(reader: &mut Reader) -> Self {
        Self {
            server: ServerConfig::read(reader),
            data: DataConfig::read(reader),
            ocpi: OcpiConfig::read(reader),
            ocpp: OcppConfig::read(reader),
            api: ApiConfig::read(reader),
            planner: planner::read(reader),
            log: LogConfig::read(reader),
            tls: TlsConfig::read(reader),
        }
    }
}
