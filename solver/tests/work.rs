//! Plans that are cut off, made again, and made side by side.

mod support;

use evenload_solver::{Problem, Settings, Solution, Status, UsedBackend, audit, solve};
use proptest::prelude::*;
use support::random::{Features, problem};

fn plan(problem: &Problem, work_limit: Option<u64>) -> Solution {
    let settings = Settings {
        work_limit,
        ..Settings::default()
    };
    solve(problem, &settings, &|| false)
}

fn bytes(plan: &Solution) -> String {
    serde_json::to_string(plan).expect("a solution is plain JSON")
}

fn weighted_unmet(problem: &Problem, plan: &Solution) -> f64 {
    let pairs = problem.sessions.iter().zip(&plan.sessions);
    pairs.map(|(it, plan)| it.priority * plan.unmet_kwh).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_plan_cut_off_by_its_work_keeps_every_promise_and_is_the_same_every_time(
        (problem, share) in (problem(Features::ALL), 0_u64..100)
    ) {
        let whole = plan(&problem, None);
        let limit = Some(whole.work * share / 100);
        let (one, other) = (plan(&problem, limit), plan(&problem, limit));
        prop_assert_eq!(audit(&problem, &one).violations, vec![]);
        prop_assert_eq!(bytes(&one), bytes(&other));
        prop_assert!(one.status != Status::Optimal || one.work < whole.work.max(1) || share == 0
            || bytes(&one) == bytes(&whole));
    }

    #[test]
    fn enough_work_gives_the_plan_without_a_limit(problem in problem(Features::FLOW)) {
        let whole = plan(&problem, None);
        let limited = plan(&problem, Some(whole.work.saturating_mul(2) + 1_000_000_000));
        prop_assert_eq!(bytes(&limited), bytes(&whole));
    }

    #[test]
    fn nothing_beats_the_bound(problem in problem(Features { demand_charge: true, ..Features::FLOW })) {
        let plan = plan(&problem, None);
        if let Some(bound) = plan.bound {
            let settings = Settings { relax: true, ..Settings::default() };
            let relaxed = solve(&problem, &settings, &|| false);
            let cost = relaxed.cost.total;
            // Where the program chose the peak it is known to its tolerance only, on the low side.
            let off = if plan.backend == UsedBackend::Flow { 1e-5 } else { 1e-3 };
            prop_assert!(bound.cost <= cost + 1e-5 && bound.cost >= cost - off, "{} {cost}", bound.cost);
            prop_assert!((bound.unmet_kwh - relaxed.unmet_kwh).abs() <= off);
            prop_assert!(
                weighted_unmet(&problem, &plan) >= weighted_unmet(&problem, &relaxed) - 1e-5
            );
        }
    }

    #[test]
    fn a_plan_made_again_keeps_every_promise_and_costs_no_more(problem in problem(Features::FLOW)) {
        let first = plan(&problem, None);
        let mut again = problem.clone();
        again.previous = first.sessions.iter().map(|it| (it.id.clone(), it.power_kw.clone())).collect();
        let second = plan(&again, None);
        prop_assert_eq!(audit(&again, &second).violations, vec![]);
        let unmet = (weighted_unmet(&problem, &first), weighted_unmet(&problem, &second));
        prop_assert!(unmet.1 <= unmet.0 + 2e-3, "unmet {:?}", unmet);
        if unmet.1 >= unmet.0 - 1e-6 {
            let (before, after) = (first.cost.total, second.cost.total);
            prop_assert!(after <= before + 1e-3 * before.abs() + 1e-5, "{before} then {after}");
        }
    }
}

#[test]
fn the_same_problems_have_the_same_plans_on_one_thread_and_on_four() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut draw = || {
        problem(Features::ALL)
            .new_tree(&mut runner)
            .unwrap()
            .current()
    };
    let problems: Vec<Problem> = (0..40).map(|_| draw()).collect();
    let alone: Vec<String> = problems.iter().map(|it| bytes(&plan(it, None))).collect();
    let beside: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = problems
            .chunks(10)
            .map(|part| {
                scope.spawn(|| {
                    part.iter()
                        .map(|it| bytes(&plan(it, None)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    });
    assert_eq!(alone, beside);
}

#[test]
fn ten_thousand_sessions_have_a_plan() {
    let mut site = support::Site::with_prices(&[0.30, 0.10, 0.20, 0.05].repeat(24));
    for index in 0..10_000_usize {
        let from = index * 7 % 70;
        site = site.car(&index.to_string(), from, from + 26, 20.0, 4.14, 11.04);
    }
    let mut problem = site.problem();
    // 10,000 cars want 200 MWh; half of what they could draw at once when all are there.
    problem.circuits[0].import_limit_kw = 15_000.0.into();
    let made = plan(&problem, None);
    assert_eq!(audit(&problem, &made).violations, vec![]);
    assert_ne!(made.backend, UsedBackend::Proportional);
    assert!(made.unmet_kwh < 1.0, "{}", made.unmet_kwh);
}
