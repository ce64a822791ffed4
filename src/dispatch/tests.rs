//! Behaviour of dispatch: lower before raise, evidence before reuse, safe tails, patience.

use super::reconcile;
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::PlanId;
use crate::domain::plan::{Plan, PlanOrigin, PlannedEvse, Reason};
use crate::domain::policy::Policy;
use crate::domain::profile::{Profile, Tenths};
use crate::domain::quantity::{Energy, Money, Power};
use crate::domain::site::Mode;
use crate::domain::time::Horizon;
use crate::state::SiteState;
use crate::state::testing::{
    amps, at, evse_id, happen, issue, kw, live, partner, session, site_of,
};

/// A plan of quarter-hour slots from second 0 for EVSEs 1, 2, ..., in kW of worst case.
fn plan(state: &SiteState, powers: &[&[f64]]) -> Plan {
    let slots = powers.iter().map(|p| p.len()).max().unwrap_or(0);
    let evses = powers
        .iter()
        .enumerate()
        .map(|(index, powers)| {
            let session = state.evses[&evse_id(index + 1)]
                .running()
                .expect("runs")
                .id
                .clone();
            PlannedEvse {
                evse: evse_id(index + 1),
                session,
                power: powers.iter().map(|p| kw(*p)).collect(),
                reasons: vec![Reason::CheapSlot; powers.len()],
                unmet: Energy::ZERO,
                ready_at: None,
                departure: None,
                needed: Energy::ZERO,
                limited_by: Vec::new(),
            }
        })
        .collect();
    Plan {
        id: state.last_plan.next(),
        parent: Some(state.last_plan).filter(|id| *id != PlanId::default()),
        made_at: at(0),
        input_digest: String::new(),
        horizon: Horizon {
            start: at(0),
            slot_s: 900,
            slots,
        },
        origin: PlanOrigin::Optimal,
        evses,
        circuits: Vec::new(),
        prices: Vec::new(),
        cost: Money::ZERO,
        peak_target: None,
    }
}

/// The numbers the expectations below are made with.
fn policy() -> Policy {
    Policy {
        dead_band: Power::from_watts(100),
        min_hold_s: 60,
        ..Policy::default()
    }
}

fn follow(state: &mut SiteState, second: i64, powers: &[&[f64]]) {
    let plan = plan(state, powers);
    happen(
        state,
        second,
        EventKind::PlanStored {
            plan: Box::new(plan),
        },
    );
}

fn plug_in(state: &mut SiteState, second: i64, number: usize) {
    happen(
        state,
        second,
        EventKind::SessionSeen {
            session: Box::new(session(number, second)),
        },
    );
}

/// Runs dispatch and journals what it wants sent.
fn send(state: &mut SiteState, second: i64) -> Vec<Command> {
    let dispatch = reconcile(state, &policy(), at(second));
    for command in &dispatch.commands {
        happen(
            state,
            second,
            EventKind::CommandIssued {
                command: command.clone(),
            },
        );
    }
    dispatch.commands
}

fn confirm(state: &mut SiteState, second: i64, commands: &[Command]) {
    for command in commands {
        let answer = Answer::Applied {
            evidence: Evidence::Result,
        };
        happen(
            state,
            second,
            EventKind::CommandAnswered {
                command: command.id,
                answer,
            },
        );
    }
}

fn answer(state: &mut SiteState, second: i64, command: &Command, answer: Answer) {
    let command = command.id;
    happen(
        state,
        second,
        EventKind::CommandAnswered { command, answer },
    );
}

fn profile(command: &Command) -> &Profile {
    match &command.action {
        Action::SetProfile { profile } => profile,
        other => unreachable!("a profile is expected, not {other:?}"),
    }
}

fn names(commands: &[Command]) -> Vec<&str> {
    commands.iter().map(|c| c.evse.as_str()).collect()
}

#[test]
fn a_new_session_gets_its_profile_with_a_safe_last_period() {
    let mut state = live(site_of(20.0, 2));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2, 0.0, 9.0]]);
    let commands = send(&mut state, 0);
    let sent = profile(&commands[0]);
    // 16 A; pause; 9 kW / (253 V x 3) = 11.8 A; then the fallback: 20 kW / 2 = 10 kW -> 13.1 A
    let steps: Vec<_> = sent.periods.iter().map(|p| (p.start_s, p.limit)).collect();
    assert_eq!(
        steps,
        [
            (0, Tenths(160)),
            (900, Tenths(0)),
            (1800, Tenths(118)),
            (2700, Tenths(131))
        ]
    );
    assert_eq!(
        sent.duration_s, None,
        "over OCPI the safe last value runs on for ever"
    );
}

#[test]
fn who_may_rise_waits_for_the_confirmation_of_who_must_fall() {
    let mut state = live(site_of(20.0, 2));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    // The second car comes: 12.1 + 12.1 kW are possible, 20 kW allowed. Car 1 must fall first.
    plug_in(&mut state, 100, 2);
    follow(&mut state, 100, &[&[7.0], &[12.2]]);
    let commands = send(&mut state, 100);
    assert_eq!(
        names(&commands),
        ["e1", "e2"],
        "both fall: e2 from what its hardware can"
    );
    // e2 is held to its bound 12.1 (no rise), e1 falls to 9.2 A.
    assert_eq!(profile(&commands[0]).periods[0].limit, Tenths(92));
    confirm(&mut state, 101, &commands);
    assert!(state.excursions.open.is_empty());
    // Now car 2 falls and car 1 rises: the rise waits.
    follow(&mut state, 200, &[&[12.2], &[5.0]]);
    let commands = send(&mut state, 200);
    assert_eq!(names(&commands), ["e2", "e1"]);
    let rise = profile(&commands[1]).periods[0].limit;
    // Room: 20 - 6.9828 (9.2 A) - 12.144 = 0.8732 kW -> 7.856 kW -> 10.3 A
    assert_eq!(rise, Tenths(103));
    confirm(&mut state, 201, &commands);
    let commands = send(&mut state, 300);
    assert_eq!(names(&commands), ["e1"]);
    // The rest of it. 20 - 4.933 (6.5 A) = 15.07 kW: all of it fits.
    assert_eq!(profile(&commands[0]).periods[0].limit, Tenths(160));
    assert_eq!(state.excursions.self_caused, 0);
}

#[test]
fn nothing_rises_at_a_partner_that_was_not_read_back() {
    let mut state = live(site_of(20.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[5.0]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    happen(&mut state, 100, EventKind::Restarted);
    follow(&mut state, 100, &[&[12.0]]);
    assert_eq!(send(&mut state, 100), []);
    follow(&mut state, 101, &[&[4.6]]);
    assert_eq!(
        send(&mut state, 101).len(),
        1,
        "a lowering goes all the same"
    );
    let seen = EventKind::PartnerSeen {
        partner: partner(),
        health: PartnerHealth::Current,
    };
    happen(&mut state, 102, seen);
    follow(&mut state, 102, &[&[12.0]]);
    let wake = reconcile(&state, &policy(), at(102)).wake_at;
    assert_eq!(wake, None, "the lowering is under way; its answer wakes us");
}

#[test]
fn one_request_at_a_time_unless_the_limit_asks_for_it() {
    let mut state = live(site_of(13.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2]]);
    let first = send(&mut state, 0);
    follow(&mut state, 5, &[&[8.0]]);
    assert_eq!(send(&mut state, 5), [], "the first is not answered yet");
    confirm(&mut state, 6, &first);
    // The operator cuts the limit while another request is under way.
    follow(&mut state, 70, &[&[11.0]]);
    assert_eq!(send(&mut state, 70).len(), 1);
    let mut site = (*state.site).clone();
    site.circuits[0].import_limit = Some(kw(6.0));
    happen(
        &mut state,
        71,
        EventKind::SiteConfigured {
            site: Box::new(site),
        },
    );
    follow(&mut state, 71, &[&[6.0]]);
    let commands = send(&mut state, 71);
    assert_eq!(profile(&commands[0]).periods[0].limit, Tenths(79));
}

#[test]
fn small_changes_are_not_sent_and_larger_ones_not_too_often() {
    let mut state = live(site_of(20.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[8.0, 8.0]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    follow(&mut state, 100, &[&[8.05, 8.05]]);
    assert_eq!(send(&mut state, 100), [], "50 W are within the dead band");
    follow(&mut state, 101, &[&[10.0, 8.0]]);
    let second = send(&mut state, 101);
    assert_eq!(second.len(), 1);
    confirm(&mut state, 102, &second);
    follow(&mut state, 110, &[&[12.0, 8.0]]);
    let dispatch = reconcile(&state, &policy(), at(110));
    assert_eq!(dispatch.commands, []);
    assert_eq!(dispatch.wake_at, Some(at(161)), "60 s after the last one");
}

#[test]
fn a_change_to_come_is_sent_when_it_comes() {
    let mut state = live(site_of(20.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[8.0, 8.0, 8.0]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    // From 1,800 s on less is planned: nothing to send yet, and a minute before that there is.
    follow(&mut state, 100, &[&[8.0, 8.0, 0.0]]);
    let dispatch = reconcile(&state, &policy(), at(100));
    assert_eq!(dispatch.commands, []);
    assert_eq!(dispatch.wake_at, Some(at(1740)));
    assert_eq!(send(&mut state, 1741).len(), 1);
}

#[test]
fn silence_is_answered_by_a_retry_and_then_by_asking_what_holds() {
    let mut state = live(site_of(20.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[8.0]]);
    let unknown = |state: &mut SiteState, second, commands: &[Command]| {
        let answer = Answer::Unknown {
            detail: "timed out".into(),
        };
        happen(
            state,
            second,
            EventKind::CommandAnswered {
                command: commands[0].id,
                answer,
            },
        );
    };
    let first = send(&mut state, 0);
    unknown(&mut state, 30, &first);
    assert_eq!(send(&mut state, 30), [], "not at once");
    let retry = send(&mut state, 61);
    assert_eq!(retry.len(), 1);
    unknown(&mut state, 91, &retry);
    let read = send(&mut state, 91);
    assert_eq!(read[0].action, Action::ReadProfile);
    assert_eq!(send(&mut state, 92), [], "asked once");
}

#[test]
fn a_refusal_is_followed_by_a_pause_and_an_uncontrollable_evse_by_nothing() {
    let mut state = live(site_of(20.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[8.0]]);
    let refuse = |state: &mut SiteState, second, command: &Command, reason| {
        let answer = Answer::Refused {
            reason,
            detail: String::new(),
        };
        happen(
            state,
            second,
            EventKind::CommandAnswered {
                command: command.id,
                answer,
            },
        );
    };
    let first = send(&mut state, 0);
    refuse(&mut state, 1, &first[0], Refusal::Rejected);
    let dispatch = reconcile(&state, &policy(), at(2));
    assert_eq!(
        (dispatch.commands.len(), dispatch.wake_at),
        (0, Some(at(16)))
    );
    let second = send(&mut state, 16);
    refuse(&mut state, 17, &second[0], Refusal::NotSupported);
    assert_eq!(send(&mut state, 5000), []);
}

#[test]
fn shadow_sends_nothing_and_going_back_to_it_clears_what_was_sent() {
    let mut state = live(site_of(20.0, 2));
    state.mode = Mode::Shadow;
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[8.0]]);
    assert_eq!(send(&mut state, 0), []);
    state.mode = Mode::Live;
    let first = send(&mut state, 1);
    confirm(&mut state, 2, &first);
    state.mode = Mode::Shadow;
    let cleared = send(&mut state, 3);
    assert_eq!(cleared[0].action, Action::ClearProfile);
    assert_eq!(send(&mut state, 4), [], "once");
}

#[test]
fn a_future_cut_of_the_limit_is_answered_before_its_time() {
    use crate::domain::id::SignalKey;
    use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
    let mut state = live(site_of(13.0, 1));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[12.2, 12.2, 12.2, 12.2]]);
    let first = send(&mut state, 0);
    confirm(&mut state, 1, &first);
    let series = SignalSeries {
        key: SignalKey::new("dso").expect("valid"),
        source: "test".into(),
        revision: 1,
        kind: SignalKind::ImportLimit,
        circuit: None,
        slots: vec![SignalSlot {
            start: at(1800),
            end: at(2700),
            value: 6000,
        }],
        priority: 10,
        hard: true,
        issued_at: at(2),
        received_at: at(2),
        valid_until: None,
        evse: None,
        evses_only: false,
    };
    happen(
        &mut state,
        2,
        EventKind::SignalSet {
            series: Box::new(series),
        },
    );
    follow(&mut state, 2, &[&[12.2, 12.2, 6.0, 12.2]]);
    let commands = send(&mut state, 3);
    assert_eq!(profile(&commands[0]).limit_at(at(1800)), Some(Tenths(79)));
    assert_eq!(profile(&commands[0]).limit_at(at(1799)), Some(Tenths(160)));
}

mod making_room;

/// A site with a car whose first profile, of 5 kW, nobody answers.
fn unanswered(limit_kw: f64, evses: usize) -> SiteState {
    let mut state = live(site_of(limit_kw, evses));
    plug_in(&mut state, 0, 1);
    follow(&mut state, 0, &[&[5.0, 5.0, 5.0, 5.0]]);
    let first = send(&mut state, 0);
    answer(&mut state, 10, &first[0], silence());
    state
}

fn silence() -> Answer {
    Answer::Unknown {
        detail: String::new(),
    }
}

#[test]
fn what_could_not_be_sent_after_silence_waits_for_its_pause() {
    let mut state = unanswered(50.0, 1);
    // The peer is away: nothing leaves, and nothing leaves again in the same moment.
    for second in 70..72 {
        for command in send(&mut state, second) {
            let away = Answer::NotSent {
                detail: "offline".into(),
            };
            answer(&mut state, second, &command, away);
            assert!(send(&mut state, second).is_empty(), "again at {second} s");
        }
    }
    assert!(state.last_command.0 <= 3, "{}", state.last_command);
}

#[test]
fn a_profile_that_may_not_be_in_force_leaves_no_room_to_rise_to_it() {
    // 5 kW were asked for, and its full rating counts because nobody answered.
    let mut state = unanswered(23.0, 2);
    plug_in(&mut state, 20, 2);
    follow(
        &mut state,
        20,
        &[&[11.0, 11.0, 11.0, 11.0], &[11.0, 11.0, 11.0, 11.0]],
    );
    let second = send(&mut state, 200);
    let to_first = second.iter().find(|command| command.evse == evse_id(1));
    let to_first = to_first.expect("it is asked again");
    // 12.1 kW may be drawn at the other: 10.9 are left. Within our bound of it, but not beside.
    let said = profile(to_first).periods[0].limit;
    let evse = &state.site.evses[0];
    let most = evse.worst_case_of(evse.unit(), said);
    assert!(most <= kw(23.0) - kw(12.144), "{said:?}");
}

#[test]
fn where_nobody_has_answered_for_long_a_cut_is_still_told_now_and_then() {
    let mut state = unanswered(50.0, 1);
    for second in 11..40 {
        let limit = [(0, 150 + second % 2)];
        let command = issue(&mut state, second, 1, amps(second, &limit));
        let answer = silence();
        happen(
            &mut state,
            second,
            EventKind::CommandAnswered { command, answer },
        );
    }
    let mut site = (*state.site).clone();
    site.circuits[0].import_limit = Some(kw(8.0));
    let site = Box::new(site);
    happen(&mut state, 40, EventKind::SiteConfigured { site });
    follow(&mut state, 40, &[&[5.0, 5.0, 5.0, 5.0]]);
    let lowered = |state: &mut SiteState, second: i64| -> usize {
        let commands = send(state, second);
        let is_set = |command: &&Command| matches!(command.action, Action::SetProfile { .. });
        for command in &commands {
            answer(state, second, command, silence());
        }
        commands.iter().filter(is_set).count()
    };
    assert_eq!(lowered(&mut state, 50), 0, "11 s after the last");
    assert_eq!(lowered(&mut state, 70), 1, "31 s after it");
    assert_eq!(lowered(&mut state, 80), 0, "10 s after that");
}
