//! What EVSEs over OCPP are told to hold to while no session's profile does.
//!
//! Plain: the fallback share, for ever. Where that much kept free would take room from sessions
//! that run, held: nothing for [`LEASE_S`], then the fallback share. We prolong the lease while we
//! live; a car that comes waits a second for its own profile; when we die, chargers return to the
//! fallback by themselves (I2).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};

use super::headroom::Headroom;
use super::reconcile::Dispatch;
use crate::domain::command::{Action, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CircuitId, CommandId};
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::quantity::Power;
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::state::bound::on_phases;
use crate::state::evse_state::Control;
use crate::state::{EvseState, Fallbacks, SiteState};

/// How long a held default keeps an EVSE at nothing, in seconds; prolonged when half of it is over.
pub(super) const LEASE_S: u32 = 2 * 3600;
/// A fallback that rises by less is not told.
const WORTH_TELLING: Power = Power::from_watts(500);
/// A held default becomes plain again after the room has been there for so long, in seconds.
const PLAIN_AGAIN_S: i64 = 20 * 60;

/// The default profiles that are to be sent now, lowerings first. `wishes` are what the plan wants
/// for running sessions.
pub(super) fn due<'a>(
    state: &'a SiteState,
    headroom: &mut Headroom,
    wishes: &[(&Evse, &PowerCurve)],
    now: Time,
    dispatch: &mut Dispatch,
) -> Vec<(&'a Evse, Profile)> {
    let mut lower = Vec::new();
    let mut raise = Vec::new();
    let unknown = EvseState::default();
    if !state.site.evses.iter().any(is_ocpp) {
        return Vec::new();
    }
    let fallbacks = Fallbacks::of(state, now);
    let tight = tight_circuits(state, wishes, &fallbacks, now);
    for evse in &state.site.evses {
        if !is_ocpp(evse) || !state.may_send_to(&evse.id) {
            continue;
        }
        let known = state.evses.get(&evse.id).unwrap_or(&unknown);
        if matches!(known.control, Control::Unsupported { .. }) {
            continue;
        }
        if !known.defaults.may_send(now) {
            if let Some(at) = known.defaults.retry_at.filter(|at| *at > now) {
                dispatch.wake(at);
            }
            continue;
        }
        let fallback = evse.limit_within(fallbacks.get(state, evse));
        let holds = known.defaults.confirmed.as_ref().map(|c| &c.profile);
        let path = state.site.path(&evse.circuit);
        let crowded = fallback > Tenths(0) && path.iter().any(|above| tight.contains(&above.id));
        let Some(profile) = next(evse, known, fallback, crowded, holds, now, dispatch) else {
            continue;
        };
        let granted = known.granted_underneath(evse);
        let after = evse.worst_case_between(&profile, &PowerCurve::zero(), &granted);
        if after.is_within(&granted, now) {
            lower.push((evse, profile));
        } else {
            raise.push((evse, profile, granted));
        }
    }
    for (evse, profile, granted) in raise {
        // As if nothing lay above it: a session that runs there may end, and the next car begin,
        // before we hear of it.
        let known = state.evses.get(&evse.id).unwrap_or(&unknown);
        let before = known.bound(evse);
        let permits = headroom.permits(state, evse, &granted, &before);
        let profile = cut_to(evse, profile, &permits, now);
        let holds = known.defaults.confirmed.as_ref().map(|it| &it.profile);
        if holds.is_some_and(|holds| is_no_news(evse, holds, &profile, now)) {
            continue;
        }
        let after = evse.worst_case_between(&profile, &PowerCurve::zero(), &before);
        headroom.take(state, evse, &before, &before.max(&after));
        lower.push((evse, profile));
    }
    lower
}

/// The same steps at lower limits, so that no instant of a step allows more than is permitted.
fn cut_to(evse: &Evse, mut profile: Profile, permits: &PowerCurve, now: Time) -> Profile {
    let ends: Vec<Option<Time>> = (profile.steps().map(|(at, _)| Some(at)).skip(1))
        .chain([None])
        .collect();
    let starts: Vec<Time> = profile.steps().map(|(at, _)| at.max(now)).collect();
    for ((period, from), until) in profile.periods.iter_mut().zip(starts).zip(ends) {
        let most = match until {
            Some(until) => permits.lowest_within(from, until),
            None => permits.lowest_from(from),
        };
        period.limit = period.limit.min(evse.limit_within(most));
    }
    profile
}

/// True if what is left of a profile is no news beside what holds: the same kind, about the same
/// limits, and no lease that has to be prolonged.
fn is_no_news(evse: &Evse, holds: &Profile, left: &Profile, now: Time) -> bool {
    let last = |profile: &Profile| profile.periods.last().map_or(Tenths(0), |it| it.limit);
    let lease_end = holds.steps().nth(1).map(|(at, _)| at);
    lease_end.is_some() == (left.periods.len() > 1)
        && lease_end.is_none_or(|end| renew_at(end) > now)
        && !worth_telling(evse, last(holds), last(left))
}

/// When a lease is prolonged.
fn renew_at(end: Time) -> Time {
    end - TimeDelta::seconds(i64::from(LEASE_S / 2))
}

/// A command about an EVSE's default profile.
pub(super) fn command(evse: &Evse, id: CommandId, action: Action, now: Time) -> Command {
    Command {
        id,
        evse: evse.id.clone(),
        session: None,
        native_session: None,
        plan: None,
        issued_at: now,
        action,
    }
}

/// The default profile to install instead of what holds; `None` where that is right already.
fn next(
    evse: &Evse,
    known: &EvseState,
    fallback: Tenths,
    crowded: bool,
    holds: Option<&Profile>,
    now: Time,
    dispatch: &mut Dispatch,
) -> Option<Profile> {
    let start = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let plain = |limit| Profile {
        unit: evse.unit(),
        start,
        periods: vec![ProfilePeriod { start_s: 0, limit }],
        duration_s: None,
    };
    let held = || Profile {
        periods: vec![
            ProfilePeriod {
                start_s: 0,
                limit: Tenths(0),
            },
            ProfilePeriod {
                start_s: LEASE_S,
                limit: fallback,
            },
        ],
        ..plain(Tenths(0))
    };
    let Some(holds) = holds else {
        return Some(plain(fallback));
    };
    let lease_end = holds.steps().nth(1).map(|(at, _)| at);
    let last = holds.periods.last().map_or(Tenths(0), |p| p.limit);
    let since = known
        .defaults
        .last_set_at
        .map_or(TimeDelta::MAX, |at| now - at);
    match (lease_end, crowded) {
        // A lease that ran out leaves the fallback: as good as plain.
        (None, false) => worth_telling(evse, last, fallback).then(|| plain(fallback)),
        (None, true) => Some(held()),
        (Some(_), true) if worth_telling(evse, last, fallback) => Some(held()),
        (Some(end), true) => {
            if renew_at(end) <= now {
                return Some(held());
            }
            dispatch.wake(renew_at(end));
            None
        }
        (Some(_), false) if since >= TimeDelta::seconds(PLAIN_AGAIN_S) => Some(plain(fallback)),
        (Some(_), false) => {
            dispatch.wake(now + (TimeDelta::seconds(PLAIN_AGAIN_S) - since));
            None
        }
    }
}

/// A lower fallback is told at once, a higher one when it is worth a message.
fn worth_telling(evse: &Evse, last: Tenths, fallback: Tenths) -> bool {
    let power = |limit| evse.worst_case_of(evse.unit(), limit);
    fallback < last || power(fallback) - power(last) >= WORTH_TELLING
}

fn is_ocpp(evse: &Evse) -> bool {
    matches!(evse.source, EvseSource::Ocpp { .. })
}

/// The circuits that cannot give the running sessions what the plan wants and at the same time all
/// other EVSEs over OCPP their fallback, for the time of a lease.
fn tight_circuits(
    state: &SiteState,
    wishes: &[(&Evse, &PowerCurve)],
    fallbacks: &Fallbacks,
    now: Time,
) -> BTreeSet<CircuitId> {
    let until = now + TimeDelta::seconds(i64::from(LEASE_S));
    let wishes: BTreeMap<_, _> = wishes
        .iter()
        .map(|(evse, wish)| (&evse.id, *wish))
        .collect();
    let wanted: Vec<(&Evse, PowerCurve)> = state
        .site
        .evses
        .iter()
        .map(|evse| match wishes.get(&evse.id) {
            Some(wish) => (evse, (*wish).clone()),
            None => (evse, kept_for(state, evse, fallbacks)),
        })
        .collect();
    let is_tight = |circuit: &&Circuit| {
        let bound = state.circuit_bound(circuit, now);
        let mut room = bound
            .limit
            .minus(&bound.uncontrolled)
            .minus(&PowerCurve::constant(bound.reserve));
        let mut phases = bound.phase_limit.map(|limit| {
            let third = bound
                .uncontrolled
                .zip(&PowerCurve::zero(), |power, _| power.scaled_up(11, 27));
            let left = PowerCurve::constant(limit).minus(&third);
            [left.clone(), left.clone(), left]
        });
        for (evse, wanted) in &wanted {
            if !state.site.is_beneath(&evse.circuit, &circuit.id) {
                continue;
            }
            room = room.minus(wanted);
            if let Some(phases) = &mut phases {
                for (phase, part) in phases.iter_mut().zip(on_phases(evse, wanted)) {
                    *phase = phase.minus(&part);
                }
            }
        }
        std::iter::once(&room)
            .chain(phases.iter().flatten())
            .any(|room| room.lowest_within(now, until) < Power::ZERO)
    };
    let circuits = state.site.circuits.iter().filter(is_tight);
    circuits.map(|circuit| circuit.id.clone()).collect()
}

/// What an EVSE without a planned session would keep: its fallback where it follows us or will in
/// a moment, else what it may draw.
fn kept_for(state: &SiteState, evse: &Evse, fallbacks: &Fallbacks) -> PowerCurve {
    let follows = state.evses.get(&evse.id).is_none_or(|known| {
        known.is_free() && known.control == Control::Controllable && known.defaults.are_willing()
    });
    if follows && is_ocpp(evse) {
        let fallback = evse.limit_within(fallbacks.get(state, evse));
        PowerCurve::constant(evse.worst_case_of(evse.unit(), fallback))
    } else {
        state.evse_bound(&evse.id)
    }
}
