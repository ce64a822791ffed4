//! Locations and tariffs that are pushed to us.

use serde_json::{Value, json};

use super::world::{World, source};
use crate::domain::quantity::Power;

const LOC: &str = "/ocpi/2.2.1/locations/NL/CPO/LOC1";

fn connector(id: &str) -> Value {
    json!({"id": id, "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
        "max_voltage": 230, "max_amperage": 16, "last_updated": "2026-11-22T12:00:00Z"})
}

fn evse(uid: &str) -> Value {
    json!({"uid": uid, "status": "AVAILABLE", "connectors": [connector("1")],
        "last_updated": "2026-11-22T12:00:00Z"})
}

fn location() -> Value {
    json!({"country_code": "NL", "party_id": "CPO", "id": "LOC1", "publish": true,
        "address": "Street 1", "city": "Town", "country": "NLD",
        "coordinates": {"latitude": "52.1", "longitude": "4.3"}, "time_zone": "Europe/Amsterdam",
        "evses": [evse("E1")], "last_updated": "2026-11-22T12:00:00Z", "x_limit_kw": 60})
}

#[actix_web::test]
async fn a_location_is_kept_as_it_came_and_read_at_every_depth() {
    let world = World::with_partner().await;
    assert_eq!(
        world.asks("PUT", LOC, Some(&location())).await.codes(),
        (201, 1000)
    );
    assert_eq!(world.asks("GET", LOC, None).await.body["data"], location());
    let path = format!("{LOC}/e1");
    assert_eq!(
        world.asks("GET", &path, None).await.body["data"],
        evse("E1")
    );
    let path = format!("{LOC}/E1/1");
    assert_eq!(
        world.asks("GET", &path, None).await.body["data"],
        connector("1")
    );
    for unknown in ["E9", "E1/9", "E1/1/1"] {
        assert_eq!(
            world
                .asks("GET", &format!("{LOC}/{unknown}"), None)
                .await
                .http,
            404
        );
    }
}

#[actix_web::test]
async fn evses_and_connectors_are_put_and_patched_in_place() {
    let world = World::with_partner().await;
    let path = format!("{LOC}/E2");
    assert_eq!(
        world.asks("PUT", &path, Some(&evse("E2"))).await.codes(),
        (404, 2003)
    );
    world.asks("PUT", LOC, Some(&location())).await;
    assert_eq!(
        world.asks("PUT", &path, Some(&evse("E2"))).await.codes(),
        (201, 1000)
    );
    assert_eq!(
        world.asks("PUT", &path, Some(&evse("E2"))).await.codes(),
        (200, 1000)
    );
    let connector_path = format!("{LOC}/E2/2");
    assert_eq!(
        world
            .asks("PUT", &connector_path, Some(&connector("2")))
            .await
            .codes(),
        (201, 1000)
    );
    let patch = json!({"status": "CHARGING", "last_updated": "2026-11-22T15:00:00Z"});
    assert_eq!(
        world.asks("PATCH", &path, Some(&patch)).await.codes(),
        (200, 1000)
    );
    let patch = json!({"max_amperage": 32, "last_updated": "2026-11-22T15:30:00Z"});
    assert_eq!(
        world
            .asks("PATCH", &connector_path, Some(&patch))
            .await
            .codes(),
        (200, 1000)
    );
    let kept = world.asks("GET", LOC, None).await.body["data"].clone();
    assert_eq!(
        kept["last_updated"],
        json!("2026-11-22T15:30:00Z"),
        "the whole has changed too"
    );
    assert_eq!(kept["evses"][1]["status"], json!("CHARGING"));
    assert_eq!(kept["evses"][1]["connectors"][1]["max_amperage"], json!(32));
    assert_eq!(kept["evses"][0], evse("E1"));
}

#[actix_web::test]
async fn a_location_patch_needs_last_updated_and_its_name_stays() {
    let world = World::with_partner().await;
    world.asks("PUT", LOC, Some(&location())).await;
    assert_eq!(
        world
            .asks("PATCH", LOC, Some(&json!({"name": "x"})))
            .await
            .codes(),
        (200, 2001)
    );
    let patch = json!({"id": "LOC9", "name": "Depot", "last_updated": "2026-11-22T15:00:00Z"});
    assert_eq!(
        world.asks("PATCH", LOC, Some(&patch)).await.codes(),
        (200, 1000)
    );
    let kept = world.asks("GET", LOC, None).await.body["data"].clone();
    assert_eq!(
        (&kept["id"], &kept["name"]),
        (&json!("LOC1"), &json!("Depot"))
    );
    let wrong = json!({"uid": "E3", "status": "AVAILABLE"});
    let path = format!("{LOC}/E2");
    assert_eq!(
        world.asks("PUT", &path, Some(&wrong)).await.codes(),
        (200, 2001)
    );
}

#[actix_web::test]
async fn the_evses_of_locations_are_offered_with_their_rating() {
    let world = World::with_partner().await;
    world.asks("PUT", LOC, Some(&location())).await;
    let removed = json!({"status": "REMOVED", "last_updated": "2026-11-22T15:00:00Z"});
    let offered = world
        .edge
        .offered_evse(&source("E1"))
        .await
        .unwrap()
        .unwrap();
    // 230 V x 16 A x 3 = 11,040 W
    assert_eq!(offered.rating.unwrap().max, Power::from_watts(11_040));
    assert_eq!(offered.location.as_deref(), Some("Street 1"));
    world
        .asks("PATCH", &format!("{LOC}/E1"), Some(&removed))
        .await;
    assert_eq!(world.edge.offered_evse(&source("E1")).await.unwrap(), None);
}

#[actix_web::test]
async fn tariffs_come_and_go() {
    let world = World::with_partner().await;
    let path = "/ocpi/2.2.1/tariffs/NL/CPO/T1";
    let tariff = json!({"country_code": "NL", "party_id": "CPO", "id": "T1", "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.3, "step_size": 1}]}],
        "last_updated": "2026-11-22T12:00:00Z"});
    assert_eq!(world.asks("GET", path, None).await.http, 404);
    assert_eq!(
        world.asks("PUT", path, Some(&tariff)).await.codes(),
        (201, 1000)
    );
    assert_eq!(world.asks("GET", path, None).await.body["data"], tariff);
    assert_eq!(world.asks("DELETE", path, None).await.codes(), (200, 1000));
    assert_eq!(world.asks("DELETE", path, None).await.http, 404);
    assert_eq!(world.asks("PATCH", path, Some(&tariff)).await.http, 405);
}
