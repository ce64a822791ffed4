//! OCPI's own status codes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::read::{FromOcpi, Reader, Unreadable};

/// The status code in an envelope. Section: `status_codes`.
///
/// HTTP says whether the message reached the other side's OCPI layer; this says what that layer
/// made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusCode(pub u16);

/// Whose fault a status code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 1xxx: done.
    Success,
    /// 2xxx: the one who asked.
    Client,
    /// 3xxx: the one who was asked.
    Server,
    /// 4xxx: a hub on the way.
    Hub,
    /// Anything else.
    Unknown,
}

impl StatusCode {
    /// 1000: done.
    pub const SUCCESS: Self = Self(1000);
    /// 2000: the request is at fault.
    pub const CLIENT_ERROR: Self = Self(2000);
    /// 2001: a parameter is missing or invalid.
    pub const INVALID_PARAMETERS: Self = Self(2001);
    /// 2002: the request says too little.
    pub const NOT_ENOUGH_INFORMATION: Self = Self(2002);
    /// 2003: the location is not known.
    pub const UNKNOWN_LOCATION: Self = Self(2003);
    /// 2004: the token is not known.
    pub const UNKNOWN_TOKEN: Self = Self(2004);
    /// 3000: the server is at fault.
    pub const SERVER_ERROR: Self = Self(3000);
    /// 3001: the client's interface cannot be used (registration).
    pub const CLIENT_API_UNUSABLE: Self = Self(3001);
    /// 3002: no common version.
    pub const UNSUPPORTED_VERSION: Self = Self(3002);
    /// 3003: endpoints are missing.
    pub const MISSING_ENDPOINTS: Self = Self(3003);
    /// 4000: the hub is at fault.
    pub const HUB_ERROR: Self = Self(4000);
    /// 4001: the hub does not know the receiver.
    pub const UNKNOWN_RECEIVER: Self = Self(4001);
    /// 4002: the receiver did not answer the hub in time.
    pub const HUB_TIMEOUT: Self = Self(4002);
    /// 4003: the hub has no connection to the receiver.
    pub const HUB_CONNECTION: Self = Self(4003);

    /// Whose fault it names; custom codes (x900-x999) belong to their thousand.
    pub const fn class(self) -> StatusClass {
        match self.0 {
            1000..=1999 => StatusClass::Success,
            2000..=2999 => StatusClass::Client,
            3000..=3999 => StatusClass::Server,
            4000..=4999 => StatusClass::Hub,
            _ => StatusClass::Unknown,
        }
    }

    /// Whether the request was done.
    pub const fn is_success(self) -> bool {
        matches!(self.class(), StatusClass::Success)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromOcpi for StatusCode {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        u16::read(value, reader).map(Self)
    }
}
