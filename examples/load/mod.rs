//! What the load examples of OCPI share: the whole service with its store on disk and the machine's
//! clock, CPO platforms that speak to it over loopback, and what all of it took.

use std::path::PathBuf;
use std::time::Duration;

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

/// What every EVSE and car can do: 16 A on three phases of 230 V.
const CAR_KW: f64 = 11.04;

/// The whole service.
pub(crate) struct Service {
    pub(crate) running: Running,
    token: String,
    folder: PathBuf,
    http: reqwest::Client,
}

impl Service {
    /// Starts it on a free port, with its store in a temporary folder.
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("evenload-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the store");
        let token = new_token().expose().to_owned();
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.data.dir.clone_from(&folder);
        config.ocpi.allow_insecure = true;
        config.api.admin_token = Some(Secret::new(token.clone()));
        let base = Base::of(&config).expect("the store opens");
        let running = start(config, base).await.expect("the service starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("HTTP");
        Self {
            running,
            token,
            folder,
            http,
        }
    }

    /// Registers a platform as a partner of this name.
    pub(crate) async fn register(&self, partner: &str, cpo: &Cpo) {
        let body = json!({
            "name": partner, "versions_url": cpo.versions_url(), "token_a": cpo.token_a(),
        });
        self.call("POST", "/partners", body).await;
    }

    /// Makes the partner's `evses` EVSEs a site under `limit`, and lets it go live.
    pub(crate) async fn steer(&self, partner: &str, evses: usize, limit: Power) {
        let evse = |number: usize| {
            json!({"id": evse_id(number), "circuit": "site", "max_kw": CAR_KW, "voltage_v": 230,
                "phases": ["L1", "L2", "L3"], "source": {"ocpi": {"partner": partner,
                "location_id": CpoOptions::default().location_id,
                "evse_uid": evse_id(number)}}})
        };
        let site = json!({
            "name": partner, "time_zone": "Europe/Amsterdam", "currency": "EUR",
            "circuits": [{"id": "site", "parent": null, "import_limit_kw": limit.kilowatts()}],
            "evses": (0..evses).map(evse).collect::<Vec<_>>(),
            "price": {"flat_per_kwh": 0.10},
        });
        self.call("PUT", &format!("/sites/{partner}"), site).await;
        let live = json!({"mode": "live"});
        self.call("PUT", &format!("/sites/{partner}/mode"), live)
            .await;
    }

    /// A call that must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) {
        let url = format!("http://{}/api/v1{path}", self.running.address);
        let method = method.parse().expect("a method");
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = match &body {
            Value::Null => request,
            body => request.json(body),
        };
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {text}");
    }

    /// Stops it and removes its store.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
        std::fs::remove_dir_all(&self.folder).expect("the store's folder is removed");
    }
}

/// The whole number at this place of the command line.
pub(crate) fn argument(place: usize, default: usize) -> usize {
    let text = std::env::args().nth(place + 1);
    text.map_or(default, |text| text.parse().expect("a whole number"))
}

/// The name of an EVSE.
pub(crate) fn evse_id(number: usize) -> String {
    format!("E{number}")
}

/// A third of what so many cars could draw, with what their EVSEs may draw beside their setting.
pub(crate) fn third_of(cars: usize) -> Power {
    Power::from_kilowatts(CAR_KW * 1.1) * i64::try_from(cars / 3 + 1).expect("few cars")
}

/// A depot with so many EVSEs under a limit.
pub(crate) fn depot(now: Time, evses: usize, limit: Power) -> Depot {
    let evse = |number| {
        let amps = Current::from_amps(16.0);
        SimEvse::new(evse_id(number), amps, Voltage::V230, Phase::ALL.to_vec())
    };
    let prices = PriceSeries::new([(now, Price::from_micros(100_000))]);
    let grid = Grid::with_limit(limit, prices);
    Depot::new(now, grid, (0..evses).map(evse).collect())
}

/// A car that would charge for hours.
pub(crate) fn car(id: String, arrival: Time, departure: Time) -> Car {
    Car {
        id,
        arrival,
        departure,
        need: Energy::from_kilowatt_hours(40.0),
        max: Power::from_kilowatts(CAR_KW),
        phases: 3,
        taper: Taper::Linear,
    }
}

/// The platforms do what is due by now.
pub(crate) fn step(platforms: &[Cpo]) {
    for cpo in platforms {
        let due = cpo.advance_to(SystemClock.now());
        cpo.send(due);
    }
}

/// Durations of so many things, as a line.
pub(crate) fn waited(mut delays: Vec<Duration>, things: &str) -> String {
    delays.sort();
    let at = |percent: usize| {
        let index = (delays.len() * percent).div_ceil(100).max(1) - 1;
        delays.get(index).copied().unwrap_or_default().as_millis()
    };
    format!(
        "p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms ({} {things})",
        at(50),
        at(90),
        at(99),
        at(100),
        delays.len()
    )
}

/// What a span of time took of the machine, platforms included.
pub(crate) struct Expense {
    begun: Time,
    cpu_s: f64,
}

impl Expense {
    /// From now on.
    pub(crate) fn from_now() -> Self {
        Self {
            begun: SystemClock.now(),
            cpu_s: cpu_seconds(),
        }
    }

    /// Until now, as a line.
    pub(crate) fn so_far(&self) -> String {
        let took = SystemClock.now() - self.begun;
        format!(
            "{:.1} s of processor time in {:.1} s, {} MiB resident at most (platforms included)",
            cpu_seconds() - self.cpu_s,
            took.as_seconds_f64(),
            peak_mebibytes()
        )
    }
}

/// Processor time of this process so far; 0 where the system does not say it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses; user and system time are the 12th and 13th from there, in
    // ticks of 10 ms.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory this process held, in MiB; 0 where the system does not say it.
fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
