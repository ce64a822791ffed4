//! What happens at the depot, as sentences.

use chrono::TimeDelta;

use super::{Client, now};
use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::event::EventKind;
use crate::domain::id::{CommandId, EvseId, PartnerId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::Energy;
use crate::domain::session::{Needs, Session, SessionStatus};
use crate::planner::plan;

pub(in crate::api) fn evse() -> EvseId {
    EvseId::new("e1").unwrap()
}

pub(in crate::api) fn partner() -> PartnerId {
    PartnerId::new("acme").unwrap()
}

/// A car comes to `e1` and wants this much by 18:00.
pub(in crate::api) fn car_arrives(client: &Client, kwh: f64) {
    car_arrives_at(client, 1, kwh);
}

/// A car comes to an EVSE of this number and wants this much by 18:00.
pub(in crate::api) fn car_arrives_at(client: &Client, number: u32, kwh: f64) {
    client.happens(EventKind::SessionSeen {
        session: Box::new(Session {
            id: SessionId::new(format!("NL*ACM*s{number}")).unwrap(),
            native_id: format!("s{number}"),
            evse: EvseId::new(format!("e{number}")).unwrap(),
            status: SessionStatus::Active,
            started_at: now(),
            ended_at: None,
            energy: Energy::ZERO,
            reading: None,
            keys: Vec::new(),
            needs: Needs {
                departure: Some(now() + TimeDelta::hours(2)),
                energy: Some(Energy::from_kilowatt_hours(kwh)),
                discharge_allowed: false,
            },
            updated_at: now(),
        }),
    });
}

/// A profile of so many amperes leaves for `e1`.
pub(in crate::api) fn profile_leaves(client: &Client, amps: i64) -> CommandId {
    let id = client.state().last_command.next();
    client.happens(EventKind::CommandIssued {
        command: Command {
            id,
            evse: evse(),
            session: Some(SessionId::new("NL*ACM*s1").unwrap()),
            native_session: Some("s1".to_owned()),
            plan: None,
            issued_at: now(),
            action: Action::SetProfile {
                profile: Profile {
                    unit: RateUnit::Amps,
                    start: now(),
                    periods: vec![ProfilePeriod {
                        start_s: 0,
                        limit: Tenths(amps * 10),
                    }],
                    duration_s: None,
                },
            },
        },
    });
    id
}

pub(in crate::api) fn is_applied(client: &Client, command: CommandId) {
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    client.happens(EventKind::CommandAnswered { command, answer });
}

pub(in crate::api) fn planned(client: &Client) {
    let state = client.state();
    let plan = plan(&state, &Policy::default(), now(), &|| false);
    client.happens(EventKind::PlanStored {
        plan: Box::new(plan),
    });
}

/// The car at `e1` has drawn this much by a minute after 16:00.
pub(in crate::api) fn car_charges_until(client: &Client, minute: i64, kwh: f64) {
    let state = client.state();
    let before = state.evses[&evse()].session.clone().expect("it is there");
    client.happens(EventKind::SessionSeen {
        session: Box::new(Session {
            energy: Energy::from_kilowatt_hours(kwh),
            updated_at: now() + TimeDelta::minutes(minute),
            ..before
        }),
    });
}

/// The car at `e1` leaves at a minute after 16:00 with this much.
pub(in crate::api) fn car_leaves_at(client: &Client, minute: i64, kwh: f64) {
    let state = client.state();
    let before = state.evses[&evse()].session.clone().expect("it is there");
    let at = now() + TimeDelta::minutes(minute);
    client.happens(EventKind::SessionSeen {
        session: Box::new(Session {
            energy: Energy::from_kilowatt_hours(kwh),
            status: SessionStatus::Ended,
            ended_at: Some(at),
            updated_at: at,
            ..before
        }),
    });
}
