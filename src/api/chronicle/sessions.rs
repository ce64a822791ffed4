//! How sessions ended, against what they wanted.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::readings::{MeterValue, Readings};
use super::shelf::CHUNK;
use crate::domain::event::{Event, EventKind};
use crate::domain::id::{EvseId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Money, Power, Price};
use crate::domain::session::{NeedSource, Session, SessionStatus};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Sessions kept per site: a week of a large depot.
const MAX_OUTCOMES: usize = 5_000;

/// A session that runs or is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::api) struct Outcome {
    pub(in crate::api) session: SessionId,
    pub(in crate::api) evse: EvseId,
    pub(in crate::api) started_at: Time,
    pub(in crate::api) ended_at: Option<Time>,
    /// Delivered so far.
    pub(in crate::api) energy: Energy,
    /// What it wanted in all, where somebody said so.
    pub(in crate::api) wanted: Option<Energy>,
    /// When it was to leave, where somebody said so.
    pub(in crate::api) departure: Option<Time>,
    /// The most it was measured to take.
    pub(in crate::api) fastest: Power,
    /// It was seen to take less than it was offered: then `fastest` is what its car can do.
    pub(in crate::api) is_fastest_known: bool,
    /// Its id where it came from.
    #[serde(default)]
    pub(in crate::api) native_id: String,
    /// What its energy cost at the prices of the moments it was read.
    #[serde(default)]
    pub(in crate::api) cost: Money,
    /// The part of its energy for which a price was known.
    #[serde(default)]
    pub(in crate::api) priced: Energy,
    /// Its register over time.
    #[serde(default)]
    pub(in crate::api) readings: Readings,
}

/// The last sessions of a site.
#[derive(Debug, Default)]
pub(in crate::api) struct Outcomes {
    running: BTreeMap<EvseId, Outcome>,
    over: VecDeque<Outcome>,
    /// Number of the last that is over, from 1.
    last: u64,
    /// The newest that is kept.
    saved_to: u64,
}

/// A session that is over, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    number: u64,
    outcome: Outcome,
}

impl Outcomes {
    /// Those over, oldest first, then those that run.
    pub(in crate::api) fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.over.iter().chain(self.running.values())
    }

    /// Number of the last that is over.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes over what was kept, chunk by chunk, oldest first.
    pub(super) fn resume_over(&mut self, kept: Vec<Kept>) {
        for Kept { number, outcome } in kept {
            self.push(outcome);
            self.last = number;
        }
        self.saved_to = self.last;
    }

    /// Goes on with the sessions that run; what was learned of them is learned again.
    pub(super) fn resume(&mut self, state: &SiteState) {
        for session in state.evses.values().filter_map(|evse| evse.running()) {
            self.running.insert(session.evse.clone(), begin(session));
        }
    }

    /// The chunks with sessions that are not kept yet, whole.
    pub(super) fn unsaved(&self) -> BTreeMap<u64, Vec<Kept>> {
        let mut chunks: BTreeMap<u64, Vec<Kept>> = BTreeMap::new();
        if self.last > self.saved_to {
            let first = (self.saved_to + 1) / CHUNK;
            let numbers = (1..=self.last).rev();
            for (outcome, number) in self.over.iter().rev().zip(numbers) {
                if number / CHUNK < first {
                    break;
                }
                let outcome = outcome.clone();
                let chunk = chunks.entry(number / CHUNK).or_default();
                chunk.insert(0, Kept { number, outcome });
            }
        }
        chunks
    }

    /// All up to a number are kept.
    pub(super) fn saved_to(&mut self, number: u64) {
        self.saved_to = number;
    }

    fn push(&mut self, outcome: Outcome) {
        if self.over.len() >= MAX_OUTCOMES {
            self.over.pop_front();
        }
        self.last += 1;
        self.over.push_back(outcome);
    }

    /// Takes in an event, at the price that holds now.
    pub(super) fn take(&mut self, event: &Event, price: Option<Price>) {
        let EventKind::SessionSeen { session } = &event.kind else {
            return;
        };
        let other = self
            .running
            .get(&session.evse)
            .is_some_and(|known| known.session != session.id);
        if other {
            self.end(&session.evse, event.at);
        }
        if session.status == SessionStatus::Ended && !self.running.contains_key(&session.evse) {
            // Of a session seen only at its end nobody knows what it wanted.
            return;
        }
        let known = self
            .running
            .entry(session.evse.clone())
            .or_insert_with(|| begin(session));
        known.note(session, event.at, price);
        known.wanted = session.needs.energy.or(known.wanted);
        known.departure = session.needs.departure.or(known.departure);
        if session.status == SessionStatus::Ended {
            self.end(&session.evse, session.ended_at.unwrap_or(event.at));
        }
    }

    fn end(&mut self, evse: &EvseId, at: Time) {
        let Some(mut outcome) = self.running.remove(evse) else {
            return;
        };
        outcome.ended_at = Some(at);
        self.push(outcome);
    }

    /// Learns what the running sessions want, by whoever says so.
    pub(super) fn learn_needs(&mut self, state: &SiteState, policy: &Policy, now: Time) {
        for demand in state.demands(policy, now) {
            let Some(known) = self.running.get_mut(&demand.evse) else {
                continue;
            };
            if demand.energy_source < NeedSource::Learned {
                known.wanted = Some(demand.total);
            }
            if demand.departure_source < NeedSource::Learned {
                known.departure = Some(demand.departure);
            }
            if let Some(evse) = state.evses.get(&demand.evse) {
                let taken = evse.reading.map_or(Power::ZERO, |reading| reading.power);
                known.fastest = known.fastest.max(taken);
                known.is_fastest_known |= evse.acceptance.is_some();
            }
        }
    }
}

impl Outcome {
    /// Takes in what the session has drawn.
    fn note(&mut self, session: &Session, now: Time, price: Option<Price>) {
        let gained = session.energy.saturating_minus(self.energy);
        if let Some(price) = price {
            self.cost += gained.cost_at(price);
            self.priced += gained;
        }
        self.energy = session.energy;
        let at = match (session.ended_at, session.reading) {
            (Some(ended), _) => ended,
            (None, Some(reading)) => reading.at,
            (None, None) => session.updated_at,
        };
        self.readings.take(MeterValue {
            at: at.min(now).max(self.started_at),
            energy: session.energy,
            power: session.reading.map(|reading| reading.power),
        });
    }
}

/// A session that is heard of for the first time; what it drew before has no price.
fn begin(session: &Session) -> Outcome {
    let mut readings = Readings::default();
    readings.take(MeterValue {
        at: session.started_at,
        energy: Energy::ZERO,
        power: None,
    });
    Outcome {
        session: session.id.clone(),
        evse: session.evse.clone(),
        started_at: session.started_at,
        ended_at: None,
        energy: session.energy,
        wanted: session.needs.energy,
        departure: session.needs.departure,
        fastest: Power::ZERO,
        is_fastest_known: false,
        native_id: session.native_id.clone(),
        cost: Money::ZERO,
        priced: Energy::ZERO,
        readings,
    }
}
