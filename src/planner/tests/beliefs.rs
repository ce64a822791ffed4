//! What earlier sessions let expect, and what is made of it.

use chrono::TimeDelta;

use super::super::belief::{Belief, Trust, comparable};
use super::super::need::{Class, needs};
use super::{FULL, HOUR, arrives, plan_at, powers, prices};
use crate::domain::event::EventKind;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{PastSession, Reading};
use crate::planner::frame::Frame;
use crate::planner::layout::Layout;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, live, session, site_of};

const DAY: i64 = 24 * HOUR;

/// On each of ten working days before today's Wednesday: who came now, stayed `stay_s` and took
/// `kwh`, having said what `said` says.
fn came_before(state: &mut SiteState, stay_s: i64, kwh: f64, said: Option<(i64, f64)>) {
    let days = [1, 2, 5, 6, 7, 8, 9, 12, 13, 14];
    let past = |days: i64| PastSession {
        id: session(1, -days * DAY - stay_s).id,
        evse: evse_id(1),
        started_at: at(-days * DAY),
        ended_at: at(stay_s - days * DAY),
        energy: Energy::from_kilowatt_hours(kwh),
        stated_departure: said.map(|(stay_s, _)| at(stay_s - days * DAY)),
        stated_energy: said.map(|(_, kwh)| Energy::from_kilowatt_hours(kwh)),
    };
    let sessions = days.map(past).into();
    happen(state, 0, EventKind::HistoryLearned { sessions });
}

fn believed(state: &SiteState, now: i64) -> Belief {
    let zone = state.site.time_zone;
    let history = comparable(state.history.iter(), zone, at(now));
    let demands = state.demands(&Policy::default(), at(now));
    Belief::of(&demands[0], &history, FULL, zone, at(now))
}

fn class_of(state: &SiteState) -> Class {
    let policy = Policy::default();
    let layout = Layout::of(&state.site);
    let frame = Frame::resolve(state, &policy, at(0));
    needs(state, &layout, &frame, &policy, at(0))[0].class
}

#[test]
fn a_car_of_which_nothing_is_said_is_expected_to_do_what_others_did() {
    let mut state = live(site_of(50.0, 4));
    came_before(&mut state, 4 * HOUR, 10.0, None);
    came_before(&mut state, 8 * HOUR, 20.0, None);
    arrives(&mut state, 1, None, None);
    let belief = believed(&state, 60);
    assert_eq!(belief.chance(at(2 * HOUR), Energy::ZERO), 1000);
    assert_eq!(belief.chance(at(6 * HOUR), Energy::ZERO), 500);
    assert_eq!(belief.chance(at(9 * HOUR), Energy::ZERO), 0);
    // Who takes more than 10 kWh is who stays longer.
    let ten = Energy::from_kilowatt_hours(10.0);
    assert_eq!(belief.chance(at(HOUR), ten), 500);
    assert_eq!(belief.mean(), Energy::from_kilowatt_hours(15.0));
}

#[test]
fn whoever_is_still_there_is_no_longer_expected_to_have_left() {
    let mut state = live(site_of(50.0, 4));
    came_before(&mut state, 4 * HOUR, 10.0, None);
    came_before(&mut state, 8 * HOUR, 20.0, None);
    arrives(&mut state, 1, None, None);
    let belief = believed(&state, 5 * HOUR);
    assert_eq!(belief.chance(at(6 * HOUR), Energy::ZERO), 1000);
    // And beyond all that was ever seen something is believed all the same.
    let belief = believed(&state, 10 * HOUR);
    assert!(belief.chance(at(10 * HOUR + 60), Energy::ZERO) == 1000);
}

#[test]
fn statements_are_believed_until_they_prove_wrong() {
    let judged = |actual: (i64, f64)| {
        let mut state = live(site_of(50.0, 4));
        for extra in 0..2 {
            came_before(
                &mut state,
                actual.0 + extra,
                actual.1,
                Some((6 * HOUR, 20.0)),
            );
        }
        arrives(&mut state, 1, Some(6 * HOUR), Some(20.0));
        let history: Vec<&PastSession> = state.history.iter().collect();
        (Trust::of(&history), class_of(&state))
    };
    let (trust, class) = judged((6 * HOUR, 20.0));
    assert!(trust.departure && trust.energy);
    assert_eq!(class, Class::Planned);
    let (trust, class) = judged((4 * HOUR, 20.0));
    assert!(!trust.departure && trust.energy);
    assert_eq!(class, Class::Urgent);
    let (trust, _) = judged((6 * HOUR, 12.0));
    assert!(trust.departure && !trust.energy);
}

#[test]
fn a_driver_who_says_what_others_said_is_expected_to_err_as_they_did() {
    let mut state = live(site_of(50.0, 4));
    for extra in 0..2 {
        came_before(&mut state, 4 * HOUR + extra, 10.0, Some((6 * HOUR, 20.0)));
    }
    arrives(&mut state, 1, Some(6 * HOUR), Some(16.0));
    let belief = believed(&state, 60);
    // Two hours early, and half of what was asked for: 8 of 16 kWh.
    assert_eq!(belief.chance(at(3 * HOUR), Energy::ZERO), 1000);
    assert_eq!(belief.chance(at(5 * HOUR), Energy::ZERO), 0);
    assert_eq!(belief.mean(), Energy::from_kilowatt_hours(8.0));
}

#[test]
fn who_may_leave_soon_is_served_before_who_stays() {
    // Room for one of two at full power.
    let mut state = live(site_of(13.0, 2));
    state.site = std::sync::Arc::new(crate::domain::site::Site {
        arrival_reserve: crate::domain::site::ArrivalReserve::None,
        ..(*state.site).clone()
    });
    came_before(&mut state, HOUR, 6.0, Some((HOUR, 12.0)));
    came_before(&mut state, 8 * HOUR, 6.0, Some((8 * HOUR, 12.0)));
    arrives(&mut state, 1, Some(8 * HOUR), Some(12.0));
    arrives(&mut state, 2, Some(HOUR), Some(12.0));
    let plan = plan_at(&state, 0);
    let first = |number| powers(&plan, number)[0];
    assert!(first(2) > first(1), "{} and {}", first(2), first(1));
}

#[test]
fn a_low_price_is_waited_for_where_the_car_will_surely_be_there() {
    let mut state = live(site_of(50.0, 2));
    prices(&mut state, &[200, 200, 20, 20, 20, 20, 20, 20, 20, 20]);
    came_before(&mut state, 8 * HOUR, 6.0, None);
    arrives(&mut state, 1, None, None);
    let plan = plan_at(&state, 0);
    let (before, after) = powers(&plan, 1).split_at(24);
    assert!(before.iter().all(|power| *power == Power::ZERO));
    assert!(after.iter().any(|power| *power > Power::ZERO));
}

#[test]
fn a_car_that_takes_nothing_though_it_may_keeps_the_least_power() {
    let mut state = live(site_of(50.0, 2));
    arrives(&mut state, 1, None, None);
    for minutes in [5, 10] {
        let reading = Reading {
            power: Power::ZERO,
            at: at(0) + TimeDelta::minutes(minutes),
        };
        let kind = EventKind::EvseMeasured {
            evse: evse_id(1),
            reading,
            energy: None,
        };
        happen(&mut state, minutes * 60, kind);
    }
    let power = powers(&plan_at(&state, 600), 1)[0];
    assert!(power > Power::ZERO && power < FULL, "{power}");
}
