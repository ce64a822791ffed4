//! One partner does everything wrong that was seen in the field; another beside it notices nothing.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::calling::registered;
use super::cpo::Cpo;
use super::world::{S1, World, partner_id, session, shown, site};
use crate::domain::command::{Answer, Refusal};
use crate::domain::evse::EvseSource;
use crate::domain::id::PartnerId;
use crate::domain::session::SessionStatus;
use crate::ocpi::Reach;
use crate::ocpi::check::all_passed;

/// What an answer must mean.
type Check = Box<dyn Fn(&Answer) -> bool>;

/// What a platform answers to a profile, and what that must mean here.
#[actix_web::test]
async fn every_way_to_answer_a_profile_seen_in_the_field_is_understood() {
    let (world, cpo) = registered().await;
    let accepted = |answer: &Answer| matches!(answer, Answer::Accepted { .. });
    let refused = |reason: Refusal| move |answer: &Answer| matches!(answer, Answer::Refused { reason: told, .. } if *told == reason);
    let unknown = |answer: &Answer| matches!(answer, Answer::Unknown { .. });
    let rows: Vec<(u16, Value, Check)> = vec![
        // Accepts everything and never calls back.
        (
            200,
            json!({"result": "ACCEPTED", "timeout": 30}),
            Box::new(accepted),
        ),
        // The answer wrapped in a list of one; no timeout worth the name.
        (
            200,
            json!([{"result": "ACCEPTED", "timeout": 0}]),
            Box::new(accepted),
        ),
        (200, json!({"result": "ACCEPTED"}), Box::new(accepted)),
        (
            200,
            json!({"result": "accepted", "timeout": 5}),
            Box::new(accepted),
        ),
        // A schema of its own.
        (
            422,
            json!([{"loc": ["body"], "msg": "field required"}]),
            Box::new(refused(Refusal::Rejected)),
        ),
        (
            403,
            json!({"detail": "no"}),
            Box::new(refused(Refusal::Rejected)),
        ),
        (
            200,
            json!({"result": "UNKNOWN_SESSION", "timeout": 0}),
            Box::new(refused(Refusal::UnknownSession)),
        ),
        (404, json!(null), Box::new(refused(Refusal::UnknownSession))),
        (
            200,
            json!({"result": "NOT_SUPPORTED", "timeout": 0}),
            Box::new(refused(Refusal::NotSupported)),
        ),
        (
            200,
            json!({"result": "PERHAPS", "timeout": 0}),
            Box::new(unknown),
        ),
        (502, json!("<html>"), Box::new(unknown)),
    ];
    for (status, answer, is_right) in rows {
        cpo.with(|platform| platform.profile_answer = (status, answer.clone()));
        // A locked door pauses everything for a while.
        world.goes_on(TimeDelta::minutes(20));
        let outcome = world.sends(&world.set_profile()).await;
        assert!(is_right(&outcome), "{status} {answer}: {outcome:?}");
    }
}

/// Sessions as several platforms write them; none may be lost.
fn odd_sessions() -> Vec<Value> {
    let odd = |id: &str, changes: Value| {
        let mut body = session(&json!({"id": id}));
        let fields = body.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        body
    };
    vec![
        odd(
            "s-lower",
            json!({"country_code": "nl", "party_id": "cpo", "evse_uid": "e1"}),
        ),
        odd("S-CONNECTOR", json!({"connector_id": ""})),
        odd(
            "S-TOKEN",
            json!({"cdr_token": {"uid": "C", "type": "RFID", "contract_id": "X"}}),
        ),
        odd(
            "S-PRIVATE",
            json!({"_id": "5f", "__v": 0, "total_power": 7400}),
        ),
        odd(
            "S-OFFSET",
            json!({"start_date_time": "2026-11-22T16:00:00+01:00"}),
        ),
        odd("S-NUMBER", json!({"kwh": "2.5"})),
        odd(
            "S-NULLS",
            json!({"charging_periods": null, "end_date_time": null}),
        ),
        odd(
            "S-RESERVED",
            json!({"status": "RESERVED", "evse_uid": "#NA"}),
        ),
        odd(
            "S-WH",
            json!({"kwh": 41.12, "charging_periods": [{"start_date_time":
            "2026-11-22T15:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 41120}]}]}),
        ),
        odd(
            "S-ENUM",
            json!({"status": "SUSPENDED", "auth_method": "OTHER"}),
        ),
        odd(
            "S-SINGLE",
            json!({"charging_periods": {"start_date_time": "2026-11-22T15:00:00Z",
            "dimensions": [{"type": "POWER", "volume": 7.4}]}}),
        ),
    ]
}

#[actix_web::test]
async fn no_oddly_written_session_is_lost_pushed_or_pulled() {
    let (world, cpo) = registered().await;
    let count = odd_sessions().len();
    cpo.with(|platform| {
        platform.sessions = odd_sessions();
        platform.sessions.push(json!("not an object"));
    });
    let pulled = world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!((pulled.sessions, pulled.nameless), (count, 1));
    let pushed = World::with_partner().await;
    for body in odd_sessions() {
        let id = body["id"].as_str().unwrap();
        let path = format!("/ocpi/2.2.1/sessions/NL/CPO/{id}");
        let answer = pushed.asks("PUT", &path, Some(&body)).await;
        assert_eq!(answer.codes(), (201, 1000), "{body}");
    }
    let seen = pushed.edge.show(&partner_id()).unwrap().deviations;
    for id in [
        "datetime.offset",
        "number.as_text",
        "list.single_object",
        "enum.alias",
    ] {
        assert!(seen.iter().any(|one| one.id == id), "{id}");
    }
}

#[actix_web::test]
async fn a_partner_that_is_down_for_an_hour_changes_nothing_for_another() {
    let (world, down) = registered().await;
    let other = PartnerId::new("other").unwrap();
    let alive = Cpo::expecting("token-a-of-the-other-1");
    world
        .edge
        .register(&other, &alive.versions_url(), "token-a-of-the-other-1")
        .await
        .unwrap();
    down.with(|platform| platform.is_broken = true);
    let token = alive.with(|platform| platform.shows.clone().unwrap());
    let header = shown(&token);
    for minute in 0..60 {
        world.goes_on(TimeDelta::minutes(1));
        let broken = world.edge.pull(&partner_id(), Reach::Full).await;
        assert!(broken.is_err());
        let whole = world.edge.pull(&other, Reach::Full).await;
        assert!(whole.is_ok(), "minute {minute}: {whole:?}");
        let at = world.now() - TimeDelta::seconds(1);
        let body = session(&json!({"last_updated": at.format("%Y-%m-%dT%H:%M:%SZ").to_string()}));
        let put = world
            .asks_as("PUT", S1, &body.to_string(), &[("Authorization", &header)])
            .await;
        assert_eq!(put.body["status_code"], 1000, "minute {minute}");
    }
    // Its last known sessions are as they were, and it comes back as if nothing had been.
    down.with(|platform| {
        platform.is_broken = false;
        platform.sessions = vec![session(&json!({"id": "AFTER"}))];
    });
    world.memory.take_told();
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    let told = world.sessions_told();
    assert!(
        told.iter()
            .any(|s| s.native_id == "AFTER" && s.status == SessionStatus::Active)
    );
}

/// The longest of all but one in a hundred.
fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[(all.len() * 99).div_ceil(100) - 1]
}

/// Half a deadline of the partner that hangs: whoever waited for it would take longer.
const NOBODY_WAITS: Duration = Duration::from_millis(500);

#[actix_web::test]
async fn a_partner_that_takes_everything_and_answers_nothing_for_an_hour_slows_nobody_else() {
    let world = World::served_with(|settings| settings.request_timeout = NOBODY_WAITS * 2).await;
    let (hanging, other) = (
        Cpo::expecting("token-a-0123456789"),
        Cpo::expecting("token-a-other-12"),
    );
    let other_id = PartnerId::new("other").unwrap();
    for (name, cpo, token) in [
        (&partner_id(), &hanging, "token-a-0123456789"),
        (&other_id, &other, "token-a-other-12"),
    ] {
        let url = cpo.versions_url();
        let rows = world.edge.register(name, &url, token).await.unwrap();
        assert!(all_passed(&rows), "{rows:#?}");
    }
    let source = EvseSource::Ocpi {
        partner: other_id,
        location_id: "loc1".into(),
        evse_uid: "e9".into(),
    };
    // From a session's push to the answer of a profile's PUT.
    let round = async || {
        #[expect(
            clippy::disallowed_methods,
            reason = "how long it really takes is what is measured"
        )]
        let began = Instant::now();
        let at = world.now() - TimeDelta::seconds(1);
        let body = session(&json!({"last_updated": at.format("%Y-%m-%dT%H:%M:%SZ").to_string()}));
        let put = world.asks_as_partner(&other, "PUT", S1, &body).await;
        assert_eq!(put.body["status_code"], 1000);
        let answer = world
            .edge
            .send(&site(), &source, &world.set_profile())
            .await;
        assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
        began.elapsed()
    };
    let mut alone = Vec::new();
    for _ in 0..60 {
        alone.push(round().await);
    }
    hanging.with(|platform| platform.hangs = true);
    let mut beside = Vec::new();
    for minute in 0..60 {
        world.goes_on(TimeDelta::minutes(1));
        let commands = ["S/1", "S/2", "S/3", "S/4"].map(|native| world.set_profile_of(native));
        let sends = commands.iter().map(|command| world.sends(command));
        let hour = async {
            if minute % 20 == 0 {
                let pulled = world.edge.pull(&partner_id(), Reach::Full).await;
                assert!(pulled.is_err());
            }
            futures_util::future::join_all(sends).await
        };
        let ((), answers) =
            futures_util::future::join(async { beside.push(round().await) }, hour).await;
        assert!(
            answers
                .iter()
                .all(|answer| !matches!(answer, Answer::Accepted { .. }))
        );
    }
    let (alone, beside) = (p99(alone), p99(beside));
    assert!(
        beside < NOBODY_WAITS.max(alone * 3),
        "alone {alone:?}, beside {beside:?}"
    );
    // It comes back as if nothing had been.
    hanging.with(|platform| {
        platform.hangs = false;
        platform.sessions = vec![session(&json!({"id": "AFTER"}))];
    });
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}
