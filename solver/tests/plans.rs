//! What a plan promises, on problems small enough to check by hand.

mod support;

use evenload_solver::{
    Battery, DemandCharge, GridPhase, PhaseLoads, Problem, Reason, Settings, Status, audit, solve,
};
use support::{Site, kwh};

#[test]
fn a_session_charges_in_the_cheapest_slots_of_its_window() {
    let problem = Site::with_prices(&[0.3, 0.1, 0.2, 0.1, 0.05])
        .car("s1", 0, 4, 10.0, 0.0, 10.0)
        .problem();
    let plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(plan.status, Status::Optimal);
    // 10 kWh are one hour at 10 kW: slot 1, the first of the two at 0.1.
    assert_eq!(plan.sessions[0].power_kw, [0.0, 10.0, 0.0, 0.0, 0.0]);
    assert_eq!(kwh(plan.cost.total), kwh(1.0));
    assert_eq!(plan.sessions[0].ready_slot, Some(1));
    assert_eq!(plan.sessions[0].explanation.slots[0], Reason::CheaperLater);
    assert_eq!(plan.sessions[0].explanation.slots[4], Reason::NotConnected);
}

#[test]
fn a_limit_below_the_base_load_stops_all_charging_in_that_slot() {
    let mut problem = Site::with_prices(&[0.1, 0.2])
        .car("s1", 0, 2, 15.0, 0.0, 10.0)
        .problem();
    problem.circuits[0].base_load_kw = Some(vec![80.0, 0.0].into());
    problem.circuits[0].import_limit_kw = 50.0.into();
    let plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(plan.sessions[0].power_kw, [0.0, 10.0]);
    assert_eq!(kwh(plan.unmet_kwh), kwh(5.0));
    assert_eq!(plan.sessions[0].limited_by, ["site"]);
    assert_eq!(plan.circuits[0].headroom_kw, [-30.0, 40.0]);
}

#[test]
fn who_is_held_down_is_told_by_what() {
    let cars = || {
        Site::with_prices(&[0.1, 0.2])
            .car("s1", 0, 2, 12.0, 4.0, 10.0)
            .car("s2", 0, 2, 12.0, 4.0, 10.0)
    };
    let why = |problem| {
        let plan = solve(&problem, &Settings::default(), &|| false);
        plan.sessions
            .iter()
            .flat_map(|it| it.reasons.clone())
            .collect::<Vec<_>>()
    };
    let mut by_circuit = cars().problem();
    by_circuit.circuits[0].import_limit_kw = 15.0.into();
    assert!(why(by_circuit).contains(&Reason::CircuitLimit));

    let mut by_phase = cars().problem();
    by_phase.circuits[0].phase_limit_kw = Some(5.0.into());
    assert!(why(by_phase).contains(&Reason::PhaseLimit));

    let mut by_charge = cars().problem();
    by_charge.demand_charge = Some(DemandCharge {
        per_kw: 9.0,
        peak_so_far_kw: 0.0,
    });
    assert!(why(by_charge).contains(&Reason::DemandCharge));

    let too_much = Site::with_prices(&[0.1, 0.2])
        .car("s1", 0, 2, 30.0, 4.0, 10.0)
        .problem();
    assert_eq!(why(too_much), [Reason::WindowTooShort]);
}

#[test]
fn among_equal_prices_the_previous_plan_is_kept() {
    let mut problem = Site::with_prices(&[0.1; 4])
        .car("s1", 0, 4, 20.0, 4.0, 10.0)
        .problem();
    problem.circuits[0].import_limit_kw = 10.0.into();
    problem.sessions.push(problem.sessions[0].clone());
    problem.sessions[1].id = "s2".to_owned();
    let rows = [
        ("s1", vec![0.0, 0.0, 10.0, 10.0]),
        ("s2", vec![10.0, 10.0, 0.0, 0.0]),
    ];
    problem.previous = rows
        .iter()
        .map(|(id, row)| ((*id).to_owned(), row.clone()))
        .collect();
    let plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(plan.sessions[0].power_kw, rows[0].1);
    assert_eq!(plan.sessions[1].power_kw, rows[1].1);
}

#[test]
fn a_demand_charge_spreads_charging_below_the_peak_so_far() {
    let mut problem = Site::with_prices(&[0.1, 0.2, 0.2])
        .car("s1", 0, 3, 15.0, 0.0, 20.0)
        .problem();
    problem.demand_charge = Some(DemandCharge {
        per_kw: 1.0,
        peak_so_far_kw: 6.0,
    });
    let plan = solve(&problem, &Settings::default(), &|| false);
    // A kW more of peak costs 1.00 and saves 0.10: six in the cheap hour, the rest in order.
    assert_eq!(plan.sessions[0].power_kw, [6.0, 6.0, 3.0]);
    assert_eq!(kwh(plan.cost.demand), 0);
}

#[test]
fn a_battery_carries_cheap_energy_into_the_dear_hour() {
    let mut problem = Site::with_prices(&[0.1, 0.5]).problem();
    problem.circuits[0].base_load_kw = Some(4.0.into());
    problem.batteries = vec![Battery {
        id: "b1".to_owned(),
        circuit: "site".to_owned(),
        capacity_kwh: 10.0,
        soc_kwh: 0.0,
        min_soc_kwh: 0.0,
        charge_max_kw: 10.0,
        discharge_max_kw: 10.0,
        efficiency: 1.0,
        cycle_cost_per_kwh: 0.01,
    }];
    let plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(kwh(plan.batteries[0].power_kw[0]), kwh(4.0));
    assert_eq!(kwh(plan.batteries[0].power_kw[1]), kwh(-4.0));
    // 8 kWh at 0.10 and 4 kWh of wear at 0.01.
    assert_eq!(kwh(plan.cost.total), kwh(0.84));
}

#[test]
fn a_window_of_no_length_leaves_everything_unmet() {
    let problem = Site::with_prices(&[0.1, 0.2])
        .car("s1", 1, 1, 5.0, 4.0, 10.0)
        .problem();
    let plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(plan.sessions[0].power_kw, [0.0, 0.0]);
    assert_eq!(kwh(plan.unmet_kwh), kwh(5.0));
    assert_eq!(plan.status, Status::Optimal);
}

#[test]
fn the_heavier_session_is_served_first_where_both_cannot_be() {
    let mut problem = Site::with_prices(&[0.1, 0.1])
        .car("light", 0, 2, 10.0, 0.0, 10.0)
        .car("heavy", 0, 2, 10.0, 0.0, 10.0)
        .problem();
    problem.circuits[0].import_limit_kw = 7.0.into();
    problem.sessions[1].priority = 3.0;
    let plan = solve(&problem, &Settings::default(), &|| false);
    // 14 kWh go through: 10 to the heavy one, 4 are left.
    assert_eq!(kwh(plan.sessions[1].energy_kwh), kwh(10.0));
    assert_eq!(kwh(plan.sessions[0].energy_kwh), kwh(4.0));
}

#[test]
fn who_stops_the_solver_at_once_still_gets_a_plan_that_holds() {
    let problem = Site::with_prices(&[0.3, 0.1])
        .car("s1", 0, 2, 10.0, 4.0, 10.0)
        .problem();
    let plan = solve(&problem, &Settings::default(), &|| true);
    assert_eq!(plan.status, Status::FeasibleTimeLimit);
    assert!(audit(&problem, &plan).violations.is_empty());
    assert_eq!(kwh(plan.unmet_kwh), 0);
}

#[test]
fn the_audit_sees_a_milliwatt_above_a_limit() {
    let mut problem = Site::with_prices(&[0.1])
        .car("s1", 0, 1, 10.0, 0.0, 10.0)
        .problem();
    problem.circuits[0].import_limit_kw = 6.0.into();
    let mut plan = solve(&problem, &Settings::default(), &|| false);
    assert_eq!(plan.sessions[0].power_w(0), 6_000);
    plan.sessions[0].power_kw[0] = 6.000_001;
    assert!(!audit(&problem, &plan).violations.is_empty());
}

#[test]
fn a_solution_is_written_as_the_contract_says() {
    let problem = Site::with_prices(&[0.3, 0.1])
        .car("s1", 0, 2, 10.0, 4.0, 10.0)
        .problem();
    let plan = solve(&problem, &Settings::default(), &|| false);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["status"], "optimal");
    assert_eq!(json["backend"], "flow");
    assert_eq!(json["audit"]["violations"], 0);
    assert_eq!(json["sessions"][0]["reasons"][0], "cheaper_later");
    assert!(json["sessions"][0].get("explanation").is_none());
}

#[test]
fn the_phases_of_a_load_below_count_on_the_same_phases_above() {
    let mut problem = Site::with_prices(&[0.1])
        .car("s1", 0, 1, 6.0, 0.0, 6.0)
        .problem();
    problem.sessions[0].phases = Some(vec![GridPhase::L1]);
    problem.circuits[0].phase_limit_kw = Some(7.0.into());
    problem
        .circuits
        .push(support::circuit("house", Some("site"), 100.0));
    problem.circuits[1].base_load_phase_kw = Some(PhaseLoads {
        l1: 5.0.into(),
        l2: 0.0.into(),
        l3: 0.0.into(),
    });
    let charged = |problem: &Problem| {
        let plan = solve(problem, &Settings::default(), &|| false);
        assert!(audit(problem, &plan).violations.is_empty());
        kwh(plan.sessions[0].energy_kwh)
    };
    // 7 kW on L1, of which the house takes 5.
    assert_eq!(charged(&problem), kwh(2.0));
    // The site states 8 kW in all: 3 beside the house, a third of them on L1.
    problem.circuits[0].base_load_kw = Some(8.0.into());
    assert_eq!(charged(&problem), kwh(1.0));
}
