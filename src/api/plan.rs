//! `/sites/{site}/plan`: what is planned, what was sent, what is confirmed, what is measured.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

use super::auth::{Access, Scope};
use super::problem::Faults;
use super::query::Query;
use super::sites::Answer;
use super::{ApiState, plan_compact};
use crate::domain::command::Action;
use crate::domain::evse::Evse;
use crate::domain::id::{CircuitId, EvseId, SessionId};
use crate::domain::plan::{Plan, PlannedCircuit, PlannedEvse, Reason};
use crate::domain::profile::Profile;
use crate::domain::quantity::{Power, Price};
use crate::domain::time::Time;
use crate::state::{EvseState, SiteState};

/// One slot of one EVSE. All powers are worst cases: what the EVSE may draw at the highest
/// voltage the grid may have.
#[derive(Debug, Serialize)]
struct SlotView {
    start: Time,
    planned_kw: f64,
    /// Under the newest profile that left, settled or not.
    sent_kw: Option<f64>,
    /// Under the profile that is shown to be applied.
    confirmed_kw: Option<f64>,
    /// The newest reading, in the slot it was taken in.
    measured_kw: Option<f64>,
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct EvsePlanView {
    evse: EvseId,
    session: SessionId,
    departure: Option<Time>,
    ready_at: Option<Time>,
    needed_kwh: f64,
    unmet_kwh: f64,
    limited_by: Vec<CircuitId>,
    slots: Vec<SlotView>,
}

#[derive(Debug, Serialize)]
struct CircuitPlanView {
    circuit: CircuitId,
    limit_kw: Vec<f64>,
    uncontrolled_kw: Vec<f64>,
    planned_kw: Vec<f64>,
    shadow_price_per_kwh: Vec<f64>,
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let only = query.text("evse").map(str::to_owned);
    let compact = query.flag("compact").unwrap_or(false);
    query.close();
    faults.check()?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let Some(plan) = state.plan.as_deref() else {
        return Ok(HttpResponse::Ok().json(json!({
            "site": key.site, "at": now, "plan_id": null, "evses": [], "circuits": [],
        })));
    };
    let mut answer = if compact {
        plan_compact::parts(&state, plan, now, only.as_deref())
    } else {
        parts(&state, plan, now, only.as_deref())
    };
    let frame = json!({
        "site": key.site,
        "at": now,
        "plan_id": plan.id,
        "parent_id": plan.parent,
        "made_at": plan.made_at,
        "age_s": (now - plan.made_at).num_seconds(),
        "origin": plan.origin,
        "input_digest": plan.input_digest,
        "start": plan.horizon.start,
        "slot_s": plan.horizon.slot_s,
        "slots": plan.horizon.slots,
        "cost": plan.cost.amount(),
        "currency": state.site.currency,
    });
    if let (Value::Object(answer), Value::Object(frame)) = (&mut answer, frame) {
        answer.extend(frame);
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// The plan slot by slot.
fn parts(state: &SiteState, plan: &Plan, now: Time, only: Option<&str>) -> Value {
    let evses: Vec<_> = plan
        .evses
        .iter()
        .filter(|planned| only.is_none_or(|only| planned.evse.as_str() == only))
        .filter_map(|planned| evse_view(state, plan, planned, now))
        .collect();
    json!({
        "price_per_kwh": plan.prices.iter().map(|price| price.per_kwh()).collect::<Vec<_>>(),
        "evses": evses,
        "circuits": plan.circuits.iter().map(circuit_view).collect::<Vec<_>>(),
    })
}

fn evse_view(
    state: &SiteState,
    plan: &Plan,
    planned: &PlannedEvse,
    now: Time,
) -> Option<EvsePlanView> {
    let evse = state.site.evse(&planned.evse)?;
    let believed = state.evses.get(&planned.evse);
    let confirmed = believed.and_then(|b| b.profiles.confirmed.as_ref().map(|c| &c.profile));
    let sent = believed.and_then(newest_sent).or(confirmed);
    let measured = believed
        .and_then(|b| b.reading)
        .and_then(|reading| Some((plan.horizon.slot_at(reading.at)?, reading.power)));
    let slots = planned
        .power
        .iter()
        .enumerate()
        .map(|(index, power)| {
            let start = plan.horizon.slot_start(index);
            // Within the running slot what holds now is more telling than its beginning.
            let at = if start <= now && now < plan.horizon.slot_start(index + 1) {
                now
            } else {
                start
            };
            SlotView {
                start,
                planned_kw: power.kilowatts(),
                sent_kw: sent.and_then(|profile| allowed(evse, profile, at)),
                confirmed_kw: confirmed.and_then(|profile| allowed(evse, profile, at)),
                measured_kw: measured
                    .filter(|(slot, _)| *slot == index)
                    .map(|(_, power)| power.kilowatts()),
                reasons: planned.reasons.get(index).copied().into_iter().collect(),
            }
        })
        .collect();
    Some(EvsePlanView {
        evse: planned.evse.clone(),
        session: planned.session.clone(),
        departure: planned.departure,
        ready_at: planned.ready_at,
        needed_kwh: planned.needed.kilowatt_hours(),
        unmet_kwh: planned.unmet.kilowatt_hours(),
        limited_by: planned.limited_by.clone(),
        slots,
    })
}

/// The newest profile that left and was not refused.
pub(super) fn newest_sent(evse: &EvseState) -> Option<&Profile> {
    let newest = evse.profiles.outstanding.last()?;
    match &newest.command.action {
        Action::SetProfile { profile } => Some(profile),
        Action::SetDefault { .. } | Action::ClearProfile | Action::ReadProfile => None,
    }
}

fn allowed(evse: &Evse, profile: &Profile, at: Time) -> Option<f64> {
    profile
        .limit_at(at)
        .map(|limit| evse.worst_case_of(profile.unit, limit).kilowatts())
}

fn circuit_view(circuit: &PlannedCircuit) -> CircuitPlanView {
    let kilowatts = |powers: &[Power]| powers.iter().map(|power| power.kilowatts()).collect();
    CircuitPlanView {
        circuit: circuit.circuit.clone(),
        limit_kw: kilowatts(&circuit.limit),
        uncontrolled_kw: kilowatts(&circuit.uncontrolled),
        planned_kw: kilowatts(&circuit.planned),
        shadow_price_per_kwh: circuit
            .shadow_price
            .iter()
            .copied()
            .map(Price::per_kwh)
            .collect(),
    }
}
