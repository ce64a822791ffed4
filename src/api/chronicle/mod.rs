//! What happened lately at each site, for people who watch: notes of events, a sample of powers per
//! minute, and how sessions ended. In memory and bounded; beside it, in the store, as telemetry that
//! outlives a restart (`keeping`). The journal is another thing: state is made from that alone.
//!
//! The service tells it each turn of a site. Watchers follow a counter and read what they have not
//! seen: a slow watcher holds nothing up and costs no queue.

mod keeping;
mod note;
mod power;
mod registers;
mod sessions;
mod shelf;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use self::keeping::Keeping;
pub(super) use self::note::{Note, Notes};
pub(super) use self::power::{PowerLog, Sample};
pub(super) use self::registers::Registers;
pub(super) use self::sessions::{Outcome, Outcomes};
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
        } = &mut *chronicle;
        for event in events {
            notes.take(event, state);
            sessions.take(event);
            registers.take(event);
            tally.take_end(event, sessions);
        }
        notes.take_excursions(state, now);
        if power.take(state, now) {
            sessions.learn_needs(state, &self.policy, now);
            tally.take_minutes(power.samples());
        }
    }

    /// What was heard is published: whoever follows the site may look.
    pub fn tell(&self, site: &SiteKey) {
        self.place(site).turns.send_modify(|turns| *turns += 1);
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
