//! Tariffs as RECEIVER: kept as they came.

use ocpi_client::types::{StatusCode, Tariff};

use super::super::edge::Edge;
use super::super::object::{Kept, StoredObject};
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::ports::RecordWrite;

impl Edge {
    pub(super) async fn tariffs(&self, request: &Request<'_>) -> Reply {
        let [country_code, party_id, id] = request.tail else {
            return Reply::not_found("a tariff is at {country_code}/{party_id}/{tariff_id}");
        };
        either(self.tariff(request, country_code, party_id, id).await)
    }

    async fn tariff(
        &self,
        request: &Request<'_>,
        country_code: &str,
        party_id: &str,
        id: &str,
    ) -> Result<Reply, Reply> {
        let name = request.name(country_code, party_id, id)?;
        let key = name.key(
            self.tenant(),
            &request.caller.peer.record().name,
            Kept::Tariffs,
        );
        let records = &self.inner.ports.records;
        let _lock = self.lock(&key).await;
        let stored = records
            .get(&key)
            .await?
            .and_then(|bytes| StoredObject::from_bytes(&bytes));
        match request.method {
            Method::Get => stored
                .map(|stored| Reply::data(stored.body))
                .ok_or_else(|| unknown(id)),
            Method::Delete => {
                stored.ok_or_else(|| unknown(id))?;
                records
                    .write(vec![RecordWrite { key, value: None }])
                    .await?;
                Ok(Reply::done())
            }
            Method::Put => {
                let body = request.json()?;
                if !name.agrees_with(&body, "id") {
                    return Err(Reply::invalid(
                        "the tariff's id or owner differs from the URL's",
                    ));
                }
                let tariff: Tariff = request.read(&body)?;
                let now = self.now();
                let updated_at = tariff.last_updated.as_utc().min(now);
                if stored
                    .as_ref()
                    .is_some_and(|stored| updated_at < stored.updated_at)
                {
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
}

fn unknown(id: &str) -> Reply {
    Reply::refused(
        404,
        StatusCode::CLIENT_ERROR,
        format!("tariff {id} is not known"),
    )
}
