//! Signals: setting, replacing a window, withdrawing, and what is said about odd ones.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{kw, live_depot, now};
use crate::domain::id::CircuitId;
use crate::domain::quantity::{Power, Price};
use crate::domain::signal::{SignalKind, SignalSeries};

const LIMIT: &str = "/api/v1/sites/depot/signals/dso";

/// A limit from 16:00 in quarters of an hour.
fn limit(values: &[f64]) -> Value {
    json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT15M", "values": values})
}

/// Minute of the start and value of every slot.
fn slots(series: &SignalSeries) -> Vec<(i64, i64, i64)> {
    let minute = |at: crate::domain::time::Time| (at - now()).num_minutes();
    series
        .slots
        .iter()
        .map(|s| (minute(s.start), minute(s.end), s.value))
        .collect()
}

#[actix_web::test]
async fn a_limit_is_set_once_and_lowers_what_holds() {
    let client = live_depot().await;
    let answer = client
        .put(LIMIT, &limit(&[40.0, 50.0]))
        .await
        .expect(201)
        .json();
    assert_eq!(answer["revision"], 1);
    assert_eq!(answer["accepted_slots"], 2);
    assert_eq!(answer["effective_from"], "2026-11-22T16:00:00Z");
    assert_eq!(answer["acted_on"], true);
    assert_eq!(answer["warnings"], json!([]));
    let state = client.state();
    let root = state
        .site
        .circuit(&CircuitId::new("site").unwrap())
        .unwrap();
    assert_eq!(state.limit(root).at(now()), kw(40.0));
    let again = client
        .put(LIMIT, &limit(&[45.0, 50.0]))
        .await
        .expect(200)
        .json();
    assert_eq!(again["revision"], 2);
}

#[actix_web::test]
async fn units_are_converted_towards_safety() {
    let client = live_depot().await;
    for (key, kind, unit, value, base) in [
        ("a", "import_limit", "W", 40_000.9, 40_000),
        ("b", "import_limit", "MW", 0.04, 40_000),
        ("c", "base_load", "kW", 10.0001, 10_001),
        (
            "d",
            "import_price",
            "EUR/kWh",
            -0.12,
            Price::from_per_kwh(-0.12).micros(),
        ),
        (
            "e",
            "import_price",
            "EUR/MWh",
            85.5,
            Price::from_per_kwh(0.0855).micros(),
        ),
        ("f", "carbon", "g/kWh", 350.5, 350_500),
        ("g", "shed_level", "level", 2.0, 2),
        ("h", "power_target", "kW", -5.0, -5_000),
        ("i", "min_energy", "kWh", 1.0, 3_600_000),
    ] {
        let mut body = limit(&[value, value]);
        body["kind"] = json!(kind);
        body["unit"] = json!(unit);
        if kind == "min_energy" {
            body["evse"] = json!("e1");
        }
        let path = format!("/api/v1/sites/depot/signals/{key}");
        client.put(&path, &body).await.expect(201);
        let state = client.state();
        let series = state
            .signals
            .values()
            .find(|s| s.key.as_str() == key)
            .unwrap();
        assert_eq!(series.slots[0].value, base, "{kind} in {unit}");
        let shown = client.get(&path).await.expect(200).json();
        assert_eq!(shown["kind"], kind);
        assert_eq!(shown["slots"].as_array().unwrap().len(), 2);
    }
}

#[actix_web::test]
async fn an_older_revision_is_refused_and_the_same_one_may_come_again() {
    let client = live_depot().await;
    let mut body = limit(&[40.0, 50.0]);
    body["revision"] = json!(7);
    client.put(LIMIT, &body).await.expect(201);
    client.put(LIMIT, &body).await.expect(200);
    body["revision"] = json!(6);
    body["values"] = json!([1.0, 1.0]);
    client.put(LIMIT, &body).await.expect(409);
    let state = client.state();
    let series = state.signals.values().next().unwrap();
    assert_eq!((series.revision, series.slots[0].value), (7, 40_000));
}

#[actix_web::test]
async fn patch_replaces_the_window_it_covers_and_cuts_what_reaches_into_it() {
    let client = live_depot().await;
    client.patch(LIMIT, &limit(&[40.0, 50.0])).await.expect(404);
    let hour = json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT1H", "values": [40, 50]});
    client.put(LIMIT, &hour).await.expect(201);
    let window = json!({"kind": "import_limit", "unit": "kW", "slots": [
        {"start": "2026-11-22T17:45:00+01:00", "end": "2026-11-22T18:15:00+01:00", "value": 30},
    ]});
    client.patch(LIMIT, &window).await.expect(200);
    let state = client.state();
    let series = state.signals.values().next().unwrap();
    assert_eq!(
        slots(series),
        [(0, 45, 40_000), (45, 75, 30_000), (75, 120, 50_000)]
    );
    assert_eq!(series.revision, 2);
    let mut other = window;
    other["kind"] = json!("base_load");
    assert_eq!(
        client.patch(LIMIT, &other).await.expect(400).pointers(),
        ["/kind"]
    );
}

#[actix_web::test]
async fn a_withdrawn_signal_leaves_no_trace() {
    let client = live_depot().await;
    let before = client.state().signals.clone();
    client.put(LIMIT, &limit(&[40.0, 50.0])).await.expect(201);
    client.delete(LIMIT).await.expect(204);
    assert_eq!(client.state().signals, before);
    client.get(LIMIT).await.expect(404);
    client.delete(LIMIT).await.expect(404);
}

#[actix_web::test]
async fn odd_but_valid_series_are_taken_with_a_warning() {
    let client = live_depot().await;
    let past = json!({"kind": "import_limit", "unit": "kW", "slots": [
        {"start": "2026-11-22T15:00:00Z", "end": "2026-11-22T15:30:00Z", "value": 40},
        {"start": "2026-11-22T17:00:00Z", "end": "2026-11-22T17:30:00Z", "value": 400},
    ]});
    let answer = client.put(LIMIT, &past).await.expect(201);
    assert!(answer.warnings().contains("1 slots lie in the past"));
    assert!(answer.warnings().contains("1 gaps"));
    assert!(answer.warnings().contains("above the configured limit"));
    assert_eq!(answer.json()["accepted_slots"], 1);
    assert_eq!(answer.json()["effective_from"], "2026-11-22T17:00:00Z");

    let jumped = client.put(LIMIT, &limit(&[4.0])).await.expect(200);
    assert!(
        jumped.warnings().contains("is the unit right?"),
        "{}",
        jumped.text
    );
    assert!(jumped.warnings().contains("single slot"));

    let mut wish = limit(&[40.0, 40.0]);
    wish["hard"] = json!(false);
    let answer = client
        .put("/api/v1/sites/depot/signals/wish", &wish)
        .await
        .expect(201);
    assert_eq!(answer.json()["acted_on"], true);
    assert!(answer.warnings().contains("is a wish"), "{}", answer.text);

    let mut export = limit(&[0.0, 0.0]);
    export["kind"] = json!("export_limit");
    let answer = client
        .put("/api/v1/sites/depot/signals/export", &export)
        .await
        .expect(201);
    assert!(answer.warnings().contains("nothing is ever discharged"));
    assert_eq!(answer.json()["acted_on"], false);
}

#[actix_web::test]
async fn the_list_says_where_each_series_stands() {
    let client = live_depot().await;
    client.put(LIMIT, &limit(&[40.0, 50.0])).await.expect(201);
    let mut price = limit(&[0.2, 0.3]);
    price["kind"] = json!("import_price");
    price["unit"] = json!("EUR/kWh");
    price["start"] = json!("2026-11-22T20:00:00Z");
    client
        .put("/api/v1/sites/depot/signals/spot", &price)
        .await
        .expect(201);
    let list = client
        .get("/api/v1/sites/depot/signals")
        .await
        .expect(200)
        .json();
    let states: Vec<_> = list["signals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["state"])
        .collect();
    assert_eq!(states, ["live", "scheduled"]);
    assert_eq!(list["signals"][0]["value_now"], 40.0);
    assert_eq!(list["signals"][1]["unit"], "EUR/kWh");
    client.time_is(now() + TimeDelta::hours(1));
    let expired = "/api/v1/sites/depot/signals?state=expired&kind=import_limit";
    let list = client.get(expired).await.expect(200).json();
    assert_eq!(list["signals"].as_array().unwrap().len(), 1);
    let none = "/api/v1/sites/depot/signals?from=2026-11-23T00:00:00Z";
    assert_eq!(
        client.get(none).await.expect(200).json()["signals"],
        json!([])
    );
    let wrong = client
        .get("/api/v1/sites/depot/signals?kind=moon&color=1")
        .await
        .expect(400);
    assert_eq!(wrong.pointers(), ["?kind", "?color"]);
}

#[actix_web::test]
async fn an_aggregators_signal_ranks_behind_the_operators() {
    let client = live_depot().await;
    client
        .with_token(Some("aggregator"))
        .put(LIMIT, &limit(&[40.0, 50.0]))
        .await
        .expect(201);
    let series = client.state().signals.values().next().unwrap().clone();
    assert_eq!(
        (series.priority, series.source.as_str()),
        (40, "api:aggregator")
    );
    assert_eq!(series.kind, SignalKind::ImportLimit);
    client.put(LIMIT, &limit(&[40.0, 50.0])).await.expect(200);
    assert_eq!(client.state().signals.values().next().unwrap().priority, 30);
}

#[actix_web::test]
async fn a_meter_reading_tells_what_is_not_ours() {
    let client = live_depot().await;
    let path = "/api/v1/sites/depot/meter";
    let body = json!({"at": "2026-11-22T16:00:00Z", "power_kw": 21.5, "phases_a": [30, 31, 32.5]});
    let answer = client
        .with_token(Some("aggregator"))
        .post(path, &body)
        .await
        .expect(200);
    assert_eq!(answer.json()["uncontrolled_kw"], 21.5);
    assert_eq!(
        client.state().meter.unwrap().reading.power,
        Power::from_watts(21_500)
    );
    let export = json!({"at": "2026-11-22T16:00:10Z", "power_kw": -5});
    assert_eq!(
        client.post(path, &export).await.expect(200).json()["uncontrolled_kw"],
        0.0
    );
    let older = json!({"at": "2026-11-22T15:59:00Z", "power_kw": 50});
    let answer = client.post(path, &older).await.expect(200);
    assert!(answer.warnings().contains("newer reading"));
}

#[actix_web::test]
async fn two_members_of_one_name_are_refused() {
    let client = live_depot().await;
    let body =
        br#"{"kind":"import_limit","unit":"kW","values":[50,50],"start":"2026-11-22T16:00:00Z",
        "resolution":"PT15M","values":[1,1]}"#;
    let json = [("content-type", "application/json")];
    let reply = client
        .send(Method::PUT, LIMIT, &json, Some(body.to_vec()))
        .await
        .expect(400);
    assert!(reply.text.contains("there twice"));
    assert!(client.state().signals.is_empty());
}

#[actix_web::test]
async fn a_write_may_say_which_revision_it_replaces() {
    let client = live_depot().await;
    let json = ("content-type", "application/json");
    let put = |tag: (&'static str, &'static str)| {
        let body = limit(&[40.0, 50.0]).to_string().into_bytes();
        let client = &client;
        async move {
            client
                .send(Method::PUT, LIMIT, &[json, tag], Some(body))
                .await
        }
    };
    put(("if-match", "\"1\"")).await.expect(412);
    let first = put(("if-none-match", "*")).await.expect(201);
    assert_eq!(first.headers["etag"], "\"1\"");
    put(("if-none-match", "*")).await.expect(412);
    put(("if-match", "\"7\"")).await.expect(412);
    let second = put(("if-match", "\"1\"")).await.expect(200);
    assert_eq!(second.headers["etag"], "\"2\"");
    let shown = client.get(LIMIT).await.expect(200);
    assert_eq!(shown.headers["etag"], "\"2\"");
    let gone = client
        .send(Method::DELETE, LIMIT, &[("if-match", "\"1\"")], None)
        .await;
    gone.expect(412);
}

#[actix_web::test]
async fn another_senders_signal_and_the_services_own_are_left_alone() {
    let client = live_depot().await;
    client.put(LIMIT, &limit(&[40.0, 50.0])).await.expect(201);
    let aggregator = client.with_token(Some("aggregator"));
    aggregator.put(LIMIT, &limit(&[4.0])).await.expect(403);
    aggregator.delete(LIMIT).await.expect(403);
    for key in ["dispatch:x", "group:x", "feed:x", "limit-source-site"] {
        let path = format!("/api/v1/sites/depot/signals/{key}");
        client.put(&path, &limit(&[4.0])).await.expect(400);
    }
}

#[actix_web::test]
async fn a_token_may_be_kept_to_kinds_ranks_and_wishes() {
    let client = live_depot().await;
    let wish = json!({"name": "agg", "scopes": ["signals:write"], "signals": {
        "kinds": ["import_limit", "import_price"], "min_priority": 50, "hard": false,
        "dispatch": false}});
    let made = client
        .post("/api/v1/tokens", &wish)
        .await
        .expect(201)
        .json();
    assert_eq!(made["signals"]["min_priority"], 50);
    let secret = made["token"].as_str().unwrap().to_owned();
    let caged = client.with_token(Some(&secret));
    let path = "/api/v1/sites/depot/signals/agg";
    let mut body = limit(&[40.0, 50.0]);
    caged.put(path, &body).await.expect(201);
    let series = client.state().signals.values().next().unwrap().clone();
    assert_eq!(
        (series.priority, series.hard),
        (50, false),
        "its own caps by default"
    );
    body["hard"] = json!(true);
    caged.put(path, &body).await.expect(403);
    body["hard"] = json!(false);
    body["priority"] = json!(10);
    caged.put(path, &body).await.expect(403);
    body["priority"] = json!(60);
    caged.put(path, &body).await.expect(200);
    let mut load = limit(&[4.0, 5.0]);
    load["kind"] = json!("base_load");
    caged
        .put("/api/v1/sites/depot/signals/load", &load)
        .await
        .expect(403);
    let ask = json!({"target": "depot", "delta_kw": -1, "start": "2026-11-22T16:00:00Z",
        "end": "2026-11-22T17:00:00Z"});
    caged.post("/api/v1/dispatches", &ask).await.expect(403);
}

#[actix_web::test]
async fn a_signal_says_how_far_it_is() {
    let client = live_depot().await;
    super::cars::car_arrives(&client, 18.0);
    client.put(LIMIT, &limit(&[40.0, 50.0])).await.expect(201);
    let stage = |reply: super::fakes::Reply| reply.json()["life"]["stage"].clone();
    assert_eq!(stage(client.get(LIMIT).await), "received");
    super::cars::planned(&client);
    assert_eq!(
        stage(client.get(LIMIT).await),
        "applied",
        "the plan lets it draw all it can"
    );
    client.time_is(now() + TimeDelta::minutes(5));
    super::cars::car_charges_until(&client, 5, 0.9);
    assert_eq!(stage(client.get(LIMIT).await), "measured");
    let life = client.get(LIMIT).await.json()["life"].clone();
    assert_eq!(life["within_limit"], true, "{life}");
    client.time_is(now() + TimeDelta::hours(1));
    assert_eq!(stage(client.get(LIMIT).await), "closed");
}
