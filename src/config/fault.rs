//! What is wrong with a configuration, and where it came from.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a setting's value came from; of several, the later in this list wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A flag of the command line, by name.
    Flag(&'static str),
}

impl Origin {
    /// The order in which origins win: higher over lower.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The setting, e.g. `server.listen`; empty = the file as a whole.
    pub key: String,
    /// Where the faulty value came from.
    pub origin: Origin,
    /// What was found and what is allowed; never the value of a secret.
    pub detail: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        write!(f, "{} ({})", self.detail, self.origin)
    }
}

/// The configuration cannot be used: every fault found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the configuration is invalid:{}", list(.faults))]
pub struct ConfigError {
    /// The faults, in the order of their keys; at least one.
    pub faults: Vec<ConfigFault>,
}

fn list(faults: &[ConfigFault]) -> String {
    let lines = faults.iter().map(|fault| format!("\n  {fault}"));
    lines.collect()
}
