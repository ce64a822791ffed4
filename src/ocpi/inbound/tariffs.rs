//! Tariffs as RECEIVER: kept as they came; sites that name one take their price from it.

use ocpi_client::types::{StatusCode, Tariff};

use super::super::edge::Edge;
use super::super::object::Kept;
use super::Request;
use super::reply::{Reply, either};

impl Edge {
    pub(super) async fn tariffs(&self, request: &Request<'_>) -> Reply {
        let [country_code, party_id, id] = request.tail else {
            return Reply::not_found("a tariff is at {country_code}/{party_id}/{tariff_id}");
        };
        let name = match request.name(country_code, party_id, id) {
            Ok(name) => name,
            Err(reply) => return reply,
        };
        let unknown = || {
            let message = format!("tariff {id} is not known");
            Reply::refused(404, StatusCode::CLIENT_ERROR, message)
        };
        let kept = self.kept(request, (Kept::Tariffs, &name), unknown, |body| {
            if !name.agrees_with(body, "id") {
                return Err(Reply::invalid(
                    "the tariff's id or owner differs from the URL's",
                ));
            }
            let tariff: Tariff = request.read(body)?;
            Ok(Some(tariff.last_updated.as_utc()))
        });
        either(kept.await)
    }
}
