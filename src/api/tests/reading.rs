//! What is shown of a running site: sessions, plan, bound, alerts.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::cars::{car_arrives, evse, is_applied, partner, planned, profile_leaves};
use super::{Client, kw, live_depot, now};
use crate::domain::command::{Answer, Refusal};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::policy::Policy;
use crate::domain::session::Reading;
use crate::domain::site::Mode;

#[actix_web::test]
async fn a_session_shows_what_it_needs_and_who_said_so() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    planned(&client);
    let list = client
        .get("/api/v1/sites/depot/sessions")
        .await
        .expect(200)
        .json();
    let session = &list["sessions"][0];
    assert_eq!(session["session"], "NL*ACM*s1");
    assert_eq!(session["evse"], "e1");
    assert_eq!(session["remaining_kwh"], 12.0);
    assert_eq!(session["energy_source"], "session");
    assert_eq!(session["departure"], "2026-11-22T18:00:00Z");
    assert_eq!(session["late"], false);
    assert_eq!(session["unmet_kwh"], 0.0);
}

#[actix_web::test]
async fn the_bound_says_why_each_evse_counts_as_it_does() {
    let client = live_depot().await;
    let bound = async |client: &Client| {
        let answer = client
            .get("/api/v1/sites/depot/bound")
            .await
            .expect(200)
            .json();
        answer["circuits"][0].clone()
    };
    let circuit = bound(&client).await;
    assert_eq!(circuit["evses"][0]["counts_as"], "free");
    assert_eq!(circuit["headroom_kw"], 60.0);
    car_arrives(&client, 12.0);
    let circuit = bound(&client).await;
    // Nothing is confirmed: 16 A x 253 V x 3 = 12.144 kW.
    assert_eq!(circuit["evses"][0]["counts_as"], "hardware");
    assert_eq!(circuit["total_kw"], 12.144);
    let lower = profile_leaves(&client, 6);
    is_applied(&client, lower);
    let circuit = bound(&client).await;
    // 6 A x 253 V x 3 = 4.554 kW
    assert_eq!(circuit["evses"][0]["counts_as"], "confirmed");
    assert_eq!(circuit["evses"][0]["may_draw_kw"], 4.554);
    profile_leaves(&client, 10);
    let circuit = bound(&client).await;
    // 10 A x 253 V x 3 = 7.59 kW may be applied already.
    assert_eq!(circuit["evses"][0]["counts_as"], "confirmed_or_sent");
    assert_eq!(circuit["evses"][0]["may_draw_kw"], 7.59);
    assert_eq!(circuit["evses"][0]["confirmed_kw"], 4.554);
    assert_eq!(circuit["evses"][0]["sent_kw"], json!([7.59]));
    assert_eq!(circuit["exceeded"], false);
}

#[actix_web::test]
async fn the_bound_of_a_later_instant_knows_a_limit_that_is_announced() {
    let client = live_depot().await;
    let body = json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T17:00:00Z",
        "resolution": "PT1H", "values": [20, 30]});
    client
        .put("/api/v1/sites/depot/signals/dso", &body)
        .await
        .expect(201);
    for (at, limit) in [
        ("2026-11-22T16:30:00Z", 60.0),
        ("2026-11-22T17:30:00Z", 20.0),
        ("2026-11-22T19:30:00%2B01:00", 30.0),
        ("2026-11-22T19:30:00+01:00", 30.0),
    ] {
        let answer = client
            .get(&format!("/api/v1/sites/depot/bound?at={at}"))
            .await
            .expect(200);
        assert_eq!(answer.json()["circuits"][0]["limit_kw"], limit, "{at}");
    }
    for wrong in [
        "at=yesterday",
        "at=2026-11-22T15:00:00Z",
        "when=now",
        "at=&at=",
    ] {
        let reply = client
            .get(&format!("/api/v1/sites/depot/bound?{wrong}"))
            .await
            .expect(400);
        assert!(reply.pointers()[0].starts_with('?'), "{}", reply.text);
    }
}

#[actix_web::test]
async fn the_plan_shows_planned_sent_confirmed_and_measured_side_by_side() {
    let client = live_depot().await;
    let empty = client
        .get("/api/v1/sites/depot/plan")
        .await
        .expect(200)
        .json();
    assert_eq!(empty["plan_id"], json!(null));
    car_arrives(&client, 12.0);
    let first = profile_leaves(&client, 6);
    is_applied(&client, first);
    profile_leaves(&client, 10);
    client.happens(EventKind::EvseMeasured {
        evse: evse(),
        reading: Reading {
            power: kw(4.1),
            at: now() + TimeDelta::seconds(30),
        },
        energy: None,
    });
    planned(&client);
    let plan = client
        .get("/api/v1/sites/depot/plan")
        .await
        .expect(200)
        .json();
    assert_eq!(plan["plan_id"], 1);
    let slots = plan["evses"][0]["slots"].as_array().unwrap().clone();
    let policy = Policy::default();
    assert_eq!(plan["slots"], slots.len());
    assert_eq!(slots[0]["confirmed_kw"], 4.554);
    assert_eq!(slots[0]["sent_kw"], 7.59);
    assert_eq!(slots[0]["measured_kw"], 4.1);
    assert_eq!(slots[1]["measured_kw"], json!(null));
    let hours = f64::from(policy.slot_s) / 3600.0;
    let energy: f64 = slots
        .iter()
        .map(|s| s["planned_kw"].as_f64().unwrap() * hours)
        .sum();
    assert!(energy >= 12.0, "worst case covers the need: {energy}");
    assert!(
        slots
            .iter()
            .all(|slot| !slot["reasons"].as_array().unwrap().is_empty())
    );
    assert_eq!(plan["circuits"][0]["limit_kw"][0], 60.0);
    let other = client
        .get("/api/v1/sites/depot/plan?evse=e2")
        .await
        .expect(200)
        .json();
    assert_eq!(other["evses"], json!([]));
}

async fn alert_kinds(client: &Client) -> BTreeSet<String> {
    let answer = client
        .get("/api/v1/sites/depot/alerts")
        .await
        .expect(200)
        .json();
    let alerts = answer["alerts"].as_array().unwrap();
    assert!(
        alerts
            .iter()
            .all(|alert| alert["action"].as_str().is_some_and(|a| a.len() > 10))
    );
    alerts
        .iter()
        .map(|alert| alert["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn kinds(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[actix_web::test]
async fn a_site_where_all_is_well_has_no_alerts() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    planned(&client);
    assert_eq!(alert_kinds(&client).await, kinds(&[]));
}

#[actix_web::test]
async fn what_needs_somebody_is_an_alert_with_an_action() {
    let client = live_depot().await;
    // 50 kWh in two hours at 11.04 kW cannot be.
    car_arrives(&client, 50.0);
    planned(&client);
    assert_eq!(alert_kinds(&client).await, kinds(&["vehicle_short"]));

    let command = profile_leaves(&client, 6);
    let answer = Answer::Refused {
        reason: Refusal::NotSupported,
        detail: "no smart charging".to_owned(),
    };
    client.happens(EventKind::CommandAnswered { command, answer });
    client.happens(EventKind::PartnerSeen {
        partner: partner(),
        health: PartnerHealth::Stale,
    });
    let mut site = super::depot();
    site["circuits"][0]["import_limit_kw"] = json!(5);
    client.put("/api/v1/sites/depot", &site).await.expect(200);
    assert_eq!(
        alert_kinds(&client).await,
        kinds(&[
            "vehicle_short",
            "evse_unsupported",
            "partner_stale",
            "excursion_open"
        ])
    );
    let answer = client.get("/api/v1/sites/depot/alerts").await.json();
    assert_eq!(
        answer["alerts"][0]["kind"], "excursion_open",
        "the gravest comes first"
    );

    site["circuits"][0]["import_limit_kw"] = Value::Null;
    client.put("/api/v1/sites/depot", &site).await.expect(200);
    assert!(alert_kinds(&client).await.contains("limit_unknown"));
    let mode = EventKind::ModeSet {
        mode: Mode::Observe,
        evses: BTreeSet::new(),
    };
    client.happens(mode);
    assert!(
        !alert_kinds(&client).await.contains("limit_unknown"),
        "it is meant to be so"
    );
}

#[actix_web::test]
async fn a_silent_meter_is_an_alert() {
    let client = live_depot().await;
    let body = json!({"at": "2026-11-22T16:00:00Z", "power_kw": 20});
    client
        .post("/api/v1/sites/depot/meter", &body)
        .await
        .expect(200);
    assert_eq!(alert_kinds(&client).await, kinds(&[]));
    client.time_is(now() + TimeDelta::minutes(2));
    assert_eq!(alert_kinds(&client).await, kinds(&["meter_stale"]));
}
