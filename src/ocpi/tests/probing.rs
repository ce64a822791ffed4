//! The check list of a partner, and what is remembered of its deviations.

use chrono::TimeDelta;
use serde_json::json;

use super::calling::registered;
use super::world::{S1, World, partner_id, session};
use crate::ocpi::check::{CheckRow, CheckStatus, all_passed};

fn row<'r>(rows: &'r [CheckRow], step: &str) -> &'r CheckRow {
    rows.iter()
        .find(|row| row.step == step)
        .unwrap_or_else(|| panic!("no row {step} in {rows:#?}"))
}

#[actix_web::test]
async fn the_way_back_is_tried_with_a_running_session() {
    let (world, cpo) = registered().await;
    cpo.with(|platform| {
        platform.sessions = vec![
            session(&json!({"id": "OLD", "status": "COMPLETED"})),
            session(&json!({"id": "S7", "start_date_time": "2026-11-22T15:30:00Z"})),
        ];
        platform.early_result = Some(json!({"result": "ACCEPTED"}));
    });
    let rows = world.edge.test(&partner_id()).await.unwrap();
    assert!(all_passed(&rows), "{rows:#?}");
    let asked = cpo.asked("GET", "/profiles/S7").remove(0).0;
    assert!(asked.contains("duration=300"), "{asked}");
    let came = row(&rows, "response_url");
    assert_eq!(came.status, CheckStatus::Ok);
    assert!(came.detail.contains("a result came"), "{came:?}");
    assert!(row(&rows, "sessions").detail.starts_with("1 active, 2"));
    // No command of a site is touched by it.
    assert!(world.memory.take_told().is_empty());
}

#[actix_web::test]
async fn accepted_without_a_result_fails_and_says_what_must_be_reachable() {
    let (world, cpo) = registered().await;
    cpo.with(|platform| platform.sessions = vec![session(&json!({}))]);
    let test = {
        let edge = world.edge.clone();
        actix_web::rt::spawn(async move { edge.test(&partner_id()).await.unwrap() })
    };
    // A peer over a socket: polled, with a deadline of 10 s.
    for _ in 0..2_000 {
        if !cpo.asked("GET", "/profiles/").is_empty() {
            break;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Time goes by until the wait of 15 s is over; it is moved, and polled for 10 s at most.
    for _ in 0..2_000 {
        if test.is_finished() {
            break;
        }
        world.goes_on(TimeDelta::seconds(1));
        actix_web::rt::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(test.is_finished(), "the test of the way back does not end");
    let rows = test.await.unwrap();
    let silent = row(&rows, "response_url");
    assert_eq!(silent.status, CheckStatus::Failed);
    assert!(silent.advice.as_deref().unwrap().contains("reachable"));
}

#[actix_web::test]
async fn without_a_session_what_is_known_is_said() {
    let (world, cpo) = registered().await;
    let rows = world.edge.test(&partner_id()).await.unwrap();
    assert!(cpo.asked("GET", "/profiles/").is_empty());
    assert!(row(&rows, "chargingprofiles").detail.contains("no session"));
    // It called our versions while we registered.
    assert!(row(&rows, "response_url").detail.contains("reached us"));
    assert_eq!(row(&rows, "tariffs").status, CheckStatus::Ok);
}

#[actix_web::test]
async fn a_failed_row_says_what_to_change_and_shows_the_exchange() {
    let (world, cpo) = registered().await;
    cpo.with(|platform| platform.is_broken = true);
    let rows = world.edge.test(&partner_id()).await.unwrap();
    let failed = row(&rows, "locations");
    assert_eq!(failed.status, CheckStatus::Failed);
    assert!(failed.advice.as_deref().unwrap().contains("your log"));
    let exchange = &failed.exchange.as_ref().unwrap().exchange;
    assert_eq!(exchange.status, Some(500));
    assert!(exchange.url.contains("/locations"));
}

#[actix_web::test]
async fn a_trial_s_result_is_taken_once_and_from_nobody_else() {
    let world = World::with_partner().await;
    let path = format!(
        "/ocpi/2.2.1/chargingprofiles/result/trial/{}",
        "0".repeat(32)
    );
    let body = json!({"result": "ACCEPTED"});
    assert_eq!(world.asks("POST", &path, Some(&body)).await.http, 404);
}

#[actix_web::test]
async fn deviations_are_remembered_with_place_and_advice_over_a_restart() {
    let world = World::with_partner().await;
    let odd = session(&json!({"kwh": "2.5", "start_date_time": "2026-11-22T15:00:00+00:00"}));
    world.asks("PUT", S1, Some(&odd)).await;
    world.goes_on(TimeDelta::minutes(1));
    let later = json!({"kwh": "2.6", "last_updated": "2026-11-22T16:00:30Z"});
    world.asks("PUT", S1, Some(&session(&later))).await;
    world.edge.keep_deviations().await.unwrap();
    let world = world.restarted().await;
    let seen = world.edge.show(&partner_id()).unwrap().deviations;
    let number = seen
        .iter()
        .find(|seen| seen.id == "number.as_text")
        .unwrap();
    assert_eq!((number.path.as_str(), number.count), ("$.kwh", 2));
    assert!(number.section.contains("mod_sessions"), "{number:?}");
    assert!(number.advice.as_deref().unwrap().contains("without quotes"));
    assert!(number.first_seen_at < number.last_seen_at);
    assert!(
        seen.iter().any(|seen| seen.id == "datetime.offset"),
        "{seen:#?}"
    );
    world.edge.remove(&partner_id()).await.unwrap();
    let records = world.memory.records.lock().unwrap();
    assert!(!records.keys().any(|key| key.starts_with("deviation/")));
}
