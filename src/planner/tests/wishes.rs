//! What others wish: below limits and stated needs, above price.

use super::{HOUR, arrives, plan_at, powers, prices, sends, signal};
use crate::domain::plan::Reason;
use crate::domain::quantity::{Energy, Power, Price};
use crate::domain::signal::{ALERT_EMERGENCY, ALERT_FLEX, SignalKind, SignalSeries};
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, kw, live, site_of};

/// Slots of five minutes in an hour.
const SLOTS: usize = 12;

/// A target for the EVSEs alone in one hour.
fn target(hour: i64, kilowatts: f64) -> SignalSeries {
    let watts = kw(kilowatts).watts();
    SignalSeries {
        evses_only: true,
        ..signal(
            SignalKind::PowerTarget,
            &[(hour * HOUR, (hour + 1) * HOUR, watts)],
        )
    }
}

fn total(plan: &crate::domain::plan::Plan, slot: usize) -> Power {
    plan.evses.iter().map(|planned| planned.power[slot]).sum()
}

/// Two cars for eight hours, 20 kWh each, cheapest in the first two hours.
fn two_cars() -> SiteState {
    let mut state = live(site_of(50.0, 2));
    prices(&mut state, &[10, 10, 100, 100, 100, 100, 100, 100]);
    arrives(&mut state, 1, Some(8 * HOUR), Some(20.0));
    arrives(&mut state, 2, Some(8 * HOUR), Some(20.0));
    state
}

#[test]
fn a_target_takes_load_out_of_its_hour_and_nobody_goes_short() {
    let mut state = two_cars();
    let before = plan_at(&state, 0);
    assert!(total(&before, 0) > kw(20.0));
    sends(&mut state, target(0, 5.0));
    let plan = plan_at(&state, 0);
    // 5 kW at nominal voltage are 5.5 kW at the highest.
    for slot in 0..SLOTS {
        assert!(total(&plan, slot) <= kw(5.5), "slot {slot}");
    }
    assert!(
        plan.evses
            .iter()
            .all(|planned| planned.unmet == Energy::ZERO)
    );
    let held = plan
        .evses
        .iter()
        .any(|planned| planned.reasons[0] == Reason::Wish);
    assert!(held, "{:?}", plan.evses[0].reasons[0]);
}

#[test]
fn a_target_above_the_plan_draws_energy_into_its_hour() {
    let mut state = two_cars();
    let before = plan_at(&state, 0);
    assert_eq!(
        total(&before, 5 * SLOTS + 3),
        Power::ZERO,
        "nothing is planned there"
    );
    sends(&mut state, target(5, 15.0));
    let plan = plan_at(&state, 0);
    let drawn = total(&plan, 5 * SLOTS + 3);
    assert!(drawn > kw(15.0) && drawn <= kw(16.5), "{drawn}");
    assert!(
        plan.evses
            .iter()
            .all(|planned| planned.unmet == Energy::ZERO)
    );
}

#[test]
fn a_stated_need_comes_before_a_target() {
    let mut state = live(site_of(50.0, 1));
    // 12 kWh in two hours: the second hour brings 11.04, so some of the first is needed.
    arrives(&mut state, 1, Some(2 * HOUR), Some(12.0));
    sends(&mut state, target(0, 0.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.evses[0].unmet, Energy::ZERO);
    let first_hour = (0..SLOTS)
        .filter(|slot| total(&plan, *slot).is_positive())
        .count();
    assert!(
        (1..=4).contains(&first_hour),
        "no more than that: {first_hour} slots"
    );
}

#[test]
fn a_need_that_nobody_stated_waits_for_a_target() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, None, None);
    sends(&mut state, target(0, 0.0));
    let plan = plan_at(&state, 0);
    assert_eq!(total(&plan, 0), Power::ZERO);
    assert!(
        total(&plan, SLOTS + 1).is_positive(),
        "it charges right after"
    );
}

#[test]
fn a_target_of_the_site_leaves_room_for_other_load() {
    let mut state = two_cars();
    sends(
        &mut state,
        signal(SignalKind::BaseLoad, &[(0, 20 * HOUR, 4_000)]),
    );
    let watts = kw(10.0).watts();
    sends(
        &mut state,
        signal(SignalKind::PowerTarget, &[(0, HOUR, watts)]),
    );
    let plan = plan_at(&state, 0);
    // (10 - 4) kW x 1.1
    assert!(total(&plan, 2) <= kw(6.6));
}

#[test]
fn a_soft_limit_holds_as_long_as_nobody_goes_short() {
    let mut state = two_cars();
    let soft = SignalSeries {
        hard: false,
        ..signal(SignalKind::ImportLimit, &[(0, HOUR, 6_000)])
    };
    sends(&mut state, soft.clone());
    let plan = plan_at(&state, 0);
    assert!((0..SLOTS).all(|slot| total(&plan, slot) <= kw(6.0)));
    let mut hasty = live(site_of(50.0, 1));
    arrives(&mut hasty, 1, Some(HOUR), Some(10.0));
    sends(&mut hasty, soft);
    assert_eq!(plan_at(&hasty, 0).evses[0].unmet, Energy::ZERO);
}

#[test]
fn a_flex_alert_sheds_what_can_wait_and_an_emergency_sheds_everything() {
    let mut state = two_cars();
    sends(
        &mut state,
        signal(SignalKind::Alert, &[(0, HOUR, ALERT_FLEX)]),
    );
    assert!((0..SLOTS).all(|slot| total(&plan_at(&state, 0), slot) == Power::ZERO));
    let mut hasty = live(site_of(50.0, 1));
    arrives(&mut hasty, 1, Some(HOUR), Some(10.0));
    sends(
        &mut hasty,
        signal(SignalKind::Alert, &[(0, HOUR, ALERT_FLEX)]),
    );
    assert!(
        total(&plan_at(&hasty, 0), 0).is_positive(),
        "it cannot wait"
    );
    sends(
        &mut hasty,
        signal(SignalKind::Alert, &[(0, HOUR, ALERT_EMERGENCY)]),
    );
    assert_eq!(total(&plan_at(&hasty, 0), 0), Power::ZERO);
}

#[test]
fn a_shed_level_is_a_share_of_the_circuits_own_limit() {
    let mut state = live(site_of(20.0, 2));
    arrives(&mut state, 1, Some(HOUR), Some(11.0));
    arrives(&mut state, 2, Some(HOUR), Some(11.0));
    sends(&mut state, signal(SignalKind::ShedLevel, &[(0, HOUR, 2)]));
    let root = state.site.root().expect("there");
    // Level 2 leaves 50 %.
    assert_eq!(state.limit(root).at(at(1)), kw(10.0));
    assert_eq!(
        state.limit(root).at(at(HOUR)),
        kw(20.0),
        "and nothing afterwards"
    );
    let plan = plan_at(&state, 0);
    assert!((0..SLOTS).all(|slot| total(&plan, slot) <= kw(10.0)));
}

#[test]
fn a_surplus_of_the_sun_draws_charging_to_it() {
    let mut state = live(site_of(50.0, 1));
    std::sync::Arc::make_mut(&mut state.site).flat_price = Some(Price::from_per_kwh(0.3));
    arrives(&mut state, 1, Some(8 * HOUR), Some(10.0));
    assert!(
        total(&plan_at(&state, 0), 0).is_positive(),
        "without sun at once"
    );
    sends(
        &mut state,
        signal(SignalKind::Pv, &[(4 * HOUR, 6 * HOUR, 15_000)]),
    );
    let plan = plan_at(&state, 0);
    assert_eq!(total(&plan, 0), Power::ZERO);
    assert!(total(&plan, 4 * SLOTS + 1).is_positive());
    // What the sun brings when sold is what charging from it costs.
    let sold = signal(SignalKind::ExportPrice, &[(0, 20 * HOUR, 400_000)]);
    sends(&mut state, sold);
    assert!(
        total(&plan_at(&state, 0), 0).is_positive(),
        "selling it is worth more"
    );
    sends(
        &mut state,
        signal(SignalKind::ExportLimit, &[(0, 20 * HOUR, 0)]),
    );
    assert_eq!(
        total(&plan_at(&state, 0), 0),
        Power::ZERO,
        "it cannot be sold"
    );
}

#[test]
fn carbon_decides_where_no_price_is_known_and_counts_by_its_price_elsewhere() {
    let grams = |slots: &[(i64, i64, i64)]| signal(SignalKind::Carbon, slots);
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(8 * HOUR), Some(10.0));
    // 500 g/kWh for five hours, then 50 g/kWh, in milligrams.
    sends(
        &mut state,
        grams(&[(0, 5 * HOUR, 500_000), (5 * HOUR, 9 * HOUR, 50_000)]),
    );
    let plan = plan_at(&state, 0);
    assert_eq!(total(&plan, 0), Power::ZERO);
    assert!(total(&plan, 5 * SLOTS + 1).is_positive());
    prices(&mut state, &[10, 100, 100, 100, 100, 100, 100, 100]);
    assert!(
        total(&plan_at(&state, 0), 0).is_positive(),
        "prices alone count"
    );
    // 0.5 per kg: 0.25 against 0.025 per kWh outweighs 0.09.
    std::sync::Arc::make_mut(&mut state.site).carbon_price = Some(Price::from_per_kwh(0.5));
    assert_eq!(total(&plan_at(&state, 0), 0), Power::ZERO);
}

#[test]
fn an_energy_to_be_reached_is_reached_by_its_time() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 100, 100, 10, 10, 10, 10, 10]);
    arrives(&mut state, 1, Some(8 * HOUR), Some(10.0));
    assert_eq!(
        total(&plan_at(&state, 0), 0),
        Power::ZERO,
        "it waits for the cheap hours"
    );
    let least = SignalSeries {
        evse: Some(evse_id(1)),
        ..signal(
            SignalKind::MinEnergy,
            &[(0, 2 * HOUR, Energy::from_kilowatt_hours(8.0).joules())],
        )
    };
    sends(&mut state, least);
    let plan = plan_at(&state, 0);
    let slot = plan.horizon.slot();
    let first_two_hours: Energy = powers(&plan, 1)[..2 * SLOTS]
        .iter()
        .map(|power| power.scaled_down(10, 11).over(slot))
        .sum();
    assert!(
        first_two_hours >= Energy::from_kilowatt_hours(8.0),
        "{first_two_hours}"
    );
}
