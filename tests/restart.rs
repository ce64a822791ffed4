//! The real binary, killed with -9 while sessions run, against a CPO that speaks OCPI over
//! loopback: nothing acknowledged is lost, and nothing is raised before the partner was read back.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use evenload::domain::evse::Phase;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use serde_json::{Value, json};

const TOKEN: &str = "test-admin-token-0123456789abcdef";
const CARS: usize = 4;

/// A running `evenload serve`, killed when dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path, port: u16) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_evenload"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .env("EVENLOAD__API__ADMIN_TOKEN", TOKEN)
        .env("EVENLOAD__OCPI__ALLOW_INSECURE", "true")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("piped");
    let first = BufReader::new(stdout)
        .lines()
        .next()
        .expect("a line")
        .expect("text");
    assert!(first.contains("ready"), "{first}");
    Served(child)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Cars that have just arrived and stay for hours.
#[expect(
    clippy::disallowed_methods,
    reason = "the real binary runs on the machine's clock"
)]
fn depot() -> Depot {
    let now = Utc::now();
    let volts = Voltage::from_volts(230.0);
    let evses = (1..=CARS)
        .map(|n| {
            SimEvse::new(
                format!("E{n}"),
                Current::from_amps(32.0),
                volts,
                vec![Phase::L1],
            )
        })
        .collect();
    let prices = PriceSeries::new([(now - TimeDelta::days(1), Price::from_per_kwh(0.2))]);
    let mut depot = Depot::new(
        now,
        Grid::with_limit(Power::from_kilowatts(20.0), prices),
        evses,
    );
    for n in 1..=CARS {
        let car = Car {
            id: format!("stay{n}"),
            arrival: now + TimeDelta::milliseconds(1500),
            departure: now + TimeDelta::hours(8),
            need: Energy::from_kilowatt_hours(30.0),
            max: Power::from_kilowatts(7.36),
            phases: 1,
            taper: Taper::None,
        };
        assert!(depot.expect(&format!("E{n}"), car));
    }
    depot
}

struct Rest {
    base: String,
    http: reqwest::Client,
}

impl Rest {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let method = method.parse().expect("a method");
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await
    }
}

/// Lets the CPO live in real time until something holds; a deadline stops a hopeless wait.
#[expect(
    clippy::disallowed_methods,
    reason = "the real binary runs on the machine's clock"
)]
async fn until<F: Future<Output = bool>>(cpo: &Cpo, what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Utc::now() + TimeDelta::seconds(30);
    while Utc::now() < deadline {
        cpo.send(cpo.advance_to(Utc::now()));
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("not within 30 s: {what}");
}

/// What the plan view says is confirmed, EVSE by EVSE.
fn confirmed(plan: &Value) -> Vec<Option<f64>> {
    let evses = plan["evses"].as_array().cloned().unwrap_or_default();
    evses
        .iter()
        .map(|evse| evse["slots"][0]["confirmed_kw"].as_f64())
        .collect()
}

/// Where a profile allows more than was confirmed before, slot by slot.
fn raises(call: &Value, planned: &Value) -> Vec<String> {
    let path = call["path"].as_str().expect("a path");
    let evse = path.rsplit("/stay").next().expect("a session");
    let evses = planned["evses"].as_array().expect("EVSEs");
    let known = evses.iter().find(|it| it["evse"] == format!("E{evse}"));
    let slots = known.expect("the EVSE")["slots"].as_array().expect("slots");
    let instant = |value: &Value| -> chrono::DateTime<Utc> {
        let text = value.as_str().expect("an instant");
        text.trim_matches('"').parse().expect("of RFC 3339")
    };
    let body: Value =
        serde_json::from_str(call["request"].as_str().expect("a body")).expect("JSON");
    let profile = &body["charging_profile"];
    let start = instant(&profile["start_date_time"]);
    let periods = profile["charging_profile_period"]
        .as_array()
        .expect("periods");
    let mut raised = Vec::new();
    for (slot, next) in slots.iter().zip(&slots[1..]) {
        let until = (instant(&next["start"]) - start).num_seconds();
        let from = (instant(&slot["start"]) - start).num_seconds();
        let begins = |period: &Value| period["start_period"].as_i64().expect("seconds");
        let holds = periods.iter().enumerate().filter(|(index, period)| {
            let ends = periods.get(index + 1).map_or(i64::MAX, begins);
            begins(period) < until && ends > from.max(0)
        });
        let amps = holds
            .map(|(_, period)| period["limit"].as_f64().expect("amperes"))
            .fold(0.0, f64::max);
        // 230 V and a tenth more.
        let (asked, held) = (
            amps * 0.253,
            slot["confirmed_kw"].as_f64().expect("confirmed"),
        );
        if asked > held + 0.03 {
            raised.push(format!("{}: {asked} of {held} kW", slot["start"]));
        }
    }
    raised
}

fn site() -> Value {
    let evses: Vec<Value> = (1..=CARS)
        .map(|n| {
            json!({
                "id": format!("E{n}"), "circuit": "site", "max_kw": 7.36, "min_kw": 1.38,
                "phases": ["L1"],
                "source": {"ocpi": {
                    "partner": "cpo", "location_id": "DEPOT", "evse_uid": format!("E{n}"),
                }},
            })
        })
        .collect();
    json!({
        "name": "Depot", "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": 20.0}],
        "evses": evses, "arrival_reserve": "none", "price": {"flat_per_kwh": 0.2},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_sessions_run_it_comes_back_knowing_all_and_reads_back_before_it_raises() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let served = serve(data.path(), port);
    let rest = Rest {
        base: format!("http://127.0.0.1:{port}"),
        http: reqwest::Client::new(),
    };
    let cpo = Cpo::start(CpoOptions::default(), depot()).expect("the CPO starts");
    let invite = json!({
        "name": "cpo", "versions_url": cpo.versions_url(), "token_a": cpo.token_a(),
    });
    rest.call("POST", "/partners", Some(invite)).await;
    assert!(cpo.is_registered());
    rest.call("PUT", "/sites/depot", Some(site())).await;
    rest.call("PUT", "/sites/depot/mode", Some(json!({"mode": "live"})))
        .await;

    // Every car gets its share, and the shares are confirmed.
    until(&cpo, "all profiles are confirmed", || async {
        let plan = rest.get("/sites/depot/plan").await;
        let known = confirmed(&plan);
        let sum: f64 = known.iter().flatten().sum();
        known.len() == CARS && known.iter().all(Option::is_some) && sum <= 20.0
    })
    .await;
    let sessions = rest.get("/sites/depot/sessions").await;
    let planned = rest.get("/sites/depot/plan").await;
    let before = confirmed(&planned);
    assert_eq!(
        sessions
            .as_array()
            .or(sessions["sessions"].as_array())
            .map(Vec::len),
        Some(CARS)
    );
    let sum: f64 = before.iter().flatten().sum();
    assert!(
        sum <= 20.0,
        "{sum} kW are handed out under a limit of 20 kW"
    );

    // SIGKILL: no destructor, no flush.
    drop(served);
    let pushes_before = cpo.counts().profiles_set;
    let served = serve(data.path(), port);
    let after = rest.get("/sites/depot/plan").await;
    assert_eq!(
        confirmed(&after),
        before,
        "what was confirmed is known at once"
    );
    until(&cpo, "the partner was read back", || async {
        rest.get("/partners/cpo").await["health"] == "current"
    })
    .await;
    let exchanges = rest.get("/partners/cpo/exchanges").await;
    let exchanges = exchanges
        .as_array()
        .or(exchanges["exchanges"].as_array())
        .cloned();
    let sent: Vec<Value> = exchanges
        .expect("a list")
        .into_iter()
        .rev()
        .filter(|call| call["direction"] == "sent")
        .collect();
    let calls: Vec<String> = sent
        .iter()
        .map(|call| format!("{} {}", call["method"], call["path"]))
        .collect();
    let read = calls
        .iter()
        .position(|call| call.contains("GET") && call.contains("sessions"));
    let Some(read) = read else {
        unreachable!("sessions were not read: {calls:?}");
    };
    // What is set before that raises nothing.
    let early = sent
        .iter()
        .take(read)
        .filter(|call| call["method"] == "PUT");
    for call in early {
        let raised = raises(call, &planned);
        assert!(
            raised.is_empty(),
            "{raised:?}, before what holds was read: {call}"
        );
    }
    let now = rest.get("/sites/depot/sessions").await;
    assert_eq!(
        now.as_array().or(now["sessions"].as_array()).map(Vec::len),
        Some(CARS)
    );
    assert!(cpo.counts().profiles_set >= pushes_before);
    cpo.with_depot(|depot| {
        let excursions: Vec<_> = depot.meter().excursions().collect();
        // All four cars come in one second, and OCPI cannot limit them beforehand: that one
        // excursion is the world's. After it nothing breaks the limit, least of all the restart.
        assert!(excursions.len() <= 1, "{excursions:?}");
    });
    assert!(cpo.complaints().is_empty(), "{:?}", cpo.complaints());
    cpo.stop().await;
    drop(served);
}
