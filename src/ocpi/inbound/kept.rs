//! Objects that are kept as they came and read by others: tariffs, a hub's clients, limits of sites.

use ocpi_client::types::{CredentialsRole, StatusCode};
use serde_json::Value;

use super::super::edge::Edge;
use super::super::object::{Kept, ObjectName, StoredObject};
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::id::PartnerId;
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::time::Time;

/// A kind of object at `{country_code}/{party_id}/{id}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) kept: Kept,
    /// What it is called in an answer.
    pub(super) noun: &'static str,
    /// The status of one that is not known.
    pub(super) unknown: StatusCode,
}

impl Edge {
    /// GET, PUT and DELETE of an object of a party that the caller may speak for. `read` checks a body
    /// as a whole, as below.
    pub(super) async fn kept_at(
        &self,
        request: &Request<'_>,
        kind: Kind,
        read: impl FnOnce(&ObjectName, &Value) -> Result<Option<Time>, Reply>,
    ) -> Reply {
        let noun = kind.noun;
        let [country_code, party_id, id] = request.tail else {
            let place = "{country_code}/{party_id}/{id}";
            return Reply::not_found(format!("{noun} is at {place}"));
        };
        let name = match request.name(country_code, party_id, id) {
            Ok(name) => name,
            Err(reply) => return reply,
        };
        let unknown = || Reply::refused(404, kind.unknown, format!("{noun} {id} is not known"));
        let kept = self.kept(request, (kind.kept, &name), unknown, |body| {
            read(&name, body)
        });
        either(kept.await)
    }

    /// GET, PUT and, where the module has it, DELETE of one object. `read` checks a body as a whole
    /// and gives its `last_updated`: an older one than ours is passed over with 1000, one of the
    /// future counts as now.
    pub(super) async fn kept(
        &self,
        request: &Request<'_>,
        (kept, name): (Kept, &ObjectName),
        unknown: impl Fn() -> Reply,
        read: impl FnOnce(&Value) -> Result<Option<Time>, Reply>,
    ) -> Result<Reply, Reply> {
        let partner = request.caller.peer.record().name.clone();
        let key = name.key(self.tenant(), &partner, kept);
        let records = &self.inner.ports.records;
        let _lock = self.lock(&key).await;
        let stored = records.get(&key).await?;
        let stored = stored.and_then(|bytes| StoredObject::from_bytes(&bytes));
        match request.method {
            Method::Get => stored.map(|it| Reply::data(it.body)).ok_or_else(unknown),
            Method::Delete if kept.is_deleted() => {
                stored.ok_or_else(unknown)?;
                let gone = RecordWrite { key, value: None };
                records.write(vec![gone]).await?;
                Ok(Reply::done())
            }
            Method::Put => {
                let body = request.json()?;
                let now = self.now();
                let updated_at = read(&body)?.unwrap_or(now).min(now);
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
                Ok(match stored {
                    Some(_) => Reply::done(),
                    None => Reply::created(),
                })
            }
            Method::Post | Method::Patch | Method::Delete => Err(Reply::method_not_allowed()),
        }
    }

    /// An object as it came and when we took it in, whichever of the partner's parties owns it.
    pub(in crate::ocpi) async fn kept_of(
        &self,
        partner: &PartnerId,
        id: &str,
        kept: Kept,
    ) -> Result<Option<(Value, Time)>, PortError> {
        let Ok(peer) = self.peer(partner) else {
            return Ok(None);
        };
        let record = peer.record();
        let roles = record.roles.iter().map(CredentialsRole::party);
        for party in roles.chain(peer.parties()) {
            let (country, party) = (party.country_code.as_str(), party.party_id.as_str());
            let Some(name) = ObjectName::new(country, party, id) else {
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
