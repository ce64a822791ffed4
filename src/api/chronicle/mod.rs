//! What happened lately at each site, for people who watch: notes of events, a sample of powers per
//! minute, and how sessions ended. In memory and bounded; beside it, in the store, as telemetry that
//! outlives a restart (`keeping`). The journal is another thing: state is made from that alone.
//!
//! The service tells it each turn of a site. Watchers follow a counter and read what they have not
//! seen: a slow watcher holds nothing up and costs no queue.

mod keeping;
mod note;
mod past;
mod power;
mod readings;
mod registers;
mod sessions;
mod shelf;
mod stages;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use self::keeping::Keeping;
pub(super) use self::note::{Note, Notes};
pub use self::past::Past;
pub(super) use self::power::{PowerLog, Sample};
pub(super) use self::readings::MeterValue;
#[cfg(test)]
pub(super) use self::readings::Readings;
pub(super) use self::registers::Registers;
pub(super) use self::sessions::{Outcome, Outcomes};
use self::stages::Stages;
pub(super) use self::tally::Tally;
use crate::domain::event::Event;
use crate::domain::id::SiteKey;
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::state::SiteState;

/// Everything that is remembered of one site.
#[derive(Debug, Default)]
pub(super) struct SiteChronicle {
    pub(super) notes: Notes,
    pub(super) power: PowerLog,
    pub(super) sessions: Outcomes,
    pub(super) registers: Registers,
    pub(super) tally: Tally,
    stages: Stages,
}

/// Notes that somebody has not seen.
#[derive(Debug)]
pub struct News {
    /// As they go out.
    pub notes: Vec<serde_json::Value>,
    /// The number of the last of them.
    pub last: u64,
    /// Notes that are forgotten already.
    pub missed: u64,
}

struct Place {
    chronicle: Mutex<SiteChronicle>,
    turns: watch::Sender<u64>,
}

/// What happened lately at all sites.
pub struct Chronicle {
    places: RwLock<HashMap<SiteKey, Arc<Place>>>,
    policy: Policy,
    keeping: Option<Keeping>,
}

impl Chronicle {
    /// Nothing has happened yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            places: RwLock::default(),
            policy,
            keeping: None,
        }
    }

    /// A site's task takes a turn: these events were applied, this is believed now.
    pub fn hear(&self, site: &SiteKey, events: &[Event], state: &SiteState, now: Time) {
        let place = self.place(site);
        let mut chronicle = place
            .chronicle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let SiteChronicle {
            notes,
            power,
            sessions,
            registers,
            tally,
            stages,
        } = &mut *chronicle;
        let price = power::price(state, now);
        for event in events {
            notes.take(event, state);
            sessions.take(event, price);
            registers.take(event);
            tally.take_end(event, sessions);
        }
        notes.take_excursions(state, now);
        stages.take(events, state, now, notes);
        if power.take(state, now) {
            sessions.learn_needs(state, &self.policy, now);
            tally.take_minutes(power.samples());
        }
    }

    /// What was heard is published: whoever follows the site may look.
    pub fn tell(&self, site: &SiteKey) {
        self.place(site).turns.send_modify(|turns| *turns += 1);
    }

    /// The number of the newest note of a site.
    pub fn newest_note(&self, site: &SiteKey) -> u64 {
        self.read(site, |chronicle| chronicle.notes.last())
    }

    /// Notes of a site after a number, the oldest first, `most` at most.
    pub fn notes_after(&self, site: &SiteKey, number: u64, most: usize) -> News {
        self.read(site, |chronicle| {
            let notes: Vec<&Note> = chronicle.notes.after(number).take(most).collect();
            let first = chronicle.notes.first();
            News {
                last: notes
                    .last()
                    .map_or(number.max(first - 1), |note| note.number),
                missed: first.saturating_sub(number + 1),
                notes: notes
                    .iter()
                    .filter_map(|note| serde_json::to_value(note).ok())
                    .collect(),
            }
        })
    }

    /// Notes something that is not an event of the site's journal.
    pub fn say(&self, site: &SiteKey, at: Time, kind: &'static str, detail: serde_json::Value) {
        let place = self.place(site);
        let mut chronicle = place
            .chronicle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        chronicle.notes.say(at, kind, detail);
        drop(chronicle);
        self.tell(site);
    }

    /// Reads what is remembered of a site.
    pub(super) fn read<T>(&self, site: &SiteKey, look: impl FnOnce(&SiteChronicle) -> T) -> T {
        let place = self.place(site);
        let chronicle = place
            .chronicle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        look(&chronicle)
    }

    /// Counts a site's turns; ends when the chronicle is closed.
    pub(super) fn follow(&self, site: &SiteKey) -> watch::Receiver<u64> {
        self.place(site).turns.subscribe()
    }

    /// Nothing more will happen: whoever follows is let go.
    pub fn close(&self) {
        self.places
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn place(&self, site: &SiteKey) -> Arc<Place> {
        let known = self
            .places
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(site)
            .cloned();
        known.unwrap_or_else(|| {
            self.places
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(site.clone())
                .or_insert_with(|| {
                    Arc::new(Place {
                        chronicle: Mutex::default(),
                        turns: watch::channel(0).0,
                    })
                })
                .clone()
        })
    }
}

impl fmt::Debug for Chronicle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chronicle")
    }
}
