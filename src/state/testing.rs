//! Small sentences for tests: a site, a session, an event.

use crate::domain::command::{Action, Command};
use crate::domain::event::{Event, EventKind, PartnerHealth};
use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::grid_rules::GridRules;
use crate::domain::id::{CircuitId, CommandId, EvseId, PartnerId, SessionId, SiteId, TenantId};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Energy, Power, Voltage};
use crate::domain::session::{Needs, Session, SessionStatus};
use crate::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use crate::domain::time::Time;
use crate::state::SiteState;

/// The instant `second` seconds after the beginning of the tests' time.
pub(crate) fn at(second: i64) -> Time {
    chrono::DateTime::from_timestamp(1_795_000_200 + second, 0).expect("in range")
}

pub(crate) fn kw(value: f64) -> Power {
    Power::from_kilowatts(value)
}

pub(crate) fn evse_id(number: usize) -> EvseId {
    EvseId::new(format!("e{number}")).expect("valid")
}

pub(crate) fn partner() -> PartnerId {
    PartnerId::new("acme").expect("valid")
}

/// A site with one circuit and `evses` AC EVSEs of 11.04 kW (12.144 kW at the highest voltage)
/// at one OCPI partner; no reserve.
pub(crate) fn site_of(limit_kw: f64, evses: usize) -> Site {
    let circuit = CircuitId::new("site").expect("valid");
    Site {
        tenant: TenantId::default_tenant(),
        id: SiteId::new("depot").expect("valid"),
        name: "Depot".into(),
        time_zone: chrono_tz::Europe::Amsterdam,
        currency: "EUR".into(),
        circuits: vec![Circuit {
            id: circuit.clone(),
            parent: None,
            import_limit: Some(kw(limit_kw)),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        }],
        evses: (1..=evses)
            .map(|number| Evse {
                id: evse_id(number),
                circuit: circuit.clone(),
                max: kw(11.04),
                min: kw(4.14),
                phases: Phase::ALL.to_vec(),
                supply: Supply::Ac {
                    phases: 3,
                    nominal: Voltage::V230,
                },
                fallback: None,
                source: EvseSource::Ocpi {
                    partner: partner(),
                    location_id: "loc1".into(),
                    evse_uid: format!("uid{number}"),
                },
            })
            .collect(),
        arrival_reserve: ArrivalReserve::None,
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

/// A session that began at `start` on EVSE `number`.
pub(crate) fn session(number: usize, start: i64) -> Session {
    Session {
        id: SessionId::new(format!("nl*cpo*s{number}-{start}")).expect("valid"),
        native_id: format!("S{number}-{start}"),
        evse: evse_id(number),
        status: SessionStatus::Active,
        started_at: at(start),
        ended_at: None,
        energy: Energy::ZERO,
        reading: None,
        keys: Vec::new(),
        needs: Needs::default(),
        updated_at: at(start),
    }
}

/// A profile in amperes that begins at `start` with steps `(second from start, tenths)`.
pub(crate) fn amps(start: i64, steps: &[(u32, i64)]) -> Profile {
    Profile {
        unit: RateUnit::Amps,
        start: at(start),
        periods: steps
            .iter()
            .map(|(s, l)| ProfilePeriod {
                start_s: *s,
                limit: Tenths(*l),
            })
            .collect(),
        duration_s: None,
    }
}

/// A live site whose partner is current.
pub(crate) fn live(site: Site) -> SiteState {
    let mut state = SiteState::new(site, at(0));
    state.mode = Mode::Live;
    state.partners.insert(partner(), PartnerHealth::Current);
    state
}

/// Applies what happened at `second`.
pub(crate) fn happen(state: &mut SiteState, second: i64, kind: EventKind) {
    let seq = state.last_seq + 1;
    state.apply(&Event {
        seq,
        at: at(second),
        kind,
    });
}

/// Applies that a profile was issued to EVSE `number`; returns the command's number.
pub(crate) fn issue(
    state: &mut SiteState,
    second: i64,
    number: usize,
    profile: Profile,
) -> CommandId {
    let id = state.last_command.next();
    let running = state.evses[&evse_id(number)]
        .running()
        .expect("a session runs")
        .clone();
    let command = Command {
        id,
        evse: evse_id(number),
        session: Some(running.id),
        native_session: Some(running.native_id),
        plan: None,
        issued_at: at(second),
        action: Action::SetProfile { profile },
    };
    happen(state, second, EventKind::CommandIssued { command });
    id
}
