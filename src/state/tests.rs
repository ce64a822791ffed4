//! Behaviour of the state: bounds, life cycle of profiles, excursions.

use super::SiteState;
use super::evse_state::Control;
use super::excursion::Cause;
use super::testing::{amps, at, evse_id, happen, issue, kw, live, partner, session, site_of};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::event::{Event, EventKind, PartnerHealth};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{Needs, Reading, Session, SessionStatus};
use crate::domain::site::ArrivalReserve;

fn seen(state: &mut SiteState, second: i64, number: usize) {
    happen(
        state,
        second,
        EventKind::SessionSeen {
            session: Box::new(session(number, second)),
        },
    );
}

fn answer(
    state: &mut SiteState,
    second: i64,
    command: crate::domain::id::CommandId,
    answer: Answer,
) {
    happen(
        state,
        second,
        EventKind::CommandAnswered { command, answer },
    );
}

fn applied() -> Answer {
    Answer::Applied {
        evidence: Evidence::Result,
    }
}

fn bound(state: &SiteState, number: usize, second: i64) -> Power {
    state.evse_bound(&evse_id(number)).at(at(second))
}

/// 11.04 kW x 1.1: what an EVSE of the tests draws at most.
const HARDWARE: Power = Power::from_watts(12_144);

#[test]
fn a_session_with_nothing_confirmed_counts_at_its_hardware_maximum() {
    let mut state = live(site_of(100.0, 2));
    assert_eq!(
        bound(&state, 1, 0),
        Power::ZERO,
        "a free EVSE over OCPI counts nothing"
    );
    seen(&mut state, 1, 1);
    assert_eq!(bound(&state, 1, 1), HARDWARE);
}

#[test]
fn a_lower_profile_counts_only_once_it_is_shown_to_be_applied() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    assert_eq!(bound(&state, 1, 1), HARDWARE);
    answer(
        &mut state,
        2,
        command,
        Answer::Accepted { deadline: at(32) },
    );
    assert_eq!(
        bound(&state, 1, 2),
        HARDWARE,
        "accepted is not applied (I5)"
    );
    answer(&mut state, 3, command, applied());
    // 6 A x 253 V x 3 = 4,554 W
    assert_eq!(bound(&state, 1, 3), Power::from_watts(4554));
}

#[test]
fn while_a_change_is_unanswered_old_and_new_both_count() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let first = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, first, applied());
    let raise = issue(&mut state, 3, 1, amps(3, &[(0, 160)]));
    assert_eq!(
        bound(&state, 1, 3),
        HARDWARE,
        "a raise counts from the moment it may have left"
    );
    answer(
        &mut state,
        4,
        raise,
        Answer::Refused {
            reason: Refusal::Rejected,
            detail: String::new(),
        },
    );
    assert_eq!(
        bound(&state, 1, 4),
        Power::from_watts(4554),
        "a refused one never counts"
    );
    let lost = issue(&mut state, 30, 1, amps(30, &[(0, 160)]));
    answer(
        &mut state,
        31,
        lost,
        Answer::Unknown {
            detail: "timed out".into(),
        },
    );
    assert_eq!(
        bound(&state, 1, 5000),
        HARDWARE,
        "an unknown one counts until settled"
    );
}

#[test]
fn a_confirmation_lapses_with_its_session() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, command, applied());
    let mut ended = session(1, 0);
    ended.status = SessionStatus::Ended;
    ended.updated_at = at(10);
    happen(
        &mut state,
        10,
        EventKind::SessionSeen {
            session: Box::new(ended),
        },
    );
    assert_eq!(bound(&state, 1, 10), Power::ZERO);
    seen(&mut state, 20, 1);
    assert_eq!(
        bound(&state, 1, 20),
        HARDWARE,
        "the next car is not under the last one's profile"
    );
}

#[test]
fn only_newer_word_reopens_an_ended_session() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let mut ended = session(1, 0);
    ended.status = SessionStatus::Ended;
    ended.updated_at = at(10);
    happen(
        &mut state,
        10,
        EventKind::SessionSeen {
            session: Box::new(ended),
        },
    );
    let mut late = session(1, 0);
    late.updated_at = at(9);
    happen(
        &mut state,
        11,
        EventKind::SessionSeen {
            session: Box::new(late.clone()),
        },
    );
    assert!(state.evses[&evse_id(1)].is_free());
    // Newer word that it runs: what draws must count, and its profile has lapsed.
    late.updated_at = at(12);
    let session = Box::new(late);
    happen(&mut state, 12, EventKind::SessionSeen { session });
    assert_eq!(bound(&state, 1, 12), HARDWARE);
}

#[test]
fn a_measured_drop_is_evidence_and_a_car_that_stops_is_none() {
    let reading = |second: i64, value: f64| EventKind::EvseMeasured {
        evse: evse_id(1),
        reading: Reading {
            power: kw(value),
            at: at(second),
        },
        energy: None,
    };
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    happen(&mut state, 1, reading(1, 11.0));
    issue(&mut state, 2, 1, amps(2, &[(0, 60)]));
    happen(&mut state, 60, reading(60, 0.0));
    assert_eq!(bound(&state, 1, 60), HARDWARE);
    happen(&mut state, 61, reading(61, 11.0));
    happen(&mut state, 62, reading(62, 4.1));
    assert_eq!(bound(&state, 1, 62), Power::from_watts(4554));
}

#[test]
fn nothing_is_learned_of_a_car_from_a_mean_over_two_profiles() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let none = issue(&mut state, 1, 1, amps(1, &[(0, 0)]));
    answer(&mut state, 2, none, applied());
    let read = |state: &mut SiteState, second: i64| {
        let reading = Reading {
            power: Power::ZERO,
            at: at(second),
        };
        let (evse, energy) = (evse_id(1), None);
        let measured = EventKind::EvseMeasured {
            evse,
            reading,
            energy,
        };
        happen(state, second, measured);
        state.evses[&evse_id(1)].full
    };
    assert!(!read(&mut state, 300));
    let high = issue(&mut state, 598, 1, amps(598, &[(0, 160)]));
    answer(&mut state, 599, high, applied());
    assert!(!read(&mut state, 600), "a second ago it might take nothing");
    assert!(read(&mut state, 900));
}

#[test]
fn a_charger_that_draws_more_than_it_may_counts_at_its_full_rating() {
    let mut state = live(site_of(10.0, 1));
    seen(&mut state, 0, 1);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, command, applied());
    for second in [60, 120] {
        happen(
            &mut state,
            second,
            EventKind::EvseMeasured {
                evse: evse_id(1),
                reading: Reading {
                    power: kw(11.0),
                    at: at(second),
                },
                energy: None,
            },
        );
    }
    assert!(matches!(
        state.evses[&evse_id(1)].control,
        Control::Disobedient { .. }
    ));
    assert_eq!(bound(&state, 1, 120), HARDWARE);
    assert_eq!(state.excursions.open[0].cause, Cause::Disobedience);
}

#[test]
fn an_arrival_opens_an_excursion_that_ends_with_the_confirmation() {
    let mut state = live(site_of(10.0, 1));
    seen(&mut state, 0, 1);
    assert_eq!(state.excursions.open[0].cause, Cause::Arrival);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 6, command, applied());
    assert!(state.excursions.open.is_empty());
    let closed = &state.excursions.closed[0];
    assert_eq!(
        (closed.closed_at, closed.worst),
        (Some(at(6)), Power::from_watts(2144))
    );
    // 2,144 W x 6 s
    assert_eq!(closed.energy.joules(), 2144 * 6);
    assert_eq!(state.excursions.self_caused, 0);
}

#[test]
fn a_command_that_exceeds_the_limit_is_counted_as_self_caused() {
    let mut state = live(site_of(10.0, 1));
    seen(&mut state, 0, 1);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, command, applied());
    issue(&mut state, 3, 1, amps(3, &[(0, 160)]));
    assert_eq!(state.excursions.self_caused, 1);
}

#[test]
fn the_reserve_is_the_largest_free_evses_by_policy() {
    let mut site = site_of(100.0, 3);
    site.arrival_reserve = ArrivalReserve::Largest(2);
    let mut state = live(site);
    let root = state.site.root().expect("there").clone();
    assert_eq!(state.reserve(&root), HARDWARE * 2);
    seen(&mut state, 0, 1);
    seen(&mut state, 1, 2);
    assert_eq!(state.reserve(&root), HARDWARE, "only one is left free");
}

#[test]
fn after_a_restart_partners_are_stale_and_open_requests_unknown() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    happen(&mut state, 2, EventKind::Restarted);
    assert_eq!(state.partners[&partner()], PartnerHealth::Stale);
    assert!(state.evses[&evse_id(1)].profiles.outstanding[0].unknown);
}

#[test]
fn applying_an_event_twice_changes_nothing() {
    let mut state = live(site_of(100.0, 1));
    let event = Event {
        seq: 1,
        at: at(0),
        kind: EventKind::SessionSeen {
            session: Box::new(session(1, 0)),
        },
    };
    state.apply(&event);
    let once = state.clone();
    state.apply(&event);
    assert_eq!(state, once);
}

#[test]
fn an_active_profile_that_allows_more_than_we_believed_raises_the_bound() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    answer(&mut state, 2, command, applied());
    let read = |profile| EventKind::ProfileRead {
        evse: evse_id(1),
        session: session(1, 0).id,
        profile,
        command: None,
    };
    happen(&mut state, 3, read(Some(amps(3, &[(0, 50)]))));
    assert_eq!(
        bound(&state, 1, 3),
        Power::from_watts(4554),
        "lower: what we sent still holds"
    );
    happen(&mut state, 4, read(Some(amps(4, &[(0, 100)]))));
    // 10 A x 253 V x 3 = 7,590 W
    assert_eq!(bound(&state, 1, 4), Power::from_watts(7590));
    happen(&mut state, 5, read(None));
    assert_eq!(bound(&state, 1, 5), HARDWARE);
}

#[test]
fn without_a_known_limit_a_site_is_only_observed() {
    let mut site = site_of(100.0, 1);
    site.circuits[0].import_limit = None;
    let state = live(site);
    assert!(!state.may_send_to(&evse_id(1)));
}

#[test]
fn a_renamed_evse_keeps_what_holds_there() {
    let mut state = live(site_of(100.0, 2));
    seen(&mut state, 0, 1);
    let before = state.evse_bound(&evse_id(1));
    let mut site = (*state.site).clone();
    site.evses[0].id = crate::domain::id::EvseId::new("left").expect("valid");
    let renamed = site.evses[0].id.clone();
    let site = Box::new(site);
    happen(&mut state, 10, EventKind::SiteConfigured { site });
    assert_eq!(state.evse_bound(&renamed), before);
    let session = state.evses[&renamed].running().expect("runs");
    assert_eq!(session.evse, renamed);
}

#[test]
fn a_reading_that_no_connector_could_make_takes_nothing_from_the_buildings_load() {
    let mut state = live(site_of(100.0, 2));
    seen(&mut state, 0, 1);
    let reading = |kilowatts, second| Reading {
        power: kw(kilowatts),
        at: at(second),
    };
    let evse = evse_id(1);
    let (absurd, energy) = (reading(900.0, 10), None);
    happen(
        &mut state,
        10,
        EventKind::EvseMeasured {
            evse,
            reading: absurd,
            energy,
        },
    );
    let reading = reading(95.0, 11);
    happen(&mut state, 11, EventKind::SiteMetered { reading });
    let root = state.site.root().expect("a root");
    let uncontrolled = state.uncontrolled(root, at(11)).at(at(11));
    assert_eq!(uncontrolled, kw(95.0));
}

#[test]
fn an_energy_that_the_evse_could_not_have_delivered_is_not_believed() {
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let mut absurd = session(1, 0);
    absurd.updated_at = at(600);
    absurd.energy = Energy::from_kilowatt_hours(2000.0);
    let session = Box::new(absurd.clone());
    happen(&mut state, 600, EventKind::SessionSeen { session });
    let known = state.evses[&evse_id(1)].running().expect("runs").energy;
    assert_eq!(known, Energy::ZERO);
    absurd.updated_at = at(1200);
    absurd.energy = Energy::from_kilowatt_hours(2.5);
    let session = Box::new(absurd);
    happen(&mut state, 1200, EventKind::SessionSeen { session });
    let state = &state.evses[&evse_id(1)];
    let known = state.running().expect("runs").energy;
    assert_eq!(known, Energy::from_kilowatt_hours(2.5));
    assert!(
        state
            .reading
            .is_some_and(|reading| reading.power < kw(20.0))
    );
}

#[test]
fn a_meter_whose_clock_is_ahead_does_not_silence_the_next_readings() {
    let mut state = live(site_of(100.0, 1));
    for (kilowatts, stamp, second) in [(0.0, 270, 0), (30.0, 10, 10)] {
        let reading = Reading {
            power: kw(kilowatts),
            at: at(stamp),
        };
        happen(&mut state, second, EventKind::SiteMetered { reading });
    }
    let root = state.site.root().expect("a root");
    let uncontrolled = state.uncontrolled(root, at(10)).at(at(10));
    assert_eq!(uncontrolled, kw(30.0));
}

#[test]
fn needs_reach_the_session_of_the_partner_that_brings_them() {
    // Two partners of one site whose sessions have the same id.
    let mut state = live(site_of(100.0, 2));
    seen(&mut state, 0, 1);
    let twin = Session {
        evse: evse_id(2),
        ..session(1, 0)
    };
    let twin = Box::new(twin);
    happen(&mut state, 1, EventKind::SessionSeen { session: twin });
    let needs = Needs {
        departure: Some(at(3600)),
        ..Needs::default()
    };
    let stated = EventKind::NeedsStated {
        session: session(1, 0).id,
        evse: Some(evse_id(2)),
        needs,
    };
    happen(&mut state, 2, stated);
    assert_eq!(state.evses[&evse_id(1)].needs, None);
    assert_eq!(state.evses[&evse_id(2)].needs, Some(needs));
}

#[test]
fn a_session_of_which_nothing_was_heard_for_a_day_wants_nothing_more_until_there_is_news() {
    let policy = Policy::default();
    let mut state = live(site_of(100.0, 1));
    seen(&mut state, 0, 1);
    let day = i64::from(policy.silent_session_s);
    let wanted = |state: &SiteState, second| state.demands(&policy, at(second))[0].remaining;
    assert!(wanted(&state, day) > Energy::ZERO);
    assert_eq!(wanted(&state, day + 1), Energy::ZERO);
    let mut news = session(1, 0);
    news.updated_at = at(day + 2);
    let news = Box::new(news);
    happen(
        &mut state,
        day + 2,
        EventKind::SessionSeen { session: news },
    );
    assert!(wanted(&state, day + 2) > Energy::ZERO);
}

#[test]
fn a_session_that_a_partner_did_not_know_is_asked_for_again_once_it_speaks_of_it() {
    let mut state = live(site_of(50.0, 1));
    happen(
        &mut state,
        0,
        EventKind::SessionSeen {
            session: Box::new(session(1, 0)),
        },
    );
    let command = issue(&mut state, 1, 1, amps(1, &[(0, 60)]));
    let answer = Answer::Refused {
        reason: Refusal::UnknownSession,
        detail: String::new(),
    };
    happen(
        &mut state,
        2,
        EventKind::CommandAnswered { command, answer },
    );
    assert!(state.evses[&evse_id(1)].resync);
    let mut seen = session(1, 0);
    seen.updated_at = at(5);
    happen(
        &mut state,
        5,
        EventKind::SessionSeen {
            session: Box::new(seen),
        },
    );
    assert!(!state.evses[&evse_id(1)].resync);
}
