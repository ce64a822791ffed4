//! Sessions of a partner, read back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::types::{DateTime, ModuleId, Session};
use serde_json::Value;

use super::super::edge::{Edge, EdgeError};
use super::super::intake::{Incoming, Taken};
use super::super::object::{Kept, ObjectName, SessionNotes, StoredObject, prefix};
use super::super::translate::session;
use super::{MAX_KEPT, Pull, Pulled, Reach, complete, is_too_long};
use crate::domain::id::PartnerId;
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::session::SessionStatus;
use crate::domain::time::Time;

/// How far a stamp of a partner's clock may be off: added to every `date_from`.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);

/// A full crawl reaches back this far at most, whatever is still running.
const LONGEST_REACH: TimeDelta = TimeDelta::days(90);

/// Sessions that are over are forgotten after 60 days; their site has learned from them.
const KEEP_ENDED: TimeDelta = TimeDelta::days(60);

impl Pull<'_> {
    /// Takes every session listed; after a full crawl those not listed any more have ended.
    pub(super) async fn sessions(
        &self,
        reach: Reach,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        let mut result = Ok(());
        for limit in self.page_limits() {
            *pulled = Pulled::default();
            result = self.sessions_by(limit, reach, pulled).await;
            if !result.as_ref().is_err_and(is_too_long) {
                break;
            }
        }
        result
    }

    async fn sessions_by(
        &self,
        limit: u32,
        reach: Reach,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        let endpoint = self.endpoint(&ModuleId::Sessions)?;
        let began = self.edge.now();
        let kept = match reach {
            Reach::Full => self.edge.kept_sessions(&self.record.name).await?,
            Reach::Since(_) => Vec::new(),
        };
        let from = match reach {
            Reach::Since(at) => at,
            // As far back as the oldest session that was running when last seen.
            Reach::Full => kept
                .iter()
                .filter(|(_, stored)| stored.is_live())
                .map(|(_, stored)| stored.updated_at)
                .fold(began - self.edge.settings().crawl_reach, Time::min)
                .max(began - LONGEST_REACH),
        } - CLOCK_MARGIN;
        let query = PageQuery {
            limit: Some(limit),
            ..PageQuery::since(DateTime::from(from))
        };
        let limits = PageLimits::default();
        let mut crawl = self
            .client
            .crawl::<Value>("get sessions", &endpoint, &query, limits);
        let mut listed = BTreeSet::new();
        while let Some(page) = self.edge.next_page(self.peer, &mut crawl).await? {
            self.take_sessions(page, reach, &mut listed, pulled).await?;
        }
        self.peer.note_deviations(crawl.pager().deviations());
        complete(crawl.end(), "sessions")?;
        if reach == Reach::Full {
            let unlisted: Vec<_> = kept
                .iter()
                .filter(|(key, stored)| {
                    stored.is_live() && stored.updated_at >= from && !listed.contains(key)
                })
                .map(|(key, _)| key.clone())
                .collect();
            if pulled.nameless == 0 {
                self.miss(unlisted, began, pulled).await?;
            }
            self.edge.forget_old(&kept, began).await?;
        }
        Ok(())
    }

    /// Takes a page of sessions in: durable and told to their sites, in a few writes.
    async fn take_sessions(
        &self,
        page: Vec<Value>,
        reach: Reach,
        listed: &mut BTreeSet<String>,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        let newest = self.newest(page, listed, pulled);
        let _locks = self.edge.lock_all(newest.keys()).await;
        let mut taken: Vec<Taken> = Vec::new();
        for (key, (name, wire, body)) in newest {
            let stored = self.edge.stored_session(&key).await?;
            let is_over = session::status(&wire) == Some(SessionStatus::Ended);
            if listed.insert(key) {
                pulled.sessions += 1;
                pulled.live += usize::from(!is_over && session::status(&wire).is_some());
            }
            let updated_at = wire.last_updated.as_utc().min(self.edge.now());
            let is_news = stored.as_ref().is_none_or(|stored| {
                let is_same = stored.updated_at == updated_at && stored.body == body;
                // What was over when last seen was told then; what runs is told again when
                // everything is read back.
                let is_told = is_over && !stored.is_live();
                let is_back = stored.session.as_ref().is_some_and(|notes| notes.is_gone);
                let must_tell = reach == Reach::Full || !is_same || is_back;
                stored.updated_at <= updated_at && !is_told && must_tell
            });
            if is_news {
                let is_newer = stored
                    .as_ref()
                    .is_none_or(|known| known.updated_at < updated_at);
                if is_newer {
                    self.peer.note_pulled(updated_at);
                }
                let incoming = Incoming {
                    partner: &self.record.name,
                    name: &name,
                    body,
                    wire: &wire,
                    is_measured: true,
                    with_history: is_over,
                };
                taken.push(self.edge.take(incoming, stored.as_ref()));
            }
        }
        Ok(self.edge.submit(taken).await?)
    }

    /// The sessions of a page by key. One that comes twice counts as it was updated last.
    fn newest(
        &self,
        page: Vec<Value>,
        listed: &mut BTreeSet<String>,
        pulled: &mut Pulled,
    ) -> BTreeMap<String, (ObjectName, Session, Value)> {
        let key_of = |name: &ObjectName| self.edge.session_key(&self.record.name, name);
        let mut newest: BTreeMap<String, (ObjectName, Session, Value)> = BTreeMap::new();
        for body in page {
            let wire = match self.understood::<Session>(&body) {
                Ok(wire) => wire,
                Err(Some(name)) => {
                    listed.insert(key_of(&name));
                    continue;
                }
                Err(None) => {
                    pulled.nameless += 1;
                    continue;
                }
            };
            let Some(name) = session::name(&wire) else {
                continue;
            };
            if !self.speaks_for(&name, "mod_sessions: Session object") {
                continue;
            }
            self.peer.note_session(&name, &wire);
            let key = key_of(&name);
            let is_newer = newest
                .get(&key)
                .is_none_or(|(_, known, _)| known.last_updated <= wire.last_updated);
            if is_newer {
                newest.insert(key, (name, wire, body));
            }
        }
        newest
    }

    /// Notes sessions that were running and are not listed any more; those that were not listed
    /// the time before either have ended. Once proves nothing: while a list is read page by page
    /// an update moves objects, and one may slip through between two pages.
    async fn miss(
        &self,
        keys: Vec<String>,
        began: Time,
        pulled: &mut Pulled,
    ) -> Result<(), EdgeError> {
        for key in keys {
            let _lock = self.edge.lock(&key).await;
            let stored = self.edge.stored_session(&key).await?;
            // A push may have come since.
            let stored = stored.filter(|stored| stored.is_live() && stored.received_at < began);
            let Some(stored) = stored else { continue };
            let notes = stored.session.clone().unwrap_or_default();
            if notes.is_missing {
                let gone = self.edge.take_gone(&self.record.name, &stored);
                pulled.gone += 1;
                self.edge.submit(gone.into_iter().collect()).await?;
            } else {
                let noted = StoredObject {
                    session: Some(SessionNotes {
                        is_missing: true,
                        ..notes
                    }),
                    ..stored
                };
                pulled.missing += 1;
                let records = &self.edge.inner.ports.records;
                records.write(vec![noted.write(key)]).await?;
            }
        }
        Ok(())
    }
}

impl Edge {
    /// Every session that is kept of a partner.
    pub(super) async fn kept_sessions(
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
            .filter(|(_, stored)| !stored.is_live() && stored.received_at < now - KEEP_ENDED)
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
}
