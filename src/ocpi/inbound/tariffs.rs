//! Tariffs as RECEIVER: kept as they came; sites that name one take their price from it.

use ocpi_client::types::{StatusCode, Tariff};

use super::super::edge::Edge;
use super::super::object::Kept;
use super::Request;
use super::kept::Kind;
use super::reply::Reply;

const TARIFF: Kind = Kind {
    kept: Kept::Tariffs,
    noun: "a tariff",
    unknown: StatusCode::CLIENT_ERROR,
};

impl Edge {
    pub(super) async fn tariffs(&self, request: &Request<'_>) -> Reply {
        let kept = self.kept_at(request, TARIFF, |name, body| {
            if !name.agrees_with(body, "id") {
                let message = "the tariff's id or owner differs from the URL's";
                return Err(Reply::invalid(message));
            }
            let tariff: Tariff = request.read(body)?;
            Ok(Some(tariff.last_updated.as_utc()))
        });
        kept.await
    }
}
