//! Our own module `sitelimits` as RECEIVER: what a partner says of its locations' grid connection.
//!
//! OCPI has no field for it; custom modules are allowed between parties that agreed. It is only in
//! the version details of partners for which the operator switched it on.

use ocpi_client::read::read_one;
use ocpi_client::types::{CredentialsRole, DateTime, StatusCode};
use serde_json::Value;

use super::super::edge::Edge;
use super::super::object::{Kept, ObjectName, StoredObject};
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::id::PartnerId;
use crate::domain::limit_source::{LimitSource, SiteLimits};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::time::Time;

/// The name of the module.
pub(in crate::ocpi) const MODULE: &str = "sitelimits";

/// Most circuits of one location.
const MAX_CIRCUITS: usize = 200;

impl Edge {
    pub(super) async fn site_limits(&self, request: &Request<'_>) -> Reply {
        if !request.caller.peer.record().site_limits {
            return Reply::not_found("module sitelimits is not served to you");
        }
        let [country_code, party_id, location] = request.tail else {
            return Reply::not_found("limits are at {country_code}/{party_id}/{location_id}");
        };
        let name = match request.name(country_code, party_id, location) {
            Ok(name) => name,
            Err(reply) => return reply,
        };
        either(self.limits_of(request, &name).await)
    }

    async fn limits_of(&self, request: &Request<'_>, name: &ObjectName) -> Result<Reply, Reply> {
        let partner = request.caller.peer.record().name.clone();
        let key = name.key(self.tenant(), &partner, Kept::SiteLimits);
        let records = &self.inner.ports.records;
        let _lock = self.lock(&key).await;
        let stored = records.get(&key).await?;
        let stored = stored.and_then(|bytes| StoredObject::from_bytes(&bytes));
        let unknown = || {
            let message = format!("no limits of location {} are known", name.id);
            Reply::refused(404, StatusCode::UNKNOWN_LOCATION, message)
        };
        match request.method {
            Method::Get => stored.map(|it| Reply::data(it.body)).ok_or_else(unknown),
            Method::Delete => {
                stored.ok_or_else(unknown)?;
                records
                    .write(vec![RecordWrite { key, value: None }])
                    .await?;
                Ok(Reply::done())
            }
            Method::Put => {
                let body = request.json()?;
                let told = checked(&body).map_err(Reply::invalid)?;
                let now = self.now();
                let updated_at = told.unwrap_or(now).min(now);
                if stored.as_ref().is_some_and(|it| updated_at < it.updated_at) {
                    return Ok(Reply::done());
                }
                let object = StoredObject {
                    body,
                    updated_at,
                    received_at: now,
                    session: None,
                };
                records.write(vec![object.write(key)]).await?;
                Ok(if stored.is_some() {
                    Reply::done()
                } else {
                    Reply::created()
                })
            }
            Method::Post | Method::Patch => Err(Reply::method_not_allowed()),
        }
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

    /// An object of a location, whichever of the partner's parties owns it.
    async fn kept_of(
        &self,
        partner: &PartnerId,
        location_id: &str,
        kept: Kept,
    ) -> Result<Option<(Value, Time)>, PortError> {
        let Ok(peer) = self.peer(partner) else {
            return Ok(None);
        };
        let record = peer.record();
        let roles = record.roles.iter().map(CredentialsRole::party);
        for party in roles.chain(peer.parties()) {
            let (country, id) = (party.country_code.as_str(), party.party_id.as_str());
            let Some(name) = ObjectName::new(country, id, location_id) else {
                continue;
            };
            let key = name.key(self.tenant(), partner, kept);
            let found = self.inner.ports.records.get(&key).await?;
            if let Some(stored) = found.and_then(|bytes| StoredObject::from_bytes(&bytes)) {
                return Ok(Some((stored.body, stored.received_at)));
            }
        }
        Ok(None)
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
