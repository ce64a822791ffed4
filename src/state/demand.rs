//! What a session still needs and until when, and who said so. Missing data pushes towards
//! charging (I3): unknown is never read as zero.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::SiteState;
use crate::domain::evse::Evse;
use crate::domain::id::{DepartureKey, EvseId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{NeedSource, Session};
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;

/// What a running session still needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Where.
    pub evse: EvseId,
    /// Which session.
    pub session: SessionId,
    /// Energy still wanted.
    pub remaining: Energy,
    /// Energy of the whole session: what it has and what it still wants.
    pub total: Energy,
    /// When it began.
    pub started_at: Time,
    /// Who said how much.
    pub energy_source: NeedSource,
    /// When the car leaves, or is assumed to.
    pub departure: Time,
    /// Who said when.
    pub departure_source: NeedSource,
    /// The stated departure is over and the car is still there: charge at the maximum.
    pub late: bool,
    /// The most the car is expected to take under its EVSE's full rate, if it used all phases.
    pub acceptance: Power,
    /// How many of its EVSE's phases the car uses, if fewer: of what is allowed it takes only that
    /// share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_phases: Option<u8>,
    /// The car takes nothing though it may: it is full, or waits by itself.
    pub full: bool,
}

impl Demand {
    /// True if somebody said how much it needs.
    pub fn is_stated(&self) -> bool {
        self.energy_source < NeedSource::Learned
    }

    /// True if nobody knows when the car leaves, or it should have left: charge as soon as
    /// limits allow.
    pub fn is_urgent(&self) -> bool {
        self.late || self.departure_source >= NeedSource::Learned
    }

    /// When it leaves, if somebody said so and that is not over.
    pub fn stated_departure(&self) -> Option<Time> {
        (!self.is_urgent()).then_some(self.departure)
    }

    /// The energy of the whole session, if somebody said so.
    pub fn stated_energy(&self) -> Option<Energy> {
        (self.energy_source < NeedSource::Learned).then_some(self.total)
    }

    /// What it has.
    pub fn delivered(&self) -> Energy {
        self.total.saturating_minus(self.remaining)
    }
}

impl SiteState {
    /// The demands of all running sessions, in the order of EVSEs.
    pub fn demands(&self, policy: &Policy, now: Time) -> Vec<Demand> {
        self.site
            .evses
            .iter()
            .filter_map(|evse| {
                let session = self.evses.get(&evse.id)?.running()?;
                Some(self.demand(evse, session, policy, now))
            })
            .collect()
    }

    fn demand(&self, evse: &Evse, session: &Session, policy: &Policy, now: Time) -> Demand {
        let filed = self.filed_departure(evse, session);
        let preferences = self.evses.get(&evse.id).and_then(|state| state.needs);
        let stated = [
            (
                NeedSource::Departure,
                filed.and_then(|d| d.departure),
                filed.and_then(|d| d.energy),
            ),
            (
                NeedSource::Preferences,
                preferences.and_then(|n| n.departure),
                preferences.and_then(|n| n.energy),
            ),
            (
                NeedSource::Session,
                session.needs.departure,
                session.needs.energy,
            ),
        ];
        let mut departure = stated
            .iter()
            .find_map(|(source, at, _)| at.map(|at| (*source, at)));
        let mut energy = stated
            .iter()
            .find_map(|(source, _, energy)| energy.map(|e| (*source, e)));
        if let Some((by, least)) = self.least_energy(evse, session, now) {
            // What must be there by then is there if the car is ready by then.
            let leaves = departure.map_or(by, |(_, at)| if at > now { at.min(by) } else { at });
            departure = Some((NeedSource::Preferences, leaves));
            energy = Some((
                NeedSource::Preferences,
                energy.map_or(least, |(_, e)| e.max(least)),
            ));
        }
        let default_stay = TimeDelta::seconds(i64::from(policy.default_stay_s));
        let late = departure.is_some_and(|(_, at)| at <= now);
        let (departure_source, departure) = match departure {
            Some((source, at)) if at > now => (source, at),
            Some((source, _)) => (source, now + TimeDelta::hours(1).max(default_stay)),
            None => (NeedSource::Default, now + default_stay),
        };
        let acceptance = self.acceptance(evse);
        let (energy_source, remaining) = match energy {
            Some((source, energy)) => (source, energy.saturating_minus(session.energy)),
            None => (NeedSource::Default, unstated_need(evse, session, policy)),
        };
        // One that nobody closes must not keep its share for ever; news of it brings it back.
        let remaining = if self.is_silent(evse, session, policy, now) {
            Energy::ZERO
        } else {
            remaining
        };
        Demand {
            evse: evse.id.clone(),
            session: session.id.clone(),
            remaining,
            total: remaining + session.energy,
            started_at: session.started_at,
            energy_source,
            departure,
            departure_source,
            late,
            acceptance,
            used_phases: self
                .evses
                .get(&evse.id)
                .and_then(|state| state.used_phases.known()),
            full: self.evses.get(&evse.id).is_some_and(|state| state.full),
        }
    }

    /// The energy that a signal wants to be reached next in this session and is not, and by when.
    fn least_energy(&self, evse: &Evse, session: &Session, now: Time) -> Option<(Time, Energy)> {
        let about = self.signals.values().filter(|series| {
            series.kind == SignalKind::MinEnergy && series.evse.as_ref() == Some(&evse.id)
        });
        about
            .flat_map(|series| &series.slots)
            .filter(|slot| slot.end > now)
            .map(|slot| (slot.end, Energy::from_joules(slot.value)))
            .filter(|(_, least)| *least > session.energy)
            .min()
    }

    /// True if nothing was heard of a session for so long that its end was probably lost.
    fn is_silent(&self, evse: &Evse, session: &Session, policy: &Policy, now: Time) -> bool {
        let read_at = self
            .evses
            .get(&evse.id)
            .and_then(|state| state.reading)
            .map(|reading| reading.at);
        let heard_at = read_at.max(Some(session.updated_at));
        let patience = TimeDelta::seconds(i64::from(policy.silent_session_s));
        heard_at.is_some_and(|at| now - at > patience)
    }

    /// What the car is expected to take when it may take all: the rating at nominal voltage, or
    /// what it was seen to take, with a tenth more so that a wrong lesson heals; never below the
    /// EVSE's minimum. What something beside us allows is taken at its word, unless that is less
    /// than the minimum: then nobody knows, and plans go on as if it were lifted (I3).
    fn acceptance(&self, evse: &Evse) -> Power {
        let state = self.evses.get(&evse.id);
        let seen = state.and_then(|state| state.acceptance);
        let limited = state
            .and_then(|state| state.external_limit)
            .filter(|limit| *limit >= evse.min);
        let expected = seen.map_or(evse.max, |power| {
            power.scaled_up(11, 10).max(evse.min).min(evse.max)
        });
        limited.map_or(expected, |limit| expected.min(limit))
    }

    /// The departure filed for this session: by EVSE, or by one of its keys.
    fn filed_departure(
        &self,
        evse: &Evse,
        session: &Session,
    ) -> Option<&crate::domain::session::Departure> {
        let by_evse = DepartureKey::new(evse.id.as_str()).ok();
        session
            .keys
            .iter()
            .chain(by_evse.as_ref())
            .find_map(|key| self.departures.get(key))
    }
}

/// What is wanted where nobody said how much: a full battery at most, and never nothing while
/// the car still draws.
fn unstated_need(evse: &Evse, session: &Session, policy: &Policy) -> Energy {
    let full = evse
        .max
        .over(TimeDelta::seconds(i64::from(policy.default_need_s)));
    full.saturating_minus(session.energy)
        .max(evse.max.over(TimeDelta::minutes(30)))
}
