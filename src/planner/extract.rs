//! From a draft to the plan that is stored and sent.

use chrono::TimeDelta;

use super::draft::{Draft, Row, reason};
use super::frame::{Frame, FrameCircuit, LimitOrigin};
use super::layout::Layout;
use super::need::{Class, Need};
use crate::domain::plan::{Plan, PlannedCircuit, PlannedEvse, Reason};
use crate::domain::quantity::{Energy, Money, Power};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Energy that counts as nothing: what rounding down to whole watts may take over a stay, 20 Wh.
const NOTHING: Energy = Energy::from_joules(72_000);

/// The plan of a draft.
pub(super) fn plan(
    state: &SiteState,
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &Draft,
    input_digest: String,
) -> Plan {
    let evses: Vec<PlannedEvse> = needs
        .iter()
        .zip(&draft.rows)
        .map(|(need, row)| planned_evse(layout, frame, need, row, draft))
        .collect();
    let circuits = frame
        .circuits
        .iter()
        .enumerate()
        .map(|(index, circuit)| planned_circuit(layout, index, circuit, needs, draft))
        .collect();
    Plan {
        id: state.last_plan.next(),
        parent: state.plan.as_ref().map(|plan| plan.id),
        made_at: frame.from,
        input_digest,
        horizon: frame.horizon,
        origin: draft.origin,
        cost: cost(frame, needs, draft),
        evses,
        circuits,
        prices: frame.prices.clone(),
    }
}

fn cost(frame: &Frame, needs: &[Need<'_>], draft: &Draft) -> Money {
    let slot_length = frame.horizon.slot();
    let mut cost = Money::ZERO;
    for (need, row) in needs.iter().zip(&draft.rows) {
        let mut left = need.wanted;
        for (slot, power) in row.power.iter().enumerate() {
            let energy = need.energy(*power, slot_length);
            let energy = if need.class == Class::Now {
                energy
            } else {
                energy.min(left)
            };
            left = left.saturating_minus(energy);
            cost += energy.cost_at(frame.price(slot));
        }
    }
    cost
}

fn planned_circuit(
    layout: &Layout<'_>,
    index: usize,
    circuit: &FrameCircuit,
    needs: &[Need<'_>],
    draft: &Draft,
) -> PlannedCircuit {
    let mut planned = vec![Power::ZERO; circuit.limit.len()];
    for (need, row) in needs.iter().zip(&draft.rows) {
        if layout.paths[need.index].contains(&index) {
            for (sum, power) in planned.iter_mut().zip(&row.power) {
                *sum += *power;
            }
        }
    }
    let held = circuit.reserve + circuit.uncontrollable;
    PlannedCircuit {
        circuit: circuit.circuit.clone(),
        limit: circuit.limit.clone(),
        uncontrolled: circuit
            .uncontrolled
            .iter()
            .map(|load| *load + held)
            .collect(),
        planned,
        shadow_price: draft.shadow.get(index).cloned().unwrap_or_default(),
    }
}

fn planned_evse(
    layout: &Layout<'_>,
    frame: &Frame,
    need: &Need<'_>,
    row: &Row,
    draft: &Draft,
) -> PlannedEvse {
    let slot_length = frame.horizon.slot();
    let (unmet, ready_at) = outcome(frame, need, row, slot_length);
    let reasons: Vec<Reason> = (0..frame.horizon.slots)
        .map(|slot| explain(layout, frame, need, row, draft, slot))
        .collect();
    let limited_by = row
        .limited_by
        .iter()
        .filter_map(|index| frame.circuits.get(*index))
        .map(|circuit| circuit.circuit.clone())
        .collect();
    PlannedEvse {
        evse: need.evse.id.clone(),
        session: need.session.clone(),
        power: row.power.clone(),
        reasons,
        unmet,
        ready_at,
        departure: Some(need.departure),
        needed: need.wanted,
        limited_by,
    }
}

/// What stays undelivered, and by when it has all.
fn outcome(
    frame: &Frame,
    need: &Need<'_>,
    row: &Row,
    slot_length: TimeDelta,
) -> (Energy, Option<Time>) {
    let mut left = need.wanted;
    if left <= Energy::ZERO {
        return (Energy::ZERO, Some(frame.from));
    }
    for (slot, power) in row.power.iter().enumerate() {
        left = left.saturating_minus(need.energy(*power, slot_length));
        if left <= NOTHING {
            return (Energy::ZERO, Some(frame.span(slot).1));
        }
    }
    (left, None)
}

fn explain(
    layout: &Layout<'_>,
    frame: &Frame,
    need: &Need<'_>,
    row: &Row,
    draft: &Draft,
    slot: usize,
) -> Reason {
    if slot >= need.to && need.class != Class::Paused {
        return Reason::NotConnected;
    }
    let power = row.power[slot];
    match need.class {
        Class::Paused | Class::Now => return Reason::Override,
        Class::Charged => return Reason::Charged,
        Class::Urgent if power.is_positive() && power >= need.max => {
            return Reason::AsSoonAsPossible;
        }
        Class::Tight if power.is_positive() && power >= need.max => return Reason::Deadline,
        Class::Urgent | Class::Tight | Class::Planned => {}
    }
    let told = row
        .told
        .get(slot)
        .copied()
        .map_or(Reason::AsSoonAsPossible, reason);
    let is_early = matches!(need.class, Class::Urgent | Class::Tight);
    match told {
        Reason::CircuitLimit => limit_reason(layout, frame, need, draft, slot),
        Reason::Deadline if waits_for_others(layout, need, draft, frame, slot) => {
            Reason::ExpectedArrivals
        }
        Reason::CheapSlot | Reason::Deadline if is_early => Reason::AsSoonAsPossible,
        Reason::Charged | Reason::CheaperLater if power.is_positive() => Reason::Deadline,
        Reason::NotConnected => Reason::Charged,
        told => told,
    }
}

/// A limit keeps it lower: whose, and is it really used up, or kept for expected arrivals?
fn limit_reason(
    layout: &Layout<'_>,
    frame: &Frame,
    need: &Need<'_>,
    draft: &Draft,
    slot: usize,
) -> Reason {
    let path = &layout.paths[need.index];
    let is_expected = |circuit: &usize| {
        draft
            .expected
            .get(*circuit)
            .is_some_and(|row| row[slot] >= need.min.max(Power::from_watts(1)))
    };
    if path.iter().any(is_expected) {
        return Reason::ExpectedArrivals;
    }
    let from_signal = path
        .iter()
        .filter(|circuit| draft_limits(draft, **circuit, need))
        .any(|circuit| frame.circuits[*circuit].limit_origin[slot] != LimitOrigin::Operator);
    if from_signal {
        Reason::SignalLimit
    } else {
        Reason::CircuitLimit
    }
}

fn draft_limits(draft: &Draft, circuit: usize, need: &Need<'_>) -> bool {
    draft
        .rows
        .iter()
        .any(|row| row.limited_by.contains(&circuit))
        && need.is_open()
}

/// It charges now although a later slot costs less, since others are expected there.
fn waits_for_others(
    layout: &Layout<'_>,
    need: &Need<'_>,
    draft: &Draft,
    frame: &Frame,
    slot: usize,
) -> bool {
    let price = frame.price(slot);
    (slot + 1..need.to).any(|later| {
        frame.price(later) < price
            && layout.paths[need.index].iter().any(|circuit| {
                draft
                    .expected
                    .get(*circuit)
                    .is_some_and(|row| row[later].is_positive())
            })
    })
}
