//! Reads a request's body: bounded, of the right type, without members that are there twice.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use serde_json::Value;

use super::problem::Problem;
use crate::domain::json;

/// Largest body: 10,000 slots in long form are about 1 MB.
pub(super) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// What a body says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    Json,
    Csv,
}

/// The type of the body, or 415.
pub(super) fn body_type(request: &HttpRequest) -> Result<BodyType, Problem> {
    let stated = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = stated.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(BodyType::Json),
        "text/csv" => Ok(BodyType::Csv),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .with_detail("the body's Content-Type must be application/json")
}

/// The bytes of the body, or 413.
pub(super) async fn read_bytes(
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .with_detail(format!("the body may have {MAX_BODY_BYTES} bytes"))
    };
    let stated: Option<usize> = request
        .headers()
        .get(actix_web::http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::fault("", "the body broke off"))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The body as JSON, or 413, 415, 400.
pub(super) async fn read_json(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Value, Problem> {
    if body_type(request)? != BodyType::Json {
        return Err(unsupported());
    }
    parse_json(&read_bytes(request, payload).await?)
}

/// Parses JSON; a member that is there twice is a fault, since two readers may take two values.
pub(super) fn parse_json(bytes: &[u8]) -> Result<Value, Problem> {
    json::read(bytes).map_err(|error| Problem::fault("", format!("is not valid JSON: {error}")))
}
