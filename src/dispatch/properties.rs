//! I1 as a property: whatever is planned, lost, refused, late or cut, no command of ours makes a
//! bound exceed its limit. The plans here are arbitrary on purpose: dispatch must hold the line
//! even against a wrong planner.

use proptest::prelude::*;

use super::reconcile;
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::evse::{EvseSource, Phase};
use crate::domain::id::{CircuitId, SignalKey, StationId};
use crate::domain::plan::{Plan, PlanOrigin, PlannedEvse, Reason};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Current, Energy, Money};
use crate::domain::session::{Reading, SessionStatus};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::{ArrivalReserve, Circuit, Site};
use crate::domain::time::Horizon;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, kw, live, partner, session, site_of};

const EVSES: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    PlugIn(usize),
    Unplug(usize),
    Plan(Vec<Vec<u8>>),
    Settle(usize, u8),
    Measure(usize, u8),
    Cut(u8, i64),
    Stale(bool),
    Restart,
    ReadBack(usize, u8),
    Connect(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let evse = 1..=EVSES;
    prop_oneof![
        3 => (1i64..400).prop_map(Step::Wait),
        3 => evse.clone().prop_map(Step::PlugIn),
        1 => evse.clone().prop_map(Step::Unplug),
        4 => prop::collection::vec(prop::collection::vec(0u8..14, 4), EVSES).prop_map(Step::Plan),
        8 => (0usize..6, 0u8..6).prop_map(|(index, answer)| Step::Settle(index, answer)),
        2 => (evse.clone(), 0u8..14).prop_map(|(evse, kw)| Step::Measure(evse, kw)),
        1 => (0u8..40, 1i64..2000).prop_map(|(kw, ahead)| Step::Cut(kw, ahead)),
        1 => any::<bool>().prop_map(Step::Stale),
        1 => Just(Step::Restart),
        1 => (evse.clone(), 0u8..20).prop_map(|(evse, amps)| Step::ReadBack(evse, amps)),
        1 => (evse, any::<bool>()).prop_map(|(evse, booted)| Step::Connect(evse, booted)),
    ]
}

/// A site with a feeder for EVSEs 1 to 3 and a phase limit at the root.
fn tree() -> Site {
    let mut site = site_of(40.0, EVSES);
    let feeder = CircuitId::new("feeder").expect("valid");
    site.circuits.push(Circuit {
        id: feeder.clone(),
        parent: Some(CircuitId::new("site").expect("valid")),
        import_limit: Some(kw(25.0)),
        phase_limit: None,
        failsafe_limit: None,
        limit_source: None,
    });
    site.circuits[0].phase_limit = Some(Current::from_amps(63.0));
    for evse in &mut site.evses[..3] {
        evse.circuit = feeder.clone();
    }
    site.evses[4].phases = vec![Phase::L2];
    site.arrival_reserve = ArrivalReserve::Largest(1);
    site
}

/// The same with every EVSE but one at stations of our own.
fn mixed_tree() -> Site {
    let mut site = tree();
    for (index, evse) in site.evses.iter_mut().enumerate().skip(1) {
        evse.source = EvseSource::Ocpp {
            station: StationId::new(format!("st{index}")).expect("valid"),
            evse: 1,
        };
    }
    site
}

fn plan(state: &SiteState, second: i64, powers: &[Vec<u8>]) -> Plan {
    let evses = (1..=EVSES)
        .filter_map(|number| {
            let running = state.evses.get(&evse_id(number))?.running()?;
            Some(PlannedEvse {
                evse: evse_id(number),
                session: running.id.clone(),
                power: powers[number - 1]
                    .iter()
                    .map(|p| kw(f64::from(*p)))
                    .collect(),
                reasons: vec![Reason::CheapSlot; 4],
                unmet: Energy::ZERO,
                ready_at: None,
                departure: None,
                needed: Energy::ZERO,
                limited_by: Vec::new(),
            })
        })
        .collect();
    Plan {
        id: state.last_plan.next(),
        parent: None,
        made_at: at(second),
        input_digest: String::new(),
        horizon: Horizon {
            start: at(second),
            slot_s: 300,
            slots: 4,
        },
        origin: PlanOrigin::Optimal,
        evses,
        circuits: Vec::new(),
        prices: Vec::new(),
        cost: Money::ZERO,
        peak_target: None,
    }
}

/// Carries out one step; `open` holds the commands nobody has answered yet.
fn carry_out(state: &mut SiteState, now: &mut i64, open: &mut Vec<Command>, step: &Step) {
    match step {
        Step::Wait(seconds) => {
            *now += seconds;
            happen(state, *now, EventKind::Ticked);
        }
        Step::PlugIn(number) => {
            let free = state
                .evses
                .get(&evse_id(*number))
                .is_none_or(crate::state::EvseState::is_free);
            if free {
                *now += 1;
                let session = Box::new(session(*number, *now));
                happen(state, *now, EventKind::SessionSeen { session });
            }
        }
        Step::Unplug(number) => {
            let running = state
                .evses
                .get(&evse_id(*number))
                .and_then(|e| e.running())
                .cloned();
            if let Some(mut session) = running {
                *now += 1;
                session.status = SessionStatus::Ended;
                session.updated_at = at(*now);
                happen(
                    state,
                    *now,
                    EventKind::SessionSeen {
                        session: Box::new(session),
                    },
                );
            }
        }
        Step::Plan(powers) => {
            let plan = Box::new(plan(state, *now, powers));
            happen(state, *now, EventKind::PlanStored { plan });
        }
        Step::Settle(index, answer) => {
            if open.is_empty() {
                return;
            }
            let command = open.remove(index % open.len());
            let answer = match answer {
                0..=2 => Answer::Applied {
                    evidence: Evidence::Result,
                },
                3 => Answer::Refused {
                    reason: Refusal::Rejected,
                    detail: String::new(),
                },
                4 => Answer::NotSent {
                    detail: String::new(),
                },
                _ => Answer::Unknown {
                    detail: String::new(),
                },
            };
            happen(
                state,
                *now,
                EventKind::CommandAnswered {
                    command: command.id,
                    answer,
                },
            );
        }
        Step::Measure(number, power) => {
            *now += 1;
            let reading = Reading {
                power: kw(f64::from(*power)),
                at: at(*now),
            };
            let evse = evse_id(*number);
            happen(
                state,
                *now,
                EventKind::EvseMeasured {
                    evse,
                    reading,
                    energy: None,
                },
            );
        }
        Step::Cut(power, ahead) => {
            let from = *now + ahead;
            let series = SignalSeries {
                key: SignalKey::new("dso").expect("valid"),
                source: "test".into(),
                revision: 1,
                kind: SignalKind::ImportLimit,
                circuit: None,
                slots: vec![SignalSlot {
                    start: at(from),
                    end: at(from + 900),
                    value: kw(f64::from(*power)).watts(),
                }],
                priority: 10,
                hard: true,
                issued_at: at(*now),
                received_at: at(*now),
                valid_until: None,
                evse: None,
                evses_only: false,
            };
            happen(
                state,
                *now,
                EventKind::SignalSet {
                    series: Box::new(series),
                },
            );
        }
        Step::Stale(is_stale) => {
            let health = if *is_stale {
                PartnerHealth::Stale
            } else {
                PartnerHealth::Current
            };
            happen(
                state,
                *now,
                EventKind::PartnerSeen {
                    partner: partner(),
                    health,
                },
            );
        }
        Step::Connect(number, booted) => {
            let (evse, booted) = (evse_id(*number), *booted);
            happen(state, *now, EventKind::StationConnected { evse, booted });
        }
        Step::Restart => {
            open.clear();
            happen(state, *now, EventKind::Restarted);
        }
        Step::ReadBack(number, amps) => {
            let running = state.evses.get(&evse_id(*number)).and_then(|e| e.running());
            if let Some(session) = running.map(|session| session.id.clone()) {
                let tenths = i64::from(*amps) * 10;
                let profile = Some(crate::state::testing::amps(*now, &[(0, tenths)]));
                let evse = evse_id(*number);
                happen(
                    state,
                    *now,
                    EventKind::ProfileRead {
                        evse,
                        session,
                        profile,
                        command: None,
                    },
                );
            }
        }
    }
}

/// Future instants at which the bound could exceed the limit.
fn instants(now: i64) -> impl Iterator<Item = i64> {
    (0..12)
        .map(move |i| now + i * 300)
        .chain([now + 6_900, now + 7_300, now + 100_000])
}

/// How far every circuit's bound is above its limit, at each looked-at instant.
fn excesses(state: &SiteState, now: i64) -> Vec<(i64, usize, i64)> {
    let mut found = Vec::new();
    for (index, circuit) in state.site.circuits.iter().enumerate() {
        let bound = state.circuit_bound(circuit, at(now));
        let mut gaps = vec![bound.limit.minus(&bound.total())];
        if let Some(limit) = bound.phase_limit {
            let limit = PowerCurve::constant(limit);
            gaps.extend(bound.phases.iter().map(|phase| limit.minus(phase)));
        }
        for (part, gap) in gaps.iter().enumerate() {
            for second in instants(now) {
                let excess = (-gap.at(at(second))).watts().max(0);
                found.push((second, index * 4 + part, excess));
            }
        }
    }
    found
}

/// Where a profile allows more than each of those that may hold already, it must fit under every
/// limit beside the bounds of all others and the reserve: our bound of this EVSE may be too high.
fn fits_whatever_holds(
    state: &SiteState,
    command: &Command,
    now: i64,
) -> Result<(), TestCaseError> {
    let (Action::SetProfile { profile }, Some(evse)) =
        (&command.action, state.site.evse(&command.evse))
    else {
        return Ok(());
    };
    let known = &state.evses[&evse.id];
    let lowest = known.granted(evse);
    // After its end nothing of it holds.
    let underneath = known.granted_underneath(evse);
    let next = evse.worst_case_between(profile, &PowerCurve::zero(), &underneath);
    let bound = known.bound(evse);
    for circuit in state.site.path(&evse.circuit) {
        let whole = state.circuit_bound(circuit, at(now));
        for second in instants(now).map(at) {
            let others = whole.total().at(second) - bound.at(second);
            let sum = others + next.at(second) + whole.reserve;
            prop_assert!(
                next.at(second) <= lowest.at(second) || sum <= whole.limit.at(second),
                "{} may come to {} under {} at {second}: {} is granted",
                command.evse,
                sum,
                whole.limit.at(second),
                lowest.at(second)
            );
        }
    }
    Ok(())
}

/// The bound at one instant is that of the curve.
fn instants_agree_with_curves(state: &SiteState, now: i64) -> Result<(), TestCaseError> {
    for evse in &state.site.evses {
        let Some(known) = state.evses.get(&evse.id) else {
            continue;
        };
        let curve = known.bound(evse);
        for second in instants(now) {
            prop_assert_eq!(known.bound_at(evse, at(second)), curve.at(at(second)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_command_of_ours_makes_a_bound_exceed_its_limit(
        steps in prop::collection::vec(step(), 1..60), with_stations in any::<bool>(),
    ) {
        let mut state = live(if with_stations { mixed_tree() } else { tree() });
        let (mut now, mut open) = (0, Vec::new());
        // What chargers may draw that nobody has told anything is nobody's doing.
        happen(&mut state, now, EventKind::Ticked);
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            let before = excesses(&state, now);
            let dispatch = reconcile(&state, &Policy::default(), at(now));
            for command in dispatch.commands {
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
            let after = excesses(&state, now);
            instants_agree_with_curves(&state, now)?;
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(
                    after.2 <= before.2,
                    "a command raised an excess from {} to {} W at {} in part {}",
                    before.2, after.2, before.0, before.1
                );
            }
            prop_assert_eq!(state.excursions.self_caused, 0);
        }
    }

    #[test]
    fn whichever_profile_holds_what_is_sent_fits_beside_all_others(
        steps in prop::collection::vec(step(), 1..60), with_stations in any::<bool>(),
    ) {
        let mut state = live(if with_stations { mixed_tree() } else { tree() });
        let (mut now, mut open) = (0, Vec::new());
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            for command in reconcile(&state, &Policy::default(), at(now)).commands {
                fits_whatever_holds(&state, &command, now)?;
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
        }
    }

    #[test]
    fn a_stale_partner_is_never_sent_a_raise(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut state = live(tree());
        let (mut now, mut open) = (0, Vec::new());
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            let stale = state.partners.get(&partner()) != Some(&PartnerHealth::Current);
            let dispatch = reconcile(&state, &Policy::default(), at(now));
            for command in dispatch.commands {
                let bound = state.evse_bound(&command.evse);
                if let (true, Action::SetProfile { profile }) = (stale, &command.action) {
                    let evse = state.site.evse(&command.evse).expect("configured");
                    let next = evse.worst_case(profile, crate::domain::quantity::Power::ZERO);
                    prop_assert!(next.is_within(&bound, at(now)));
                }
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
        }
    }

    #[test]
    fn a_snapshot_holds_all_there_is(steps in prop::collection::vec(step(), 1..40)) {
        let mut state = live(mixed_tree());
        let (mut now, mut open) = (0, Vec::new());
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            for command in reconcile(&state, &Policy::default(), at(now)).commands {
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
        }
        let snapshot = serde_json::to_vec(&state).expect("serialisable");
        let restored: SiteState = serde_json::from_slice(&snapshot).expect("readable");
        prop_assert_eq!(&restored, &state);
    }

    #[test]
    fn whatever_makes_us_know_less_lowers_no_bound(
        steps in prop::collection::vec(step(), 1..60), with_stations in any::<bool>(),
        evse in 1..=EVSES, which in 0u8..4,
    ) {
        let mut state = live(if with_stations { mixed_tree() } else { tree() });
        let (mut now, mut open) = (0, Vec::new());
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            for command in reconcile(&state, &Policy::default(), at(now)).commands {
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
        }
        let before = state.clone();
        let lost = match (which, open.last()) {
            (0, Some(command)) => EventKind::CommandAnswered {
                command: command.id,
                answer: Answer::Unknown { detail: String::new() },
            },
            (1, _) => EventKind::PartnerSeen {
                partner: partner(),
                health: PartnerHealth::Stale,
            },
            (2, _) => EventKind::StationConnected { evse: evse_id(evse), booted: true },
            _ => EventKind::Restarted,
        };
        happen(&mut state, now, lost);
        for evse in &state.site.evses {
            let (was, is) = (before.evse_bound(&evse.id), state.evse_bound(&evse.id));
            prop_assert!(was.is_within(&is, at(now)), "{}: {:?} was {:?}", evse.id, is, was);
        }
    }

    #[test]
    fn the_order_of_what_happens_at_different_evses_in_one_instant_does_not_matter(
        steps in prop::collection::vec(step(), 1..60),
        order in Just((1..=EVSES).collect::<Vec<_>>()).prop_shuffle(),
        kinds in prop::collection::vec(0u8..5, EVSES),
    ) {
        let mut state = live(mixed_tree());
        let (mut now, mut open) = (0, Vec::new());
        for step in &steps {
            carry_out(&mut state, &mut now, &mut open, step);
            for command in reconcile(&state, &Policy::default(), at(now)).commands {
                happen(&mut state, now, EventKind::CommandIssued { command: command.clone() });
                open.push(command);
            }
        }
        now += 1;
        let event = |number: usize| {
            let evse = evse_id(number);
            let of_it = open.iter().rev().find(|command| command.evse == evse);
            match (kinds[number - 1], of_it) {
                (0, _) => EventKind::SessionSeen { session: Box::new(session(number, now)) },
                (1, _) => EventKind::EvseMeasured {
                    evse,
                    reading: Reading { power: kw(5.0), at: at(now) },
                    energy: None,
                },
                (2, Some(command)) => EventKind::CommandAnswered {
                    command: command.id,
                    answer: Answer::Applied { evidence: Evidence::Result },
                },
                (3, Some(command)) => EventKind::CommandAnswered {
                    command: command.id,
                    answer: Answer::Refused { reason: Refusal::Rejected, detail: String::new() },
                },
                _ => EventKind::StationConnected { evse, booted: true },
            }
        };
        let mut other = state.clone();
        for number in 1..=EVSES {
            happen(&mut state, now, event(number));
        }
        for number in order {
            happen(&mut other, now, event(number));
        }
        prop_assert_eq!(&state.evses, &other.evses);
        // What goes out may differ for a second: an excursion that one order closes and opens again
        // began later.
        prop_assert_eq!(excesses(&state, now), excesses(&other, now));
    }
}
