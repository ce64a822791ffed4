//! What a rung of the planner decided, before it becomes a plan.

use evenload_solver::Solution;

use super::need::Need;
use crate::domain::plan::PlanOrigin;
use crate::domain::quantity::{Power, Price};

/// Powers per need and slot.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// How it came about.
    pub(super) origin: PlanOrigin,
    /// One row per need.
    pub(super) rows: Vec<Row>,
    /// One row per arrival that is expected; empty if none was planned.
    pub(super) phantoms: Vec<Row>,
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
}

impl Draft {
    /// Nothing charges.
    pub(super) fn nothing(origin: PlanOrigin, needs: &[Need<'_>], slots: usize) -> Self {
        let row = Row {
            power: vec![Power::ZERO; slots],
        };
        Self {
            origin,
            rows: vec![row; needs.len()],
            phantoms: Vec::new(),
            shadow: Vec::new(),
            expected: Vec::new(),
        }
    }
}

impl Row {
    /// What the solver planned for its session at `index`.
    pub(super) fn of(solution: &Solution, index: usize, slots: usize) -> Self {
        let planned = |slot| {
            let session = solution.sessions.get(index);
            session.map_or(Power::ZERO, |it| Power::from_watts(it.power_w(slot)))
        };
        Self {
            power: (0..slots).map(planned).collect(),
        }
    }
}
