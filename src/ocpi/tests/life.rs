//! Relations over time: restarts in the middle, newer versions, patience, sessions that come back.

use chrono::TimeDelta;
use ocpi_client::registration::Method;
use ocpi_client::types::Credentials;
use serde_json::json;
use url::Url;

use super::calling::registered;
use super::cpo::{Cpo, client};
use super::world::{S1, World, partner_id, session, shown};
use crate::domain::command::{Answer, Refusal};
use crate::domain::session::SessionStatus;
use crate::ocpi::Reach;
use crate::ocpi::check::all_passed;
use crate::ocpi::partner::Handshake;

#[actix_web::test]
async fn a_restart_in_the_middle_of_our_registration_keeps_the_token_that_was_sent() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    // The platform takes our credentials, and its answer is lost.
    cpo.with(|platform| platform.loses_credentials_answer = true);
    let rows = world
        .edge
        .register(&partner_id(), &cpo.versions_url(), "token-a-0123456789")
        .await
        .unwrap();
    assert!(!all_passed(&rows));
    let shows = cpo.with(|platform| platform.shows.clone().unwrap());
    let world = world.restarted().await;
    let record = world.edge.peer(&partner_id()).unwrap().record();
    assert_eq!(record.handshake, Handshake::Registering);
    // It may use its token already ...
    let header = shown(&shows);
    let answer = world
        .asks_as("GET", "/ocpi/versions", "", &[("Authorization", &header)])
        .await;
    assert_eq!(answer.http, 200);
    // ... and the operator begins anew under the same name.
    cpo.with(|platform| {
        platform.loses_credentials_answer = false;
        platform.calls_back = false;
        platform.expects = shown("token-a-two-0123456789");
    });
    let rows = world
        .edge
        .register(&partner_id(), &cpo.versions_url(), "token-a-two-0123456789")
        .await
        .unwrap();
    assert!(all_passed(&rows), "{rows:#?}");
    assert!(
        world
            .edge
            .peer(&partner_id())
            .unwrap()
            .record()
            .is_registered()
    );
}

#[actix_web::test]
async fn a_partner_that_learns_a_newer_version_is_upgraded_in_place_by_either_side() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    cpo.with(|platform| platform.versions = vec!["2.2.1"]);
    let rows = world
        .edge
        .register(&partner_id(), &cpo.versions_url(), "token-a-0123456789")
        .await
        .unwrap();
    assert!(all_passed(&rows), "{rows:#?}");
    let version = || world.edge.show(&partner_id()).unwrap().version;
    assert_eq!(version().as_deref(), Some("2.2.1"));
    world
        .asks_as_partner(&cpo, "PUT", S1, &session(&json!({})))
        .await;
    // We renew (PUT credentials at the newer version's address).
    cpo.with(|platform| platform.versions = vec!["2.2.1", "2.3.0"]);
    assert!(all_passed(&world.edge.rotate(&partner_id()).await.unwrap()));
    assert_eq!(version().as_deref(), Some("2.3.0"));
    assert_eq!(cpo.asked("PUT", "/2.3.0/credentials").len(), 1);
    // It renews, back to the older one: whose credentials module is called says which.
    let (ours, fresh) = cpo.with(|platform| (platform.shows.clone().unwrap(), "d".repeat(20)));
    cpo.with(|platform| platform.expects = shown(&fresh));
    let theirs: Credentials = serde_json::from_value(json!({"token": fresh,
        "url": cpo.versions_url(), "roles": [{"role": "CPO", "party_id": "CPO",
        "country_code": "NL", "business_details": {"name": "A CPO"}}]}))
    .unwrap();
    let url = format!("{}/ocpi/2.2.1/credentials", world.public_url());
    let answered = client(&ours)
        .send_credentials(Method::Put, &Url::parse(&url).unwrap(), &theirs)
        .await
        .into_result()
        .unwrap();
    assert_eq!(version().as_deref(), Some("2.2.1"));
    assert_ne!(answered.token.reveal(), ours);
    // Nothing that it sent before is lost.
    cpo.with(|platform| platform.shows = Some(answered.token.reveal().to_owned()));
    let kept = world.asks_as_partner(&cpo, "GET", S1, &json!(null)).await;
    assert_eq!(kept.body["data"]["id"], "S1");
}

#[actix_web::test]
async fn retry_after_is_obeyed_in_seconds_as_a_date_and_up_to_a_bound() {
    let (world, cpo) = registered().await;
    for (said, seconds) in [
        ("7", 7),
        ("Sun, 22 Nov 2026 16:01:00 GMT", 60),
        ("1000000000", 900),
    ] {
        cpo.with(|platform| {
            platform.profile_answer = (429, json!(null));
            platform.extra_headers = vec![("Retry-After", said.to_owned())];
        });
        let answer = world.sends(&world.set_profile()).await;
        assert!(
            matches!(
                answer,
                Answer::Refused {
                    reason: Refusal::TooOften,
                    ..
                }
            ),
            "{answer:?}"
        );
        assert_eq!(world.edge.patience_s(&partner_id()), Some(seconds));
    }
    world.goes_on(TimeDelta::seconds(900));
    assert_eq!(world.edge.patience_s(&partner_id()), None);
}

#[actix_web::test]
async fn a_session_ended_as_missing_that_is_listed_again_runs_again() {
    let (world, cpo) = registered().await;
    let running = session(&json!({}));
    cpo.with(|platform| platform.sessions = vec![running.clone()]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    cpo.with(|platform| platform.sessions.clear());
    for _ in 0..2 {
        world.goes_on(TimeDelta::minutes(10));
        world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    }
    let told = world.sessions_told();
    let ended = told.last().unwrap().clone();
    assert_eq!(ended.status, SessionStatus::Ended);
    // The same object, unchanged, in a pull of what changed lately.
    cpo.with(|platform| platform.sessions = vec![running]);
    world.goes_on(TimeDelta::minutes(10));
    let since = world.now() - TimeDelta::hours(2);
    world
        .edge
        .pull(&partner_id(), Reach::Since(since))
        .await
        .unwrap();
    let back = world.sessions_told().remove(0);
    assert_eq!(
        (back.id.clone(), back.status),
        (ended.id, SessionStatus::Active)
    );
    assert!(
        back.updated_at > ended.updated_at,
        "later than the end we gave it"
    );
    // And pushed again it is not told as a new beginning once more.
    world.goes_on(TimeDelta::minutes(10));
    world
        .edge
        .pull(&partner_id(), Reach::Since(since))
        .await
        .unwrap();
    assert!(world.sessions_told().is_empty());
}

#[actix_web::test]
async fn tariffs_are_read_back_with_the_rest() {
    let (world, cpo) = registered().await;
    let tariff = |id: &str| {
        json!({"country_code": "NL", "party_id": "CPO", "id": id, "currency": "EUR",
            "elements": [{"price_components": [{"type": "ENERGY", "price": 0.3, "step_size": 1}]}],
            "last_updated": "2026-11-22T12:00:00Z"})
    };
    cpo.with(|platform| platform.tariffs = vec![tariff("T1"), tariff("T2"), tariff("T3")]);
    let pulled = world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!(pulled.tariffs, 3);
    cpo.with(|platform| platform.tariffs.truncate(1));
    world.goes_on(TimeDelta::minutes(1));
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    let records = world.memory.records.lock().unwrap();
    let kept = records.keys().filter(|key| key.contains("/tariffs/"));
    assert_eq!(kept.count(), 1);
}
