//! Bodies that are wrong, each with the pointer of its fault; nothing of any of them is applied.
//! The tables are in the folder `bad`.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Client, depot, live_depot};

/// One line of a table: a fault that is put into a sound body.
struct Bad<'a> {
    what: &'a str,
    at: &'a str,
    put: Value,
    points_to: Vec<&'a str>,
}

fn table(text: &str) -> Vec<Bad<'_>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [what, at, put, points_to] = cells[..] else {
                panic!("four columns: {line}");
            };
            Bad {
                what,
                at,
                put: serde_json::from_str(put).expect("JSON in the third column"),
                points_to: match points_to {
                    "" => vec![""],
                    some => some.split(' ').collect(),
                },
            }
        })
        .collect()
}

/// Puts a value at a place; members that are not there are added.
fn with(body: &Value, at: &str, put: Value) -> Value {
    let Some((parent, name)) = at.rsplit_once('/') else {
        return put;
    };
    let mut body = body.clone();
    match body.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(name.replace("~1", "/"), put);
        }
        Some(Value::Array(items)) => items[name.parse::<usize>().expect("an index")] = put,
        _ => panic!("{at} has no parent"),
    }
    body
}

async fn each_is_refused(method: Method, path: &str, sound: Value, text: &str) {
    let client = live_depot().await;
    let before = client.state();
    for Bad {
        what,
        at,
        put,
        points_to,
    } in table(text)
    {
        let reply = client
            .json(method.clone(), path, &with(&sound, at, put))
            .await;
        assert_eq!(reply.status.as_u16(), 400, "{what}: {}", reply.text);
        assert_eq!(
            reply.headers["content-type"], "application/problem+json",
            "{what}"
        );
        assert_eq!(reply.pointers(), points_to, "{what}: {}", reply.text);
        assert_eq!(client.state(), before, "{what}: something was applied");
    }
    assert!(client.world.registered.lock().unwrap().is_empty());
    // The tables would prove nothing if the sound body were refused as well.
    let reply = client.json(method, path, &sound).await;
    assert!(reply.status.is_success(), "{}", reply.text);
}

#[actix_web::test]
async fn each_bad_site_is_refused_with_its_pointer() {
    let path = "/api/v1/sites/depot";
    each_is_refused(Method::PUT, path, depot(), include_str!("bad/site.txt")).await;
}

fn limit() -> Value {
    json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT15M", "values": [40, 50, 60]})
}

#[actix_web::test]
async fn each_bad_signal_is_refused_with_its_pointer() {
    let path = "/api/v1/sites/depot/signals/k";
    each_is_refused(
        Method::PUT,
        path,
        limit(),
        include_str!("bad/signal_compact.txt"),
    )
    .await;
    let long = json!({"kind": "import_limit", "unit": "kW", "slots": [
        {"start": "2026-11-22T16:00:00Z", "end": "2026-11-22T16:15:00Z", "value": 40},
        {"start": "2026-11-22T16:15:00Z", "end": "2026-11-22T16:30:00Z", "value": 50},
    ]});
    each_is_refused(Method::PUT, path, long, include_str!("bad/signal_long.txt")).await;
    let price = json!({"kind": "import_price", "unit": "EUR/kWh", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT15M", "values": [0.2, -0.1]});
    each_is_refused(
        Method::PUT,
        path,
        price,
        include_str!("bad/signal_price.txt"),
    )
    .await;
    each_is_refused(
        Method::PUT,
        path,
        limit(),
        include_str!("bad/signal_kinds.txt"),
    )
    .await;
}

#[test]
fn more_than_150_kinds_of_bad_signals_are_tried() {
    let tables = [
        include_str!("bad/signal_compact.txt"),
        include_str!("bad/signal_long.txt"),
        include_str!("bad/signal_price.txt"),
        include_str!("bad/signal_kinds.txt"),
    ];
    let tried: usize = tables.iter().map(|text| table(text).len()).sum();
    assert!(tried >= 150, "{tried}");
}

#[actix_web::test]
async fn a_series_that_is_too_long_is_refused() {
    let client = live_depot().await;
    for count in [41 * 96, 10_001] {
        let body = with(&limit(), "/values", vec![40; count].into());
        let reply = client
            .put("/api/v1/sites/depot/signals/k", &body)
            .await
            .expect(400);
        assert_eq!(reply.pointers(), ["/values"]);
    }
    let longest = with(&limit(), "/values", vec![40; 40 * 96].into());
    client
        .put("/api/v1/sites/depot/signals/k", &longest)
        .await
        .expect(201);
}

#[actix_web::test]
async fn each_bad_departure_is_refused_with_its_pointer() {
    let path = "/api/v1/sites/depot/departures/e1";
    let sound = json!({"departure": "2026-11-23T06:00:00Z", "energy_kwh": 30});
    each_is_refused(Method::PUT, path, sound, include_str!("bad/departure.txt")).await;
    let path = "/api/v1/sites/depot/departures";
    let sound = json!([{"key": "e1", "energy_kwh": 10}, {"key": "e2", "energy_kwh": 20}]);
    each_is_refused(Method::PUT, path, sound, include_str!("bad/departures.txt")).await;
}

#[actix_web::test]
async fn each_bad_mode_is_refused_with_its_pointer() {
    let path = "/api/v1/sites/depot/mode";
    let sound = json!({"mode": "canary", "evses": ["e1"]});
    each_is_refused(Method::PUT, path, sound, include_str!("bad/mode.txt")).await;
}

#[actix_web::test]
async fn each_bad_reading_and_override_is_refused_with_its_pointer() {
    let path = "/api/v1/sites/depot/meter";
    let sound = json!({"at": "2026-11-22T16:00:00Z", "power_kw": 5, "phases_a": [7, 7, 7]});
    each_is_refused(Method::POST, path, sound, include_str!("bad/meter.txt")).await;
    let path = "/api/v1/sites/depot/evses/e1/override";
    let sound = json!({"action": "pause", "until": "2026-11-22T18:00:00Z"});
    each_is_refused(Method::POST, path, sound, include_str!("bad/override.txt")).await;
}

#[actix_web::test]
async fn each_bad_registration_is_refused_with_its_pointer_and_no_secret_comes_back() {
    let path = "/api/v1/partners";
    let sound = json!({"name": "n", "versions_url": "https://csms.example/v", "token_a": "t"});
    each_is_refused(
        Method::POST,
        path,
        sound.clone(),
        include_str!("bad/partner.txt"),
    )
    .await;
    let reply = Client::new()
        .post(path, &with(&sound, "/token_a", json!("very secret")))
        .await;
    assert!(!reply.expect(400).text.contains("very secret"));
}

#[actix_web::test]
async fn what_is_not_json_at_all_is_refused() {
    let client = live_depot().await;
    let json = [("content-type", "application/json")];
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"\xff\xfe",
        b"{\"mode\":\"live\"} x",
        b"NaN",
        b"{\"mode\":1e999}",
        b"{'mode':'live'}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let path = "/api/v1/sites/depot/mode";
        let reply = client
            .send(Method::PUT, path, &json, Some(body.to_vec()))
            .await
            .expect(400);
        assert_eq!(reply.pointers(), [""], "{}", reply.text);
    }
}
