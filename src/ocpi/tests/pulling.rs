//! A partner read back: its sessions, its locations, and what its sites are told.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::calling::registered;
use super::world::{S1, World, partner_id, session, site};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::quantity::Energy;
use crate::domain::session::SessionStatus;
use crate::ocpi::Reach;

#[actix_web::test]
async fn a_full_pull_reads_every_page_ends_what_is_gone_and_says_so() {
    let (world, cpo) = registered().await;
    let listed = |id: &str, changes: Value| {
        let mut body = session(&json!({"id": id}));
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        body
    };
    cpo.with(|p| {
        p.sessions = vec![
            listed("S1", json!({})),
            json!({"id": "broken"}),
            listed(
                "S2",
                json!({"evse_uid": "E2", "status": "COMPLETED",
                "end_date_time": "2026-11-22T15:50:00Z"}),
            ),
            listed("S3", json!({"evse_uid": "E9"})),
            listed("S4", json!({"party_id": "XYZ"})),
        ];
    });
    let pulled = world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!((pulled.sessions, pulled.live, pulled.gone), (3, 2, 0));
    let told: Vec<_> = world
        .memory
        .take_told()
        .into_iter()
        .map(|(_, event)| event)
        .collect();
    let kinds: Vec<_> = told
        .iter()
        .map(|event| match event {
            EventKind::SessionSeen { session } => {
                format!("seen {} {:?}", session.id, session.status)
            }
            EventKind::HistoryLearned { sessions } => format!("learned {}", sessions[0].id),
            EventKind::PartnerSeen { health, .. } => format!("{health:?}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "seen nl*cpo*s1 Active",
            "seen nl*cpo*s2 Ended",
            "learned nl*cpo*s2",
            "Current"
        ]
    );
    // Next time S1 is not listed any more, and S2 was told already.
    world.goes_on(TimeDelta::minutes(5));
    cpo.with(|p| {
        p.sessions.remove(0);
    });
    let pulled = world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!(
        (pulled.gone, pulled.nameless),
        (0, 1),
        "the nameless one may be it"
    );
    cpo.with(|p| {
        p.sessions.remove(0);
    });
    // Once it may have slipped through between two pages.
    for expected in [(0, 1), (1, 0)] {
        assert!(world.sessions_told().is_empty());
        let pulled = world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
        assert_eq!((pulled.gone, pulled.missing), expected);
    }
    let ended = world.sessions_told();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(
        (ended[0].id.as_str(), ended[0].status),
        ("nl*cpo*s1", SessionStatus::Ended)
    );
    // It is not brought back to life by a site that is set up anew.
    world.edge.seed(&site()).await.unwrap();
    assert!(world.sessions_told().is_empty());
}

#[actix_web::test]
async fn a_pull_does_not_undo_a_newer_push() {
    let (world, cpo) = registered().await;
    let shows = cpo.with(|p| p.shows.clone().unwrap());
    let token = super::world::shown(&shows);
    let newer = session(&json!({"kwh": 9, "last_updated": "2026-11-22T15:59:59Z"}));
    let headers = [("Authorization", token.as_str())];
    world.asks_as("PUT", S1, &newer.to_string(), &headers).await;
    world.memory.take_told();
    cpo.with(|p| p.sessions = vec![session(&json!({"kwh": 1}))]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert!(world.sessions_told().is_empty());
    cpo.with(|p| {
        let newest = json!({"kwh": 10, "last_updated": "2026-11-22T16:00:00Z"});
        p.sessions = vec![session(&json!({"kwh": 1})), session(&newest)];
    });
    let since = Reach::Since(world.now());
    world.edge.pull(&partner_id(), since).await.unwrap();
    assert_eq!(
        world.sessions_told()[0].energy,
        Energy::from_kilowatt_hours(10.0)
    );
}

#[actix_web::test]
async fn a_partner_that_cannot_be_read_is_stale() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.is_broken = true);
    assert!(world.edge.pull(&partner_id(), Reach::Full).await.is_err());
    let stale = EventKind::PartnerSeen {
        partner: partner_id(),
        health: PartnerHealth::Stale,
    };
    assert_eq!(world.memory.take_told(), [(site(), stale)]);
    let health = world.edge.show(&partner_id()).unwrap().health;
    assert!(health.last_error.unwrap().contains("500"));
}

#[actix_web::test]
async fn locations_that_are_not_listed_any_more_are_dropped() {
    let (world, cpo) = registered().await;
    let location = |id: &str| {
        json!({"country_code": "NL", "party_id": "CPO", "id": id,
            "publish": false, "last_updated": "2026-11-22T12:00:00Z"})
    };
    let kept = || {
        let records = world.memory.records.lock().unwrap();
        let keys = records.keys().filter(|key| key.contains("/locations/"));
        keys.map(|key| key.rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    cpo.with(|p| p.locations = vec![location("A"), location("B"), location("C")]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!(kept(), ["a", "b", "c"]);
    world.goes_on(TimeDelta::minutes(5));
    cpo.with(|p| {
        p.locations.remove(1);
    });
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert_eq!(kept(), ["a", "c"]);
}

#[actix_web::test]
async fn a_running_edge_reads_its_partners_back_at_start() {
    let (world, cpo) = registered().await;
    cpo.with(|p| p.sessions = vec![session(&json!({}))]);
    let world = world.restarted().await;
    let edge = world.edge.clone();
    let running = actix_web::rt::spawn(async move { edge.run().await });
    let is_current = |(_, event): &(_, EventKind)| {
        matches!(
            event,
            EventKind::PartnerSeen {
                health: PartnerHealth::Current,
                ..
            }
        )
    };
    // A real peer over a socket: polled, with a deadline of 5 s.
    for _ in 0..500 {
        if world.memory.told.lock().unwrap().iter().any(is_current) {
            break;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    running.abort();
    let told = world.memory.take_told();
    assert!(
        matches!(told[0].1, EventKind::SessionSeen { .. }),
        "{told:?}"
    );
    assert!(told.iter().any(is_current), "{told:?}");
}

#[actix_web::test]
async fn a_site_that_names_a_partner_later_is_told_at_once_how_fresh_our_view_of_it_is() {
    let (world, cpo) = registered().await;
    world.edge.introduce(&site(), &partner_id()).await.unwrap();
    assert_eq!(world.memory.take_told(), [], "not read back yet");
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    world.memory.take_told();
    world.edge.introduce(&site(), &partner_id()).await.unwrap();
    let current = EventKind::PartnerSeen {
        partner: partner_id(),
        health: PartnerHealth::Current,
    };
    assert_eq!(world.memory.take_told(), [(site(), current)]);
    // One that did not answer the last time is not called fresh.
    cpo.with(|p| p.is_broken = true);
    world
        .edge
        .pull(&partner_id(), Reach::Full)
        .await
        .unwrap_err();
    world.memory.take_told();
    world.edge.introduce(&site(), &partner_id()).await.unwrap();
    assert_eq!(world.memory.take_told(), []);
}

#[actix_web::test]
async fn a_partner_that_pushes_nothing_is_told_to_be_pulled_only_and_one_that_pushes_is_not() {
    let (world, cpo) = registered().await;
    let is_pull_only = || {
        world
            .edge
            .show(&partner_id())
            .unwrap()
            .health
            .is_pull_only()
    };
    let updated = |world: &World, ago_s: i64| {
        let at = world.now() - TimeDelta::seconds(ago_s);
        session(&json!({"last_updated": at.format("%Y-%m-%dT%H:%M:%SZ").to_string()}))
    };
    // What happened before it registered it could not push.
    cpo.with(|p| p.sessions = vec![session(&json!({}))]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert!(!is_pull_only());
    world.goes_on(TimeDelta::minutes(10));
    // News of half a minute ago may still be on its way.
    cpo.with(|p| p.sessions = vec![updated(&world, 30)]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert!(!is_pull_only());
    cpo.with(|p| p.sessions = vec![updated(&world, 0)]);
    world.goes_on(TimeDelta::minutes(5));
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert!(is_pull_only());
    cpo.with(|p| p.early_result = Some(json!({"result": "ACCEPTED"})));
    let rows = world.edge.test(&partner_id()).await.unwrap();
    let row = rows.iter().find(|row| row.step == "sessions").unwrap();
    assert!(
        row.detail.contains("pulled only, so up to 900 s old"),
        "{row:?}"
    );
    assert!(row.advice.as_ref().unwrap().contains("arrival_reserve"));

    let put = world
        .asks_as_partner(&cpo, "PUT", S1, &updated(&world, 0))
        .await;
    assert_eq!(put.body["status_code"], 1000);
    assert!(!is_pull_only());
}
