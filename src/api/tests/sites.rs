//! Sites: setting up, showing, replacing, removing; and who may.

use actix_web::http::Method;
use serde_json::json;

use super::{Client, depot, kw, live_depot};
use crate::api::Rates;
use crate::domain::evse::Supply;
use crate::domain::id::{EvseId, SiteId};
use crate::domain::ports::{PortError, Taken};
use crate::domain::site::{ArrivalReserve, Mode};

#[actix_web::test]
async fn a_site_is_new_first_and_replaced_then() {
    let client = Client::new();
    client
        .put("/api/v1/sites/depot", &depot())
        .await
        .expect(201);
    client
        .put("/api/v1/sites/depot", &depot())
        .await
        .expect(200);
    let list = client.get("/api/v1/sites").await.expect(200).json();
    assert_eq!(list["sites"][0]["site"], "depot");
    assert_eq!(list["sites"][0]["import_limit_kw"], 60.0);
}

#[actix_web::test]
async fn what_get_answers_may_be_put_again() {
    let client = Client::new();
    let mut body = depot();
    body["evses"][0]["fallback_kw"] = json!(4.6);
    body["price"] = json!({"flat_per_kwh": 0.3});
    body["circuits"][0]["phase_limit_a"] = json!(100);
    client.put("/api/v1/sites/depot", &body).await.expect(201);
    let shown = client.get("/api/v1/sites/depot").await.expect(200).json();
    let before = client.state().site.clone();
    client.put("/api/v1/sites/depot", &shown).await.expect(200);
    assert_eq!(client.state().site, before);
}

#[actix_web::test]
async fn an_evse_that_says_little_is_ac_on_three_phases_with_six_amps_at_least() {
    let client = Client::new();
    let mut body = depot();
    body["evses"] = json!([
        {"id": "a", "max_kw": 22.08, "source": {"ocpi": {"partner": "p", "location_id": "l", "evse_uid": "A"}}},
        {"id": "b", "max_kw": 3.68, "source": {"ocpi": {"partner": "p", "location_id": "l", "evse_uid": "b"}}},
        {"id": "c", "max_kw": 7.36, "phases": ["L2"], "source": {"ocpp": {"station": "s", "evse": 1}}},
        {"id": "d", "max_kw": 150, "current_type": "dc", "source": {"ocpp": {"station": "s", "evse": 2}}},
    ]);
    client.put("/api/v1/sites/depot", &body).await.expect(201);
    let state = client.state();
    let minima: Vec<_> = state.site.evses.iter().map(|evse| evse.min).collect();
    // 6 A x 230 V = 1.38 kW per phase; DC has no minimum of its own.
    assert_eq!(minima, [kw(4.14), kw(1.38), kw(1.38), kw(0.0)]);
    assert!(matches!(
        state.site.evses[0].supply,
        Supply::Ac { phases: 3, .. }
    ));
    assert!(matches!(
        state.site.evses[1].supply,
        Supply::Ac { phases: 1, .. }
    ));
    assert_eq!(state.site.evses[3].supply, Supply::Dc);
    assert_eq!(state.site.arrival_reserve, ArrivalReserve::None);
}

#[actix_web::test]
async fn the_answer_shows_what_every_evse_falls_back_to() {
    let client = Client::new();
    let mut body = depot();
    body["evses"][0]["fallback_kw"] = json!(4.6);
    body["evses"][1]["fallback_kw"] = json!(3.0);
    let status = client
        .put("/api/v1/sites/depot", &body)
        .await
        .expect(201)
        .json()["status"]
        .clone();
    assert_eq!(status["fallback_sum_kw"], 7.6);
    assert_eq!(status["fallbacks"][0]["fallback_kw"], 4.6);
    assert_eq!(status["fallbacks"][0]["pauses"], false);
    assert_eq!(
        status["fallbacks"][1]["pauses"], true,
        "3 kW is below 6 A on three phases"
    );
    assert!(
        status["warnings"]
            .to_string()
            .contains("1 of 2 EVSEs pause"),
        "{status}"
    );
    assert_eq!(status["mode"], "shadow");
}

#[actix_web::test]
async fn fallbacks_above_the_limit_are_refused_with_the_excess() {
    let client = Client::new();
    let mut body = depot();
    body["circuits"][0]["import_limit_kw"] = json!(20);
    body["evses"][0]["fallback_kw"] = json!(11.0);
    body["evses"][1]["fallback_kw"] = json!(11.0);
    let reply = client.put("/api/v1/sites/depot", &body).await.expect(400);
    assert_eq!(reply.pointers(), ["/circuits/0/import_limit_kw"]);
    // 11 + 11 - 20 = 2 kW
    assert!(reply.text.contains("2.000 kW above"), "{}", reply.text);
    client.get("/api/v1/sites/depot").await.expect(404);
}

#[actix_web::test]
async fn the_arrival_reserve_counts_beside_the_fallbacks() {
    let client = Client::new();
    let mut body = depot();
    body["circuits"][0]["import_limit_kw"] = json!(20);
    body["evses"][0]["fallback_kw"] = json!(9.0);
    body["evses"][1]["fallback_kw"] = json!(9.0);
    client.put("/api/v1/sites/depot", &body).await.expect(201);
    body["arrival_reserve"] = json!("largest:1");
    let reply = client.put("/api/v1/sites/depot", &body).await.expect(400);
    // One at 9 kW and one that has just come at 11.04 x 1.1 = 12.144 kW: 1.144 kW too many.
    assert!(reply.text.contains("1.144 kW above"), "{}", reply.text);
}

#[actix_web::test]
async fn a_live_site_is_not_removed_before_it_gave_its_profiles_back() {
    let client = live_depot().await;
    client.delete("/api/v1/sites/depot").await.expect(409);
    client
        .put("/api/v1/sites/depot/mode", &json!({"mode": "shadow"}))
        .await
        .expect(200);
    client.delete("/api/v1/sites/depot").await.expect(204);
    client.get("/api/v1/sites/depot").await.expect(404);
}

#[actix_web::test]
async fn a_mode_is_set_and_a_site_without_a_limit_is_only_observed() {
    let client = Client::new();
    let mut body = depot();
    body["circuits"][0]["import_limit_kw"] = json!(null);
    client.put("/api/v1/sites/depot", &body).await.expect(201);
    let answer = client
        .put(
            "/api/v1/sites/depot/mode",
            &json!({"mode": "canary", "evses": ["e1"]}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(answer["mode"], "canary");
    assert_eq!(answer["effective_mode"], "observe");
    assert!(answer["hint"].is_string());
    assert_eq!(client.state().mode, Mode::Canary);
    assert_eq!(client.state().canary.len(), 1);
}

#[actix_web::test]
async fn without_a_known_token_nothing_is_said() {
    let client = live_depot().await;
    for token in [None, Some("wrong"), Some("")] {
        let reply = client
            .with_token(token)
            .get("/api/v1/sites")
            .await
            .expect(401);
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert_eq!(
            reply.json(),
            json!({"type": "about:blank", "title": "Unauthorized", "status": 401})
        );
    }
    let basic = [("authorization", "Basic YWRtaW4tdG9rZW4=")];
    client
        .with_token(None)
        .send(Method::GET, "/api/v1/sites", &basic, None)
        .await
        .expect(401);
}

#[actix_web::test]
async fn a_scope_reaches_as_far_as_it_says() {
    let client = live_depot().await;
    let signal = json!({"kind": "import_limit", "unit": "kW", "start": "2026-11-22T16:00:00Z",
        "resolution": "PT15M", "values": [40, 50]});
    let mode = json!({"mode": "shadow"});
    for (token, see, set_signal, set_mode, set_up) in [
        ("reader", 200, 403, 403, 403),
        ("aggregator", 403, 201, 403, 403),
        ("operator", 200, 201, 200, 403),
        ("admin-token", 200, 201, 200, 200),
    ] {
        let client = client.with_token(Some(token));
        client.get("/api/v1/sites/depot").await.expect(see);
        let path = format!("/api/v1/sites/depot/signals/{token}");
        client.put(&path, &signal).await.expect(set_signal);
        client
            .put("/api/v1/sites/depot/mode", &mode)
            .await
            .expect(set_mode);
        client
            .put("/api/v1/sites/depot", &depot())
            .await
            .expect(set_up);
    }
}

#[actix_web::test]
async fn a_token_of_another_site_does_not_learn_that_this_one_exists() {
    let client = live_depot().await;
    let other = client.with_token(Some("other-site"));
    let here = other.get("/api/v1/sites/depot").await.expect(404);
    let nowhere = other.get("/api/v1/sites/nowhere").await.expect(404);
    assert_eq!(
        here.text.replace("depot", "X"),
        nowhere.text.replace("nowhere", "X")
    );
    assert_eq!(other.get("/api/v1/sites").await.json()["sites"], json!([]));
}

#[actix_web::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let rates = Rates {
        requests_per_minute: 2,
        failures_per_minute: 1,
    };
    let client = Client::with_rates(rates);
    client.get("/api/v1/sites").await.expect(200);
    client.get("/api/v1/sites").await.expect(200);
    let reply = client.get("/api/v1/sites").await.expect(429);
    assert_eq!(reply.headers["retry-after"], "60");
    let guesser = client.with_token(Some("guess"));
    guesser.get("/api/v1/sites").await.expect(401);
    guesser.get("/api/v1/sites").await.expect(429);
    client.time_is(super::now() + chrono::TimeDelta::seconds(60));
    client.get("/api/v1/sites").await.expect(200);
}

#[actix_web::test]
async fn an_overloaded_service_says_503_and_when_to_come_back() {
    let client = live_depot().await;
    *client.world.refuse.lock().unwrap() = Some(PortError::Overloaded("the inbox".to_owned()));
    let reply = client
        .put("/api/v1/sites/depot/mode", &json!({"mode": "shadow"}))
        .await
        .expect(503);
    assert_eq!(reply.headers["retry-after"], "5");
    assert_eq!(client.state().mode, Mode::Live, "nothing was applied");
}

#[actix_web::test]
async fn the_request_id_comes_back_also_with_an_error() {
    let client = Client::new();
    for (path, status) in [("/api/v1/sites", 200), ("/api/v1/nothing", 404)] {
        let headers = [("x-request-id", "abc-1")];
        let reply = client
            .send(Method::GET, path, &headers, None)
            .await
            .expect(status);
        assert_eq!(reply.headers["x-request-id"], "abc-1");
    }
    let reply = client.get("/api/v1/sites").await;
    assert_eq!(reply.headers["x-request-id"].len(), 36, "a new one");
    let headers = [("x-request-id", "has a space")];
    let reply = client
        .send(Method::GET, "/api/v1/sites", &headers, None)
        .await;
    assert_eq!(
        reply.headers["x-request-id"].len(),
        36,
        "an odd one is replaced"
    );
}

#[actix_web::test]
async fn other_methods_and_paths_are_problems_too() {
    let client = live_depot().await;
    let wrong_method = client.delete("/api/v1/sites").await.expect(405);
    assert_eq!(wrong_method.headers["allow"], "GET");
    assert_eq!(
        wrong_method.headers["content-type"],
        "application/problem+json"
    );
    let wrong_path = client.get("/api/v1/sites/depot/weather").await.expect(404);
    assert_eq!(
        wrong_path.headers["content-type"],
        "application/problem+json"
    );
}

#[actix_web::test]
async fn a_body_must_be_json_and_not_too_long() {
    let client = live_depot().await;
    let path = "/api/v1/sites/depot/mode";
    let text = [("content-type", "text/plain")];
    let body = Some(b"{\"mode\":\"live\"}".to_vec());
    client
        .send(Method::PUT, path, &text, body.clone())
        .await
        .expect(415);
    client.send(Method::PUT, path, &[], body).await.expect(415);
    let json = [("content-type", "application/json; charset=utf-8")];
    let long = Some(vec![b' '; 2 * 1024 * 1024 + 1]);
    client
        .send(Method::PUT, path, &json, long)
        .await
        .expect(413);
}

#[actix_web::test]
async fn an_evse_of_another_site_is_a_conflict_that_names_the_other_and_the_place() {
    let client = Client::new();
    let taken = Taken {
        index: 1,
        evse: EvseId::new("e2").expect("valid"),
        site: SiteId::new("yard").expect("valid"),
    };
    *client.world.refuse.lock().expect("not poisoned") = Some(PortError::Taken(vec![taken]));
    let reply = client
        .put("/api/v1/sites/depot", &depot())
        .await
        .expect(409);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!(reply.pointers(), ["/evses/1/source"]);
    assert!(reply.text.contains("site yard"), "{}", reply.text);
}

#[actix_web::test]
async fn a_name_that_cannot_be_written_in_a_path_or_be_seen_is_refused() {
    let client = Client::new();
    for name in [
        "%2E%2E",
        "%2E",
        "de%E2%80%AEpot",
        "depot%E2%80%8B",
        "de%00pot",
        "de%20pot",
    ] {
        let reply = client.put(&format!("/api/v1/sites/{name}"), &depot()).await;
        assert_eq!(reply.status.as_u16(), 400, "{name} {}", reply.text);
    }
    let list = client.get("/api/v1/sites").await.expect(200).json();
    assert_eq!(list["sites"], json!([]));
}
