//! The envelope: what it promises holds.

use proptest::prelude::*;

use super::super::baseline;
use super::super::flexibility::{Flexibility, flexibility};
use super::{HOUR, arrives, never, plan_at, prices, sends, signal};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::state::SiteState;
use crate::state::testing::{at, kw, live, site_of};

fn envelope(state: &SiteState) -> Flexibility {
    flexibility(state, &Policy::default(), at(0), &never)
}

#[test]
fn a_car_with_time_can_be_shed_and_one_without_cannot() {
    let mut state = live(site_of(50.0, 2));
    arrives(&mut state, 1, Some(8 * HOUR), Some(11.04));
    let found = envelope(&state);
    let first = &found.slots[0];
    assert_eq!(first.planned, kw(11.04));
    assert_eq!(first.lowest, Power::ZERO);
    // One hour at full power is wanted; seven hours are left to wait.
    let hours = first.shed_s / 3600;
    assert!((6..=7).contains(&hours), "{hours}");
    arrives(&mut state, 2, Some(HOUR), Some(11.0));
    let found = envelope(&state);
    assert!(
        found.slots[0].lowest >= kw(11.0),
        "the second must charge now"
    );
    assert_eq!(found.sessions, 2);
    assert_eq!(found.assumed, 0);
}

#[test]
fn what_could_be_added_ends_at_the_limit() {
    let mut state = live(site_of(15.0, 2));
    prices(&mut state, &[100, 100, 100, 10, 10, 10, 10, 10]);
    arrives(&mut state, 1, Some(8 * HOUR), Some(20.0));
    arrives(&mut state, 2, Some(8 * HOUR), Some(20.0));
    let first = envelope(&state).slots[0];
    assert_eq!(first.planned, Power::ZERO);
    // 15 kW at the highest voltage are 13.6 kW at the nominal one; whole minimum powers only.
    assert!(
        first.highest > kw(9.0) && first.highest <= kw(13.7),
        "{:?}",
        first.highest
    );
}

#[test]
fn uncontrolled_charging_begins_at_arrival_and_ends_when_all_is_there() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(8 * HOUR), Some(11.04));
    let hours: Vec<_> = (0..3).map(|h| (at(h * HOUR), at((h + 1) * HOUR))).collect();
    let found = baseline::uncontrolled(&state, &Policy::default(), at(0), &hours);
    let powers: Vec<_> = found.iter().map(|stretch| stretch.power).collect();
    assert_eq!(
        powers,
        [Some(kw(11.04)), Some(Power::ZERO), Some(Power::ZERO)]
    );
}

#[test]
fn a_frozen_plan_says_what_the_plan_says_and_nothing_beyond_it() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(8 * HOUR), Some(11.04));
    let plan = plan_at(&state, 0);
    let windows = [(at(0), at(900)), (at(40 * HOUR), at(41 * HOUR))];
    let found = baseline::plan_freeze(&state, &plan, &windows);
    assert_eq!(found[0].power, Some(kw(11.04)));
    assert_eq!(found[1].power, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_envelope_is_ordered_and_a_shed_within_it_leaves_nobody_short(
        cars in prop::collection::vec((2 * HOUR..12 * HOUR, 1.0f64..30.0), 1..6),
        limit in 15.0f64..60.0,
        price in prop::collection::vec(1i64..300, 12),
        slot in 0usize..40,
    ) {
        let mut state = live(site_of(limit, 6));
        prices(&mut state, &price);
        for (number, (leaves, kwh)) in cars.iter().enumerate() {
            arrives(&mut state, number + 1, Some(*leaves), Some(*kwh));
        }
        let found = envelope(&state);
        let mut before = (Energy::ZERO, Energy::ZERO);
        for slot in &found.slots {
            prop_assert!(slot.lowest <= slot.planned && slot.planned <= slot.highest);
            prop_assert!(slot.energy_latest >= before.0 && slot.energy_earliest >= before.1);
            prop_assert!(slot.energy_latest <= slot.energy_earliest);
            before = (slot.energy_latest, slot.energy_earliest);
        }
        // What can be shed in one slot, and as long as is said, is shed without making anyone short.
        let slot = slot.min(found.slots.len() - 1);
        let unmet = |plan: &crate::domain::plan::Plan| -> Energy {
            plan.evses.iter().map(|planned| planned.unmet).sum()
        };
        let chosen = found.slots[slot];
        if slot == 0 && chosen.shed_s >= 300 {
            let until = chosen.start + chrono::TimeDelta::seconds(chosen.shed_s);
            let mut shed = state.clone();
            let hold = SignalSeries {
                evses_only: true,
                hard: true,
                ..signal(SignalKind::ImportLimit, &[(0, (until - at(0)).num_seconds(), 0)])
            };
            sends(&mut shed, hold);
            // Minimum powers and whole slots may cost a little at the end.
            let slack = Energy::from_kilowatt_hours(0.75 * f64::from(u32::try_from(cars.len()).unwrap_or(1)));
            prop_assert!(unmet(&plan_at(&shed, 0)) <= unmet(&found.plan) + slack);
        }
    }
}
