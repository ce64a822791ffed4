//! The platform's sockets.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer::{Answer, Request};
use super::client::Http;
use super::handshake::{self, HandshakeError, HandshakeRow, Peer, VERSIONS};
use super::platform::Platform;
use super::{CpoCounts, CpoOptions, outbox, routes};
use crate::domain::time::Time;
use crate::sim::world::{Car, Depot};

/// Connections of the platform to the SCSP at the same time.
const MAX_CONNECTIONS: usize = 32;

/// Largest body taken.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A running CPO platform with its depot.
#[derive(Debug)]
pub struct Cpo {
    shared: Arc<Shared>,
    server: actix_web::dev::ServerHandle,
}

/// Messages that are due.
#[derive(Debug)]
pub struct DueMessages(Vec<super::platform::Outgoing>);

/// What handlers and outbox share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The address before `/versions`.
    base: String,
    pub http: Http,
    /// Country and party of the platform.
    pub party: (String, String),
    pub connections: Semaphore,
    in_flight: AtomicU64,
    begun: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    pub platform: Platform,
    /// Good for one registration.
    token_a: Option<String>,
    /// Given to a peer that has not answered yet.
    token_b: Option<String>,
    peer: Option<Peer>,
}

/// A message under way; it ends when dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Shared>);

impl InFlight {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.in_flight.fetch_add(1, Ordering::SeqCst);
        shared.begun.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn peer(&self) -> Option<Peer> {
        self.state().peer.clone()
    }
}

impl Cpo {
    /// Opens a port of 127.0.0.1 and serves OCPI there. Needs a tokio runtime.
    pub fn start(options: CpoOptions, depot: Depot) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let base = format!("http://{}/ocpi", listener.local_addr()?);
        let shared = Arc::new(Shared {
            base,
            http: Http::new().map_err(io::Error::other)?,
            party: (options.country_code.clone(), options.party_id.clone()),
            connections: Semaphore::new(MAX_CONNECTIONS),
            in_flight: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            state: Mutex::new(State {
                token_a: Some(options.token_a.clone()),
                token_b: None,
                peer: None,
                platform: Platform::new(options, depot),
            }),
        });
        let data = web::Data::from(Arc::clone(&shared));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            shared,
            server: handle,
        })
    }

    /// Where its versions are.
    pub fn versions_url(&self) -> String {
        format!("{}/versions", self.shared.base)
    }

    /// The token for a registration with it.
    pub fn token_a(&self) -> String {
        self.shared.state().platform.options.token_a.clone()
    }

    /// Registers itself at an SCSP with the token that one gave it.
    pub async fn register_at(
        &self,
        versions_url: &str,
        token_a: &str,
    ) -> Result<Vec<HandshakeRow>, HandshakeError> {
        let http = &self.shared.http;
        let mut found = handshake::discover(http, versions_url, token_a, None).await?;
        let token_b = new_token();
        let ours = {
            let mut state = self.shared.state();
            state.token_b = Some(token_b.clone());
            handshake::credentials(&state.platform.options, &self.versions_url(), &token_b)
        };
        let theirs = handshake::post_credentials(http, &found, token_a, &ours).await;
        self.shared.state().token_b = None;
        let [token, _, country_code, party_id] = handshake::read_credentials(&theirs?)?;
        found.rows.push(HandshakeRow {
            step: "POST credentials".into(),
            detail: format!("registered with {country_code} {party_id}"),
        });
        self.shared.state().peer = Some(Peer {
            version: found.version,
            their_token: token,
            our_token: token_b,
            endpoints: found.endpoints,
            country_code,
            party_id,
        });
        Ok(found.rows)
    }

    /// True once an SCSP is registered.
    pub fn is_registered(&self) -> bool {
        self.shared.state().peer.is_some()
    }

    /// Both tokens of the registration: the one it shows the SCSP, and the one the SCSP shows it. For
    /// tests that look for them where they must not be.
    pub fn tokens(&self) -> Vec<String> {
        let peer = self.shared.peer();
        peer.map_or_else(Vec::new, |peer| vec![peer.their_token, peer.our_token])
    }

    /// The version spoken with the registered SCSP.
    pub fn version(&self) -> Option<String> {
        self.shared.peer().map(|peer| peer.version)
    }

    /// The next instant at which the platform or its depot has something to do.
    pub fn next_event(&self) -> Time {
        self.shared.state().platform.next_event()
    }

    /// Lets virtual time pass; gives the messages that became due, for [`Cpo::send`]. In between
    /// the receiver's clock can be moved, so that nobody hears of the future.
    #[must_use = "what is not sent is lost"]
    pub fn advance_to(&self, to: Time) -> DueMessages {
        DueMessages(self.shared.state().platform.advance_to(to))
    }

    /// Sends messages in the background; [`Cpo::in_flight`] counts them.
    pub fn send(&self, messages: DueMessages) {
        outbox::send_all(&self.shared, messages.0);
    }

    /// Pushes a session of the caller's own making, which the depot knows nothing of: for tests that
    /// must know what was acknowledged. An error is anything but a 1000.
    pub async fn push_made(&self, session: &str, body: &Value) -> Result<(), String> {
        outbox::put_made(&self.shared, session, body).await
    }

    /// What the registered SCSP holds of a session of this platform.
    pub async fn read_back(&self, session: &str) -> Result<Value, String> {
        outbox::read_back(&self.shared, session).await
    }

    /// Messages under way, in either direction.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Messages ever begun, in either direction: if it stands still, nothing happened.
    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Looks at the depot.
    pub fn with_depot<T>(&self, look: impl FnOnce(&Depot) -> T) -> T {
        look(&self.shared.state().platform.depot)
    }

    /// Lets a car come to an EVSE at its arrival. False if there is no such EVSE.
    pub fn expect_car(&self, evse: &str, car: Car) -> bool {
        self.shared.state().platform.depot.expect(evse, car)
    }

    /// Makes an EVSE ignore its profiles, or obey again.
    pub fn set_obedience(&self, evse: &str, obeys: bool) {
        self.shared
            .state()
            .platform
            .depot
            .set_obedience(evse, obeys);
    }

    /// What was sent and received.
    pub fn counts(&self) -> CpoCounts {
        self.shared.state().platform.counts
    }

    /// Real time from the push of each session to the first request that set its profile, in the
    /// order in which these came.
    pub fn first_profile_delays(&self) -> Vec<std::time::Duration> {
        self.shared.state().platform.delays.measured().to_vec()
    }

    /// Sessions that were pushed, run, and still wait for their first profile.
    pub fn without_profile(&self) -> usize {
        self.shared.state().platform.delays.waiting()
    }

    /// What the SCSP did against the text of OCPI, or did not take.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state().platform.complaints().to_vec()
    }

    /// What happened since the last call, for people.
    pub fn take_lines(&self) -> Vec<String> {
        self.shared.state().platform.take_lines()
    }

    /// Closes the port.
    pub async fn stop(&self) {
        self.server.stop(false).await;
    }
}

/// The one handler: frees the request of its socket, and answers.
async fn serve(http: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let shared = shared.into_inner();
    let _in_flight = InFlight::begin(&shared);
    let request = read(&http, &body);
    let answer = answer(&shared, &request).await;
    let status = actix_web::http::StatusCode::from_u16(answer.http).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    for name in ["X-Request-ID", "X-Correlation-ID"] {
        if let Some(value) = http.headers().get(name) {
            response.insert_header((name, value.clone()));
        } else {
            let method = &request.method;
            let complaint = format!("{method} {}: no {name}", http.path());
            shared.state().platform.keep_complaint(complaint);
        }
    }
    let now = shared.state().platform.depot.now();
    // The platform lives in virtual time, and says so.
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.insert_header(("Date", date));
    response.json(answer.envelope(now))
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
    if !registering && !registered {
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

fn new_token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A token as it goes into the `Authorization` header.
pub(super) fn encode_token(token: &str) -> String {
    STANDARD.encode(token)
}
