//! Who answers makes room for who does not; what is taken back never breaks a limit.

use super::*;
use crate::domain::session::Reading;

fn answer(state: &mut SiteState, second: i64, command: &Command, answer: Answer) {
    let command = command.id;
    happen(
        state,
        second,
        EventKind::CommandAnswered { command, answer },
    );
}

fn cut(state: &mut SiteState, second: i64, limit_kw: f64) {
    let mut site = (*state.site).clone();
    site.circuits[0].import_limit = Some(kw(limit_kw));
    let site = Box::new(site);
    happen(state, second, EventKind::SiteConfigured { site });
}

/// Two cars at 16 A each, confirmed, under 25 kW.
fn two_at_full_power() -> SiteState {
    let mut state = live(site_of(25.0, 2));
    plug_in(&mut state, 0, 1);
    plug_in(&mut state, 0, 2);
    follow(&mut state, 0, &[&[12.2; 8], &[12.2; 8]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    state
}

fn refused(reason: Refusal) -> Answer {
    let detail = String::new();
    Answer::Refused { reason, detail }
}

fn now_of(command: &Command) -> Tenths {
    profile(command).periods[0].limit
}

fn total_kw(state: &SiteState, second: i64) -> f64 {
    let root = state.site.root().expect("a root");
    let bound = state.circuit_bound(root, at(second));
    bound.total().at(at(second)).kilowatts()
}

#[test]
fn a_refused_lowering_is_made_good_by_the_others_and_not_repeated_at_once() {
    let mut state = two_at_full_power();
    cut(&mut state, 1000, 17.0);
    follow(&mut state, 1000, &[&[4.9; 8], &[12.2; 8]]);
    let commands = send(&mut state, 1000);
    assert_eq!(names(&commands), ["e1"]);
    answer(&mut state, 1001, &commands[0], refused(Refusal::Rejected));
    // e1 keeps 16 A = 12.144 kW: 17 - 12.144 = 4.856 kW are left for e2 -> 6.3 A.
    let commands = send(&mut state, 1001);
    assert_eq!(names(&commands), ["e2"]);
    assert_eq!(now_of(&commands[0]), Tenths(63));
    confirm(&mut state, 1002, &commands);
    assert!(state.excursions.open.is_empty(), "{:?}", state.excursions);
    assert_eq!(send(&mut state, 1002), []);
}

#[test]
fn an_urgent_lowering_that_is_refused_again_and_again_is_sent_with_growing_pauses() {
    let mut state = live(site_of(13.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2; 8]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    cut(&mut state, 1000, 5.0);
    follow(&mut state, 1000, &[&[4.9; 8]]);
    let mut sent = 0;
    for second in 1000..1120 {
        for command in send(&mut state, second) {
            sent += 1;
            answer(&mut state, second, &command, refused(Refusal::Rejected));
        }
    }
    // At 0, 2, 6, 14, 30, 60, 90 s and so on: 1 << failures seconds, 30 at most.
    assert!((5..=9).contains(&sent), "{sent}");
}

#[test]
fn who_does_not_answer_within_ten_seconds_is_made_room_for() {
    let mut state = two_at_full_power();
    cut(&mut state, 1000, 17.0);
    follow(&mut state, 1000, &[&[4.8; 8], &[12.2; 8]]);
    assert_eq!(names(&send(&mut state, 1000)), ["e1"]);
    let waiting = reconcile(&state, &policy(), at(1005));
    assert_eq!(waiting.commands, []);
    assert_eq!(waiting.wake_at, Some(at(1010)));
    let commands = send(&mut state, 1010);
    assert_eq!(names(&commands), ["e2"]);
    confirm(&mut state, 1011, &commands);
    assert!(state.excursions.open.is_empty());
}

#[test]
fn a_load_that_nobody_controls_is_made_room_for_before_the_next_plan() {
    let mut state = two_at_full_power();
    let plans = state.plan_inputs;
    let reading = Reading {
        power: kw(10.0),
        at: at(1000),
    };
    happen(&mut state, 1000, EventKind::SiteMetered { reading });
    assert!(state.plan_inputs > plans, "a plan is wanted");
    let first = reconcile(&state, &policy(), at(1000));
    assert_eq!((first.commands.len(), first.wake_at), (0, Some(at(1001))));
    // No plan comes. 25 - 10 = 15 kW for 24.3.
    let commands = send(&mut state, 1001);
    confirm(&mut state, 1002, &commands);
    assert!(total_kw(&state, 1002) <= 25.0, "{}", total_kw(&state, 1002));
}

#[test]
fn an_arrival_waits_for_room_while_another_keeps_what_it_should_give_up() {
    let mut state = live(site_of(12.5, 2));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2; 8]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    // e2 comes; the plan gives it everything, but e1 never says that it follows.
    plug_in(&mut state, 1000, 2);
    follow(&mut state, 1000, &[&[0.0; 8], &[12.2; 8]]);
    let both = send(&mut state, 1000);
    let e2 = both.iter().filter(|c| c.evse.as_str() == "e2");
    confirm(&mut state, 1001, &e2.cloned().collect::<Vec<_>>());
    let commands = send(&mut state, 1010);
    assert_eq!(names(&commands), ["e2"]);
    assert_eq!(now_of(&commands[0]), Tenths(0));
    confirm(&mut state, 1011, &commands);
    assert!(state.excursions.open.is_empty());
    assert_eq!(state.excursions.self_caused, 0);
}

#[test]
fn a_rollback_clears_what_the_limit_bears_and_keeps_the_rest_until_there_is_room() {
    let mut state = live(site_of(20.0, 3));
    for number in 1..=3 {
        plug_in(&mut state, 0, number);
    }
    follow(&mut state, 0, &[&[4.9; 8], &[6.5; 8], &[4.9; 8]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    state.mode = Mode::Shadow;
    // Of 20 kW, 16 are promised. Without a profile a car may draw 12.144: only one fits, the one
    // that rises least.
    let cleared = send(&mut state, 1000);
    assert!(cleared.is_empty(), "{:?}", names(&cleared));
    let mut ended = session(3, 0);
    ended.status = crate::domain::session::SessionStatus::Ended;
    ended.updated_at = at(1001);
    let session = Box::new(ended);
    happen(&mut state, 1001, EventKind::SessionSeen { session });
    let cleared = send(&mut state, 1001);
    assert_eq!(names(&cleared), ["e2"]);
    assert_eq!(cleared[0].action, Action::ClearProfile);
    assert_eq!(
        super::super::kept_in_rollback(&state, at(1001)),
        [evse_id(1)]
    );
    confirm(&mut state, 1002, &cleared);
    assert_eq!(send(&mut state, 1003), []);
    assert_eq!(state.excursions.self_caused, 0);
    assert!(state.excursions.open.is_empty());
}

#[test]
fn going_from_live_to_canary_takes_back_the_profiles_of_the_others() {
    let mut state = two_at_full_power();
    state.mode = Mode::Canary;
    state.canary = [evse_id(1)].into();
    follow(&mut state, 1000, &[&[12.2; 8], &[12.2; 8]]);
    let commands = send(&mut state, 1000);
    assert_eq!(names(&commands), ["e2"]);
    assert_eq!(commands[0].action, Action::ClearProfile);
}
