//! A registration over sockets, the other side calling back while our request is open.

use std::sync::{Arc, Mutex};

use ocpi_client::client::{Connection, Limits};
use ocpi_client::registration::{Method, Modules, OurSide, Outgoing, Step, StepResult, Target};
use ocpi_client::token::{Token, TokenEncoding, candidates};
use ocpi_client::types::{
    BusinessDetails, CredentialsRole, InterfaceRole, ModuleId, Role, Version,
};
use serde_json::{Value, json};

use crate::server::{Request, Server, answer, http, success};

fn shown_token(request: &Request) -> String {
    let header = request
        .header("authorization")
        .unwrap_or_default()
        .to_owned();
    candidates(&header)
        .first()
        .map(|(token, _)| token.reveal().to_owned())
        .unwrap_or_default()
}

/// A platform that gave out `token-a`.
async fn platform() -> Server {
    let posted: Arc<Mutex<Option<Value>>> = Arc::default();
    Server::start(move |request| {
        if shown_token(request) != "token-a" {
            return answer(401, &[], "");
        }
        let base = format!("http://{}", request.header("host").unwrap());
        let endpoint = |module: &str, role: &str| {
            json!({"identifier": module, "role": role, "url": format!("{base}/2.2.1/{module}")})
        };
        match request.target.as_str() {
            "/versions" => success(&json!([{"version": "2.2.1", "url": format!("{base}/2.2.1")}])),
            "/2.2.1" => success(&json!({
                "version": "2.2.1",
                "endpoints": [
                    endpoint("credentials", "RECEIVER"), endpoint("chargingprofiles", "RECEIVER")
                ]
            })),
            "/2.2.1/credentials" if posted.lock().unwrap().is_some() => answer(405, &[], ""),
            "/2.2.1/credentials" => {
                *posted.lock().unwrap() = Some(request.json());
                success(&json!({
                    "token": "token-c", "url": format!("{base}/versions"),
                    "roles": [{
                        "role": "CPO", "party_id": "CPO", "country_code": "NL",
                        "business_details": {"name": "Operator"}
                    }]
                }))
            }
            _ => answer(404, &[], ""),
        }
    })
    .await
}

fn registration(versions_url: &str, token: &str) -> Outgoing {
    let target = Target {
        versions_url: versions_url.to_owned(),
        token: Token::new(token).unwrap(),
        method: Method::Post,
        modules: Modules {
            required: vec![(ModuleId::ChargingProfiles, InterfaceRole::Receiver)],
            wanted: vec![(ModuleId::Sessions, InterfaceRole::Sender)],
        },
    };
    let ours = OurSide {
        versions_url: "https://us.example/ocpi/versions".to_owned(),
        roles: vec![CredentialsRole {
            role: Role::Scsp,
            business_details: BusinessDetails::named("Us"),
            party_id: "SCS".into(),
            country_code: "DE".into(),
        }],
        hub_party_id: None,
        versions: Version::SPOKEN.to_vec(),
    };
    Outgoing::new(target, ours, Token::new("token-b").unwrap())
}

/// Drives a registration to its end; the second part says whether token B was stored in time.
async fn drive(mut registration: Outgoing) -> (Step, bool, Outgoing) {
    let encoding = TokenEncoding::Base64;
    let connection = Connection {
        http: http(),
        encoding,
        limits: Limits::default(),
    };
    let mut is_stored = false;
    for _ in 0..10 {
        let step = registration.step();
        if step.is_end() {
            return (step, is_stored, registration);
        }
        if matches!(step, Step::SendCredentials { .. }) {
            assert!(is_stored, "credentials sent before token B was stored");
        }
        if let Some(performed) = connection.perform(&step).await {
            registration.feed(performed.result);
        } else {
            is_stored = true;
            registration.feed(StepResult::Stored(Ok(())));
        }
    }
    unreachable!("a registration has four steps")
}

#[tokio::test]
async fn a_registration_runs_from_versions_to_token_c() {
    let platform = platform().await;
    let (end, _, registration) =
        drive(registration(platform.at("/versions").as_str(), "token-a")).await;
    let Step::Finished { registered, .. } = end else {
        unreachable!("{:?}", registration.checks())
    };
    assert_eq!(registered.their_token.reveal(), "token-c");
    let targets: Vec<String> = platform.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/versions", "/2.2.1", "/2.2.1/credentials"]);
    let posted = platform.requests()[2].json();
    assert_eq!(posted["token"], "token-b");
    assert_eq!(posted["roles"][0]["role"], "SCSP");
    let rows: Vec<(&str, bool)> = registration
        .checks()
        .iter()
        .map(|check| (check.name.as_str(), check.ok()))
        .collect();
    assert_eq!(
        rows,
        [
            ("versions", true),
            ("version", true),
            ("details", true),
            ("module credentials", true),
            ("module chargingprofiles RECEIVER", true),
            ("module sessions SENDER", false),
            ("token", true),
            ("credentials", true),
        ]
    );
}

#[tokio::test]
async fn a_second_registration_is_told_that_the_first_one_stands() {
    let platform = platform().await;
    let url = platform.at("/versions");
    drive(registration(url.as_str(), "token-a")).await;
    let (end, ..) = drive(registration(url.as_str(), "token-a")).await;
    assert!(matches!(end, Step::Failed(failure) if failure.reason.contains("already")));
}

#[tokio::test]
async fn a_wrong_token_a_fails_at_the_versions() {
    let platform = platform().await;
    let (end, is_stored, registration) =
        drive(registration(platform.at("/versions").as_str(), "token-x")).await;
    assert!(matches!(end, Step::Failed(failure) if failure.reason.contains("401")));
    assert!(!is_stored);
    assert_eq!(registration.checks().len(), 1);
}

#[tokio::test]
async fn an_address_that_is_none_fails_without_a_call() {
    let (end, ..) = drive(registration("ftp://cpo.example", "token-a")).await;
    assert!(matches!(end, Step::Failed(failure) if failure.reason.contains("ftp")));
}
