//! What a connection asks for beside its limit.

use serde_json::{Value, json};

use super::{depot, live_depot, now};
use crate::domain::event::EventKind;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;

fn with_demand(demand: &Value) -> Value {
    let mut body = depot();
    body["price"] = json!({"flat_per_kwh": 0.3, "demand": demand});
    body
}

#[actix_web::test]
async fn a_demand_charge_is_set_shown_and_may_be_put_again() {
    let client = live_depot().await;
    let body = with_demand(&json!({
        "per_kw": 12.5, "window": "PT15M", "peak_so_far_kw": 40.0, "minimum_billed_kw": 10.0,
        "ratchet": {"percent": 70, "months": 12},
    }));
    client.put("/api/v1/sites/depot", &body).await.expect(200);
    let shown = client.get("/api/v1/sites/depot").await.expect(200).json();
    assert_eq!(shown["price"], body["price"]);
    let before = client.state().site.clone();
    client.put("/api/v1/sites/depot", &shown).await.expect(200);
    assert_eq!(client.state().site, before);

    let reading = Reading {
        at: now(),
        power: Power::from_kilowatts(24.0),
    };
    client.happens(EventKind::SiteMetered { reading });
    let frame = client.get("/api/v1/sites/depot/frame").await.expect(200);
    let demand = &frame.json()["demand"];
    assert_eq!(demand["per_kw"], 12.5);
    assert_eq!(demand["window_s"], 900);
    assert_eq!(demand["peak_so_far_kw"], 40.0);
    assert_eq!(demand["free_kw"], 40.0);
    assert_eq!(demand["running_window"]["power_kw"], 24.0);
    assert_eq!(demand["months"][0]["stated"], true);
    let metrics = client.get("/metrics").await.expect(200).text;
    let line = r#"evenload_demand_peak_watts{site="depot",kind="month"} 40000"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[actix_web::test]
async fn without_a_demand_charge_there_is_nothing_to_show() {
    let client = live_depot().await;
    let frame = client.get("/api/v1/sites/depot/frame").await.expect(200);
    assert_eq!(frame.json()["demand"], Value::Null);
}

#[actix_web::test]
async fn a_demand_charge_that_makes_no_sense_is_refused_with_its_place() {
    let client = live_depot().await;
    for (demand, pointer) in [
        (json!({}), "/price/demand/per_kw"),
        (json!({"per_kw": -1}), "/price/demand/per_kw"),
        (
            json!({"per_kw": 1, "window": "PT7M"}),
            "/price/demand/window",
        ),
        (
            json!({"per_kw": 1, "peak_so_far_kw": -3}),
            "/price/demand/peak_so_far_kw",
        ),
        (
            json!({"per_kw": 1, "ratchet": {"percent": 0, "months": 3}}),
            "/price/demand/ratchet/percent",
        ),
        (
            json!({"per_kw": 1, "ratchet": {"percent": 50, "months": 25}}),
            "/price/demand/ratchet/months",
        ),
        (json!({"per_kw": 1, "per_kva": 2}), "/price/demand/per_kva"),
    ] {
        let answer = client
            .put("/api/v1/sites/depot", &with_demand(&demand))
            .await;
        let errors = answer.expect(400).json()["errors"].clone();
        assert_eq!(errors[0]["pointer"], pointer, "{demand}");
        assert_eq!(client.state().site.grid.demand_charge, None);
    }
}
