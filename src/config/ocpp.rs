//! How charging stations that connect to us are served.

use super::kind::{Switch, Whole};
use super::reader::Reader;

/// The section `[ocpp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcppConfig {
    /// How long after its boot message was answered a station is left alone, in seconds: some drop
    /// the connection when spoken to at once.
    pub boot_quiet_s: u32,
    /// How often stations read their meters during a transaction, in seconds.
    pub meter_interval_s: u32,
    /// How often a connection is tried by a ping, in seconds.
    pub ping_interval_s: u32,
    /// Only tokens (cards) that were filed may charge; otherwise all that are not blocked.
    pub refuse_unknown_tokens: bool,
}

impl Default for OcppConfig {
    fn default() -> Self {
        Self {
            boot_quiet_s: 2,
            meter_interval_s: 60,
            ping_interval_s: 30,
            refuse_unknown_tokens: false,
        }
    }
}

impl OcppConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        Self {
            boot_quiet_s: reader.get("ocpp.boot_quiet_s", &Whole(0..=60), default.boot_quiet_s),
            meter_interval_s: reader.get(
                "ocpp.meter_interval_s",
                &Whole(10..=900),
                default.meter_interval_s,
            ),
            ping_interval_s: reader.get(
                "ocpp.ping_interval_s",
                &Whole(5..=600),
                default.ping_interval_s,
            ),
            refuse_unknown_tokens: reader.get(
                "ocpp.refuse_unknown_tokens",
                &Switch,
                default.refuse_unknown_tokens,
            ),
        }
    }
}
