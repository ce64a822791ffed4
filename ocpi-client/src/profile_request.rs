//! What a request about a charging profile came to at once.

use serde_json::Value;

use crate::error::Error;
use crate::types::{ChargingProfileResponse, ChargingProfileResponseType, StatusCode};

/// What a request about a charging profile came to at once: the platform's word, not the charging
/// station's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The platform passes it on; the result comes to the `response_url` within so many seconds.
    Pending {
        /// Seconds until no result will come any more; [`DEFAULT_TIMEOUT_S`] when the platform
        /// said 0. A result that comes later still counts.
        timeout_s: u32,
    },
    /// The charging station knows no profiles.
    NotSupported,
    /// Refused, as without a contract.
    Rejected,
    /// Too many requests; nobody says how long to wait.
    TooOften,
    /// The platform does not know the session.
    UnknownSession,
    /// Nothing can be said: no answer, or none that makes sense. The request may have been done.
    Unclear,
}

/// Used where a platform accepts with a timeout of 0, in seconds.
pub const DEFAULT_TIMEOUT_S: u32 = 30;

/// Longest timeout that is believed, in seconds: an hour. A platform that names more is waited for
/// as long as this.
pub const MAX_TIMEOUT_S: u32 = 3600;

impl Verdict {
    /// Reads the verdict out of a reply.
    ///
    /// Section: `mod_charging_profiles`, `ChargingProfileResponse`. That a session is not known
    /// is told in several ways: `UNKNOWN_SESSION`, HTTP 404, status code 2000, or status code 2001
    /// with `REJECTED`.
    pub fn of(result: &Result<ChargingProfileResponse, Error>) -> Self {
        match result {
            Ok(response) => Self::of_response(response),
            Err(Error::Http { status: 404, .. }) => Self::UnknownSession,
            Err(Error::Http { status: 429, .. }) => Self::TooOften,
            Err(Error::Ocpi { code, data, .. }) => Self::of_refusal(*code, data.as_deref()),
            Err(_) => Self::Unclear,
        }
    }

    fn of_response(response: &ChargingProfileResponse) -> Self {
        match response.result {
            ChargingProfileResponseType::Accepted if response.timeout == 0 => Self::Pending {
                timeout_s: DEFAULT_TIMEOUT_S,
            },
            ChargingProfileResponseType::Accepted => Self::Pending {
                timeout_s: response.timeout.min(MAX_TIMEOUT_S),
            },
            ChargingProfileResponseType::NotSupported => Self::NotSupported,
            ChargingProfileResponseType::Rejected => Self::Rejected,
            ChargingProfileResponseType::TooOften => Self::TooOften,
            ChargingProfileResponseType::UnknownSession => Self::UnknownSession,
            ChargingProfileResponseType::Other(_) => Self::Unclear,
        }
    }

    fn of_refusal(code: StatusCode, data: Option<&Value>) -> Self {
        let told = data
            .and_then(|data| data.get("result").or_else(|| data.pointer("/0/result")))
            .and_then(Value::as_str)
            .map(ChargingProfileResponseType::from_text);
        match (code, told) {
            (_, Some(ChargingProfileResponseType::UnknownSession))
            | (StatusCode::CLIENT_ERROR, None)
            | (
                StatusCode::CLIENT_ERROR | StatusCode::INVALID_PARAMETERS,
                Some(ChargingProfileResponseType::Rejected),
            ) => Self::UnknownSession,
            (_, Some(ChargingProfileResponseType::NotSupported)) => Self::NotSupported,
            (_, Some(ChargingProfileResponseType::Rejected)) => Self::Rejected,
            (_, Some(ChargingProfileResponseType::TooOften)) => Self::TooOften,
            _ => Self::Unclear,
        }
    }
}
