//! What something would change: the plan with it against the plan without it, both made now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};

use super::ApiState;
use crate::domain::event::{Event, EventKind};
use crate::domain::id::EvseId;
use crate::domain::plan::{Plan, PlannedEvse};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::planner;
use crate::state::{SiteState, Snapshot};

/// How long both plans may take together; then the best that is at hand is compared.
const BUDGET: Duration = Duration::from_secs(3);
/// Less than this undelivered does not put a vehicle at risk: 0.1 kWh.
const WORTH_TELLING: Energy = Energy::from_joules(360_000);

/// A vehicle that gets less, or later.
#[derive(Clone, Debug, Serialize)]
struct Delayed {
    evse: EvseId,
    /// Short of this when it leaves, without and with the change.
    unmet_before_kwh: f64,
    unmet_after_kwh: f64,
    ready_before: Option<Time>,
    ready_after: Option<Time>,
}

/// What would change.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    /// Highest change of planned power in one slot.
    shifted: Power,
    /// Energy that moves to other slots or is not delivered.
    moved: Energy,
    cost_before: f64,
    cost_after: f64,
    currency: String,
    /// Vehicles short of more than without the change.
    at_risk: usize,
    delayed: Vec<Delayed>,
}

impl Effect {
    /// As JSON; who is delayed only for those who may see sessions.
    pub(super) fn view(&self, with_vehicles: bool) -> Value {
        let mut view = json!({
            "shifted_kw": self.shifted.kilowatts(),
            "moved_kwh": self.moved.kilowatt_hours(),
            "cost_before": self.cost_before,
            "cost_after": self.cost_after,
            "cost_change": self.cost_after - self.cost_before,
            "currency": self.currency,
            "vehicles_at_risk": self.at_risk,
            "vehicles_delayed": self.delayed.len(),
        });
        if with_vehicles {
            view["delayed"] = json!(self.delayed);
        }
        view
    }
}

/// The effect of an event on a state. `None` if too many others ask for the same.
pub(super) async fn of(api: &ApiState, state: Snapshot, kind: EventKind) -> Option<Effect> {
    let now = api.clock.now();
    let policy = api.policy.clone();
    aside(api, move |stop| compare(&state, kind, &policy, now, stop)).await
}

/// Does work that takes a core, beside the requests; it is told to stop when its time is over. `None`
/// if too many others ask for such work.
pub(super) async fn aside<T: Send + 'static>(
    api: &ApiState,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Option<T> {
    let _permit = api.forecasts.try_acquire().ok()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let work = web::block(move || work(&|| stopped.load(Ordering::Relaxed)));
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(BUDGET, &mut work).await {
        return done.ok();
    }
    stop.store(true, Ordering::Relaxed);
    work.await.ok()
}

fn compare(
    state: &SiteState,
    kind: EventKind,
    policy: &Policy,
    now: Time,
    should_stop: &dyn Fn() -> bool,
) -> Effect {
    let mut changed = state.clone();
    changed.apply(&Event {
        seq: state.last_seq + 1,
        at: now,
        kind,
    });
    let before = planner::plan(state, policy, now, should_stop);
    let after = planner::plan(&changed, policy, now, should_stop);
    let (sum_before, sum_after) = (sums(&before), sums(&after));
    let falls = sum_before
        .iter()
        .zip(&sum_after)
        .map(|(before, after)| before.saturating_minus(*after));
    let rises = sum_after
        .iter()
        .zip(&sum_before)
        .map(|(after, before)| after.saturating_minus(*before));
    let delayed: Vec<_> = before
        .evses
        .iter()
        .filter_map(|planned| delayed(planned, &after))
        .collect();
    Effect {
        shifted: falls.clone().chain(rises).max().unwrap_or(Power::ZERO),
        moved: falls.map(|fall| fall.over(before.horizon.slot())).sum(),
        cost_before: before.cost.amount(),
        cost_after: after.cost.amount(),
        currency: state.site.currency.clone(),
        at_risk: delayed
            .iter()
            .filter(|vehicle| vehicle.unmet_after_kwh > vehicle.unmet_before_kwh)
            .count(),
        delayed,
    }
}

/// Planned power of the whole site per slot.
fn sums(plan: &Plan) -> Vec<Power> {
    (0..plan.horizon.slots)
        .map(|slot| {
            plan.evses
                .iter()
                .filter_map(|evse| evse.power.get(slot).copied())
                .sum()
        })
        .collect()
}

fn delayed(before: &PlannedEvse, plan: &Plan) -> Option<Delayed> {
    let after = plan.evse(&before.evse)?;
    let is_short = after.unmet.saturating_minus(before.unmet) >= WORTH_TELLING;
    let is_later = match (before.ready_at, after.ready_at) {
        (Some(before), Some(after)) => after > before,
        (Some(_), None) => true,
        (None, _) => false,
    };
    (is_short || is_later).then(|| Delayed {
        evse: before.evse.clone(),
        unmet_before_kwh: before.unmet.kilowatt_hours(),
        unmet_after_kwh: if is_short { after.unmet } else { before.unmet }.kilowatt_hours(),
        ready_before: before.ready_at,
        ready_after: after.ready_at,
    })
}
