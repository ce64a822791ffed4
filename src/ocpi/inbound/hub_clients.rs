//! A hub's clients as RECEIVER: who is behind it, and who can be reached now.

use ocpi_client::types::{ClientInfo, StatusCode};

use super::super::edge::Edge;
use super::super::object::{Kept, ObjectName};
use super::Request;
use super::reply::{Reply, either};

impl Edge {
    pub(super) async fn hub_clients(&self, request: &Request<'_>) -> Reply {
        let [country_code, party_id] = request.tail else {
            return Reply::not_found("a hub's client is at {country_code}/{party_id}");
        };
        let record = request.caller.peer.record();
        if !record.is_hub() {
            return Reply::not_found("only a hub tells of its clients");
        }
        let Some(name) = ObjectName::of_party(country_code, party_id) else {
            return Reply::invalid("country code or party id is too long");
        };
        let unknown = || {
            let message = format!("{country_code}-{party_id} is not known");
            Reply::refused(404, StatusCode::CLIENT_ERROR, message)
        };
        let kept = self.kept(request, (Kept::HubClients, &name), unknown, |body| {
            if !name.agrees_with(body, "party_id") {
                return Err(Reply::invalid("the party differs from the URL's"));
            }
            let client: ClientInfo = request.read(body)?;
            tracing::info!(partner.id = %record.name, client = %format!("{country_code}-{party_id}"),
                status = client.status.as_str(), "a hub told of a client");
            Ok(Some(client.last_updated.as_utc()))
        });
        either(kept.await)
    }
}
