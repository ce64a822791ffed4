//! The journal of each site: its events in order, and the snapshot that a restart begins with.
//!
//! Keys: `journal/{tenant}/{site}/{seq}` (20 digits, so that keys sort as numbers) holds one event
//! as JSON; `snapshot/{tenant}/{site}` holds the number of the last event it contains, a line
//! break, and the bytes of the state. That last event stays in the journal as the anchor which the
//! next one must follow: a gap can neither be written nor go unseen.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use crate::domain::event::Event;
use crate::domain::id::{SiteId, SiteKey, TenantId};
use crate::domain::ports::{PortError, RecordWrite};

use super::Store;
use super::batch::{Batch, Expected, Flush, Seq};
use super::error::StoreError;

const JOURNAL: &str = "journal/";
const SNAPSHOT: &str = "snapshot/";
/// Events read, and old ones removed, at a time.
const PAGE: usize = 1_000;

/// Why the journal could not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The store could not.
    #[error("the journal of site {site}: {source}")]
    Store {
        /// Which site.
        site: SiteKey,
        /// Why not.
        #[source]
        source: Box<StoreError>,
    },
    /// The sites could not be listed.
    #[error("listing the sites of the journal: {0}")]
    Listing(#[source] StoreError),
    /// The events to append are not numbered one after the other, from 1.
    #[error("the journal of site {site}: event {found} was appended where {expected} is due")]
    OutOfOrder {
        /// Which site.
        site: SiteKey,
        /// The number that was due.
        expected: u64,
        /// The number the event has.
        found: u64,
    },
    /// Somebody else has appended, or events before these are missing: nothing was written.
    #[error("the journal of site {site}: event {seq} does not follow what is stored: {source}")]
    NotNext {
        /// Which site.
        site: SiteKey,
        /// The first event of the append.
        seq: u64,
        /// What was found.
        #[source]
        source: Box<StoreError>,
    },
    /// A record that is appended with events lies in a table of the journal.
    #[error("the journal of site {site}: {key:?} belongs to the journal itself")]
    OwnTable {
        /// Which site.
        site: SiteKey,
        /// The key of the record.
        key: String,
    },
    /// An event cannot be written as JSON.
    #[error("the journal of site {site}: event {seq} cannot be written: {detail}")]
    Unwritable {
        /// Which site.
        site: SiteKey,
        /// Its number.
        seq: u64,
        /// Why not.
        detail: String,
    },
    /// What is stored is not a journal without gaps.
    #[error(
        "the journal of site {site} is damaged at {key:?}: {detail}. `evenload store verify` shows \
         the extent, `evenload restore` goes back to a backup"
    )]
    Damaged {
        /// Which site.
        site: SiteKey,
        /// The key at which it shows.
        key: String,
        /// What is wrong.
        detail: String,
    },
}

impl From<JournalError> for PortError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Store { source, .. } => Self::from(*source),
            other => Self::Storage(other.to_string()),
        }
    }
}

/// The state of a site as of one of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSnapshot {
    /// The last event it contains.
    pub seq: u64,
    /// The state, as its writer encoded it.
    pub body: Vec<u8>,
}

/// What a restart begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The last snapshot.
    pub snapshot: Option<SiteSnapshot>,
    /// The events after it, without gaps.
    pub events: Vec<Event>,
}

impl Loaded {
    /// Number of the last event; 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.events.last().map_or_else(
            || self.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq),
            |event| event.seq,
        )
    }
}

/// The journals of all sites of a store.
#[derive(Clone, Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
}

impl Journal {
    /// The journals of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Appends events together with records that belong to them, all or none; they are on disk
    /// when this returns. The first must be numbered right after the last one stored.
    pub async fn append(
        &self,
        site: &SiteKey,
        events: &[Event],
        records: Vec<RecordWrite>,
    ) -> Result<Seq, JournalError> {
        // A site goes on while the disk is nearly full, to stay under its limits.
        let mut batch = Batch::new().essential();
        let first = events.first().map_or(0, |event| event.seq);
        if !events.is_empty() {
            batch = follow(batch, site, first)?;
        }
        for (due, event) in (first..).zip(events) {
            if event.seq != due {
                return Err(JournalError::OutOfOrder {
                    site: site.clone(),
                    expected: due,
                    found: event.seq,
                });
            }
            let body = serde_json::to_vec(event).map_err(|error| JournalError::Unwritable {
                site: site.clone(),
                seq: event.seq,
                detail: error.to_string(),
            })?;
            let key = event_key(site, event.seq);
            batch = batch.expect(key.clone(), Expected::Absent).put(key, body);
        }
        for record in records {
            if record.key.starts_with(JOURNAL) || record.key.starts_with(SNAPSHOT) {
                return Err(JournalError::OwnTable {
                    site: site.clone(),
                    key: record.key,
                });
            }
            batch = match record.value {
                Some(value) => batch.put(record.key, value),
                None => batch.del(record.key),
            };
        }
        self.store
            .commit_durable(batch)
            .await
            .map_err(|source| refused(site, first, source))
    }

    /// Reads the last snapshot of a site and the events after it.
    pub async fn load(&self, site: &SiteKey) -> Result<Loaded, JournalError> {
        let snapshot = self.snapshot(site).await?;
        let base = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        // The anchor, event `base` itself, is read too; before the first event there is none.
        let mut due = base.max(1);
        let mut after = event_key(site, due - 1);
        let mut events = Vec::new();
        let prefix = events_of(site);
        loop {
            let page = self
                .store
                .scan(&prefix, Some(&after), PAGE)
                .await
                .map_err(|source| failed(site, source))?;
            let Some(last) = page.last() else {
                break;
            };
            after.clone_from(&last.key);
            for record in page {
                let event = read_event(site, &record.key, &record.value)?;
                if event.seq != due || record.key != event_key(site, due) {
                    let detail = format!("event {due} is due, but event {} is here", event.seq);
                    return Err(damaged(site, record.key, detail));
                }
                due += 1;
                if event.seq > base {
                    events.push(event);
                }
            }
        }
        if base > 0 && due == base {
            let detail = "the last event of the snapshot is missing".to_owned();
            return Err(damaged(site, event_key(site, base), detail));
        }
        Ok(Loaded { snapshot, events })
    }

    /// Stores the state as of event `seq`, then removes the events before it. The snapshot is on
    /// disk before the first of them goes.
    pub async fn write_snapshot(
        &self,
        site: &SiteKey,
        seq: u64,
        body: &[u8],
    ) -> Result<Seq, JournalError> {
        let oldest = self.snapshot(site).await?.map_or(1, |old| old.seq);
        if seq < oldest {
            return Err(JournalError::OutOfOrder {
                site: site.clone(),
                expected: oldest,
                found: seq,
            });
        }
        let mut value = format!("{seq}\n").into_bytes();
        value.extend_from_slice(body);
        // It makes room.
        let batch = Batch::new()
            .essential()
            .put(snapshot_key(site), value)
            .expect(event_key(site, seq), Expected::Present);
        let written = self
            .store
            .commit_durable(batch)
            .await
            .map_err(|source| refused(site, seq, source))?;
        self.remove_before(site, seq).await?;
        Ok(written)
    }

    /// All sites that have events or a snapshot.
    pub async fn sites(&self) -> Result<Vec<SiteKey>, JournalError> {
        let mut sites = BTreeSet::new();
        for table in [JOURNAL, SNAPSHOT] {
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .store
                    .scan(table, after.as_deref(), 1)
                    .await
                    .map_err(JournalError::Listing)?;
                let Some(record) = page.into_iter().next() else {
                    break;
                };
                let Some(site) = site_of(table, &record.key) else {
                    let place: Arc<str> = "journal".into();
                    let detail = format!("{:?} names no site", record.key);
                    return Err(JournalError::Listing(StoreError::damaged(
                        "scan", &place, detail,
                    )));
                };
                // Numbers sort before '~', so this lies behind all events of the site.
                after = Some(if table == JOURNAL {
                    format!("{}~", events_of(&site))
                } else {
                    record.key
                });
                sites.insert(site);
            }
        }
        Ok(sites.into_iter().collect())
    }

    async fn snapshot(&self, site: &SiteKey) -> Result<Option<SiteSnapshot>, JournalError> {
        let key = snapshot_key(site);
        let record = self
            .store
            .get(&key)
            .await
            .map_err(|source| failed(site, source))?;
        let Some(record) = record else {
            return Ok(None);
        };
        let parsed = record
            .value
            .iter()
            .position(|byte| *byte == b'\n')
            .and_then(|at| {
                let seq = std::str::from_utf8(&record.value[..at])
                    .ok()?
                    .parse()
                    .ok()?;
                let body = record.value[at + 1..].to_vec();
                Some(SiteSnapshot { seq, body })
            });
        match parsed {
            Some(snapshot) => Ok(Some(snapshot)),
            None => Err(damaged(
                site,
                key,
                "it does not begin with the number of an event".to_owned(),
            )),
        }
    }

    async fn remove_before(&self, site: &SiteKey, seq: u64) -> Result<(), JournalError> {
        let keep = event_key(site, seq);
        let prefix = events_of(site);
        loop {
            let page = self
                .store
                .scan(&prefix, None, PAGE)
                .await
                .map_err(|source| failed(site, source))?;
            // From the oldest on, so that what is left after a crash has no gap.
            let old: Vec<_> = page
                .into_iter()
                .map(|record| record.key)
                .take_while(|key| *key < keep)
                .collect();
            if old.is_empty() {
                return Ok(());
            }
            let batch = old
                .into_iter()
                .fold(Batch::new().flush(Flush::State), Batch::del);
            self.store
                .commit(batch)
                .await
                .map_err(|source| failed(site, source))?;
        }
    }
}

/// Preconditions under which event `first` is the next one of its site.
fn follow(batch: Batch, site: &SiteKey, first: u64) -> Result<Batch, JournalError> {
    match first {
        0 => Err(JournalError::OutOfOrder {
            site: site.clone(),
            expected: 1,
            found: 0,
        }),
        // A journal that was cut behind a snapshot does not begin anew.
        1 => Ok(batch.expect(snapshot_key(site), Expected::Absent)),
        _ => Ok(batch.expect(event_key(site, first - 1), Expected::Present)),
    }
}

fn events_of(site: &SiteKey) -> String {
    format!("{JOURNAL}{site}/")
}

fn event_key(site: &SiteKey, seq: u64) -> String {
    format!("{JOURNAL}{site}/{seq:020}")
}

fn snapshot_key(site: &SiteKey) -> String {
    format!("{SNAPSHOT}{site}")
}

fn site_of(table: &str, key: &str) -> Option<SiteKey> {
    let mut parts = key.strip_prefix(table)?.split('/');
    Some(SiteKey {
        tenant: TenantId::new(parts.next()?).ok()?,
        site: SiteId::new(parts.next()?).ok()?,
    })
}

fn read_event(site: &SiteKey, key: &str, body: &[u8]) -> Result<Event, JournalError> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("it is no event: {error}");
        damaged(site, key.to_owned(), detail)
    })
}

fn refused(site: &SiteKey, seq: u64, source: StoreError) -> JournalError {
    if !source.is_conflict() {
        return failed(site, source);
    }
    JournalError::NotNext {
        site: site.clone(),
        seq,
        source: Box::new(source),
    }
}

fn failed(site: &SiteKey, source: StoreError) -> JournalError {
    JournalError::Store {
        site: site.clone(),
        source: Box::new(source),
    }
}

fn damaged(site: &SiteKey, key: String, detail: String) -> JournalError {
    let site = site.clone();
    JournalError::Damaged { site, key, detail }
}

#[cfg(test)]
mod tests;
