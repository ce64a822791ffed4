//! Many partners on one process: from the push of a session to its profile's PUT, with the
//! processor time and memory of the whole process (platforms included).
//!
//! ```text
//! cargo run --release --example ocpi_load [-- PARTNERS SESSIONS SECONDS DOWN]
//! ```
//!
//! `PARTNERS` (50) CPO platforms speak OCPI over loopback, each with a site of its own and `SESSIONS`
//! (100) EVSEs under a limit of a third of what they could draw. Cars arrive spread over `SECONDS`
//! (60) and stay. The service is whole, with its store on disk and the machine's clock. The ports of
//! the last `DOWN` (0) platforms are closed for a minute from a third of the arrivals on: what the
//! others wait must not change.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

mod load;

use std::time::Duration;

use chrono::TimeDelta;
use evenload::domain::ports::Clock as _;
use evenload::service::clock::SystemClock;
use evenload::sim::cpo::{Cpo, CpoOptions};
use load::{Expense, Service};

/// How often the platforms look what is due.
const STEP: Duration = Duration::from_millis(10);
/// How long after the last arrival the profiles may take.
const SETTLE: TimeDelta = TimeDelta::seconds(120);
/// Before the first car.
const LEAD: TimeDelta = TimeDelta::seconds(5);
/// How long a platform that is down is down.
const OUTAGE: TimeDelta = TimeDelta::seconds(60);
/// How long one that came back has to catch up.
const RETURN: TimeDelta = TimeDelta::seconds(60);

#[tokio::main]
async fn main() {
    let (partners, sessions) = (load::argument(0, 50), load::argument(1, 100));
    let (seconds, down) = (load::argument(2, 60), load::argument(3, 0).min(partners));

    // Set up before the first car: registration, site, live.
    let service = Service::start().await;
    let limit = load::third_of(sessions);
    let mut platforms = Vec::new();
    for index in 0..partners {
        let options = CpoOptions {
            party_id: format!("P{index:02}"),
            ..CpoOptions::default()
        };
        let depot = load::depot(SystemClock.now(), sessions, limit);
        let cpo = Cpo::start(options, depot).expect("the platform opens its port");
        let name = format!("partner-{index}");
        service.register(&name, &cpo).await;
        service.steer(&name, sessions, limit).await;
        platforms.push(cpo);
    }
    let begun = SystemClock.now() + LEAD;
    let span = TimeDelta::seconds(i64::try_from(seconds).expect("few"));
    let last = begun + span;
    let total = i32::try_from(partners * sessions).expect("few sessions");
    let mut arrivals = 0..total;
    for evse in 0..sessions {
        for (cpo, arrival) in platforms.iter().zip(&mut arrivals) {
            let at = begun + span * arrival / total;
            let car = load::car(format!("car-{arrival}"), at, last + TimeDelta::hours(8));
            let evse = load::evse_id(evse);
            assert!(cpo.expect_car(&evse, car), "there is no {evse}");
        }
    }
    println!("{partners} partners x {sessions} sessions, arriving over {seconds} s ...");
    let expense = Expense::from_now();
    let (up, absent) = platforms.split_at(partners - down);
    let waiting = || {
        let missing = |cpo: &Cpo| {
            let announced = usize::try_from(cpo.counts().session_puts).unwrap_or(0);
            sessions.saturating_sub(announced) + cpo.without_profile()
        };
        up.iter().map(missing).sum::<usize>()
    };
    let from = begun + span / 3;
    let until = from + OUTAGE;
    let least = if down > 0 {
        last.max(until + RETURN)
    } else {
        last
    };
    loop {
        let now = SystemClock.now();
        keep_down(absent, from <= now && now < until).await;
        load::step(&platforms);
        tokio::time::sleep(STEP).await;
        let is_done = now >= least && waiting() == 0;
        if is_done || now >= least + SETTLE {
            break;
        }
    }

    let delays = |platforms: &[Cpo]| {
        let delays = platforms.iter().flat_map(Cpo::first_profile_delays);
        load::waited(delays.collect(), "sessions")
    };
    println!("push -> profile PUT: {} of {total}", delays(up));
    if down > 0 {
        println!("those of the {down} that were down: {}", delays(absent));
    }
    let sum = |of: fn(&Cpo) -> u64| platforms.iter().map(of).sum::<u64>();
    println!(
        "{} profiles, {} results, {} messages failed, {} complaints of the platforms",
        sum(|cpo| cpo.counts().profiles_set),
        sum(|cpo| cpo.counts().callbacks),
        sum(|cpo| cpo.counts().failures),
        platforms
            .iter()
            .map(|cpo| cpo.complaints().len())
            .sum::<usize>(),
    );
    println!("{}", expense.so_far());
    for cpo in &platforms {
        cpo.stop().await;
    }
    service.stop().await;
}

/// Closes the ports of platforms, or opens them again.
async fn keep_down(platforms: &[Cpo], is_down: bool) {
    for cpo in platforms {
        if is_down {
            cpo.stop().await;
        } else {
            cpo.open().expect("its port is free");
        }
    }
}
