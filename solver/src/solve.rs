//! From a problem to an audited plan: the methods in order of preference, the audit as judge.

use std::borrow::Cow;

use crate::audit::audit;
use crate::coupled::{self, Coupling};
use crate::model::Model;
use crate::report::{self, Draft};
use crate::work::Work;
use crate::{Backend, Phase, Problem, Settings, Solution, Status, UsedBackend, proportional};

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
    let work = Work::new(settings.work_limit, should_stop);
    let drafts = drafts(&model, settings, &work);
    on_phase(Phase::Finish);
    let mut last = None;
    for (draft, status, backend) in drafts {
        let mut solution = report::solution(&model, &draft, status, backend);
        solution.audit.violations = audit(&problem, &solution).violations.len();
        solution.work = work.spent();
        if solution.audit.violations == 0 {
            return solution;
        }
        last = Some(solution);
    }
    last.unwrap_or_else(|| Solution::nothing(&problem))
}

/// The plans to judge, best first. Later ones are made only when asked for.
fn drafts<'a>(
    model: &'a Model<'_>,
    settings: &'a Settings,
    work: &'a Work<'_>,
) -> impl Iterator<Item = (Draft, Status, UsedBackend)> + 'a {
    let stopped = work.is_over();
    let preferred = (!stopped).then(|| preferred(model, settings, work));
    let last = std::iter::once_with(move || {
        let status = if stopped {
            Status::FeasibleTimeLimit
        } else {
            Status::Fallback
        };
        let shares = Draft::of_sessions(model, proportional::plan(model));
        (shares, status, UsedBackend::Proportional)
    });
    preferred.into_iter().flatten().chain(last)
}

/// What the methods make of it: the preferred one, and where that is the linear program, the flow
/// method behind it, which leaves batteries at rest and looks at neither peak nor phases.
fn preferred<'a>(
    model: &'a Model<'_>,
    settings: &Settings,
    work: &'a Work<'_>,
) -> impl Iterator<Item = (Draft, Status, UsedBackend)> + 'a {
    let coupling = if is_decided(model) {
        Coupling::None
    } else {
        Coupling::of(model)
    };
    let may_flow = matches!(settings.backend, Backend::Auto | Backend::Flow);
    let backend = match settings.backend {
        Backend::Microlp => UsedBackend::Microlp,
        Backend::Highs if Backend::Highs.is_built_in() => UsedBackend::Highs,
        _ => UsedBackend::Clarabel,
    };
    let exact = match coupling {
        Coupling::None if may_flow || is_decided(model) => None,
        Coupling::Peak(charge) if may_flow => coupled::peak_plan(model, charge, work)
            .map(|draft| (draft, UsedBackend::Flow))
            .or_else(|| by_program(model, backend, work)),
        _ => by_program(model, backend, work),
    };
    let flow = std::iter::once_with(move || {
        let draft = coupled::flow_plan(model, work);
        (draft, UsedBackend::Flow)
    });
    let flow_is_exact = coupling == Coupling::None && (may_flow || is_decided(model));
    let exact = exact.into_iter().map(|it| (it, Status::Optimal));
    let behind = if flow_is_exact {
        Status::Optimal
    } else {
        Status::Fallback
    };
    exact
        .chain(flow.map(move |it| (it, behind)))
        .map(|((draft, used), status)| {
            let status = if work.has_cut_off() {
                Status::FeasibleTimeLimit
            } else {
                status
            };
            (draft, status, used)
        })
}

fn by_program(
    model: &Model<'_>,
    backend: UsedBackend,
    work: &Work<'_>,
) -> Option<(Draft, UsedBackend)> {
    coupled::program_plan(model, backend, work).map(|draft| (draft, backend))
}

/// True when there is nothing to decide: no session has a slot, and there is no battery.
fn is_decided(model: &Model<'_>) -> bool {
    model.problem.batteries.is_empty() && model.sessions.iter().all(|it| it.from == it.to)
}

fn relaxed(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    for session in &mut problem.sessions {
        session.min_kw = 0.0;
    }
    problem
}
