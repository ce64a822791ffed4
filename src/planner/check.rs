//! Does a plan keep its promises? In whole watts, from the state itself; nothing of what makes
//! plans is used here.

use thiserror::Error;

use crate::domain::curve::PowerCurve;
use crate::domain::event::OverrideAction;
use crate::domain::evse::EvseSource;
use crate::domain::id::{CircuitId, EvseId};
use crate::domain::plan::{Plan, PlannedEvse};
use crate::domain::quantity::Power;
use crate::domain::site::{ArrivalReserve, Circuit, Mode};
use crate::domain::time::Time;
use crate::state::bound::on_phases;
use crate::state::evse_state::Control;
use crate::state::{EvseState, SiteState};

/// A promise that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Broken {
    /// Rows are missing, of the wrong length, or in the wrong order.
    #[error("the plan's rows for {0} are not one per slot, in order")]
    Shape(String),
    /// It plans for an EVSE that no such session runs on, or that does not follow plans.
    #[error("EVSE {0} cannot be planned for this session")]
    Session(EvseId),
    /// A power below 0, above the hardware maximum, or between 0 and the minimum.
    #[error("EVSE {evse} has {power} in slot {slot}, which it cannot hold")]
    Power {
        /// The EVSE.
        evse: EvseId,
        /// The slot.
        slot: usize,
        /// What the plan says.
        power: Power,
    },
    /// Power after the departure.
    #[error("EVSE {evse} has power in slot {slot}, after its departure")]
    Window {
        /// The EVSE.
        evse: EvseId,
        /// The slot.
        slot: usize,
    },
    /// The sum beneath a circuit is above what its limit leaves.
    #[error("circuit {circuit} is above its limit at {at}")]
    Limit {
        /// The circuit.
        circuit: CircuitId,
        /// The first instant.
        at: Time,
    },
    /// The sum on a phase beneath a circuit is above what its limit leaves.
    #[error("phase {phase} of circuit {circuit} is above its limit at {at}")]
    Phase {
        /// The circuit.
        circuit: CircuitId,
        /// The phase, 1 to 3.
        phase: usize,
        /// The first instant.
        at: Time,
    },
}

/// The first promise the plan breaks, if it breaks one.
pub fn check(state: &SiteState, plan: &Plan, now: Time) -> Result<(), Broken> {
    let mut last: Option<&EvseId> = None;
    for planned in &plan.evses {
        if last.is_some_and(|last| *last >= planned.evse) {
            return Err(Broken::Shape(planned.evse.to_string()));
        }
        last = Some(&planned.evse);
        check_evse(state, plan, planned, now)?;
    }
    if plan.circuits.len() != state.site.circuits.len() || plan.made_at != now {
        return Err(Broken::Shape("circuits".into()));
    }
    let curves: Vec<(&PlannedEvse, PowerCurve)> = plan
        .evses
        .iter()
        .map(|planned| (planned, curve(plan, planned)))
        .collect();
    for circuit in &state.site.circuits {
        check_circuit(state, plan, circuit, &curves, now)?;
    }
    Ok(())
}

fn check_evse(
    state: &SiteState,
    plan: &Plan,
    planned: &PlannedEvse,
    now: Time,
) -> Result<(), Broken> {
    let slots = plan.horizon.slots;
    if planned.power.len() != slots || planned.reasons.len() != slots {
        return Err(Broken::Shape(planned.evse.to_string()));
    }
    let unknown = || Broken::Session(planned.evse.clone());
    let evse = state.site.evse(&planned.evse).ok_or_else(unknown)?;
    let known = state.evses.get(&planned.evse).ok_or_else(unknown)?;
    if known.running().map(|session| &session.id) != Some(&planned.session)
        || !follows(state, &planned.evse)
    {
        return Err(unknown());
    }
    let action = known.override_at(now);
    for (slot, power) in planned.power.iter().copied().enumerate() {
        if power == Power::ZERO {
            continue;
        }
        if power < evse.min_bound()
            || power < Power::ZERO
            || power > evse.hardware_max()
            || action == Some(OverrideAction::Pause)
        {
            let evse = planned.evse.clone();
            return Err(Broken::Power { evse, slot, power });
        }
        // Slot 0 is always open: a stay that ends within it still charges.
        let starts = plan.horizon.slot_start(slot);
        let is_over = planned
            .departure
            .is_some_and(|departure| starts >= departure);
        if slot > 0 && is_over && action != Some(OverrideAction::ChargeNow) {
            let evse = planned.evse.clone();
            return Err(Broken::Window { evse, slot });
        }
    }
    Ok(())
}

/// True if plans are followed there, or would be if anything were sent.
fn follows(state: &SiteState, evse: &EvseId) -> bool {
    let nothing_is_sent = matches!(state.effective_mode(), Mode::Observe | Mode::Shadow);
    let obeys = state
        .evses
        .get(evse)
        .is_none_or(|known| known.control == Control::Controllable);
    obeys && (nothing_is_sent || state.may_send_to(evse))
}

/// What the plan lets an EVSE draw at each instant; nothing beyond its slots.
fn curve(plan: &Plan, planned: &PlannedEvse) -> PowerCurve {
    let first = planned.power.first().copied().unwrap_or(Power::ZERO);
    let steps = planned
        .power
        .iter()
        .enumerate()
        .skip(1)
        .map(|(slot, power)| (plan.horizon.slot_start(slot), *power))
        .chain([(plan.horizon.end(), Power::ZERO)]);
    PowerCurve::new(first, steps)
}

fn check_circuit(
    state: &SiteState,
    plan: &Plan,
    circuit: &Circuit,
    curves: &[(&PlannedEvse, PowerCurve)],
    now: Time,
) -> Result<(), Broken> {
    let beneath: Vec<_> = state
        .site
        .evses
        .iter()
        .filter(|evse| state.site.is_beneath(&evse.circuit, &circuit.id))
        .collect();
    let drawn = |id: &EvseId| {
        let planned = curves.binary_search_by(|(planned, _)| planned.evse.cmp(id));
        let is_shown_only = matches!(state.effective_mode(), Mode::Observe | Mode::Shadow);
        match (planned, state.evses.get(id)) {
            (Ok(index), _) => curves[index].1.clone(),
            (Err(_), Some(known)) if !known.is_free() && !follows(state, id) => {
                state.site.evse(id).map_or_else(PowerCurve::zero, |evse| {
                    PowerCurve::constant(evse.hardware_max())
                })
            }
            (Err(_), _) if is_shown_only => PowerCurve::zero(),
            (Err(_), known) if known.is_none_or(EvseState::is_free) => state.left_to_free(id),
            (Err(_), _) => PowerCurve::zero(),
        }
    };
    let planned = |id: &EvseId| curves.iter().any(|(planned, _)| planned.evse == *id);
    // Where load that is not planned is above the limit by itself, the plan must add nothing.
    let compare = |steered: &PowerCurve, others: &PowerCurve, limit: &PowerCurve| {
        let room = limit.minus(others).max(&PowerCurve::zero());
        steered
            .first_above(&room, now)
            .filter(|at| *at < plan.horizon.end())
    };
    let (mut steered, mut others) = (PowerCurve::zero(), state.uncontrolled(circuit, now));
    for evse in &beneath {
        let sum = if planned(&evse.id) {
            &mut steered
        } else {
            &mut others
        };
        *sum = sum.plus(&drawn(&evse.id));
    }
    let others = others.plus(&PowerCurve::constant(state.reserve(circuit)));
    if let Some(at) = compare(&steered, &others, &state.limit(circuit)) {
        let circuit = circuit.id.clone();
        return Err(Broken::Limit { circuit, at });
    }
    let Some(limit) = circuit
        .phase_limit
        .and(state.circuit_bound(circuit, now).phase_limit)
    else {
        return Ok(());
    };
    for phase in 0..3 {
        let mut steered = PowerCurve::zero();
        // 11/9: power in watts draws its highest current at 0.9 x nominal.
        let mut others = state
            .uncontrolled(circuit, now)
            .zip(&PowerCurve::zero(), |load, _| load.scaled_up(11, 27));
        let mut arrivals = Vec::new();
        for evse in &beneath {
            let part = |power: &PowerCurve| on_phases(evse, power)[phase].clone();
            let sum = if planned(&evse.id) {
                &mut steered
            } else {
                &mut others
            };
            *sum = sum.plus(&part(&drawn(&evse.id)));
            let is_free = state.evses.get(&evse.id).is_none_or(EvseState::is_free);
            if is_free && matches!(evse.source, EvseSource::Ocpi { .. }) {
                arrivals.push(part(&PowerCurve::constant(evse.hardware_max())).at(now));
            }
        }
        arrivals.sort_unstable();
        let count = match state.site.arrival_reserve {
            ArrivalReserve::None => 0,
            ArrivalReserve::Largest(count) => usize::try_from(count).unwrap_or(usize::MAX),
            ArrivalReserve::All => usize::MAX,
        };
        let reserve: Power = arrivals.into_iter().rev().take(count).sum();
        let others = others.plus(&PowerCurve::constant(reserve));
        if let Some(at) = compare(&steered, &others, &PowerCurve::constant(limit)) {
            let circuit = circuit.id.clone();
            let phase = phase + 1;
            return Err(Broken::Phase { circuit, phase, at });
        }
    }
    Ok(())
}
