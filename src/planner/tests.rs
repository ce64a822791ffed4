//! Behaviour of the planner.

use std::sync::Arc;

use proptest::prelude::*;

use super::check::{Broken, check};
use super::plan;
use crate::domain::event::{EventKind, OverrideAction};
use crate::domain::id::SignalKey;
use crate::domain::plan::{Plan, PlanOrigin, Reason};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power, Price};
use crate::domain::session::Needs;
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, kw, live, session, site_of};

const HOUR: i64 = 3600;

/// 11.04 kW x 1.1: what an EVSE of the tests draws at most.
const FULL: Power = Power::from_watts(12_144);

fn never() -> bool {
    false
}

fn plan_at(state: &SiteState, second: i64) -> Plan {
    plan(state, &Policy::default(), at(second), &never)
}

/// A car plugs in at EVSE `number` now, and says what it needs.
fn arrives(state: &mut SiteState, number: usize, leaves: Option<i64>, kwh: Option<f64>) {
    let mut session = session(number, 0);
    session.needs = Needs {
        departure: leaves.map(at),
        energy: kwh.map(Energy::from_kilowatt_hours),
        discharge_allowed: false,
    };
    let session = Box::new(session);
    happen(state, 0, EventKind::SessionSeen { session });
}

fn signal(kind: SignalKind, slots: &[(i64, i64, i64)]) -> SignalSeries {
    SignalSeries {
        key: SignalKey::new(format!("{kind:?}")).expect("valid"),
        source: "test".into(),
        revision: 1,
        kind,
        circuit: None,
        slots: slots
            .iter()
            .map(|(start, end, value)| SignalSlot {
                start: at(*start),
                end: at(*end),
                value: *value,
            })
            .collect(),
        priority: 20,
        hard: true,
        issued_at: at(0),
        received_at: at(0),
        valid_until: None,
    }
}

fn sends(state: &mut SiteState, series: SignalSeries) {
    let series = Arc::new(series);
    state.signals.insert(series.key.clone(), series);
}

/// Prices per `MWh` by hour, in the currency.
fn prices(state: &mut SiteState, per_mwh: &[i64]) {
    let slots: Vec<(i64, i64, i64)> = (0..)
        .zip(per_mwh)
        .map(|(hour, price)| (hour * HOUR, (hour + 1) * HOUR, price * 1000))
        .collect();
    sends(state, signal(SignalKind::ImportPrice, &slots));
}

fn powers(plan: &Plan, number: usize) -> &[Power] {
    &plan.evse(&evse_id(number)).expect("planned").power
}

#[test]
fn a_car_with_a_departure_charges_in_the_cheapest_hours_of_its_stay() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 80, 20, 90, 100, 100, 100, 100]);
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.origin, PlanOrigin::Optimal);
    let row = powers(&plan, 1);
    // 10 kWh at 11.04 kW takes 55 minutes: 11 slots of 5 minutes, all in the third hour.
    let charged: Vec<usize> = (0..row.len())
        .filter(|slot| row[*slot].is_positive())
        .collect();
    assert_eq!(charged, (24..35).collect::<Vec<_>>());
    let planned = plan.evse(&evse_id(1)).expect("planned");
    assert_eq!(planned.unmet, Energy::ZERO);
    assert_eq!(planned.ready_at, Some(at(2 * HOUR + 55 * 60)));
    assert_eq!(planned.reasons[0], Reason::CheaperLater);
    assert_eq!(planned.reasons[24], Reason::CheapSlot);
}

#[test]
fn without_prices_a_car_charges_early() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.origin, PlanOrigin::Optimal);
    assert!(plan.prices.is_empty());
    assert_eq!(powers(&plan, 1)[0], FULL);
}

#[test]
fn nobody_said_anything_and_the_car_charges_at_once() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 10, 10, 10]);
    arrives(&mut state, 1, None, None);
    let plan = plan_at(&state, 0);
    let planned = plan.evse(&evse_id(1)).expect("planned");
    assert_eq!(planned.power[0], FULL);
    assert_eq!(planned.reasons[0], Reason::AsSoonAsPossible);
    assert_eq!(planned.unmet, Energy::ZERO, "nobody asked for more");
}

#[test]
fn a_car_whose_departure_is_over_keeps_charging() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 10, 10, 10]);
    arrives(&mut state, 1, Some(10), Some(20.0));
    assert_eq!(powers(&plan_at(&state, 20), 1)[0], FULL);
}

#[test]
fn a_car_without_slack_starts_at_once_at_full_power() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 10, 10, 10]);
    // 11.04 kWh take an hour; it leaves in 80 minutes: 20 minutes of slack.
    arrives(&mut state, 1, Some(80 * 60), Some(11.04));
    let plan = plan_at(&state, 0);
    assert_eq!(powers(&plan, 1)[0], FULL);
    let planned = plan.evse(&evse_id(1)).expect("planned");
    assert_eq!(planned.reasons[0], Reason::Deadline);
}

#[test]
fn an_unknown_departure_does_not_make_a_known_one_go_short() {
    // Room for one car at a time; car 1 needs 2 of the next 3 hours.
    let mut state = live(site_of(12.2, 2));
    arrives(&mut state, 1, Some(3 * HOUR), Some(20.0));
    arrives(&mut state, 2, None, None);
    let plan = plan_at(&state, 0);
    assert_eq!(plan.origin, PlanOrigin::Optimal);
    let known = plan.evse(&evse_id(1)).expect("planned");
    assert_eq!(known.unmet, Energy::ZERO);
    assert!(powers(&plan, 2)[0].is_positive(), "nor does it starve");
}

#[test]
fn an_override_comes_before_all_others_and_a_pause_is_zero() {
    let mut state = live(site_of(12.2, 2));
    arrives(&mut state, 1, Some(2 * HOUR), Some(20.0));
    arrives(&mut state, 2, Some(8 * HOUR), Some(5.0));
    let until = at(HOUR);
    for (number, action) in [(1, OverrideAction::Pause), (2, OverrideAction::ChargeNow)] {
        let evse = evse_id(number);
        let kind = EventKind::OverrideSet {
            evse,
            action,
            until,
        };
        happen(&mut state, 0, kind);
    }
    let plan = plan_at(&state, 0);
    assert!(powers(&plan, 1).iter().all(|power| *power == Power::ZERO));
    assert!(powers(&plan, 2)[..12].iter().all(|power| *power == FULL));
    assert_eq!(
        plan.evse(&evse_id(1)).expect("planned").reasons[0],
        Reason::Override
    );
}

#[test]
fn a_limit_below_the_base_load_stops_charging_and_nothing_else() {
    let mut state = live(site_of(50.0, 1));
    sends(
        &mut state,
        signal(
            SignalKind::BaseLoad,
            &[(0, HOUR, 60_000), (HOUR, 2 * HOUR, 10_000)],
        ),
    );
    arrives(&mut state, 1, Some(80 * 60), Some(11.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.origin, PlanOrigin::Optimal);
    assert!(
        powers(&plan, 1)[..12]
            .iter()
            .all(|power| *power == Power::ZERO)
    );
    assert!(powers(&plan, 1)[12].is_positive());
    assert!(plan.evse(&evse_id(1)).expect("planned").unmet.is_positive());
}

#[test]
fn an_evse_that_does_not_follow_counts_at_its_maximum() {
    let mut state = live(site_of(20.0, 2));
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    arrives(&mut state, 2, Some(6 * HOUR), Some(10.0));
    let known = state.evses.get_mut(&evse_id(2)).expect("there");
    known.control = crate::state::evse_state::Control::Unsupported {
        detail: String::new(),
    };
    let plan = plan_at(&state, 0);
    assert!(plan.evse(&evse_id(2)).is_none());
    // 20 kW - 12.144 kW
    assert!(powers(&plan, 1).iter().all(|power| power.watts() <= 7856));
    assert_eq!(plan.circuits[0].uncontrolled[0], FULL);
}

#[test]
fn told_to_stop_it_clips_the_last_plan_to_the_new_limit() {
    let mut state = live(site_of(50.0, 2));
    arrives(&mut state, 1, Some(6 * HOUR), Some(40.0));
    arrives(&mut state, 2, Some(6 * HOUR), Some(40.0));
    let first = plan_at(&state, 0);
    happen(
        &mut state,
        1,
        EventKind::PlanStored {
            plan: Box::new(first),
        },
    );
    sends(
        &mut state,
        signal(SignalKind::ImportLimit, &[(0, 24 * HOUR, 15_000)]),
    );
    let second = plan(&state, &Policy::default(), at(2), &|| true);
    assert_eq!(second.origin, PlanOrigin::Clipped);
    assert_eq!(check(&state, &second, at(2)), Ok(()));
    assert_eq!(second.parent, Some(crate::domain::id::PlanId(1)));
    assert!(second.circuits[0].planned[0] <= kw(15.0));
    assert!(second.circuits[0].planned[0] > kw(12.0));
}

#[test]
fn told_to_stop_without_a_plan_it_shares() {
    let mut state = live(site_of(15.0, 3));
    for number in 1..=3 {
        arrives(&mut state, number, Some(6 * HOUR), Some(20.0));
    }
    let shared = plan(&state, &Policy::default(), at(0), &|| true);
    assert_eq!(shared.origin, PlanOrigin::ProportionalShare);
    assert!(shared.circuits[0].planned[0] > kw(13.0));
}

#[test]
fn past_the_middle_of_a_slot_the_plan_begins_with_the_next_one() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(6 * HOUR), Some(40.0));
    // at(0) is on a border of 5 minutes
    let plan = plan_at(&state, 200);
    assert_eq!(plan.horizon.start, at(300));
    assert_eq!(plan.slot_at(at(200)), Some(0));
    assert_eq!(plan_at(&state, 150).horizon.start, at(0));
}

#[test]
fn the_checker_finds_what_a_plan_must_not_do() {
    let mut state = live(site_of(20.0, 2));
    arrives(&mut state, 1, Some(2 * HOUR), Some(10.0));
    arrives(&mut state, 2, Some(2 * HOUR), Some(10.0));
    let good = plan_at(&state, 0);
    assert_eq!(check(&state, &good, at(0)), Ok(()));
    let mut above = good.clone();
    above
        .evses
        .iter_mut()
        .for_each(|planned| planned.power[3] = FULL);
    assert!(matches!(
        check(&state, &above, at(0)),
        Err(Broken::Limit { .. })
    ));
    let mut between = good.clone();
    between.evses[0].power[0] = Power::from_watts(100);
    assert!(matches!(
        check(&state, &between, at(0)),
        Err(Broken::Power { .. })
    ));
    let mut late = good.clone();
    late.evses[0].power[24] = kw(6.0);
    assert!(matches!(
        check(&state, &late, at(0)),
        Err(Broken::Window { .. })
    ));
    let mut gone = good;
    gone.evses[0].session = session(1, 77).id;
    assert!(matches!(
        check(&state, &gone, at(0)),
        Err(Broken::Session(_))
    ));
}

#[test]
fn a_flat_price_fills_what_no_signal_says() {
    let mut state = live(site_of(50.0, 1));
    state.site.flat_price = Some(Price::from_micros(250_000));
    prices(&mut state, &[100]);
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.prices[11], Price::from_micros(100_000));
    assert_eq!(plan.prices[12], Price::from_micros(250_000));
}

prop_compose! {
    fn any_state()(
        limit in 0.0f64..80.0,
        cars in prop::collection::vec(
            (prop::option::of(-HOUR..20 * HOUR), prop::option::of(0.0f64..60.0)), 0..8,
        ),
        base in prop::option::of(prop::collection::vec(0i64..60_000, 1..20)),
        price in prop::option::of(prop::collection::vec(-50i64..300, 1..20)),
        cap in prop::option::of((0i64..5 * HOUR, 0i64..40_000)),
        phase_a in prop::option::of(0.0f64..60.0),
    ) -> SiteState {
        let mut site = site_of(limit, 8);
        site.circuits[0].phase_limit = phase_a.map(crate::domain::quantity::Current::from_amps);
        let mut state = live(site);
        for (number, (leaves, kwh)) in cars.into_iter().enumerate() {
            arrives(&mut state, number + 1, leaves, kwh);
        }
        if let Some(price) = price {
            prices(&mut state, &price);
        }
        if let Some(base) = base {
            let slots: Vec<_> = (0..).zip(base).map(|(i, w)| (i * 1700, (i + 1) * 1700, w)).collect();
            sends(&mut state, signal(SignalKind::BaseLoad, &slots));
        }
        if let Some((start, watts)) = cap {
            sends(&mut state, signal(SignalKind::ImportLimit, &[(start, start + HOUR, watts)]));
        }
        state
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_plan_passes_the_check_and_is_the_solvers(state in any_state(), second in 0i64..600) {
        let plan = plan_at(&state, second);
        prop_assert_eq!(check(&state, &plan, at(second)), Ok(()));
        prop_assert_eq!(plan.origin, PlanOrigin::Optimal);
    }

    #[test]
    fn the_same_inputs_give_the_same_plan(state in any_state(), second in 0i64..600) {
        let one = serde_json::to_string(&plan_at(&state, second)).expect("serialises");
        let other = serde_json::to_string(&plan_at(&state.clone(), second)).expect("serialises");
        prop_assert_eq!(one, other);
    }

    #[test]
    fn every_rung_passes_the_check(state in any_state(), second in 0i64..600, cut in 0i64..30_000) {
        let mut state = state;
        let shared = plan(&state, &Policy::default(), at(second), &|| true);
        prop_assert_eq!(check(&state, &shared, at(second)), Ok(()));
        // Where nobody needs anything the solver is not asked, so it cannot be too slow.
        let asked = shared.evses.iter().any(|planned| planned.needed.is_positive());
        prop_assert!(!asked || shared.origin == PlanOrigin::ProportionalShare);
        let plan_before = Box::new(plan_at(&state, second));
        happen(&mut state, second, EventKind::PlanStored { plan: plan_before });
        sends(&mut state, signal(SignalKind::ImportLimit, &[(0, 3 * HOUR, cut)]));
        let clipped = plan(&state, &Policy::default(), at(second + 400), &|| true);
        prop_assert_eq!(check(&state, &clipped, at(second + 400)), Ok(()));
        let asked = clipped.evses.iter().any(|planned| planned.needed.is_positive());
        prop_assert!(!asked || clipped.origin == PlanOrigin::Clipped);
    }
}
