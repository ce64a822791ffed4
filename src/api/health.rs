//! `/health/*` and `/metrics`: open to whoever reaches the listener, and without names of people.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::ApiState;
use super::dashboard::VERSION;
use super::ports::PartStatus;
use super::sites::{Answer, no_query};
use super::told::Seen;
use crate::domain::id::TenantId;

/// The process runs and answers.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok", "version": VERSION}))
}

/// Every part does its work; 503 if one does not.
pub(super) async fn ready(api: Data<ApiState>) -> HttpResponse {
    let now = api.clock.now();
    let parts = api.health.parts(now);
    let worst = if parts.iter().any(|part| part.status == PartStatus::Failed) {
        PartStatus::Failed
    } else if parts.iter().any(|part| part.status == PartStatus::Degraded) {
        PartStatus::Degraded
    } else {
        PartStatus::Ok
    };
    let mut answer = match worst {
        PartStatus::Failed => HttpResponse::ServiceUnavailable(),
        PartStatus::Ok | PartStatus::Degraded => HttpResponse::Ok(),
    };
    answer.json(json!({"status": worst, "version": VERSION, "at": now, "parts": parts}))
}

/// What is counted and measured, in the text format that Prometheus reads.
pub(super) async fn metrics(api: Data<ApiState>, request: HttpRequest) -> Answer {
    no_query(&request)?;
    // Stations are known to be there or not; a fault in reading them leaves the rest.
    let stations = api.stations.list(&TenantId::default_tenant()).await;
    let seen = Seen {
        sites: api.directory.as_ref(),
        chronicle: &api.chronicle,
        traffic: api.partners.traffic(),
        stations: stations.unwrap_or_default(),
    };
    let text = api.metrics.render(&seen, api.clock.now());
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}
