//! An SCSP with the calls of our REST API that the demo uses.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::ServiceUnderTest;

#[derive(Default)]
struct Inner {
    http: reqwest::Client,
    amps: f64,
    base: String,
    /// Address of the CPO's `chargingprofiles`, and the token for it.
    profiles: Mutex<(String, String)>,
    under_way: AtomicU64,
    begun: AtomicU64,
    prices: AtomicU64,
    restless: AtomicBool,
}

pub(super) struct SimpleService(Arc<Inner>);

impl SimpleService {
    pub(super) fn start(amps: f64) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(rustls::crypto::ring::default_provider().install_default());
        let inner = Arc::new(Inner {
            amps,
            base: format!("http://{address}"),
            ..Inner::default()
        });
        let data = web::Data::from(Arc::clone(&inner));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("listens");
        tokio::spawn(server.run());
        Self(inner)
    }

    pub(super) fn prices_published(&self) -> u64 {
        self.0.prices.load(Ordering::SeqCst)
    }

    pub(super) fn never_rests(&self) {
        self.0.restless.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl ServiceUnderTest for SimpleService {
    fn base_url(&self) -> String {
        self.0.base.clone()
    }

    fn admin_token(&self) -> String {
        "admin".into()
    }

    async fn is_idle(&self) -> bool {
        self.0.under_way.load(Ordering::SeqCst) == 0 && !self.0.restless.load(Ordering::SeqCst)
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::SeqCst)
    }
}

async fn serve(http: HttpRequest, body: web::Bytes, inner: web::Data<Inner>) -> HttpResponse {
    inner.begun.fetch_add(1, Ordering::SeqCst);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = http.path();
    let base = format!("{}/ocpi", inner.base);
    let data = match path {
        "/api/v1/partners" => return HttpResponse::Ok().json(register(&inner, &body).await),
        path if path.starts_with("/api/") => {
            let prices = path.ends_with("/signals/day-ahead");
            inner.prices.fetch_add(u64::from(prices), Ordering::SeqCst);
            return HttpResponse::Ok().json(json!({}));
        }
        "/ocpi/versions" => json!([{ "version": "2.2.1", "url": format!("{base}/2.2.1") }]),
        "/ocpi/2.2.1" => json!({ "version": "2.2.1", "endpoints": [
            {"identifier": "sessions", "role": "RECEIVER", "url": format!("{base}/2.2.1/sessions")},
            {"identifier": "chargingprofiles", "role": "SENDER", "url": format!("{base}/2.2.1/cp")},
        ]}),
        path if http.method() == "PUT" && path.contains("/sessions/") => {
            inner.under_way.fetch_add(1, Ordering::SeqCst);
            let session = body["id"].as_str().unwrap_or_default().to_owned();
            actix_web::rt::spawn(async move {
                limit(&inner, &session).await;
                inner.under_way.fetch_sub(1, Ordering::SeqCst);
            });
            Value::Null
        }
        _ => Value::Null,
    };
    HttpResponse::Ok().json(json!({ "data": data, "status_code": 1000 }))
}

/// Registers with the CPO of the body.
async fn register(inner: &Inner, body: &Value) -> Value {
    let versions = body["versions_url"].as_str().unwrap_or_default();
    let token = body["token_a"].as_str().unwrap_or_default();
    let credentials = json!({
        "token": "token-b",
        "url": format!("{}/ocpi/versions", inner.base),
        "roles": [{ "role": "SCSP", "country_code": "NL", "party_id": "EVL" }],
    });
    let url = versions.replace("versions", "2.2.1/credentials");
    let answer = send(inner, "POST", &url, token, &credentials).await;
    let token = answer["data"]["token"].as_str().unwrap_or_default();
    let profiles = versions.replace("versions", "2.2.1/chargingprofiles");
    *inner.profiles.lock().expect("not poisoned") = (profiles, token.to_owned());
    json!({ "rows": [{ "name": "credentials", "ok": !token.is_empty(), "detail": "exchanged" }] })
}

async fn limit(inner: &Inner, session: &str) {
    let (profiles, token) = inner.profiles.lock().expect("not poisoned").clone();
    let profile = json!({
        "charging_profile": {
            "start_date_time": "2019-10-02T00:00:00Z",
            "charging_rate_unit": "A",
            "charging_profile_period": [{ "start_period": 0, "limit": inner.amps }],
        },
        "response_url": format!("{}/ocpi/2.2.1/results/{session}", inner.base),
    });
    let answer = send(
        inner,
        "PUT",
        &format!("{profiles}/{session}"),
        &token,
        &profile,
    )
    .await;
    assert_eq!(answer["data"]["result"], "ACCEPTED");
}

async fn send(inner: &Inner, method: &str, url: &str, token: &str, body: &Value) -> Value {
    let request = inner
        .http
        .request(method.parse().expect("a method"), url)
        .header("Authorization", format!("Token {}", STANDARD.encode(token)))
        .header("X-Request-ID", "r")
        .header("X-Correlation-ID", "c")
        .json(body);
    let response = request.send().await.expect("an answer");
    response.json().await.expect("an envelope")
}
