//! How far a signal is on its way to the chargers: received, planned, applied, measured, closed.
//!
//! Told from what is believed now, so that it survives a restart and cannot contradict the rest.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::plan::Plan;
use crate::domain::quantity::Power;
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Where a signal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is stored.
    Received,
    /// A plan reckons with it.
    Planned,
    /// Every EVSE holds a profile of a plan that reckons with it, or nothing needed to change.
    Applied,
    /// It is live, applied, and every running session was measured since.
    Measured,
    /// Its last slot is over.
    Closed,
}

const ORDER: [Stage; 5] = [
    Stage::Received,
    Stage::Planned,
    Stage::Applied,
    Stage::Measured,
    Stage::Closed,
];

/// How far signals of a site are; what they have in common is found out once.
pub(super) struct Reached<'s> {
    state: &'s SiteState,
    now: Time,
    idle: bool,
    applied: std::cell::OnceCell<bool>,
}

impl<'s> Reached<'s> {
    pub(super) fn new(state: &'s SiteState, now: Time) -> Self {
        Self {
            state,
            now,
            // Without a running session there is nothing to plan: what comes next is planned with it.
            idle: state.evses.values().all(crate::state::EvseState::is_free),
            applied: std::cell::OnceCell::new(),
        }
    }

    /// Where a signal stands.
    pub(super) fn stage(&self, series: &SignalSeries) -> Stage {
        let Self {
            state, now, idle, ..
        } = *self;
        if series.end().is_none_or(|end| end <= now) {
            return Stage::Closed;
        }
        let plan = state.plan.as_deref();
        let planned = plan.is_some_and(|plan| plan.made_at >= series.received_at);
        if !planned && !idle {
            return Stage::Received;
        }
        let applied = || *self.applied.get_or_init(|| is_applied(state, plan, now));
        if !idle && !applied() {
            return Stage::Planned;
        }
        let is_live = series.slot_at(now).is_some();
        if is_live && is_measured(state, series, now) {
            return Stage::Measured;
        }
        Stage::Applied
    }
}

/// Nothing is under way, and what every steered EVSE may draw now is within the plan.
fn is_applied(state: &SiteState, plan: Option<&Plan>, now: Time) -> bool {
    let Some(plan) = plan else { return false };
    let Some(slot) = plan.slot_at(now) else {
        return false;
    };
    plan.evses
        .iter()
        .filter(|planned| state.may_send_to(&planned.evse))
        .all(|planned| {
            let allowed = planned.power.get(slot).copied().unwrap_or(Power::ZERO);
            let under_way = state
                .evses
                .get(&planned.evse)
                .is_some_and(|evse| !evse.profiles.outstanding.is_empty());
            let bound = state.evse_bound(&planned.evse).at(now);
            let least = state
                .site
                .evse(&planned.evse)
                .map(crate::domain::evse::Evse::min_bound);
            // What is not worth a profile of its own counts as applied.
            let dead_band =
                Power::from_watts(1_000).max(least.unwrap_or(Power::ZERO).scaled_down(1, 4));
            !under_way && bound <= allowed + dead_band
        })
}

/// Every running session was read since the slot began and the signal came.
fn is_measured(state: &SiteState, series: &SignalSeries, now: Time) -> bool {
    let began = series.slot_at(now).map_or(now, |slot| slot.start);
    let since = began.max(series.received_at);
    let mut running = state.evses.values().filter(|evse| !evse.is_free());
    running.all(|evse| evse.reading.is_some_and(|reading| reading.at > since))
}

/// The stages with the one reached marked, and for limits what is measured against it now.
pub(super) fn view(state: &SiteState, series: &SignalSeries, now: Time) -> Value {
    let reached = Reached::new(state, now).stage(series);
    let stages: Vec<Value> = ORDER
        .iter()
        .map(|stage| json!({"stage": stage, "reached": *stage <= reached}))
        .collect();
    let measured: Power = state
        .evses
        .values()
        .filter(|evse| !evse.is_free())
        .filter_map(|evse| evse.reading)
        .map(|reading| reading.power)
        .sum();
    let others = state.meter.map_or(Power::ZERO, |meter| meter.uncontrolled);
    let limit = series
        .slot_at(now)
        .filter(|_| series.kind == SignalKind::ImportLimit && series.circuit.is_none());
    json!({
        "stage": reached,
        "stages": stages,
        "measured_kw": (measured + others).kilowatts(),
        "within_limit": limit.map(|slot| measured + others <= Power::from_watts(slot.value)),
    })
}
