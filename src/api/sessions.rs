//! `/sites/{site}/sessions`: the sessions that run, what they need and how they stand.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::sites::{Answer, no_query};
use crate::domain::event::OverrideAction;
use crate::domain::id::{EvseId, SessionId};
use crate::domain::session::{NeedSource, SessionStatus};
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::demand::Demand;
use crate::state::evse_state::Control;

/// A running session.
#[derive(Debug, Serialize)]
struct SessionView {
    session: SessionId,
    /// The id in the protocol it came over.
    native_id: String,
    evse: EvseId,
    status: SessionStatus,
    started_at: Time,
    updated_at: Time,
    energy_kwh: f64,
    power_kw: Option<f64>,
    measured_at: Option<Time>,
    departure: Time,
    /// Who said when it leaves.
    departure_source: NeedSource,
    /// Energy it still wants.
    remaining_kwh: f64,
    /// Who said how much.
    energy_source: NeedSource,
    /// Its departure is over and it is still there.
    late: bool,
    /// When the plan has it ready.
    ready_at: Option<Time>,
    /// What the plan cannot deliver until it leaves.
    unmet_kwh: Option<f64>,
    #[serde(rename = "override")]
    override_: Option<OverrideAction>,
    control: Control,
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let sessions: Vec<_> = state
        .demands(&api.policy, now)
        .iter()
        .filter_map(|demand| view(&state, demand, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"site": key.site, "at": now, "sessions": sessions})))
}

fn view(state: &SiteState, demand: &Demand, now: Time) -> Option<SessionView> {
    let evse = state.evses.get(&demand.evse)?;
    let session = evse.running()?;
    let planned = state
        .plan
        .as_ref()
        .and_then(|plan| plan.evse(&demand.evse))
        .filter(|planned| planned.session == session.id);
    Some(SessionView {
        session: session.id.clone(),
        native_id: session.native_id.clone(),
        evse: demand.evse.clone(),
        status: session.status,
        started_at: session.started_at,
        updated_at: session.updated_at,
        energy_kwh: session.energy.kilowatt_hours(),
        power_kw: evse.reading.map(|reading| reading.power.kilowatts()),
        measured_at: evse.reading.map(|reading| reading.at),
        departure: demand.departure,
        departure_source: demand.departure_source,
        remaining_kwh: demand.remaining.kilowatt_hours(),
        energy_source: demand.energy_source,
        late: demand.late,
        ready_at: planned.and_then(|planned| planned.ready_at),
        unmet_kwh: planned.map(|planned| planned.unmet.kilowatt_hours()),
        override_: evse.override_at(now),
        control: evse.control.clone(),
    })
}
