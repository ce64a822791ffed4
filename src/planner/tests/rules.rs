//! By which rule each session is planned, and what holds when the solver does not answer.

use super::super::check::{Broken, check};
use super::super::plan;
use super::{FULL, HOUR, arrives, plan_at, powers, prices, sends, signal};
use crate::domain::command::{Answer, Evidence};
use crate::domain::event::{EventKind, OverrideAction};
use crate::domain::plan::{PlanOrigin, Reason};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Reading;
use crate::domain::signal::SignalKind;
use crate::state::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};

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
fn what_the_rest_of_a_slot_cannot_bring_is_planned_after_it() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(15 * 60), Some(1.1));
    let second_slot = |second: i64| powers(&plan_at(&state, second), 1)[1];
    // 140 seconds at full power would have brought 0.43 kWh: 5.7 kW more in a slot.
    let (whole, part) = (second_slot(0), second_slot(140));
    assert!(part > whole + kw(4.0), "{whole} and {part}");
}

#[test]
fn who_leaves_soon_may_go_on_at_the_least_power_until_then() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(25 * 60), Some(0.5));
    let plan = plan_at(&state, 0);
    let least = plan.evses[0].power[..5].iter().min();
    assert!(least.is_some_and(|power| *power >= kw(4.1)), "{least:?}");
    assert_eq!(powers(&plan, 1)[5], Power::ZERO);
}

#[test]
fn of_cars_that_say_nothing_all_get_a_share_and_none_of_the_room_is_left() {
    let mut state = live(site_of(30.0, 4));
    for number in 1..=4 {
        arrives(&mut state, number, None, None);
    }
    let plan = plan_at(&state, 0);
    let first: Vec<Power> = plan.evses.iter().map(|evse| evse.power[0]).collect();
    // 30 kW for four that take 12.1 each, in quarters of that: two for everybody, the rest for some.
    for power in &first {
        assert!(*power >= kw(6.0), "{first:?}");
    }
    let total: Power = first.iter().copied().sum();
    assert!(total > kw(29.0), "{first:?}");
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
fn who_leaves_first_charges_first_and_who_leaves_last_goes_short() {
    // Room for one car at a time. Both together want 3 hours of it, and 2.5 are left.
    let mut state = live(site_of(12.2, 2));
    arrives(&mut state, 1, Some(5 * HOUR / 2), Some(16.5));
    arrives(&mut state, 2, Some(9 * HOUR / 4), Some(16.5));
    let plan = plan_at(&state, 0);
    assert_eq!(powers(&plan, 2)[0], FULL);
    let unmet = |number| plan.evse(&evse_id(number)).expect("planned").unmet;
    assert_eq!(unmet(2), Energy::ZERO);
    // 2 x 16.5 kWh - 2.5 h x 11.04 kW = 5.4 kWh
    assert!(
        (5.3..5.6).contains(&unmet(1).kilowatt_hours()),
        "{}",
        unmet(1)
    );
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
fn a_car_with_one_phase_on_three_is_given_the_amperes_it_can_use_and_the_time_it_needs() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 90, 80, 70, 60, 50, 10, 10]);
    // 14.72 kWh are four hours of 3.68 kW: one phase of 230 V at 16 A.
    arrives(&mut state, 1, Some(6 * HOUR), Some(14.72));
    let command = issue(&mut state, 0, 1, amps(0, &[(0, 160)]));
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    happen(
        &mut state,
        1,
        EventKind::CommandAnswered { command, answer },
    );
    for second in [60, 120, 180] {
        let mut car = state.evses[&evse_id(1)].running().expect("runs").clone();
        car.updated_at = at(second);
        let power = Power::from_watts(3_680);
        car.reading = Some(Reading {
            power,
            at: at(second),
        });
        let session = Box::new(car);
        happen(&mut state, second, EventKind::SessionSeen { session });
    }
    let demand = &state.demands(&Policy::default(), at(180))[0];
    assert_eq!(demand.used_phases, Some(1));
    let plan = plan_at(&state, 180);
    let row = powers(&plan, 1);
    let charged = row.iter().filter(|power| power.is_positive()).count();
    // Of what a slot of five minutes allows it gets a third: 48 slots of it, at the full rate but for
    // the last; not the 6 A that a car of 3.68 kW on three phases would be thought to need.
    let partly = row
        .iter()
        .filter(|power| power.is_positive() && **power < FULL);
    assert!(charged >= 47, "{charged} slots");
    assert!(partly.count() <= 2, "{row:?}");
    // The bound counts all three phases all the same.
    let bound = state.evses[&evse_id(1)]
        .bound(&state.site.evses[0])
        .at(at(180));
    assert_eq!(bound, FULL);
}
