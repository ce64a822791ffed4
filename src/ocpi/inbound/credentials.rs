//! Credentials: partners register with us, renew, read and end their registration.

use ocpi_client::registration::Method as Carrier;
use ocpi_client::types::Credentials;

use super::super::edge::{Edge, EdgeError};
use super::super::partner::Handshake;
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::event::PartnerHealth;

impl Edge {
    pub(super) async fn credentials(&self, request: &Request<'_>) -> Reply {
        if !request.tail.is_empty() {
            return Reply::not_found("credentials have nothing beneath them");
        }
        match request.method {
            Method::Get => {
                // Only the caller knows its token: it is given back what it showed.
                let token = request.caller.token.clone();
                Reply::data(self.our_credentials(&request.version, token))
            }
            Method::Post => either(self.exchange(request, Carrier::Post).await),
            Method::Put => either(self.exchange(request, Carrier::Put).await),
            Method::Delete => either(self.unregister(request).await),
            Method::Patch => Reply::method_not_allowed(),
        }
    }

    async fn exchange(&self, request: &Request<'_>, method: Carrier) -> Result<Reply, Reply> {
        let peer = &request.caller.peer;
        let credentials: Credentials = request.read(&request.json()?)?;
        // Who sends its token as it is mostly wants it so too; the other way is tried next.
        let encoding = request.caller.encoding;
        let version = request.version.clone();
        self.registered_by(peer, method, version, credentials, encoding)
            .await
            .map(Reply::data)
            .map_err(|failure| Reply::refused(failure.http_status, failure.code, failure.reason))
    }

    async fn unregister(&self, request: &Request<'_>) -> Result<Reply, Reply> {
        let name = request.caller.peer.record().name.clone();
        if request.caller.peer.record().handshake != Handshake::Registered {
            return Err(Reply::method_not_allowed());
        }
        self.change(&name, |record| {
            record.end();
            Ok::<_, EdgeError>(())
        })
        .await?;
        tracing::info!(partner.id = %name, "partner ended the registration");
        self.partner_seen(&name, PartnerHealth::Stale).await?;
        Ok(Reply::done())
    }
}
