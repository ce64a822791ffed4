//! `/sites/{site}/bound`: per circuit, what every EVSE may draw at an instant (invariant I1).

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::problem::Faults;
use super::query::Query;
use super::residual::{Residual, ResidualView};
use super::sites::Answer;
use crate::domain::command::Action;
use crate::domain::evse::{Evse, Phase};
use crate::domain::id::{CircuitId, EvseId, SessionId};
use crate::domain::quantity::Power;
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::state::evse_state::Control;
use crate::state::limits::UNLIMITED;
use crate::state::{EvseState, SiteState};

/// Why an EVSE counts with the power it counts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CountsAs {
    /// No session: over OCPI the reserve stands for it, over OCPP it is its hardware maximum.
    Free,
    /// Nothing is confirmed: its hardware maximum.
    Hardware,
    /// It cannot be controlled or does not obey: its hardware maximum.
    Uncontrollable,
    /// Its confirmed profile.
    Confirmed,
    /// Its confirmed profile or one that was sent and not refused, whichever is higher.
    ConfirmedOrSent,
}

#[derive(Debug, Serialize)]
struct EvseBoundView {
    evse: EvseId,
    session: Option<SessionId>,
    may_draw_kw: f64,
    counts_as: CountsAs,
    confirmed_kw: Option<f64>,
    /// Profiles that were sent and are neither refused nor confirmed, late ones included.
    sent_kw: Vec<f64>,
    hardware_max_kw: f64,
}

#[derive(Debug, Serialize)]
struct PhaseBoundView {
    phase: Phase,
    may_draw_kw: f64,
    limit_kw: f64,
}

#[derive(Debug, Serialize)]
struct CircuitBoundView {
    circuit: CircuitId,
    parent: Option<CircuitId>,
    /// `None`: no limit is known.
    limit_kw: Option<f64>,
    evses_kw: f64,
    uncontrolled_kw: f64,
    /// Power held back for arrivals.
    reserve_kw: f64,
    /// EVSEs and uncontrolled load: the bound.
    total_kw: f64,
    /// Limit less bound and reserve; negative: nothing is raised.
    headroom_kw: Option<f64>,
    /// The bound is above the limit.
    exceeded: bool,
    phases: Vec<PhaseBoundView>,
    /// What nobody could bound any more if we died now; `None`: no limit is known.
    residual: Option<ResidualView>,
    evses: Vec<EvseBoundView>,
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let now = api.clock.now();
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let at = query.instant("at").unwrap_or(now);
    // A second of grace for a client that asks for its own "now".
    if at < now - TimeDelta::seconds(1) {
        query.fault("at", format!("lies in the past; it is {now} now"));
    }
    query.close();
    faults.check()?;
    let (key, state) = access.snapshot(&api, &path)?;
    let circuits: Vec<_> = state
        .site
        .circuits
        .iter()
        .map(|circuit| circuit_view(&state, circuit, now, at.max(now)))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site, "at": at, "seq": state.last_seq, "circuits": circuits,
    })))
}

fn circuit_view(state: &SiteState, circuit: &Circuit, now: Time, at: Time) -> CircuitBoundView {
    let bound = state.circuit_bound(circuit, now);
    let limit = Some(bound.limit.at(at)).filter(|limit| *limit < UNLIMITED);
    let evses = state
        .site
        .evses
        .iter()
        .filter(|evse| state.site.is_beneath(&evse.circuit, &circuit.id))
        .map(|evse| evse_view(state, evse, at))
        .collect();
    let phases = match bound.phase_limit {
        None => Vec::new(),
        Some(limit) => Phase::ALL
            .iter()
            .map(|phase| PhaseBoundView {
                phase: *phase,
                may_draw_kw: bound.phases[phase.index()].at(at).kilowatts(),
                limit_kw: limit.kilowatts(),
            })
            .collect(),
    };
    CircuitBoundView {
        circuit: circuit.id.clone(),
        parent: circuit.parent.clone(),
        limit_kw: limit.map(Power::kilowatts),
        evses_kw: bound.evses.at(at).kilowatts(),
        uncontrolled_kw: bound.uncontrolled.at(at).kilowatts(),
        reserve_kw: bound.reserve.kilowatts(),
        total_kw: bound.total().at(at).kilowatts(),
        headroom_kw: limit.map(|_| bound.headroom().at(at).kilowatts()),
        exceeded: bound.is_exceeded(at),
        phases,
        residual: Residual::of(state, circuit, now).map(Residual::view),
        evses,
    }
}

fn evse_view(state: &SiteState, evse: &Evse, at: Time) -> EvseBoundView {
    let unknown = EvseState::default();
    let believed = state.evses.get(&evse.id).unwrap_or(&unknown);
    let profiles = &believed.profiles;
    let under = |profile: &crate::domain::profile::Profile| {
        profile
            .limit_at(at)
            .map(|limit| evse.worst_case_of(profile.unit, limit).kilowatts())
    };
    let sent = profiles
        .outstanding
        .iter()
        .filter_map(|o| match &o.command.action {
            Action::SetProfile { profile } => under(profile),
            Action::SetDefault { .. } | Action::ClearProfile | Action::ReadProfile => None,
        });
    let late = profiles.late.iter().filter_map(|late| match &late.profile {
        Some(profile) => under(profile),
        None => Some(evse.hardware_max().kilowatts()),
    });
    let counts_as = if believed.is_free() {
        CountsAs::Free
    } else if believed.control != Control::Controllable {
        CountsAs::Uncontrollable
    } else if profiles.confirmed.is_none() {
        CountsAs::Hardware
    } else if profiles.outstanding.is_empty() && profiles.late.is_empty() {
        CountsAs::Confirmed
    } else {
        CountsAs::ConfirmedOrSent
    };
    EvseBoundView {
        evse: evse.id.clone(),
        session: believed.running().map(|session| session.id.clone()),
        may_draw_kw: state.evse_bound(&evse.id).at(at).kilowatts(),
        counts_as,
        confirmed_kw: profiles.confirmed.as_ref().and_then(|c| under(&c.profile)),
        sent_kw: sent.chain(late).collect(),
        hardware_max_kw: evse.hardware_max().kilowatts(),
    }
}
