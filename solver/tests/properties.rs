//! What holds for every problem, tried on random ones.

mod support;

use evenload_solver::{
    Backend, Problem, Settings, Solution, Status, UsedBackend, audit, parse_problem, solve,
};
use proptest::prelude::*;
use support::random::{Features, problem};

fn solved(problem: &Problem, backend: Backend, relax: bool) -> Solution {
    solve(
        problem,
        &Settings {
            backend,
            relax,
            ..Settings::default()
        },
        &|| false,
    )
}

fn weighted_unmet(problem: &Problem, plan: &Solution) -> f64 {
    problem
        .sessions
        .iter()
        .zip(&plan.sessions)
        .map(|(it, plan)| it.priority * plan.unmet_kwh)
        .sum()
}

/// So little more limit that nothing else changes, in kW.
const MORE_KW: f64 = 1e-3;

/// What unmet energy counts in shadow prices.
fn shortfall(problem: &Problem, plan: &Solution) -> f64 {
    let dearest = (0..problem.slots).map(|slot| problem.import_price_per_kwh.at(slot).abs());
    let dearest = dearest.fold(0.0, f64::max);
    (10.0 * dearest).max(1.0) * weighted_unmet(problem, plan)
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
    fn the_best_peak_by_flows_costs_what_the_linear_program_costs(
        problem in problem(Features { demand_charge: true, ..Features::FLOW })
    ) {
        let flow = solved(&problem, Backend::Auto, true);
        let program = solved(&problem, Backend::Clarabel, true);
        let unmet = (weighted_unmet(&problem, &flow), weighted_unmet(&problem, &program));
        prop_assert!(is_near(unmet.0, unmet.1, 1e-6), "unmet {:?}", unmet);
        let cost = (flow.cost.total, program.cost.total);
        // The program may deliver a little less, within the tolerance above, and save as much peak;
        // each power is rounded to whole milliwatts besides.
        let per_kw = problem.demand_charge.map_or(0.0, |charge| charge.per_kw);
        let hours = f64::from(problem.slot_minutes) / 60.0;
        let less_kw = (unmet.0 - unmet.1).abs() / hours + 2e-5;
        let finest = per_kw * less_kw + 1e-5 + 1e-6 * cost.0.abs();
        prop_assert!((cost.0 - cost.1).abs() <= finest, "cost {:?}", cost);
    }

    #[test]
    fn a_shadow_price_is_what_a_little_more_limit_saves(
        problem in problem(Features { surplus: false, ..Features::FLOW })
    ) {
        let plan = solved(&problem, Backend::Auto, true);
        let worth = |plan: &Solution| plan.cost.total + shortfall(&problem, plan);
        for (circuit, row) in plan.circuits.iter().enumerate() {
            for (slot, price) in row.shadow_price_per_kwh.iter().enumerate() {
                let mut wider = problem.clone();
                let limit = |slot: usize| problem.circuits[circuit].import_limit_kw.at(slot);
                let mut limits: Vec<f64> = (0..problem.slots).map(limit).collect();
                limits[slot] += MORE_KW;
                wider.circuits[circuit].import_limit_kw = limits.into();
                let saved = worth(&plan) - worth(&solved(&wider, Backend::Auto, true));
                let hours = f64::from(problem.slot_minutes) / 60.0;
                let base = row.power_kw[slot] + row.headroom_kw[slot];
                prop_assert!(
                    row.headroom_kw[slot] < -1e-9 || (saved / (MORE_KW * hours) - price).abs() < 1e-2,
                    "{} in slot {slot} of {base} kW: {price}, saved {}", row.id, saved / (MORE_KW * hours)
                );
            }
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
