//! What every response is wrapped in.

use serde::Serialize;
use serde_json::Value;

use super::date_time::DateTime;
use super::status_code::StatusCode;
use crate::read::{Object, OcpiObject, Unreadable};

/// What every response is wrapped in. Section: `transport_and_format`, Response format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Envelope<T> {
    /// The content; there when the request asks for one. Object, list or text; cardinality * or ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// OCPI's status code. Cardinality 1.
    pub status_code: StatusCode,
    /// A sentence on the status. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// When the response was made. Cardinality 1; absence tolerated when reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime>,
}

impl<T> Envelope<T> {
    /// Success with content.
    pub fn success(data: T, now: DateTime) -> Self {
        Self {
            data: Some(data),
            status_code: StatusCode::SUCCESS,
            status_message: None,
            timestamp: Some(now),
        }
    }
}

impl Envelope<Value> {
    /// An answer without content.
    pub fn status(code: StatusCode, message: impl Into<String>, now: DateTime) -> Self {
        let message = message.into();
        Self {
            data: None,
            status_code: code,
            status_message: (!message.is_empty()).then_some(message),
            timestamp: Some(now),
        }
    }
}

impl OcpiObject for Envelope<Value> {
    const SECTION: &'static str = "transport_and_format: Response format";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            data: object.value("data").cloned(),
            status_code: object.required("status_code")?,
            status_message: object.optional("status_message"),
            timestamp: object.expected("timestamp"),
        })
    }
}
