//! One recorded day through the real circle - state, planner, dispatch - in virtual time, without
//! sockets and store: what a setting of the policy is worth.
//!
//! ```text
//! cargo run --release --example recorded_day -- 2019-10-02 [KEY=VALUE ...]
//! ```
//!
//! Keys: `limit_kw`, `waiting` (millionths of the currency per kWh and hour), `days` (of expected
//! arrivals), `margin_s`, `hold_s`, `slot_s`, `short` (1: name who is short).
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use evenload::domain::event::{EventKind, PartnerHealth};
use evenload::domain::evse::{Evse, EvseSource, Supply};
use evenload::domain::id::{CircuitId, EvseId, PartnerId, SessionId, SignalKey, SiteId, TenantId};
use evenload::domain::policy::Policy;
use evenload::domain::quantity::{Power, Price};
use evenload::domain::session::{Needs, PastSession};
use evenload::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use evenload::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use evenload::sim::circle::{Circle, CircleOptions};
use evenload::sim::methods::{equal_share, unmanaged};
use evenload::sim::recorded::{CURRENCY, Recording, TIME_ZONE, day_bounds};
use evenload::sim::world::{Depot, Grid};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let day: NaiveDate = arguments
        .next()
        .unwrap_or_else(|| "2019-10-02".into())
        .parse()
        .expect("a day such as 2019-10-02");
    let mut policy = Policy::default();
    let (mut limit_kw, mut short) = (140.0, false);
    for argument in arguments {
        let (key, value) = argument.split_once('=').expect("KEY=VALUE");
        let number: f64 = value.parse().expect("a number");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small numbers"
        )]
        let whole = number as u32;
        match key {
            "limit_kw" => limit_kw = number,
            "waiting" => policy.waiting_price = Price::from_micros(i64::from(whole)),
            "days" => policy.expected_arrival_days = whole,
            "margin_s" => policy.ready_margin_s = whole,
            "hold_s" => policy.min_hold_s = whole,
            "slot_s" => policy.slot_s = whole,
            "short" => short = number > 0.0,
            other => unreachable!("unknown key {other}"),
        }
    }
    play(day, Power::from_kilowatts(limit_kw), policy, short);
}

fn play(day: NaiveDate, limit: Power, policy: Policy, short: bool) {
    let recording = Recording::embedded().expect("sound");
    let (start, end) = day_bounds(day);
    let sessions = recording.on(day);
    let last = sessions.iter().map(|s| s.departure).max().unwrap_or(end);
    let grid = Grid::with_limit(limit, recording.prices().clone());
    let mut depot = Depot::new(start, grid, recording.evses());
    let mut needs = BTreeMap::new();
    for session in sessions {
        depot.expect(&session.evse, session.car());
        let said = Needs {
            departure: Some(session.departure),
            energy: Some(session.energy),
            discharge_allowed: false,
        };
        needs.insert(session.id.clone(), said);
    }
    let site = site(&depot, limit);
    let before = depot.clone();
    let options = CircleOptions {
        needs,
        ..CircleOptions::default()
    };
    let mut circle = Circle::new(site, policy, depot, options);
    let (mode, evses) = (Mode::Live, BTreeSet::new());
    circle.tell(start, EventKind::ModeSet { mode, evses });
    let (partner, health) = (partner(), PartnerHealth::Current);
    circle.tell(start, EventKind::PartnerSeen { partner, health });
    let past = recording
        .between(start - TimeDelta::days(28), start)
        .iter()
        .map(|s| PastSession {
            id: SessionId::new(&s.id).expect("valid"),
            evse: EvseId::new(&s.evse).expect("valid"),
            started_at: s.arrival,
            ended_at: s.departure,
            energy: s.energy,
        });
    circle.tell(
        start,
        EventKind::HistoryLearned {
            sessions: past.collect(),
        },
    );
    circle.tell(
        start,
        EventKind::SignalSet {
            series: Box::new(prices(&recording, day)),
        },
    );
    circle.run_until(last + TimeDelta::minutes(1), &|| false);
    let until = last + TimeDelta::minutes(1);
    println!(
        "{:<12} {:>9} {:>9} {:>10} {:>8}",
        "", "cost", "peak kW", "kWh", "ready"
    );
    let row = |name: &str, r: &evenload::sim::methods::MethodResult| {
        println!(
            "{name:<12} {:>9.2} {:>9.1} {:>10.1} {:>4}/{:<3} violations {} self-caused {}",
            r.cost,
            r.peak_kw,
            r.kwh,
            r.ready_on_time,
            r.reachable,
            r.limit_violations,
            r.self_caused
        );
    };
    row("unmanaged", &unmanaged(before.clone(), until, CURRENCY));
    row("equal share", &equal_share(before, until, CURRENCY));
    row("evenload", &circle.result(CURRENCY));
    println!("{} profiles, {} plans", circle.pushes(), circle.plans());
    let mut causes = BTreeMap::<String, usize>::new();
    for excursion in &circle.state().excursions.closed {
        *causes.entry(format!("{:?}", excursion.cause)).or_default() += 1;
    }
    println!("excursions of the bound {causes:?}");
    if short {
        for stay in circle.depot().stays() {
            let (got, need) = (stay.drawn.kilowatt_hours(), stay.car.need.kilowatt_hours());
            if got < need * 0.99 {
                let local = |at: chrono::DateTime<chrono::Utc>| {
                    at.with_timezone(&TIME_ZONE).format("%H:%M")
                };
                println!(
                    "short: {} to {} got {got:.2} of {need:.2} kWh",
                    local(stay.car.arrival),
                    local(stay.car.departure)
                );
            }
        }
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
    }
}

fn prices(recording: &Recording, day: NaiveDate) -> SignalSeries {
    let (start, end) = day_bounds(day);
    let hours = recording.prices().within(start, end);
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
