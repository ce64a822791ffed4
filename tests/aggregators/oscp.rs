//! A capacity provider of `OSCP` 2.0 and the service as its flexibility provider: each registers with the
//! other, forecasts become limits, and silence the fallback.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use evenload::service::Running;
use evenload::sim::clock::VirtualClock;
use evenload::store::memory::MemoryStore;

use super::in_virtual_time::{call, serve};
use super::{DEADLINE, Service, now, rfc};

const SECRET: &str = "a client's secret";

/// One request as the provider heard it.
#[derive(Clone, Debug)]
struct Heard {
    path: String,
    authorization: String,
    correlation: Option<String>,
    id: Option<String>,
    extra: Option<String>,
    body: Value,
}

/// An independent capacity provider on loopback; it stops with the test.
struct Provider {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// It takes nothing.
    is_down: Arc<AtomicBool>,
    server: actix_web::dev::ServerHandle,
    http: reqwest::Client,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let stopping = self.server.stop(false);
        actix_web::rt::spawn(stopping);
    }
}

async fn hear(
    (heard, is_down): (Data<Mutex<Vec<Heard>>>, Data<AtomicBool>),
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    if is_down.load(Ordering::SeqCst) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let path = request
        .path()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    if path == "token" {
        let text = String::from_utf8_lossy(&body);
        let right = text.contains("grant_type=client_credentials") && text.contains("client_id=us");
        assert!(right, "{text}");
        return HttpResponse::Ok().json(json!({"access_token": "oauth-1", "expires_in": 3600}));
    }
    heard.lock().expect("sound").push(Heard {
        path,
        authorization: header("authorization").unwrap_or_default(),
        correlation: header("x-correlation-id"),
        id: header("x-request-id"),
        extra: header("x-environment"),
        body: serde_json::from_slice(&body).expect("JSON"),
    });
    HttpResponse::NoContent().finish()
}

impl Provider {
    fn start() -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let state = Data::from(heard.clone());
        let is_down: Arc<AtomicBool> = Arc::default();
        let down = Data::from(is_down.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(down.clone())
                .default_service(web::to(hear))
        })
        .workers(1)
        .bind("127.0.0.1:0")
        .expect("a port");
        let url = format!("http://{}/oscp/cp/2.0", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        drop(rustls::crypto::ring::default_provider().install_default());
        Self {
            url,
            heard,
            is_down,
            server: handle,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        }
    }

    /// Sends a message; gives the status and what is said about it.
    async fn says(
        &self,
        base: &str,
        (token, id): (&str, &str),
        path: &str,
        body: &Value,
    ) -> (u16, String) {
        let request = self
            .http
            .post(format!("{base}/{path}"))
            .header("Authorization", format!("Token {token}"))
            .header("X-Request-ID", id);
        let answer = request.json(body).send().await.expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("text"))
    }

    /// Waits for a message.
    async fn hears(&self, path: &str, found: impl Fn(&Heard) -> bool) -> Heard {
        let begun = tokio::time::Instant::now();
        loop {
            let all = self.heard.lock().expect("sound").clone();
            if let Some(heard) = all.iter().find(|heard| heard.path == path && found(heard)) {
                return heard.clone();
            }
            assert!(begun.elapsed() < DEADLINE, "no {path}: {all:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn block(from: DateTime<Utc>, to: DateTime<Utc>, kw: f64) -> Value {
    json!({"capacity": kw, "phase": "ALL", "unit": "KW",
        "start_time": rfc(from), "end_time": rfc(to)})
}

fn forecast(of: &str, blocks: &[Value]) -> Value {
    json!({"group_id": "feeder-1", "type": of, "forecasted_blocks": blocks})
}

const UPDATE: &str = "update_group_capacity_forecast";

/// The limit of the first slot.
fn limit_is(kw: f64) -> impl Fn(&Value) -> bool {
    move |frame| frame["circuits"][0]["limit_kw"][0]["value"] == kw
}

#[actix_web::test]
async fn a_provider_registers_says_what_may_be_drawn_and_falls_silent() {
    let provider = Provider::start();
    let service = Service::start();
    service.site("depot", 100.0).await;
    let made = service
        .put("/sites/depot/oscp/dso", json!({"group_id": "feeder-1"}))
        .await;
    let first = made["token"].as_str().expect("shown once").to_owned();
    let shown = service.get("/sites/depot/oscp/dso").await;
    assert!(!shown.to_string().contains(&first), "{shown}");
    let base = format!("{}/oscp/2.0", service.url.trim_end_matches('/'));

    // Nobody else is let in, and nobody without our version.
    let (status, _) = provider
        .says(&base, ("wrong", "r0"), "heartbeat", &json!({}))
        .await;
    assert_eq!(status, 401);
    let old = json!({"token": "b", "version_url": [{"version": "1.0", "base_url": provider.url}]});
    let (status, _) = provider.says(&base, (&first, "r0"), "register", &old).await;
    assert_eq!(status, 501);

    // Each gets the other's token.
    let body = json!({"token": "token-b", "version_url": [
        {"version": "2.0", "base_url": provider.url}]});
    let (status, answer) = provider
        .says(&base, (&first, "r1"), "register", &body)
        .await;
    assert_eq!((status, answer.as_str()), (204, ""));
    let ours = provider.hears("register", |_| true).await;
    assert_eq!(ours.authorization, "Token token-b");
    assert_eq!(ours.correlation.as_deref(), Some("r1"));
    assert!(ours.id.is_some());
    let version = &ours.body["version_url"][0];
    assert_eq!(
        (&version["version"], &version["base_url"]),
        (&json!("2.0"), &json!(base))
    );
    let token = ours.body["token"].as_str().expect("a token").to_owned();
    let registered =
        |link: &Value| link["status"]["stage"] == "registered" && link["status"]["waiting"] == 0;
    service
        .until("/sites/depot/oscp/dso", "registered", registered)
        .await;
    let begun = tokio::time::Instant::now();
    while provider
        .says(&base, (&first, "r1"), "heartbeat", &json!({}))
        .await
        .0
        != 401
    {
        assert!(begun.elapsed() < DEADLINE, "the first token is still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Hands are shaken, hearts beat.
    let token = token.as_str();
    let wants = json!({"required_behaviour": {"heartbeat_interval": 1,
        "measurement_configuration": ["CONTINUOUS"]}});
    let (status, _) = provider
        .says(&base, (token, "r2"), "handshake", &wants)
        .await;
    assert_eq!(status, 204);
    let shaken = provider.hears("handshake_acknowledge", |_| true).await;
    assert_eq!(shaken.correlation.as_deref(), Some("r2"));
    assert_eq!(shaken.body["required_behaviour"]["heartbeat_interval"], 1);
    let beat = provider.hears("heartbeat", |_| true).await;
    let until: DateTime<Utc> = beat.body["offline_mode_at"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an instant");
    assert!(until > now(), "{beat:?}");

    // What may be drawn, and what while the provider is away.
    let (from, to) = (now() - TimeDelta::minutes(1), now() + TimeDelta::hours(2));
    let limit = forecast("CONSUMPTION", &[block(from, to, 40.0)]);
    assert_eq!(
        provider.says(&base, (token, "r3"), UPDATE, &limit).await.0,
        204
    );
    let fallback = forecast("FALLBACK_CONSUMPTION", &[block(from, to, 15.0)]);
    assert_eq!(
        provider
            .says(&base, (token, "r4"), UPDATE, &fallback)
            .await
            .0,
        204
    );
    let frame = service.get("/sites/depot/frame").await;
    assert!(
        limit_is(40.0)(&frame),
        "it holds as soon as it is answered: {frame}"
    );
    assert_eq!(
        frame["circuits"][0]["limit_kw"][0]["origin"]["key"],
        "oscp:dso:import_limit"
    );

    // What is not for us or makes no sense changes nothing.
    let mut other = limit.clone();
    other["group_id"] = json!("feeder-2");
    let (status, why) = provider.says(&base, (token, "r5"), UPDATE, &other).await;
    assert!(status == 404 && why.contains("feeder-2"), "{status} {why}");
    let twice = forecast("CONSUMPTION", &[block(from, to, 1.0), block(from, to, 1.0)]);
    let (status, why) = provider.says(&base, (token, "r6"), UPDATE, &twice).await;
    assert!(status == 400 && why.contains("overlaps"), "{status} {why}");
    assert!(limit_is(40.0)(&service.get("/sites/depot/frame").await));

    // Less than what nobody controls cannot be kept: that is said at once.
    let start = rfc(now() - TimeDelta::minutes(1));
    let load = json!({"kind": "base_load", "unit": "kW", "start": start, "resolution": "PT4H",
        "values": [30, 30]});
    service.put("/sites/depot/signals/load", load).await;
    let hour = |hours| now() + TimeDelta::hours(hours);
    let low = forecast(
        "CONSUMPTION",
        &[block(hour(1), hour(2), 20.0), block(hour(2), hour(3), 35.0)],
    );
    assert_eq!(
        provider.says(&base, (token, "r7"), UPDATE, &low).await.0,
        204
    );
    let error = provider
        .hears("group_capacity_compliance_error", |_| true)
        .await;
    assert_eq!(error.correlation.as_deref(), Some("r7"));
    let blocks = error.body["forecasted_blocks"].as_array().expect("which");
    assert_eq!(
        (blocks.len(), &blocks[0]["capacity"]),
        (1, &json!(20.0)),
        "{error:?}"
    );

    // We ask for more.
    let wish = json!({"type": "CONSUMPTION", "blocks": [
        {"start": rfc(hour(1)), "end": rfc(hour(2)), "capacity_kw": 60}]});
    let (status, answer) = service
        .call(Method::POST, "/sites/depot/oscp/dso/adjust", Some(wish))
        .await;
    assert_eq!(status, 202, "{answer}");
    let asked = provider
        .hears("adjust_group_capacity_forecast", |_| true)
        .await;
    assert_eq!(asked.body["group_id"], "feeder-1");
    assert_eq!(asked.body["forecasted_blocks"][0]["capacity"], 60.0);

    // It is not heard in time: its fallback holds, also when its heart beats again, until hands are
    // shaken anew.
    let soon = json!({"offline_mode_at": rfc(now() + TimeDelta::seconds(1))});
    assert_eq!(
        provider
            .says(&base, (token, "r8"), "heartbeat", &soon)
            .await
            .0,
        204
    );
    service
        .until("/sites/depot/frame", "the fallback", limit_is(15.0))
        .await;
    let is_offline = |link: &Value| link["status"]["stage"] == "offline";
    service
        .until("/sites/depot/oscp/dso", "offline", is_offline)
        .await;
    let alerts = service.get("/sites/depot/alerts").await;
    let named = alerts["alerts"].as_array().into_iter().flatten();
    let named: Vec<_> = named.filter(|it| it["kind"] == "source_failed").collect();
    assert_eq!(
        (named.len(), &named[0]["subject"]),
        (1, &json!("dso")),
        "{alerts}"
    );
    let late = json!({"offline_mode_at": rfc(now() + TimeDelta::hours(1))});
    assert_eq!(
        provider
            .says(&base, (token, "r9"), "heartbeat", &late)
            .await
            .0,
        204
    );
    provider.hears("handshake", |_| true).await;
    assert!(limit_is(15.0)(&service.get("/sites/depot/frame").await));
    let (status, _) = provider
        .says(&base, (token, "r10"), "handshake_acknowledge", &json!({}))
        .await;
    assert_eq!(status, 204);
    assert!(limit_is(40.0)(&service.get("/sites/depot/frame").await));

    // Given up, nothing of it is left.
    let (status, _) = service
        .call(Method::DELETE, "/sites/depot/oscp/dso", None)
        .await;
    assert_eq!(status, 204);
    service
        .until("/sites/depot/signals", "only the load is left", |answer| {
            answer["signals"].as_array().map(Vec::len) == Some(1)
        })
        .await;
    assert_eq!(
        provider
            .says(&base, (token, "r11"), "heartbeat", &late)
            .await
            .0,
        401
    );
}

#[actix_web::test]
async fn a_provider_of_oauth_gets_a_bearer_and_its_headers() {
    let provider = Provider::start();
    let service = Service::start();
    service.site("depot", 100.0).await;
    let root = provider.url.trim_end_matches("/oscp/cp/2.0");
    let body = json!({
        "group_id": "feeder-1", "base_url": provider.url, "secret": SECRET,
        "headers": {"X-Environment": "test"},
        "oauth": {"token_url": format!("{root}/token"), "client_id": "us"},
    });
    let made = service.put("/sites/depot/oscp/dso", body.clone()).await;
    assert!(!made.to_string().contains(SECRET), "{made}");
    let token = made["token"].as_str().expect("a token");
    let base = format!("{}/oscp/2.0", service.url.trim_end_matches('/'));
    let register =
        json!({"token": "b", "version_url": [{"version": "2.0", "base_url": provider.url}]});
    let (status, _) = provider
        .says(&base, (token, "r1"), "register", &register)
        .await;
    assert_eq!(status, 409, "nobody registers");
    let (status, _) = provider
        .says(&base, (token, "r2"), "handshake", &json!({}))
        .await;
    assert_eq!(status, 204);
    let heard = provider.hears("handshake_acknowledge", |_| true).await;
    assert_eq!(heard.authorization, "Bearer oauth-1");
    assert_eq!(heard.extra.as_deref(), Some("test"));
    for (pointer, value, at) in [
        ("/group_id", json!(""), "/group_id"),
        ("/base_url", json!("ftp://x"), "/base_url"),
        ("/secret", Value::Null, "/secret"),
        ("/headers", json!(["a"]), "/headers"),
        ("/oauth/client_id", json!(7), "/oauth/client_id"),
        ("/oauth", json!({}), "/oauth/token_url"),
    ] {
        let mut bad = body.clone();
        *bad.pointer_mut(pointer).expect("is there") = value;
        let (status, answer) = service
            .call(Method::PUT, "/sites/depot/oscp/dso", Some(bad))
            .await;
        assert_eq!(status, 400, "{pointer}: {answer}");
        assert!(
            answer.to_string().contains(&format!("\"{at}\"")),
            "{at}: {answer}"
        );
    }
    let bad = json!({"type": "OPTIMUM", "blocks": [{"start": rfc(now()), "end": rfc(now()), "capacity_kw": -1}]});
    let (status, answer) = service
        .call(Method::POST, "/sites/depot/oscp/dso/adjust", Some(bad))
        .await;
    assert_eq!(
        (status, answer["errors"].as_array().map(Vec::len)),
        (400, Some(3)),
        "{answer}"
    );
}

/// Where the depot's capacity provider is set up.
const AT: &str = "/sites/depot/oscp/dso";

/// A depot in virtual time and a provider that has registered with it.
struct Registered {
    provider: Provider,
    service: Running,
    clock: VirtualClock,
    start: DateTime<Utc>,
    /// Where the service hears providers.
    base: String,
    /// What the provider shows it.
    token: String,
    _folder: tempfile::TempDir,
}

async fn registered() -> Registered {
    let provider = Provider::start();
    let folder = tempfile::tempdir().expect("a folder");
    let start: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().expect("valid");
    let clock = VirtualClock::new(start);
    let service = serve(&clock, &MemoryStore::new(), folder.path(), 0).await;
    let site = json!({
        "time_zone": "Europe/Berlin", "currency": "EUR",
        "circuits": [{"id": "site", "import_limit_kw": 50}], "evses": [],
    });
    call(&service, "PUT", "/sites/depot", &site).await;
    let made = call(&service, "PUT", AT, &json!({"group_id": "feeder-1"})).await;
    let first = made["token"].as_str().expect("a token").to_owned();
    let base = format!("http://{}/oscp/2.0", service.address);
    let body = json!({"token": "b", "version_url": [{"version": "2.0", "base_url": provider.url}]});
    let (status, _) = provider
        .says(&base, (&first, "r1"), "register", &body)
        .await;
    assert_eq!(status, 204);
    let ours = provider.hears("register", |_| true).await;
    let token = ours.body["token"].as_str().expect("a token").to_owned();
    Registered {
        provider,
        service,
        clock,
        start,
        base,
        token,
        _folder: folder,
    }
}

#[actix_web::test]
async fn energies_are_told_every_quarter_of_an_hour() {
    let Registered {
        provider,
        service,
        clock,
        start,
        base,
        token,
        _folder,
    } = registered().await;
    let wants = json!({"required_behaviour": {"measurement_configuration": ["INTERMITTENT"]}});
    assert_eq!(
        provider
            .says(&base, (&token, "r2"), "handshake", &wants)
            .await
            .0,
        204
    );
    clock.advance_to(start + TimeDelta::minutes(16));
    let told = provider.hears("update_group_measurements", |_| true).await;
    assert_eq!(told.body["group_id"], "feeder-1");
    let first = &told.body["measurements"][0];
    assert_eq!(first["measure_time"], "2026-11-22T12:15:00.000Z");
    assert_eq!(first["initial_measure_time"], "2026-11-22T12:00:00.000Z");
    assert_eq!(
        (&first["unit"], &first["energy_type"]),
        (&json!("KWH"), &json!("FLEXIBLE"))
    );
    clock.advance_to(start + TimeDelta::minutes(31));
    let next =
        |heard: &Heard| heard.body["measurements"][0]["measure_time"] == "2026-11-22T12:30:00.000Z";
    provider.hears("update_group_measurements", next).await;
    service.stop().await;
}

#[actix_web::test]
async fn what_a_provider_does_not_take_is_tried_again_in_order_and_without_haste() {
    let Registered {
        provider,
        service,
        clock,
        start,
        _folder,
        ..
    } = registered().await;
    provider.is_down.store(true, Ordering::SeqCst);
    let wish = |kw: i64| {
        json!({"type": "CONSUMPTION", "blocks": [{"start": "2026-11-22T13:00:00Z",
            "end": "2026-11-22T14:00:00Z", "capacity_kw": kw}]})
    };
    for kw in [30, 40] {
        call(&service, "POST", &format!("{AT}/adjust"), &wish(kw)).await;
    }
    let begun = tokio::time::Instant::now();
    loop {
        let shown = call(&service, "GET", AT, &Value::Null).await;
        let tried = shown["status"]["last_error"].is_string() && shown["status"]["waiting"] == 2;
        if tried && service.activity.is_idle() {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{shown}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Until the first may be tried again nothing is done.
    let before = service.activity.begun();
    for _ in 0..50 {
        call(&service, "GET", AT, &Value::Null).await;
    }
    assert!(
        service.activity.begun() - before < 3,
        "it goes round and round"
    );
    provider.is_down.store(false, Ordering::SeqCst);
    clock.advance_to(start + TimeDelta::seconds(5));
    let asked = |kw: f64| move |heard: &Heard| heard.body["forecasted_blocks"][0]["capacity"] == kw;
    provider
        .hears("adjust_group_capacity_forecast", asked(40.0))
        .await;
    let all = provider.heard.lock().expect("sound").clone();
    let order: Vec<&Value> = all
        .iter()
        .filter(|heard| heard.path == "adjust_group_capacity_forecast")
        .map(|heard| &heard.body["forecasted_blocks"][0]["capacity"])
        .collect();
    assert_eq!(order, [&json!(30.0), &json!(40.0)]);
    service.stop().await;
}
