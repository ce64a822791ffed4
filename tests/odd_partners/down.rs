//! One partner is away for an hour; the others must not notice.

use std::time::Duration;

use chrono::TimeDelta;
use evenload::sim::cpo::{Cpo, CpoOptions};

use crate::world::{World, depot, minute};

/// EVSEs of each site.
const EVSES: usize = 6;

/// The longest of all but one in a hundred.
fn p99<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort();
    all[(all.len() * 99).div_ceil(100) - 1]
}

/// A car every two minutes for 90 minutes, each for eleven.
fn comings() -> Vec<(usize, i64, i64)> {
    let coming = |number: usize| {
        let arrival = 5 + 2 * i64::try_from(number).expect("few");
        (number % EVSES, arrival, arrival + 11)
    };
    (0..45).map(coming).collect()
}

/// What sessions of the others wait for their first profiles, all but one in a hundred, in virtual and in
/// real time: two steady partners and one that is away from the 10th to the 70th minute, or not.
async fn played(is_away: bool) -> (TimeDelta, Duration) {
    let mut world = World::start_with_deadline(10).await;
    for name in ["steady-1", "steady-2", "absent"] {
        let depot = depot(EVSES, &comings());
        world.add(name, CpoOptions::default(), depot).await;
    }
    world.play_until(minute(10)).await;
    if is_away {
        world.platforms[2].1.stop().await;
    }
    world.play_until(minute(70)).await;
    if is_away {
        world.platforms[2].1.open().expect("its port is free");
        // What came while it was away is known half a minute after it is heard again, with the next car.
        world.play_until(minute(72) + TimeDelta::seconds(30)).await;
        let absent = &world.platforms[2].1;
        let plugged = absent.with_depot(|depot| {
            let evses = depot.evses().iter();
            evses.filter(|evse| evse.plugged().is_some()).count()
        });
        let state = world.snapshot("absent");
        assert_eq!(world.running("absent"), plugged, "{:?}", state.evses);
    }
    world.play_until(minute(110)).await;
    let steady = || world.platforms[..2].iter().map(|(_, cpo)| cpo);
    let told: Vec<_> = steady().flat_map(Cpo::first_profile_waits).collect();
    let real: Vec<_> = steady().flat_map(Cpo::first_profile_delays).collect();
    assert_eq!(told.len(), 2 * comings().len(), "every car got its profile");
    let absent = &world.platforms[2].1;
    assert!(absent.counts().profiles_set > 0);
    for name in ["steady-1", "steady-2", "absent"] {
        assert_eq!(world.snapshot(name).excursions.self_caused, 0, "{name}");
    }
    world.stop().await;
    (p99(told), p99(real))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_away_for_an_hour_changes_nothing_for_the_others() {
    let (usual, usual_real) = played(false).await;
    let (beside, beside_real) = played(true).await;
    println!("p99 of the others: {usual} and {beside}, really {usual_real:?} and {beside_real:?}");
    assert_eq!(usual, beside);
    // Real time says less, since other tests run beside: but nobody waited for a connection.
    let bound = Duration::from_secs(2).max(usual_real * 3);
    assert!(beside_real < bound, "{usual_real:?} and {beside_real:?}");
}
