//! `/sites/{site}/frame`: what the live signals come to, slot by slot, and which of them decided.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::grid_rules::demand_view;
use super::sites::{Answer, no_query};
use crate::domain::id::{CircuitId, SignalKey};
use crate::domain::quantity::Power;
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::planner::frame::{Frame, FrameCircuit, LimitOrigin};
use crate::planner::price::PriceOrigin;
use crate::state::SiteState;
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
    let qualities: Vec<&str> = frame
        .price_origin
        .iter()
        .map(PriceOrigin::quality)
        .collect();
    let reckoned: Vec<f64> = frame.wishes.reckoned.iter().map(|p| p.per_kwh()).collect();
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site,
        "at": now,
        "start": frame.horizon.start,
        "slot_s": frame.horizon.slot_s,
        "slots": frame.horizon.slots,
        "currency": state.site.currency,
        "price_per_kwh": price_per_kwh,
        "price_quality": runs(&frame, &qualities, &frame.price_origin),
        "reckoned_per_kwh": reckoned,
        "wishes_kw": wishes(&frame),
        "demand": demand_view(&state, &frame, now),
        "signals": standings(&state, &frame),
        "circuits": circuits,
    })))
}

/// What is wished of the root, slot by slot, and by which signal.
fn wishes(frame: &Frame) -> Vec<Run<'_, f64, Option<SignalKey>>> {
    let root = frame
        .wishes
        .cap
        .iter()
        .find(|row| row.iter().any(Option::is_some));
    let Some(row) = root else {
        return Vec::new();
    };
    let values: Vec<f64> = row
        .iter()
        .map(|cap| cap.map_or(f64::MAX, Power::kilowatts))
        .collect();
    let all = runs(frame, &values, &frame.wishes.origin);
    all.into_iter().filter(|run| run.value < f64::MAX).collect()
}

/// Every signal that speaks of these slots: how many of them it wins, of how many it speaks. The rest
/// it loses to the winner that the slot names.
fn standings(state: &SiteState, frame: &Frame) -> Vec<Value> {
    let slots = 0..frame.horizon.slots;
    let wins = |key: &SignalKey, slot: usize| {
        let limit = frame.circuits.iter().any(|circuit| {
            matches!(circuit.limit_origin.get(slot), Some(LimitOrigin::Signal { key: k }) if k == key)
        });
        let price = matches!(
            frame.price_origin.get(slot),
            Some(PriceOrigin::Signal { key: k } | PriceOrigin::WeekBefore { key: k }
                | PriceOrigin::DayBefore { key: k }) if k == key
        );
        let wish = frame
            .wishes
            .origin
            .get(slot)
            .is_some_and(|k| k.as_ref() == Some(key));
        limit || price || wish
    };
    state
        .signals
        .values()
        .filter_map(|series| {
            let speaks = |slot: &usize| {
                let (start, end) = frame.span(*slot);
                let from = series.slots.partition_point(|s| s.end <= start);
                series.slots.get(from).is_some_and(|s| s.start < end)
            };
            let spoken: Vec<usize> = slots.clone().filter(speaks).collect();
            let won = spoken
                .iter()
                .filter(|slot| wins(&series.key, **slot))
                .count();
            // Load, sun and carbon are added up or weighed: nobody wins.
            let competes = matches!(
                series.kind,
                SignalKind::ImportLimit
                    | SignalKind::ImportPrice
                    | SignalKind::PowerTarget
                    | SignalKind::Alert
            );
            (!spoken.is_empty()).then(|| {
                json!({
                    "key": series.key, "kind": series.kind, "source": series.source,
                    "slots": spoken.len(),
                    "wins": competes.then_some(won),
                    "loses": competes.then_some(spoken.len() - won),
                })
            })
        })
        .collect()
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
