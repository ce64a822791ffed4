//! Our own module `sitelimits` as RECEIVER: what a partner says of its locations' grid connection.
//!
//! OCPI has no field for it; custom modules are allowed between parties that agreed. It is only in
//! the version details of partners for which the operator switched it on.

use ocpi_client::read::read_one;
use ocpi_client::types::{DateTime, StatusCode};
use serde_json::Value;

use super::super::edge::Edge;
use super::super::object::Kept;
use super::Request;
use super::kept::Kind;
use super::reply::Reply;
use crate::domain::id::PartnerId;
use crate::domain::limit_source::{LimitSource, SiteLimits};
use crate::domain::ports::PortError;
use crate::domain::time::Time;

/// The name of the module.
pub(in crate::ocpi) const MODULE: &str = "sitelimits";

const LIMITS: Kind = Kind {
    kept: Kept::SiteLimits,
    noun: "a location's limits",
    unknown: StatusCode::UNKNOWN_LOCATION,
};

/// Most circuits of one location.
const MAX_CIRCUITS: usize = 200;

impl Edge {
    pub(super) async fn site_limits(&self, request: &Request<'_>) -> Reply {
        if !request.caller.peer.record().site_limits {
            return Reply::not_found("module sitelimits is not served to you");
        }
        let kept = self.kept_at(request, LIMITS, |_, body| {
            checked(body).map_err(Reply::invalid)
        });
        kept.await
    }

    /// What a limit source over OCPI gives now: the document and when it was read.
    pub async fn limit_document(
        &self,
        source: &LimitSource,
    ) -> Result<Option<(Value, Time)>, PortError> {
        match source {
            LimitSource::OcpiJsonPointer(field) => {
                self.kept_of(&field.partner, &field.location_id, Kept::Locations)
                    .await
            }
            LimitSource::OcpiCustomModule(SiteLimits {
                partner,
                location_id,
                ..
            }) => self.kept_of(partner, location_id, Kept::SiteLimits).await,
            LimitSource::HttpJson(_) => Ok(None),
        }
    }
}

/// Checks a body as a whole: nothing of a wrong one is kept. Gives its `last_updated`.
fn checked(body: &Value) -> Result<Option<Time>, String> {
    let circuits = body.get("circuits").and_then(Value::as_array);
    let circuits = circuits.ok_or("circuits is not a list")?;
    if circuits.is_empty() || circuits.len() > MAX_CIRCUITS {
        return Err(format!("circuits must have 1 to {MAX_CIRCUITS} entries"));
    }
    for (index, circuit) in circuits.iter().enumerate() {
        let id = circuit.get("id").and_then(Value::as_str);
        let source = LimitSource::OcpiCustomModule(SiteLimits {
            partner: PartnerId::new("any").map_err(|error| error.to_string())?,
            location_id: String::new(),
            circuit: id.map(str::to_owned),
            max_age_s: None,
        });
        source
            .find(body)
            .map_err(|why| format!("/circuits/{index}: {why}"))?;
    }
    match body.get("last_updated") {
        None | Some(Value::Null) => Ok(None),
        Some(told) => read_one::<DateTime>(told)
            .map(|read| Some(read.value.as_utc()))
            .map_err(|why| why.to_string()),
    }
}
