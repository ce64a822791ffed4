//! From a problem to an audited plan: the methods in order of preference, the audit as judge.

use std::borrow::Cow;

use crate::audit::audit;
use crate::flow::{self, Room};
use crate::model::Model;
use crate::report::{self, Draft};
use crate::{Phase, Problem, Settings, Solution, Status, UsedBackend, proportional, repair};

/// Plans a problem. Always returns a plan, whatever the problem; `should_stop` is asked between
/// steps, and once it says yes the best plan so far is returned.
///
/// The problem is expected to be valid ([`Problem::validate`]); an invalid one gets a plan without
/// any charging.
pub fn solve(problem: &Problem, settings: &Settings, should_stop: &dyn Fn() -> bool) -> Solution {
    solve_with_phases(problem, settings, should_stop, &mut |_| {})
}

/// Like [`solve`], and tells `on_phase` when each phase begins, so that a caller with a clock can
/// fill in `build_ms` and `solve_ms`.
pub fn solve_with_phases(
    problem: &Problem,
    settings: &Settings,
    should_stop: &dyn Fn() -> bool,
    on_phase: &mut dyn FnMut(Phase),
) -> Solution {
    on_phase(Phase::Build);
    if problem.validate().is_err() {
        on_phase(Phase::Finish);
        return Solution::nothing(problem);
    }
    let problem = if settings.relax {
        Cow::Owned(relaxed(problem))
    } else {
        Cow::Borrowed(problem)
    };
    let model = Model::new(&problem);
    on_phase(Phase::Solve);
    let drafts = drafts(&model, settings, should_stop);
    on_phase(Phase::Finish);
    let mut last = None;
    for (draft, status, backend) in drafts {
        let mut solution = report::solution(&model, &draft, status, backend);
        solution.audit.violations = audit(&problem, &solution).violations.len();
        if solution.audit.violations == 0 {
            return solution;
        }
        last = Some(solution);
    }
    last.unwrap_or_else(|| Solution::nothing(&problem))
}

/// The plans to judge, best first.
fn drafts(
    model: &Model<'_>,
    _settings: &Settings,
    should_stop: &dyn Fn() -> bool,
) -> Vec<(Draft, Status, UsedBackend)> {
    let mut drafts = Vec::new();
    if !should_stop() {
        let mut powers = flow::plan(model, &Room::of(model));
        repair::zero_or_minimum(model, &mut powers);
        drafts.push((
            Draft::of_sessions(model, powers),
            Status::Optimal,
            UsedBackend::Flow,
        ));
    }
    let status = if drafts.is_empty() {
        Status::FeasibleTimeLimit
    } else {
        Status::Fallback
    };
    let shares = Draft::of_sessions(model, proportional::plan(model));
    drafts.push((shares, status, UsedBackend::Proportional));
    drafts
}

fn relaxed(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    for session in &mut problem.sessions {
        session.min_kw = 0.0;
    }
    problem
}
