//! Requests that arrive late, and what is and is not proof.

use super::SiteState;
use super::late::LATE_S;
use super::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{CommandId, StationId};
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;

/// 11.04 kW x 1.1.
const HARDWARE: Power = Power::from_watts(12_144);
/// 6 A x 253 V x 3.
const LOW: Power = Power::from_watts(4554);

fn charging(at_station: bool) -> SiteState {
    let mut site = site_of(100.0, 1);
    if at_station {
        site.evses[0].source = EvseSource::Ocpp {
            station: StationId::new("st1").expect("valid"),
            evse: 1,
        };
    }
    let mut state = live(site);
    let session = Box::new(session(1, 0));
    happen(&mut state, 0, EventKind::SessionSeen { session });
    state
}

fn answer(state: &mut SiteState, second: i64, command: CommandId, answer: Answer) {
    let kind = EventKind::CommandAnswered { command, answer };
    happen(state, second, kind);
}

fn lost() -> Answer {
    Answer::Unknown {
        detail: "timed out".into(),
    }
}

fn applied() -> Answer {
    Answer::Applied {
        evidence: Evidence::Result,
    }
}

fn refused() -> Answer {
    Answer::Refused {
        reason: Refusal::Rejected,
        detail: String::new(),
    }
}

fn bound(state: &SiteState, second: i64) -> Power {
    state.evse_bound(&evse_id(1)).at(at(second))
}

/// A high profile whose answer is lost, then a low one that is applied.
fn overtaken(state: &mut SiteState) -> (CommandId, CommandId) {
    let high = issue(state, 1, 1, amps(1, &[(0, 160)]));
    answer(state, 11, high, lost());
    let low = issue(state, 12, 1, amps(12, &[(0, 60)]));
    answer(state, 13, low, applied());
    (high, low)
}

fn read(state: &mut SiteState, asked: i64, second: i64, profile: Profile) {
    let id = state.last_command.next();
    let command = Command {
        id,
        evse: evse_id(1),
        session: Some(session(1, 0).id),
        native_session: None,
        plan: None,
        issued_at: at(asked),
        action: Action::ReadProfile,
    };
    happen(state, asked, EventKind::CommandIssued { command });
    let kind = EventKind::ProfileRead {
        evse: evse_id(1),
        session: session(1, 0).id,
        profile: Some(profile),
        command: Some(id),
    };
    happen(state, second, kind);
}

fn measured(state: &mut SiteState, second: i64, power: f64) {
    let reading = Reading {
        power: kw(power),
        at: at(second),
    };
    let (evse, energy) = (evse_id(1), None);
    let kind = EventKind::EvseMeasured {
        evse,
        reading,
        energy,
    };
    happen(state, second, kind);
}

/// What a platform shows of an active profile: one hour.
fn hour(start: i64, tenths: i64) -> Profile {
    Profile {
        duration_s: Some(3600),
        ..amps(start, &[(0, tenths)])
    }
}

#[test]
fn a_request_whose_answer_was_lost_may_still_arrive_after_a_newer_one_was_applied() {
    let mut state = charging(false);
    overtaken(&mut state);
    assert_eq!(bound(&state, 14), HARDWARE);
    assert_eq!(bound(&state, 14 + LATE_S), HARDWARE, "it may be what holds");
}

#[test]
fn a_profile_sent_after_the_last_chance_of_a_late_request_puts_an_end_to_it() {
    let mut state = charging(false);
    overtaken(&mut state);
    let too_early = issue(&mut state, 100, 1, amps(100, &[(0, 60)]));
    answer(&mut state, 101, too_early, applied());
    assert_eq!(bound(&state, 101), HARDWARE);
    let after = issue(&mut state, 11 + LATE_S, 1, amps(100, &[(0, 60)]));
    answer(&mut state, 12 + LATE_S, after, applied());
    assert_eq!(bound(&state, 12 + LATE_S), LOW);
    assert!(state.evses[&evse_id(1)].profiles.late.is_empty());
}

#[test]
fn a_late_request_that_is_refused_counts_no_more() {
    let mut state = charging(false);
    let (high, _) = overtaken(&mut state);
    answer(&mut state, 20, high, refused());
    assert_eq!(bound(&state, 20), LOW);
}

#[test]
fn a_late_result_of_an_older_profile_lets_both_count_until_something_newer_holds() {
    let mut state = charging(false);
    let (high, _) = overtaken(&mut state);
    answer(&mut state, 20, high, applied());
    assert_eq!(bound(&state, 20), HARDWARE);
    let next = issue(&mut state, 21, 1, amps(21, &[(0, 60)]));
    answer(&mut state, 22, next, applied());
    assert_eq!(bound(&state, 22), LOW);
}

#[test]
fn results_in_the_order_of_requests_that_were_taken_in_turn_settle_both() {
    let mut state = charging(false);
    let accepted = Answer::Accepted { deadline: at(40) };
    let high = issue(&mut state, 1, 1, amps(1, &[(0, 160)]));
    answer(&mut state, 2, high, accepted);
    let low = issue(&mut state, 3, 1, amps(3, &[(0, 60)]));
    answer(&mut state, 4, high, applied());
    answer(&mut state, 5, low, applied());
    assert_eq!(bound(&state, 5), LOW);
}

#[test]
fn over_one_ordered_connection_what_is_newer_holds() {
    let mut state = charging(true);
    let high = issue(&mut state, 1, 1, amps(1, &[(0, 160)]));
    answer(&mut state, 31, high, lost());
    let low = issue(&mut state, 32, 1, amps(32, &[(0, 60)]));
    answer(&mut state, 33, low, applied());
    assert_eq!(bound(&state, 33), LOW);
}

#[test]
fn a_read_shows_that_a_late_request_never_came_only_after_its_last_chance() {
    let mut state = charging(false);
    overtaken(&mut state);
    read(&mut state, 100, 101, hour(100, 60));
    assert_eq!(bound(&state, 101), HARDWARE);
    read(&mut state, 11 + LATE_S, 13 + LATE_S, hour(11 + LATE_S, 60));
    assert_eq!(bound(&state, 13 + LATE_S), LOW);
}

#[test]
fn an_active_profile_of_one_hour_proves_no_lowering_that_begins_later() {
    let mut state = charging(false);
    let high = issue(&mut state, 1, 1, amps(1, &[(0, 160)]));
    answer(&mut state, 2, high, applied());
    // The same for two hours, then 6 A.
    let lowering = issue(&mut state, 3, 1, amps(3, &[(0, 160), (7200, 60)]));
    answer(&mut state, 13, lowering, lost());
    read(&mut state, 20, 21, hour(20, 160));
    assert_eq!(bound(&state, 3 + 7200), HARDWARE);
    // Two hours on the hour that is shown tells them apart.
    read(&mut state, 7000, 7001, amps(7000, &[(0, 160), (203, 60)]));
    assert_eq!(bound(&state, 3 + 7200), LOW);
}

#[test]
fn what_is_read_does_not_choose_between_two_requests_that_say_the_same_for_now() {
    let mut state = charging(false);
    let first = issue(&mut state, 1, 1, amps(1, &[(0, 60), (7200, 160)]));
    answer(&mut state, 11, first, lost());
    let second = issue(&mut state, 72, 1, amps(72, &[(0, 60)]));
    answer(&mut state, 82, second, lost());
    read(&mut state, 83, 84, hour(83, 60));
    assert_eq!(bound(&state, 84), LOW);
    assert_eq!(bound(&state, 7300), HARDWARE, "the first may be what holds");
}

#[test]
fn a_meter_that_counts_backwards_or_a_car_that_takes_less_by_itself_proves_no_lowering() {
    let mut state = charging(false);
    measured(&mut state, 1, 11.0);
    let pause = issue(&mut state, 2, 1, amps(2, &[(0, 0)]));
    answer(&mut state, 12, pause, lost());
    measured(&mut state, 20, -11.0);
    measured(&mut state, 30, 0.0);
    assert_eq!(bound(&state, 30), HARDWARE);
    measured(&mut state, 40, 11.0);
    let low = issue(&mut state, 72, 1, amps(72, &[(0, 100)]));
    answer(&mut state, 82, low, lost());
    // 10 A x 253 V x 3 = 7,590 W; a car under that limit takes more than a third of it.
    measured(&mut state, 90, 2.5);
    assert_eq!(bound(&state, 90), HARDWARE);
}

#[test]
fn a_drop_does_not_choose_between_two_requests_that_ask_for_it() {
    let mut state = charging(false);
    measured(&mut state, 1, 11.0);
    let first = issue(&mut state, 2, 1, amps(2, &[(0, 60), (7200, 160)]));
    answer(&mut state, 12, first, lost());
    let second = issue(&mut state, 72, 1, amps(72, &[(0, 60)]));
    answer(&mut state, 82, second, lost());
    measured(&mut state, 90, 4.1);
    assert_eq!(bound(&state, 90), LOW);
    assert_eq!(bound(&state, 7300), HARDWARE);
}

#[test]
fn after_a_restart_a_late_request_has_its_last_chance_too() {
    let mut state = charging(false);
    let high = issue(&mut state, 1, 1, amps(1, &[(0, 160)]));
    let low = issue(&mut state, 2, 1, amps(2, &[(0, 60)]));
    answer(&mut state, 3, low, applied());
    assert_eq!(state.evses[&evse_id(1)].profiles.late_until(), None);
    happen(&mut state, 10, EventKind::Restarted);
    let until = state.evses[&evse_id(1)].profiles.late_until();
    assert_eq!(until, Some(at(10 + LATE_S)));
    answer(&mut state, 11, high, refused());
    assert_eq!(bound(&state, 11), LOW);
}

#[test]
fn of_many_unanswered_requests_none_is_forgotten() {
    let mut state = charging(false);
    let low = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, low, applied());
    for turn in 0..40 {
        let tenths = if turn == 0 { 160 } else { 60 };
        let id = issue(&mut state, 10 + turn, 1, amps(10 + turn, &[(0, tenths)]));
        answer(&mut state, 10 + turn, id, lost());
    }
    assert_eq!(bound(&state, 60), HARDWARE);
    let last = issue(&mut state, 60 + LATE_S, 1, amps(60, &[(0, 60)]));
    answer(&mut state, 61 + LATE_S, last, applied());
    assert_eq!(bound(&state, 61 + LATE_S), LOW);
}

#[test]
fn a_peer_that_never_answers_may_be_asked_for_less_as_often_as_needed() {
    let mut state = charging(false);
    let low = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, low, applied());
    for round in 1..60 {
        let second = round * 900;
        let limit = if round % 2 == 0 { 0 } else { 60 };
        let command = issue(&mut state, second, 1, amps(second, &[(0, limit), (600, 0)]));
        answer(&mut state, second + 10, command, lost());
        assert!(bound(&state, second + 20) <= LOW, "round {round}");
    }
}

#[test]
fn of_two_requests_that_say_the_same_the_later_may_still_be_on_its_way() {
    let mut state = charging(false);
    let low = [(0, 60), (3600, 160)];
    let first = issue(&mut state, 1, 1, amps(1, &low));
    answer(&mut state, 11, first, lost());
    // The same again, and its answer is lost as well: what is read was asked for by either.
    let second = issue(&mut state, 61, 1, amps(1, &low));
    answer(&mut state, 71, second, lost());
    let mut seen = amps(72, &[(0, 60)]);
    seen.duration_s = Some(3000);
    read(&mut state, 71, 73, seen);
    // A newer one that is shorter holds; the second of the two may come after it.
    let last = issue(&mut state, 100, 1, amps(100, &[(0, 60)]));
    answer(&mut state, 101, last, applied());
    assert_eq!(bound(&state, 4000), HARDWARE);
    let known = &state.evses[&evse_id(1)].profiles;
    assert!(known.late.iter().any(|late| late.command == Some(second)));
}

#[test]
fn granted_is_what_every_profile_allows_that_may_hold() {
    let mut state = charging(false);
    let evse = state.site.evses[0].clone();
    let granted =
        |state: &SiteState, second: i64| state.evses[&evse_id(1)].granted(&evse).at(at(second));
    assert_eq!(granted(&state, 0), HARDWARE, "nothing limits it");
    let low = issue(&mut state, 1, 1, amps(1, &[(0, 60), (100, 160)]));
    assert_eq!((granted(&state, 50), bound(&state, 50)), (LOW, HARDWARE));
    answer(&mut state, 2, low, applied());
    assert_eq!((granted(&state, 50), bound(&state, 50)), (LOW, LOW));
    let high = issue(&mut state, 3, 1, amps(3, &[(0, 160)]));
    answer(&mut state, 13, high, lost());
    assert_eq!((granted(&state, 50), bound(&state, 50)), (LOW, HARDWARE));
}
