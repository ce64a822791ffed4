//! Partners: registering, inviting, testing, and what is shown of them.

use serde_json::json;

use super::Client;
use crate::api::ports::{CheckRow, CheckStatus};

fn row(name: &str, ok: bool) -> CheckRow {
    CheckRow {
        name: name.to_owned(),
        ok,
        status: if ok {
            CheckStatus::Ok
        } else {
            CheckStatus::Failed
        },
        detail: format!("{name} was tried"),
        advice: None,
        exchange: None,
    }
}

fn wish() -> serde_json::Value {
    json!({"name": "new", "versions_url": "https://csms.example/ocpi/versions", "token_a": "abc"})
}

#[actix_web::test]
async fn a_registration_is_answered_with_its_check_list() {
    let client = Client::new();
    *client.world.rows.lock().unwrap() = vec![row("versions", true), row("credentials", true)];
    let answer = client
        .post("/api/v1/partners", &wish())
        .await
        .expect(201)
        .json();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["checks"][1]["name"], "credentials");
    let registered = client.world.registered.lock().unwrap();
    assert_eq!(registered[0].token_a.reveal(), "abc");
    assert!(!format!("{:?}", registered[0]).contains("abc"));
}

#[actix_web::test]
async fn a_registration_that_failed_names_the_step_and_keeps_the_list() {
    let client = Client::new();
    *client.world.rows.lock().unwrap() = vec![row("versions", true), row("credentials", false)];
    let reply = client.post("/api/v1/partners", &wish()).await.expect(502);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert!(
        reply.json()["detail"]
            .as_str()
            .unwrap()
            .contains("credentials was tried")
    );
    assert_eq!(reply.json()["checks"][1]["ok"], false);
}

#[actix_web::test]
async fn a_name_in_use_is_not_taken_over() {
    let client = Client::new();
    let mut body = wish();
    body["name"] = json!("acme");
    client.post("/api/v1/partners", &body).await.expect(409);
    client
        .post("/api/v1/partners/invite", &json!({"name": "acme"}))
        .await
        .expect(409);
    assert!(client.world.registered.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn an_invitation_shows_its_token_once_and_nobody_keeps_it_on_the_way() {
    let client = Client::new();
    let reply = client
        .post("/api/v1/partners/invite", &json!({"name": "new"}))
        .await
        .expect(201);
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.json()["token_a"], "token-for-new");
    assert!(reply.json()["versions_url"].is_string());
}

#[actix_web::test]
async fn a_test_that_finds_a_fault_did_its_work() {
    let client = Client::new();
    *client.world.rows.lock().unwrap() = vec![row("clock", false)];
    let answer = client
        .post("/api/v1/partners/acme/test", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["ok"], false);
    client
        .post("/api/v1/partners/acme/rotate", &json!({}))
        .await
        .expect(502);
}

#[actix_web::test]
async fn partners_are_listed_shown_and_removed() {
    let client = Client::new();
    let reader = client.with_token(Some("reader"));
    let list = reader.get("/api/v1/partners").await.expect(200).json();
    assert_eq!(list["partners"][0]["name"], "acme");
    let shown = reader.get("/api/v1/partners/acme").await.expect(200).json();
    assert_eq!(shown["health"], "current");
    reader.get("/api/v1/partners/nobody").await.expect(404);
    reader
        .get("/api/v1/partners/acme/exchanges")
        .await
        .expect(403);
    let seen = client
        .get("/api/v1/partners/acme/exchanges")
        .await
        .expect(200)
        .json();
    assert_eq!(seen["exchanges"][0]["path"], "/ocpi/versions");
    client
        .with_token(Some("operator"))
        .delete("/api/v1/partners/acme")
        .await
        .expect(403);
    client.delete("/api/v1/partners/acme").await.expect(204);
}
