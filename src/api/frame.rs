//! `/sites/{site}/frame`: what the live signals come to, slot by slot, and which of them decided.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::sites::{Answer, no_query};
use crate::domain::id::CircuitId;
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::planner::frame::{Frame, FrameCircuit, LimitOrigin};
use crate::planner::price::PriceOrigin;
use crate::state::limits::UNLIMITED;

/// Neighbouring slots with the same value and the same origin, as one.
#[derive(Debug, PartialEq, Serialize)]
struct Run<'a, V, O> {
    start: Time,
    end: Time,
    value: V,
    origin: &'a O,
}

#[derive(Debug, Serialize)]
struct CircuitView<'a> {
    circuit: &'a CircuitId,
    /// `null`: no limit is known.
    limit_kw: Vec<Run<'a, Option<f64>, LimitOrigin>>,
    uncontrolled_kw: Vec<f64>,
    reserve_kw: f64,
    uncontrollable_kw: f64,
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let frame = Frame::resolve(&state, &api.policy, now);
    let circuits: Vec<_> = frame
        .circuits
        .iter()
        .map(|circuit| circuit_view(&frame, circuit))
        .collect();
    let prices: Vec<f64> = frame.prices.iter().map(|price| price.per_kwh()).collect();
    let price_per_kwh: Vec<Run<'_, f64, PriceOrigin>> = runs(&frame, &prices, &frame.price_origin);
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site,
        "at": now,
        "start": frame.horizon.start,
        "slot_s": frame.horizon.slot_s,
        "slots": frame.horizon.slots,
        "currency": state.site.currency,
        "price_per_kwh": price_per_kwh,
        "circuits": circuits,
    })))
}

fn circuit_view<'a>(frame: &Frame, circuit: &'a FrameCircuit) -> CircuitView<'a> {
    let limits: Vec<Option<f64>> = circuit
        .limit
        .iter()
        .map(|limit| (*limit < UNLIMITED).then(|| limit.kilowatts()))
        .collect();
    CircuitView {
        circuit: &circuit.circuit,
        limit_kw: runs(frame, &limits, &circuit.limit_origin),
        uncontrolled_kw: circuit
            .uncontrolled
            .iter()
            .copied()
            .map(Power::kilowatts)
            .collect(),
        reserve_kw: circuit.reserve.kilowatts(),
        uncontrollable_kw: circuit.uncontrollable.kilowatts(),
    }
}

fn runs<'a, V: Copy + PartialEq, O: PartialEq>(
    frame: &Frame,
    values: &[V],
    origins: &'a [O],
) -> Vec<Run<'a, V, O>> {
    let mut runs: Vec<Run<'a, V, O>> = Vec::new();
    for (slot, (value, origin)) in values.iter().zip(origins).enumerate() {
        let (start, end) = frame.span(slot);
        match runs.last_mut() {
            Some(last) if last.value == *value && last.origin == origin => last.end = end,
            _ => runs.push(Run {
                start,
                end,
                value: *value,
                origin,
            }),
        }
    }
    runs
}
