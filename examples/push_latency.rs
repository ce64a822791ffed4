//! How long a partner waits from the push of a new session to the first `ChargingProfile` for it,
//! while many sessions run on the same site.
//!
//! ```text
//! cargo run --release --example push_latency [-- RUNNING ARRIVALS]
//! ```
//!
//! The whole service with its store on disk, a CPO platform that speaks OCPI over loopback, and the
//! machine's clock: nothing is simulated but cars and chargers. `RUNNING` sessions (100) charge
//! under a limit that is a third of what they could draw; then a car arrives every half second,
//! `ARRIVALS` times (200), at one of ten EVSEs, and leaves after four seconds. Timed is from before
//! the first byte of the session's PUT until the PUT of its first profile has been read.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

mod load;

use std::time::Duration;

use chrono::TimeDelta;
use evenload::domain::ports::Clock as _;
use evenload::service::clock::SystemClock;
use evenload::sim::cpo::{Cpo, CpoOptions};
use load::{Expense, Service};

/// The partner's name, and the site's.
const PLATFORM: &str = "platform";
/// EVSEs at which cars come and go.
const BUSY_EVSES: usize = 10;
/// Between two arrivals.
const ARRIVAL_EVERY: TimeDelta = TimeDelta::milliseconds(500);
/// How long an arriving car stays: less than the time until its EVSE's next car.
const STAY: TimeDelta = TimeDelta::milliseconds(4_000);
/// How often the platform looks what is due.
const STEP: Duration = Duration::from_millis(5);
/// How long the running sessions may take to get their first profiles.
const SETTLE: TimeDelta = TimeDelta::seconds(60);

#[tokio::main]
async fn main() {
    let (running, arrivals) = (load::argument(0, 100), load::argument(1, 200));
    let evses = running + BUSY_EVSES;
    // A third of what the running cars could draw, and room for the arrivals at full power.
    let limit = load::third_of(running + 3 * BUSY_EVSES);

    let service = Service::start().await;
    let now = SystemClock.now();
    let depot = load::depot(now, evses, limit);
    let cpo = Cpo::start(CpoOptions::default(), depot).expect("the platform opens its port");
    service.register(PLATFORM, &cpo).await;
    service.steer(PLATFORM, evses, limit).await;
    for number in 0..running {
        let at = SystemClock.now() + TimeDelta::seconds(1);
        let car = load::car(format!("running-{number}"), at, at + TimeDelta::hours(8));
        assert!(cpo.expect_car(&load::evse_id(number), car));
    }
    let cpo = [cpo];

    println!("{running} sessions begin at once ...");
    let expense = Expense::from_now();
    let begun = SystemClock.now();
    while cpo[0].counts().session_puts < running as u64 || cpo[0].without_profile() > 0 {
        let complaints = cpo[0].complaints();
        assert!(SystemClock.now() - begun < SETTLE, "{complaints:?}");
        step(&cpo).await;
    }
    let first = cpo[0].first_profile_delays();
    let before = first.len();
    println!(
        "first profile, all at once: {}",
        load::waited(first, "sessions")
    );

    println!("{arrivals} cars arrive, one every {ARRIVAL_EVERY}, while {running} charge ...");
    let begun = SystemClock.now() + TimeDelta::seconds(1);
    for (number, at) in (0..arrivals).zip((0..).map(|n| begun + ARRIVAL_EVERY * n)) {
        while SystemClock.now() < at {
            step(&cpo).await;
        }
        let evse = load::evse_id(running + number % BUSY_EVSES);
        let car = load::car(format!("arrival-{number}"), at, at + STAY);
        assert!(cpo[0].expect_car(&evse, car), "there is no {evse}");
    }
    let end = SystemClock.now() + STAY + TimeDelta::seconds(2);
    while SystemClock.now() < end {
        step(&cpo).await;
    }
    let delays = cpo[0].first_profile_delays().split_off(before);
    println!(
        "{} of {arrivals} got a profile; {} profiles set in all, {} messages failed",
        delays.len(),
        cpo[0].counts().profiles_set,
        cpo[0].counts().failures
    );
    println!(
        "first profile of an arrival: {}",
        load::waited(delays, "sessions")
    );
    println!("{}", expense.so_far());

    cpo[0].stop().await;
    service.stop().await;
}

/// The platform does what is due by now.
async fn step(cpo: &[Cpo]) {
    load::step(cpo);
    tokio::time::sleep(STEP).await;
}
