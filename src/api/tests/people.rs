//! Tokens, people and browser sessions: who comes in, and who does not.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::fakes::Reply;
use super::{Client, live_depot, now};

const PASSWORD: &str = "correct horse battery";

fn cookie_of(reply: &Reply) -> String {
    let header = &reply.headers["set-cookie"];
    assert!(header.contains("HttpOnly; SameSite=Strict"), "{header}");
    header.split(';').next().expect("a pair").to_owned()
}

/// A browser that is signed in: its cookie and its second secret.
struct Browser {
    client: Client,
    cookie: String,
    csrf_token: String,
}

impl Browser {
    async fn signs_in(client: &Client, way: &Value) -> Self {
        let client = client.with_token(None);
        let reply = client.post("/api/v1/login", way).await.expect(200);
        Self {
            cookie: cookie_of(&reply),
            csrf_token: reply.json()["csrf_token"]
                .as_str()
                .expect("there")
                .to_owned(),
            client,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        let headers = [("cookie", self.cookie.as_str())];
        self.client.send(Method::GET, path, &headers, None).await
    }

    async fn put(&self, path: &str, body: &Value) -> Reply {
        self.put_with(path, body, &self.csrf_token).await
    }

    async fn put_with(&self, path: &str, body: &Value, csrf_token: &str) -> Reply {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("x-csrf-token", csrf_token),
            ("content-type", "application/json"),
        ];
        let body = Some(body.to_string().into_bytes());
        self.client.send(Method::PUT, path, &headers, body).await
    }
}

async fn person(client: &Client, name: &str, role: &str) {
    let body = json!({"role": role, "password": PASSWORD});
    let path = format!("/api/v1/users/{name}");
    client.put(&path, &body).await.expect(201);
}

#[actix_web::test]
async fn a_one_time_code_signs_in_once() {
    let client = live_depot().await;
    let way = json!({ "code": client.one_time_code() });
    let browser = Browser::signs_in(&client, &way).await;
    assert_eq!(browser.get("/api/v1/login").await.json()["role"], "admin");
    browser.get("/api/v1/sites/depot").await.expect(200);
    client
        .with_token(None)
        .post("/api/v1/login", &way)
        .await
        .expect(401);
}

#[actix_web::test]
async fn a_code_that_waited_a_day_is_void() {
    let client = Client::new();
    let way = json!({ "code": client.one_time_code() });
    client.time_is(now() + TimeDelta::hours(24));
    client.post("/api/v1/login", &way).await.expect(401);
}

#[actix_web::test]
async fn a_role_opens_what_it_is_for() {
    let client = live_depot().await;
    let shadow = json!({"mode": "shadow"});
    for (role, mode, site) in [
        ("viewer", 403, 403),
        ("operator", 200, 403),
        ("admin", 200, 200),
    ] {
        person(&client, role, role).await;
        let way = json!({"user": role, "password": PASSWORD});
        let browser = Browser::signs_in(&client, &way).await;
        assert_eq!(browser.get("/api/v1/login").await.json()["role"], role);
        browser.get("/api/v1/sites/depot/plan").await.expect(200);
        let answer = browser.put("/api/v1/sites/depot/mode", &shadow).await;
        answer.expect(mode);
        let answer = browser.put("/api/v1/sites/depot", &super::depot()).await;
        answer.expect(site);
    }
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let client = Client::new();
    person(&client, "ada", "viewer").await;
    let mut answers = Vec::new();
    for (user, password) in [("ada", "wrong password!"), ("bob", PASSWORD)] {
        let way = json!({"user": user, "password": password});
        let answer = client.post("/api/v1/login", &way).await.expect(401);
        assert!(!answer.headers.contains_key("set-cookie"));
        answers.push(answer.text);
    }
    assert_eq!(answers[0], answers[1]);
}

#[actix_web::test]
async fn a_write_of_a_browser_needs_its_second_secret() {
    let client = live_depot().await;
    let way = json!({"token": "admin-token"});
    let browser = Browser::signs_in(&client, &way).await;
    let (path, body) = ("/api/v1/sites/depot/mode", json!({"mode": "shadow"}));
    for forged in ["", "guess"] {
        browser.put_with(path, &body, forged).await.expect(403);
    }
    browser.put(path, &body).await.expect(200);
}

#[actix_web::test]
async fn signing_out_ends_the_session_behind_the_cookie() {
    let client = live_depot().await;
    let browser = Browser::signs_in(&client, &json!({"token": "admin-token"})).await;
    let headers = [("cookie", browser.cookie.as_str())];
    let out = browser
        .client
        .send(Method::DELETE, "/api/v1/login", &headers, None);
    out.await.expect(204);
    browser.get("/api/v1/sites").await.expect(401);
    let who = browser.get("/api/v1/login").await.expect(200).json();
    assert_eq!(who["signed_in"], false);
}

#[actix_web::test]
async fn a_session_that_rests_for_twelve_hours_is_over() {
    let client = live_depot().await;
    let browser = Browser::signs_in(&client, &json!({"token": "admin-token"})).await;
    client.time_is(now() + TimeDelta::hours(11));
    browser.get("/api/v1/sites").await.expect(200);
    client.time_is(now() + TimeDelta::hours(22));
    browser.get("/api/v1/sites").await.expect(200);
    client.time_is(now() + TimeDelta::hours(34));
    browser.get("/api/v1/sites").await.expect(401);
}

#[actix_web::test]
async fn a_removed_person_and_a_changed_password_end_their_sessions() {
    let client = live_depot().await;
    person(&client, "ada", "operator").await;
    let way = json!({"user": "ada", "password": PASSWORD});
    let browser = Browser::signs_in(&client, &way).await;
    let viewer = json!({"role": "viewer"});
    client.put("/api/v1/users/ada", &viewer).await.expect(200);
    assert_eq!(browser.get("/api/v1/login").await.json()["role"], "viewer");
    let other = json!({"role": "viewer", "password": "another long one"});
    client.put("/api/v1/users/ada", &other).await.expect(200);
    browser.get("/api/v1/sites").await.expect(401);
    let way = json!({"user": "ada", "password": "another long one"});
    let browser = Browser::signs_in(&client, &way).await;
    client.delete("/api/v1/users/ada").await.expect(204);
    browser.get("/api/v1/sites").await.expect(401);
}

#[actix_web::test]
async fn a_token_opens_its_scopes_at_its_sites_until_it_expires() {
    let client = live_depot().await;
    let wish = json!({
        "name": "aggregator", "scopes": ["read"], "sites": ["depot"],
        "expires_at": now() + TimeDelta::days(2),
    });
    let made = client
        .post("/api/v1/tokens", &wish)
        .await
        .expect(201)
        .json();
    let secret = made["token"].as_str().expect("shown once");
    let program = client.with_token(Some(secret));
    program.get("/api/v1/sites/depot").await.expect(200);
    program
        .put("/api/v1/sites/depot/mode", &json!({"mode": "shadow"}))
        .await
        .expect(403);
    program.get("/api/v1/sites/other").await.expect(404);
    let listed = client.get("/api/v1/tokens").await.expect(200);
    assert!(!listed.text.contains(secret), "{}", listed.text);
    client.time_is(now() + TimeDelta::days(2));
    program.get("/api/v1/sites/depot").await.expect(401);
}

#[actix_web::test]
async fn a_revoked_token_is_worth_nothing_at_once() {
    let client = live_depot().await;
    let wish = json!({"name": "script", "scopes": ["operate"]});
    let made = client
        .post("/api/v1/tokens", &wish)
        .await
        .expect(201)
        .json();
    let program = client.with_token(made["token"].as_str());
    let browser = Browser::signs_in(&client, &json!({"token": made["token"]})).await;
    program.get("/api/v1/sites").await.expect(200);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().expect("there"));
    client.delete(&path).await.expect(204);
    program.get("/api/v1/sites").await.expect(401);
    browser.get("/api/v1/sites").await.expect(401);
}

#[actix_web::test]
async fn only_administrators_make_tokens_and_people() {
    let operator = Client::new().with_token(Some("operator"));
    let token = json!({"name": "x", "scopes": ["admin"]});
    operator.post("/api/v1/tokens", &token).await.expect(403);
    let person = json!({"role": "admin", "password": PASSWORD});
    operator.put("/api/v1/users/eve", &person).await.expect(403);
    operator.get("/api/v1/users").await.expect(403);
}

#[actix_web::test]
async fn faults_of_a_sign_in_do_not_repeat_the_secret() {
    let client = Client::new();
    let way = json!({"token": 12_345_678, "code": "secret-code", "nonsense": 1});
    let answer = client.post("/api/v1/login", &way).await.expect(400);
    assert!(!answer.text.contains("12345678"), "{}", answer.text);
    assert!(!answer.text.contains("secret-code"), "{}", answer.text);
    let short = json!({"role": "viewer", "password": "short-secret"[..11].to_owned()});
    let answer = client.put("/api/v1/users/ada", &short).await.expect(400);
    assert_eq!(answer.pointers(), ["/password"]);
    assert!(!answer.text.contains("short-secre"), "{}", answer.text);
}

#[actix_web::test]
async fn every_change_is_in_the_audit_with_who_made_it() {
    let client = live_depot().await;
    client
        .with_token(Some("operator"))
        .put("/api/v1/sites/depot/mode", &json!({"mode": "shadow"}))
        .await
        .expect(200);
    client
        .put("/api/v1/sites/depot/mode", &json!({"mode": "nonsense"}))
        .await
        .expect(400);
    let audit = client.get("/api/v1/audit?site=depot").await.expect(200);
    let entries = audit.json()["entries"].clone();
    assert_eq!(entries.as_array().expect("a list").len(), 2, "{entries}");
    assert_eq!(entries[0]["actor"], "operator");
    assert_eq!(entries[0]["path"], "/api/v1/sites/depot/mode");
    assert!(
        entries[0]["remark"]
            .as_str()
            .is_some_and(|r| r.contains("Shadow"))
    );
    assert_eq!(entries[1]["method"], "PUT");
    let reader = client.with_token(Some("reader"));
    reader.get("/api/v1/audit").await.expect(403);
}
