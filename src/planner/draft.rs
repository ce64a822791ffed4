//! What a rung of the planner decided, before it becomes a plan.

use evenload_solver::{Reason as Told, Solution};

use super::need::Need;
use crate::domain::plan::{PlanOrigin, Reason};
use crate::domain::quantity::{Power, Price};

/// Powers and reasons per need and slot.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// How it came about.
    pub(super) origin: PlanOrigin,
    /// One row per need.
    pub(super) rows: Vec<Row>,
    /// By circuit and slot; empty where not known.
    pub(super) shadow: Vec<Vec<Price>>,
    /// Power of expected arrivals by circuit and slot; empty if none are expected.
    pub(super) expected: Vec<Vec<Power>>,
}

/// One need over the slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Worst-case power per slot.
    pub(super) power: Vec<Power>,
    /// What the solver says about each slot; empty where it was not asked.
    pub(super) told: Vec<Told>,
    /// Circuits that keep it lower, by index.
    pub(super) limited_by: Vec<usize>,
}

impl Draft {
    /// Nothing charges.
    pub(super) fn nothing(origin: PlanOrigin, needs: &[Need<'_>], slots: usize) -> Self {
        let row = Row {
            power: vec![Power::ZERO; slots],
            ..Row::default()
        };
        Self {
            origin,
            rows: vec![row; needs.len()],
            shadow: Vec::new(),
            expected: Vec::new(),
        }
    }
}

impl Row {
    /// What the solver planned for its session at `index`.
    pub(super) fn of(solution: &Solution, index: usize, slots: usize) -> Self {
        let Some(session) = solution.sessions.get(index) else {
            return Self {
                power: vec![Power::ZERO; slots],
                ..Self::default()
            };
        };
        Self {
            power: (0..slots)
                .map(|slot| Power::from_watts(session.power_w(slot)))
                .collect(),
            told: session.explanation.slots.clone(),
            limited_by: session
                .limited_by
                .iter()
                .filter_map(|circuit| circuit.parse().ok())
                .collect(),
        }
    }
}

/// The word of the plan for a reason of the solver.
pub(super) fn reason(told: Told) -> Reason {
    match told {
        Told::NotConnected => Reason::NotConnected,
        Told::Charged | Told::CheaperEarlier => Reason::Charged,
        Told::FullPower | Told::CheapSlot | Told::Discharging => Reason::CheapSlot,
        Told::Deadline | Told::WindowTooShort => Reason::Deadline,
        Told::CheaperLater | Told::NoHurry | Told::DemandCharge => Reason::CheaperLater,
        Told::CircuitLimit | Told::PhaseLimit => Reason::CircuitLimit,
        Told::MinimumPower => Reason::MinimumPower,
    }
}
