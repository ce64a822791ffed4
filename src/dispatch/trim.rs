//! Who answers makes room for who does not (I1).
//!
//! A plan counts on every lowering being followed. Where one is refused, or nobody says that it was
//! followed, the old bound goes on, and a plan made before the world moved may ask for too much. So
//! while a circuit is short, what the others want is cut until everything fits: what cannot be
//! changed at its bound, the rest at what is left.

use chrono::TimeDelta;

use super::headroom::Headroom;
use super::reconcile::Candidate;
use crate::domain::curve::PowerCurve;
use crate::domain::quantity::Power;
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::bound::on_phases;
use crate::state::evse_state::Control;

/// How long a fresh excursion is left to the plan that is being made for it: lowerings leave within
/// a second (I1), and the plan's are the better ones.
const PLAN_FIRST_S: i64 = 1;
/// How long a lowering may be under way before the others make room for it.
const PATIENCE_S: i64 = 10;

/// Cuts what candidates want until every circuit bears it together with what cannot be changed now.
/// Returns when to look again, if something waits for time to pass.
pub(super) fn make_room(
    state: &SiteState,
    headroom: &Headroom,
    candidates: &mut [Candidate<'_>],
    now: Time,
) -> Option<Time> {
    if !headroom.is_short(now) {
        return None;
    }
    let stuck: Vec<bool> = candidates.iter().map(|c| is_stuck(c, now)).collect();
    let excursions = &state.excursions.open;
    let answered_late = excursions
        .iter()
        .any(|open| now - open.opened_at >= TimeDelta::seconds(PLAN_FIRST_S));
    if answered_late || stuck.contains(&true) {
        // Beneath before above: what a feeder gives up, its parent has as well.
        let mut circuits: Vec<&Circuit> = state.site.circuits.iter().collect();
        circuits.sort_by_key(|circuit| std::cmp::Reverse(state.site.path(&circuit.id).len()));
        for circuit in circuits {
            fit(state, circuit, candidates, &stuck, now);
        }
    }
    let opened = excursions.iter().map(|open| open.opened_at);
    let sent = candidates
        .iter()
        .filter_map(|c| c.state.profiles.outstanding.last())
        .map(|newest| newest.command.issued_at + TimeDelta::seconds(PATIENCE_S));
    opened
        .map(|at| at + TimeDelta::seconds(PLAN_FIRST_S))
        .chain(sent)
        .filter(|at| *at > now)
        .min()
}

/// True if an EVSE holds more than is wanted and we cannot count on a lowering: it was refused, its
/// answer was lost, it takes long, an older request may undo it, or it draws more than it may.
fn is_stuck(candidate: &Candidate<'_>, now: Time) -> bool {
    if candidate.bound.is_within(&candidate.wanted, now) {
        return false;
    }
    let draws_beyond = candidate.state.strikes > 0
        || matches!(candidate.state.control, Control::Disobedient { .. });
    let refused = candidate.state.backoff_until.is_some_and(|at| at > now);
    let silent = candidate
        .state
        .profiles
        .outstanding
        .iter()
        .any(|o| o.unknown || now - o.command.issued_at >= TimeDelta::seconds(PATIENCE_S));
    draws_beyond || refused || silent || !candidate.state.profiles.late.is_empty()
}

/// Cuts what is wanted beneath one circuit until it fits.
fn fit(
    state: &SiteState,
    circuit: &Circuit,
    candidates: &mut [Candidate<'_>],
    stuck: &[bool],
    now: Time,
) {
    let bound = state.circuit_bound(circuit, now);
    let counted = |index: usize, candidate: &Candidate<'_>| {
        if stuck[index] {
            candidate.bound.max(&candidate.wanted)
        } else {
            candidate.wanted.clone()
        }
    };
    let beneath =
        |candidate: &Candidate<'_>| state.site.is_beneath(&candidate.evse.circuit, &circuit.id);
    // The bound of all, with what candidates hold replaced by what they will.
    let mut need = bound.total().minus(&bound.limit);
    let mut on_phase = bound.phase_limit.map(|limit| {
        bound
            .phases
            .each_ref()
            .map(|phase| phase.minus(&PowerCurve::constant(limit)))
    });
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, c)| beneath(c)) {
        let change = counted(index, candidate).minus(&candidate.bound);
        need = need.plus(&change);
        if let Some(phases) = &mut on_phase {
            let before = on_phases(candidate.evse, &candidate.bound);
            let after = on_phases(candidate.evse, &counted(index, candidate));
            for ((phase, before), after) in phases.iter_mut().zip(&before).zip(&after) {
                *phase = phase.plus(after).minus(before);
            }
        }
    }
    for index in givers(candidates, stuck) {
        let candidate = &mut candidates[index];
        if !state.site.is_beneath(&candidate.evse.circuit, &circuit.id) {
            continue;
        }
        let mut give = need.clone();
        if let Some(phases) = &on_phase {
            for (phase, divisor) in phases.iter().zip(candidate.evse.phase_divisors()) {
                if divisor > 0 {
                    give = give.max(&phase.zip(&PowerCurve::zero(), |p, _| p * divisor));
                }
            }
        }
        let give = give.zip(&candidate.wanted, |give, wanted| {
            give.at_least_zero().min(wanted)
        });
        if give.highest_from(now) == Power::ZERO {
            continue;
        }
        let before = on_phases(candidate.evse, &candidate.wanted);
        candidate.wanted = candidate.wanted.minus(&give);
        need = need.minus(&give);
        if let Some(phases) = &mut on_phase {
            let after = on_phases(candidate.evse, &candidate.wanted);
            for ((phase, before), after) in phases.iter_mut().zip(&before).zip(&after) {
                *phase = phase.plus(after).minus(before);
            }
        }
    }
}

/// Who gives up first: the reverse of the order in which the plan serves.
fn givers(candidates: &[Candidate<'_>], stuck: &[bool]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).filter(|i| !stuck[*i]).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        (a.rank, &b.evse.id).cmp(&(b.rank, &a.evse.id))
    });
    order
}
