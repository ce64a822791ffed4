//! A hub's clients as RECEIVER: who is behind it, and who can be reached now.

use ocpi_client::types::{ClientInfo, StatusCode};

use super::super::edge::Edge;
use super::super::object::{Kept, ObjectName, StoredObject};
use super::reply::{Reply, either};
use super::{Method, Request};

impl Edge {
    pub(super) async fn hub_clients(&self, request: &Request<'_>) -> Reply {
        let [country_code, party_id] = request.tail else {
            return Reply::not_found("a hub's client is at {country_code}/{party_id}");
        };
        either(self.hub_client(request, country_code, party_id).await)
    }

    async fn hub_client(
        &self,
        request: &Request<'_>,
        country_code: &str,
        party_id: &str,
    ) -> Result<Reply, Reply> {
        let record = request.caller.peer.record();
        if !record.is_hub() {
            return Err(Reply::not_found("only a hub tells of its clients"));
        }
        let name = ObjectName::of_party(country_code, party_id)
            .ok_or_else(|| Reply::invalid("country code or party id is too long"))?;
        let key = name.key(self.tenant(), &record.name, Kept::HubClients);
        let records = &self.inner.ports.records;
        let _lock = self.lock(&key).await;
        let stored = records.get(&key).await?;
        let stored = stored.and_then(|bytes| StoredObject::from_bytes(&bytes));
        match request.method {
            Method::Get => stored
                .map(|stored| Reply::data(stored.body))
                .ok_or_else(|| {
                    let message = format!("{country_code}-{party_id} is not known");
                    Reply::refused(404, StatusCode::CLIENT_ERROR, message)
                }),
            Method::Put => {
                let body = request.json()?;
                if !name.agrees_with(&body, "party_id") {
                    return Err(Reply::invalid("the party differs from the URL's"));
                }
                let client: ClientInfo = request.read(&body)?;
                let now = self.now();
                let updated_at = client.last_updated.as_utc().min(now);
                let is_new = stored.is_none();
                if stored.is_some_and(|stored| updated_at < stored.updated_at) {
                    return Ok(Reply::done());
                }
                tracing::info!(partner.id = %record.name, client = %format!("{country_code}-{party_id}"),
                    status = client.status.as_str(), "a hub told of a client");
                let object = StoredObject {
                    body,
                    updated_at,
                    received_at: now,
                    session: None,
                };
                records.write(vec![object.write(key)]).await?;
                Ok(if is_new {
                    Reply::created()
                } else {
                    Reply::done()
                })
            }
            Method::Post | Method::Patch | Method::Delete => Err(Reply::method_not_allowed()),
        }
    }
}
