//! What an EVSE should be allowed, as a curve and as the profile that says it on the wire.

use chrono::{DateTime, TimeDelta};

use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::plan::{Plan, PlannedEvse};
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// Most periods of one profile; what lies beyond is merged at its lowest limit.
pub const MAX_PERIODS: usize = 64;

/// What the plan wants for an EVSE from `now` on: its slots up to the departure, then the
/// fallback for ever (I2: every profile ends in a safe last value).
///
/// Values are what the wire can say: the worst case of the highest limit within the wish.
pub fn wanted(
    evse: &Evse,
    plan: &Plan,
    planned: &PlannedEvse,
    fallback: Power,
    now: Time,
) -> PowerCurve {
    let say = |power: Power| evse.worst_case_of(evse.unit(), evse.limit_within(power));
    let horizon = &plan.horizon;
    let end = planned
        .departure
        .map_or(horizon.end(), |departure| departure.max(now));
    let first = planned.power.first().copied().unwrap_or(fallback);
    let mut steps: Vec<(Time, Power)> = horizon
        .starts()
        .zip(&planned.power)
        .take_while(|(start, _)| *start < end)
        .map(|(start, power)| (start, say(*power)))
        .collect();
    steps.push((end.min(horizon.end()), say(fallback)));
    PowerCurve::new(say(first), steps)
}

/// The profile whose worst case stays within `allowed` at every instant from `now` on, with an
/// open-ended last period. Limits are rounded down; below the minimum power they are 0.
pub fn profile_within(evse: &Evse, allowed: &PowerCurve, now: Time) -> Profile {
    let start = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let mut periods = vec![ProfilePeriod {
        start_s: 0,
        limit: evse.limit_within(allowed.at(now)),
    }];
    let later: Vec<(u32, Power)> = allowed
        .steps()
        .iter()
        .filter(|(at, _)| *at > now)
        .filter_map(|(at, power)| Some((offset_s(start, *at, *power, allowed)?, *power)))
        .collect();
    for (offset, power) in later {
        let limit = evse.limit_within(power);
        let last = periods.last().map_or(Tenths(0), |period| period.limit);
        if limit == last {
            continue;
        }
        match periods.last_mut() {
            Some(period) if period.start_s == offset => period.limit = period.limit.min(limit),
            _ => periods.push(ProfilePeriod {
                start_s: offset,
                limit,
            }),
        }
    }
    if periods.len() > MAX_PERIODS {
        let lowest = periods[MAX_PERIODS - 1..]
            .iter()
            .map(|p| p.limit)
            .min()
            .unwrap_or(Tenths(0));
        periods.truncate(MAX_PERIODS);
        periods[MAX_PERIODS - 1].limit = lowest;
    }
    Profile {
        unit: evse.unit(),
        start,
        periods,
        duration_s: None,
    }
}

/// The same profile, ended at an instant; periods from there on are left out.
pub fn ends_at(mut profile: Profile, end: Time) -> Profile {
    let seconds = (end - profile.start).num_seconds().max(1);
    let duration_s = u32::try_from(seconds.min(i64::from(i32::MAX))).unwrap_or(u32::MAX);
    profile
        .periods
        .retain(|period| period.start_s == 0 || period.start_s < duration_s);
    profile.duration_s = Some(duration_s);
    profile
}

/// Whole seconds from `start` to a step: a fall takes effect a fraction early, a rise a fraction
/// late. Steps beyond 68 years are left out.
fn offset_s(start: Time, at: Time, power: Power, allowed: &PowerCurve) -> Option<u32> {
    let before = allowed.at(at - TimeDelta::microseconds(1));
    let exact = at - start;
    let whole = exact.num_seconds();
    let fraction = exact > TimeDelta::seconds(whole);
    let offset = if fraction && power > before {
        whole + 1
    } else {
        whole
    };
    u32::try_from(offset)
        .ok()
        .filter(|s| i32::try_from(*s).is_ok())
}
