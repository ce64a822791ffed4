//! Everything that tells a site something dies at once and stays dead for two days: the prices, the
//! grid operator's server, the site's meter. Cars are ready, limits are kept, alerts say so.

use chrono::{TimeDelta, Timelike as _};
use evenload::domain::curve::PowerCurve;
use evenload::domain::evse::Phase;
use evenload::domain::ports::Clock as _;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::ocpp::version::Version;
use evenload::service::Running;
use evenload::sim::clock::VirtualClock;
use evenload::sim::station::{Fleet, FleetOptions, Oddities, StationSpec};
use evenload::sim::world::{Car, Depot, Excursion, Grid, PriceSeries, SimEvse, Taper};
use evenload::store::memory::MemoryStore;
use serde_json::{Value, json};

use super::Peer;
use super::in_virtual_time::{call, serve, settle};
use super::vtn::Vtn;

const PASSWORD: &str = "0123456789ABCDEF0123";
const BAYS: usize = 6;
/// The operator's own limit, what the grid operator announces for a day, and what holds after that.
const OWN_KW: i64 = 60;
const ANNOUNCED_KW: i64 = 45;
const FAILSAFE_KW: i64 = 40;
/// The hours from noon on: when all is dead, and when the test ends.
const DEAD_H: i64 = 6;
const END_H: i64 = DEAD_H + 48;
/// How long the grid operator's announcement reaches.
const ANNOUNCED_H: i64 = 24;

fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().expect("valid")
}

fn hour(hours: i64) -> Time {
    noon() + TimeDelta::hours(hours)
}

/// Load beside the cars: never more than it was while it was measured.
fn other_load() -> PowerCurve {
    let steps = [
        (2, 8),
        (4, 12),
        (8, 4),
        (20, 11),
        (24, 6),
        (32, 3),
        (44, 12),
        (50, 9),
    ];
    let steps = steps.map(|(hours, kw)| (hour(hours), Power::from_watts(kw * 1000)));
    PowerCurve::new(Power::from_watts(12_000), steps.to_vec())
}

fn limit() -> PowerCurve {
    PowerCurve::new(
        Power::from_watts(ANNOUNCED_KW * 1000),
        vec![(hour(ANNOUNCED_H), Power::from_watts(FAILSAFE_KW * 1000))],
    )
}

fn bay(place: usize) -> String {
    format!("bay-{place}")
}

/// Cars stay from the afternoon to the morning, others over the day: first hour, last hour, kWh.
const STAYS: [(i64, i64, f64); 4] = [
    (4, 18, 30.0),
    (20, 27, 12.0),
    (28, 42, 30.0),
    (44, 51, 12.0),
];

fn cars() -> impl Iterator<Item = (usize, Car)> {
    STAYS
        .into_iter()
        .enumerate()
        .flat_map(|(stay, (from, to, kwh))| {
            (0..BAYS).map(move |place| {
                let minutes = TimeDelta::minutes(i64::try_from(place).expect("few") * 7);
                let car = Car {
                    id: format!("van-{stay}-{place}"),
                    arrival: hour(from) + minutes,
                    departure: hour(to) + minutes,
                    need: Energy::from_kilowatt_hours(kwh),
                    max: Power::from_kilowatts(11.04),
                    phases: 3,
                    taper: Taper::None,
                };
                (place, car)
            })
        })
}

fn depot() -> Depot {
    let grid = Grid {
        limit: limit(),
        base_load: other_load(),
        prices: PriceSeries::new([(noon(), Price::from_per_kwh(0.3))]),
    };
    let evse = |place| {
        SimEvse::new(
            bay(place),
            Current::from_amps(16.0),
            Voltage::V230,
            Phase::ALL.to_vec(),
        )
    };
    let mut depot = Depot::new(noon(), grid, (0..BAYS).map(evse).collect());
    for (place, car) in cars() {
        depot.expect(&bay(place), car);
    }
    depot
}

/// Prices of the day until the next midnight, cheap in the small hours.
fn prices() -> String {
    let rows: Vec<Value> = (0..12)
        .map(|hours| {
            let at = hour(hours);
            let eur = if at.hour() < 20 { 200.0 } else { 50.0 };
            json!({"at": at.timestamp(), "eur": eur})
        })
        .collect();
    json!({ "data": rows }).to_string()
}

fn event() -> Value {
    json!({
        "id": "doe", "programID": "p1", "objectType": "EVENT", "modificationDateTime": noon(),
        "payloadDescriptors": [{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}],
        "intervalPeriod": {"start": noon(), "duration": format!("PT{ANNOUNCED_H}H")},
        "intervals": [{"id": 0, "payloads": [
            {"type": "IMPORT_CAPACITY_LIMIT", "values": [ANNOUNCED_KW]}]}],
    })
}

async fn sets_up(service: &Running, vtn: &Vtn, spot: &Peer) {
    let put = async |path: &str, body: Value| call(service, "PUT", path, &body).await;
    let evses: Vec<Value> = (0..BAYS)
        .map(|place| {
            json!({ "id": bay(place), "circuit": "site", "max_kw": 11.04, "min_kw": 4.14,
                "phases": ["L1", "L2", "L3"],
                "source": { "ocpp": { "station": format!("CP-{place}"), "evse": 1 } } })
        })
        .collect();
    let site = json!({
        "time_zone": "Europe/Amsterdam", "currency": "EUR", "evses": evses,
        "circuits": [{ "id": "site", "parent": null, "import_limit_kw": OWN_KW,
            "failsafe_limit_kw": FAILSAFE_KW }],
    });
    put("/sites/depot", site).await;
    put("/sites/depot/mode", json!({ "mode": "live" })).await;
    for place in 0..BAYS {
        put(
            &format!("/stations/CP-{place}"),
            json!({ "password": PASSWORD }),
        )
        .await;
    }
    for (_, car) in cars() {
        let body = json!({ "departure": car.departure, "energy_kwh": car.need.kilowatt_hours() });
        put(&format!("/sites/depot/departures/{}", car.id), body).await;
    }
    for (name, mut feed) in [
        ("doe", vtn.feed("import_limit")),
        ("spot", super::feed(&spot.url)),
    ] {
        feed["every"] = json!("PT15M");
        feed["stale_after"] = json!("PT1H");
        put(&format!("/sites/depot/feeds/{name}"), feed).await;
    }
}

/// The kinds of the alerts of now, with what they are about.
async fn alerts(service: &Running) -> Vec<(String, String)> {
    let answer = call(service, "GET", "/sites/depot/alerts", &Value::Null).await;
    let list = answer["alerts"].as_array().cloned().unwrap_or_default();
    let text = |alert: &Value, name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|alert| (text(alert, "kind"), text(alert, "subject")))
        .collect()
}

fn told(alerts: &[(String, String)], kind: &str, subject: &str) -> bool {
    alerts.iter().any(|(k, s)| k == kind && s == subject)
}

#[actix_web::test]
async fn two_days_without_prices_meter_and_vtn_leave_no_car_short_and_no_limit_broken() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = VirtualClock::new(noon());
    let service = serve(&clock, &MemoryStore::new(), folder.path(), 0).await;
    let vtn = Vtn::start();
    vtn.holds(vec![event()]);
    let spot = Peer::start(200, &prices()).await;
    sets_up(&service, &vtn, &spot).await;
    let stations = (0..BAYS).map(|place| StationSpec {
        id: format!("CP-{place}"),
        evse: bay(place),
        version: [Version::V16, Version::V201, Version::V21][place % 3],
        odd: Oddities::default(),
    });
    let options = FleetOptions {
        url: format!("ws://{}/ocpp", service.address),
        password: PASSWORD.into(),
        meter_interval: TimeDelta::minutes(5),
    };
    let fleet = Fleet::start(&options, stations.collect(), depot());
    let mut vtn = Some(vtn);
    let mut read_at = noon();
    let mut asked_at = noon();
    let mut early = Vec::new();
    let mut next_day = Value::Null;
    settle(&service, &fleet, &clock).await;
    while clock.now() < hour(END_H) {
        // Nobody's timer is heard more often than every minute: half as many turns.
        let wakeup = clock.next_wakeup().unwrap_or(hour(END_H));
        let wakeup = wakeup.max(clock.now() + TimeDelta::minutes(1));
        let next = [fleet.next_event(), wakeup, asked_at]
            .into_iter()
            .fold(hour(END_H), Time::min)
            .max(clock.now());
        fleet.advance_to(next);
        clock.advance_to(next);
        if next < hour(DEAD_H) && next - read_at >= TimeDelta::minutes(1) {
            read_at = next;
            let power = fleet.with_depot(|depot| depot.power()) + other_load().at(next);
            let reading = json!({ "at": next, "power_kw": power.kilowatts() });
            call(&service, "POST", "/sites/depot/meter", &reading).await;
        }
        if next >= hour(DEAD_H) && vtn.take().is_some() {
            let fresh = alerts(&service).await;
            assert!(!told(&fresh, "source_stale", "doe"), "{fresh:?}");
            spot.answers(503, "down");
        }
        if next >= asked_at {
            asked_at = next + TimeDelta::hours(1);
            if next >= hour(DEAD_H + 4) && early.is_empty() {
                early = alerts(&service).await;
            }
            if next >= hour(DEAD_H + 20) && next_day.is_null() {
                next_day = call(&service, "GET", "/sites/depot/frame", &Value::Null).await;
            }
        }
        settle(&service, &fleet, &clock).await;
    }
    let late = alerts(&service).await;
    let frame = call(&service, "GET", "/sites/depot/frame", &Value::Null).await;
    let (excursions, short) = fleet.with_depot(|depot| {
        let excursions: Vec<Excursion> = depot.meter().excursions().copied().collect();
        let stays: Vec<_> = depot.stays().collect();
        assert_eq!(stays.len(), STAYS.len() * BAYS, "all came");
        let short = stays.iter().filter(|stay| {
            stay.drawn.energy().kilowatt_hours() < stay.car.need.kilowatt_hours() * 0.99
        });
        let short: Vec<String> = short
            .map(|stay| format!("{} got {}", stay.car.id, stay.drawn.energy()))
            .collect();
        (excursions, short)
    });
    assert_eq!(short, Vec::<String>::new());
    assert_eq!(excursions, []);
    for (kind, subject) in [
        ("meter_stale", "depot"),
        ("source_stale", "doe"),
        ("source_stale", "spot"),
    ] {
        assert!(
            told(&early, kind, subject),
            "{kind} {subject} after 4 h: {early:?}"
        );
    }
    for (kind, subject) in [
        ("meter_stale", "depot"),
        ("source_failed", "doe"),
        ("source_failed", "spot"),
    ] {
        assert!(
            told(&late, kind, subject),
            "{kind} {subject} after 48 h: {late:?}"
        );
    }
    assert_eq!(
        frame["circuits"][0]["limit_kw"][0]["value"], 40.0,
        "{frame}"
    );
    // The day before stands in while it is known; after two days nothing does, and plans have no price.
    assert_eq!(next_day["price_quality"][0]["value"], "substitute");
    assert_eq!(frame["price_quality"], json!([]));
    fleet.stop().await;
    service.stop().await;
}
