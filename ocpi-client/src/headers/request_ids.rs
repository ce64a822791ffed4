//! The identifiers of messages.

use uuid::Uuid;

use super::first;
use crate::read::{Deviation, id};

/// Header with the identifier of one request and its response.
pub const REQUEST_ID: &str = "X-Request-ID";
/// Header with the identifier of a request along all its hops.
pub const CORRELATION_ID: &str = "X-Correlation-ID";
/// Longest identifier that is echoed, in characters; the specification allows 36.
pub const MAX_ID_CHARS: usize = 128;

const SECTION: &str = "transport_and_format: Unique message IDs";

/// The identifiers of a request; the response carries the same.
///
/// Section: `transport_and_format`, Unique message IDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestIds {
    /// Unique per request.
    pub request: String,
    /// The same on every hop of a request.
    pub correlation: String,
}

impl RequestIds {
    /// New identifiers for a request of our own.
    pub fn generate() -> Self {
        Self {
            request: Uuid::new_v4().to_string(),
            correlation: Uuid::new_v4().to_string(),
        }
    }

    /// The identifiers of a request that came; those missing or unusable are made, and noted.
    pub fn read(headers: &[(&str, &str)]) -> (Self, Vec<Deviation>) {
        let mut notes = Vec::new();
        let mut one = |name: &'static str| {
            let told = first(headers, name).and_then(usable).map(str::to_owned);
            told.unwrap_or_else(|| {
                let detail = "absent or unusable; one was made";
                notes.push(Deviation::new(id::REQUEST_ID, name, SECTION, detail));
                Uuid::new_v4().to_string()
            })
        };
        let ids = Self {
            request: one(REQUEST_ID),
            correlation: one(CORRELATION_ID),
        };
        (ids, notes)
    }

    /// The identifiers for passing a request on: a new request, the same correlation.
    #[must_use]
    pub fn forwarded(&self) -> Self {
        Self {
            request: Uuid::new_v4().to_string(),
            correlation: self.correlation.clone(),
        }
    }

    /// What is wrong with the identifiers in the response to a request with these; at most one
    /// deviation.
    pub fn check_echo(&self, response: &[(&str, &str)]) -> Option<Deviation> {
        let wrong = self
            .write()
            .into_iter()
            .find_map(|(name, sent)| match first(response, name) {
                Some(echoed) if echoed == sent => None,
                Some(_) => Some((name, "not that of the request")),
                None => Some((name, "absent from the response")),
            });
        wrong.map(|(name, detail)| Deviation::new(id::REQUEST_ID_ECHO, name, SECTION, detail))
    }

    /// The headers to send.
    pub fn write(&self) -> [(&'static str, &str); 2] {
        [
            (REQUEST_ID, &self.request),
            (CORRELATION_ID, &self.correlation),
        ]
    }
}

fn usable(value: &str) -> Option<&str> {
    let value = value.trim();
    let fits = !value.is_empty() && value.len() <= MAX_ID_CHARS;
    (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}
