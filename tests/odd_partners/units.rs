//! A platform that takes limits in another unit than ours.

use evenload::sim::cpo::{CpoOptions, Quirk, Quirks};
use serde_json::json;

use crate::world::{World, depot, minute};

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_takes_watts_only_is_steered_in_watts_once_that_is_said() {
    let mut world = World::start().await;
    let options = CpoOptions {
        quirks: Quirks::from([Quirk::WattsOnly]),
        ..CpoOptions::default()
    };
    let cars = [(0, 5, 200), (1, 5, 200), (2, 5, 200)];
    world.add("acme", options, depot(3, &cars)).await;
    world.play_until(minute(20)).await;
    let confirmed = |world: &World| {
        let state = world.snapshot("acme");
        let evses = state.evses.values();
        evses
            .filter(|evse| evse.profiles.confirmed.is_some())
            .count()
    };
    assert_eq!(confirmed(&world), 0, "amperes are refused");

    let units = json!({"profile_units": [{"unit": "A", "location_id": "DEPOT", "evse_uid": "E2"},
        {"unit": "W"}]});
    world.call("PATCH", "/partners/acme", units).await;
    world.play_until(minute(60)).await;
    assert_eq!(confirmed(&world), 2, "E2 is still steered in amperes");
    let state = world.snapshot("acme");
    assert_eq!(state.excursions.self_caused, 0);

    let wrong = json!({"profile_units": [{"unit": "kW"}, {"unit": "W", "evse_uid": "E1"}]});
    let refused = world.ask("PATCH", "/partners/acme", &wrong).await;
    assert_eq!(refused.0, 400, "{}", refused.1);
    world.stop().await;
}
