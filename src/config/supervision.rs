//! Who supervises this process, as systemd says in the environment. Source: `sd_notify(3)`,
//! `sd_watchdog_enabled(3)`.

use std::time::Duration;

use super::client::variable;

/// Where the supervisor listens, and how often it wants to hear of us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervision {
    /// `NOTIFY_SOCKET`: a path, or a name after `@`.
    pub socket: Option<String>,
    /// `WATCHDOG_USEC`: after so much silence it kills us.
    pub watchdog: Option<Duration>,
}

impl Supervision {
    /// As the environment has it.
    pub fn here() -> Self {
        let micros = variable("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        Self {
            socket: variable("NOTIFY_SOCKET"),
            watchdog: micros
                .filter(|micros| *micros > 0)
                .map(Duration::from_micros),
        }
    }
}
