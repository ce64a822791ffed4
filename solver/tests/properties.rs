//! What holds for every problem, tried on random ones.

mod support;

use evenload_solver::{
    Backend, Problem, Settings, Solution, Status, UsedBackend, audit, parse_problem, solve,
};
use proptest::prelude::*;
use support::random::{Features, problem};

fn solved(problem: &Problem, backend: Backend, relax: bool) -> Solution {
    solve(problem, &Settings { backend, relax }, &|| false)
}

fn weighted_unmet(problem: &Problem, plan: &Solution) -> f64 {
    problem
        .sessions
        .iter()
        .zip(&plan.sessions)
        .map(|(it, plan)| it.priority * plan.unmet_kwh)
        .sum()
}

fn is_near(one: f64, other: f64, relative: f64) -> bool {
    (one - other).abs() <= relative * one.abs().max(other.abs()) + 1e-5
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_plan_keeps_every_promise_whatever_the_problem(problem in problem(Features::ALL)) {
        prop_assert_eq!(problem.validate(), Ok(()));
        let plan = solved(&problem, Backend::Auto, false);
        prop_assert_eq!(audit(&problem, &plan).violations, vec![]);
        prop_assert_ne!(plan.backend, UsedBackend::Proportional);
        prop_assert_eq!(plan.audit.violations, 0);
    }

    #[test]
    fn the_preferred_method_holds_where_nothing_feeds_in(
        problem in problem(Features { feed_in: false, ..Features::ALL })
    ) {
        let plan = solved(&problem, Backend::Auto, false);
        prop_assert_eq!(plan.status, Status::Optimal, "{}", serde_json::to_string(&problem).unwrap());
    }

    #[test]
    fn shares_keep_every_promise_when_the_solver_is_stopped(problem in problem(Features::ALL)) {
        let plan = solve(&problem, &Settings::default(), &|| true);
        prop_assert_eq!(audit(&problem, &plan).violations, vec![]);
        prop_assert_eq!(plan.backend, UsedBackend::Proportional);
    }

    #[test]
    fn the_flow_method_costs_what_the_linear_program_costs(problem in problem(Features::FLOW)) {
        let flow = solved(&problem, Backend::Auto, true);
        prop_assert_eq!(flow.backend, UsedBackend::Flow);
        for backend in [Backend::Clarabel, Backend::Microlp] {
            let program = solved(&problem, backend, true);
            let unmet = (weighted_unmet(&problem, &flow), weighted_unmet(&problem, &program));
            prop_assert!(is_near(unmet.0, unmet.1, 1e-6), "unmet {:?} by {:?}", unmet, backend);
            let cost = (flow.cost.total, program.cost.total);
            prop_assert!(is_near(cost.0, cost.1, 1e-6), "cost {:?} by {:?}", cost, backend);
        }
    }

    #[test]
    fn the_same_problem_has_the_same_plan_to_the_byte(problem in problem(Features::ALL)) {
        let json = serde_json::to_string(&problem).unwrap();
        let again = parse_problem(&json).unwrap();
        prop_assert_eq!(&again, &problem);
        let (one, other) = (solved(&problem, Backend::Auto, false), solved(&again, Backend::Auto, false));
        prop_assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
    }

    #[test]
    fn a_limit_cut_to_nothing_still_leaves_a_plan(mut problem in problem(Features::ALL)) {
        for circuit in &mut problem.circuits {
            circuit.import_limit_kw = 0.0.into();
        }
        let plan = solved(&problem, Backend::Auto, false);
        prop_assert_eq!(audit(&problem, &plan).violations, vec![]);
        prop_assert_ne!(plan.backend, UsedBackend::Proportional);
    }
}
