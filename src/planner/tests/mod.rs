//! Behaviour of the planner.

mod arrivals;
mod beliefs;
mod flexibility;
mod frame;
mod golden;
mod missing;
mod peaks;
mod properties;
mod resolver;
mod rules;
mod wishes;

use std::sync::Arc;

use super::plan;
use crate::domain::event::EventKind;
use crate::domain::id::SignalKey;
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Needs;
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, session};

pub(super) const HOUR: i64 = 3600;

/// 11.04 kW x 1.1: what an EVSE of the tests draws at most.
pub(super) const FULL: Power = Power::from_watts(12_144);

pub(super) fn never() -> bool {
    false
}

pub(super) fn plan_at(state: &SiteState, second: i64) -> Plan {
    plan(state, &Policy::default(), at(second), &never)
}

/// A car plugs in at EVSE `number` now, and says what it needs.
pub(super) fn arrives(state: &mut SiteState, number: usize, leaves: Option<i64>, kwh: Option<f64>) {
    let mut session = session(number, 0);
    session.needs = Needs {
        departure: leaves.map(at),
        energy: kwh.map(Energy::from_kilowatt_hours),
        discharge_allowed: false,
    };
    let session = Box::new(session);
    happen(state, 0, EventKind::SessionSeen { session });
}

pub(super) fn signal(kind: SignalKind, slots: &[(i64, i64, i64)]) -> SignalSeries {
    SignalSeries {
        key: SignalKey::new(format!("{kind:?}")).expect("valid"),
        source: "test".into(),
        revision: 1,
        kind,
        circuit: None,
        slots: slots
            .iter()
            .map(|(start, end, value)| SignalSlot {
                start: at(*start),
                end: at(*end),
                value: *value,
            })
            .collect(),
        priority: 20,
        hard: true,
        issued_at: at(0),
        received_at: at(0),
        valid_until: None,
        evse: None,
        evses_only: false,
    }
}

pub(super) fn sends(state: &mut SiteState, series: SignalSeries) {
    let series = Arc::new(series);
    state.signals.insert(series.key.clone(), series);
}

/// Prices per `MWh` by hour, in the currency.
pub(super) fn prices(state: &mut SiteState, per_mwh: &[i64]) {
    let slots: Vec<(i64, i64, i64)> = (0..)
        .zip(per_mwh)
        .map(|(hour, price)| (hour * HOUR, (hour + 1) * HOUR, price * 1000))
        .collect();
    sends(state, signal(SignalKind::ImportPrice, &slots));
}

pub(super) fn powers(plan: &Plan, number: usize) -> &[Power] {
    &plan.evse(&evse_id(number)).expect("planned").power
}
