//! What something would change: dry runs and overrides.

use serde_json::json;

use super::cars::{car_arrives, car_arrives_at};
use super::live_depot;

const LIMIT: &str = "/api/v1/sites/depot/signals/dso?dry_run=true";

fn limit(kw: f64) -> serde_json::Value {
    json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT4H", "values": [kw, 60]})
}

#[actix_web::test]
async fn a_dry_run_tells_the_effect_and_sets_nothing() {
    let client = live_depot().await;
    car_arrives(&client, 18.0);
    let before = client.state();
    let answer = client.put(LIMIT, &limit(6.0)).await.expect(200).json();
    assert_eq!(answer["dry_run"], true);
    let effect = &answer["effect"];
    // 18 kWh in two hours need 9 kW; under 6 kW at the highest voltage they cannot be.
    assert_eq!(effect["vehicles_at_risk"], 1);
    assert_eq!(effect["delayed"][0]["evse"], "e1");
    assert_eq!(effect["delayed"][0]["unmet_before_kwh"], 0.0);
    assert!(
        effect["delayed"][0]["unmet_after_kwh"].as_f64().unwrap() > 6.0,
        "{effect}"
    );
    assert!(effect["shifted_kw"].as_f64().unwrap() > 5.0, "{effect}");
    assert_eq!(client.state(), before);
}

#[actix_web::test]
async fn a_limit_that_leaves_room_changes_nothing() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    let effect = client.put(LIMIT, &limit(50.0)).await.expect(200).json()["effect"].clone();
    assert_eq!(effect["shifted_kw"], 0.0);
    assert_eq!(effect["vehicles_at_risk"], 0);
    assert_eq!(effect["cost_change"], 0.0);
}

#[actix_web::test]
async fn who_may_only_send_signals_learns_how_many_but_not_who() {
    let client = live_depot().await;
    car_arrives(&client, 18.0);
    let aggregator = client.with_token(Some("aggregator"));
    let answer = aggregator.put(LIMIT, &limit(6.0)).await.expect(200);
    assert_eq!(answer.json()["effect"]["vehicles_at_risk"], 1);
    assert!(!answer.text.contains("e1"), "{}", answer.text);
}

#[actix_web::test]
async fn an_earlier_departure_tells_what_it_would_change_and_is_not_filed() {
    let client = live_depot().await;
    car_arrives(&client, 18.0);
    let before = client.state();
    let path = "/api/v1/sites/depot/departures/e1?dry_run=true";
    let body = json!({"departure": "2026-11-22T16:30:00Z", "energy_kwh": 18.0});
    let answer = client.put(path, &body).await.expect(200).json();
    assert_eq!(answer["dry_run"], true);
    // Half an hour at 11 kW is 5.5 of 18 kWh.
    let short = answer["effect"]["delayed"][0]["unmet_after_kwh"].as_f64();
    assert!(short.is_some_and(|kwh| kwh > 11.0), "{answer}");
    assert_eq!(client.state(), before);
}

#[actix_web::test]
async fn a_bad_dry_run_is_refused_like_a_bad_signal() {
    let client = live_depot().await;
    let mut body = limit(6.0);
    body["unit"] = json!("A");
    assert_eq!(
        client.put(LIMIT, &body).await.expect(400).pointers(),
        ["/unit"]
    );
    let odd = "/api/v1/sites/depot/signals/dso?dry_run=maybe";
    assert_eq!(
        client.put(odd, &limit(6.0)).await.expect(400).pointers(),
        ["?dry_run"]
    );
    assert!(client.state().signals.is_empty());
}

#[actix_web::test]
async fn an_override_names_whom_it_delays() {
    let client = live_depot().await;
    let mut site = super::depot();
    site["circuits"][0]["import_limit_kw"] = json!(13.0);
    client.put("/api/v1/sites/depot", &site).await.expect(200);
    car_arrives_at(&client, 1, 10.0);
    car_arrives_at(&client, 2, 10.0);
    let path = "/api/v1/sites/depot/evses/e1/override";
    let body = json!({"action": "pause", "until": "2026-11-22T19:00:00Z"});
    let effect = client.post(path, &body).await.expect(200).json()["effect"].clone();
    assert_eq!(effect["vehicles_at_risk"], 1);
    assert_eq!(effect["delayed"][0]["evse"], "e1", "{effect}");
}
