//! What a connection asks for beside its limit, as it comes in, as it may be sent back, and how it
//! stands.

use serde_json::{Value, json};

use super::input::{Node, Object};
use super::site_body::kilowatts;
use crate::domain::duration::duration;
use crate::domain::grid_rules::{DemandCharge, MAX_RATCHET_MONTHS, Ratchet, WINDOWS_S};
use crate::domain::quantity::{Power, Price};
use crate::domain::time::Time;
use crate::planner::frame::Frame;
use crate::state::SiteState;
use crate::state::peaks::Month;

/// Highest price of a kW of peak that is believed.
pub(super) const MAX_PER_KW: f64 = 1e4;

/// `price.demand`.
pub(super) fn demand_charge(node: &Node<'_>) -> Option<DemandCharge> {
    let object = node.object()?;
    let per_kw = object
        .need("per_kw")
        .and_then(|node| node.number(&(0.0..=MAX_PER_KW)));
    let window = object.maybe("window", window);
    let peak_so_far = object.maybe("peak_so_far_kw", kilowatts);
    let minimum_billed = object.maybe("minimum_billed_kw", kilowatts);
    let ratchet = object.maybe("ratchet", ratchet);
    object.close();
    Some(DemandCharge {
        per_kw: Price::from_per_kwh(per_kw?),
        window_s: window?.unwrap_or(900),
        peak_so_far: peak_so_far?,
        minimum_billed: minimum_billed?,
        ratchet: ratchet?,
    })
}

fn window(node: &Node<'_>) -> Option<u32> {
    let text = node.text()?;
    let known = duration(text)
        .and_then(|length| u32::try_from(length.num_seconds()).ok())
        .filter(|seconds| WINDOWS_S.contains(seconds));
    if known.is_none() {
        node.fault(format!(
            "is {text:?}; one of PT5M, PT10M, PT15M, PT30M, PT1H is needed"
        ));
    }
    known
}

fn ratchet(node: &Node<'_>) -> Option<Ratchet> {
    let object: Object<'_> = node.object()?;
    let percent = object.need("percent").and_then(|node| node.whole(1..=100));
    let months = object
        .need("months")
        .and_then(|node| node.whole(1..=i64::from(MAX_RATCHET_MONTHS)));
    object.close();
    Some(Ratchet {
        percent: u8::try_from(percent?).ok()?,
        months: u8::try_from(months?).ok()?,
    })
}

/// The same as it may be sent back.
pub(super) fn demand_charge_view(charge: &DemandCharge) -> Value {
    let minutes = charge.window_s / 60;
    let window = if minutes == 60 {
        "PT1H".to_owned()
    } else {
        format!("PT{minutes}M")
    };
    json!({
        "per_kw": charge.per_kw.per_kwh(),
        "window": window,
        "peak_so_far_kw": charge.peak_so_far.map(Power::kilowatts),
        "minimum_billed_kw": charge.minimum_billed.map(Power::kilowatts),
        "ratchet": charge.ratchet.map(|it| json!({"percent": it.percent, "months": it.months})),
    })
}

/// How a price of peaks stands: `null` where a site has none.
pub(super) fn demand_view(state: &SiteState, frame: &Frame, now: Time) -> Value {
    let Some(standing) = state.demand_standing(now) else {
        return Value::Null;
    };
    let slots = 0..frame.horizon.slots;
    let ahead = slots.filter_map(|slot| state.demand_price(frame.span(slot).0));
    let months: Vec<Value> = state
        .peaks
        .months
        .iter()
        .map(|known| {
            let Month { year, month } = known.month;
            json!({"month": format!("{year:04}-{month:02}"), "peak_kw": known.peak.kilowatts(),
                "window_start": known.at, "stated": known.at.is_none()})
        })
        .collect();
    json!({
        "per_kw": state.demand_price(now).map(Price::per_kwh),
        "highest_ahead_per_kw": ahead.max().map(Price::per_kwh),
        "window_s": standing.window.num_seconds(),
        "peak_so_far_kw": standing.reached.kilowatts(),
        "ratchet_kw": standing.ratchet.kilowatts(),
        "minimum_billed_kw": standing.minimum_billed.kilowatts(),
        "free_kw": standing.free().kilowatts(),
        "running_window": standing.running.map(|running| json!({
            "start": running.start,
            "energy_kwh": running.energy.kilowatt_hours(),
            "power_kw": running.power.kilowatts(),
            "mean_so_far_kw": standing.running_mean().kilowatts(),
        })),
        "target_kw": state.plan.as_ref().and_then(|plan| plan.peak_target).map(Power::kilowatts),
        "months": months,
    })
}
