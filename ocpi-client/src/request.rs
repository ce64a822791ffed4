//! From the bytes of a request that came to us to its object, or to the answer that refuses it.

use serde_json::Value;

use crate::read::{FromOcpi, Reading, Unreadable, read_one};
use crate::types::{DateTime, Envelope, StatusCode};

/// Why a body is refused, and with which answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not JSON, or nested deeper than 128 levels: HTTP 400.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but not the object that belongs here: HTTP 200 with status code 2001.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

impl Rejection {
    /// The HTTP status of the answer. Section: `transport_and_format`, Errors.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::NotJson(_) => 400,
            Self::Unreadable(_) => 200,
        }
    }

    /// The envelope of the answer.
    pub fn envelope(&self, now: DateTime) -> Envelope<Value> {
        let code = match self {
            Self::NotJson(_) => StatusCode::CLIENT_ERROR,
            Self::Unreadable(_) => StatusCode::INVALID_PARAMETERS,
        };
        Envelope::status(code, self.to_string(), now)
    }
}

/// Reads the body of a request leniently.
pub fn read_body<T: FromOcpi>(body: &[u8]) -> Result<Reading<T>, Rejection> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| Rejection::NotJson(error.to_string()))?;
    Ok(read_one(&json)?)
}
