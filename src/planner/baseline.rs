//! What charging would have been without whoever asks for a change: the baselines that delivery is
//! measured against. Each is named and versioned; what was frozen for a dispatch never changes.

use chrono::TimeDelta;

use crate::domain::evse::Evse;
use crate::domain::id::PlanId;
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::state::SiteState;

/// How a baseline is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The plan as it stood, frozen: what the site was about to do.
    PlanFreeze,
    /// Every car charges at its maximum from its arrival until it has what it needs; limits are
    /// ignored.
    Uncontrolled,
}

impl Method {
    /// The short name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::PlanFreeze => "B0",
            Self::Uncontrolled => "B1",
        }
    }

    /// The long name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlanFreeze => "plan_freeze",
            Self::Uncontrolled => "uncontrolled",
        }
    }

    /// Counted up whenever its arithmetic changes.
    pub const fn version(self) -> u32 {
        1
    }
}

/// Mean power of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
    /// Expected power of all EVSEs together; `None` where the method says nothing.
    pub power: Option<Power>,
}

/// The frozen plan over given stretches.
pub fn plan_freeze(state: &SiteState, plan: &Plan, stretches: &[(Time, Time)]) -> Vec<Stretch> {
    let slots = plan.horizon.slots;
    let totals: Vec<Power> = (0..slots).map(|slot| expected(state, plan, slot)).collect();
    let first = plan.made_at.min(plan.horizon.start);
    stretches
        .iter()
        .map(|(start, end)| {
            let covered = *start >= first && *end <= plan.horizon.end();
            let power = covered.then(|| {
                mean(*start, *end, |from| {
                    let slot = plan.slot_at(from)?;
                    Some((totals[slot], plan.horizon.slot_start(slot + 1)))
                })
            });
            Stretch {
                start: *start,
                end: *end,
                power,
            }
        })
        .collect()
}

/// The plan's power in a slot as the meter is expected to show it.
fn expected(state: &SiteState, plan: &Plan, slot: usize) -> Power {
    plan.evses
        .iter()
        .filter_map(|planned| {
            let (numerator, denominator) = state.site.evse(&planned.evse)?.expected_share();
            let power = planned.power.get(slot)?;
            Some(power.scaled_down(numerator, denominator))
        })
        .sum()
}

/// The mean of a step function over `[start, end)`; `at` gives a value and until when it holds.
fn mean(start: Time, end: Time, at: impl Fn(Time) -> Option<(Power, Time)>) -> Power {
    let mut energy = Energy::ZERO;
    let mut from = start;
    // Bounded: every turn reaches the end of a slot.
    while from < end {
        let Some((power, until)) = at(from) else {
            break;
        };
        let until = until.min(end).max(from + TimeDelta::seconds(1));
        energy += power.over(until - from);
        from = until;
    }
    energy.mean_power(end - start)
}

/// One stay that charges at once.
struct Stay {
    start: Time,
    end: Time,
    power: Power,
}

/// Uncontrolled charging over given stretches: past sessions as far as they are remembered with what
/// they took, running ones with what they need in all.
pub fn uncontrolled(
    state: &SiteState,
    policy: &Policy,
    now: Time,
    stretches: &[(Time, Time)],
) -> Vec<Stretch> {
    let stays = stays(state, policy, now);
    let first = stays.iter().map(|stay| stay.start).min();
    stretches
        .iter()
        .map(|(start, end)| {
            let energy: Energy = stays
                .iter()
                .filter(|stay| stay.start < *end && *start < stay.end)
                .map(|stay| stay.power.over(stay.end.min(*end) - stay.start.max(*start)))
                .sum();
            // Before the first stay that is remembered nothing is known.
            let known = *end > now || first.is_some_and(|first| *start >= first);
            Stretch {
                start: *start,
                end: *end,
                power: known.then(|| energy.mean_power(*end - *start)),
            }
        })
        .collect()
}

fn stays(state: &SiteState, policy: &Policy, now: Time) -> Vec<Stay> {
    let stay = |evse: &Evse, start: Time, power: Power, energy: Energy| {
        let power = power.min(evse.max);
        let seconds = energy.joules() / power.watts().max(1);
        Stay {
            start,
            end: start + TimeDelta::seconds(seconds),
            power,
        }
    };
    let past = state.history.iter().filter_map(|past| {
        let evse = state.site.evse(&past.evse)?;
        Some(stay(evse, past.started_at, evse.max, past.energy))
    });
    let running = state.demands(policy, now).into_iter().filter_map(|demand| {
        let evse = state.site.evse(&demand.evse)?;
        let session = state.evses.get(&demand.evse)?.running()?;
        Some(stay(
            evse,
            session.started_at,
            demand.acceptance,
            demand.total,
        ))
    });
    past.chain(running).collect()
}

/// What identifies a frozen plan: its number and the digest of everything it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The plan.
    pub plan: PlanId,
    /// Digest of its inputs.
    pub input_digest: String,
    /// When it was made.
    pub made_at: Time,
}

impl Frozen {
    /// The identity of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            plan: plan.id,
            input_digest: plan.input_digest.clone(),
            made_at: plan.made_at,
        }
    }
}
