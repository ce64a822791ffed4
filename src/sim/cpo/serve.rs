//! What comes in at the platform's port.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::answer::{Answer, Request};
use super::handshake::{self, HandshakeError, Peer, VERSIONS};
use super::quirks::Quirk;
use super::server::{InFlight, Shared};
use super::{routes, spoil};

/// The one handler: frees the request of its socket, and answers.
pub(super) async fn serve(
    http: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let shared = shared.into_inner();
    let quirks = &shared.quirks;
    let in_flight = InFlight::begin(&shared);
    let request = read(&http, &body);
    if quirks.contains(&Quirk::Hangs) && spoil::is_about_profiles(&request) {
        drop(in_flight);
        return std::future::pending().await;
    }
    let answer = answer(&shared, &request).await;
    let url = format!("http://{}{}", http.connection_info().host(), http.uri());
    let answer = spoil::answer(quirks, &request, &url, answer);
    let now = shared.state().platform.depot.now();
    let body = answer.envelope(now).to_string();
    let (status, content_type, body) = spoil::bytes(quirks, &request, answer.http, body);
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    for name in ["X-Request-ID", "X-Correlation-ID"] {
        match http.headers().get(name) {
            Some(_) if quirks.contains(&Quirk::NoMessageIds) => {}
            Some(value) => {
                response.insert_header((name, value.clone()));
            }
            None => {
                let method = &request.method;
                let complaint = format!("{method} {}: no {name}", http.path());
                shared.state().platform.keep_complaint(complaint);
            }
        }
    }
    // The platform lives in virtual time, and says so.
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.insert_header(("Date", date));
    response.content_type(content_type).body(body)
}

fn read(http: &HttpRequest, body: &[u8]) -> Request {
    let header = http.headers().get("Authorization");
    let token = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Token "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let parsed = url::Url::parse("http://host")
        .and_then(|base| base.join(&http.uri().to_string()))
        .ok();
    let query = parsed
        .iter()
        .flat_map(url::Url::query_pairs)
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    Request {
        method: http.method().as_str().to_owned(),
        path: http.path().split('/').skip(1).map(str::to_owned).collect(),
        query,
        token,
        body: serde_json::from_slice(body).ok(),
    }
}

async fn answer(shared: &Arc<Shared>, request: &Request) -> Answer {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let (registering, registered) = {
        let state = shared.state();
        let token = request.token.as_ref();
        let is = |known: Option<&String>| token.is_some() && token == known;
        (
            is(state.token_a.as_ref()) || is(state.token_b.as_ref()),
            is(state.peer.as_ref().map(|peer| &peer.our_token)),
        )
    };
    let is_locked = registered && shared.quirks.contains(&Quirk::LocksOut);
    if is_locked || (!registering && !registered) {
        return Answer::unauthorized();
    }
    match (request.method.as_str(), &path[..]) {
        ("GET", ["ocpi", "versions"]) => routes::versions(&shared.base),
        ("GET", ["ocpi", version]) => {
            let has_tariffs = !shared.state().platform.options.tariffs.is_empty();
            routes::details(&shared.base, version, has_tariffs)
        }
        (method, ["ocpi", version, "credentials"]) if VERSIONS.contains(version) => {
            credentials(shared, method, version, request, registered).await
        }
        (_, ["ocpi", version, module, rest @ ..]) if registered && VERSIONS.contains(version) => {
            let url = format!("{}/{version}/{module}", shared.base);
            let platform = &mut shared.state().platform;
            routes::module(platform, request, module, rest, &url)
        }
        _ if registered => Answer::not_found(),
        _ => Answer::unauthorized(),
    }
}

async fn credentials(
    shared: &Arc<Shared>,
    method: &str,
    version: &str,
    request: &Request,
    registered: bool,
) -> Answer {
    let versions_url = format!("{}/versions", shared.base);
    let ours = |token: &str| {
        let options = &shared.state().platform.options;
        handshake::credentials(options, &versions_url, token)
    };
    match (method, registered) {
        ("GET", _) => Answer::ok(ours(request.token.as_deref().unwrap_or_default())),
        ("POST", true) => Answer::not_allowed("already registered: use PUT"),
        ("PUT" | "DELETE", false) => Answer::not_allowed("not registered: use POST"),
        ("DELETE", true) => {
            shared.state().peer = None;
            Answer::done()
        }
        ("POST" | "PUT", _) => {
            let Some(body) = &request.body else {
                return Answer::fault(400, 2001, "the body is not JSON");
            };
            match meet(shared, version, body).await {
                Ok(token) => Answer::ok(ours(&token)),
                Err(error) => Answer::fault(200, error.status_code(), error.to_string()),
            }
        }
        _ => Answer::not_allowed("credentials know GET, POST, PUT and DELETE"),
    }
}

/// Calls the peer back during its POST or PUT, then keeps it and makes it a token.
async fn meet(shared: &Arc<Shared>, version: &str, body: &Value) -> Result<String, HandshakeError> {
    let [their_token, url, country_code, party_id] = handshake::read_credentials(body)?;
    let found = handshake::discover(&shared.http, &url, &their_token, Some(version)).await?;
    let our_token = new_token();
    let mut state = shared.state();
    state.token_a = None;
    state.peer = Some(Peer {
        version: found.version,
        their_token,
        our_token: our_token.clone(),
        endpoints: found.endpoints,
        country_code,
        party_id,
    });
    Ok(our_token)
}

pub(super) fn new_token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A token as it goes into the `Authorization` header.
pub(super) fn encode_token(token: &str) -> String {
    STANDARD.encode(token)
}
