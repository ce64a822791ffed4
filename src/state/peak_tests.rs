//! What is learned of peaks.

use chrono::TimeDelta;

use crate::domain::event::EventKind;
use crate::domain::grid_rules::{DemandCharge, Ratchet};
use crate::domain::quantity::{Power, Price};
use crate::domain::session::Reading;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, kw, live, session, site_of};

fn charge() -> DemandCharge {
    DemandCharge {
        per_kw: Price::from_per_kwh(10.0),
        window_s: 900,
        peak_so_far: None,
        minimum_billed: None,
        ratchet: None,
    }
}

fn charged(charge: DemandCharge) -> SiteState {
    let mut site = site_of(100.0, 2);
    site.grid.demand_charge = Some(charge);
    live(site)
}

/// The second at which the window begins that the tests start in: [`at`] of 0 is 10 minutes into a
/// quarter of an hour.
fn quarter() -> i64 {
    let into = at(0).timestamp().rem_euclid(900);
    900 - into
}

fn metered(state: &mut SiteState, second: i64, kilowatts: f64) {
    let reading = Reading {
        at: at(second),
        power: kw(kilowatts),
    };
    happen(state, second, EventKind::SiteMetered { reading });
}

fn reached(state: &SiteState, second: i64) -> Power {
    state.demand_standing(at(second)).expect("a charge").reached
}

#[test]
fn the_mean_of_a_whole_window_counts_and_not_its_highest_reading() {
    let mut state = charged(charge());
    let q = quarter();
    metered(&mut state, q, 30.0);
    metered(&mut state, q + 300, 90.0);
    metered(&mut state, q + 600, 30.0);
    assert_eq!(reached(&state, q + 600), Power::ZERO, "the window runs");
    let standing = state.demand_standing(at(q + 600)).expect("a charge");
    // (30 kW x 300 s + 90 kW x 300 s) / 900 s = 40 kW.
    assert_eq!(standing.running_mean(), kw(40.0));
    assert_eq!(standing.free(), kw(40.0));
    metered(&mut state, q + 900, 10.0);
    // (30 + 90 + 30) / 3 = 50 kW.
    assert_eq!(reached(&state, q + 900), kw(50.0));
    metered(&mut state, q + 1800, 10.0);
    assert_eq!(reached(&state, q + 1800), kw(50.0), "10 kW is no new peak");
}

#[test]
fn power_that_nobody_saw_is_not_counted_on() {
    let mut state = charged(charge());
    let q = quarter();
    metered(&mut state, q, 0.0);
    metered(&mut state, q + 450, 60.0);
    // Silent for two hours: what was read counts for as long as a window, half of it in the next.
    metered(&mut state, q + 7200, 20.0);
    assert_eq!(reached(&state, q + 7200), kw(30.0));
    let running = state.peaks.running.expect("runs");
    assert_eq!(running.start, at(q + 7200));
    assert_eq!(running.energy.joules(), 0);
}

#[test]
fn without_a_meter_the_evses_show_the_peak() {
    let mut state = charged(charge());
    let q = quarter();
    for number in [1, 2] {
        let session = Box::new(session(number, q - 10));
        happen(&mut state, q - 10, EventKind::SessionSeen { session });
    }
    for (second, kilowatts) in [(q, 8.0), (q + 450, 10.0), (q + 900, 0.0)] {
        for number in [1, 2] {
            let kind = EventKind::EvseMeasured {
                evse: evse_id(number),
                reading: Reading {
                    at: at(second),
                    power: kw(kilowatts),
                },
                energy: None,
            };
            happen(&mut state, second, kind);
        }
    }
    // 2 x (8 + 10) / 2.
    assert_eq!(reached(&state, q + 900), kw(18.0));
}

#[test]
fn a_month_begins_anew_and_the_ratchet_remembers() {
    let mut state = charged(DemandCharge {
        ratchet: Some(Ratchet {
            percent: 80,
            months: 2,
        }),
        minimum_billed: Some(kw(12.0)),
        ..charge()
    });
    let q = quarter();
    metered(&mut state, q, 50.0);
    metered(&mut state, q + 900, 0.0);
    let after = |days: i64| -> Time { at(q) + TimeDelta::days(days) };
    let now = state.demand_standing(after(0)).expect("a charge");
    assert_eq!((now.reached, now.ratchet), (kw(50.0), Power::ZERO));
    let next = state.demand_standing(after(31)).expect("a charge");
    assert_eq!((next.reached, next.ratchet), (Power::ZERO, kw(40.0)));
    assert_eq!(next.free(), kw(40.0));
    let later = state.demand_standing(after(95)).expect("a charge");
    assert_eq!(later.ratchet, Power::ZERO, "three months ago");
    assert_eq!(later.free(), kw(12.0), "billed in any case");
}

#[test]
fn months_begin_at_the_sites_midnight() {
    let mut state = charged(charge());
    // Midnight of the first of December in Amsterdam is 23:00 UTC.
    let midnight: Time = "2026-11-30T23:00:00Z".parse().expect("valid");
    let second = (midnight - at(0)).num_seconds();
    metered(&mut state, second - 900, 40.0);
    metered(&mut state, second, 20.0);
    metered(&mut state, second + 900, 0.0);
    let november = state.demand_standing(at(second - 1)).expect("a charge");
    assert_eq!(november.reached, kw(40.0));
    assert_eq!(reached(&state, second), kw(20.0));
}

#[test]
fn a_stated_peak_counts_in_its_month_and_is_not_stated_twice() {
    let mut state = charged(charge());
    let stated = |state: &mut SiteState, second: i64, kilowatts: Option<f64>| {
        let mut site = (*state.site).clone();
        site.grid.demand_charge = Some(DemandCharge {
            peak_so_far: kilowatts.map(kw),
            ..charge()
        });
        let site = Box::new(site);
        happen(state, second, EventKind::SiteConfigured { site });
    };
    stated(&mut state, 0, None);
    stated(&mut state, 0, Some(35.0));
    assert_eq!(reached(&state, 0), kw(35.0));
    // The same description is sent again in the next month, for its name.
    let month = 31 * 86_400;
    stated(&mut state, month, Some(35.0));
    assert_eq!(reached(&state, month), Power::ZERO);
}

#[test]
fn a_site_that_begins_with_a_stated_peak_knows_it() {
    let mut site = site_of(100.0, 1);
    site.grid.demand_charge = Some(DemandCharge {
        peak_so_far: Some(kw(22.0)),
        ..charge()
    });
    let mut state = SiteState::new(site.clone(), at(0));
    let site = Box::new(site);
    happen(&mut state, 0, EventKind::SiteConfigured { site });
    assert_eq!(reached(&state, 0), kw(22.0));
}

#[test]
fn what_is_kept_is_read_back_as_it_was() {
    let mut state = charged(charge());
    let q = quarter();
    metered(&mut state, q, 30.0);
    metered(&mut state, q + 900, 31.0);
    metered(&mut state, q + 1000, 32.0);
    let text = serde_json::to_string(&state).expect("written");
    let read: SiteState = serde_json::from_str(&text).expect("read");
    assert_eq!(read.peaks, state.peaks);
    assert!(!read.peaks.is_empty());
}
