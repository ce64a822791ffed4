//! The platform's sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::client::Http;
use super::handshake::{self, HandshakeError, HandshakeRow, Peer};
use super::platform::Platform;
use super::quirks::Quirks;
use super::serve::{new_token, serve};
use super::{CpoCounts, CpoOptions, outbox};
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
    address: SocketAddr,
}

/// Messages that are due.
#[derive(Debug)]
pub struct DueMessages(Vec<super::platform::Outgoing>);

/// What handlers and outbox share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// The address before `/versions`.
    pub base: String,
    pub http: Http,
    pub quirks: Quirks,
    /// Country and party of the platform.
    pub party: (String, String),
    pub connections: Semaphore,
    in_flight: AtomicU64,
    begun: AtomicU64,
    /// What listens at its port; `None` while it is down.
    server: Mutex<Option<ServerHandle>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub platform: Platform,
    /// Good for one registration.
    pub token_a: Option<String>,
    /// Given to a peer that has not answered yet.
    pub token_b: Option<String>,
    pub peer: Option<Peer>,
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

    fn server(&self) -> MutexGuard<'_, Option<ServerHandle>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False while the platform is down.
    pub(super) fn is_open(&self) -> bool {
        self.server().is_some()
    }
}

impl Cpo {
    /// Opens a port of 127.0.0.1 and serves OCPI there. Needs a tokio runtime.
    pub fn start(options: CpoOptions, depot: Depot) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let quirks = options.quirks.clone();
        let shared = Arc::new(Shared {
            base: format!("http://{address}/ocpi"),
            http: Http::new(quirks.clone()).map_err(io::Error::other)?,
            quirks,
            party: (options.country_code.clone(), options.party_id.clone()),
            connections: Semaphore::new(MAX_CONNECTIONS),
            in_flight: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            server: Mutex::default(),
            state: Mutex::new(State {
                token_a: Some(options.token_a.clone()),
                token_b: None,
                peer: None,
                platform: Platform::new(options, depot),
            }),
        });
        let cpo = Self { shared, address };
        cpo.listen(listener)?;
        Ok(cpo)
    }

    fn listen(&self, listener: TcpListener) -> io::Result<()> {
        let data = web::Data::from(Arc::clone(&self.shared));
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
        *self.shared.server() = Some(server.handle());
        tokio::spawn(server);
        Ok(())
    }

    /// The platform goes down: its port is closed, and what it would have sent is lost.
    pub async fn stop(&self) {
        let server = self.shared.server().take();
        if let Some(server) = server {
            server.stop(false).await;
        }
    }

    /// The platform is there again, at the same port, with all it knew.
    pub fn open(&self) -> io::Result<()> {
        if self.is_open() {
            return Ok(());
        }
        self.listen(TcpListener::bind(self.address)?)
    }

    /// False while it is down.
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
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
        self.shared.state().platform.delays.real().to_vec()
    }

    /// The same in the platform's own time.
    pub fn first_profile_waits(&self) -> Vec<chrono::TimeDelta> {
        self.shared.state().platform.delays.told().to_vec()
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
}
