//! Limits of sites that come over OCPI: a field of a Location, and our own module.

use serde_json::json;

use super::world::{World, partner_id};
use crate::domain::limit_source::LimitSource;

const PATH: &str = "/ocpi/2.3.0/sitelimits/NL/CPO/LOC1";

#[actix_web::test]
async fn the_module_is_offered_and_served_only_to_who_agreed() {
    let world = World::with_partner().await;
    let body = json!({"circuits": [{"import_limit_kw": 150}]});
    let offered = |answer: &serde_json::Value| answer.to_string().contains("sitelimits");
    let details = world.asks("GET", "/ocpi/2.3.0", None).await;
    assert!(!offered(&details.body));
    assert_eq!(world.asks("PUT", PATH, Some(&body)).await.http, 404);
    let edge = &world.edge;
    edge.agree_on_site_limits(&partner_id(), true)
        .await
        .unwrap();
    let details = world.asks("GET", "/ocpi/2.3.0", None).await;
    assert!(offered(&details.body));
    assert_eq!(
        world.asks("PUT", PATH, Some(&body)).await.codes(),
        (201, 1000)
    );
    assert_eq!(world.asks("GET", PATH, None).await.body["data"], body);
    let foreign = PATH.replace("CPO", "XYZ");
    assert_eq!(world.asks("PUT", &foreign, Some(&body)).await.http, 404);
    assert_eq!(world.asks("DELETE", PATH, None).await.codes(), (200, 1000));
    assert_eq!(world.asks("GET", PATH, None).await.http, 404);
}

#[actix_web::test]
async fn a_wrong_limit_is_refused_whole_and_the_one_before_stays() {
    let world = World::with_partner().await;
    let edge = &world.edge;
    edge.agree_on_site_limits(&partner_id(), true)
        .await
        .unwrap();
    let sound = json!({"circuits": [{"import_limit_kw": 150}, {"id": "F1", "import_limit_kw": [
        {"start": "2026-11-22T16:00:00Z", "end": "2026-11-22T17:00:00Z", "limit_kw": 60}]}]});
    world.asks("PUT", PATH, Some(&sound)).await;
    for wrong in [
        json!({}),
        json!({"circuits": []}),
        json!({"circuits": [{"import_limit_kw": 10}, {"id": "F1", "import_limit_kw": -5}]}),
        json!({"circuits": [{"import_limit_kw": "150"}]}),
        json!({"circuits": [{"import_limit_kw": 150}], "last_updated": "soon"}),
    ] {
        let answer = world.asks("PUT", PATH, Some(&wrong)).await;
        assert_eq!(answer.codes(), (200, 2001), "{wrong}");
    }
    let source = LimitSource::read(&json!({"ocpi_custom_module": {"partner": "cpo",
        "location_id": "loc1", "circuit": "F1"}}))
    .unwrap();
    let (document, read_at) = edge.limit_document(&source).await.unwrap().unwrap();
    assert_eq!(document, sound);
    assert_eq!(read_at, world.now());
}

#[actix_web::test]
async fn a_field_that_a_partner_adds_to_its_location_is_found_by_its_pointer() {
    let world = World::with_partner().await;
    let location = json!({"country_code": "NL", "party_id": "CPO", "id": "LOC1", "publish": true,
        "address": "Street 1", "city": "Town", "country": "NLD", "time_zone": "Europe/Amsterdam",
        "coordinates": {"latitude": "52.0", "longitude": "5.0"}, "acme_grid": {"limit_w": 90000},
        "last_updated": "2026-11-22T12:00:00Z"});
    let path = "/ocpi/2.2.1/locations/NL/CPO/LOC1";
    assert_eq!(
        world.asks("PUT", path, Some(&location)).await.codes(),
        (201, 1000)
    );
    let source = LimitSource::read(&json!({"ocpi_json_pointer": {"partner": "cpo",
        "location_id": "LOC1", "pointer": "/acme_grid/limit_w", "unit": "W"}}))
    .unwrap();
    let (document, read_at) = world.edge.limit_document(&source).await.unwrap().unwrap();
    let circuit = "site".parse().unwrap();
    let found = source.find(&document).unwrap();
    let signal = found.signal(&circuit, "test", read_at, 600).unwrap();
    assert_eq!(signal.slots[0].value, 90_000);
    let elsewhere = LimitSource::read(&json!({"ocpi_json_pointer": {"partner": "cpo",
        "location_id": "LOC2", "pointer": "/x"}}))
    .unwrap();
    assert!(
        world
            .edge
            .limit_document(&elsewhere)
            .await
            .unwrap()
            .is_none()
    );
}
