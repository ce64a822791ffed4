//! How stations are served.

use std::path::PathBuf;
use std::time::Duration;

use super::tokens::TokenStatus;
use crate::config::Config;

/// How stations are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Quiet time after a boot was answered, in seconds.
    pub quiet_s: u32,
    /// How often stations read their meters, in seconds.
    pub sample_s: u32,
    /// Between two pings of a silent connection; after two without a sign of life it is closed.
    pub ping_interval: Duration,
    /// What a token gets that nobody filed.
    pub unknown_tokens: TokenStatus,
    /// Where the files are kept that stations upload.
    pub uploads: PathBuf,
    /// Our address for their uploads; `None` = the one by which a station has reached us.
    pub public_url: Option<String>,
}

impl Settings {
    /// From the configuration.
    pub fn of(config: &Config) -> Self {
        let public_url = config.server.public_url.clone();
        let uploads = config.data.dir.join("uploads");
        let config = &config.ocpp;
        Self {
            uploads,
            public_url,
            quiet_s: config.boot_quiet_s,
            sample_s: config.meter_interval_s,
            ping_interval: Duration::from_secs(u64::from(config.ping_interval_s)),
            unknown_tokens: if config.refuse_unknown_tokens {
                TokenStatus::Invalid
            } else {
                TokenStatus::Accepted
            },
        }
    }
}
