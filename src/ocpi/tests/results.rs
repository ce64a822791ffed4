//! Results of our requests about profiles, and active profiles that are pushed.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::world::{S1, World, partner_id, session, shown};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::id::{CommandId, PartnerId, SiteId};
use crate::domain::profile::{RateUnit, Tenths};
use crate::ocpi::results::{ResultKind, ResultRecord, new_id};

impl World {
    /// Waits for the result of command 7 on session S1; gives the path of its URL.
    fn awaits(&self, kind: ResultKind) -> String {
        let id = new_id();
        let record = ResultRecord {
            partner: partner_id(),
            kind,
            site: SiteId::new("depot").unwrap(),
            command: CommandId(7),
            evse: "e1".parse().unwrap(),
            session: "nl*cpo*s1".parse().unwrap(),
            expires_at: self.now() + TimeDelta::hours(24),
            answer: None,
        };
        let key = ResultRecord::key(self.edge.tenant(), &id);
        let write = record.write(key);
        self.memory
            .records
            .lock()
            .unwrap()
            .insert(write.key, write.value.unwrap());
        format!("/ocpi/2.2.1/chargingprofiles/result/{}/{id}", kind.as_str())
    }

    fn answer_told(&self) -> Option<Answer> {
        let told = self.memory.take_told();
        assert!(told.len() <= 1, "{told:?}");
        told.into_iter().next().map(|(_, event)| match event {
            EventKind::CommandAnswered {
                command: CommandId(7),
                answer,
            } => answer,
            other => panic!("{other:?}"),
        })
    }
}

#[actix_web::test]
async fn a_result_is_told_to_the_site_bare_or_wrapped() {
    let world = World::with_partner().await;
    let applied = Answer::Applied {
        evidence: Evidence::Result,
    };
    for body in [
        json!({"result": "ACCEPTED"}),
        json!({"result": "ACCEPTED", "profile": null}),
        json!({"data": {"result": "ACCEPTED"}, "status_code": 1000}),
        json!([{"result": "accepted"}]),
    ] {
        let url = world.awaits(ResultKind::Set);
        assert_eq!(
            world.asks("POST", &url, Some(&body)).await.codes(),
            (200, 1000),
            "{body}"
        );
        assert_eq!(world.answer_told(), Some(applied.clone()), "{body}");
    }
    let url = world.awaits(ResultKind::Clear);
    world
        .asks("POST", &url, Some(&json!({"result": "REJECTED"})))
        .await;
    assert!(matches!(
        world.answer_told(),
        Some(Answer::Refused {
            reason: Refusal::Rejected,
            ..
        })
    ));
    for result in ["UNKNOWN", "MAYBE"] {
        let url = world.awaits(ResultKind::Set);
        world
            .asks("POST", &url, Some(&json!({"result": result})))
            .await;
        assert!(
            matches!(world.answer_told(), Some(Answer::Unknown { .. })),
            "{result}"
        );
    }
}

#[actix_web::test]
async fn a_result_counts_once() {
    let world = World::with_partner().await;
    let url = world.awaits(ResultKind::Set);
    world
        .asks("POST", &url, Some(&json!({"result": "REJECTED"})))
        .await;
    world.memory.take_told();
    let again = world
        .asks("POST", &url, Some(&json!({"result": "ACCEPTED"})))
        .await;
    assert_eq!(again.codes(), (200, 1000));
    assert!(world.memory.take_told().is_empty());
}

#[actix_web::test]
async fn a_result_that_says_nothing_leaves_room_for_the_true_one() {
    let world = World::with_partner().await;
    for nothing in ["UNKNOWN", "MAYBE"] {
        let url = world.awaits(ResultKind::Set);
        for result in [nothing, "ACCEPTED"] {
            let body = json!({"result": result});
            let answered = world.asks("POST", &url, Some(&body)).await;
            assert_eq!(answered.codes(), (200, 1000));
        }
        let told = world.memory.take_told();
        let applied = EventKind::CommandAnswered {
            command: CommandId(7),
            answer: Answer::Applied {
                evidence: Evidence::Result,
            },
        };
        assert_eq!(told.last().map(|(_, event)| event), Some(&applied));
    }
}

#[actix_web::test]
async fn a_result_is_taken_from_nobody_else_nowhere_else_and_not_for_ever() {
    let world = World::with_partner().await;
    world
        .enter(&PartnerId::new("other").unwrap(), "XYZ", "token-of-other")
        .await;
    let body = json!({"result": "ACCEPTED"});
    let url = world.awaits(ResultKind::Set);
    let token = shown("token-of-other");
    let headers = [("Authorization", token.as_str())];
    let forged = world
        .asks_as("POST", &url, &body.to_string(), &headers)
        .await;
    assert_eq!(forged.http, 404);
    assert_eq!(
        world
            .asks_as("POST", &url, &body.to_string(), &[])
            .await
            .http,
        401
    );
    for wrong in [
        url.replace("/set/", "/clear/"),
        url.replace("/set/", "/odd/"),
        format!("/ocpi/2.2.1/chargingprofiles/result/set/{}", new_id()),
        "/ocpi/2.2.1/chargingprofiles/result/set/..%2F..%2Fpartner".into(),
    ] {
        assert_eq!(
            world.asks("POST", &wrong, Some(&body)).await.http,
            404,
            "{wrong}"
        );
    }
    world.goes_on(TimeDelta::hours(24));
    assert_eq!(world.asks("POST", &url, Some(&body)).await.http, 404);
    assert!(world.memory.take_told().is_empty());
    assert_eq!(world.edge.forget_expired_results().await.unwrap(), 1);
}

#[actix_web::test]
async fn a_late_result_still_counts_and_an_unreadable_one_leaves_the_way_open() {
    let world = World::with_partner().await;
    let url = world.awaits(ResultKind::Set);
    world.goes_on(TimeDelta::minutes(20));
    assert_eq!(
        world
            .asks("POST", &url, Some(&json!({"outcome": 1})))
            .await
            .codes(),
        (200, 2001)
    );
    *world.memory.is_full.lock().unwrap() = true;
    let full = world
        .asks("POST", &url, Some(&json!({"result": "ACCEPTED"})))
        .await;
    assert_eq!(full.http, 503, "not acknowledged before it is durable");
    *world.memory.is_full.lock().unwrap() = false;
    world
        .asks("POST", &url, Some(&json!({"result": "ACCEPTED"})))
        .await;
    assert_eq!(
        world.answer_told(),
        Some(Answer::Applied {
            evidence: Evidence::Result
        })
    );
}

fn active(amps: f64) -> Value {
    json!({"start_date_time": "2026-11-22T16:00:00Z", "charging_profile": {
        "charging_rate_unit": "A",
        "charging_profile_period": [{"start_period": 0, "limit": amps}]}})
}

#[actix_web::test]
async fn an_active_profile_that_was_asked_for_is_read() {
    let world = World::with_partner().await;
    let url = world.awaits(ResultKind::Active);
    let body = json!({"result": "ACCEPTED", "profile": active(16.0)});
    world.asks("POST", &url, Some(&body)).await;
    match &world.memory.take_told()[0].1 {
        EventKind::ProfileRead {
            evse,
            session,
            profile: Some(profile),
            command,
        } => {
            assert_eq!((evse.as_str(), session.as_str()), ("e1", "nl*cpo*s1"));
            assert_eq!(*command, Some(CommandId(7)));
            assert_eq!(
                (profile.unit, profile.periods[0].limit),
                (RateUnit::Amps, Tenths(160))
            );
        }
        other => panic!("{other:?}"),
    }
    let url = world.awaits(ResultKind::Active);
    world
        .asks("POST", &url, Some(&json!({"result": "ACCEPTED"})))
        .await;
    assert!(matches!(world.answer_told(), Some(Answer::Unknown { .. })));
}

#[actix_web::test]
async fn an_active_profile_that_is_pushed_reaches_the_evse_of_its_session() {
    let world = World::with_partner().await;
    let path = "/ocpi/2.3.0/chargingprofiles/S1";
    assert_eq!(
        world.asks("PUT", path, Some(&active(6.5))).await.codes(),
        (404, 2001)
    );
    world.asks("PUT", S1, Some(&session(&json!({})))).await;
    world.memory.take_told();
    assert_eq!(
        world.asks("PUT", path, Some(&active(6.5))).await.codes(),
        (200, 1000)
    );
    match &world.memory.take_told()[0].1 {
        EventKind::ProfileRead {
            profile: Some(profile),
            command: None,
            ..
        } => {
            assert_eq!(profile.periods[0].limit, Tenths(65));
        }
        other => panic!("{other:?}"),
    }
    let odd = json!({"start_date_time": "2026-11-22T16:00:00Z"});
    assert_eq!(
        world.asks("PUT", path, Some(&odd)).await.codes(),
        (200, 2001)
    );
}
