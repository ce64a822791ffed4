//! The OCPP versions we speak, and which of those a station offers is taken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of OCPP over JSON and WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// OCPP 1.6, JSON.
    #[serde(rename = "ocpp1.6")]
    V16,
    /// OCPP 2.0.1.
    #[serde(rename = "ocpp2.0.1")]
    V201,
    /// OCPP 2.1.
    #[serde(rename = "ocpp2.1")]
    V21,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V16, Self::V201, Self::V21];

    /// Its WebSocket sub-protocol (IANA registry).
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// The version of a sub-protocol's name.
    pub fn of(subprotocol: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.subprotocol() == subprotocol.trim())
    }

    /// The first that we speak of what a station offers, in its order (RFC 6455, 4.2.2). `None`:
    /// the upgrade is refused.
    pub fn choose<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offered
            .into_iter()
            .flat_map(|header| header.split(','))
            .find_map(Self::of)
    }

    /// True for 2.0.1 and 2.1, which share their frames' error codes and transaction model.
    pub const fn is_two(self) -> bool {
        matches!(self, Self::V201 | Self::V21)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subprotocol())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_version_we_speak_is_taken_in_the_stations_order() {
        assert_eq!(Version::choose(["ocpp0.1,ocpp1.6"]), Some(Version::V16));
        assert_eq!(
            Version::choose(["ocpp2.1, ocpp2.0.1", "ocpp1.6"]),
            Some(Version::V21)
        );
        assert_eq!(
            Version::choose(["ocpp1.6", "ocpp2.0.1"]),
            Some(Version::V16)
        );
        // 2.0 was withdrawn.
        assert_eq!(Version::choose(["ocpp0.1", "ocpp2.0"]), None);
        assert_eq!(Version::choose([]), None);
    }
}
