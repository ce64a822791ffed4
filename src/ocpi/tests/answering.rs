//! Tokens, envelopes, headers: what holds for every request.

use chrono::TimeDelta;
use ocpi_client::token::Token;
use serde_json::json;

use super::world::{S1, TOKEN_B, World, session, shown};
use crate::domain::id::PartnerId;
use crate::ocpi::partner::{AcceptedToken, TokenScope};
use crate::ocpi::secret::TokenHash;

#[actix_web::test]
async fn a_token_is_taken_as_base64_and_as_it_is() {
    let world = World::with_partner().await;
    for authorization in [
        shown(TOKEN_B),
        format!("Token {TOKEN_B}"),
        shown(&format!("{TOKEN_B}\n")),
    ] {
        let headers = [("Authorization", authorization.as_str())];
        let answered = world.asks_as("GET", "/ocpi/versions", "", &headers).await;
        assert_eq!(answered.codes(), (200, 1000), "{authorization}");
    }
    let noted = world
        .edge
        .show(&super::world::partner_id())
        .unwrap()
        .deviations;
    assert!(
        noted
            .iter()
            .any(|deviation| deviation.id == "http.token_raw"),
        "{noted:?}"
    );
}

#[actix_web::test]
async fn a_body_that_says_one_thing_twice_is_refused() {
    let world = World::with_partner().await;
    let token = shown(TOKEN_B);
    let headers = [("Authorization", token.as_str())];
    let once = session(&json!({})).to_string();
    let twice = once.replacen('{', r#"{"status": "COMPLETED", "#, 1);
    let answered = world.asks_as("PUT", S1, &twice, &headers).await;
    assert_eq!(answered.codes(), (400, 2000), "{:?}", answered.body);
    assert!(world.memory.take_told().is_empty());
    let answered = world.asks_as("PUT", S1, &once, &headers).await;
    assert_eq!(answered.codes().1, 1000);
}

#[actix_web::test]
async fn guessing_tokens_is_slowed_down_and_does_not_lock_out_who_knows_one() {
    let world = World::with_partner().await;
    let mut seen = Vec::new();
    for guess in 0..70 {
        let wrong = shown(&format!("guess-{guess}"));
        let headers = [("Authorization", wrong.as_str())];
        let answered = world.asks_as("GET", "/ocpi/versions", "", &headers).await;
        seen.push(answered.http);
        if answered.http == 429 {
            // The tests' minute has just begun.
            assert_eq!(answered.header("retry-after"), Some("60"));
        }
    }
    assert_eq!(seen.iter().filter(|http| **http == 401).count(), 60);
    assert_eq!(seen[60..], [429; 10]);
    let token = shown(TOKEN_B);
    let headers = [("Authorization", token.as_str())];
    let answered = world.asks_as("GET", "/ocpi/versions", "", &headers).await;
    assert_eq!(answered.codes(), (200, 1000));
    world.goes_on(TimeDelta::seconds(60));
    let answered = world.asks_as("GET", "/ocpi/versions", "", &[]).await;
    assert_eq!(answered.http, 401, "a minute later it may be tried again");
}

#[actix_web::test]
async fn without_a_valid_token_everything_is_401_and_says_the_same() {
    let world = World::with_partner().await;
    let wrong = shown("token-b-0123456780");
    let mut seen = Vec::new();
    for headers in [
        vec![],
        vec![("Authorization", wrong.as_str())],
        vec![("Authorization", "Bearer x")],
        vec![("Authorization", "Token")],
        vec![("Authorization", "Token \u{fc}")],
    ] {
        for path in ["/ocpi/versions", S1, "/ocpi/nowhere", "/ocpi/"] {
            let answered = world.asks_as("PUT", path, "{", &headers).await;
            assert_eq!(answered.http, 401, "{headers:?} {path}");
            seen.push(answered.body["status_message"].clone());
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

#[actix_web::test]
async fn every_answer_is_an_envelope_with_the_request_s_ids_and_its_way_back() {
    let world = World::with_partner().await;
    let token = shown(TOKEN_B);
    let headers = [
        ("Authorization", token.as_str()),
        ("X-Request-ID", "r-1"),
        ("x-correlation-id", "c-1"),
        ("OCPI-from-country-code", "NL"),
        ("OCPI-from-party-id", "CPO"),
        ("OCPI-to-country-code", "DE"),
        ("OCPI-to-party-id", "EVL"),
    ];
    let body = session(&json!({})).to_string();
    let answered = world.asks_as("PUT", S1, &body, &headers).await;
    assert_eq!(answered.codes(), (201, 1000));
    assert!(answered.body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(answered.header("x-request-id"), Some("r-1"));
    assert_eq!(answered.header("x-correlation-id"), Some("c-1"));
    assert_eq!(answered.header("ocpi-to-party-id"), Some("CPO"));
    assert_eq!(answered.header("ocpi-from-party-id"), Some("EVL"));
    let versions = world.asks("GET", "/ocpi/versions", None).await;
    assert_eq!(
        versions.header("ocpi-to-party-id"),
        None,
        "versions carry no routing"
    );
    assert_eq!(
        versions.header("x-request-id").map(str::len),
        Some(36),
        "one is made"
    );
}

#[actix_web::test]
async fn a_body_that_is_no_json_is_400_and_one_that_is_too_long_413() {
    let world = World::with_partner().await;
    let token = shown(TOKEN_B);
    let headers = [("Authorization", token.as_str())];
    let broken = world.asks_as("PUT", S1, "{\"id\":", &headers).await;
    assert_eq!(broken.codes(), (400, 2000));
    let deep = "[".repeat(100_000);
    assert_eq!(
        world.asks_as("PUT", S1, &deep, &headers).await.codes(),
        (400, 2000)
    );
    let long = format!("\"{}\"", "x".repeat(2 * 1024 * 1024));
    assert_eq!(
        world.asks_as("PUT", S1, &long, &headers).await.codes(),
        (413, 2000)
    );
}

#[actix_web::test]
async fn details_name_what_we_serve_in_each_version() {
    let world = World::with_partner().await;
    let versions = world.asks("GET", "/ocpi/versions", None).await;
    assert_eq!(versions.body["data"].as_array().unwrap().len(), 2);
    for version in ["2.2.1", "2.3.0"] {
        let details = world.asks("GET", &format!("/ocpi/{version}/"), None).await;
        assert_eq!(details.body["data"]["version"], json!(version));
        let endpoints = details.body["data"]["endpoints"].to_string();
        for wanted in [
            "credentials",
            "sessions",
            "chargingprofiles",
            "locations",
            "tariffs",
        ] {
            assert!(endpoints.contains(wanted), "{endpoints}");
        }
    }
    assert_eq!(world.asks("GET", "/ocpi/2.1.1", None).await.http, 404);
    assert_eq!(world.asks("GET", "/ocpi/2.2.1/cdrs", None).await.http, 404);
    assert_eq!(world.asks("DELETE", "/ocpi/versions", None).await.http, 405);
}

#[actix_web::test]
async fn an_invitation_opens_versions_and_credentials_only_and_not_for_ever() {
    let world = World::empty().await;
    let name = PartnerId::new("new").unwrap();
    let invitation = world.edge.invite(&name).await.unwrap();
    let token = shown(invitation.token_a.reveal());
    let headers = [("Authorization", token.as_str())];
    assert_eq!(invitation.versions_url, "http://127.0.0.1:9/ocpi/versions");
    assert_eq!(
        world
            .asks_as("GET", "/ocpi/versions", "", &headers)
            .await
            .http,
        200
    );
    assert_eq!(
        world.asks_as("GET", "/ocpi/2.3.0", "", &headers).await.http,
        200
    );
    assert_eq!(world.asks_as("GET", S1, "", &headers).await.http, 401);
    assert_eq!(
        world
            .asks_as("PUT", "/ocpi/2.3.0/credentials", "{}", &headers)
            .await
            .codes(),
        (200, 2001)
    );
    world.goes_on(TimeDelta::days(7));
    assert_eq!(
        world
            .asks_as("GET", "/ocpi/versions", "", &headers)
            .await
            .http,
        401
    );
}

#[actix_web::test]
async fn a_replaced_token_is_valid_until_its_minute_is_over() {
    let world = World::with_partner().await;
    let until = world.now() + TimeDelta::seconds(60);
    let name = super::world::partner_id();
    let change = world.edge.change(&name, |record| {
        record.accepted[0].valid_until = Some(until);
        record.accepted.push(AcceptedToken {
            hash: TokenHash::of(&Token::new("token-next").unwrap()),
            scope: TokenScope::Full,
            valid_until: None,
        });
        Ok(())
    });
    change.await.unwrap();
    world.goes_on(TimeDelta::seconds(59));
    assert_eq!(world.asks("GET", "/ocpi/versions", None).await.http, 200);
    world.goes_on(TimeDelta::seconds(1));
    assert_eq!(world.asks("GET", "/ocpi/versions", None).await.http, 401);
}

#[actix_web::test]
async fn no_token_is_kept_or_shown_in_clear() {
    let world = World::with_partner().await;
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    let kept: Vec<u8> = world
        .memory
        .records
        .lock()
        .unwrap()
        .iter()
        .filter(|(key, _)| key.starts_with("partner/"))
        .flat_map(|(_, value)| value.clone())
        .collect();
    let kept = String::from_utf8_lossy(&kept).into_owned();
    let name = super::world::partner_id();
    let view = serde_json::to_string(&world.edge.show(&name).unwrap()).unwrap();
    let raw = serde_json::to_string(&world.edge.exchanges(&name).unwrap()).unwrap();
    assert!(raw.contains("S1"), "{raw}");
    for text in [kept, view, raw] {
        for secret in [
            TOKEN_B,
            super::world::TOKEN_C,
            "CARD-1",
            "NL-EMP-C1",
            &shown(TOKEN_B)[6..],
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[actix_web::test]
async fn a_restart_forgets_no_partner_and_no_session() {
    let world = World::with_partner().await;
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    let world = world.restarted().await;
    assert_eq!(
        world.asks("GET", S1, None).await.body["data"],
        session(&json!({}))
    );
}
