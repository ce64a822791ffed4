//! Many partners on one process: from the push of a session to its profile's PUT, with the
//! processor time and memory of the whole process (platforms included).
//!
//! ```text
//! cargo run --release --example ocpi_load [-- PARTNERS SESSIONS SECONDS]
//! ```
//!
//! `PARTNERS` (50) CPO platforms speak OCPI over loopback, each with a site of its own and `SESSIONS`
//! (100) EVSEs under a limit of a third of what they could draw. Cars arrive spread over `SECONDS`
//! (60) and stay. The service is whole, with its store on disk and the machine's clock.
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
use evenload::service::{Base, start};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use serde_json::{Value, json};

/// How often the platforms look what is due.
const STEP: Duration = Duration::from_millis(10);
/// How long after the last arrival the profiles may take.
const SETTLE: TimeDelta = TimeDelta::seconds(120);
/// Before the first car.
const LEAD: TimeDelta = TimeDelta::seconds(5);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        let text = arguments.next();
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (partners, sessions, seconds) = (number(50), number(100), number(60));

    let folder = std::env::temp_dir().join(format!("evenload-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the store");
    let token = new_token().expose().to_owned();
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.data.dir.clone_from(&folder);
    config.ocpi.allow_insecure = true;
    config.api.admin_token = Some(Secret::new(token.clone()));
    let base = Base::of(&config).expect("the store opens");
    let service = start(config, base).await.expect("the service starts");
    let http = reqwest::Client::builder().no_proxy().build().expect("HTTP");
    let call = async |method: &str, path: String, body: Value| {
        let url = format!("http://{}/api/v1{path}", service.address);
        let method = method.parse().expect("a method");
        let answer = http.request(method, url).bearer_auth(&token).json(&body);
        let answer = answer.send().await.expect("an answer");
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status}");
    };

    // Set up before the first car: registration, site, live.
    let mut platforms = Vec::new();
    for index in 0..partners {
        let options = CpoOptions {
            party_id: format!("P{index:02}"),
            ..CpoOptions::default()
        };
        let cpo = Cpo::start(options, depot(sessions)).expect("the platform opens its port");
        let name = format!("partner-{index}");
        let body = json!({"name": name, "versions_url": cpo.versions_url(),
            "token_a": cpo.token_a()});
        call("POST", "/partners".into(), body).await;
        call("PUT", format!("/sites/site-{index}"), site(&name, sessions)).await;
        call(
            "PUT",
            format!("/sites/site-{index}/mode"),
            json!({"mode": "live"}),
        )
        .await;
        platforms.push(cpo);
    }
    let begun = SystemClock.now() + LEAD;
    let last = begun + TimeDelta::seconds(i64::try_from(seconds).expect("few"));
    let mut arrivals = 0_u32;
    let total = u32::try_from(partners * sessions).expect("few sessions");
    for evse in 0..sessions {
        for cpo in &platforms {
            let at = begun
                + (last - begun) * i32::try_from(arrivals).expect("few")
                    / i32::try_from(total).expect("few");
            let car = car(&format!("car-{arrivals}"), at, last + TimeDelta::hours(8));
            assert!(
                cpo.expect_car(&format!("E{evse}"), car),
                "there is no E{evse}"
            );
            arrivals += 1;
        }
    }
    println!("{partners} partners x {sessions} sessions, arriving over {seconds} s ...");
    let cpu_before = cpu_seconds();
    let deadline = last + SETTLE;
    let waiting = |platforms: &[Cpo]| {
        let missing = |cpo: &Cpo| {
            let announced = usize::try_from(cpo.counts().session_puts).unwrap_or(0);
            sessions.saturating_sub(announced) + cpo.without_profile()
        };
        platforms.iter().map(missing).sum::<usize>()
    };
    while SystemClock.now() < last || (waiting(&platforms) > 0 && SystemClock.now() < deadline) {
        for cpo in &platforms {
            let due = cpo.advance_to(SystemClock.now());
            cpo.send(due);
        }
        tokio::time::sleep(STEP).await;
    }
    let took = (SystemClock.now() - begun).num_milliseconds();
    let cpu = cpu_seconds() - cpu_before;

    let mut delays: Vec<Duration> = platforms
        .iter()
        .flat_map(Cpo::first_profile_delays)
        .collect();
    delays.sort();
    let at = |percent: usize| {
        let index = (delays.len() * percent).div_ceil(100).max(1) - 1;
        delays.get(index).copied().unwrap_or_default().as_millis()
    };
    println!(
        "push -> profile PUT: p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms ({} of {total} sessions)",
        at(50),
        at(90),
        at(99),
        at(100),
        delays.len(),
    );
    let sum = |of: fn(&Cpo) -> u64| platforms.iter().map(of).sum::<u64>();
    println!(
        "{} profiles, {} results, {} messages failed, {} complaints of the platforms",
        sum(|cpo| cpo.counts().profiles_set),
        sum(|cpo| cpo.counts().callbacks),
        sum(|cpo| cpo.counts().failures),
        platforms
            .iter()
            .map(|cpo| cpo.complaints().len())
            .sum::<usize>(),
    );
    println!(
        "{:.1} s of processor time in {:.1} s, {} MiB resident at most (platforms included)",
        cpu,
        f64::from(i32::try_from(took).unwrap_or(i32::MAX)) / 1000.0,
        peak_mebibytes()
    );
    for cpo in &platforms {
        cpo.stop().await;
    }
    service.stop().await;
    std::fs::remove_dir_all(&folder).expect("the store's folder is removed");
}

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

fn depot(evses: usize) -> Depot {
    let now = SystemClock.now();
    let evse = |number| {
        let wiring = Phase::ALL.to_vec();
        let amps = Current::from_amps(16.0);
        SimEvse::new(format!("E{number}"), amps, Voltage::V230, wiring)
    };
    let prices = PriceSeries::new([(now, Price::from_micros(100_000))]);
    let grid = Grid::with_limit(limit(evses), prices);
    Depot::new(now, grid, (0..evses).map(evse).collect())
}

/// A third of what the cars could draw.
fn limit(evses: usize) -> Power {
    Power::from_kilowatts(11.04 * 1.1) * i64::try_from(evses / 3 + 1).expect("few EVSEs")
}

fn site(partner: &str, evses: usize) -> Value {
    let evse = |number: usize| {
        json!({"id": format!("E{number}"), "circuit": "site", "max_kw": 11.04,
            "phases": ["L1", "L2", "L3"], "source": {"ocpi": {"partner": partner,
            "location_id": CpoOptions::default().location_id, "evse_uid": format!("E{number}")}}})
    };
    json!({
        "name": partner, "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": limit(evses).kilowatts()}],
        "evses": (0..evses).map(evse).collect::<Vec<_>>(),
        "price": {"flat_per_kwh": 0.10},
    })
}

/// Processor time of this process so far; 0 where the system does not say it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses; user and system time are the 12th and 13th from there, in
    // ticks of 10 ms.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// The most memory this process held, in MiB; 0 where the system does not say it.
fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
