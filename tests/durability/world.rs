//! A depot of four cars behind a simulated CPO, and the site that evenload makes of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evenload::domain::evse::Phase;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::served::{Served, free_port};

/// Cars that stay for hours.
pub(crate) const CARS: usize = 4;
/// What the site may draw, in kW.
pub(crate) const LIMIT_KW: f64 = 20.0;

/// The machine's clock: the real binary runs on it too.
#[expect(
    clippy::disallowed_methods,
    reason = "the real binary runs on the machine's clock"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Middle and highest of some durations.
pub(crate) fn spread(all: &mut [TimeDelta]) -> String {
    all.sort();
    let ms = |at: usize| all.get(at).map_or(0, TimeDelta::num_milliseconds);
    let last = all.len().saturating_sub(1);
    format!(
        "p50 {} ms, highest {} ms of {}",
        ms(last / 2),
        ms(last),
        all.len()
    )
}

/// A platform with a car at each EVSE from half a second on.
pub(crate) fn depot(cars: usize, limit_kw: f64) -> Depot {
    let start = now();
    let volts = Voltage::from_volts(230.0);
    let evse = |n: usize| {
        let amps = Current::from_amps(32.0);
        SimEvse::new(format!("E{n}"), amps, volts, vec![Phase::L1])
    };
    let prices = PriceSeries::new([(start - TimeDelta::days(1), Price::from_per_kwh(0.2))]);
    let grid = Grid::with_limit(Power::from_kilowatts(limit_kw), prices);
    let mut depot = Depot::new(start, grid, (1..=cars).map(evse).collect());
    for n in 1..=cars {
        let car = Car {
            id: format!("stay{n}"),
            arrival: start + TimeDelta::milliseconds(500),
            departure: start + TimeDelta::hours(8),
            need: Energy::from_kilowatt_hours(30.0),
            max: Power::from_kilowatts(7.36),
            phases: 1,
            taper: Taper::None,
        };
        assert!(depot.expect(&format!("E{n}"), car));
    }
    depot
}

/// A site of EVSEs `from..=to` of the platform.
pub(crate) fn site(name: &str, evses: std::ops::RangeInclusive<usize>, limit_kw: f64) -> Value {
    let evse = |n: usize| {
        json!({
            "id": format!("E{n}"), "circuit": "site", "max_kw": 7.36, "min_kw": 1.38,
            "phases": ["L1"],
            "source": {"ocpi": {
                "partner": "cpo", "location_id": "DEPOT", "evse_uid": format!("E{n}"),
            }},
        })
    };
    json!({
        "name": name, "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": limit_kw}],
        "evses": evses.map(evse).collect::<Vec<_>>(),
        "arrival_reserve": "none", "price": {"flat_per_kwh": 0.2},
    })
}

/// How long the platform's chargers take, either way: short, so that little is under way at a kill.
const STATION_DELAY: TimeDelta = TimeDelta::milliseconds(50);

/// What chargers may draw, by what is installed at them.
pub(crate) struct Installed {
    instants: Vec<DateTime<Utc>>,
    /// Per EVSE, at each instant.
    kilowatts: Vec<Vec<f64>>,
}

/// Everything that outlives a kill.
pub(crate) struct World {
    /// The service's data folder.
    pub(crate) data: TempDir,
    /// The service's port; its address is what the partner knows.
    pub(crate) port: u16,
    /// The partner.
    pub(crate) cpo: Arc<Cpo>,
}

impl World {
    /// Nothing is registered yet.
    pub(crate) fn new() -> Self {
        let options = CpoOptions {
            push_delay: STATION_DELAY,
            station_delay: STATION_DELAY,
            ..CpoOptions::default()
        };
        Self {
            data: tempfile::tempdir().expect("a folder"),
            port: free_port(),
            cpo: Arc::new(Cpo::start(options, depot(CARS, LIMIT_KW)).expect("a free port")),
        }
    }

    /// Registers with the partner and steers its depot.
    pub(crate) async fn set_up(&self, served: &Served) {
        let rest = served.rest();
        let partner = json!({
            "name": "cpo", "versions_url": self.cpo.versions_url(), "token_a": self.cpo.token_a(),
        });
        rest.call("POST", "/partners", Some(partner)).await;
        let depot = site("Depot", 1..=CARS, LIMIT_KW);
        rest.call("PUT", "/sites/depot", Some(depot)).await;
        let live = json!({"mode": "live"});
        rest.call("PUT", "/sites/depot/mode", Some(live)).await;
        self.until(served, "all profiles are confirmed", |plan| {
            let evses = plan["evses"].as_array();
            evses.is_some_and(|evses| {
                evses.len() == CARS
                    && evses
                        .iter()
                        .all(|evse| evse["slots"][0]["confirmed_kw"].is_number())
            })
        })
        .await;
    }

    async fn until(&self, served: &Served, what: &str, holds: impl Fn(&Value) -> bool) {
        let rest = served.rest();
        let deadline = now() + TimeDelta::seconds(60);
        while now() < deadline {
            self.cpo.send(self.cpo.advance_to(now()));
            if holds(&rest.get("/sites/depot/plan").await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!("not within 60 s: {what}");
    }

    /// What the depot's chargers may draw from now on, by what is installed at them: per EVSE, every
    /// quarter of an hour for eight hours. What was under way to a charger has arrived first.
    pub(crate) async fn installed(&self) -> Installed {
        let settled = now() + STATION_DELAY * 4;
        while now() < settled {
            self.cpo.send(self.cpo.advance_to(now()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let instants = (0..32)
            .map(|n| now() + TimeDelta::minutes(15 * n))
            .collect();
        let mut installed = Installed {
            instants,
            kilowatts: Vec::new(),
        };
        installed.kilowatts = self.look(&installed);
        installed
    }

    fn look(&self, installed: &Installed) -> Vec<Vec<f64>> {
        self.cpo.with_depot(|depot| {
            let curve = |evse: &SimEvse| {
                let instants = installed.instants.iter();
                instants.map(|at| evse.allowed(*at).kilowatts()).collect()
            };
            depot.evses().iter().map(curve).collect()
        })
    }

    /// Waits until the service has read its partner's sessions. Until then nothing may be raised
    /// above `before`, at no charger and at no later instant.
    pub(crate) async fn until_read_back(&self, served: &Served, before: &Installed, what: &str) {
        let rest = served.rest();
        let deadline = now() + TimeDelta::seconds(60);
        while now() < deadline {
            self.cpo.send(self.cpo.advance_to(now()));
            // Looked at first: if it was not read back after that, it was not when we looked.
            let seen = self.look(before);
            if rest.get("/partners/cpo").await["health"] == "current" {
                return;
            }
            for (evse, (seen, before)) in seen.iter().zip(&before.kilowatts).enumerate() {
                let raised = seen.iter().zip(before).any(|(seen, before)| seen > before);
                assert!(
                    !raised,
                    "{what}: raised at EVSE {evse} before the partner was read back"
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the partner was not read back within 60 s");
    }

    /// Lets the partner live in real time beside what is done.
    pub(crate) async fn living<T>(&self, work: impl Future<Output = T>) -> T {
        let cpo = self.cpo.clone();
        let life = tokio::spawn(async move {
            loop {
                cpo.send(cpo.advance_to(now()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let done = work.await;
        life.abort();
        done
    }

    /// When true power was above the limit.
    pub(crate) fn excursions(&self) -> Vec<String> {
        self.cpo.with_depot(|depot| {
            let all = depot.meter().excursions();
            all.map(|excursion| format!("{excursion:?}")).collect()
        })
    }

    /// What the partner found wrong, but for what a service that is dead cannot take.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut all = self.cpo.complaints();
        all.retain(|complaint| {
            !["error sending request", "connection", "HTTP 404, OCPI 2003"]
                .iter()
                .any(|dead| complaint.contains(dead))
        });
        all
    }
}
