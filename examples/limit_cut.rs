//! How long a limit cut takes to reach the chargers, over sockets and on the machine's clock: from the
//! signal's `PUT` until the first lowering is out, and until what really flows is under the cut. One
//! depot of twelve stations of our own (OCPP 1.6, 2.0.1 and 2.1) and one of twelve EVSEs of a partner
//! (OCPI; its platform takes a second to reach a station), each cut and let go again and again.
//!
//! ```sh
//! cargo run --release --example limit_cut -- 50
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

mod load;

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use evenload::domain::ports::Clock as _;
use evenload::domain::quantity::{Energy, Power};
use evenload::domain::time::Time;
use evenload::ocpp::version::Version;
use evenload::service::clock::{Stopwatch, SystemClock};
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::station::{Fleet, FleetOptions, Oddities, StationSpec};
use evenload::sim::world::{Depot, Taper};
use load::{Expense, Service, argument, car, depot, evse_id, third_of};
use serde_json::{Value, json};

const EVSES: usize = 12;
const PASSWORD: &str = "0123456789ABCDEF0123";
/// The operator's limit; of what twelve cars could draw it leaves five sixths.
fn limit() -> Power {
    third_of(2 * EVSES)
}

/// The cut: half of that.
fn low() -> Power {
    limit().scaled_down(1, 2)
}

/// How finely time is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Who needs longer has failed.
const LONGEST: Duration = Duration::from_mins(2);

/// Whoever has the chargers.
enum Chargers {
    Own(Fleet),
    Partner(Cpo),
}

impl Chargers {
    /// Lets everything happen that is due; gives what flows and how many profiles came so far.
    fn look(&self) -> (Power, u64) {
        let now = SystemClock.now();
        match self {
            Self::Own(fleet) => {
                fleet.advance_to(now);
                let power = fleet.with_depot(|depot| depot.power());
                (power, fleet.counts().profiles_set)
            }
            Self::Partner(cpo) => {
                load::step(std::slice::from_ref(cpo));
                (cpo.with_depot(Depot::power), cpo.counts().profiles_set)
            }
        }
    }

    /// Looks until it is so; gives how long it took.
    async fn until(&self, what: &str, is_so: impl Fn(Power, u64) -> bool) -> Duration {
        let watch = Stopwatch::start();
        loop {
            let (power, profiles) = self.look();
            if is_so(power, profiles) {
                return watch.elapsed();
            }
            assert!(
                watch.elapsed() < LONGEST,
                "not within {LONGEST:?}: {what}; {power}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn full(now: Time) -> Depot {
    let mut depot = depot(now, EVSES, limit());
    for number in 0..EVSES {
        // Enough to last for the whole run.
        let mut car = car(
            format!("van-{number}"),
            now + TimeDelta::seconds(2),
            now + TimeDelta::hours(20),
        );
        car.need = Energy::from_kilowatt_hours(200.0);
        car.taper = Taper::None;
        depot.expect(&evse_id(number), car);
    }
    depot
}

async fn own(service: &Service) -> Chargers {
    let evse = |number: usize| {
        json!({"id": evse_id(number), "circuit": "site", "max_kw": 11.04, "voltage_v": 230,
            "phases": ["L1", "L2", "L3"],
            "source": {"ocpp": {"station": format!("CP-{number}"), "evse": 1}}})
    };
    let site = json!({
        "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": limit().kilowatts()}],
        "evses": (0..EVSES).map(evse).collect::<Vec<_>>(), "price": {"flat_per_kwh": 0.10},
    });
    service.call("PUT", "/sites/own", site).await;
    service
        .call("PUT", "/sites/own/mode", json!({"mode": "live"}))
        .await;
    for number in 0..EVSES {
        let body = json!({"site": "own", "password": PASSWORD, "allow_insecure": true});
        service
            .call("PUT", &format!("/stations/CP-{number}"), body)
            .await;
    }
    let stations = (0..EVSES).map(|number| StationSpec {
        id: format!("CP-{number}"),
        evse: evse_id(number),
        version: [Version::V16, Version::V201, Version::V21][number % 3],
        odd: Oddities::default(),
    });
    let options = FleetOptions {
        url: format!("ws://{}/ocpp", service.running.address),
        password: PASSWORD.into(),
        meter_interval: TimeDelta::seconds(10),
    };
    Chargers::Own(Fleet::start(
        &options,
        stations.collect(),
        full(SystemClock.now()),
    ))
}

async fn partner(service: &Service) -> Chargers {
    let options = CpoOptions {
        meter_interval: TimeDelta::seconds(30),
        ..CpoOptions::default()
    };
    let cpo = Cpo::start(options, full(SystemClock.now())).expect("a port");
    service.register("partner", &cpo).await;
    service.steer("partner", EVSES, limit()).await;
    Chargers::Partner(cpo)
}

fn cut() -> Value {
    let start = SystemClock
        .now()
        .to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"kind": "import_limit", "unit": "kW", "start": start, "resolution": "PT15M",
        "values": [low().kilowatts()]})
}

/// Cuts and lets go; gives how long the first lowering and the whole took.
async fn cuts(
    service: &Service,
    site: &str,
    chargers: &Chargers,
    count: usize,
) -> [Vec<Duration>; 2] {
    let path = format!("/sites/{site}/signals/cut");
    let high = limit().scaled_down(4, 5);
    let low = low();
    let mut took = [Vec::new(), Vec::new()];
    for number in 0..count {
        chargers.until("full power", |power, _| power >= high).await;
        // Not always at the same moment between two rounds of whatever goes in rounds.
        let pause = Duration::from_millis(500 + 137 * u64::try_from(number % 11).unwrap_or(0));
        let begun = Stopwatch::start();
        while begun.elapsed() < pause {
            chargers.look();
            tokio::time::sleep(LOOK).await;
        }
        let (_, before) = chargers.look();
        let put = service.call("PUT", &path, cut());
        let first = chargers.until("a first lowering", |_, profiles| profiles > before);
        let whole = chargers.until("under the cut", |power, _| power <= low);
        let ((), first, whole) = tokio::join!(put, first, whole);
        took[0].push(first);
        took[1].push(whole);
        service.call("DELETE", &path, Value::Null).await;
    }
    took
}

#[tokio::main]
async fn main() {
    let count = argument(0, 50);
    let expense = Expense::from_now();
    let service = Service::start().await;
    for site in ["own", "partner"] {
        let chargers = match site {
            "own" => own(&service).await,
            _ => partner(&service).await,
        };
        let [first, whole] = cuts(&service, site, &chargers, count).await;
        println!(
            "{site}: the first lowering is out: {}",
            load::waited(first, "cuts")
        );
        println!(
            "{site}: what flows is under it: {}",
            load::waited(whole, "cuts")
        );
        match chargers {
            Chargers::Own(fleet) => fleet.stop().await,
            Chargers::Partner(cpo) => cpo.stop().await,
        }
    }
    println!("{}", expense.so_far());
    service.stop().await;
}
