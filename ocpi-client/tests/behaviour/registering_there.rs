//! We register at another platform.

use ocpi_client::read::read_one;
use ocpi_client::registration::{
    Method, Modules, OurSide, Outcome, Outgoing, Refusal, Step, StepResult, Target,
};
use ocpi_client::token::Token;
use ocpi_client::types::{
    BusinessDetails, CredentialsRole, InterfaceRole, ModuleId, Role, StatusCode, Version,
    VersionDetails, VersionEntry,
};
use serde_json::{Value, json};

use crate::samples;

pub(crate) fn our_side() -> OurSide {
    let role = |role| CredentialsRole {
        role,
        business_details: BusinessDetails::named("Smart Charging"),
        party_id: "SCS".into(),
        country_code: "DE".into(),
    };
    OurSide {
        versions_url: "https://us.example/ocpi/versions".to_owned(),
        roles: vec![role(Role::Scsp), role(Role::Hub)],
        hub_party_id: None,
        versions: Version::SPOKEN.to_vec(),
    }
}

pub(crate) fn modules() -> Modules {
    Modules {
        required: vec![(ModuleId::ChargingProfiles, InterfaceRole::Receiver)],
        wanted: vec![(ModuleId::Locations, InterfaceRole::Sender)],
    }
}

pub(crate) fn versions(offered: &[&str]) -> Vec<VersionEntry> {
    let entry = |version: &&str| json!({"version": version, "url": format!("https://cpo.example/ocpi/{version}")});
    let entries = offered.iter().map(entry);
    entries
        .map(|entry| read_one(&entry).unwrap().value)
        .collect()
}

pub(crate) fn details(version: &str, endpoints: &[(&str, &str)]) -> VersionDetails {
    let endpoint = |(module, role): &(&str, &str)| -> Value {
        json!({"identifier": module, "role": role, "url": format!("https://cpo.example/{module}")})
    };
    let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
    read_one(&json!({"version": version, "endpoints": endpoints}))
        .unwrap()
        .value
}

const ALL: [(&str, &str); 3] = [
    ("credentials", "SENDER"),
    ("chargingprofiles", "RECEIVER"),
    ("locations", "SENDER"),
];

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn registration(method: Method) -> Outgoing {
    let target = Target {
        versions_url: "https://cpo.example/ocpi/versions".to_owned(),
        token: token("token-a"),
        method,
        modules: modules(),
    };
    Outgoing::new(target, our_side(), token("token-b"))
}

/// A registration that has come to the point of sending credentials.
fn ready_to_send(method: Method) -> Outgoing {
    let mut registration = registration(method);
    registration.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    registration.feed(StepResult::Details(Ok(details("2.2.1", &ALL))));
    registration.feed(StepResult::Stored(Ok(())));
    registration
}

#[test]
fn the_highest_common_version_is_chosen_and_unknown_ones_are_ignored() {
    let mut registration = registration(Method::Post);
    assert!(
        matches!(registration.step(), Step::GetVersions { token: t, .. } if t == token("token-a"))
    );
    registration.feed(StepResult::Versions(Ok(versions(&[
        "2.1.1", "2.2.1", "3.0", "2.3.0",
    ]))));
    let Step::GetDetails { url, version, .. } = registration.step() else {
        unreachable!()
    };
    assert_eq!(
        (url.as_str(), version),
        ("https://cpo.example/ocpi/2.3.0", Version::V230)
    );
}

#[test]
fn without_a_common_version_it_fails_with_3002() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Versions(Ok(versions(&["2.1.1", "3.0"]))));
    let Step::Failed(failure) = registration.step() else {
        unreachable!()
    };
    assert_eq!(failure.code, StatusCode::UNSUPPORTED_VERSION);
    assert!(failure.reason.contains("2.1.1, 3.0"), "{failure}");
}

#[test]
fn nothing_is_sent_when_a_required_module_is_missing() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    // The module is there, but the other side of it.
    let wrong_side = [("credentials", "SENDER"), ("chargingprofiles", "SENDER")];
    registration.feed(StepResult::Details(Ok(details("2.2.1", &wrong_side))));
    let Step::Failed(failure) = registration.step() else {
        unreachable!()
    };
    assert_eq!(failure.code, StatusCode::MISSING_ENDPOINTS);
    assert!(
        failure.reason.contains("chargingprofiles RECEIVER"),
        "{failure}"
    );
}

#[test]
fn a_wanted_module_that_is_missing_is_only_a_warning() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    registration.feed(StepResult::Details(Ok(details("2.2.1", &ALL[..2]))));
    assert!(matches!(registration.step(), Step::Store(_)));
    let warned = registration
        .checks()
        .iter()
        .find(|check| !check.ok())
        .unwrap();
    assert_eq!(warned.name, "module locations SENDER");
    assert_eq!(warned.outcome, Outcome::Warning);
}

#[test]
fn token_b_is_stored_before_it_is_sent() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    registration.feed(StepResult::Details(Ok(details("2.2.1", &ALL))));
    let Step::Store(half) = registration.step() else {
        unreachable!()
    };
    assert_eq!(half.our_token, token("token-b"));
    assert_eq!(half.their_token, token("token-a"));
    registration.feed(StepResult::Stored(Ok(())));
    let Step::SendCredentials {
        credentials,
        url,
        method,
        ..
    } = registration.step()
    else {
        unreachable!()
    };
    assert_eq!(method, Method::Post);
    assert_eq!(url, "https://cpo.example/credentials");
    assert_eq!(credentials.token, token("token-b"));
    assert_eq!(credentials.url, "https://us.example/ocpi/versions");
}

#[test]
fn nothing_is_sent_when_token_b_cannot_be_stored() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Versions(Ok(versions(&["2.2.1"]))));
    registration.feed(StepResult::Details(Ok(details("2.2.1", &ALL))));
    registration.feed(StepResult::Stored(Err(Refusal::because("disk full"))));
    assert!(matches!(registration.step(), Step::Failed(f) if f.reason == "disk full"));
}

#[test]
fn the_answer_gives_token_c_and_the_roles() {
    let mut registration = ready_to_send(Method::Post);
    let theirs = read_one(&samples::credentials("token-c")).unwrap().value;
    registration.feed(StepResult::Credentials(Ok(Box::new(theirs))));
    let Step::Finished { registered, answer } = registration.step() else {
        unreachable!()
    };
    assert_eq!(registered.their_token, token("token-c"));
    assert_eq!(registered.our_token, token("token-b"));
    assert_eq!(registered.version, Version::V221);
    assert_eq!(registered.roles[0].role, Role::Cpo);
    assert_eq!(answer, None);
    assert!(
        registration
            .checks()
            .iter()
            .all(ocpi_client::registration::Check::ok)
    );
    assert!(!format!("{registered:?}").contains("token-c"));
}

#[test]
fn an_answer_without_roles_or_address_is_a_warning() {
    let mut registration = ready_to_send(Method::Post);
    let answer = samples::with(samples::credentials("token-c"), "roles", json!([]));
    let answer = samples::with(answer, "url", json!("n/a"));
    registration.feed(StepResult::Credentials(Ok(Box::new(
        read_one(&answer).unwrap().value,
    ))));
    let Step::Finished { registered, .. } = registration.step() else {
        unreachable!()
    };
    assert_eq!(registered.versions_url, "https://cpo.example/ocpi/versions");
    let warned = registration.checks().iter().filter(|check| !check.ok());
    let warned: Vec<&str> = warned.map(|check| check.name.as_str()).collect();
    assert_eq!(warned, ["credentials", "url"]);
}

#[test]
fn an_endpoint_without_role_serves_either_side() {
    let endpoints = json!([
        {"identifier": "sessions", "url": "https://a/plain"},
        {"identifier": "sessions", "role": "SENDER", "url": "https://a/sender"}
    ]);
    let details = json!({"version": "2.2.1", "endpoints": endpoints});
    let details = read_one::<VersionDetails>(&details).unwrap().value;
    let url = |role| details.url(&ModuleId::Sessions, &role);
    assert_eq!(url(InterfaceRole::Sender), Some("https://a/sender"));
    assert_eq!(url(InterfaceRole::Receiver), Some("https://a/plain"));
}

#[test]
fn already_registered_there_is_said_in_plain_words() {
    let mut registration = ready_to_send(Method::Post);
    let refusal = Refusal {
        detail: "HTTP 405".into(),
        http_status: Some(405),
        code: None,
    };
    registration.feed(StepResult::Credentials(Err(refusal)));
    let Step::Failed(failure) = registration.step() else {
        unreachable!()
    };
    assert!(failure.reason.contains("registered already"), "{failure}");
}

#[test]
fn the_code_of_the_other_side_is_passed_on() {
    let mut registration = ready_to_send(Method::Put);
    let refusal = Refusal {
        detail: "cannot reach you".into(),
        http_status: None,
        code: Some(StatusCode::CLIENT_API_UNUSABLE),
    };
    registration.feed(StepResult::Credentials(Err(refusal)));
    assert!(matches!(registration.step(), Step::Failed(f) if f.code.0 == 3001));
}

#[test]
fn a_result_of_another_step_is_ignored() {
    let mut registration = registration(Method::Post);
    registration.feed(StepResult::Stored(Ok(())));
    assert!(matches!(registration.step(), Step::GetVersions { .. }));
}

#[test]
fn the_role_hub_is_not_told_to_2_3_0() {
    let ours = our_side();
    assert_eq!(ours.credentials(&Version::V221, token("t")).roles.len(), 2);
    let newer = ours.credentials(&Version::V230, token("t"));
    assert_eq!(newer.roles.len(), 1);
    assert_eq!(newer.roles[0].role, Role::Scsp);
}
