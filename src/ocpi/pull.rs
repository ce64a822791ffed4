//! Reading a partner back: its sessions and locations, page by page.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use ocpi_client::client::Client;
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::read::{Deviation, Deviations, id, read_one};
use ocpi_client::types::{DateTime, InterfaceRole, Location, ModuleId, Session};
use serde_json::Value;
use url::Url;

use super::edge::{Edge, EdgeError};
use super::intake::{Incoming, Taken};
use super::object::{Kept, ObjectName, StoredObject, prefix};
use super::partner::PartnerRecord;
use super::peer::Peer;
use super::translate::session;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::{PartnerId, SiteKey};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::session::SessionStatus;
use crate::domain::time::Time;

/// Most kept objects of one module of a partner that are looked at.
const MAX_KEPT: usize = 200_000;

/// How far a stamp of a partner's clock may be off: added to every `date_from`.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// Sessions that are over are forgotten after 60 days; their site has learned from them.
const KEEP_ENDED: TimeDelta = TimeDelta::days(60);

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
    /// Sessions listed.
    pub sessions: usize,
    /// Sessions that are pending or active.
    pub live: usize,
    /// Sessions that were running and are not listed any more.
    pub gone: usize,
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
        let client = self.client_for(&record, record.main_party())?;
        let mut pulled = Pulled::default();
        if reach == Reach::Full
            && let Some(endpoint) = record.endpoint(&ModuleId::Locations, &InterfaceRole::Sender)
        {
            let endpoint = self.checked(&record, endpoint)?;
            pulled.locations = self
                .pull_locations(&peer, &record, &client, &endpoint)
                .await?;
        }
        let endpoint = record
            .endpoint(&ModuleId::Sessions, &InterfaceRole::Sender)
            .ok_or_else(|| EdgeError::NoEndpoint {
                partner: partner.clone(),
                module: "sessions SENDER".into(),
            })?;
        let endpoint = self.checked(&record, endpoint)?;
        self.pull_sessions(&peer, &record, &client, &endpoint, reach, &mut pulled)
            .await?;
        Ok(pulled)
    }

    /// Keeps every location listed; those not listed any more are dropped.
    async fn pull_locations(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        client: &Client,
        endpoint: &Url,
    ) -> Result<usize, EdgeError> {
        let records = &self.inner.ports.records;
        let began = self.now();
        let mut listed = BTreeSet::new();
        let query = PageQuery {
            limit: Some(self.settings().page_limit),
            ..PageQuery::default()
        };
        let mut crawl =
            client.crawl::<Value>("get locations", endpoint, &query, PageLimits::default());
        while let Some(page) = self.next_page(peer, &mut crawl).await? {
            let mut writes = Vec::new();
            for body in page {
                let Some(location) = understood::<Location>(peer, &body) else {
                    continue;
                };
                let (country, party) = (&location.country_code, &location.party_id);
                if !record.speaks_for(country.as_str(), party.as_str()) {
                    note_foreign(peer, "mod_locations: Location object");
                    continue;
                }
                let name = ObjectName::new(country.as_str(), party.as_str(), location.id.as_str());
                let Some(name) = name else { continue };
                let key = name.key(self.tenant(), &record.name, Kept::Locations);
                let now = self.now();
                let object = StoredObject {
                    body,
                    updated_at: location.last_updated.as_utc().min(now),
                    received_at: now,
                    session: None,
                };
                writes.push(object.write(key.clone()));
                listed.insert(key);
            }
            records.write(writes).await?;
        }
        peer.note_deviations(crawl.pager().deviations());
        complete(crawl.end(), "locations")?;
        let kept = prefix(self.tenant(), &record.name, Kept::Locations);
        let gone: Vec<_> = records
            .scan(&kept, MAX_KEPT)
            .await?
            .into_iter()
            .filter(|(key, bytes)| !listed.contains(key) && is_older(bytes, began))
            .map(|(key, _)| RecordWrite { key, value: None })
            .collect();
        if !gone.is_empty() {
            records.write(gone).await?;
        }
        Ok(listed.len())
    }

    async fn pull_sessions(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        client: &Client,
        endpoint: &Url,
        reach: Reach,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        let began = self.now();
        let kept = match reach {
            Reach::Full => self.kept_sessions(&record.name).await?,
            Reach::Since(_) => Vec::new(),
        };
        let from = match reach {
            Reach::Since(at) => at - CLOCK_MARGIN,
            // As far back as the oldest session that was running when last seen.
            Reach::Full => {
                kept.iter()
                    .filter(|(_, stored)| is_live(stored))
                    .map(|(_, stored)| stored.updated_at)
                    .fold(began - self.settings().crawl_reach, Time::min)
                    .max(began - TimeDelta::days(90))
                    - CLOCK_MARGIN
            }
        };
        let query = PageQuery {
            limit: Some(self.settings().page_limit),
            ..PageQuery::since(DateTime::from(from))
        };
        let mut listed = BTreeSet::new();
        let mut crawl =
            client.crawl::<Value>("get sessions", endpoint, &query, PageLimits::default());
        while let Some(page) = self.next_page(peer, &mut crawl).await? {
            self.take_page(peer, record, page, &mut listed, pulled)
                .await?;
        }
        peer.note_deviations(crawl.pager().deviations());
        complete(crawl.end(), "sessions")?;
        if reach == Reach::Full {
            let gone: Vec<_> = kept
                .iter()
                .filter(|(key, stored)| {
                    is_live(stored) && stored.updated_at >= from && !listed.contains(key)
                })
                .map(|(key, _)| key.clone())
                .collect();
            pulled.gone = self.end_gone(&record.name, gone, began).await?;
            self.forget_old(&kept, began).await?;
        }
        Ok(())
    }

    /// Takes a page of sessions in: durable and told to their sites, in a few writes.
    async fn take_page(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        page: Vec<Value>,
        listed: &mut BTreeSet<String>,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        // Between pages and within one, an object may come twice: the newest counts.
        let mut newest: BTreeMap<String, (ObjectName, Session, Value)> = BTreeMap::new();
        for body in page {
            let Some(wire) = understood::<Session>(peer, &body) else {
                continue;
            };
            let Some(name) = session::name(&wire) else {
                continue;
            };
            if !record.speaks_for(&name.country_code, &name.party_id) {
                note_foreign(peer, "mod_sessions: Session object");
                continue;
            }
            let key = self.session_key(&record.name, &name);
            let is_newer = newest
                .get(&key)
                .is_none_or(|(_, known, _)| known.last_updated <= wire.last_updated);
            if is_newer {
                newest.insert(key, (name, wire, body));
            }
        }
        let _locks = self.lock_all(newest.keys()).await;
        let mut taken: Vec<Taken> = Vec::new();
        for (key, (name, wire, body)) in newest {
            let stored = self.stored_session(&key).await?;
            let is_over = session::status(&wire) == Some(SessionStatus::Ended);
            if listed.insert(key) {
                pulled.sessions += 1;
                pulled.live += usize::from(!is_over && session::status(&wire).is_some());
            }
            let updated_at = wire.last_updated.as_utc().min(self.now());
            if stored
                .as_ref()
                .is_some_and(|stored| updated_at < stored.updated_at)
            {
                continue;
            }
            // What was over when last seen was told then.
            if is_over && stored.as_ref().is_some_and(|stored| !is_live(stored)) {
                continue;
            }
            let incoming = Incoming {
                partner: &record.name,
                name: &name,
                body,
                wire: &wire,
                is_measured: true,
                with_history: is_over,
            };
            taken.push(self.take(incoming, stored.as_ref()));
        }
        Ok(self.submit(taken).await?)
    }

    /// Ends the sessions that were running and are not listed any more; returns how many.
    async fn end_gone(
        &self,
        partner: &PartnerId,
        keys: Vec<String>,
        began: Time,
    ) -> Result<usize, EdgeError> {
        let mut count = 0;
        for key in keys {
            let _lock = self.lock(&key).await;
            let stored = self.stored_session(&key).await?;
            // A push may have come since.
            let stored = stored.filter(|stored| is_live(stored) && stored.received_at < began);
            if let Some(taken) = stored.and_then(|stored| self.take_gone(partner, &stored)) {
                self.submit(vec![taken]).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    pub(super) async fn next_page(
        &self,
        peer: &Peer,
        crawl: &mut ocpi_client::client::Crawl<'_, Value>,
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

    async fn kept_sessions(
        &self,
        partner: &PartnerId,
    ) -> Result<Vec<(String, StoredObject)>, PortError> {
        let prefix = prefix(self.tenant(), partner, Kept::Sessions);
        let found = self.inner.ports.records.scan(&prefix, MAX_KEPT).await?;
        let read = |(key, bytes): (String, Vec<u8>)| Some((key, StoredObject::from_bytes(&bytes)?));
        Ok(found.into_iter().filter_map(read).collect())
    }

    async fn forget_old(
        &self,
        kept: &[(String, StoredObject)],
        now: Time,
    ) -> Result<(), PortError> {
        let old: Vec<_> = kept
            .iter()
            .filter(|(_, stored)| !is_live(stored) && stored.received_at < now - KEEP_ENDED)
            .map(|(key, _)| RecordWrite {
                key: key.clone(),
                value: None,
            })
            .collect();
        if old.is_empty() {
            Ok(())
        } else {
            self.inner.ports.records.write(old).await
        }
    }

    /// Tells a site, configured after they came, of the kept sessions of its EVSEs; returns how
    /// many.
    pub async fn seed(&self, site: &SiteKey) -> Result<usize, EdgeError> {
        /// Sessions of one write.
        const BATCH: usize = 200;
        let mut count = 0;
        for peer in self.peers() {
            let partner = peer.record().name.clone();
            let keys: Vec<_> = self
                .kept_sessions(&partner)
                .await?
                .into_iter()
                .filter(|(_, stored)| {
                    let wire = read_one::<Session>(&stored.body).ok();
                    let place = wire.and_then(|read| self.place_of(&partner, &read.value));
                    place.is_some_and(|(at, _)| at == *site)
                })
                .map(|(key, _)| key)
                .collect();
            for batch in keys.chunks(BATCH) {
                let _locks = self.lock_all(batch).await;
                let mut taken = Vec::new();
                for key in batch {
                    let stored = self.stored_session(key).await?;
                    taken.extend(stored.and_then(|stored| self.seeded(&partner, &stored)));
                }
                count += taken.len();
                self.submit(taken).await?;
            }
        }
        Ok(count)
    }

    fn seeded(&self, partner: &PartnerId, stored: &StoredObject) -> Option<Taken> {
        let wire = read_one::<Session>(&stored.body).ok()?.value;
        let name = session::name(&wire)?;
        let is_over = session::status(&wire) == Some(SessionStatus::Ended);
        // One that the partner stopped listing without ending it must not come to life again.
        if !is_over && !is_live(stored) {
            return None;
        }
        let incoming = Incoming {
            partner,
            name: &name,
            body: stored.body.clone(),
            wire: &wire,
            is_measured: false,
            with_history: is_over,
        };
        let mut taken = self.take(incoming, Some(stored));
        if let Some((_, events)) = taken.given.as_mut().filter(|_| is_over) {
            // Only history: it never ran here.
            events.retain(|event| matches!(event, EventKind::HistoryLearned { .. }));
        }
        Some(taken)
    }
}

fn is_live(stored: &StoredObject) -> bool {
    stored.session.as_ref().is_some_and(|notes| notes.is_live)
}

fn is_older(bytes: &[u8], than: Time) -> bool {
    StoredObject::from_bytes(bytes).is_none_or(|stored| stored.received_at < than)
}

/// An object of a page; one that cannot be read is noted and the others are kept.
fn understood<T: ocpi_client::read::FromOcpi>(peer: &Peer, body: &Value) -> Option<T> {
    match read_one::<T>(body) {
        Ok(read) => {
            peer.note_deviations(&read.deviations);
            Some(read.value)
        }
        Err(reason) => {
            let mut deviations = Deviations::new();
            deviations.push(*reason.deviation);
            peer.note_deviations(&deviations);
            None
        }
    }
}

fn note_foreign(peer: &Peer, section: &'static str) {
    let mut deviations = Deviations::new();
    let detail = "an object of a party that is not among the platform's roles was passed over";
    deviations.push(Deviation::new(
        id::OBJECT_UNREADABLE,
        "$.party_id",
        section,
        detail,
    ));
    peer.note_deviations(&deviations);
}

/// Only a crawl that came to its last page shows what is gone.
fn complete(end: Option<&ocpi_client::paging::PageEnd>, what: &str) -> Result<(), EdgeError> {
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
