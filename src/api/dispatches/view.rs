//! A dispatch as it goes out: the answer, its progress, and its settlement as JSON or CSV.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::tabular::quoted;
use super::book::measured_total;
use crate::domain::dispatch::{Ask, Dispatch, DispatchSlot, Verdict};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// How a settlement is made, for people.
const METHOD: &str = "Baseline B0 (plan_freeze, version 1): the plan as it stood before the dispatch \
    came, frozen, for the cars that were there. Measured: energy registers of all EVSEs, \
    interpolated at slot borders. Delivered = baseline - measured; load that is shed is positive, \
    load that is added negative.";

/// One line of the list, and the head of everything else.
pub(super) fn line(dispatch: &Dispatch, now: Time) -> Value {
    let (delta, power, direction) = match dispatch.ask {
        Ask::Shed(power) if power.is_positive() => (Some(power), None, Some("up")),
        Ask::Shed(power) => (Some(-power), None, Some("down")),
        Ask::Setpoint(power) => (None, Some(power), None),
    };
    json!({
        "id": dispatch.id,
        "target": {"site": dispatch.site.site},
        "source": dispatch.source,
        "received_at": dispatch.received_at,
        "start": dispatch.start,
        "end": dispatch.end,
        "delta_kw": delta.map(Power::kilowatts),
        "direction": direction,
        "power_kw": power.map(Power::kilowatts),
        "hard": dispatch.hard,
        "status": dispatch.verdict,
        "reason": dispatch.reason,
        "state": dispatch.stage(now),
        "withdrawn_at": dispatch.withdrawn_at,
        "closed_at": dispatch.closed_at,
    })
}

/// Kilowatts in the direction that was asked for.
fn asked_for(slots: &[DispatchSlot], of: fn(&DispatchSlot) -> Power) -> Vec<f64> {
    slots
        .iter()
        .map(|slot| {
            let power = of(slot);
            let power = if slot.requested.is_positive() {
                power
            } else {
                -power
            };
            // No minus before nothing.
            power.kilowatts() + 0.0
        })
        .collect()
}

/// The answer to POST, and what GET shows.
pub(super) fn whole(dispatch: &Dispatch, now: Time) -> Value {
    let mut view = line(dispatch, now);
    view["requested_kw"] = json!(asked_for(&dispatch.slots, |slot| slot.requested));
    view["achievable_kw"] = json!(asked_for(&dispatch.slots, |slot| slot.achievable));
    view["baseline"] = json!({
        "method": "B0",
        "name": "plan_freeze",
        "version": 1,
        "plan": {
            "id": dispatch.frozen.plan,
            "input_digest": dispatch.frozen.input_digest,
            "made_at": dispatch.frozen.made_at,
        },
        "hash": dispatch.baseline_hash,
    });
    view["slots"] = slots(&dispatch.slots);
    let measured = measured_total(&dispatch.slots);
    view["progress"] = json!({
        "slots": dispatch.slots.len(),
        "slots_measured": dispatch.slots.iter().filter(|s| s.measured.is_some()).count(),
        "delivered_kwh": measured.map(|_| kwh(sum(&dispatch.slots, delivered))),
        "requested_kwh": kwh(sum(&measured_slots(&dispatch.slots), DispatchSlot::requested_energy)),
    });
    view["settlement_url"] = json!(format!("/api/v1/dispatches/{}/settlement", dispatch.id));
    view
}

fn measured_slots(slots: &[DispatchSlot]) -> Vec<DispatchSlot> {
    let measured = slots.iter().filter(|slot| slot.measured.is_some());
    measured.copied().collect()
}

fn slots(slots: &[DispatchSlot]) -> Value {
    slots.iter().map(slot).collect()
}

fn slot(slot: &DispatchSlot) -> Value {
    let length = slot.end - slot.start;
    let mean = |energy: Energy| energy.mean_power(length).kilowatts();
    json!({
        "start": slot.start,
        "end": slot.end,
        "requested_kw": slot.requested.kilowatts() + 0.0,
        "achievable_kw": slot.achievable.kilowatts() + 0.0,
        "baseline_kw": slot.baseline.kilowatts(),
        "measured_kw": slot.measured.map(|measured| mean(measured.energy)),
        "delivered_kw": slot.delivered_energy().map(|energy| mean(energy) + 0.0),
        "measured_kwh": slot.measured.map(|measured| kwh(measured.energy)),
        "delivered_kwh": slot.delivered_energy().map(|energy| kwh(energy) + 0.0),
        "compliance_percent": compliance(slot.requested_energy(), slot.delivered_energy()),
        "quality": slot.measured.map(|measured| measured.quality),
    })
}

/// Delivered of what was asked for, in percent; negative where it went the other way.
fn compliance(requested: Energy, delivered: Option<Energy>) -> Option<f64> {
    let delivered = delivered?;
    let requested = requested.kilowatt_hours();
    (requested.abs() > 1e-6).then(|| rounded(delivered.kilowatt_hours() / requested * 100.0, 10.0))
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps + 0.0
}

fn kwh(energy: Energy) -> f64 {
    rounded(energy.kilowatt_hours(), 1e4)
}

fn delivered(slot: &DispatchSlot) -> Energy {
    slot.delivered_energy().unwrap_or(Energy::ZERO)
}

fn sum(slots: &[DispatchSlot], of: fn(&DispatchSlot) -> Energy) -> Energy {
    slots.iter().map(of).sum()
}

/// The settlement. What is not measured yet is `null`.
pub(super) fn settlement(dispatch: &Dispatch, now: Time) -> Value {
    let measured = measured_slots(&dispatch.slots);
    let total = measured_total(&dispatch.slots);
    let is_final = dispatch.closed_at.is_some();
    let (asked, given) = (
        sum(&measured, DispatchSlot::requested_energy),
        sum(&measured, delivered),
    );
    let after = measured_slots(&dispatch.after);
    json!({
        "id": dispatch.id,
        "target": {"site": dispatch.site.site},
        "status": dispatch.verdict,
        "state": dispatch.stage(now),
        "final": is_final || dispatch.verdict == Verdict::Rejected,
        "start": dispatch.start,
        "end": dispatch.end,
        "method": METHOD,
        "baseline": {
            "method": "B0", "name": "plan_freeze", "version": 1,
            "hash": dispatch.baseline_hash,
            "plan": {
                "id": dispatch.frozen.plan,
                "input_digest": dispatch.frozen.input_digest,
                "made_at": dispatch.frozen.made_at,
            },
        },
        "totals": {
            "requested_kwh": kwh(asked),
            "baseline_kwh": kwh(sum(&measured, DispatchSlot::baseline_energy)),
            "measured_kwh": total.map(|measured| kwh(measured.energy)),
            "delivered_kwh": total.map(|_| kwh(given)),
            "compliance_percent": total.and_then(|_| compliance(asked, Some(given))),
            "quality": total.map(|measured| measured.quality),
            "slots": dispatch.slots.len(),
            "slots_measured": measured.len(),
        },
        "rebound": {
            "until": dispatch.after.last().map(|slot| slot.end),
            "slots_measured": after.len(),
            // More than the baseline afterwards is what came back.
            "energy_kwh": kwh(-sum(&after, delivered)),
        },
        "slots": slots(&dispatch.slots),
        "after": slots(&dispatch.after),
    })
}

/// The settlement's slots as a table.
pub(super) fn csv(dispatch: &Dispatch) -> String {
    let mut text = String::from(
        "dispatch,site,part,start,end,requested_kw,achievable_kw,baseline_kw,measured_kw,\
         delivered_kw,measured_kwh,delivered_kwh,compliance_percent,quality\n",
    );
    let parts = [("dispatch", &dispatch.slots), ("after", &dispatch.after)];
    for (part, slots) in parts {
        for row in slots {
            let view = slot(row);
            let cell = |name: &str| match &view[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let cells = [
                "start",
                "end",
                "requested_kw",
                "achievable_kw",
                "baseline_kw",
                "measured_kw",
                "delivered_kw",
                "measured_kwh",
                "delivered_kwh",
                "compliance_percent",
                "quality",
            ];
            let cells: Vec<String> = cells.iter().map(|name| cell(name)).collect();
            let (id, site) = (
                quoted(dispatch.id.as_str()),
                quoted(dispatch.site.site.as_str()),
            );
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{id},{site},{part},{}", cells.join(","));
        }
    }
    text
}
