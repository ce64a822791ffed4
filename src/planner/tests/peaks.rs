//! A price of peak power: the plan's peak is lower for it, and a peak that is paid for already is used.

use super::{HOUR, arrives, plan_at, prices, sends, signal};
use crate::domain::event::EventKind;
use crate::domain::grid_rules::DemandCharge;
use crate::domain::plan::{Plan, Reason};
use crate::domain::quantity::{Energy, Power, Price};
use crate::domain::session::Reading;
use crate::domain::signal::SignalKind;
use crate::state::SiteState;
use crate::state::testing::{at, happen, kw, live, site_of};

/// Four cars for eight hours that need 20 kWh each; energy is cheapest in the first two hours.
fn four_cars(charge: Option<DemandCharge>) -> SiteState {
    let mut site = site_of(60.0, 4);
    site.grid.demand_charge = charge;
    let mut state = live(site);
    prices(&mut state, &[100, 100, 200, 200, 200, 200, 200, 200]);
    for number in 1..=4 {
        arrives(&mut state, number, Some(8 * HOUR), Some(20.0));
    }
    state
}

fn charge(per_kw: f64) -> DemandCharge {
    DemandCharge {
        per_kw: Price::from_per_kwh(per_kw),
        window_s: 900,
        peak_so_far: None,
        minimum_billed: None,
        ratchet: None,
    }
}

fn highest(plan: &Plan) -> Power {
    (0..plan.horizon.slots)
        .map(|slot| plan.evses.iter().map(|it| it.power[slot]).sum())
        .max()
        .unwrap_or_default()
}

fn nobody_is_short(plan: &Plan) {
    let unmet: Energy = plan.evses.iter().map(|it| it.unmet).sum();
    assert_eq!(unmet, Energy::ZERO);
}

#[test]
fn with_a_price_of_peaks_the_plans_peak_is_lower_and_nobody_goes_short() {
    let without = plan_at(&four_cars(None), 0);
    // 80 kWh in the two cheap hours: 40 kW, 44 kW as a worst case.
    assert!(highest(&without) > kw(43.0), "{}", highest(&without));
    let plan = plan_at(&four_cars(Some(charge(10.0))), 0);
    nobody_is_short(&plan);
    // 80 kWh in 7.7 hours: 10.4 kW, 11.5 kW as a worst case; a quarter of an hour goes for being ready
    // early, and no car draws less than 4.14 kW.
    assert!(highest(&plan) < kw(15.0), "{}", highest(&plan));
    let target = plan.peak_target.expect("a target");
    assert!(target > kw(10.0) && target < kw(14.0), "{target}");
    let held = plan.evses.iter().flat_map(|it| &it.reasons);
    assert!(held.clone().any(|reason| *reason == Reason::DemandCharge));
}

#[test]
fn a_low_price_of_peaks_is_weighed_against_the_price_of_energy() {
    // Two cheap hours save 0.10 per kWh: each kW of peak saves 0.20 there, and costs 0.05.
    let plan = plan_at(&four_cars(Some(charge(0.05))), 0);
    nobody_is_short(&plan);
    assert!(highest(&plan) > kw(35.0), "{}", highest(&plan));
}

#[test]
fn a_peak_that_is_reached_already_is_used_freely() {
    let mut state = four_cars(Some(charge(10.0)));
    let into = at(0).timestamp().rem_euclid(900);
    let read = |state: &mut SiteState, second: i64, kilowatts: f64| {
        let reading = Reading {
            at: at(second),
            power: kw(kilowatts),
        };
        happen(state, second, EventKind::SiteMetered { reading });
    };
    // A whole window of 30 kW, with nothing charging afterwards.
    read(&mut state, 900 - into, 30.0);
    read(&mut state, 1800 - into, 0.0);
    read(&mut state, 1870 - into, 0.0);
    let plan = plan_at(&state, 1880 - into);
    nobody_is_short(&plan);
    let target = plan.peak_target.expect("a target");
    assert!(target >= kw(30.0) && target < kw(31.0), "{target}");
    // 30 kW at nominal voltage are 33 kW at the highest.
    assert!(highest(&plan) > kw(30.0) && highest(&plan) <= kw(33.1));
}

#[test]
fn other_load_is_part_of_the_peak() {
    let mut state = four_cars(Some(charge(10.0)));
    // 25 kW of other load in the cheap hours, 5 kW afterwards.
    sends(
        &mut state,
        signal(
            SignalKind::BaseLoad,
            &[(0, 2 * HOUR, 25_000), (2 * HOUR, 9 * HOUR, 5_000)],
        ),
    );
    let plan = plan_at(&state, 0);
    nobody_is_short(&plan);
    let target = plan.peak_target.expect("a target");
    // The other load is there in any case: up to 25 kW is free.
    assert!(target >= kw(25.0) && target < kw(26.0), "{target}");
    for slot in 0..20 {
        let drawn: Power = plan.evses.iter().map(|it| it.power[slot]).sum();
        assert!(drawn <= kw(1.1), "slot {slot}: {drawn}");
    }
}

#[test]
fn what_the_running_window_had_already_is_taken_off_its_rest() {
    let mut state = four_cars(Some(charge(10.0)));
    let into = at(0).timestamp().rem_euclid(900);
    let start = 900 - into;
    for (second, kilowatts) in [(start, 30.0), (start + 300, 0.0), (start + 590, 0.0)] {
        let reading = Reading {
            at: at(second),
            power: kw(kilowatts),
        };
        happen(&mut state, second, EventKind::SiteMetered { reading });
    }
    // 30 kW for five minutes are 10 kW over the window.
    let plan = plan_at(&state, start + 600);
    let target = plan.peak_target.expect("a target");
    assert!(target >= kw(10.0) && target < kw(14.0), "{target}");
    let drawn: Power = plan.evses.iter().map(|it| it.power[0]).sum();
    // (target x 900 s - 30 kW x 300 s) / 300 s.
    let rest = target.scaled_down(3, 1) - kw(30.0);
    assert!(
        drawn <= rest.scaled_up(11, 10) + kw(0.1),
        "{drawn} of {rest}"
    );
}

#[test]
fn a_signal_prices_peaks_only_where_it_speaks() {
    let mut state = four_cars(None);
    sends(
        &mut state,
        signal(SignalKind::DemandPrice, &[(0, HOUR, 10_000_000)]),
    );
    let plan = plan_at(&state, 0);
    nobody_is_short(&plan);
    let highest_in = |from: usize, to: usize| -> Power {
        (from..to)
            .map(|slot| plan.evses.iter().map(|it| it.power[slot]).sum())
            .max()
            .unwrap_or_default()
    };
    assert!(highest_in(0, 11) < kw(15.0), "{}", highest_in(0, 11));
    assert!(highest_in(13, 24) > kw(25.0), "{}", highest_in(13, 24));
}

#[test]
fn who_has_no_time_to_spare_is_not_held_down() {
    let mut state = four_cars(Some(charge(10.0)));
    arrives(&mut state, 1, Some(HOUR), Some(9.0));
    let plan = plan_at(&state, 0);
    let first = plan.evses.first().expect("planned");
    assert_eq!(first.unmet, Energy::ZERO);
    assert!(first.power[0] > kw(11.0), "{}", first.power[0]);
}

#[test]
fn where_peaks_cost_nothing_nothing_is_held() {
    let plan = plan_at(&four_cars(Some(charge(0.0))), 0);
    assert_eq!(plan.peak_target, None);
    assert!(highest(&plan) > kw(43.0));
}
