//! The chronicle and the store: what is kept, for how long, and what a restart begins with.

use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;

use super::power::Sample;
use super::shelf::{self, Table};
use super::{Chronicle, SiteChronicle};
use crate::domain::id::SiteKey;
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Chunks of notes kept per site: 20,000 notes.
const NOTE_CHUNKS: u64 = 20_000 / shelf::CHUNK;
/// Chunks of sessions kept per site: 5,000 sessions.
const SESSION_CHUNKS: u64 = 5_000 / shelf::CHUNK;
/// Records of a table read at a start at most.
const MAX_RECORDS: usize = 10_000;
/// Hours that one pass removes by name; what was left longer is found at the next start.
const HOURS_REMOVED: u64 = 3;
/// Records of one write.
const BATCH: usize = 500;

/// Where history is kept, and for how many days of powers.
#[derive(Clone)]
pub(super) struct Keeping {
    records: Arc<dyn Records>,
    days: u32,
}

impl Chronicle {
    /// Keeps powers for `days`, notes and sessions by number. Before the first site is heard.
    #[must_use]
    pub fn kept_in(mut self, records: Arc<dyn Records>, days: u32) -> Self {
        self.keeping = (days > 0).then_some(Keeping { records, days });
        self
    }

    /// What was kept of a site; before it is heard for the first time. History that cannot be read
    /// is told and begins anew.
    pub async fn restore(&self, site: &SiteKey, state: &SiteState, now: Time) {
        let Some(keeping) = &self.keeping else {
            return;
        };
        match keeping.load(site, now).await {
            Ok(mut kept) => {
                kept.sessions.resume(state);
                let place = self.place(site);
                *place
                    .chronicle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = kept;
            }
            Err(error) => {
                tracing::warn!(site.id = %site, %error, "the site's history cannot be read; it begins anew");
            }
        }
    }

    /// Hands what is new of all sites to the store.
    pub async fn keep(&self, now: Time) -> Result<(), PortError> {
        let Some(keeping) = &self.keeping else {
            return Ok(());
        };
        let places: Vec<_> = {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            places
                .iter()
                .map(|(key, place)| (key.clone(), place.clone()))
                .collect()
        };
        for (site, place) in places {
            let (writes, marks) = {
                let chronicle = place
                    .chronicle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                (chronicle.unsaved(&site), chronicle.marks())
            };
            if writes.is_empty() {
                continue;
            }
            let old = keeping.outlived(&site, now, marks);
            let all: Vec<_> = writes.into_iter().chain(old).collect();
            for batch in all.chunks(BATCH) {
                keeping.records.write_later(batch.to_vec()).await?;
            }
            let mut chronicle = place
                .chronicle
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            chronicle.saved(marks);
        }
        Ok(())
    }

    /// The minutes of a span, also those no longer in memory.
    pub(in crate::api) async fn samples(
        &self,
        site: &SiteKey,
        from: Time,
        to: Time,
    ) -> Result<Vec<Sample>, PortError> {
        let within = |sample: &Sample| sample.at().is_some_and(|at| from <= at && at < to);
        let here: Vec<Sample> = self.read(site, |site| {
            let all = site.power.samples();
            all.filter(|sample| within(sample)).copied().collect()
        });
        let Some(keeping) = &self.keeping else {
            return Ok(here);
        };
        let first_here = self.read(site, |site| site.power.samples().next().map(|s| s.minute));
        let end = first_here
            .unwrap_or_else(|| minute_of(to))
            .min(minute_of(to));
        let longest = TimeDelta::days(i64::from(keeping.days)).num_minutes();
        let begin = minute_of(from).max(end - longest);
        let mut all = Vec::new();
        for hour in shelf::hour_of(begin)..=shelf::hour_of(end) {
            if begin >= end {
                break;
            }
            let key = shelf::key(site, Table::Power, hour);
            if let Some(bytes) = keeping.records.get(&key).await? {
                let hour = shelf::read_hour(&bytes);
                all.extend(hour.into_iter().filter(|s| within(s) && s.minute < end));
            }
        }
        all.extend(here);
        Ok(all)
    }
}

/// The newest of each kind, to be marked as saved once they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    minute: Option<i64>,
    note: u64,
    session: u64,
}

impl SiteChronicle {
    fn unsaved(&self, site: &SiteKey) -> Vec<RecordWrite> {
        let hours = self.power.unsaved_hours();
        let powers = hours
            .into_iter()
            .filter_map(|(hour, samples)| shelf::write_hour(site, hour, &samples));
        let notes = self.notes.unsaved();
        let notes = notes
            .into_iter()
            .filter_map(|(chunk, all)| shelf::write_chunk(site, Table::Note, chunk, &all));
        let sessions = self.sessions.unsaved();
        let sessions = sessions
            .into_iter()
            .filter_map(|(chunk, all)| shelf::write_chunk(site, Table::Session, chunk, &all));
        powers.chain(notes).chain(sessions).collect()
    }

    fn marks(&self) -> Marks {
        Marks {
            minute: self.power.samples().last().map(|sample| sample.minute),
            note: self.notes.last(),
            session: self.sessions.last(),
        }
    }

    fn saved(&mut self, marks: Marks) {
        if let Some(minute) = marks.minute {
            self.power.saved_to(minute);
        }
        self.notes.saved_to(marks.note);
        self.sessions.saved_to(marks.session);
    }
}

impl Keeping {
    async fn load(&self, site: &SiteKey, now: Time) -> Result<SiteChronicle, PortError> {
        let mut kept = SiteChronicle::default();
        let newest = shelf::hour_of(minute_of(now));
        for hour in newest.saturating_sub(48)..=newest {
            let key = shelf::key(site, Table::Power, hour);
            if let Some(bytes) = self.records.get(&key).await? {
                kept.power.resume(shelf::read_hour(&bytes));
            }
        }
        for (_, bytes) in self.scan(site, Table::Note).await? {
            kept.notes.resume(shelf::read_chunk(&bytes));
        }
        for (_, bytes) in self.scan(site, Table::Session).await? {
            kept.sessions.resume_over(shelf::read_chunk(&bytes));
        }
        self.remove_old(site, now).await?;
        Ok(kept)
    }

    async fn scan(
        &self,
        site: &SiteKey,
        table: Table,
    ) -> Result<Vec<(String, Vec<u8>)>, PortError> {
        let prefix = shelf::prefix(site, table);
        self.records.scan(&prefix, MAX_RECORDS).await
    }

    fn cutoff_hour(&self, now: Time) -> u64 {
        let cutoff = now - TimeDelta::days(i64::from(self.days));
        shelf::hour_of(minute_of(cutoff))
    }

    /// Everything that is too old, however long nobody looked.
    async fn remove_old(&self, site: &SiteKey, now: Time) -> Result<(), PortError> {
        let cutoff = self.cutoff_hour(now);
        let old: Vec<_> = self
            .scan(site, Table::Power)
            .await?
            .into_iter()
            .filter(|(key, _)| shelf::number_of(key).is_some_and(|hour| hour < cutoff))
            .map(|(key, _)| RecordWrite { key, value: None })
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        self.records.write_later(old).await
    }

    /// What has just become too old, or too many.
    fn outlived(&self, site: &SiteKey, now: Time, marks: Marks) -> Vec<RecordWrite> {
        let gone = |table, number| RecordWrite {
            key: shelf::key(site, table, number),
            value: None,
        };
        let cutoff = self.cutoff_hour(now);
        let hours = (cutoff.saturating_sub(HOURS_REMOVED)..cutoff).map(|it| gone(Table::Power, it));
        let beyond = |newest: u64, chunks: u64| (newest / shelf::CHUNK).checked_sub(chunks);
        let note = beyond(marks.note, NOTE_CHUNKS).map(|it| gone(Table::Note, it));
        let session = beyond(marks.session, SESSION_CHUNKS).map(|it| gone(Table::Session, it));
        hours.chain(note).chain(session).collect()
    }
}

fn minute_of(at: Time) -> i64 {
    at.timestamp().div_euclid(60)
}
