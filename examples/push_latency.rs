//! How long a partner waits from the push of a new session to the first `ChargingProfile` for it,
//! while many sessions run on the same site.
//!
//! ```text
//! cargo run --release --example push_latency [-- RUNNING ARRIVALS]
//! ```
//!
//! The whole service with its store on disk, a CPO platform that speaks OCPI over loopback, and the
//! machine's clock: nothing is simulated but cars and chargers. `RUNNING` sessions (100) charge
//! under a limit that is a third of what they could draw; then a car arrives every half second,
//! `ARRIVALS` times (200), at one of ten EVSEs, and leaves after four seconds. Timed is from before
//! the first byte of the session's PUT until the PUT of its first profile has been read.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

use std::time::Duration;

use chrono::TimeDelta;
use evenload::config::{Config, Secret};
use evenload::domain::evse::Phase;
use evenload::domain::ports::Clock as _;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::service::clock::SystemClock;
use evenload::service::vault::new_token;
use evenload::service::{Base, Running, start};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use serde_json::{Value, json};

/// EVSEs at which cars come and go.
const BUSY_EVSES: usize = 10;
/// Between two arrivals.
const ARRIVAL_EVERY: TimeDelta = TimeDelta::milliseconds(500);
/// How long an arriving car stays: less than the time until its EVSE's next car.
const STAY: TimeDelta = TimeDelta::milliseconds(4_000);
/// How often the platform looks what is due.
const STEP: Duration = Duration::from_millis(5);
/// How long the running sessions may take to get their first profiles.
const SETTLE: TimeDelta = TimeDelta::seconds(60);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (running, arrivals) = (number(100), number(200));

    let folder = std::env::temp_dir().join(format!("evenload-latency-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the store");
    let token = new_token().expose().to_owned();
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.data.dir.clone_from(&folder);
    config.ocpi.allow_insecure = true;
    config.api.admin_token = Some(Secret::new(token.clone()));
    let base = Base::of(&config).expect("the store opens");
    let service = start(config, base).await.expect("the service starts");

    let depot = depot(SystemClock.now(), running);
    let cpo = Cpo::start(CpoOptions::default(), depot).expect("the platform opens its port");
    set_up(&service, &token, &cpo, running).await;

    println!("{running} sessions begin at once ...");
    let begun = SystemClock.now();
    while cpo.counts().session_puts < running as u64 || cpo.without_profile() > 0 {
        assert!(SystemClock.now() - begun < SETTLE, "{:?}", cpo.complaints());
        step(&cpo).await;
    }
    report("first profile, all at once", cpo.first_profile_delays());
    let before = cpo.first_profile_delays().len();

    println!("{arrivals} cars arrive, one every {ARRIVAL_EVERY}, while {running} charge ...");
    let begun = SystemClock.now() + TimeDelta::seconds(1);
    for (number, at) in (0..arrivals).zip((0..).map(|n| begun + ARRIVAL_EVERY * n)) {
        while SystemClock.now() < at {
            step(&cpo).await;
        }
        let evse = format!("E{}", running + number % BUSY_EVSES);
        let car = car(&format!("arrival-{number}"), at, at + STAY);
        assert!(cpo.expect_car(&evse, car), "there is no {evse}");
    }
    let end = SystemClock.now() + STAY + TimeDelta::seconds(2);
    while SystemClock.now() < end {
        step(&cpo).await;
    }
    let delays = cpo.first_profile_delays().split_off(before);
    println!(
        "{} of {arrivals} got a profile; {} profiles set in all, {} messages failed",
        delays.len(),
        cpo.counts().profiles_set,
        cpo.counts().failures
    );
    report("first profile of an arrival", delays);

    cpo.stop().await;
    service.stop().await;
    std::fs::remove_dir_all(&folder).expect("the store's folder is removed");
}

/// The platform does what is due by now.
async fn step(cpo: &Cpo) {
    let due = cpo.advance_to(SystemClock.now());
    cpo.send(due);
    tokio::time::sleep(STEP).await;
}

/// A car that would charge for hours.
fn car(id: &str, arrival: Time, departure: Time) -> Car {
    Car {
        id: id.into(),
        arrival,
        departure,
        need: Energy::from_kilowatt_hours(40.0),
        max: Power::from_kilowatts(11.04),
        phases: 3,
        taper: Taper::Linear,
    }
}

fn depot(now: Time, running: usize) -> Depot {
    let wiring = vec![Phase::L1, Phase::L2, Phase::L3];
    let evses = (0..running + BUSY_EVSES).map(|number| {
        SimEvse::new(
            format!("E{number}"),
            Current::from_amps(16.0),
            Voltage::V230,
            wiring.clone(),
        )
    });
    let prices = PriceSeries::new([(now, Price::from_micros(100_000))]);
    let grid = Grid::with_limit(limit(running), prices);
    let mut depot = Depot::new(now, grid, evses.collect());
    for number in 0..running {
        let leaves = now + TimeDelta::hours(8);
        let arrives = now + TimeDelta::seconds(3);
        depot.expect(
            &format!("E{number}"),
            car(&format!("running-{number}"), arrives, leaves),
        );
    }
    depot
}

/// A third of what the running cars could draw, and room for the arrivals at full power.
fn limit(running: usize) -> Power {
    Power::from_kilowatts(11.04 * 1.1) * i64::try_from(running / 3 + BUSY_EVSES).expect("few EVSEs")
}

async fn set_up(service: &Running, token: &str, cpo: &Cpo, running: usize) {
    let http = reqwest::Client::builder().no_proxy().build().expect("HTTP");
    let call = async |method: &str, path: &str, body: Value| {
        let url = format!("http://{}/api/v1{path}", service.address);
        let method = method.parse().expect("a method");
        let answer = http.request(method, url).bearer_auth(token).json(&body);
        let answer = answer.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {text}");
    };
    let partner = json!({
        "name": "platform", "versions_url": cpo.versions_url(), "token_a": cpo.token_a(),
    });
    call("POST", "/partners", partner).await;
    let evses: Vec<Value> = (0..running + BUSY_EVSES)
        .map(|number| {
            json!({
                "id": format!("E{number}"), "circuit": "site", "max_kw": 11.04, "voltage_v": 230,
                "phases": ["L1", "L2", "L3"],
                "source": { "ocpi": {
                    "partner": "platform",
                    "location_id": CpoOptions::default().location_id,
                    "evse_uid": format!("E{number}"),
                } },
            })
        })
        .collect();
    let site = json!({
        "name": "Site", "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{
            "id": "site", "parent": null, "import_limit_kw": limit(running).kilowatts(),
        }],
        "evses": evses,
        "price": { "flat_per_kwh": 0.10 },
    });
    call("PUT", "/sites/site", site).await;
    call("PUT", "/sites/site/mode", json!({ "mode": "live" })).await;
}

fn report(what: &str, mut delays: Vec<Duration>) {
    delays.sort();
    let at = |percent: usize| {
        let index = (delays.len() * percent).div_ceil(100).max(1) - 1;
        delays.get(index).copied().unwrap_or_default().as_millis()
    };
    println!(
        "{what}: p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms ({} sessions)",
        at(50),
        at(90),
        at(99),
        at(100),
        delays.len()
    );
}
