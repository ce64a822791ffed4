//! Measured against allowed, per EVSE and at the site.

use super::SiteState;
use super::evse_state::Control;
use super::excursion::Cause;
use super::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};
use crate::domain::command::{Answer, Evidence};
use crate::domain::event::EventKind;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;

/// 6 A x 253 V x 3.
const LOW: Power = Power::from_watts(4554);

/// Two cars at a site of 12 kW, each confirmed at 6 A.
fn charging() -> SiteState {
    let mut state = live(site_of(12.0, 2));
    for number in 1..=2 {
        let session = Box::new(session(number, 0));
        happen(&mut state, 0, EventKind::SessionSeen { session });
        let command = issue(&mut state, 1, number, amps(1, &[(0, 60)]));
        let answer = Answer::Applied {
            evidence: Evidence::Result,
        };
        happen(
            &mut state,
            2,
            EventKind::CommandAnswered { command, answer },
        );
    }
    state
}

fn measured(state: &mut SiteState, second: i64, number: usize, power: Power) {
    let reading = Reading {
        power,
        at: at(second),
    };
    let (evse, energy) = (evse_id(number), None);
    let kind = EventKind::EvseMeasured {
        evse,
        reading,
        energy,
    };
    happen(state, second, kind);
}

fn site_metered(state: &mut SiteState, second: i64, power: Power) {
    let reading = Reading {
        power,
        at: at(second),
    };
    happen(state, second, EventKind::SiteMetered { reading });
}

fn bound(state: &SiteState, number: usize, second: i64) -> Power {
    state.evse_bound(&evse_id(number)).at(at(second))
}

#[test]
fn what_a_meter_shows_beyond_the_bound_counts_at_once_and_in_full_from_the_second_time_on() {
    let mut state = charging();
    measured(&mut state, 30, 1, kw(4.0));
    assert_eq!(bound(&state, 1, 31), LOW);
    measured(&mut state, 60, 1, kw(9.0));
    assert_eq!(bound(&state, 1, 61), kw(9.0));
    // 9.0 + 4.554 of 12 kW.
    let open = &state.excursions.open;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].cause, Cause::Disobedience);
    measured(&mut state, 90, 1, kw(9.0));
    assert_eq!(bound(&state, 1, 91), kw(12.144));
    assert!(matches!(
        state.evses[&evse_id(1)].control,
        Control::Disobedient { .. }
    ));
    // It follows again: nothing is left of it after as many readings.
    measured(&mut state, 120, 1, kw(4.0));
    measured(&mut state, 150, 1, kw(4.0));
    assert_eq!(bound(&state, 1, 151), LOW);
    assert!(state.excursions.open.is_empty());
}

#[test]
fn news_of_a_session_that_runs_show_disobedience_and_no_arrival() {
    let mut state = charging();
    measured(&mut state, 30, 1, kw(4.0));
    let mut session = session(1, 0);
    session.updated_at = at(60);
    session.reading = Some(Reading {
        power: kw(9.0),
        at: at(60),
    });
    let session = Box::new(session);
    happen(&mut state, 60, EventKind::SessionSeen { session });
    assert_eq!(state.excursions.open[0].cause, Cause::Disobedience);
}

#[test]
fn above_the_limit_lowering_what_nobody_draws_does_not_count() {
    let mut state = charging();
    measured(&mut state, 30, 1, kw(1.4));
    measured(&mut state, 30, 2, kw(4.0));
    measured(&mut state, 60, 2, kw(4.0));
    // 2.5 kW of other load and the two readings, taken at 1:00: the first is too old to say what
    // its car draws now.
    site_metered(&mut state, 65, kw(7.9));
    let uncontrolled = |state: &SiteState| state.meter.expect("read").uncontrolled;
    assert_eq!(uncontrolled(&state), kw(3.9));
    // 12.9 kW are above the limit of 12 kW: 12.9 - 4.0 - 1.4, although car 1 might draw 4.554 kW.
    site_metered(&mut state, 70, kw(12.9));
    assert_eq!(uncontrolled(&state), kw(7.5));
    assert!(!state.excursions.open.is_empty());
}

#[test]
fn who_refused_for_good_is_asked_again_with_the_next_session() {
    let mut state = charging();
    let command = issue(&mut state, 10, 1, amps(10, &[(0, 0)]));
    let answer = Answer::Refused {
        reason: crate::domain::command::Refusal::NotSupported,
        detail: String::new(),
    };
    happen(
        &mut state,
        11,
        EventKind::CommandAnswered { command, answer },
    );
    let control = |state: &SiteState| state.evses[&evse_id(1)].control.clone();
    assert_ne!(control(&state), Control::Controllable);
    assert_eq!(bound(&state, 1, 12), kw(12.144));
    let next = Box::new(session(1, 100));
    happen(&mut state, 100, EventKind::SessionSeen { session: next });
    assert_eq!(control(&state), Control::Controllable);
    assert_eq!(bound(&state, 1, 101), kw(12.144));
}
