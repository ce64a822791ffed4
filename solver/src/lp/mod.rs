//! The linear program, for whatever the flow method cannot express: demand charge, phases,
//! batteries, vehicles that feed back, room above the need.
//!
//! Its answer is not the plan. An interior point spreads power over equally good slots and is
//! exact to some 1e-8 only, so [`crate::coupled`] keeps what couples slots and phases (peak,
//! batteries, feed-in, split between phases) and lets the flow method place the charging.

mod program;

use good_lp::{DualValues as _, SolutionWithDual as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "highs")]
use good_lp::highs;
use good_lp::{ResolutionError, Solution as _, SolverModel, clarabel, microlp};

use crate::UsedBackend;
use crate::model::Model;
use crate::work::Work;
use program::{Program, Stage};

/// What the linear program decided, in kW.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Charging power by session and slot of its window.
    pub(crate) charge: Vec<Vec<f64>>,
    /// Feed-in power by session and slot of its window; empty for a session that cannot.
    pub(crate) discharge: Vec<Vec<f64>>,
    /// Net power by battery and slot.
    pub(crate) batteries: Vec<Vec<f64>>,
    /// Highest import, where there is a demand charge.
    pub(crate) peak_kw: Option<f64>,
    /// Worth of a kWh of limit by circuit and slot, where the backend tells.
    pub(crate) shadow: Option<Vec<Vec<f64>>>,
}

/// Weighted unmet energy below this is none, in kWh.
const UNMET_TOLERANCE_KWH: f64 = 1e-5;

/// Most slots of all windows together: 2,000 sessions of 100 slots, some ten seconds. A backend does
/// not look up while it works, so what would take minutes is left to the flow method.
const CELLS_MAX: u64 = 200_000;

/// Solves the stages: least unmet energy, then least cost. `None` when the backend fails or
/// there is not enough work left.
pub(crate) fn solve(model: &Model<'_>, backend: UsedBackend, work: &Work<'_>) -> Option<Answer> {
    let cells = model.cells();
    if work.is_over() || cells > CELLS_MAX || !affords(work, cells) {
        return None;
    }
    // A price on unmet energy above all others does both stages at once where nothing stays unmet.
    let (answer, unmet) = run(model, backend, Stage::PricedUnmet, work)?;
    if unmet <= UNMET_TOLERANCE_KWH || work.is_over() || !affords(work, cells) {
        return Some(answer);
    }
    let (_, least) = run(model, backend, Stage::LeastUnmet, work)?;
    if work.is_over() || !affords(work, cells) {
        return Some(answer);
    }
    let most = least + least.abs().max(1.0) * 1e-8;
    let shadow = answer.shadow.clone();
    let held = run(model, backend, Stage::LeastCost { unmet_most: most }, work);
    Some(held.map_or(answer, |(held, _)| Answer { shadow, ..held }))
}

/// What a run of the program counts as: some 15 microseconds for each slot of a window.
fn run_steps(cells: u64) -> u64 {
    const STEPS_PER_CELL: u64 = 1_500;
    STEPS_PER_CELL * cells
}

fn affords(work: &Work<'_>, cells: u64) -> bool {
    work.affords(run_steps(cells))
}

/// One run of a backend. A panic inside one is an answer it does not give, no more: there is
/// another method behind.
fn run(
    model: &Model<'_>,
    backend: UsedBackend,
    stage: Stage,
    work: &Work<'_>,
) -> Option<(Answer, f64)> {
    work.spend(run_steps(model.cells()));
    catch_unwind(AssertUnwindSafe(|| run_backend(model, backend, stage).ok()))
        .ok()
        .flatten()
}

fn run_backend(
    model: &Model<'_>,
    backend: UsedBackend,
    stage: Stage,
) -> Result<(Answer, f64), ResolutionError> {
    let program = Program::new(model);
    let (unsolved, rows, handles) = program.staged(stage);
    if backend == UsedBackend::Microlp {
        let mut lp = unsolved.using(microlp);
        for row in rows {
            lp.add_constraint(row);
        }
        let solved = lp.solve()?;
        return Ok(handles.read(model, &|variable| solved.value(variable)));
    }
    #[cfg(feature = "highs")]
    if backend == UsedBackend::Highs {
        let mut lp = unsolved.using(highs).set_threads(1);
        let references: Vec<_> = rows.into_iter().map(|row| lp.add_constraint(row)).collect();
        let mut solved = lp.solve()?;
        let (mut answer, unmet) = handles.read(model, &|variable| solved.value(variable));
        if matches!(stage, Stage::PricedUnmet) {
            let duals = solved.compute_dual();
            answer.shadow = Some(handles.shadow(model, &|row| duals.dual(references[row].clone())));
        }
        return Ok((answer, unmet));
    }
    let mut lp = unsolved.using(clarabel);
    let references: Vec<_> = rows.into_iter().map(|row| lp.add_constraint(row)).collect();
    let mut solved = lp.solve()?;
    let (mut answer, unmet) = handles.read(model, &|variable| solved.value(variable));
    if matches!(stage, Stage::PricedUnmet) {
        let duals = solved.compute_dual();
        answer.shadow = Some(handles.shadow(model, &|row| duals.dual(references[row].clone())));
    }
    Ok((answer, unmet))
}
