//! What we ask of a partner about profiles: set, cleared and read; and whether it is asked at all.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::cpo::Cpo;
use super::world::{S1, World, partner_id, session, site, source};
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::id::CommandId;
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::ocpi::Reach;
use crate::ocpi::check::all_passed;

/// A world whose edge has registered at a platform.
pub(super) async fn registered() -> (World, Cpo) {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    let url = cpo.versions_url();
    let rows = world
        .edge
        .register(&partner_id(), &url, "token-a-0123456789")
        .await
        .unwrap();
    assert!(all_passed(&rows), "{rows:#?}");
    world.memory.take_told();
    cpo.with(|platform| platform.asked.clear());
    (world, cpo)
}

impl World {
    pub(super) fn set_profile(&self) -> Command {
        self.command(Action::SetProfile {
            profile: Profile {
                unit: RateUnit::Amps,
                start: self.now(),
                periods: vec![
                    ProfilePeriod {
                        start_s: 0,
                        limit: Tenths(160),
                    },
                    ProfilePeriod {
                        start_s: 900,
                        limit: Tenths(60),
                    },
                ],
                duration_s: None,
            },
        })
    }

    /// The same for another session of the partner.
    pub(super) fn set_profile_of(&self, native: &str) -> Command {
        Command {
            native_session: Some(native.into()),
            ..self.set_profile()
        }
    }

    fn command(&self, action: Action) -> Command {
        Command {
            id: CommandId(7),
            evse: "e1".parse().unwrap(),
            session: Some("nl*cpo*s-1".parse().unwrap()),
            native_session: Some("S/1".into()),
            plan: None,
            issued_at: self.now(),
            action,
        }
    }

    pub(super) async fn sends(&self, command: &Command) -> Answer {
        self.edge.send(&site(), &source("e1"), command).await
    }

    fn results_awaited(&self) -> usize {
        let records = self.memory.records.lock().unwrap();
        records
            .keys()
            .filter(|key| key.starts_with("result/"))
            .count()
    }
}

#[actix_web::test]
async fn a_profile_is_put_and_accepted_is_not_applied() {
    let (world, cpo) = registered().await;
    let answer = world.sends(&world.set_profile()).await;
    let deadline = world.now() + TimeDelta::seconds(60);
    assert_eq!(answer, Answer::Accepted { deadline });
    let (path, body) = cpo.asked("PUT", "/profiles/").remove(0);
    assert_eq!(path, "/profiles/S%2F1");
    assert_eq!(
        body["charging_profile"],
        json!({"start_date_time": "2026-11-22T16:00:00Z", "charging_rate_unit": "A",
            "charging_profile_period": [
                {"start_period": 0, "limit": 16.0}, {"start_period": 900, "limit": 6.0}]})
    );
    let url = body["response_url"].as_str().unwrap();
    assert!(
        url.contains("/ocpi/2.3.0/chargingprofiles/result/set/"),
        "{url}"
    );
    assert!(url.len() <= 255);
    assert_eq!(world.results_awaited(), 1);
    // A timeout of 0 means nothing: 30 s then.
    cpo.with(|p| p.profile_answer = (200, json!({"result": "ACCEPTED", "timeout": 0})));
    let deadline = world.now() + TimeDelta::seconds(30);
    assert_eq!(
        world.sends(&world.set_profile()).await,
        Answer::Accepted { deadline }
    );
}

#[actix_web::test]
async fn a_result_that_overtakes_its_answer_is_what_is_known() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.early_result = Some(json!({"result": "ACCEPTED"})));
    let answer = world.sends(&world.set_profile()).await;
    let applied = Answer::Applied {
        evidence: Evidence::Result,
    };
    assert_eq!(answer, applied);
    let told = world.memory.take_told();
    assert_eq!(
        told[0].1,
        EventKind::CommandAnswered {
            command: CommandId(7),
            answer: applied
        }
    );
    cpo.with(|p| p.early_result = Some(json!({"result": "REJECTED"})));
    let answer = world.sends(&world.command(Action::ClearProfile)).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(
        cpo.asked("DELETE", "/profiles/S%2F1?response_url=").len(),
        1
    );
}

#[actix_web::test]
async fn what_holds_is_asked_for_with_a_duration_and_its_own_url() {
    let (world, cpo) = registered().await;
    world.sends(&world.command(Action::ReadProfile)).await;
    let (path, _) = cpo.asked("GET", "/profiles/").remove(0);
    assert!(
        path.starts_with("/profiles/S%2F1?duration=3600&response_url=http%3A%2F%2F"),
        "{path}"
    );
    assert!(path.contains("%2Fresult%2Factive%2F"), "{path}");
}

#[actix_web::test]
async fn each_answer_of_a_platform_is_understood() {
    let (world, cpo) = registered().await;
    for (status, body, reason) in [
        (
            200,
            json!({"result": "REJECTED", "timeout": 0}),
            Refusal::Rejected,
        ),
        (
            200,
            json!({"result": "NOT_SUPPORTED", "timeout": 0}),
            Refusal::NotSupported,
        ),
        (
            200,
            json!({"result": "TOO_OFTEN", "timeout": 0}),
            Refusal::TooOften,
        ),
        (
            200,
            json!([{"result": "UNKNOWN_SESSION"}]),
            Refusal::UnknownSession,
        ),
        (404, Value::Null, Refusal::UnknownSession),
        (422, Value::Null, Refusal::Rejected),
        (429, Value::Null, Refusal::TooOften),
    ] {
        cpo.with(|p| p.profile_answer = (status, body.clone()));
        match world.sends(&world.set_profile()).await {
            Answer::Refused { reason: found, .. } => assert_eq!(found, reason, "{status} {body}"),
            other => panic!("{status} {body}: {other:?}"),
        }
    }
    assert!(
        world.edge.take_wanted_pulls().contains_key(&partner_id()),
        "UNKNOWN_SESSION reads back"
    );
    for (status, body) in [
        (500, Value::Null),
        (200, json!("yes")),
        (200, json!({"result": "X"})),
    ] {
        cpo.with(|p| p.profile_answer = (status, body.clone()));
        let answer = world.sends(&world.set_profile()).await;
        assert!(
            matches!(answer, Answer::Unknown { .. }),
            "{status} {body}: {answer:?}"
        );
    }
}

#[actix_web::test]
async fn trust_in_an_immediate_accepted_is_the_operator_s_own() {
    let (world, _cpo) = registered().await;
    world
        .edge
        .trust_sync_accept(&partner_id(), true)
        .await
        .unwrap();
    let answer = world.sends(&world.set_profile()).await;
    assert_eq!(
        answer,
        Answer::Applied {
            evidence: Evidence::TrustedSyncAccept
        }
    );
    let read = world.sends(&world.command(Action::ReadProfile)).await;
    assert!(matches!(read, Answer::Accepted { .. }), "{read:?}");
}

#[actix_web::test]
async fn not_sent_is_said_only_when_nothing_left() {
    let world = World::with_partner().await;
    let answer = world.sends(&world.set_profile()).await;
    assert!(
        matches!(answer, Answer::NotSent { .. }),
        "no endpoint: {answer:?}"
    );
    let name = partner_id();
    let change = world.edge.change(&name, |record| {
        record.endpoints = serde_json::from_value(json!([{"identifier": "chargingprofiles",
            "role": "RECEIVER", "url": "http://127.0.0.1:9/profiles"}]))
        .unwrap();
        Ok(())
    });
    change.await.unwrap();
    let answer = world.sends(&world.set_profile()).await;
    assert!(
        matches!(answer, Answer::NotSent { .. }),
        "connection refused: {answer:?}"
    );
    assert_eq!(world.results_awaited(), 0, "its URL is of no use");
    *world.memory.is_full.lock().unwrap() = true;
    let answer = world.sends(&world.set_profile()).await;
    assert!(
        matches!(answer, Answer::NotSent { .. }),
        "the result URL was not durable: {answer:?}"
    );
}

#[actix_web::test]
async fn a_partner_that_locks_us_out_is_left_alone_until_it_was_read_back() {
    let (world, cpo) = registered().await;
    let expects = cpo.with(|p| std::mem::take(&mut p.expects));
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    // One look whether it is the token or only that request, and then nothing for five minutes.
    cpo.with(|p| p.asked.clear());
    for _ in 0..3 {
        let answer = world.sends(&world.set_profile()).await;
        assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
    }
    assert_eq!(cpo.with(|p| p.asked.len()), 1, "one probe");
    assert_eq!(cpo.asked("GET", "/versions").len(), 1);
    cpo.with(|p| p.expects = expects);
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[actix_web::test]
async fn a_403_for_one_session_locks_no_other_out() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.profile_answer = (403, json!(null)));
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    cpo.with(|p| p.profile_answer = (200, json!({"result": "ACCEPTED", "timeout": 5})));
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}

#[actix_web::test]
async fn an_evse_that_fails_for_ever_does_not_stop_its_partner() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.failing_sessions = vec!["S/1".into()]);
    for _ in 0..10 {
        let answer = world.sends(&world.set_profile()).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
    let answer = world.sends(&world.set_profile_of("S/2")).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    // Nor do three: the partner answers a probe, so it is there.
    cpo.with(|p| p.failing_sessions = ["S/1", "S/2", "S/3"].map(String::from).to_vec());
    for round in 0..4 {
        world.goes_on(TimeDelta::seconds(15));
        for bad in ["S/1", "S/2", "S/3"] {
            let answer = world.sends(&world.set_profile_of(bad)).await;
            assert!(
                matches!(answer, Answer::Unknown { .. }),
                "{round}: {answer:?}"
            );
        }
        let answer = world.sends(&world.set_profile_of("S/4")).await;
        assert!(
            matches!(answer, Answer::Accepted { .. }),
            "{round}: {answer:?}"
        );
        assert_eq!(world.edge.silence_s(&partner_id()), None);
    }
}

#[actix_web::test]
async fn a_partner_that_is_not_there_is_probed_and_is_asked_again_once_it_calls_us() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.is_down = true);
    let mut answers = Vec::new();
    for session in ["S/1", "S/2", "S/3", "S/4", "S/5"] {
        answers.push(world.sends(&world.set_profile_of(session)).await);
    }
    let left = |answer: &Answer| !matches!(answer, Answer::NotSent { .. });
    assert_eq!(
        answers.iter().filter(|answer| left(answer)).count(),
        3,
        "{answers:?}"
    );
    assert!(world.edge.silence_s(&partner_id()).is_some_and(|s| s <= 2));
    // An hour of trying every second: a probe each five minutes once the pauses have grown.
    cpo.with(|p| p.asked.clear());
    for _ in 0..3600 {
        world.goes_on(TimeDelta::seconds(1));
        let answer = world.sends(&world.set_profile()).await;
        assert!(!left(&answer), "{answer:?}");
    }
    let probes = cpo.with(|p| p.asked.len());
    assert!((13..=24).contains(&probes), "{probes} probes");
    // It is back, and pushes a session: the next request goes.
    cpo.with(|p| p.is_down = false);
    assert!(world.edge.silence_s(&partner_id()).is_some());
    // Within ten seconds of a probe that failed, a call of theirs would not bring another one.
    world.goes_on(TimeDelta::seconds(10));
    let put = world
        .asks_as_partner(&cpo, "PUT", S1, &session(&json!({})))
        .await;
    assert_eq!(put.codes(), (201, 1000));
    assert_eq!(world.edge.silence_s(&partner_id()), None);
    let answer = world.sends(&world.set_profile()).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
}
