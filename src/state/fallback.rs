//! The fallback of every EVSE: what it gets when we are silent (I2).
//!
//! Where none is configured, an equal share of what the tightest circuit above leaves beside the
//! uncontrolled load and the reserve; below the minimum power it is 0.

use super::SiteState;
use crate::domain::evse::Evse;
use crate::domain::id::CircuitId;
use crate::domain::quantity::{Power, Voltage};
use crate::domain::site::Circuit;
use crate::domain::time::Time;

/// What each circuit leaves to an EVSE beneath it that has no fallback of its own.
#[derive(Clone, Debug)]
pub struct Fallbacks {
    shares: Vec<(CircuitId, Power)>,
}

impl Fallbacks {
    /// As things stand.
    pub fn of(state: &SiteState, now: Time) -> Self {
        let circuits = state.site.circuits.iter();
        let shares = circuits.map(|circuit| (circuit.id.clone(), share(state, circuit, now)));
        Self {
            shares: shares.collect(),
        }
    }

    /// What an EVSE gets.
    pub fn get(&self, state: &SiteState, evse: &Evse) -> Power {
        if let Some(fallback) = evse.fallback {
            return fallback;
        }
        let above = self
            .shares
            .iter()
            .filter(|(circuit, _)| state.site.is_beneath(&evse.circuit, circuit));
        let share = above.map(|(_, share)| *share).min().unwrap_or(Power::ZERO);
        if share < evse.min_bound() {
            Power::ZERO
        } else {
            share.min(evse.hardware_max())
        }
    }
}

fn share(state: &SiteState, circuit: &Circuit, now: Time) -> Power {
    let site = &state.site;
    let beneath = || {
        site.evses
            .iter()
            .filter(|evse| site.is_beneath(&evse.circuit, &circuit.id))
    };
    let given: Power = beneath().filter_map(|evse| evse.fallback).sum();
    let sharers = beneath().filter(|evse| evse.fallback.is_none()).count();
    // The highest of the day, not the load of the moment: what is installed for the time of our
    // silence must not follow every reading.
    let load = state.highest_uncontrolled(circuit, now);
    let left = state.limit(circuit).lowest_from(now) - load - state.reserve(circuit) - given;
    let by_phase = circuit
        .phase_limit
        .map(|current| current.times(Voltage::V230) * 3 - load - given);
    let left = by_phase.map_or(left, |by_phase| left.min(by_phase));
    left.at_least_zero()
        .scaled_down(1, i64::try_from(sharers.max(1)).unwrap_or(i64::MAX))
}
