//! The depot as a whole.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Phase;
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Current, Energy, Power, Price, Voltage};
use crate::domain::time::Time;

fn start() -> Time {
    "2019-10-02T06:00:00Z".parse().expect("valid")
}

fn minute(minutes: i64) -> Time {
    start() + TimeDelta::minutes(minutes)
}

/// A depot of EVSEs of 200 V and 50 A: 10 kW each.
fn depot(limit_kw: i64, evses: usize) -> Depot {
    let grid = Grid::with_limit(Power::from_watts(limit_kw * 1000), PriceSeries::default());
    let evses = (0..evses).map(|index| {
        SimEvse::new(
            format!("e{index}"),
            Current::from_amps(50.0),
            Voltage::from_volts(200.0),
            vec![Phase::ALL[index % 3]],
        )
    });
    Depot::new(start(), grid, evses.collect())
}

fn car(arrival_min: i64, stay_min: i64, kwh: f64) -> Car {
    Car {
        id: format!("c{arrival_min}"),
        arrival: minute(arrival_min),
        departure: minute(arrival_min + stay_min),
        need: Energy::from_kilowatt_hours(kwh),
        max: Power::from_watts(10_000),
        phases: 1,
        taper: Taper::None,
    }
}

fn amps(at: Time, steps: &[(u32, i64)]) -> Profile {
    let period = |(start_s, amps): &(u32, i64)| ProfilePeriod {
        start_s: *start_s,
        limit: Tenths(amps * 10),
    };
    Profile {
        unit: RateUnit::Amps,
        start: at,
        periods: steps.iter().map(period).collect(),
        duration_s: None,
    }
}

#[test]
fn a_car_draws_from_its_arrival_until_it_is_full_or_gone() {
    let mut depot = depot(100, 2);
    depot.expect("e0", car(10, 600, 5.0));
    depot.expect("e1", car(20, 15, 50.0));
    let events = depot.advance_to(minute(60));
    let what: Vec<_> = events.iter().map(|e| (e.at, e.evse.as_str())).collect();
    assert_eq!(
        what,
        [(minute(10), "e0"), (minute(20), "e1"), (minute(35), "e1")]
    );
    // 5 kWh, and 10 kW for 15 min = 2.5 kWh
    assert_eq!(
        depot.meter().energy().energy(),
        Energy::from_kilowatt_hours(7.5)
    );
    assert_eq!(depot.meter().peak(), Power::from_watts(20_000));
    assert_eq!(depot.power(), Power::ZERO);
}

#[test]
fn a_profile_period_changes_the_power_at_its_second() {
    let mut depot = depot(100, 1);
    depot.plug_in("e0", car(0, 600, 50.0));
    depot.set_profile(
        "e0",
        Layer::Session,
        Some(amps(start(), &[(0, 10), (600, 30)])),
    );
    depot.advance_to(minute(20));
    // 2 kW x 10 min + 6 kW x 10 min = 1.3333 kWh
    let joules = 2_000 * 600 + 6_000 * 600;
    assert_eq!(depot.meter().energy().energy(), Energy::from_joules(joules));
}

#[test]
fn a_session_profile_is_gone_with_its_session() {
    let mut depot = depot(100, 1);
    depot.plug_in("e0", car(0, 10, 50.0));
    depot.set_profile("e0", Layer::Session, Some(amps(start(), &[(0, 10)])));
    depot.expect("e0", car(20, 10, 50.0));
    depot.advance_to(minute(25));
    assert_eq!(depot.power(), Power::from_watts(10_000));
    depot.advance_to(minute(40));
    assert!(!depot.set_profile("e0", Layer::Session, Some(amps(start(), &[(0, 10)]))));
}

#[test]
fn an_arrival_over_the_limit_is_an_excursion_until_it_is_lowered() {
    let mut depot = depot(15, 2);
    depot.plug_in("e0", car(0, 600, 50.0));
    depot.expect("e1", car(10, 600, 50.0));
    depot.advance_to(minute(10));
    depot.advance_to(minute(10) + TimeDelta::seconds(3));
    depot.set_profile("e1", Layer::Session, Some(amps(minute(10), &[(0, 20)])));
    depot.advance_to(minute(30));
    let found: Vec<_> = depot.meter().excursions().copied().collect();
    assert_eq!(
        found,
        [Excursion {
            start: minute(10),
            end: minute(10) + TimeDelta::seconds(3),
            worst: Power::from_watts(5_000),
            energy: FineEnergy::of(Power::from_watts(5_000), TimeDelta::seconds(3)),
            cause: Cause::Arrival,
            self_caused: false,
        }]
    );
}

#[test]
fn what_is_put_right_within_the_same_instant_never_happened() {
    let mut depot = depot(15, 2);
    depot.plug_in("e0", car(0, 600, 50.0));
    depot.expect("e1", car(10, 600, 50.0));
    depot.advance_to(minute(10));
    depot.set_profile("e1", Layer::Session, Some(amps(minute(10), &[(0, 20)])));
    depot.advance_to(minute(30));
    assert_eq!(depot.meter().excursions().count(), 0);
}

#[test]
fn a_raise_over_the_limit_is_self_caused() {
    let mut depot = depot(15, 2);
    for evse in ["e0", "e1"] {
        depot.plug_in(evse, car(0, 600, 50.0));
        depot.set_profile(evse, Layer::Session, Some(amps(start(), &[(0, 20)])));
    }
    depot.advance_to(minute(5));
    // The second period raises e0 to 10 kW: 10 + 4 = 14 kW, within; then e1 to 6 kW: 16 kW.
    depot.set_profile(
        "e0",
        Layer::Session,
        Some(amps(minute(5), &[(0, 20), (60, 50)])),
    );
    depot.set_profile(
        "e1",
        Layer::Session,
        Some(amps(minute(5), &[(0, 20), (120, 30)])),
    );
    depot.advance_to(minute(30));
    let found: Vec<_> = depot.meter().excursions().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].start, minute(7));
    assert_eq!(found[0].worst, Power::from_watts(1_000));
    assert!(found[0].self_caused);
}

#[test]
fn a_raise_during_an_excursion_of_the_world_is_our_own() {
    let mut depot = depot(15, 2);
    depot.plug_in("e0", car(0, 600, 50.0));
    depot.plug_in("e1", car(0, 600, 50.0));
    depot.set_profile("e1", Layer::Session, Some(amps(start(), &[(0, 30)])));
    depot.advance_to(minute(1));
    assert!(depot.meter().excursions().all(|e| !e.self_caused));
    depot.set_profile("e1", Layer::Session, Some(amps(minute(1), &[(0, 40)])));
    depot.advance_to(minute(2));
    let found: Vec<_> = depot.meter().excursions().collect();
    assert_eq!((found.len(), found[0].cause), (1, Cause::Arrival));
    assert!(found[0].self_caused);
}

#[test]
fn a_cut_of_the_limit_is_an_excursion_of_the_world() {
    let limit = PowerCurve::new(
        Power::from_watts(12_000),
        [(minute(10), Power::from_watts(6_000))],
    );
    let grid = Grid {
        limit,
        base_load: PowerCurve::constant(Power::from_watts(1_000)),
        prices: PriceSeries::default(),
    };
    let mut depot = Depot::new(start(), grid, depot(0, 1).evses().to_vec());
    depot.plug_in("e0", car(0, 30, 50.0));
    depot.advance_to(minute(60));
    let found: Vec<_> = depot.meter().excursions().collect();
    assert_eq!((found.len(), found[0].cause), (1, Cause::LimitCut));
    assert_eq!((found[0].start, found[0].end), (minute(10), minute(30)));
    assert_eq!(found[0].worst, Power::from_watts(5_000));
}

#[test]
fn energy_costs_what_it_costs_when_it_flows() {
    let prices = PriceSeries::new([
        (start(), Price::from_per_kwh(0.10)),
        (minute(60), Price::from_per_kwh(-0.02)),
    ]);
    let grid = Grid::with_limit(Power::from_watts(20_000), prices);
    let mut depot = Depot::new(start(), grid, depot(0, 1).evses().to_vec());
    depot.plug_in("e0", car(0, 600, 15.0));
    depot.advance_to(minute(300));
    // 10 kWh x 0.10 - 5 kWh x 0.02 = 0.90
    assert_eq!(depot.meter().cost().micros(), 900_000);
}

#[test]
fn the_peak_of_a_quarter_of_an_hour_is_a_mean() {
    let mut depot = depot(100, 1);
    depot.expect("e0", car(25, 600, 2.5));
    depot.advance_to(minute(60));
    // 10 kW from :25 to :40: 5 of 15 min, then 10 of 15 min = 6.667 kW
    assert_eq!(depot.meter().peak_mean(), Power::from_watts(6_666));
}

proptest! {
    #[test]
    fn energy_is_balanced_to_the_millijoule_and_power_never_above_what_profiles_allow(
        cars in prop::collection::vec((0i64..300, 1i64..400, 0.1f64..30.0, 0usize..4), 1..12),
        profiles in prop::collection::vec((0i64..600, 0usize..4, 0i64..60, 0i64..60), 0..30),
        tapers: bool,
    ) {
        let mut depot = depot(25, 4);
        for (arrival, stay, kwh, evse) in cars {
            let mut car = car(arrival, stay, kwh);
            car.taper = if tapers { Taper::Linear } else { Taper::None };
            depot.expect(&format!("e{evse}"), car);
        }
        let mut profiles = profiles;
        profiles.sort_unstable();
        for (at, evse, first, then) in profiles {
            depot.advance_to(minute(at));
            let profile = amps(minute(at), &[(0, first), (1200, then)]);
            depot.set_profile(&format!("e{evse}"), Layer::Session, Some(profile));
            for evse in depot.evses() {
                let offered = evse.offered(depot.now());
                prop_assert!(offered == Current::ZERO || offered >= Current::from_amps(6.0));
                prop_assert!(evse.power() <= evse.allowed(depot.now()));
            }
        }
        depot.advance_to(minute(1000));
        prop_assert_eq!(depot.meter().energy(), depot.delivered());
        // A car stops within the millisecond in which it is full: 10 kW x 1 ms = 10 J.
        for stay in depot.stays() {
            prop_assert!(stay.drawn.energy() <= stay.car.need + Energy::from_joules(10));
        }
        let over = depot.meter().peak() > Power::from_watts(25_000);
        prop_assert_eq!(depot.meter().excursions().count() > 0, over);
    }
}

#[test]
fn who_does_not_obey_is_the_cause_where_the_limit_would_hold_if_he_did() {
    // 10 kW of an EVSE that was told 4 kW (20 A x 200 V), and one that is raised from 2 to 6 kW:
    // 16 kW under 12 kW, and 10 kW if the first obeyed.
    let mut depot = depot(12, 2);
    depot.set_obedience("e0", false);
    depot.set_profile("e0", Layer::Default, Some(amps(start(), &[(0, 20)])));
    depot.set_profile("e1", Layer::Default, Some(amps(start(), &[(0, 10)])));
    depot.expect("e0", car(0, 60, 100.0));
    depot.expect("e1", car(0, 60, 100.0));
    depot.advance_to(minute(10));
    assert_eq!(depot.meter().excursions().count(), 0, "10 + 2 = 12 kW");
    depot.set_profile("e1", Layer::Default, Some(amps(minute(10), &[(0, 30)])));
    depot.advance_to(minute(20));
    let seen: Vec<_> = depot.meter().excursions().collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].cause, seen[0].self_caused),
        (Cause::Disobedience, false)
    );
    // Raised to 10 kW it would be 14 kW even if the first obeyed: that is a command's doing.
    depot.set_profile("e1", Layer::Default, Some(amps(minute(20), &[(0, 50)])));
    depot.advance_to(minute(30));
    assert!(depot.meter().excursions().any(|it| it.self_caused));
}
