//! The whole service on a virtual clock, and many platforms that speak to it over loopback.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use evenload::domain::evse::Phase;
use evenload::domain::id::{SiteId, SiteKey, TenantId};
use evenload::domain::ports::Clock as _;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::session::SessionStatus;
use evenload::domain::time::Time;
use evenload::sim::clock::{VirtualClock, settled};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::demo::{OwnService, ServiceUnderTest as _};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use evenload::state::Snapshot;
use serde_json::{Value, json};

/// Longer than anything real takes while virtual time stands still.
const STUCK: Duration = Duration::from_mins(1);

/// A limit that bears two cars and a little more: of three, somebody must always be throttled.
const LIMIT_KW: f64 = 27.0;

/// The service and its partners.
pub(crate) struct World {
    pub(crate) service: OwnService,
    pub(crate) clock: VirtualClock,
    pub(crate) platforms: Vec<(String, Cpo)>,
    http: reqwest::Client,
}

/// When every test begins.
pub(crate) fn start() -> Time {
    "2026-03-02T06:00:00Z".parse().expect("valid")
}

/// So many minutes later.
pub(crate) fn minute(minutes: i64) -> Time {
    start() + TimeDelta::minutes(minutes)
}

impl World {
    /// A service without partners that waits two seconds for an answer.
    pub(crate) async fn start() -> Self {
        Self::start_with_deadline(2).await
    }

    /// One that waits as long.
    pub(crate) async fn start_with_deadline(seconds: u32) -> Self {
        let clock = VirtualClock::new(start());
        // Deadlines are real time, whatever the clock says.
        let service = OwnService::start_with(clock.clone(), 0, |config| {
            config.ocpi.request_timeout_s = seconds;
        });
        Self {
            service: service.await.expect("the service starts"),
            clock,
            platforms: Vec::new(),
            http: reqwest::Client::builder().no_proxy().build().expect("HTTP"),
        }
    }

    /// Registers a platform and steers its site, both of this name.
    pub(crate) async fn add(&mut self, name: &str, options: CpoOptions, depot: Depot) {
        let evses = depot.evses().len();
        let cpo = Cpo::start(options, depot).expect("a free port");
        let body = json!({"name": name, "versions_url": cpo.versions_url(),
            "token_a": cpo.token_a()});
        self.call("POST", "/partners", body).await;
        self.call("PUT", &format!("/sites/{name}"), site(name, evses))
            .await;
        let live = json!({"mode": "live"});
        self.call("PUT", &format!("/sites/{name}/mode"), live).await;
        self.platforms.push((name.to_owned(), cpo));
        self.settle().await;
    }

    /// Time goes on from event to event.
    pub(crate) async fn play_until(&self, end: Time) {
        while self.clock.now() < end {
            let due = self.platforms.iter().map(|(_, cpo)| cpo.next_event());
            let next = due
                .chain(self.clock.next_wakeup())
                .fold(end, Time::min)
                .max(self.clock.now());
            let messages: Vec<_> = self
                .platforms
                .iter()
                .map(|(_, cpo)| cpo.advance_to(next))
                .collect();
            self.clock.advance_to(next);
            for ((_, cpo), messages) in self.platforms.iter().zip(messages) {
                cpo.send(messages);
            }
            self.settle().await;
        }
    }

    /// Waits until nothing is under way.
    pub(crate) async fn settle(&self) {
        let all = settled(async || {
            let idle = self.platforms.iter().all(|(_, cpo)| cpo.in_flight() == 0)
                && self.clock.woken() == 0
                && self.service.is_idle().await;
            let begun = self.platforms.iter().map(|(_, cpo)| cpo.begun());
            idle.then(|| (begun.sum::<u64>(), self.service.begun()))
        });
        let settled = tokio::time::timeout(STUCK, all).await;
        settled.expect("something is under way for ever");
    }

    /// A call of the API: HTTP status and body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.service.base_url());
        let request = self.http.request(method.parse().expect("a method"), url);
        let request = request.bearer_auth(self.service.admin_token());
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// A call that must work.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, &body).await;
        let is_good = (200..300).contains(&status);
        assert!(is_good, "{method} {path}: {status} {answer}");
        answer
    }

    /// How many sessions of a site run, as the service believes.
    pub(crate) fn running(&self, site: &str) -> usize {
        let state = self.snapshot(site);
        let sessions = state
            .evses
            .values()
            .filter_map(|evse| evse.session.as_ref());
        let running = sessions.filter(|session| session.status != SessionStatus::Ended);
        running.count()
    }

    /// What the service believes of a site.
    pub(crate) fn snapshot(&self, site: &str) -> Snapshot {
        let key = SiteKey {
            tenant: TenantId::default_tenant(),
            site: SiteId::new(site).expect("a name"),
        };
        let registry = self.service.running().registry();
        registry.snapshot(&key).expect("the site runs")
    }

    /// A partner as it is shown.
    pub(crate) async fn partner(&self, name: &str) -> Value {
        self.call("GET", &format!("/partners/{name}"), Value::Null)
            .await
    }

    /// The ids of the deviations that were noted of a partner.
    pub(crate) async fn deviations(&self, partner: &str) -> BTreeSet<String> {
        let shown = self.partner(partner).await;
        let all = shown["deviations"].as_array().expect("a list");
        let id = |one: &Value| {
            let says_what_to_change = one["advice"].as_str().is_some_and(|text| !text.is_empty());
            assert!(says_what_to_change, "{one}");
            one["id"].as_str().expect("an id").to_owned()
        };
        all.iter().map(id).collect()
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        for (_, cpo) in &self.platforms {
            cpo.stop().await;
        }
        self.service.stop().await;
    }
}

/// A depot at which these cars come and go: EVSE, arrival and departure, in minutes.
pub(crate) fn depot(evses: usize, cars: &[(usize, i64, i64)]) -> Depot {
    let evse = |number: usize| {
        let amps = Current::from_amps(16.0);
        SimEvse::new(
            format!("E{number}"),
            amps,
            Voltage::V230,
            Phase::ALL.to_vec(),
        )
    };
    let prices = PriceSeries::new([(start(), Price::from_per_kwh(0.2))]);
    let grid = Grid::with_limit(Power::from_kilowatts(LIMIT_KW), prices);
    let mut depot = Depot::new(start(), grid, (0..evses).map(evse).collect());
    for (number, (evse, arrival, departure)) in (0..).zip(cars) {
        let car = Car {
            // The same at every platform: equal ids of different partners are different sessions.
            id: format!("S{number}"),
            arrival: minute(*arrival),
            departure: minute(*departure),
            need: Energy::from_kilowatt_hours(40.0),
            max: Power::from_kilowatts(11.04),
            phases: 3,
            taper: Taper::None,
        };
        assert!(depot.expect(&format!("E{evse}"), car));
    }
    depot
}

fn site(name: &str, evses: usize) -> Value {
    let evse = |number: usize| {
        json!({"id": format!("E{number}"), "circuit": "site", "max_kw": 11.04,
            "phases": ["L1", "L2", "L3"], "voltage_v": 230, "source": {"ocpi": {"partner": name,
            "location_id": CpoOptions::default().location_id, "evse_uid": format!("E{number}")}}})
    };
    json!({
        "name": name, "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": LIMIT_KW}],
        "evses": (0..evses).map(evse).collect::<Vec<_>>(),
        "price": {"flat_per_kwh": 0.2},
    })
}
