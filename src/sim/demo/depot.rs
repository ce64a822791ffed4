//! The demo's second site: a depot without a platform, whose chargers connect to the service itself
//! over OCPP 1.6-J, 2.0.1 and 2.1.

use chrono::TimeDelta;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::report::Methods;
use super::rest::Rest;
use super::{Demo, DemoError, DemoLine, ServiceUnderTest, setup};
use crate::domain::quantity::Power;
use crate::ocpp::version::Version;
use crate::service::vault::new_token;
use crate::sim::methods::{self, MethodResult};
use crate::sim::recorded::{CURRENCY, RecordedSession, TIME_ZONE};
use crate::sim::station::{Fleet, FleetOptions, Oddities, StationSpec};
use crate::sim::world::{Car, Depot, Grid};

/// The depot's name at the service.
pub(super) const SITE: &str = "own-depot";
/// Its stations: a third of each version.
const STATIONS: usize = 12;
/// Its limit. Ours: nothing is recorded about it. Twelve EVSEs of 6.7 kW could draw twice as much.
const LIMIT: Power = Power::from_watts(40_000);

/// What the depot with its own chargers came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DepotReport {
    /// Stations connected over OCPP.
    pub stations: usize,
    /// Cars that came.
    pub sessions: usize,
    /// The site's limit.
    pub limit_kw: f64,
    /// The comparison.
    pub methods: Methods,
}

impl Demo {
    /// The depot's cars: those recorded a week later at the twelve busiest EVSEs of that day, moved
    /// to the day that is played.
    pub(super) fn depot_cars(&self) -> Vec<(String, Car)> {
        if !self.options.stations {
            return Vec::new();
        }
        let week = TimeDelta::days(7);
        let (day, shift) = match self.day.checked_add_signed(week) {
            Some(later) if !self.recording.on(later).is_empty() => (later, -week),
            _ => (self.day - week, week),
        };
        let sessions = self.recording.on(day);
        let mut evses: Vec<&str> = sessions.iter().map(|s| s.evse.as_str()).collect();
        evses.sort_unstable();
        evses.dedup();
        let count = |evse: &str| sessions.iter().filter(|s| s.evse == evse).count();
        evses.sort_by_key(|evse| (std::cmp::Reverse(count(evse)), *evse));
        evses.truncate(STATIONS);
        let fits = |session: &&RecordedSession| {
            session.arrival + shift >= self.start && session.departure + shift <= self.end
        };
        let mut cars = Vec::new();
        for session in sessions.iter().filter(fits) {
            let Some(place) = evses.iter().position(|evse| *evse == session.evse) else {
                continue;
            };
            let car = Car {
                id: format!("van-{}", cars.len() + 1),
                arrival: session.arrival + shift,
                departure: session.departure + shift,
                ..session.car()
            };
            cars.push((evse_name(place), car));
        }
        cars
    }

    fn own_depot(&self) -> Depot {
        let grid = Grid::with_limit(LIMIT, self.recording.prices().clone());
        let mut evses = self.recording.evses();
        evses.truncate(STATIONS);
        for (place, evse) in evses.iter_mut().enumerate() {
            evse.id = evse_name(place);
        }
        let mut depot = Depot::new(self.start, grid, evses);
        for (evse, car) in self.depot_cars() {
            depot.expect(&evse, car);
        }
        depot
    }

    /// Sets the depot up and switches its chargers on; `None` if the demo has none.
    pub(super) async fn open_depot(
        &self,
        service: &dyn ServiceUnderTest,
        rest: &Rest,
        on_line: &mut impl FnMut(&DemoLine),
    ) -> Result<Option<Fleet>, DemoError> {
        let cars = self.depot_cars();
        if cars.is_empty() {
            return Ok(None);
        }
        let mut step = |name: String, detail: String| {
            on_line(&DemoLine::Step {
                name,
                ok: true,
                detail,
            });
        };
        let depot = self.own_depot();
        let path = format!("/sites/{SITE}");
        rest.call(Method::PUT, &path, &site(&depot)).await?;
        step(
            format!("PUT {path}"),
            format!("{STATIONS} EVSEs at stations of our own under {LIMIT}"),
        );
        setup::publish_prices(self, rest, SITE, self.start).await?;
        let live = json!({ "mode": "live" });
        rest.call(Method::PUT, &format!("{path}/mode"), &live)
            .await?;
        let password = new_token().expose().to_owned();
        let stations = stations();
        for station in &stations {
            let body = json!({ "site": SITE, "password": password });
            rest.call(Method::PUT, &format!("/stations/{}", station.id), &body)
                .await?;
        }
        step(
            "PUT /stations/{id}".into(),
            format!("{STATIONS} stations approved, 4 of each version"),
        );
        let departures: Vec<Value> = cars
            .iter()
            .map(|(_, car)| {
                json!({
                    "key": car.id, "departure": car.departure,
                    "energy_kwh": car.need.kilowatt_hours(),
                })
            })
            .collect();
        let count = departures.len();
        let path = format!("{path}/departures");
        rest.call(Method::PUT, &path, &json!(departures)).await?;
        step(
            format!("PUT {path}"),
            format!("{count} vehicles by their tags"),
        );
        let options = FleetOptions {
            url: format!("{}/ocpp", service.base_url().replacen("http", "ws", 1)),
            password,
            meter_interval: TimeDelta::minutes(5),
        };
        Ok(Some(Fleet::start(&options, stations, depot)))
    }

    /// What the depot's meters measured, beside the methods without a service.
    pub(super) fn depot_report(&self, fleet: &Fleet) -> DepotReport {
        let methods = Methods {
            unmanaged: methods::unmanaged(self.own_depot(), self.end, CURRENCY),
            equal_share: methods::equal_share(self.own_depot(), self.end, CURRENCY),
            evenload: fleet.with_depot(|depot| MethodResult::measured(depot, CURRENCY)),
        };
        DepotReport {
            stations: STATIONS,
            sessions: self.depot_cars().len(),
            limit_kw: LIMIT.kilowatts(),
            methods,
        }
    }
}

fn evse_name(place: usize) -> String {
    format!("bay-{}", place + 1)
}

fn stations() -> Vec<StationSpec> {
    (0..STATIONS)
        .map(|place| StationSpec {
            id: format!("CS-{}", place + 1),
            evse: evse_name(place),
            version: Version::ALL[place % Version::ALL.len()],
            odd: Oddities::default(),
        })
        .collect()
}

fn site(depot: &Depot) -> Value {
    let evses: Vec<Value> = depot
        .evses()
        .iter()
        .enumerate()
        .map(|(place, evse)| {
            json!({
                "id": evse.id,
                "circuit": "site",
                "max_kw": evse.max_power().kilowatts(),
                "phases": evse.wiring,
                "voltage_v": evse.voltage.volts(),
                "source": { "ocpp": { "station": format!("CS-{}", place + 1), "evse": 1 } },
            })
        })
        .collect();
    json!({
        "name": "Depot with chargers of its own",
        "time_zone": TIME_ZONE.name(),
        "currency": CURRENCY,
        "circuits": [{ "id": "site", "parent": null, "import_limit_kw": LIMIT.kilowatts() }],
        "evses": evses,
    })
}
