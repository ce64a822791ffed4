//! What goes over the wire, call by call, and what is shown of it afterwards.

use ocpi_client::client::{Client, below};
use ocpi_client::error::{Culprit, Error};
use ocpi_client::headers::{Party, Routing};
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::read::id;
use ocpi_client::token::{Token, TokenEncoding};
use ocpi_client::types::{
    ChargingPreferences, ChargingPreferencesResponse, ChargingProfile, ChargingProfilePeriod,
    ChargingProfileResult, ChargingProfileResultType, ChargingRateUnit, ConnectionStatus,
    ProfileType, SetChargingProfile, Tenths,
};
use serde_json::{Value, json};

use crate::server::{Server, TOKEN, client, http, success};

fn profile(response_url: &str) -> SetChargingProfile {
    SetChargingProfile {
        charging_profile: ChargingProfile {
            start_date_time: "2026-03-01T08:00:00Z".parse().ok(),
            duration: None,
            charging_rate_unit: ChargingRateUnit::Amperes,
            min_charging_rate: None,
            charging_profile_period: vec![ChargingProfilePeriod {
                start_period: 0,
                limit: Tenths::from_tenths(138),
            }],
        },
        response_url: response_url.to_owned(),
    }
}

async fn platform() -> Server {
    Server::start(|_| success(&json!({"result": "ACCEPTED", "timeout": 30}))).await
}

fn routed() -> Client {
    client().with_routing(Routing::between(
        Party::new("DE", "SCS"),
        Party::new("NL", "CPO"),
    ))
}

#[tokio::test]
async fn a_profile_is_put_below_the_endpoint_with_all_headers() {
    let server = platform().await;
    let endpoint = server.at("/ocpi/cp/");
    let reply = routed()
        .put_charging_profile(&endpoint, "S/1 ü", &profile("https://us/r"))
        .await;
    assert_eq!(reply.result.unwrap().timeout, 30);
    let request = server.only_request();
    assert_eq!(
        (&*request.method, &*request.target),
        ("PUT", "/ocpi/cp/S%2F1%20%C3%BC")
    );
    // `token-of-the-test` in Base64.
    assert_eq!(
        request.header("authorization"),
        Some("Token dG9rZW4tb2YtdGhlLXRlc3Q=")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("ocpi-to-country-code"), Some("NL"));
    assert_eq!(request.header("ocpi-from-party-id"), Some("SCS"));
    assert_eq!(request.header("x-request-id").map(str::len), Some(36));
    assert_ne!(
        request.header("x-request-id"),
        request.header("x-correlation-id")
    );
    assert_eq!(
        request.json(),
        json!({
            "charging_profile": {
                "start_date_time": "2026-03-01T08:00:00Z", "charging_rate_unit": "A",
                "charging_profile_period": [{"start_period": 0, "limit": 13.8}]
            },
            "response_url": "https://us/r"
        })
    );
}

#[tokio::test]
async fn the_response_url_is_percent_encoded_in_queries() {
    let server = platform().await;
    let url = "https://us.example/r/1?a=1&b=2";
    let endpoint = server.at("/cp");
    routed()
        .get_active_charging_profile(&endpoint, "S1", 900, url)
        .await
        .into_result()
        .unwrap();
    routed()
        .clear_charging_profile(&endpoint, "S1", url)
        .await
        .into_result()
        .unwrap();
    let encoded = "response_url=https%3A%2F%2Fus.example%2Fr%2F1%3Fa%3D1%26b%3D2";
    let requests = server.requests();
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].target, format!("/cp/S1?duration=900&{encoded}"));
    assert_eq!(requests[1].method, "DELETE");
    assert_eq!(requests[1].target, format!("/cp/S1?{encoded}"));
}

#[tokio::test]
async fn an_address_that_would_mean_something_else_is_not_called() {
    let server = platform().await;
    for session_id in ["", ".", "..", "..\n", "\t..", "S\r1"] {
        let reply = client()
            .put_charging_profile(&server.url, session_id, &profile("x"))
            .await;
        let error = reply.into_result().unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{session_id:?}");
        assert_eq!(error.culprit(), Culprit::Us);
    }
    let long = format!("https://us.example/{}", "x".repeat(240));
    let reply = client()
        .put_charging_profile(&server.url, "S1", &profile(&long))
        .await;
    assert!(matches!(reply.result, Err(Error::Address { .. })));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn configuration_modules_are_called_without_routing_headers() {
    let server = Server::start(|_| success(&json!([]))).await;
    routed()
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap();
    let request = server.only_request();
    assert!(
        request
            .headers
            .iter()
            .all(|(name, _)| !name.to_lowercase().starts_with("ocpi-"))
    );
}

#[tokio::test]
async fn hub_clients_are_crawled_without_routing_headers() {
    let client_info = json!([{
        "party_id": "CPO", "country_code": "NL", "role": "CPO", "status": "CONNECTED",
        "last_updated": "2026-03-01T08:00:00Z"
    }]);
    let server = Server::start(move |_| success(&client_info)).await;
    let (client, query) = (routed(), PageQuery::default());
    let mut crawl = client.hub_clients(&server.url, &query, PageLimits::default());
    let page = crawl.next_page().await.unwrap();
    assert!(page.deviations.has(id::REQUEST_ID_ECHO));
    assert_eq!(
        page.result.unwrap().items[0].status,
        ConnectionStatus::Connected
    );
    assert_eq!(server.only_request().header("ocpi-to-party-id"), None);
}

#[tokio::test]
async fn a_raw_token_is_sent_raw() {
    let server = Server::start(|_| success(&json!([]))).await;
    let token = Token::new(TOKEN).unwrap();
    let client = Client::new(http(), token, TokenEncoding::Raw);
    client
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap();
    assert_eq!(
        server.only_request().header("authorization"),
        Some("Token token-of-the-test")
    );
}

#[tokio::test]
async fn preferences_are_put_below_the_session_and_answered_with_a_text() {
    let server = Server::start(|_| success(&json!("DEPARTURE_REQUIRED"))).await;
    let preferences = ChargingPreferences {
        profile_type: ProfileType::Green,
        departure_time: None,
        energy_need: Some(20.0),
        discharge_allowed: None,
    };
    let endpoint = server.at("/sessions");
    let reply = client()
        .put_charging_preferences(&endpoint, "S1", &preferences)
        .await;
    assert_eq!(
        reply.result.unwrap(),
        ChargingPreferencesResponse::DepartureRequired
    );
    let request = server.only_request();
    assert_eq!(request.target, "/sessions/S1/charging_preferences");
    assert_eq!(
        request.json(),
        json!({"profile_type": "GREEN", "energy_need": 20.0})
    );
}

#[tokio::test]
async fn an_object_is_pushed_to_its_owners_path() {
    let server = Server::start(|_| success(&Value::Null)).await;
    let (owner, changes) = (Party::new("NL", "CPO"), json!({"status": "CHARGING"}));
    let endpoint = server.at("/locations");
    let reply = client()
        .patch_object(&endpoint, &owner, &["L1", "E1"], &changes)
        .await;
    assert!(reply.result.is_ok());
    let request = server.only_request();
    assert_eq!(
        (&*request.method, &*request.target),
        ("PATCH", "/locations/NL/CPO/L1/E1")
    );
}

#[tokio::test]
async fn a_result_is_posted_bare() {
    let server = Server::start(|_| success(&Value::Null)).await;
    let result = ChargingProfileResult {
        result: ChargingProfileResultType::Accepted,
    };
    client()
        .post_result(&server.at("/r/1"), &result)
        .await
        .into_result()
        .unwrap();
    assert_eq!(server.only_request().json(), json!({"result": "ACCEPTED"}));
}

#[tokio::test]
async fn the_record_of_an_exchange_shows_everything_but_secrets() {
    let server = Server::start(|_| {
        success(&json!({
            "token": "the-secret-of-the-peer", "url": "https://cpo.example/versions",
            "roles": [], "echo": format!("you sent {TOKEN}"),
            "cdr_token": {"uid": "card-number", "contract_id": "driver"}
        }))
    })
    .await;
    let reply = client().get_credentials(&server.at("/credentials")).await;
    assert_eq!(
        reply.result.unwrap().token.reveal(),
        "the-secret-of-the-peer"
    );
    let shown = serde_json::to_string(&reply.exchange).unwrap();
    for secret in [
        "the-secret-of-the-peer",
        TOKEN,
        "dG9rZW4tb2",
        "card-number",
        "driver",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(reply.exchange.method, "GET");
    assert_eq!(reply.exchange.url, server.at("/credentials").as_str());
    assert_eq!(reply.exchange.status, Some(200));
    assert!(shown.contains("https://cpo.example/versions"));
}

#[tokio::test]
async fn a_long_body_is_shortened_in_the_record_not_in_the_result() {
    let many: Vec<Value> = (0..5000)
        .map(|number| json!({"version": number.to_string(), "url": "https://cpo.example/"}))
        .collect();
    let server = Server::start(move |_| success(&json!(many))).await;
    let reply = client().get_versions(&server.url).await;
    assert_eq!(reply.result.unwrap().len(), 5000);
    let kept = reply.exchange.response.body.unwrap().chars().count();
    assert_eq!(kept, ocpi_client::client::MAX_KEPT_CHARS + 1);
}

#[test]
fn parts_of_an_address_are_joined_with_one_slash() {
    for endpoint in [
        "https://cpo.example/ocpi/cp",
        "https://cpo.example/ocpi/cp/",
    ] {
        let url = below("test", &endpoint.parse().unwrap(), &["S1"]).unwrap();
        assert_eq!(url.as_str(), "https://cpo.example/ocpi/cp/S1");
    }
}
