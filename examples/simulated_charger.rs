//! A charger to try evenload's own CSMS with: OCPP over a real WebSocket, in real time, with a car that
//! comes a few seconds after it is let in. `docs/depot.md` uses it.
//!
//! ```sh
//! cargo run --release --example simulated_charger -- ws://127.0.0.1:8080/ocpp CP-1
//! ```
//!
//! It is unknown at first: approve it in the dashboard (*Chargers*) or by `PUT /api/v1/stations/CP-1`,
//! then paste the password it was given.

use std::io::BufRead as _;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use evenload::domain::evse::Phase;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::ocpp::version::Version;
use evenload::sim::station::{Fleet, FleetOptions, Oddities, StationSpec};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};

/// The driver's card: file a departure under it.
const CARD: &str = "VAN-7";

fn depot(now: Time) -> Depot {
    let volts = Voltage::from_volts(230.0);
    let evse = SimEvse::new("bay", Current::from_amps(16.0), volts, Phase::ALL.to_vec());
    let prices = PriceSeries::new([(now, Price::from_per_kwh(0.25))]);
    let grid = Grid::with_limit(Power::from_kilowatts(30.0), prices);
    let mut depot = Depot::new(now, grid, vec![evse]);
    depot.expect(
        "bay",
        Car {
            id: CARD.into(),
            arrival: now + TimeDelta::seconds(5),
            departure: now + TimeDelta::hours(9),
            need: Energy::from_kilowatt_hours(30.0),
            max: Power::from_kilowatts(11.04),
            phases: 3,
            taper: Taper::Linear,
        },
    );
    depot
}

#[expect(
    clippy::disallowed_methods,
    reason = "a charger of its own, beside evenload, on the machine's clock"
)]
fn now() -> Time {
    Utc::now()
}

fn switch_on(url: &str, id: &str, password: String) -> Fleet {
    let options = FleetOptions {
        url: url.into(),
        password,
        meter_interval: TimeDelta::seconds(10),
    };
    let station = StationSpec {
        id: id.into(),
        evse: "bay".into(),
        version: Version::V16,
        odd: Oddities::default(),
    };
    Fleet::start(&options, vec![station], depot(now()))
}

#[expect(clippy::print_stdout, reason = "an example talks to who tries it out")]
#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next();
    let url = url.unwrap_or_else(|| "ws://127.0.0.1:8080/ocpp".into());
    let id = arguments.next().unwrap_or_else(|| "CP-1".into());
    println!("{id} dials {url} with a password that nobody knows; its driver's card is {CARD}");
    println!("approve it, then paste its password here:");
    let stranger = switch_on(&url, &id, "not-known-to-anybody".into());
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map(|_| line.trim().to_owned())
    });
    let password = tokio::select! {
        typed = typed => match typed {
            Ok(Ok(password)) if !password.is_empty() => password,
            _ => return,
        },
        _ = tokio::signal::ctrl_c() => return,
    };
    stranger.stop().await;
    let fleet = switch_on(&url, &id, password);
    loop {
        fleet.advance_to(now());
        for line in fleet.take_lines().into_iter().chain(fleet.complaints()) {
            println!("{line}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    fleet.stop().await;
}
