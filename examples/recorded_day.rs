//! Recorded days as the demo plays them - arrival reserve, least power, slow ends of charging, drivers
//! who keep their word - through the real circle in virtual time, without sockets and store: a line a
//! day, and whoever was not ready.
//!
//! ```text
//! cargo run --release --example recorded_day -- [all | DAY ...] [KEY=VALUE ...]
//! ```
//!
//! `all` takes every day on which unmanaged charging breaks the limit; without a day, the demo's.
//! Keys: `limit_kw`, and the settings of a policy. What other sites and other knowledge would give is
//! what `evenload backtest` is for.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use evenload::domain::event::{EventKind, PartnerHealth};
use evenload::domain::evse::{Evse, EvseSource, Supply};
use evenload::domain::grid_rules::GridRules;
use evenload::domain::id::{CircuitId, EvseId, PartnerId, SessionId, SignalKey, SiteId, TenantId};
use evenload::domain::policy::Policy;
use evenload::domain::quantity::Power;
use evenload::domain::session::{Needs, PastSession};
use evenload::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use evenload::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use evenload::domain::time::Time;
use evenload::sim::circle::{Circle, CircleOptions};
use evenload::sim::methods::{MethodResult, equal_share, unmanaged};
use evenload::sim::recorded::{CURRENCY, Recording, TIME_ZONE, day_bounds};
use evenload::sim::world::{Depot, Grid};
use serde_json::json;

/// What three methods came to on a day.
struct Played {
    unmanaged: MethodResult,
    equal_share: MethodResult,
    evenload: MethodResult,
    pushes: u64,
}

fn main() {
    let recording = Recording::embedded().expect("sound");
    let mut policy = json!(Policy::default());
    let mut limit_kw = 140.0;
    let mut days: Vec<NaiveDate> = Vec::new();
    let mut all = false;
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("limit_kw", value)) => limit_kw = value.parse().expect("a number"),
            Some((key, value)) => policy[key] = serde_json::from_str(value).expect("a number"),
            None if argument == "all" => all = true,
            None => days.push(argument.parse().expect("a day such as 2019-10-02")),
        }
    }
    let policy: Policy = serde_json::from_value(policy).expect("settings of a policy");
    let limit = Power::from_kilowatts(limit_kw);
    if all {
        days = recording.days();
    } else if days.is_empty() {
        days.push("2019-10-02".parse().expect("valid"));
    }
    println!(
        "{:<11} {:>5} {:>10} {:>18} {:>18} {:>9} {:>9} {:>7} {:>6}",
        "day",
        "cars",
        "unmanaged",
        "equal share, ready",
        "evenload, ready",
        "peak kW",
        "over",
        "pushes",
        "stops"
    );
    let (mut played, mut cheaper, mut ready) = (0, 0, 0);
    for day in days {
        let (before, until) = depot(&recording, day, limit);
        let unmanaged = unmanaged(before, until, CURRENCY);
        if all && unmanaged.limit_violations == 0 {
            continue;
        }
        let it = play(&recording, day, limit, &policy, unmanaged);
        let (ours, share) = (&it.evenload, &it.equal_share);
        println!(
            "{day} {:>6} {:>10.2} {:>9.2} {:>4}/{:<3} {:>9.2} {:>4}/{:<3} {:>9.1} {:>9} {:>7} {:>6}",
            ours.vehicles,
            it.unmanaged.cost,
            share.cost,
            share.ready_on_time,
            share.reachable,
            ours.cost,
            ours.ready_on_time,
            ours.reachable,
            ours.peak_kw,
            ours.limit_violations,
            it.pushes,
            ours.interruptions,
        );
        for late in &ours.late {
            println!("    {late}");
        }
        played += 1;
        cheaper += usize::from(ours.cost < it.unmanaged.cost && ours.cost < share.cost);
        ready += usize::from(ours.ready_on_time == ours.reachable);
    }
    println!("{played} days: everybody ready on {ready}, cheaper than both others on {cheaper}");
}

/// The depot before the first car, and when the last has left.
fn depot(recording: &Recording, day: NaiveDate, limit: Power) -> (Depot, Time) {
    let (start, end) = day_bounds(day);
    let grid = Grid::with_limit(limit, recording.prices().clone());
    let mut depot = Depot::new(start, grid, recording.evses());
    let sessions = recording.on(day);
    for session in sessions {
        depot.expect(&session.evse, session.car());
    }
    let last = sessions.iter().map(|s| s.departure).max().unwrap_or(end);
    (depot, last + TimeDelta::minutes(1))
}

fn play(
    recording: &Recording,
    day: NaiveDate,
    limit: Power,
    policy: &Policy,
    unmanaged: MethodResult,
) -> Played {
    let (start, _) = day_bounds(day);
    let (before, until) = depot(recording, day, limit);
    let needs = recording.on(day).iter().map(|session| {
        let said = Needs {
            departure: Some(session.departure),
            energy: Some(session.energy),
            discharge_allowed: false,
        };
        (session.id.clone(), said)
    });
    let options = CircleOptions {
        needs: needs.collect(),
        ..CircleOptions::default()
    };
    let site = site(&before, limit);
    let mut circle = Circle::new(site, policy.clone(), before.clone(), options);
    let (mode, evses) = (Mode::Live, BTreeSet::new());
    circle.tell(start, EventKind::ModeSet { mode, evses });
    let (partner, health) = (partner(), PartnerHealth::Current);
    circle.tell(start, EventKind::PartnerSeen { partner, health });
    let past = recording
        .between(start - TimeDelta::days(28), start)
        .iter()
        .filter(|s| s.departure < start)
        .map(|s| PastSession {
            id: SessionId::new(&s.id).expect("valid"),
            evse: EvseId::new(&s.evse).expect("valid"),
            started_at: s.arrival,
            ended_at: s.departure,
            energy: s.energy,
            stated_departure: None,
            stated_energy: None,
        });
    let sessions = past.collect();
    circle.tell(start, EventKind::HistoryLearned { sessions });
    // The next day's prices are public from 13:00.
    let noon = start + TimeDelta::hours(13);
    for (at, days) in [(start, 1), (noon, 2)] {
        let series = Box::new(prices(recording, start, days));
        circle.tell(at, EventKind::SignalSet { series });
    }
    circle.run_until(until, &|| false);
    Played {
        unmanaged,
        equal_share: equal_share(before, until, CURRENCY),
        evenload: circle.result(CURRENCY),
        pushes: circle.pushes(),
    }
}

fn partner() -> PartnerId {
    PartnerId::new("cpo").expect("valid")
}

fn site(depot: &Depot, limit: Power) -> Site {
    let circuit = CircuitId::new("site").expect("valid");
    Site {
        tenant: TenantId::default_tenant(),
        id: SiteId::new("depot").expect("valid"),
        name: "Depot".into(),
        time_zone: TIME_ZONE,
        currency: CURRENCY.into(),
        circuits: vec![Circuit {
            id: circuit.clone(),
            parent: None,
            import_limit: Some(limit),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        }],
        evses: depot
            .evses()
            .iter()
            .map(|evse| Evse {
                id: EvseId::new(&evse.id).expect("valid"),
                circuit: circuit.clone(),
                max: evse.max_power(),
                min: Power::from_watts(6 * evse.voltage.millivolts() / 1000),
                phases: evse.wiring.clone(),
                supply: Supply::Ac {
                    phases: 1,
                    nominal: evse.voltage,
                },
                fallback: None,
                source: EvseSource::Ocpi {
                    partner: partner(),
                    location_id: "depot".into(),
                    evse_uid: evse.id.clone(),
                },
            })
            .collect(),
        arrival_reserve: ArrivalReserve::Largest(1),
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

fn prices(recording: &Recording, start: Time, days: i64) -> SignalSeries {
    let hours = recording
        .prices()
        .within(start, start + TimeDelta::days(days));
    let slots = hours.iter().map(|(at, price)| SignalSlot {
        start: *at,
        end: *at + TimeDelta::hours(1),
        value: price.micros(),
    });
    SignalSeries {
        key: SignalKey::new("day-ahead").expect("valid"),
        source: "recorded".into(),
        revision: 1,
        kind: SignalKind::ImportPrice,
        circuit: None,
        slots: slots.collect(),
        priority: 0,
        hard: false,
        issued_at: start,
        received_at: start,
        valid_until: None,
        evse: None,
        evses_only: false,
    }
}
