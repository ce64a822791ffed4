//! Reading a partner back: its sessions and locations, page by page.

mod listed;
mod seed;
mod sessions;

use ocpi_client::client::{Client, Crawl};
use ocpi_client::error::Error;
use ocpi_client::paging::PageEnd;
use ocpi_client::read::{Deviation, Deviations, FromOcpi, id, read_one};
use ocpi_client::types::{ClientInfo, InterfaceRole, Location, ModuleId, Tariff};
use serde_json::Value;

use super::edge::{Edge, EdgeError};
use super::object::ObjectName;
use super::partner::PartnerRecord;
use super::peer::Peer;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::PartnerId;
use crate::domain::ports::PortError;
use crate::domain::time::Time;

/// Most kept objects of one module of a partner that are looked at.
const MAX_KEPT: usize = 200_000;

/// A page that is longer than we take is asked for again with a fifth of the objects, down to 1.
const PAGE_DIVISORS: [u32; 4] = [1, 5, 25, 125];

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Locations and all sessions that may be running; what is not listed any more has ended.
    Full,
    /// Sessions changed since an instant.
    Since(Time),
}

/// What a pull found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Locations listed.
    pub locations: usize,
    /// Tariffs listed.
    pub tariffs: usize,
    /// Sessions listed.
    pub sessions: usize,
    /// Sessions that are pending or active.
    pub live: usize,
    /// Sessions that were running and have ended, since they were not listed twice in a row.
    pub gone: usize,
    /// Sessions that were running and were not listed this time.
    pub missing: usize,
    /// Objects that could not even be named; while there are any, nothing is taken as gone.
    pub nameless: usize,
}

impl Edge {
    /// Reads a partner back and says to all its sites whether that worked.
    pub async fn pull(&self, partner: &PartnerId, reach: Reach) -> Result<Pulled, EdgeError> {
        let result = Box::pin(self.read_back(partner, reach)).await;
        match &result {
            Ok(pulled) => {
                tracing::info!(partner.id = %partner, ?pulled, "partner read back");
                if reach == Reach::Full {
                    let now = self.now();
                    self.peer(partner)?.live().health.last_full_pull_at = Some(now);
                }
                self.partner_seen(partner, PartnerHealth::Current).await?;
            }
            Err(error) => {
                tracing::warn!(partner.id = %partner, %error, "partner could not be read back");
                self.partner_seen(partner, PartnerHealth::Stale).await?;
            }
        }
        result
    }

    /// Tells all sites with EVSEs at a partner how fresh our view of it is.
    pub(super) async fn partner_seen(
        &self,
        partner: &PartnerId,
        health: PartnerHealth,
    ) -> Result<(), PortError> {
        if let Ok(peer) = self.peer(partner) {
            peer.live().is_current = health == PartnerHealth::Current;
        }
        for site in self.inner.ports.sites.sites_of(&self.partner_key(partner)) {
            let seen = EventKind::PartnerSeen {
                partner: partner.clone(),
                health,
            };
            self.tell(&site, vec![seen], Vec::new()).await?;
        }
        Ok(())
    }

    async fn read_back(&self, partner: &PartnerId, reach: Reach) -> Result<Pulled, EdgeError> {
        let peer = self.peer(partner)?;
        let record = peer.record();
        if !record.is_registered() {
            return Err(EdgeError::NotRegistered(partner.clone()));
        }
        let pull = Pull {
            edge: self,
            peer: &peer,
            client: self.client_for(&record, record.main_party())?,
            record: &record,
        };
        let mut pulled = Pulled::default();
        // Sessions first: they are what limits are about. Without locations we still know them.
        pull.sessions(reach, &mut pulled).await?;
        if reach == Reach::Full {
            pull.rest(&mut pulled).await;
        }
        if pulled.missing > 0 {
            self.want_pull(partner);
        }
        Ok(pulled)
    }

    pub(super) async fn next_page(
        &self,
        peer: &Peer,
        crawl: &mut Crawl<'_, Value>,
    ) -> Result<Option<Vec<Value>>, EdgeError> {
        let _slot = peer.slots.acquire().await;
        let began = self.now();
        let Some(reply) = crawl.next_page().await else {
            return Ok(None);
        };
        peer.note_deviations(&reply.deviations);
        peer.note_call(
            began,
            self.now(),
            reply.exchange,
            reply.result.as_ref().err(),
        );
        Ok(Some(reply.result?.items))
    }
}

/// One pull from one partner.
struct Pull<'a> {
    edge: &'a Edge,
    peer: &'a Peer,
    client: Client,
    record: &'a PartnerRecord,
}

impl Pull<'_> {
    /// Everything beside sessions. What cannot be read back is as it was.
    async fn rest(&self, pulled: &mut Pulled) {
        let failed = |error: &EdgeError, what: &str| {
            let partner = &self.record.name;
            tracing::warn!(partner.id = %partner, %error, "{what} could not be read back");
        };
        match self.listed::<Location>(pulled).await {
            Ok(count) => pulled.locations = count,
            Err(error) => failed(&error, "locations"),
        }
        if self.offers(&ModuleId::Tariffs) {
            match self.listed::<Tariff>(pulled).await {
                Ok(count) => pulled.tariffs = count,
                Err(error) => failed(&error, "tariffs"),
            }
        }
        if self.record.is_hub()
            && self.offers(&ModuleId::HubClientInfo)
            && let Err(error) = self.listed::<ClientInfo>(pulled).await
        {
            failed(&error, "hub clients");
        }
    }

    fn offers(&self, module: &ModuleId) -> bool {
        let endpoint = self.record.endpoint(module, &InterfaceRole::Sender);
        endpoint.is_some()
    }

    /// Where a module of the partner is read.
    fn endpoint(&self, module: &ModuleId) -> Result<url::Url, EdgeError> {
        let endpoint = self
            .record
            .endpoint(module, &InterfaceRole::Sender)
            .ok_or_else(|| EdgeError::NoEndpoint {
                partner: self.record.name.clone(),
                module: format!("{module} SENDER"),
            })?;
        self.edge.checked(self.record, endpoint)
    }

    /// The sizes of page to try, one after the other.
    fn page_limits(&self) -> impl Iterator<Item = u32> + use<> {
        let most = self.edge.settings().page_limit;
        PAGE_DIVISORS.into_iter().map(move |by| (most / by).max(1))
    }

    /// An object of a page with its name. One that cannot be read is noted; if it has a name at
    /// least, it is listed.
    fn understood<T: FromOcpi>(&self, body: &Value) -> Result<T, Option<ObjectName>> {
        match read_one::<T>(body) {
            Ok(read) => {
                self.peer.note_deviations(&read.deviations);
                Ok(read.value)
            }
            Err(reason) => {
                let mut deviations = Deviations::new();
                deviations.push(*reason.deviation);
                self.peer.note_deviations(&deviations);
                let text = |field| body.get(field).and_then(Value::as_str).unwrap_or_default();
                Err(ObjectName::new(
                    text("country_code"),
                    text("party_id"),
                    text("id"),
                ))
            }
        }
    }

    /// Whether the partner may bring objects of this party; if not, that is noted.
    fn speaks_for(&self, name: &ObjectName, section: &'static str) -> bool {
        let may = self.record.speaks_for(&name.country_code, &name.party_id);
        if !may {
            let mut deviations = Deviations::new();
            let detail = "a party that is not among the platform's roles; passed over";
            deviations.push(Deviation::new(
                id::OBJECT_UNREADABLE,
                "$.party_id",
                section,
                detail,
            ));
            self.peer.note_deviations(&deviations);
        }
        may
    }
}

/// Whether a page was longer than we take, so that smaller ones may fit.
fn is_too_long(error: &EdgeError) -> bool {
    matches!(error, EdgeError::Exchange(Error::TooLarge { .. }))
}

/// Only a crawl that came to its last page shows what is gone.
fn complete(end: Option<&PageEnd>, what: &str) -> Result<(), EdgeError> {
    match end {
        Some(end) if end.is_complete() => Ok(()),
        Some(end) => Err(EdgeError::Incomplete(format!(
            "{what} were read in part only: {end:?}"
        ))),
        None => Err(EdgeError::Incomplete(format!(
            "{what} were read in part only"
        ))),
    }
}
