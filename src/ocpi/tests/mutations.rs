//! Whatever a partner sends: no panic, always an envelope, nothing half taken.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::world::{S1, TOKEN_B, World, partner_id, session, shown};

/// Requests per target; `EVENLOAD_MUTATIONS` asks for more.
const CASES: u32 = 300;

fn cases() -> u32 {
    let mut all = std::env::vars_os();
    all.find(|(name, _)| name == "EVENLOAD_MUTATIONS")
        .and_then(|(_, value)| value.to_string_lossy().parse().ok())
        .unwrap_or(CASES)
}

/// One sound request for every object that comes in.
fn targets() -> Vec<(&'static str, &'static str, Value)> {
    let location = json!({"country_code": "NL", "party_id": "CPO", "id": "LOC1", "publish": true,
        "address": "Street 1", "city": "Town", "country": "NLD", "time_zone": "Europe/Amsterdam",
        "coordinates": {"latitude": "52.0", "longitude": "5.0"}, "evses": [{"uid": "E1",
        "status": "AVAILABLE", "connectors": [{"id": "1", "standard": "IEC_62196_T2",
        "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16,
        "last_updated": "2026-11-22T12:00:00Z"}], "last_updated": "2026-11-22T12:00:00Z"}],
        "last_updated": "2026-11-22T12:00:00Z"});
    let profile = json!({"start_date_time": "2026-11-22T16:00:00Z", "charging_profile": {
        "start_date_time": "2026-11-22T16:00:00Z", "charging_rate_unit": "A",
        "charging_profile_period": [{"start_period": 0, "limit": 16.0}]}});
    let credentials = json!({"token": "0123456789abcdef", "url": "http://127.0.0.1:9/versions",
        "roles": [{"role": "CPO", "party_id": "CPO", "country_code": "NL",
        "business_details": {"name": "A CPO"}}]});
    let periods = json!({"charging_periods": [{"start_date_time": "2026-11-22T15:50:00Z",
        "dimensions": [{"type": "POWER", "volume": 7.4}]}],
        "last_updated": "2026-11-22T15:59:30Z"});
    vec![
        ("PUT", S1, session(&json!({}))),
        ("PATCH", S1, periods),
        ("PUT", "/ocpi/2.3.0/locations/NL/CPO/LOC1", location.clone()),
        (
            "PUT",
            "/ocpi/2.3.0/locations/NL/CPO/LOC1/E1",
            location["evses"][0].clone(),
        ),
        (
            "PATCH",
            "/ocpi/2.3.0/locations/NL/CPO/LOC1/E1/1",
            json!({"max_amperage": 32, "last_updated": "2026-11-22T15:00:00Z"}),
        ),
        (
            "PUT",
            "/ocpi/2.2.1/tariffs/NL/CPO/T1",
            json!({"country_code": "NL", "party_id": "CPO",
            "id": "T1", "currency": "EUR", "elements": [{"price_components": [
            {"type": "ENERGY", "price": 0.3, "step_size": 1}]}],
            "last_updated": "2026-11-22T12:00:00Z"}),
        ),
        (
            "PUT",
            "/ocpi/2.2.1/sessions/S1/charging_preferences",
            json!({"profile_type": "CHEAP",
            "departure_time": "2026-11-23T06:00:00Z", "energy_need": 20}),
        ),
        ("PUT", "/ocpi/2.2.1/chargingprofiles/S1", profile),
        (
            "PUT",
            "/ocpi/2.3.0/sitelimits/NL/CPO/LOC1",
            json!({"circuits": [{"import_limit_kw": 150}]}),
        ),
        (
            "PUT",
            "/ocpi/2.3.0/hubclientinfo/NL/ABC",
            json!({"country_code": "NL",
            "party_id": "ABC", "role": "CPO", "status": "CONNECTED",
            "last_updated": "2026-11-22T12:00:00Z"}),
        ),
        ("PUT", "/ocpi/2.2.1/credentials", credentials),
    ]
}

/// A body with some bytes changed, dropped or doubled.
fn mutated(body: &str, edits: &[(u16, u8, u8)]) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for (place, how, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let place = usize::from(*place) % bytes.len();
        match how % 5 {
            0 => bytes[place] = *byte,
            1 => drop(bytes.remove(place)),
            2 => bytes.insert(place, *byte),
            3 => bytes.truncate(place),
            _ => {
                let tail = bytes[place..].to_vec();
                bytes.extend(tail);
            }
        }
    }
    bytes
}

fn runner(seed: u8) -> TestRunner {
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    TestRunner::new_with_rng(config, rng)
}

#[actix_web::test]
async fn no_mutated_body_makes_anything_but_an_envelope_and_the_session_stays_readable() {
    let world = World::with_partner().await;
    world
        .edge
        .agree_on_site_limits(&partner_id(), true)
        .await
        .unwrap();
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    let edits = prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>()), 1..6);
    for (seed, (method, path, body)) in (1u8..).zip(targets()) {
        let body = body.to_string();
        let mut runner = runner(seed);
        for _ in 0..cases() {
            let edits = edits.new_tree(&mut runner).unwrap().current();
            let token = shown(TOKEN_B);
            let sent = mutated(&body, &edits);
            let headers = [("Authorization", token.as_str())];
            let answer = world.asks_with(method, path, sent.clone(), &headers).await;
            let shown = String::from_utf8_lossy(&sent).into_owned();
            assert!(
                answer.body["status_code"].is_u64(),
                "{method} {path} {shown}"
            );
            assert!(answer.http < 500, "{method} {path} {shown}: {answer:?}");
        }
        assert_eq!(
            world.asks("GET", S1, None).await.body["data"]["id"],
            "S1",
            "{path}"
        );
    }
}

#[actix_web::test]
async fn no_header_makes_anything_but_an_envelope() {
    let world = World::with_partner().await;
    let names = [
        "authorization",
        "x-request-id",
        "x-correlation-id",
        "ocpi-to-party-id",
        "ocpi-to-country-code",
        "ocpi-from-party-id",
        "ocpi-from-country-code",
        "content-type",
    ];
    let values = prop::collection::vec(0x20u8..0x7f, 0..80);
    for (seed, name) in (100u8..).zip(names) {
        let mut runner = runner(seed);
        for _ in 0..cases() {
            let value = values.new_tree(&mut runner).unwrap().current();
            let value = String::from_utf8(value).unwrap();
            let token = shown(TOKEN_B);
            let mut headers = vec![(name, value.as_str())];
            if name != "authorization" {
                headers.push(("authorization", token.as_str()));
            }
            let body = session(&json!({})).to_string().into_bytes();
            let answer = world.asks_with("PUT", S1, body, &headers).await;
            assert!(answer.body["status_code"].is_u64(), "{name}: {value:?}");
            let expected: &[u16] = if name == "authorization" {
                &[401, 429]
            } else {
                &[200, 201]
            };
            assert!(
                expected.contains(&answer.http),
                "{name}: {value:?} {answer:?}"
            );
        }
    }
}
