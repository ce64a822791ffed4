//! Dispatches: what can be had, how it is followed, and the proof.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::cars::{car_arrives, car_charges_until};
use super::{Client, live_depot, now};

const PATH: &str = "/api/v1/dispatches";

fn ask(id: &str, kw: f64) -> Value {
    json!({"id": id, "target": {"site": "depot"}, "direction": "up", "delta_kw": kw,
        "start": "2026-11-22T16:00:00Z", "end": "2026-11-22T17:00:00Z"})
}

async fn depot_with_a_patient_car() -> Client {
    let client = live_depot().await;
    // 12 kWh within two hours: 65 minutes at full power.
    car_arrives(&client, 12.0);
    client
}

#[actix_web::test]
async fn the_answer_says_what_can_be_had_and_freezes_the_baseline() {
    let client = depot_with_a_patient_car().await;
    let answer = client.post(PATH, &ask("d1", 4.0)).await.expect(202);
    assert_eq!(answer.headers["location"], "/api/v1/dispatches/d1");
    let answer = answer.json();
    assert_eq!(answer["status"], "accepted", "{answer}");
    assert_eq!(answer["state"], "active");
    assert_eq!(answer["requested_kw"], json!([4.0, 4.0, 4.0, 4.0]));
    assert_eq!(answer["achievable_kw"], json!([4.0, 4.0, 4.0, 4.0]));
    assert_eq!(answer["baseline"]["method"], "B0");
    assert_eq!(answer["baseline"]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(
        client.state().signals.len(),
        1,
        "it is followed as a target"
    );
    let shown = client.get(&format!("{PATH}/d1")).await.expect(200).json();
    assert_eq!(shown["slots"].as_array().unwrap().len(), 4);
    let list = client.get(PATH).await.expect(200).json();
    assert_eq!(list["dispatches"][0]["id"], "d1");
}

#[actix_web::test]
async fn what_needs_leave_no_room_for_is_had_in_part_or_not_at_all() {
    let client = live_depot().await;
    // 20 kWh within two hours need 10 of 11 kW.
    car_arrives(&client, 20.0);
    let answer = client.post(PATH, &ask("d1", 11.0)).await.expect(202).json();
    assert_ne!(answer["status"], "accepted", "{answer}");
    assert!(answer["reason"].as_str().unwrap().len() > 20);
    let nobody = live_depot().await;
    let answer = nobody.post(PATH, &ask("d1", 11.0)).await.expect(202).json();
    assert_eq!(answer["status"], "rejected");
    assert!(nobody.state().signals.is_empty(), "and is not followed");
    let settled = nobody
        .get(&format!("{PATH}/d1/settlement"))
        .await
        .expect(200)
        .json();
    assert_eq!(settled["state"], "rejected");
}

#[actix_web::test]
async fn the_same_again_gets_the_same_answer_and_another_body_does_not() {
    let client = depot_with_a_patient_car().await;
    let first = client.post(PATH, &ask("d1", 4.0)).await.expect(202).json();
    let again = client.post(PATH, &ask("d1", 4.0)).await.expect(202).json();
    assert_eq!(first, again);
    client.post(PATH, &ask("d1", 5.0)).await.expect(422);
    let mut unnamed = ask("d1", 4.0);
    unnamed.as_object_mut().unwrap().remove("id");
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k-1"),
    ];
    let send = |body: Value| {
        client.send(
            Method::POST,
            PATH,
            &headers,
            Some(body.to_string().into_bytes()),
        )
    };
    let first = send(unnamed.clone()).await.expect(202).json();
    assert_eq!(first["id"], "k-1");
    assert_eq!(send(unnamed.clone()).await.expect(202).json(), first);
    unnamed["delta_kw"] = json!(9);
    send(unnamed).await.expect(422);
}

#[actix_web::test]
async fn a_dry_run_is_not_followed() {
    let client = depot_with_a_patient_car().await;
    let before = client.state();
    let path = format!("{PATH}?dry_run=true");
    let answer = client.post(&path, &ask("d1", 4.0)).await.expect(200).json();
    assert_eq!(answer["status"], "accepted");
    assert_eq!(client.state(), before);
    client.get(&format!("{PATH}/d1")).await.expect(404);
}

#[actix_web::test]
async fn more_load_can_be_asked_for_too() {
    let client = live_depot().await;
    car_arrives(&client, 6.0);
    let price = json!({"kind": "import_price", "unit": "EUR/kWh", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT1H", "values": [0.9, 0.1, 0.1, 0.1]});
    client
        .put("/api/v1/sites/depot/signals/spot", &price)
        .await
        .expect(201);
    let mut more = ask("d1", 5.0);
    more["direction"] = json!("down");
    let answer = client.post(PATH, &more).await.expect(202).json();
    assert_eq!(answer["status"], "accepted", "{answer}");
    assert_eq!(
        answer["slots"][0]["requested_kw"], -5.0,
        "added load is negative"
    );
    let had = answer["achievable_kw"][0].as_f64().unwrap();
    assert!((4.9..=5.0).contains(&had), "{had}");
}

#[actix_web::test]
async fn what_meters_show_is_settled_slot_by_slot() {
    let client = depot_with_a_patient_car().await;
    client.post(PATH, &ask("d1", 4.0)).await.expect(202);
    // 1 kWh per quarter of an hour: 4 kW.
    for quarter in 1..=12 {
        let kwh = f64::from(quarter);
        client.time_is(now() + TimeDelta::minutes(15 * i64::from(quarter)));
        car_charges_until(&client, 15 * i64::from(quarter), kwh);
    }
    let path = format!("{PATH}/d1/settlement");
    let settled = client.get(&path).await.expect(200).json();
    assert_eq!(settled["state"], "closed", "{settled}");
    assert_eq!(settled["final"], true);
    let first = &settled["slots"][0];
    assert_eq!(first["measured_kwh"], 1.0);
    assert_eq!(first["quality"], "OK");
    let baseline = first["baseline_kw"].as_f64().unwrap();
    let delivered = first["delivered_kw"].as_f64().unwrap();
    assert!((delivered - (baseline - 4.0)).abs() < 1e-3, "{first}");
    assert_eq!(settled["totals"]["measured_kwh"], 4.0);
    assert_eq!(settled["totals"]["slots_measured"], 4);
    assert_eq!(
        settled["after"].as_array().unwrap().len(),
        8,
        "two hours of rebound"
    );
    let csv = client.get(&format!("{path}?format=csv")).await.expect(200);
    assert!(csv.headers["content-type"].starts_with("text/csv"));
    assert_eq!(csv.text.lines().count(), 1 + 4 + 8);
    assert!(
        csv.text.lines().nth(1).unwrap().ends_with("OK"),
        "{}",
        csv.text
    );
}

#[actix_web::test]
async fn a_meter_that_is_silent_makes_an_estimate_not_a_hole() {
    let client = depot_with_a_patient_car().await;
    client.post(PATH, &ask("d1", 4.0)).await.expect(202);
    client.time_is(now() + TimeDelta::minutes(90));
    car_charges_until(&client, 90, 6.0);
    let settled = client
        .get(&format!("{PATH}/d1/settlement"))
        .await
        .expect(200)
        .json();
    assert_eq!(settled["slots"][0]["quality"], "ESTIMATED", "{settled}");
    assert_eq!(
        settled["totals"]["measured_kwh"], 4.0,
        "evenly over the time"
    );
}

#[actix_web::test]
async fn a_dispatch_can_be_withdrawn() {
    let client = depot_with_a_patient_car().await;
    client.post(PATH, &ask("d1", 4.0)).await.expect(202);
    client.delete(&format!("{PATH}/d1")).await.expect(204);
    assert!(client.state().signals.is_empty());
    let shown = client.get(&format!("{PATH}/d1")).await.expect(200).json();
    assert_eq!(shown["state"], "withdrawn");
    client.delete(&format!("{PATH}/d1")).await.expect(409);
    client.delete(&format!("{PATH}/d2")).await.expect(404);
}

#[actix_web::test]
async fn who_does_not_reach_a_site_cannot_dispatch_it_nor_see_it() {
    let client = depot_with_a_patient_car().await;
    let other = client.with_token(Some("other-site"));
    other.post(PATH, &ask("d1", 4.0)).await.expect(404);
    client
        .with_token(Some("reader"))
        .post(PATH, &ask("d1", 4.0))
        .await
        .expect(403);
    client
        .with_token(Some("aggregator"))
        .post(PATH, &ask("d1", 4.0))
        .await
        .expect(202);
    other.get(&format!("{PATH}/d1")).await.expect(404);
    assert_eq!(
        other.get(PATH).await.expect(200).json()["dispatches"],
        json!([])
    );
}

#[actix_web::test]
async fn bad_dispatches_say_what_is_wrong() {
    let client = depot_with_a_patient_car().await;
    let before = client.state();
    for (at, put, pointer) in [
        ("target", json!({"site": "moon"}), None),
        ("target", json!({"group": "g"}), Some("/target/group")),
        ("target", json!(7), Some("/target")),
        ("target", Value::Null, Some("/target")),
        ("start", json!("2026-11-22T16:00:00"), Some("/start")),
        ("start", json!("2026-11-22T15:30:00Z"), Some("/start")),
        ("end", json!("2026-11-22T15:59:00Z"), Some("/end")),
        ("end", json!("2026-11-25T15:59:00Z"), Some("/end")),
        ("delta_kw", json!(0), Some("/delta_kw")),
        ("delta_kw", json!(-4), Some("/delta_kw")),
        ("delta_kw", json!(1e9), Some("/delta_kw")),
        ("delta_kw", Value::Null, Some("/delta_kw")),
        ("power_kw", json!(4), Some("/power_kw")),
        ("direction", json!("left"), Some("/direction")),
        ("direction", Value::Null, Some("/direction")),
        ("hard", json!("yes"), Some("/hard")),
        ("id", json!("a b"), Some("/id")),
        ("colour", json!(1), Some("/colour")),
    ] {
        let mut body = ask("d1", 4.0);
        body[at] = put;
        let reply = client.post(PATH, &body).await;
        match pointer {
            Some(pointer) => assert_eq!(reply.expect(400).pointers(), [pointer]),
            None => {
                reply.expect(404);
            }
        }
    }
    assert_eq!(client.state(), before);
}

#[actix_web::test]
async fn the_envelope_and_the_baseline_are_shown_by_quarters_of_an_hour() {
    let client = depot_with_a_patient_car().await;
    let found = client
        .get("/api/v1/sites/depot/flexibility")
        .await
        .expect(200)
        .json();
    assert_eq!(found["resolution"], "PT15M");
    let first = &found["slots"][0];
    assert_eq!(first["start"], "2026-11-22T16:00:00Z");
    let number = |name: &str| first[name].as_f64().unwrap();
    assert!((number("up_kw") - (number("p_plan_kw") - number("p_min_kw"))).abs() < 1e-3);
    assert!((number("down_kw") - (number("p_max_kw") - number("p_plan_kw"))).abs() < 1e-3);
    assert!(number("e_min_kwh") <= number("e_max_kwh"));
    assert!(found["up_duration_min"].as_i64().unwrap() > 30);
    for (method, name) in [("B0", "plan_freeze"), ("B1", "uncontrolled")] {
        let path = format!("/api/v1/sites/depot/baseline?method={method}&resolution=PT1H");
        let found = client.get(&path).await.expect(200).json();
        assert_eq!(found["name"], name);
        assert_eq!(found["version"], 1);
        assert!(
            found["slots"][0]["power_kw"].as_f64().unwrap() > 0.0,
            "{found}"
        );
    }
    for query in [
        "resolution=PT7M",
        "method=B9",
        "from=x",
        "to=2020-01-01T00:00:00Z",
        "a=1",
    ] {
        let path = format!("/api/v1/sites/depot/baseline?{query}");
        client.get(&path).await.expect(400);
    }
}
