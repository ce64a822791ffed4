//! What EVSEs over OCPP hold to while no session's profile does.

use super::defaults::LEASE_S;
use super::reconcile;
use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::StationId;
use crate::domain::plan::{Plan, PlanOrigin, PlannedEvse, Reason};
use crate::domain::policy::Policy;
use crate::domain::profile::{Profile, Tenths};
use crate::domain::quantity::{Energy, Money};
use crate::domain::time::Horizon;
use crate::state::SiteState;
use crate::state::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};

/// A live site of EVSEs at stations of our own.
fn depot(limit_kw: f64, evses: usize) -> SiteState {
    let mut site = site_of(limit_kw, evses);
    for (index, evse) in site.evses.iter_mut().enumerate() {
        evse.source = EvseSource::Ocpp {
            station: StationId::new(format!("st{index}")).expect("valid"),
            evse: 1,
        };
    }
    let mut state = live(site);
    // What chargers may draw that nobody has told anything is nobody's doing.
    happen(&mut state, 0, EventKind::Ticked);
    state
}

/// Lets dispatch speak and every station take what it is told; gives the commands.
fn turn(state: &mut SiteState, second: i64) -> Vec<Command> {
    let commands = reconcile(state, &Policy::default(), at(second)).commands;
    for command in &commands {
        let command = command.clone();
        happen(state, second, EventKind::CommandIssued { command });
    }
    for command in &commands {
        let answer = Answer::Applied {
            evidence: Evidence::Result,
        };
        let command = command.id;
        happen(
            state,
            second,
            EventKind::CommandAnswered { command, answer },
        );
    }
    commands
}

fn limits(profile: &Profile) -> Vec<(u32, i64)> {
    let periods = profile.periods.iter();
    periods.map(|p| (p.start_s, p.limit.0)).collect()
}

/// The default profiles among commands, by EVSE.
fn defaults(commands: &[Command]) -> Vec<(String, Vec<(u32, i64)>)> {
    let of = |command: &Command| match &command.action {
        Action::SetDefault { profile } => Some((command.evse.to_string(), limits(profile))),
        _ => None,
    };
    commands.iter().filter_map(of).collect()
}

fn plug_in(state: &mut SiteState, second: i64, number: usize) {
    let session = Box::new(session(number, second));
    happen(state, second, EventKind::SessionSeen { session });
}

/// A plan that gives EVSE 1 so much until it leaves after an hour.
fn plan(state: &mut SiteState, second: i64, power_kw: f64) {
    let session = state.evses[&evse_id(1)].running().expect("runs").id.clone();
    let evses = vec![PlannedEvse {
        evse: evse_id(1),
        session,
        power: vec![kw(power_kw); 4],
        reasons: vec![Reason::CheapSlot; 4],
        unmet: Energy::ZERO,
        ready_at: None,
        departure: Some(at(second + 3600)),
        needed: Energy::ZERO,
        limited_by: Vec::new(),
    }];
    let plan = Box::new(Plan {
        id: state.last_plan.next(),
        parent: None,
        made_at: at(second),
        input_digest: String::new(),
        horizon: Horizon {
            start: at(second),
            slot_s: 900,
            slots: 4,
        },
        origin: PlanOrigin::Optimal,
        evses,
        circuits: Vec::new(),
        prices: Vec::new(),
        cost: Money::ZERO,
        peak_target: None,
    });
    happen(state, second, EventKind::PlanStored { plan });
}

#[test]
fn before_any_plan_every_evse_is_told_its_fallback_share() {
    let mut state = depot(30.0, 4);
    // 30 kW / 4 = 7.5 kW; / (3 x 253 V) = 9.88 A, rounded down to 9.8 A
    let sent = defaults(&turn(&mut state, 0));
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|(_, limits)| *limits == [(0, 98)]));
    // 9.8 A x 253 V x 3 = 7,438 W
    let bound = state.evse_bound(&evse_id(1)).at(at(1)).watts();
    assert_eq!(bound, 7439);
    assert!(turn(&mut state, 1).is_empty(), "once is enough");
    assert_eq!(state.excursions.self_caused, 0);
}

#[test]
fn until_its_default_is_confirmed_an_evse_counts_with_all_it_can() {
    let mut state = depot(30.0, 1);
    let commands = reconcile(&state, &Policy::default(), at(0)).commands;
    let command = commands[0].clone();
    happen(&mut state, 0, EventKind::CommandIssued { command });
    assert_eq!(state.evse_bound(&evse_id(1)).at(at(1)).watts(), 12_144);
}

#[test]
fn free_evses_give_way_to_a_session_and_get_their_share_back_later() {
    let mut state = depot(20.0, 4);
    turn(&mut state, 0);
    plug_in(&mut state, 10, 1);
    plan(&mut state, 10, 11.0);
    // 11 kW and three shares of 5 kW are more than 20 kW: the free ones give way first.
    let first = turn(&mut state, 10);
    assert_eq!(defaults(&first).len(), 4);
    let held = [(0, 0), (LEASE_S, 65)];
    assert!(defaults(&first).iter().all(|(_, limits)| *limits == held));
    turn(&mut state, 600);
    // 11 kW / (3 x 253 V) = 14.49 A, rounded down: 14.4 A x 759 V = 10,930 W
    assert_eq!(state.evse_bound(&evse_id(1)).at(at(601)).watts(), 10_930);
    // The lease is prolonged when half of it is over.
    plan(&mut state, 3700, 11.0);
    let renewed = defaults(&turn(&mut state, 3700));
    assert!(
        renewed.iter().any(|(_, limits)| *limits == held),
        "{renewed:?}"
    );
    let mut over = session(1, 10);
    over.status = crate::domain::session::SessionStatus::Ended;
    over.updated_at = at(4000);
    let session = Box::new(over);
    happen(&mut state, 4000, EventKind::SessionSeen { session });
    assert!(defaults(&turn(&mut state, 4001)).is_empty(), "not at once");
    let back = defaults(&turn(&mut state, 3700 + 1300));
    assert_eq!(back.len(), 4);
    assert!(back.iter().all(|(_, limits)| *limits == [(0, 65)]));
    assert_eq!(state.excursions.self_caused, 0);
}

#[test]
fn a_sessions_profile_ends_at_its_departure_and_the_default_holds_on() {
    let mut state = depot(30.0, 1);
    turn(&mut state, 0);
    plug_in(&mut state, 10, 1);
    plan(&mut state, 10, 6.0);
    let sent = turn(&mut state, 10);
    let Some(Action::SetProfile { profile }) = sent.last().map(|c| &c.action) else {
        panic!("no profile in {sent:?}");
    };
    assert_eq!(profile.end(), Some(at(10 + 3600)));
    // 6 kW / 759 V = 7.9 A
    assert_eq!(limits(profile), [(0, 79)]);
    let bound = state.evse_bound(&evse_id(1));
    assert_eq!(bound.at(at(100)).watts(), 5997);
    // 30 kW is more than the EVSE can: its share is its maximum, 16 A.
    assert_eq!(bound.at(at(3700)).watts(), 12_144);
}

#[test]
fn a_station_that_has_just_started_is_told_again() {
    let mut state = depot(20.0, 2);
    turn(&mut state, 0);
    let evse = evse_id(2);
    let booted = true;
    happen(&mut state, 5, EventKind::StationConnected { evse, booted });
    assert_eq!(state.evse_bound(&evse_id(2)).at(at(5)).watts(), 12_144);
    let told = defaults(&turn(&mut state, 5));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "e2");
}

#[test]
fn nothing_is_told_in_shadow() {
    let mut state = depot(20.0, 2);
    state.mode = crate::domain::site::Mode::Shadow;
    assert!(turn(&mut state, 0).is_empty());
}

#[test]
fn a_refusal_is_not_repeated_at_once() {
    let mut state = depot(20.0, 1);
    let commands = reconcile(&state, &Policy::default(), at(0)).commands;
    let command = commands[0].clone();
    let id = command.id;
    happen(&mut state, 0, EventKind::CommandIssued { command });
    let answer = Answer::Refused {
        reason: crate::domain::command::Refusal::Rejected,
        detail: String::new(),
    };
    happen(
        &mut state,
        0,
        EventKind::CommandAnswered {
            command: id,
            answer,
        },
    );
    let now = reconcile(&state, &Policy::default(), at(1));
    assert!(now.commands.is_empty());
    assert_eq!(now.wake_at, Some(at(15)));
    assert_eq!(turn(&mut state, 15).len(), 1);
    assert_eq!(state.fallback(&state.site.evses[0], at(0)), kw(12.144));
    assert_eq!(
        limits(
            &state.evses[&evse_id(1)]
                .defaults
                .confirmed
                .as_ref()
                .expect("taken")
                .profile
        ),
        [(0, Tenths(160).0)]
    );
}

#[test]
fn a_default_beneath_a_running_session_rises_only_where_it_fits_by_itself() {
    // 16 kW: 8 kW each, told as 10.5 A.
    let mut state = depot(16.0, 2);
    turn(&mut state, 0);
    // The session at EVSE 1 is held at nothing, the other takes 16 A.
    for (number, tenths) in [(1, 0), (2, 160)] {
        plug_in(&mut state, 10, number);
        let command = issue(&mut state, 11, number, amps(11, &[(0, tenths)]));
        let answer = Answer::Applied {
            evidence: Evidence::Result,
        };
        let kind = EventKind::CommandAnswered { command, answer };
        happen(&mut state, 12, kind);
    }
    // With 20 kW each share is 10 kW. If the first car goes and another comes, it takes its default.
    let mut site = (*state.site).clone();
    site.circuits[0].import_limit = Some(kw(20.0));
    let site = Box::new(site);
    happen(&mut state, 20, EventKind::SiteConfigured { site });
    let told = defaults(&turn(&mut state, 2000));
    let is_raised = |number: usize| {
        told.iter()
            .any(|(evse, _)| *evse == evse_id(number).to_string())
    };
    assert!(!is_raised(1), "10 kW do not fit beside 12.1: {told:?}");
    assert!(is_raised(2), "within what lies above it: {told:?}");
}
