//! What was: powers per minute, notes, the report; and the dashboard's own files.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::json;

use super::cars::{car_arrives, car_charges_until, car_leaves_at, planned};
use super::{Client, live_depot, now};
use crate::domain::event::EventKind;
use crate::domain::id::EvseId;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;

fn measures(client: &Client, kilowatts: f64) {
    let at = client.state().updated_at;
    client.happens(EventKind::EvseMeasured {
        evse: EvseId::new("e1").expect("valid"),
        reading: Reading {
            power: Power::from_kilowatts(kilowatts),
            at,
        },
        energy: None,
    });
}

/// A car draws 6 kW for a minute and a half, then 3 kW until 16:03.
async fn drawn_for_three_minutes() -> Client {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    measures(&client, 6.0);
    client.time_is(now() + TimeDelta::seconds(90));
    client.happens(EventKind::Ticked);
    measures(&client, 3.0);
    client.time_is(now() + TimeDelta::minutes(3));
    client.happens(EventKind::Ticked);
    client
}

#[actix_web::test]
async fn powers_are_means_of_their_minute() {
    let client = drawn_for_three_minutes().await;
    let history = client.get("/api/v1/sites/depot/history").await.expect(200);
    let history = history.json();
    // The second minute: half at 6 kW, half at 3 kW.
    assert_eq!(history["evses_kw"], json!([6.0, 4.5, 3.0]));
    assert_eq!(history["limit_kw"], json!([60.0, 60.0, 60.0]));
    assert_eq!(history["start"][1], "2026-11-22T16:01:00Z");
    let later = client
        .get("/api/v1/sites/depot/history?from=2026-11-22T16:02:00Z")
        .await
        .expect(200);
    assert_eq!(later.json()["evses_kw"], json!([3.0]));
}

#[actix_web::test]
async fn the_journal_tells_what_happened_newest_first() {
    let client = drawn_for_three_minutes().await;
    planned(&client);
    let journal = client.get("/api/v1/sites/depot/journal").await.expect(200);
    let kinds: Vec<_> = journal.json()["notes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|note| note["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(kinds[0], "plan_stored");
    assert!(kinds.contains(&"session_active".to_owned()), "{kinds:?}");
    let only = "/api/v1/sites/depot/journal?kind=session_active&evse=e1";
    let only = client.get(only).await.expect(200).json();
    assert_eq!(only["notes"].as_array().expect("a list").len(), 1);
}

#[actix_web::test]
async fn a_watcher_gets_the_state_and_what_it_has_not_seen() {
    let client = drawn_for_three_minutes().await;
    let path = "/api/v1/events?site=depot";
    let news = client.first_news(path, None).await;
    assert!(news.contains("event: state\ndata: {"), "{news}");
    assert!(news.contains("\"evses_kw\":3.0"), "{news}");
    assert!(!news.contains("event: note"), "{news}");
    let missed = client.first_news(path, Some("1")).await;
    assert!(missed.contains("id: 2\nevent: note\n"), "{missed}");
    assert!(missed.contains("session_active"), "{missed}");
    assert!(!missed.contains("resync"), "{missed}");
}

#[actix_web::test]
async fn a_watcher_that_cannot_go_on_is_told_to_read_anew() {
    let client = drawn_for_three_minutes().await;
    let path = "/api/v1/events?site=depot";
    let news = client.first_news(path, Some("1000")).await;
    assert!(news.contains("event: resync"), "{news}");
    client.get("/api/v1/events").await.expect(400);
    client.get("/api/v1/events?site=other").await.expect(404);
    let stranger = client.with_token(None);
    stranger.get(path).await.expect(401);
}

#[actix_web::test]
async fn the_report_prices_both_sides_alike_and_says_how() {
    let client = drawn_for_three_minutes().await;
    let report = client
        .get("/api/v1/reports/savings?site=depot&baseline=unmanaged")
        .await
        .expect(200)
        .json();
    assert_eq!(report["saving"], json!(null), "no price is known");
    assert!(
        report["method"]
            .as_str()
            .is_some_and(|text| text.contains("Unmanaged"))
    );
    assert_eq!(report["sessions"]["seen"], 1);
    let other = "/api/v1/reports/savings?site=depot&baseline=magic";
    let other = client.get(other).await.expect(400);
    assert_eq!(other.pointers(), ["?baseline"]);
}

#[actix_web::test]
async fn the_frame_names_who_decides() {
    let client = live_depot().await;
    let frame = client.get("/api/v1/sites/depot/frame").await.expect(200);
    let run = frame.json()["circuits"][0]["limit_kw"][0].clone();
    assert_eq!(run["value"], 60.0);
    assert_eq!(run["origin"]["type"], "operator");
}

#[actix_web::test]
async fn the_compact_plan_says_the_same_in_steps() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    planned(&client);
    let path = "/api/v1/sites/depot/plan";
    let full = client.get(path).await.expect(200).json();
    let compact = client.get(&format!("{path}?compact=true")).await;
    let compact = compact.expect(200).json();
    assert_eq!(compact["plan_id"], full["plan_id"]);
    let steps = compact["evses"][0]["planned_kw"].as_array().expect("steps");
    for (index, slot) in full["evses"][0]["slots"]
        .as_array()
        .expect("slots")
        .iter()
        .enumerate()
    {
        let step = steps
            .iter()
            .rev()
            .find(|step| step[0].as_u64() <= Some(index as u64));
        assert_eq!(step.expect("a step")[1], slot["planned_kw"], "slot {index}");
    }
}

#[actix_web::test]
async fn an_override_can_be_weighed_before_it_holds() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    let body = json!({"action": "pause", "until": now() + TimeDelta::hours(2)});
    let path = "/api/v1/sites/depot/evses/e1/override";
    let weighed = client.post(&format!("{path}?dry_run=true"), &body).await;
    assert!(weighed.expect(200).json()["effect"]["cost_change"].is_number());
    let evse = EvseId::new("e1").expect("valid");
    assert_eq!(client.state().evses[&evse].override_, None);
    client.post(path, &body).await.expect(200);
    assert!(client.state().evses[&evse].override_.is_some());
}

#[actix_web::test]
async fn departures_can_be_added_without_withdrawing_the_others() {
    let client = live_depot().await;
    let row = |key: &str| json!([{"key": key, "departure": now() + TimeDelta::hours(9)}]);
    let path = "/api/v1/sites/depot/departures";
    client.put(path, &row("e1")).await.expect(200);
    let added = client
        .put(&format!("{path}?keep_others=true"), &row("e2"))
        .await;
    assert_eq!(added.expect(200).json()["removed"], 0);
    assert_eq!(client.state().departures.len(), 2);
    let replaced = client.put(path, &row("e2")).await.expect(200).json();
    assert_eq!(replaced["removed"], 1);
}

#[actix_web::test]
async fn the_page_and_its_files_carry_a_strict_policy_and_a_tag() {
    let browser = Client::new().with_token(None);
    for path in ["/", "/assets/app/main.js", "/assets/style.css"] {
        let reply = browser.get(path).await.expect(200);
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = reply.headers["etag"].clone();
        let again = [("if-none-match", tag.as_str())];
        let again = browser
            .send(Method::GET, path, &again, None)
            .await
            .expect(304);
        assert!(again.text.is_empty());
        let gzip = [("accept-encoding", "br, gzip")];
        let gzip = browser
            .send(Method::GET, path, &gzip, None)
            .await
            .expect(200);
        assert_eq!(gzip.headers["content-encoding"], "gzip");
    }
    browser.get("/assets/../Cargo.toml").await.expect(404);
    browser.get("/assets/nothing.js").await.expect(404);
}

/// A car draws 3 kW for 20 minutes at 0.30 per kWh, read each five minutes, and leaves.
async fn a_session_that_is_over() -> Client {
    let client = live_depot().await;
    let price = json!({ "kind": "import_price", "unit": "EUR/kWh", "resolution": "PT1H",
        "start": "2026-11-22T16:00:00Z", "values": [0.3, 0.3] });
    let path = "/api/v1/sites/depot/signals/prices";
    client.put(path, &price).await.expect(201);
    car_arrives(&client, 2.0);
    // 3 kW x 5 min = 0.25 kWh
    for (minute, kwh) in [(5, 0.25), (10, 0.5), (15, 0.75)] {
        client.time_is(now() + TimeDelta::minutes(minute));
        car_charges_until(&client, minute, kwh);
    }
    client.time_is(now() + TimeDelta::minutes(20));
    car_leaves_at(&client, 20, 1.0);
    client
}

#[actix_web::test]
async fn a_session_that_is_over_has_a_record_with_its_cost_and_its_periods() {
    let client = a_session_that_is_over().await;
    let path = "/api/v1/reports/records?site=depot&to=2026-11-22T17:00:00Z";
    let answer = client.get(path).await.expect(200).json();
    let record = &answer["records"][0];
    assert_eq!(record["session"], "NL*ACM*s1");
    assert_eq!(record["native_id"], "s1");
    assert_eq!(record["started_at"], "2026-11-22T16:00:00Z");
    assert_eq!(record["ended_at"], "2026-11-22T16:20:00Z");
    // 3 kW x 20 min = 1 kWh at 0.30
    assert_eq!(
        (
            &record["energy_kwh"],
            &record["priced_kwh"],
            &record["cost"]
        ),
        (&json!(1.0), &json!(1.0), &json!(0.3))
    );
    assert_eq!(record["wanted_kwh"], 2.0);
    let periods = record["periods"].as_array().expect("a list");
    assert_eq!(periods.len(), 4);
    assert_eq!(periods[3]["start"], "2026-11-22T16:15:00Z");
    assert_eq!(periods[3]["energy_kwh"], 0.25);
    // By its end, not by its start.
    let before = "/api/v1/reports/records?site=depot&to=2026-11-22T16:19:00Z";
    let before = client.get(before).await.expect(200).json();
    assert_eq!(before["records"], json!([]));
}

#[actix_web::test]
async fn records_and_meter_values_come_as_csv_too() {
    let client = a_session_that_is_over().await;
    let path = "/api/v1/reports/records?site=depot&to=2026-11-22T17:00:00Z&format=csv";
    let table = client.get(path).await.expect(200);
    assert!(table.headers["content-type"].starts_with("text/csv"));
    let lines: Vec<_> = table.text.lines().collect();
    assert!(lines[0].starts_with("session,native_id,evse,station,started_at,ended_at,energy_kwh"));
    assert!(
        lines[1].starts_with("NL*ACM*s1,s1,e1,,2026-11-22T16:00:00Z,2026-11-22T16:20:00Z,1.0,2.0")
    );
    assert!(lines[1].ends_with(",0.3,1.0,EUR"), "{}", lines[1]);
    let path = "/api/v1/reports/meter-values?site=depot&evse=e1&to=2026-11-22T17:00:00Z&format=csv";
    let table = client.get(path).await.expect(200);
    let lines: Vec<_> = table.text.lines().collect();
    assert_eq!(lines[0], "at,evse,session,energy_kwh,power_kw");
    assert_eq!(lines[2], "2026-11-22T16:05:00Z,e1,NL*ACM*s1,0.25,");
    assert_eq!(lines.len(), 1 + 5);
    let other = "/api/v1/reports/meter-values?site=depot&evse=e9&to=2026-11-22T17:00:00Z";
    let other = client.get(other).await.expect(200).json();
    assert_eq!(other["meter_values"], json!([]));
    let bad = client
        .get("/api/v1/reports/records?site=depot&format=xml")
        .await;
    assert_eq!(bad.expect(400).pointers(), ["?format"]);
}
