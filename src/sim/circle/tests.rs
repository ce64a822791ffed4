//! Whole hours of a small site.

use super::*;
use crate::domain::event::PartnerHealth;
use crate::domain::evse::{Evse, EvseSource, Supply};
use crate::domain::grid_rules::GridRules;
use crate::domain::id::{CircuitId, PartnerId, SignalKey, SiteId, TenantId};
use crate::domain::quantity::{Current, Energy, Power, Price};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::{ArrivalReserve, Circuit, Mode};
use crate::sim::methods::unmanaged;
use crate::sim::recorded::{self, Recording};
use crate::sim::world::{Car, Grid, Taper};

fn partner() -> PartnerId {
    PartnerId::new("cpo").expect("valid")
}

fn site(depot: &Depot, limit: Power) -> Site {
    let circuit = CircuitId::new("site").expect("valid");
    let evse = |evse: &crate::sim::world::SimEvse| Evse {
        id: EvseId::new(&evse.id).expect("valid"),
        circuit: circuit.clone(),
        max: evse.max_power(),
        min: Current::from_amps(6.0).times(evse.voltage),
        phases: evse.wiring.clone(),
        supply: Supply::Ac {
            phases: evse.phases,
            nominal: evse.voltage,
        },
        fallback: None,
        source: EvseSource::Ocpi {
            partner: partner(),
            location_id: "depot".into(),
            evse_uid: evse.id.to_lowercase(),
        },
    };
    Site {
        tenant: TenantId::default_tenant(),
        id: SiteId::new("depot").expect("valid"),
        name: "depot".into(),
        time_zone: recorded::TIME_ZONE,
        currency: "EUR".into(),
        circuits: vec![Circuit {
            id: circuit.clone(),
            parent: None,
            import_limit: Some(limit),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        }],
        evses: depot.evses().iter().map(evse).collect(),
        arrival_reserve: ArrivalReserve::default(),
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

fn prices(recording: &Recording, from: Time, until: Time) -> SignalSeries {
    let prices = recording.prices();
    let slots = prices
        .within(from, until)
        .iter()
        .map(|(at, price)| SignalSlot {
            start: *at,
            end: prices.next_change(*at).unwrap_or(until),
            value: price.micros(),
        });
    SignalSeries {
        key: SignalKey::new("day-ahead").expect("valid"),
        source: "test".into(),
        revision: 1,
        kind: SignalKind::ImportPrice,
        circuit: None,
        slots: slots.collect(),
        priority: 0,
        hard: false,
        issued_at: from,
        received_at: from,
        valid_until: None,
        evse: None,
        evses_only: false,
    }
}

/// A live site of three EVSEs under a limit, and the cars of it: arrival and stay in minutes,
/// energy.
fn small(limit_kw: i64, cars: &[(&str, i64, i64, f64)]) -> Circle {
    let recording = Recording::embedded().expect("sound");
    let start: Time = "2019-10-02T06:00:00Z".parse().expect("valid");
    let limit = Power::from_watts(limit_kw * 1000);
    let grid = Grid::with_limit(limit, recording.prices().clone());
    let evses = recording.evses().into_iter().take(3).collect();
    let mut depot = Depot::new(start, grid, evses);
    let mut needs = BTreeMap::new();
    for (index, (evse, arrival_min, stay_min, kwh)) in cars.iter().enumerate() {
        let arrival = start + TimeDelta::minutes(*arrival_min);
        let car = Car {
            id: format!("c{index}"),
            arrival,
            departure: arrival + TimeDelta::minutes(*stay_min),
            need: Energy::from_kilowatt_hours(*kwh),
            max: Power::from_watts(6_656),
            phases: 1,
            taper: Taper::None,
        };
        let said = Needs {
            departure: Some(car.departure),
            energy: Some(car.need),
            discharge_allowed: false,
        };
        needs.insert(car.id.clone(), said);
        assert!(depot.expect(evse, car));
    }
    let options = CircleOptions {
        needs,
        ..CircleOptions::default()
    };
    let policy = Policy {
        // Less than the fall of the price, 0.003 per hour: waiting is worth it.
        waiting_price: Price::from_micros(500),
        slot_s: 900,
        slots: 32,
        ..Policy::default()
    };
    let mut circle = Circle::new(site(&depot, limit), policy, depot, options);
    let (mode, evses) = (Mode::Live, std::collections::BTreeSet::new());
    circle.tell(start, EventKind::ModeSet { mode, evses });
    let series = prices(&recording, start, start + TimeDelta::hours(12));
    let series = Box::new(series);
    circle.tell(start, EventKind::SignalSet { series });
    let (partner, health) = (partner(), PartnerHealth::Current);
    circle.tell(start, EventKind::PartnerSeen { partner, health });
    circle
}

const CARS: [(&str, i64, i64, f64); 4] = [
    ("AG-1F01", 3, 300, 12.0),
    ("AG-1F02", 20, 280, 10.0),
    ("AG-1F03", 40, 60, 4.0),
    ("AG-1F03", 130, 170, 8.0),
];

fn played() -> Circle {
    let mut circle = small(16, &CARS);
    circle.run_until(circle.depot().now() + TimeDelta::hours(6), &|| false);
    circle
}

#[test]
fn the_circle_makes_every_car_ready_under_a_limit_that_unmanaged_charging_breaks() {
    let before = small(16, &CARS).depot().clone();
    let circle = played();
    let result = circle.result("EUR");
    let until = circle.depot().now();
    // Three cars at 6.656 kW = 20 kW.
    assert!(unmanaged(before, until, "EUR").limit_violations > 0);
    assert_eq!(
        (result.limit_violations, result.ready_on_time),
        (0, 4),
        "{result:?}"
    );
    assert!(circle.pushes() > 0 && circle.plans() > 0);
}

#[test]
fn the_same_day_gives_the_same_result() {
    let (one, other) = (played(), played());
    assert_eq!(one.result("EUR"), other.result("EUR"));
    assert_eq!((one.pushes(), one.plans()), (other.pushes(), other.plans()));
}

#[test]
fn a_car_that_stays_long_waits_for_the_cheap_hours() {
    // From 06:00Z on prices fall from 0.0524 to 0.0345 EUR per kWh at 12:00Z.
    let mut circle = small(16, &[("AG-1F01", 3, 460, 12.0)]);
    circle.run_until(circle.depot().now() + TimeDelta::hours(2), &|| false);
    assert!(circle.result("EUR").kwh < 1.0, "{:?}", circle.result("EUR"));
    circle.run_until(circle.depot().now() + TimeDelta::hours(6), &|| false);
    assert_eq!(circle.result("EUR").ready_on_time, 1);
}
