//! Another platform registers with us.

use ocpi_client::headers::Party;
use ocpi_client::read::read_one;
use ocpi_client::registration::{Incoming, Method, Refusal, Request, Step, StepResult};
use ocpi_client::token::Token;
use ocpi_client::types::{StatusCode, Version};
use serde_json::{Value, json};

use crate::registering_there::{details, modules, our_side, versions};
use crate::samples::{self, with};

const ALL: [(&str, &str); 2] = [("credentials", "SENDER"), ("chargingprofiles", "RECEIVER")];

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn request(method: Method, is_registered: bool, body: &Value) -> Incoming {
    let request = Request {
        method,
        version: Version::V221,
        credentials: read_one(body).unwrap().value,
        is_registered,
        modules: modules(),
    };
    Incoming::new(request, our_side(), token("token-c"))
}

fn posted() -> Incoming {
    request(Method::Post, false, &samples::credentials("token-b"))
}

#[test]
fn versions_and_details_are_fetched_with_token_b_from_the_body() {
    let mut incoming = posted();
    let Step::GetVersions { url, token: shown } = incoming.step() else {
        unreachable!()
    };
    assert_eq!(url, "https://cpo.example/ocpi/versions");
    assert_eq!(shown, token("token-b"));
    incoming.feed(StepResult::Versions(Ok(versions(&["2.3.0", "2.2.1"]))));
    let Step::GetDetails {
        version,
        token: shown,
        ..
    } = incoming.step()
    else {
        unreachable!()
    };
    assert_eq!(shown, token("token-b"));
    // The version is that of the endpoint called, not the highest.
    assert_eq!(version, Version::V221);
}

#[test]
fn the_answer_carries_token_c_only_after_everything_is_stored() {
    let mut incoming = posted();
    incoming.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    incoming.feed(StepResult::Details(Ok(details("2.2.1", &ALL))));
    let Step::Store(kept) = incoming.step() else {
        unreachable!()
    };
    assert_eq!(kept.our_token, token("token-c"));
    assert_eq!(kept.their_token, token("token-b"));
    incoming.feed(StepResult::Stored(Ok(())));
    let Step::Finished { registered, answer } = incoming.step() else {
        unreachable!()
    };
    assert_eq!(registered, kept);
    assert_eq!(answer.unwrap().token, token("token-c"));
}

#[test]
fn a_platform_that_cannot_be_reached_is_answered_3001() {
    let mut incoming = posted();
    incoming.feed(StepResult::Versions(Err(Refusal::because(
        "connection refused",
    ))));
    let Step::Failed(failure) = incoming.step() else {
        unreachable!()
    };
    assert_eq!(
        (failure.http_status, failure.code),
        (200, StatusCode::CLIENT_API_UNUSABLE)
    );
}

#[test]
fn a_platform_without_our_version_is_answered_3002() {
    let mut incoming = posted();
    incoming.feed(StepResult::Versions(Ok(versions(&["2.3.0"]))));
    assert!(
        matches!(incoming.step(), Step::Failed(f) if f.code == StatusCode::UNSUPPORTED_VERSION)
    );
}

#[test]
fn a_platform_without_the_modules_is_answered_3003() {
    let mut incoming = posted();
    incoming.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    incoming.feed(StepResult::Details(Ok(details("2.2.1", &ALL[..1]))));
    assert!(matches!(incoming.step(), Step::Failed(f) if f.code == StatusCode::MISSING_ENDPOINTS));
}

#[test]
fn post_from_a_registered_and_put_from_an_unregistered_platform_are_405() {
    for (method, is_registered) in [(Method::Post, true), (Method::Put, false)] {
        let incoming = request(method, is_registered, &samples::credentials("token-b"));
        let Step::Failed(failure) = incoming.step() else {
            unreachable!()
        };
        assert_eq!(failure.http_status, 405);
    }
    let update = request(Method::Put, true, &samples::credentials("token-b"));
    assert!(matches!(update.step(), Step::GetVersions { .. }));
}

#[test]
fn a_hub_is_known_by_its_party_in_2_3_0_and_by_its_role_in_2_2_1() {
    let hub = |body: &Value| {
        let mut incoming = request(Method::Post, false, body);
        incoming.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
        incoming.feed(StepResult::Details(Ok(details("2.2.1", &ALL))));
        match incoming.step() {
            Step::Store(registered) => registered.hub,
            _ => None,
        }
    };
    let newer = with(
        samples::credentials("token-b"),
        "hub_party_id",
        json!("NLHUB"),
    );
    assert_eq!(hub(&newer), Some(Party::new("NL", "HUB")));
    let role = json!([{
        "role": "HUB", "party_id": "HB1", "country_code": "DE",
        "business_details": {"name": "Hub"}
    }]);
    let older = with(samples::credentials("token-b"), "roles", role);
    assert_eq!(hub(&older), Some(Party::new("DE", "HB1")));
    assert_eq!(hub(&samples::credentials("token-b")), None);
}
