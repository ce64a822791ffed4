//! Arrivals that are expected.

use super::super::expected::{Phantom, arrivals};
use super::super::frame::Frame;
use super::super::layout::Layout;
use super::{HOUR, arrives, plan_at, powers, prices};
use crate::domain::event::EventKind;
use crate::domain::plan::Reason;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::PastSession;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, live, session, site_of};

const DAY: i64 = 24 * HOUR;

/// On an earlier day, at the same hour of it: `number` charged `kwh` from `start` to `end`.
fn learned(state: &mut SiteState, days: i64, number: usize, (start, end): (i64, i64), kwh: f64) {
    let began = start - days * DAY;
    let past = PastSession {
        stated_departure: None,
        stated_energy: None,
        id: session(number, began).id,
        evse: evse_id(number),
        started_at: at(began),
        ended_at: at(end - days * DAY),
        energy: Energy::from_kilowatt_hours(kwh),
    };
    happen(
        state,
        0,
        EventKind::HistoryLearned {
            sessions: vec![past],
        },
    );
}

fn expected(state: &SiteState, days: u32) -> Vec<Phantom> {
    let policy = Policy {
        expected_arrival_days: days,
        ..Policy::default()
    };
    let layout = Layout::of(&state.site);
    let frame = Frame::resolve(state, &policy, at(0));
    arrivals(state, &layout, &frame, &policy)
}

/// at(0) is a Wednesday, 12:10 in Amsterdam. Two cars came an hour later on each of the two days
/// before.
fn two_days() -> SiteState {
    let mut state = live(site_of(50.0, 4));
    for days in 1..=2 {
        for number in 1..=2 {
            learned(&mut state, days, number, (HOUR, 4 * HOUR), 6.0);
        }
    }
    state
}

#[test]
fn sessions_of_days_alike_are_expected_again_each_with_the_weight_of_its_day() {
    let found = expected(&two_days(), 3);
    assert_eq!(found.len(), 1, "alike, so planned as one");
    // 4 sessions x 6 kWh / 2 days, and 4 x 12.144 kW / 2
    assert_eq!(found[0].energy, Energy::from_kilowatt_hours(12.0));
    assert_eq!(found[0].max, Power::from_watts(24_288));
    assert_eq!(
        (found[0].from, found[0].to),
        (18, 48),
        "half an hour at most too late"
    );
}

#[test]
fn nobody_who_is_there_gives_way_now_to_someone_who_has_not_come_yet() {
    let mut state = live(site_of(50.0, 4));
    for number in 1..=4 {
        learned(&mut state, 1, number, (1, 600), 1.0);
    }
    assert!(expected(&state, 3).iter().all(|phantom| phantom.from > 0));
}

#[test]
fn no_more_days_count_than_the_policy_says() {
    let mut state = two_days();
    for number in 1..=3 {
        learned(&mut state, 1, number + 1, (2 * HOUR, 3 * HOUR), 3.0);
    }
    let energy: Energy = expected(&state, 1)
        .iter()
        .map(|phantom| phantom.energy)
        .sum();
    // Yesterday alone: 2 x 6 kWh + 3 x 3 kWh
    assert_eq!(energy, Energy::from_kilowatt_hours(21.0));
    assert!(expected(&state, 0).is_empty());
}

#[test]
fn what_came_earlier_in_the_day_is_not_expected_again_today() {
    let mut state = live(site_of(50.0, 4));
    for number in 1..=4 {
        learned(&mut state, 1, number, (-HOUR, HOUR), 6.0);
    }
    assert!(expected(&state, 3).is_empty());
}

#[test]
fn a_history_that_is_too_thin_says_nothing() {
    let mut state = live(site_of(50.0, 4));
    learned(&mut state, 1, 1, (HOUR, 4 * HOUR), 6.0);
    learned(&mut state, 1, 2, (HOUR, 4 * HOUR), 6.0);
    assert!(expected(&state, 3).is_empty());
}

#[test]
fn a_weekend_says_nothing_about_a_work_day() {
    let mut state = live(site_of(50.0, 4));
    // Wednesday - 3 = Sunday
    for number in 1..=4 {
        learned(&mut state, 3, number, (HOUR, 4 * HOUR), 6.0);
    }
    assert!(expected(&state, 3).is_empty());
}

#[test]
fn a_car_makes_room_for_those_that_are_expected_and_they_are_not_in_the_plan() {
    let with_history = |known: bool| {
        let mut state = live(site_of(12.2, 4));
        // Half the price in two hours, when the others are expected to be there.
        prices(&mut state, &[30, 30, 15, 15, 40, 40]);
        if known {
            for number in 2..=4 {
                learned(&mut state, 1, number, (2 * HOUR, 4 * HOUR), 12.0);
            }
        }
        arrives(&mut state, 1, Some(4 * HOUR), Some(10.0));
        plan_at(&state, 0)
    };
    let alone = with_history(false);
    assert!(
        powers(&alone, 1)[..24]
            .iter()
            .all(|power| *power == Power::ZERO)
    );
    let aware = with_history(true);
    assert!(powers(&aware, 1)[0].is_positive());
    assert_eq!(aware.evses[0].reasons[0], Reason::ExpectedArrivals);
    assert_eq!(aware.evses.len(), 1);
}
