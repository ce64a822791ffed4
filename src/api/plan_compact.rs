//! `/sites/{site}/plan?compact=true`: the same plan as steps instead of slots. 500 EVSEs over a day
//! in 5-minute slots are 17 MB in full and some 0.3 MB so.

use serde::Serialize;
use serde_json::{Value, json};

use super::plan::newest_sent;
use crate::domain::evse::Evse;
use crate::domain::plan::{Plan, PlannedCircuit, PlannedEvse, Reason};
use crate::domain::profile::Profile;
use crate::domain::quantity::{Power, Price};
use crate::domain::time::Time;
use crate::state::SiteState;

/// From this slot on this value, until the next step.
#[derive(Debug, Serialize)]
struct Step<T>(usize, T);

fn steps<T: Copy + PartialEq, U>(values: &[T], show: impl Fn(T) -> U) -> Vec<Step<U>> {
    let mut steps: Vec<Step<U>> = Vec::new();
    let mut last = None;
    for (slot, value) in values.iter().enumerate() {
        if last != Some(*value) {
            steps.push(Step(slot, show(*value)));
            last = Some(*value);
        }
    }
    steps
}

/// The plan without its frame of ids and times, which the caller adds.
pub(super) fn parts(state: &SiteState, plan: &Plan, now: Time, only: Option<&str>) -> Value {
    let evses: Vec<Value> = plan
        .evses
        .iter()
        .filter(|planned| only.is_none_or(|only| planned.evse.as_str() == only))
        .filter_map(|planned| evse(state, planned, now))
        .collect();
    json!({
        "price_per_kwh": steps(&plan.prices, Price::per_kwh),
        "evses": evses,
        "circuits": plan.circuits.iter().map(circuit).collect::<Vec<_>>(),
    })
}

fn evse(state: &SiteState, planned: &PlannedEvse, now: Time) -> Option<Value> {
    let evse = state.site.evse(&planned.evse)?;
    let believed = state.evses.get(&planned.evse);
    let confirmed = believed.and_then(|b| b.profiles.confirmed.as_ref().map(|c| &c.profile));
    let sent = believed.and_then(newest_sent).or(confirmed);
    let now_kw = |profile: Option<&Profile>| profile.and_then(|p| allowed(evse, p, now));
    Some(json!({
        "evse": planned.evse,
        "session": planned.session,
        "departure": planned.departure,
        "ready_at": planned.ready_at,
        "needed_kwh": planned.needed.kilowatt_hours(),
        "unmet_kwh": planned.unmet.kilowatt_hours(),
        "limited_by": planned.limited_by,
        "max_kw": evse.hardware_max().kilowatts(),
        "planned_kw": steps(&planned.power, Power::kilowatts),
        "reasons": steps(&planned.reasons, |reason: Reason| reason),
        "sent_now_kw": now_kw(sent),
        "confirmed_now_kw": now_kw(confirmed),
        "measured_kw": believed.and_then(|b| b.reading).map(|r| r.power.kilowatts()),
        "may_draw_kw": state.evse_bound(&planned.evse).at(now).kilowatts(),
    }))
}

fn allowed(evse: &Evse, profile: &Profile, at: Time) -> Option<f64> {
    profile
        .limit_at(at)
        .map(|limit| evse.worst_case_of(profile.unit, limit).kilowatts())
}

fn circuit(circuit: &PlannedCircuit) -> Value {
    json!({
        "circuit": circuit.circuit,
        "limit_kw": steps(&circuit.limit, Power::kilowatts),
        "uncontrolled_kw": steps(&circuit.uncontrolled, Power::kilowatts),
        "planned_kw": steps(&circuit.planned, Power::kilowatts),
        "shadow_price_per_kwh": steps(&circuit.shadow_price, Price::per_kwh),
    })
}
