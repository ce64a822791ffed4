//! `/sites/{site}/flexibility` and `/sites/{site}/baseline`: what charging could do, and what it
//! would do if nobody asked.
//!
//! `up` is regulation upwards as grids say it: load that can be shed. `down` is load that can be
//! added. Powers are those of the EVSEs alone, as their meters are expected to show them.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::effect;
use super::problem::{Faults, Problem};
use super::query::Query;
use super::sites::Answer;
use super::windows::Windows;
use crate::domain::ports::PortError;
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::planner;
use crate::planner::baseline::{self, Frozen, Method, Stretch};
use crate::planner::flexibility::Flexibility;

/// Who may ask: an aggregator's token sends signals and must know what it can ask for.
const ASKERS: [Scope; 2] = [Scope::Read, Scope::SignalsWrite];

/// How figures about connected cars are to be read.
const CONFIDENCE: &str = "Connected sessions only; cars that are not there yet are not counted. \
    p_min_kw and p_max_kw hold for one slot at a time, the others as planned.";

pub(super) async fn flexibility(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of_any(&api, &request, &ASKERS)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let span = (now, now + TimeDelta::hours(24));
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let windows = Windows::of(&query, &faults, span, api.policy.slot_s);
    query.close();
    let windows = faults.give(windows)?;
    let (snapshot, policy) = (state.clone(), api.policy.clone());
    let found = effect::aside(&api, move |stop| {
        planner::flexibility::flexibility(&snapshot, &policy, now, stop)
    });
    let found = found.await.ok_or_else(overloaded)?;
    let slots: Vec<Value> = windows
        .all
        .iter()
        .filter_map(|(start, end)| slot(&found, *start, *end))
        .collect();
    let first = found.slots.first();
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site,
        "at": now,
        "resolution": windows.resolution,
        "from": slots.first().map(|slot| slot["start"].clone()),
        "to": slots.last().map(|slot| slot["end"].clone()),
        "plan": identity(&Frozen::of(&found.plan)),
        "sessions": found.sessions,
        "sessions_with_assumed_needs": found.assumed,
        "confidence": CONFIDENCE,
        "up_duration_min": first.map_or(0, |slot| slot.shed_s / 60),
        "slots": slots,
    })))
}

pub(super) fn overloaded() -> Problem {
    PortError::Overloaded("the forecast".to_owned()).into()
}

/// The envelope over one window: means of powers, energies at its end.
fn slot(found: &Flexibility, start: Time, end: Time) -> Option<Value> {
    let mean = found.over(start, end)?;
    let first = found.within(start, end).next()?;
    let last = found.within(start, end).next_back()?;
    let (plan, least, most) = (mean.planned, mean.lowest, mean.highest);
    Some(json!({
        "start": mean.start,
        "end": mean.end,
        "p_plan_kw": plan.kilowatts(),
        "p_min_kw": least.kilowatts(),
        "p_max_kw": most.kilowatts(),
        "up_kw": (plan - least).kilowatts(),
        "down_kw": (most - plan).kilowatts(),
        "e_min_kwh": last.energy_latest.kilowatt_hours(),
        "e_max_kwh": last.energy_earliest.kilowatt_hours(),
        "up_duration_min": first.shed_s / 60,
    }))
}

pub(super) async fn baseline(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of_any(&api, &request, &ASKERS)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let span = (now, now + TimeDelta::hours(24));
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let method = match query.text("method") {
        None | Some("B0" | "plan_freeze") => Method::PlanFreeze,
        Some("B1" | "uncontrolled") => Method::Uncontrolled,
        Some(other) => {
            query.fault("method", format!("is {other:?}; B0 or B1 is needed"));
            Method::PlanFreeze
        }
    };
    let windows = Windows::of(&query, &faults, span, api.policy.slot_s);
    query.close();
    let windows = faults.give(windows)?;
    let (stretches, frozen) = match method {
        Method::Uncontrolled => {
            let found = baseline::uncontrolled(&state, &api.policy, now, &windows.all);
            (found, None)
        }
        Method::PlanFreeze => {
            let (snapshot, policy) = (state.clone(), api.policy.clone());
            let plan = effect::aside(&api, move |stop| {
                planner::plan(&snapshot, &policy, now, stop)
            });
            let plan = plan.await.ok_or_else(overloaded)?;
            let found = baseline::plan_freeze(&state, &plan, &windows.all);
            (found, Some(Frozen::of(&plan)))
        }
    };
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site,
        "at": now,
        "method": method.code(),
        "name": method.name(),
        "version": method.version(),
        "description": describe(method),
        "plan": frozen.as_ref().map(identity),
        "resolution": windows.resolution,
        "slots": stretches.iter().map(stretch).collect::<Vec<_>>(),
    })))
}

fn describe(method: Method) -> &'static str {
    match method {
        Method::PlanFreeze => {
            "The plan of this instant for the cars that are there, at the power they are expected to \
             draw. A dispatch freezes it as it stood before the dispatch came."
        }
        Method::Uncontrolled => {
            "Every car charges as fast as it can from its arrival until it has what it needs; limits \
             and prices are ignored. Past sessions count with what they took."
        }
    }
}

/// What a frozen plan is known by.
pub(super) fn identity(frozen: &Frozen) -> Value {
    json!({
        "id": frozen.plan, "input_digest": frozen.input_digest, "made_at": frozen.made_at,
    })
}

fn stretch(stretch: &Stretch) -> Value {
    json!({
        "start": stretch.start,
        "end": stretch.end,
        "power_kw": stretch.power.map(Power::kilowatts),
    })
}
