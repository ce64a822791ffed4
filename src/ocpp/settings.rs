//! How stations are served.

use std::time::Duration;

use super::tokens::TokenStatus;
use crate::config::OcppConfig;

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
}

impl Settings {
    /// From the configuration.
    pub fn of(config: &OcppConfig) -> Self {
        Self {
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
