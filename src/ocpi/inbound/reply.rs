//! What a partner gets back: always an envelope.

use ocpi_client::headers::Routing;
use ocpi_client::types::{DateTime, Envelope, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::super::edge::EdgeError;
use crate::domain::ports::PortError;
use crate::domain::time::Time;

/// A reply before it is written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) http: u16,
    pub(super) code: StatusCode,
    pub(super) message: String,
    pub(super) data: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// Done; nothing to say.
    pub(super) fn done() -> Self {
        Self {
            http: 200,
            code: StatusCode::SUCCESS,
            message: String::new(),
            data: None,
            headers: Vec::new(),
        }
    }

    /// Done, and the object is new.
    pub(super) fn created() -> Self {
        Self {
            http: 201,
            ..Self::done()
        }
    }

    /// Done, with data. Our own types always serialise.
    pub(super) fn data(data: impl Serialize) -> Self {
        Self {
            data: serde_json::to_value(data).ok(),
            ..Self::done()
        }
    }

    /// Not done.
    pub(super) fn refused(http: u16, code: StatusCode, message: impl Into<String>) -> Self {
        let message: String = message.into();
        // A peer's text may be in it: one line of bounded length.
        let message = message
            .chars()
            .take(240)
            .map(|c| if c.is_control() { ' ' } else { c });
        Self {
            http,
            code,
            message: message.collect(),
            ..Self::done()
        }
    }

    /// A parameter is missing or wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(200, StatusCode::INVALID_PARAMETERS, message)
    }

    /// There is no such thing.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::refused(404, StatusCode::CLIENT_ERROR, message)
    }

    /// The same words for every reason, so that nothing can be learned from them.
    pub(super) fn unauthorized() -> Self {
        Self::refused(401, StatusCode::CLIENT_ERROR, "no valid token")
    }

    /// Too many wrong tokens.
    pub(super) fn too_many(wait_s: i64) -> Self {
        let mut reply = Self::refused(429, StatusCode::CLIENT_ERROR, "too many requests");
        reply.headers.push(("Retry-After", wait_s.to_string()));
        reply
    }

    /// The module has no such method here.
    pub(super) fn method_not_allowed() -> Self {
        Self::refused(
            405,
            StatusCode::CLIENT_ERROR,
            "this method is not allowed here",
        )
    }

    /// With routing headers.
    pub(super) fn routed(mut self, routing: &Routing) -> Self {
        self.headers.extend(
            routing
                .write()
                .map(|(name, value)| (name, value.to_owned())),
        );
        self
    }

    /// The body.
    pub(super) fn body(&self, now: Time) -> Vec<u8> {
        let envelope = Envelope {
            data: self.data.as_ref(),
            status_code: self.code,
            status_message: (!self.message.is_empty()).then(|| self.message.clone()),
            timestamp: Some(DateTime::from(now)),
        };
        // JSON values and strings always serialise.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }
}

impl From<PortError> for Reply {
    fn from(error: PortError) -> Self {
        tracing::warn!(%error, "a partner's request could not be taken in");
        Self::refused(
            503,
            StatusCode::SERVER_ERROR,
            "could not be stored; send it again later",
        )
    }
}

impl From<EdgeError> for Reply {
    fn from(error: EdgeError) -> Self {
        match error {
            EdgeError::Port(error) => error.into(),
            other => Self::refused(200, StatusCode::SERVER_ERROR, other.to_string()),
        }
    }
}

/// A result whose both sides are replies.
pub(super) fn either(result: Result<Reply, Reply>) -> Reply {
    result.unwrap_or_else(|refusal| refusal)
}
