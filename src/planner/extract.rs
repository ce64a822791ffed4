//! From a draft to the plan that is stored and sent.

use chrono::TimeDelta;

use super::draft::{Draft, Row};
use super::explain::Explainer;
use super::frame::{Frame, FrameCircuit};
use super::layout::Layout;
use super::need::{Class, Need};
use crate::domain::plan::{Plan, PlannedCircuit, PlannedEvse};
use crate::domain::policy::Policy;
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
    policy: &Policy,
    needs: &[Need<'_>],
    draft: &Draft,
    input_digest: String,
) -> Plan {
    let explainer = Explainer::new(layout, frame, policy, needs, draft);
    let evses: Vec<PlannedEvse> = needs
        .iter()
        .zip(&draft.rows)
        .map(|(need, row)| planned_evse(frame, need, row, &explainer))
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
        peak_target: frame.peak.as_ref().map(|peak| peak.target),
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
    frame: &Frame,
    need: &Need<'_>,
    row: &Row,
    explainer: &Explainer<'_>,
) -> PlannedEvse {
    let (unmet, ready_at) = outcome(frame, need, row, frame.horizon.slot());
    let explanation = explainer.explain(need, row, unmet);
    let limited_by = explanation
        .limited_by
        .iter()
        .map(|index| frame.circuits[*index].circuit.clone())
        .collect();
    PlannedEvse {
        evse: need.evse.id.clone(),
        session: need.session.clone(),
        power: row.power.clone(),
        reasons: explanation.slots,
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
