//! A partner's platform on a real loopback socket, with switches for what it does wrong.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use ocpi_client::Client;
use ocpi_client::client::default_http;
use ocpi_client::token::{Token, TokenEncoding};
use serde_json::{Value, json};
use url::Url;

use super::world::shown;

/// What it has and does.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Platform {
    /// The token it expects now, in the form it expects.
    pub(super) expects: String,
    /// The token it shows to us.
    pub(super) shows: Option<String>,
    /// Versions it offers.
    pub(super) versions: Vec<&'static str>,
    /// Leaves out this module.
    pub(super) lacks: Option<&'static str>,
    /// Calls our versions while our credentials request is open.
    pub(super) calls_back: bool,
    /// Answers credentials requests with this status instead.
    pub(super) credentials_status: Option<u16>,
    /// Takes our credentials and answers with HTTP 502, as something in between would.
    pub(super) loses_credentials_answer: bool,
    pub(super) sessions: Vec<Value>,
    pub(super) locations: Vec<Value>,
    /// Objects per page.
    pub(super) page: usize,
    /// Answers a request about a profile with this: HTTP status and body.
    pub(super) profile_answer: (u16, Value),
    /// Answers it with this OCPI status code and no data.
    pub(super) profile_code: Option<u16>,
    /// Sends these headers with the answer.
    pub(super) extra_headers: Vec<(&'static str, String)>,
    /// The headers of the last request about a profile, names in lower case.
    pub(super) profile_headers: BTreeMap<String, String>,
    pub(super) tariffs: Vec<Value>,
    /// Posts this to the `response_url` before it answers the request.
    pub(super) early_result: Option<Value>,
    /// What was asked: method, path with query, body.
    pub(super) asked: Vec<(String, String, Value)>,
    /// Lists fail with HTTP 500.
    pub(super) is_broken: bool,
    /// Everything fails with HTTP 502, as a gateway before a platform that is down would have it.
    pub(super) is_down: bool,
    /// Takes every request and answers none.
    pub(super) hangs: bool,
    /// Requests about profiles of these sessions fail with HTTP 500.
    pub(super) failing_sessions: Vec<String>,
}

/// A running platform.
pub(super) struct Cpo {
    pub(super) base: String,
    state: Arc<Mutex<Platform>>,
    server: actix_web::dev::ServerHandle,
}

impl Drop for Cpo {
    fn drop(&mut self) {
        // Stopping is begun; the runtime ends with the test.
        drop(self.server.stop(false));
    }
}

impl Cpo {
    /// A platform that expects this token.
    pub(super) fn expecting(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Platform {
            expects: shown(token),
            shows: None,
            versions: vec!["2.1.1", "2.2.1", "2.3.0"],
            lacks: None,
            calls_back: true,
            credentials_status: None,
            loses_credentials_answer: false,
            sessions: Vec::new(),
            locations: Vec::new(),
            page: 2,
            profile_answer: (200, json!({"result": "ACCEPTED", "timeout": 60})),
            profile_code: None,
            extra_headers: Vec::new(),
            profile_headers: BTreeMap::new(),
            tariffs: Vec::new(),
            early_result: None,
            asked: Vec::new(),
            is_broken: false,
            is_down: false,
            hangs: false,
            failing_sessions: Vec::new(),
        }));
        let data = Data::new((base.clone(), state.clone()));
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(to(serve)))
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            base,
            state,
            server: handle,
        }
    }

    pub(super) fn versions_url(&self) -> String {
        format!("{}/versions", self.base)
    }

    /// Looks at it or changes it.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Platform) -> R) -> R {
        look(&mut self.state.lock().unwrap())
    }

    /// What it was asked: method, path with query, body.
    pub(super) fn asked(&self, method: &str, path: &str) -> Vec<(String, Value)> {
        self.with(|platform| {
            platform
                .asked
                .iter()
                .filter(|(m, p, _)| m == method && p.starts_with(path))
                .map(|(_, path, body)| (path.clone(), body.clone()))
                .collect()
        })
    }
}

/// A client that calls us with a token.
pub(super) fn client(token: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = default_http("test").unwrap();
    Client::new(http, Token::new(token).unwrap(), TokenEncoding::Base64)
}

fn envelope(data: &Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({"data": data, "status_code": 1000,
        "timestamp": "2026-11-22T16:00:00Z"}))
}

async fn serve(
    data: Data<(String, Arc<Mutex<Platform>>)>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let (base, state) = (&data.0, &data.1);
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (method, path) = (
        request.method().as_str().to_owned(),
        request.path().to_owned(),
    );
    let platform = {
        let mut platform = state.lock().unwrap();
        platform
            .asked
            .push((method.clone(), request.uri().to_string(), body.clone()));
        platform.clone()
    };
    if platform.hangs {
        return std::future::pending().await;
    }
    if platform.is_down {
        return HttpResponse::BadGateway().body("<html>nobody is there</html>");
    }
    let authorization = request
        .headers()
        .get("authorization")
        .and_then(|v| v.to_str().ok());
    if authorization != Some(&platform.expects) {
        return HttpResponse::Unauthorized().json(json!({"status_code": 2000}));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["versions"]) => {
            let entry =
                |version: &&str| json!({"version": version, "url": format!("{base}/{version}")});
            envelope(&platform.versions.iter().map(entry).collect())
        }
        ("GET", [version @ ("2.2.1" | "2.3.0")]) => details(base, version, platform.lacks),
        (_, [_, "credentials"]) => credentials(base, state, &platform, &method, &body).await,
        ("GET", ["sessions" | "locations"]) if platform.is_broken => {
            HttpResponse::InternalServerError().body("<html>oops</html>")
        }
        ("GET", ["sessions"]) => page(base, &request, &platform.sessions, platform.page),
        ("GET", ["tariffs"]) => page(base, &request, &platform.tariffs, platform.page),
        ("GET", ["locations"]) => page(base, &request, &platform.locations, platform.page),
        (_, ["profiles", session])
            if platform
                .failing_sessions
                .iter()
                .any(|bad| bad.replace('/', "%2F") == *session) =>
        {
            HttpResponse::InternalServerError().body("this one only")
        }
        (_, ["profiles", _]) => {
            let headers = request.headers().iter().map(|(name, value)| {
                (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
            });
            state.lock().unwrap().profile_headers = headers.collect();
            profiles(&platform, &request, &body).await
        }
        _ => HttpResponse::NotFound().json(json!({"status_code": 2000})),
    }
}

fn details(base: &str, version: &str, lacks: Option<&str>) -> HttpResponse {
    let endpoints: Vec<_> = [
        (
            "credentials",
            "SENDER",
            format!("{base}/{version}/credentials"),
        ),
        ("sessions", "SENDER", format!("{base}/sessions")),
        ("locations", "SENDER", format!("{base}/locations/")),
        ("chargingprofiles", "RECEIVER", format!("{base}/profiles")),
        ("tariffs", "SENDER", format!("{base}/tariffs")),
    ]
    .into_iter()
    .filter(|(module, ..)| Some(*module) != lacks)
    .map(|(module, role, url)| json!({"identifier": module, "role": role, "url": url}))
    .collect();
    envelope(&json!({"version": version, "endpoints": endpoints}))
}

async fn credentials(
    base: &str,
    state: &Mutex<Platform>,
    platform: &Platform,
    method: &str,
    body: &Value,
) -> HttpResponse {
    if let Some(status) = platform.credentials_status {
        return HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .json(json!({"status_code": 2000, "status_message": "no"}));
    }
    let credentials = |token: &str| {
        json!({"token": token, "url": format!("{base}/versions"), "roles": [{"role": "CPO",
            "party_id": "CPO", "country_code": "NL", "business_details": {"name": "A CPO"}}]})
    };
    match method {
        "POST" | "PUT" => {
            let shows = body["token"].as_str().unwrap().to_owned();
            if platform.calls_back {
                let url = Url::parse(body["url"].as_str().unwrap()).unwrap();
                client(&shows)
                    .get_versions(&url)
                    .await
                    .into_result()
                    .unwrap();
            }
            let fresh = format!("{method}-{}", "c".repeat(20));
            let mut platform = state.lock().unwrap();
            platform.expects = shown(&fresh);
            platform.shows = Some(shows);
            if platform.loses_credentials_answer {
                return HttpResponse::BadGateway().body("<html>gone</html>");
            }
            envelope(&credentials(&fresh))
        }
        "DELETE" => {
            state.lock().unwrap().expects = String::new();
            HttpResponse::Ok().json(json!({"status_code": 1000}))
        }
        _ => envelope(&credentials("masked")),
    }
}

fn page(base: &str, request: &HttpRequest, all: &[Value], size: usize) -> HttpResponse {
    let url = Url::parse(&format!("{base}{}", request.uri())).unwrap();
    let query = |name: &str| {
        let found = url.query_pairs().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let offset = query("offset").unwrap_or(0);
    let items: Vec<_> = all.iter().skip(offset).take(size).collect();
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Total-Count", all.len().to_string()));
    if offset + size < all.len() {
        let next = format!(
            "<{base}{}?offset={}>; rel=\"next\"",
            request.path(),
            offset + size
        );
        response.insert_header(("Link", next));
    }
    response.json(json!({"data": items, "status_code": 1000, "timestamp": "2026-11-22T16:00:00Z"}))
}

async fn profiles(platform: &Platform, request: &HttpRequest, body: &Value) -> HttpResponse {
    if let (Some(result), Some(token)) = (&platform.early_result, &platform.shows) {
        let in_body = body["response_url"].as_str().map(str::to_owned);
        let in_query = || {
            let url = Url::parse(&format!("http://x{}", request.uri())).unwrap();
            let mut pairs = url.query_pairs();
            let found = pairs.find(|(key, _)| key == "response_url");
            found.unwrap().1.into_owned()
        };
        let url = in_body.unwrap_or_else(in_query);
        let url = Url::parse(&url).unwrap();
        client(token)
            .post_result(&url, result)
            .await
            .into_result()
            .unwrap();
    }
    if let Some(code) = platform.profile_code {
        return HttpResponse::Ok().json(json!({"status_code": code, "status_message": "no"}));
    }
    let (status, answer) = platform.profile_answer.clone();
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    for (name, value) in &platform.extra_headers {
        response.insert_header((*name, value.as_str()));
    }
    response.json(json!({"data": answer, "status_code": if status == 200 { 1000 } else { 2000 }}))
}
