//! Missing data pushes towards charging, never towards doing nothing (I3): the table of
//! docs/safety.md, one test for each thing that may be absent.

use super::super::plan;
use super::{FULL, HOUR, arrives, plan_at, powers, prices, sends, signal};
use crate::domain::event::EventKind;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Reading;
use crate::domain::signal::SignalKind;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, kw, live, session, site_of};

/// A site of 50 kW with one car that needs 10 kWh within six hours.
fn with_a_car() -> SiteState {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    state
}

/// The car gets what it needs before it leaves.
fn is_ready(state: &SiteState, second: i64) {
    let plan = plan_at(state, second);
    let planned = plan.evse(&evse_id(1)).expect("planned");
    assert_eq!(planned.unmet, Energy::ZERO);
    let leaves = planned.departure.expect("assumed where nobody said it");
    assert!(planned.ready_at.is_some_and(|at| at <= leaves));
}

#[test]
fn without_a_price() {
    is_ready(&with_a_car(), 0);
}

#[test]
fn with_a_price_that_ends_before_the_stay_does() {
    let mut state = with_a_car();
    prices(&mut state, &[300]);
    is_ready(&state, 0);
}

#[test]
fn without_a_departure() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 10, 10, 10]);
    arrives(&mut state, 1, None, Some(10.0));
    // At once and at full power: the stay that is assumed may be too short for all of it.
    assert_eq!(powers(&plan_at(&state, 0), 1)[0], FULL);
}

#[test]
fn without_a_need() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(6 * HOUR), None);
    assert_eq!(powers(&plan_at(&state, 0), 1)[0], FULL);
    is_ready(&state, 0);
}

#[test]
fn without_either() {
    let mut state = live(site_of(50.0, 1));
    prices(&mut state, &[100, 10, 10, 10]);
    arrives(&mut state, 1, None, None);
    assert_eq!(powers(&plan_at(&state, 0), 1)[0], FULL);
}

#[test]
fn after_the_departure_it_stated() {
    let mut state = live(site_of(50.0, 1));
    arrives(&mut state, 1, Some(10), Some(20.0));
    assert_eq!(powers(&plan_at(&state, 20), 1)[0], FULL);
}

#[test]
fn without_any_reading_of_its_meter() {
    let state = with_a_car();
    assert!(state.evses[&evse_id(1)].reading.is_none());
    is_ready(&state, HOUR);
}

#[test]
fn without_the_sites_meter() {
    let state = with_a_car();
    assert!(state.meter.is_none());
    assert_eq!(powers(&plan_at(&state, 0), 1)[0], FULL);
}

#[test]
fn with_a_sites_meter_gone_silent() {
    let mut state = with_a_car();
    let reading = Reading {
        power: kw(20.0),
        at: at(0),
    };
    happen(&mut state, 0, EventKind::SiteMetered { reading });
    // The highest of the day, 20 kW, leaves 30 kW of 50 kW.
    assert_eq!(powers(&plan_at(&state, HOUR), 1)[0], FULL);
    is_ready(&state, HOUR);
}

#[test]
fn without_the_wiring_of_its_phases() {
    let mut site = site_of(50.0, 1);
    site.evses[0].phases.clear();
    let mut state = live(site);
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    is_ready(&state, 0);
}

#[test]
fn without_a_least_power() {
    let mut site = site_of(50.0, 1);
    site.evses[0].min = Power::ZERO;
    let mut state = live(site);
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    is_ready(&state, 0);
}

#[test]
fn without_a_forecast_beyond_its_first_hour() {
    let mut state = with_a_car();
    sends(
        &mut state,
        signal(SignalKind::BaseLoad, &[(0, HOUR, 20_000)]),
    );
    is_ready(&state, 0);
}

#[test]
fn with_a_limit_signal_gone_silent() {
    let mut state = with_a_car();
    sends(
        &mut state,
        signal(SignalKind::ImportLimit, &[(0, HOUR, 8_000)]),
    );
    // Afterwards the operator's own limit holds, as no fail-safe is set.
    is_ready(&state, 2 * HOUR);
}

#[test]
fn without_an_earlier_plan_and_without_the_time_for_one() {
    let state = with_a_car();
    let plan = plan(&state, &Policy::default(), at(0), &|| true);
    assert_eq!(powers(&plan, 1)[0], FULL);
}

#[test]
fn without_history() {
    let state = with_a_car();
    assert!(state.history.is_empty());
    is_ready(&state, 0);
}

#[test]
fn without_news_of_its_session_for_hours() {
    let mut state = live(site_of(50.0, 1));
    let session = Box::new(session(1, 0));
    happen(&mut state, 0, EventKind::SessionSeen { session });
    assert_eq!(powers(&plan_at(&state, 5 * HOUR), 1)[0], FULL);
}
