//! How sessions ended, against what they wanted.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::event::{Event, EventKind};
use crate::domain::id::{EvseId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{NeedSource, Session, SessionStatus};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Sessions kept per site: a week of a large depot.
const MAX_OUTCOMES: usize = 5_000;

/// A session that runs or is over.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// The last sessions of a site.
#[derive(Debug, Default)]
pub(in crate::api) struct Outcomes {
    running: BTreeMap<EvseId, Outcome>,
    over: VecDeque<Outcome>,
}

impl Outcomes {
    /// Those over, oldest first, then those that run.
    pub(in crate::api) fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.over.iter().chain(self.running.values())
    }

    pub(super) fn take(&mut self, event: &Event) {
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
        known.energy = session.energy;
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
        if self.over.len() >= MAX_OUTCOMES {
            self.over.pop_front();
        }
        self.over.push_back(outcome);
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

fn begin(session: &Session) -> Outcome {
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
    }
}
