//! Sessions that are pushed to us.

use chrono::TimeDelta;
use serde_json::json;

use super::world::{S1, TOKEN_B, World, partner_id, session, shown, site, source};
use crate::domain::event::EventKind;
use crate::domain::id::{EvseId, PartnerId};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::SessionStatus;

#[actix_web::test]
async fn a_put_session_is_kept_and_its_site_is_told() {
    let world = World::with_partner().await;
    assert_eq!(
        world
            .asks("PUT", S1, Some(&session(&json!({}))))
            .await
            .codes(),
        (201, 1000)
    );
    let told = world.sessions_told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].id.as_str(), "nl*cpo*s1");
    assert_eq!(told[0].native_id, "S1");
    assert_eq!(told[0].evse.as_str(), "e1");
    assert_eq!(told[0].energy, Energy::from_kilowatt_hours(2.5));
    // Read back as it was sent, whatever the case of the ids.
    let read = world
        .asks("GET", "/ocpi/2.3.0/sessions/nl/cpo/s1", None)
        .await;
    assert_eq!(read.body["data"], session(&json!({})));
    let again = session(&json!({"last_updated": "2026-11-22T15:59:30Z"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&again)).await.codes(),
        (200, 1000)
    );
}

#[actix_web::test]
async fn a_session_at_an_evse_that_no_site_has_is_only_kept_and_told_once_a_site_has_it() {
    let world = World::with_partner().await;
    let body = session(&json!({"evse_uid": "E9"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&body)).await.codes(),
        (201, 1000)
    );
    assert!(world.memory.take_told().is_empty());
    let place = (site(), EvseId::new("e9").unwrap());
    world
        .memory
        .places
        .lock()
        .unwrap()
        .insert(source("e9"), place);
    assert_eq!(world.edge.seed(&site()).await.unwrap(), 1);
    assert_eq!(world.sessions_told()[0].evse.as_str(), "e9");
}

#[actix_web::test]
async fn an_older_version_is_passed_over_with_1000() {
    let world = World::with_partner().await;
    world
        .asks("PUT", S1, Some(&session(&json!({"kwh": 5}))))
        .await;
    world.memory.take_told();
    let older = session(&json!({"kwh": 1, "last_updated": "2026-11-22T15:58:00Z"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&older)).await.codes(),
        (200, 1000)
    );
    let older = json!({"kwh": 1, "last_updated": "2026-11-22T15:58:00Z"});
    assert_eq!(
        world.asks("PATCH", S1, Some(&older)).await.codes(),
        (200, 1000)
    );
    assert!(world.memory.take_told().is_empty());
    assert_eq!(
        world.asks("GET", S1, None).await.body["data"]["kwh"],
        json!(5)
    );
}

#[actix_web::test]
async fn a_stamp_of_the_future_does_not_block_what_comes_later() {
    let world = World::with_partner().await;
    let ahead = session(&json!({"last_updated": "2026-11-23T16:00:00Z"}));
    world.asks("PUT", S1, Some(&ahead)).await;
    assert_eq!(world.sessions_told()[0].updated_at, world.now());
    world.goes_on(TimeDelta::seconds(10));
    let right = session(&json!({"kwh": 3, "last_updated": "2026-11-22T16:00:05Z"}));
    world.asks("PUT", S1, Some(&right)).await;
    assert_eq!(
        world.sessions_told()[0].energy,
        Energy::from_kilowatt_hours(3.0)
    );
}

#[actix_web::test]
async fn a_patch_appends_periods_once_and_a_put_replaces_them() {
    let world = World::with_partner().await;
    let period = |at: &str, kw: f64| json!({"start_date_time": at, "dimensions": [{"type": "POWER", "volume": kw}]});
    let first = session(&json!({"charging_periods": [period("2026-11-22T15:00:00Z", 11.0)]}));
    world.asks("PUT", S1, Some(&first)).await;
    let patch = json!({"last_updated": "2026-11-22T15:59:30Z",
        "charging_periods": [period("2026-11-22T15:30:00Z", 7.4)]});
    for _ in 0..2 {
        assert_eq!(
            world.asks("PATCH", S1, Some(&patch)).await.codes(),
            (200, 1000)
        );
    }
    let kept = world.asks("GET", S1, None).await.body["data"]["charging_periods"].clone();
    assert_eq!(kept.as_array().unwrap().len(), 2);
    let told = world.sessions_told();
    assert_eq!(
        told.last().unwrap().reading.unwrap().power,
        Power::from_watts(7400)
    );
    let bare = session(&json!({"last_updated": "2026-11-22T15:59:40Z"}));
    world.asks("PUT", S1, Some(&bare)).await;
    assert_eq!(
        world.asks("GET", S1, None).await.body["data"].get("charging_periods"),
        None
    );
}

#[actix_web::test]
async fn a_patch_without_periods_does_not_make_an_old_power_new() {
    let world = World::with_partner().await;
    let period = json!([{"start_date_time": "2026-11-22T15:00:00Z",
        "dimensions": [{"type": "POWER", "volume": 11.0}]}]);
    world
        .asks(
            "PUT",
            S1,
            Some(&session(&json!({"charging_periods": period}))),
        )
        .await;
    let before = world.sessions_told()[0].reading.unwrap().at;
    let patch = json!({"kwh": 3.0, "last_updated": "2026-11-22T15:59:50Z"});
    world.asks("PATCH", S1, Some(&patch)).await;
    let session = &world.sessions_told()[0];
    assert_eq!(session.reading.unwrap().at, before);
    assert!(session.updated_at > before);
}

#[actix_web::test]
async fn a_patch_needs_last_updated_and_a_known_session() {
    let world = World::with_partner().await;
    let patch = json!({"kwh": 3.0, "last_updated": "2026-11-22T15:59:50Z"});
    assert_eq!(
        world.asks("PATCH", S1, Some(&patch)).await.codes(),
        (404, 2003)
    );
    assert!(
        world.edge.take_wanted_pulls().contains_key(&partner_id()),
        "it is read back"
    );
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    assert_eq!(
        world
            .asks("PATCH", S1, Some(&json!({"kwh": 3})))
            .await
            .codes(),
        (200, 2001)
    );
    assert_eq!(
        world.asks("PATCH", S1, Some(&json!([]))).await.codes(),
        (200, 2001)
    );
    assert_eq!(world.asks("DELETE", S1, None).await.http, 405);
    assert_eq!(
        world
            .asks("GET", "/ocpi/2.2.1/sessions/NL/CPO/S9", None)
            .await
            .http,
        404
    );
}

#[actix_web::test]
async fn nobody_writes_objects_of_another_party() {
    let world = World::with_partner().await;
    let other = PartnerId::new("other").unwrap();
    world.enter(&other, "XYZ", "token-of-other").await;
    let foreign = "/ocpi/2.2.1/sessions/NL/XYZ/S1";
    let body = session(&json!({"party_id": "XYZ"}));
    assert_eq!(world.asks("PUT", foreign, Some(&body)).await.http, 404);
    let renamed = session(&json!({"id": "S2"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&renamed)).await.codes(),
        (200, 2001)
    );
    let renamed = session(&json!({"party_id": "XYZ"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&renamed)).await.codes(),
        (200, 2001)
    );
    // Equal ids of two partners are two sessions.
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    let token = shown("token-of-other");
    let headers = [("Authorization", token.as_str())];
    assert_eq!(world.asks_as("GET", foreign, "", &headers).await.http, 404);
    assert_eq!(world.asks_as("GET", S1, "", &headers).await.http, 404);
}

#[actix_web::test]
async fn a_session_that_moves_leaves_the_evse_it_was_at() {
    let world = World::with_partner().await;
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    world.memory.take_told();
    let moved = json!({"evse_uid": "E2", "last_updated": "2026-11-22T15:59:30Z"});
    world.asks("PATCH", S1, Some(&moved)).await;
    let told: Vec<_> = world
        .sessions_told()
        .into_iter()
        .map(|session| (session.evse.to_string(), session.status))
        .collect();
    assert_eq!(
        told,
        [
            ("e1".into(), SessionStatus::Ended),
            ("e2".into(), SessionStatus::Active)
        ]
    );
}

#[actix_web::test]
async fn a_completed_session_ends_and_a_reservation_tells_nobody() {
    let world = World::with_partner().await;
    let reserved = session(&json!({"status": "RESERVATION", "evse_uid": "#NA"}));
    assert_eq!(
        world.asks("PUT", S1, Some(&reserved)).await.codes(),
        (201, 1000)
    );
    assert!(world.memory.take_told().is_empty());
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    let done = json!({"status": "COMPLETED", "end_date_time": "2026-11-22T15:59:10Z",
        "last_updated": "2026-11-22T15:59:20Z"});
    world.asks("PATCH", S1, Some(&done)).await;
    let told = world.sessions_told();
    assert_eq!(told[1].status, SessionStatus::Ended);
    assert_eq!(
        told[1].ended_at,
        Some("2026-11-22T15:59:10Z".parse().unwrap())
    );
}

#[actix_web::test]
async fn what_cannot_be_stored_is_not_acknowledged() {
    let world = World::with_partner().await;
    *world.memory.is_full.lock().unwrap() = true;
    assert_eq!(
        world
            .asks("PUT", S1, Some(&session(&json!({}))))
            .await
            .codes(),
        (503, 3000)
    );
    *world.memory.is_full.lock().unwrap() = false;
    assert_eq!(world.asks("GET", S1, None).await.http, 404);
}

#[actix_web::test]
async fn preferences_reach_the_site_of_their_session() {
    let world = World::with_partner().await;
    let path = "/ocpi/2.3.0/sessions/s1/charging_preferences";
    let wish = json!({"profile_type": "CHEAP", "departure_time": "2026-11-23T06:00:00Z",
        "energy_need": 30});
    assert_eq!(
        world.asks("PUT", path, Some(&wish)).await.codes(),
        (404, 2001)
    );
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    world.memory.take_told();
    let answered = world.asks("PUT", path, Some(&wish)).await;
    assert_eq!(answered.body["data"], json!("ACCEPTED"));
    match &world.memory.take_told()[0].1 {
        EventKind::NeedsStated {
            session,
            evse,
            needs,
        } => {
            assert_eq!(session.as_str(), "nl*cpo*s1");
            assert_eq!(*evse, Some(EvseId::new("e1").unwrap()));
            assert_eq!(needs.energy, Some(Energy::from_kilowatt_hours(30.0)));
        }
        other => panic!("{other:?}"),
    }
    let open = world
        .asks("PUT", path, Some(&json!({"profile_type": "CHEAP"})))
        .await;
    assert_eq!(open.body["data"], json!("DEPARTURE_REQUIRED"));
    let elsewhere = session(&json!({"id": "S7", "evse_uid": "E9"}));
    world
        .asks("PUT", "/ocpi/2.2.1/sessions/NL/CPO/S7", Some(&elsewhere))
        .await;
    let path = "/ocpi/2.3.0/sessions/S7/charging_preferences";
    assert_eq!(
        world.asks("PUT", path, Some(&wish)).await.body["data"],
        json!("NOT_POSSIBLE")
    );
}

#[actix_web::test]
async fn as_sender_we_own_no_sessions() {
    let world = World::with_partner().await;
    let token = shown(TOKEN_B);
    let headers = [("Authorization", token.as_str())];
    let list = world
        .asks_as("GET", "/ocpi/2.2.1/sessions?date_from=x", "", &headers)
        .await;
    assert_eq!(list.body["data"], json!([]));
    assert_eq!(list.header("x-total-count"), Some("0"));
}

#[actix_web::test]
async fn an_emsp_passes_on_sessions_of_cpos_and_their_ids_find_them() {
    let world = World::with_partner().await;
    let name = partner_id();
    let change = world.edge.change(&name, |record| {
        record.roles[0].role = ocpi_client::types::Role::Emsp;
        Ok(())
    });
    change.await.unwrap();
    let path = "/ocpi/2.2.1/sessions/BE/ZZZ/S8";
    let body = session(&json!({"country_code": "BE", "party_id": "ZZZ", "id": "S8"}));
    assert_eq!(
        world.asks("PUT", path, Some(&body)).await.codes(),
        (201, 1000)
    );
    let path = "/ocpi/2.2.1/sessions/S8/charging_preferences";
    let wish = json!({"profile_type": "FAST"});
    assert_eq!(
        world.asks("PUT", path, Some(&wish)).await.body["data"],
        json!("ACCEPTED")
    );
}
