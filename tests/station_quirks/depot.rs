//! A small depot in virtual time: the whole service on a clock of the test's, stations on real
//! sockets, cars.

use chrono::TimeDelta;
use evenload::domain::evse::Phase;
use evenload::domain::ports::Clock as _;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::ocpp::version::Version;
use evenload::service::Running;
use evenload::sim::clock::VirtualClock;
use evenload::sim::station::{Fleet, FleetOptions, Oddities, StationSpec};
use evenload::sim::world::{Car, Cause, Depot, Excursion, Grid, PriceSeries, SimEvse, Taper};
use evenload::store::memory::MemoryStore;
use serde_json::{Value, json};

use crate::in_virtual_time::{PATIENCE, call, serve, settle};

const PASSWORD: &str = "0123456789ABCDEF0123";

/// Longest time above the limit that a charger which does not obey may cause, in seconds.
const LONGEST_S: i64 = 30;

/// What a test says of its depot.
pub(crate) struct Plan {
    pub(crate) limit_kw: i64,
    pub(crate) hours: i64,
    /// A station each, with an EVSE of 11 kW and a car.
    pub(crate) stations: Vec<(Version, Oddities)>,
    /// What each car needs.
    pub(crate) need_kwh: f64,
    /// Kill the service after so many minutes and start it again on what was durable.
    pub(crate) dies_after: Option<i64>,
    /// Between two readings of a meter, in seconds.
    pub(crate) meter_s: i64,
    /// The operator pauses the first station in these minutes.
    pub(crate) pause: Option<(i64, i64)>,
    /// The first station loses its connection after these minutes.
    pub(crate) drops: Vec<i64>,
    /// More of the body that approves the first station.
    pub(crate) setup: Value,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) excursions: Vec<Excursion>,
    /// Cars that left without their energy, with what they got.
    pub(crate) unready: Vec<String>,
    pub(crate) complaints: Vec<String>,
    pub(crate) profiles: u64,
    /// What the service says of the same time: its report.
    pub(crate) report: Value,
    /// The first station as the service shows it.
    pub(crate) shown: Value,
}

impl Outcome {
    /// Nothing was above the limit but for 30 s, by who did not obey, and the service knows of it.
    pub(crate) fn held_but_for_the_disobedient(&self) {
        let longest = self.longest_s(&[Cause::Disobedience]);
        assert!(longest <= LONGEST_S, "{longest} s: {:?}", self.excursions);
        let self_caused = self.excursions.iter().filter(|it| it.self_caused);
        assert_eq!(self_caused.count(), 0, "{:?}", self.excursions);
        assert_eq!(self.report["self_caused"], 0, "{}", self.report);
        let told = self.report["excursions"].as_array().expect("a list");
        let time = |text: &Value| text.as_str().and_then(|text| text.parse::<Time>().ok());
        for seen in &self.excursions {
            let named = told.iter().any(|told| {
                let opened = time(&told["opened_at"]).is_some_and(|at| at <= seen.end);
                let closed = time(&told["closed_at"]).is_none_or(|at| at >= seen.start);
                opened && closed && told["cause"] == "disobedience"
            });
            assert!(named, "{seen:?} is not among {told:?}");
        }
    }

    /// The longest time above the limit, in seconds, and whether all had one of these causes.
    pub(crate) fn longest_s(&self, causes: &[Cause]) -> i64 {
        let known = |it: &&Excursion| causes.contains(&it.cause);
        assert_eq!(
            self.excursions.iter().filter(known).count(),
            self.excursions.len(),
            "{:?}",
            self.excursions
        );
        let spans = self
            .excursions
            .iter()
            .map(|it| (it.end - it.start).num_seconds());
        spans.max().unwrap_or(0)
    }
}

fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().expect("valid")
}

fn name(place: usize) -> String {
    format!("bay-{}", place + 1)
}

impl Plan {
    fn depot(&self) -> Depot {
        let limit = Power::from_watts(self.limit_kw * 1000);
        let price = Price::from_per_kwh(0.3);
        let grid = Grid::with_limit(limit, PriceSeries::new([(noon(), price)]));
        let evse = |place| {
            let rating = Current::from_amps(16.0);
            SimEvse::new(name(place), rating, Voltage::V230, Phase::ALL.to_vec())
        };
        let count = self.stations.len();
        let mut depot = Depot::new(noon(), grid, (0..count).map(evse).collect());
        for place in 0..count {
            let minute = 5 + i64::try_from(place).expect("few") * 2;
            let car = Car {
                id: format!("van-{}", place + 1),
                arrival: noon() + TimeDelta::minutes(minute),
                departure: noon() + TimeDelta::hours(self.hours) - TimeDelta::minutes(10),
                need: Energy::from_kilowatt_hours(self.need_kwh),
                max: Power::from_kilowatts(11.04),
                phases: 3,
                taper: Taper::None,
            };
            depot.expect(&name(place), car);
        }
        depot
    }

    /// Plays it to its end.
    pub(crate) async fn plays(&self) -> Outcome {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = VirtualClock::new(noon());
        let mut store = MemoryStore::new();
        let mut service = serve(&clock, &store, folder.path(), 0).await;
        let address = service.address;
        self.sets_up(&service).await;
        let options = FleetOptions {
            url: format!("ws://{address}/ocpp"),
            password: PASSWORD.into(),
            meter_interval: TimeDelta::seconds(self.meter_s),
        };
        let stations = self.stations.iter().enumerate();
        let stations = stations.map(|(place, (version, odd))| StationSpec {
            id: format!("CP-{}", place + 1),
            evse: name(place),
            version: *version,
            odd: odd.clone(),
        });
        let fleet = Fleet::start(&options, stations.collect(), self.depot());
        let end = noon() + TimeDelta::hours(self.hours);
        let mut dies_at = self
            .dies_after
            .map(|minutes| noon() + TimeDelta::minutes(minutes));
        let minute = |minutes: &i64| noon() + TimeDelta::minutes(*minutes);
        let mut pause_at = self.pause.map(|(from, _)| minute(&from));
        let mut drops: Vec<Time> = self.drops.iter().rev().map(minute).collect();
        settle(&service, &fleet, &clock).await;
        while clock.now() < end {
            let wakeup = clock.next_wakeup().unwrap_or(end);
            let next = fleet.next_event().min(wakeup).min(end).max(clock.now());
            fleet.advance_to(next);
            clock.advance_to(next);
            if pause_at.take_if(|at| *at <= next).is_some() {
                let until = self.pause.map(|(_, until)| minute(&until));
                let body = json!({ "action": "pause", "until": until });
                let path = format!("/sites/depot/evses/{}/override", name(0));
                call(&service, "POST", &path, &body).await;
            }
            if drops.pop_if(|at| *at <= next).is_some() {
                fleet.drop_connection(&name(0));
            }
            if dies_at.is_some_and(|at| at <= next) {
                dies_at = None;
                store.crash();
                store = store.reopen().expect("opens");
                drop(tokio::time::timeout(PATIENCE, service.stop()).await);
                service = serve(&clock, &store, folder.path(), address.port()).await;
            }
            settle(&service, &fleet, &clock).await;
        }
        let shown = call(&service, "GET", "/stations/CP-1", &Value::Null).await;
        let report = call(&service, "GET", "/reports/savings?site=depot", &Value::Null).await;
        let outcome = fleet.with_depot(|depot| Outcome {
            excursions: depot.meter().excursions().copied().collect(),
            unready: depot
                .stays()
                .filter(|stay| {
                    stay.drawn.energy() < Energy::from_kilowatt_hours(self.need_kwh * 0.99)
                })
                .map(|stay| format!("{} got {}", stay.car.id, stay.drawn.energy()))
                .collect(),
            complaints: Vec::new(),
            profiles: 0,
            report,
            shown,
        });
        let outcome = Outcome {
            complaints: fleet.complaints(),
            profiles: fleet.counts().profiles_set,
            ..outcome
        };
        fleet.stop().await;
        service.stop().await;
        outcome
    }

    async fn sets_up(&self, service: &Running) {
        let evses: Vec<Value> = (0..self.stations.len())
            .map(|place| {
                json!({ "id": name(place), "circuit": "site", "max_kw": 11.04, "min_kw": 4.14,
                    "phases": ["L1", "L2", "L3"],
                    "source": { "ocpp": { "station": format!("CP-{}", place + 1), "evse": 1 } } })
            })
            .collect();
        let site = json!({
            "name": "Depot", "time_zone": "Europe/Amsterdam", "currency": "EUR",
            "circuits": [{ "id": "site", "parent": null, "import_limit_kw": self.limit_kw }],
            "evses": evses, "price": { "flat_per_kwh": 0.3 },
        });
        call(service, "PUT", "/sites/depot", &site).await;
        call(
            service,
            "PUT",
            "/sites/depot/mode",
            &json!({ "mode": "live" }),
        )
        .await;
        let departure = noon() + TimeDelta::hours(self.hours) - TimeDelta::minutes(10);
        for place in 0..self.stations.len() {
            let mut setup = json!({ "password": PASSWORD });
            if place == 0 {
                let more = self.setup.as_object().cloned().unwrap_or_default();
                setup.as_object_mut().expect("an object").extend(more);
            }
            call(
                service,
                "PUT",
                &format!("/stations/CP-{}", place + 1),
                &setup,
            )
            .await;
            let departure = json!({ "departure": departure, "energy_kwh": self.need_kwh });
            let path = format!("/sites/depot/departures/van-{}", place + 1);
            call(service, "PUT", &path, &departure).await;
        }
    }
}
