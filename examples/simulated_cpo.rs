//! A CPO platform to try evenload with: four EVSEs with a car each, real OCPI on loopback, in real
//! time. `docs/partners.md` uses it.
//!
//! ```sh
//! cargo run --release --example simulated_cpo                       # waits to be registered with
//! cargo run --release --example simulated_cpo -- VERSIONS_URL < T   # registers itself; token in T
//! ```

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use evenload::domain::evse::Phase;
use evenload::domain::quantity::{Current, Energy, Power, Price, Voltage};
use evenload::domain::time::Time;
use evenload::sim::cpo::{Cpo, CpoOptions};
use evenload::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};

const EVSES: usize = 4;

fn depot(now: Time) -> Depot {
    let volts = Voltage::from_volts(230.0);
    let evse = |n| {
        let wiring = Phase::ALL.to_vec();
        SimEvse::new(format!("E{n}"), Current::from_amps(16.0), volts, wiring)
    };
    let prices = PriceSeries::new([(now, Price::from_per_kwh(0.25))]);
    let grid = Grid::with_limit(Power::from_kilowatts(30.0), prices);
    let mut depot = Depot::new(now, grid, (1..=EVSES).map(evse).collect());
    let mut seconds = 0;
    for n in 1..=EVSES {
        // They come a few seconds apart and stay for a working day.
        seconds += 5;
        depot.expect(
            &format!("E{n}"),
            Car {
                id: format!("car-{n}-{}", now.timestamp()),
                arrival: now + TimeDelta::seconds(seconds),
                departure: now + TimeDelta::hours(9),
                need: Energy::from_kilowatt_hours(30.0),
                max: Power::from_kilowatts(11.04),
                phases: 3,
                taper: Taper::Linear,
            },
        );
    }
    depot
}

#[expect(
    clippy::disallowed_methods,
    reason = "a platform of its own, beside evenload, on the machine's clock"
)]
fn now() -> Time {
    Utc::now()
}

#[expect(clippy::print_stdout, reason = "an example talks to who tries it out")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = CpoOptions {
        meter_interval: TimeDelta::seconds(10),
        ..CpoOptions::default()
    };
    let cpo = Cpo::start(options, depot(now()))?;
    println!("versions URL  {}", cpo.versions_url());
    println!("token A       {}", cpo.token_a());
    println!(
        "to register   printf %s {} | evenload partner add --name acme --versions-url {} --token-a -",
        cpo.token_a(),
        cpo.versions_url()
    );
    if let Some(versions_url) = std::env::args().nth(1) {
        let mut token = String::new();
        std::io::stdin().read_line(&mut token)?;
        for row in cpo.register_at(&versions_url, token.trim()).await? {
            println!("{}  {}", row.step, row.detail);
        }
    }
    loop {
        cpo.send(cpo.advance_to(now()));
        for line in cpo.take_lines() {
            println!("{line}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    cpo.stop().await;
    Ok(())
}
