//! The `WebSocket`s of stations: who is let in, and the task that carries messages between a socket
//! and its station's state machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason};
use futures_util::StreamExt as _;
use percent::decoded;
use rand::RngCore as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tracing::{Instrument as _, debug, info, warn};

use super::caps::Caps;
use super::certificate::CertificateNames;
use super::edge::{Edge, Shown};
use super::known::{Errand, Known, caps_key};
use super::password::read_basic;
use super::rpc::MAX_MESSAGE_BYTES;
use super::station::{Fact, Order, Outcome, Output, Station, Terms};
use super::version::Version;
use crate::domain::time::Time;

/// Longest single frame: 64 KiB; a message may have several.
const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Messages a station may send at once; then [`RATE_PER_S`] go through, the rest waits in its
/// socket.
const BURST: u32 = 200;
/// Messages per second that a station may send for long.
const RATE_PER_S: u32 = 20;
/// How long a message of ours may take to get into the socket.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// Pings without a sign of life after which a connection is given up.
const SILENT_PINGS: u32 = 2;

mod percent {
    /// One segment of a path with its `%XX` read; `None` if that is no text.
    pub(super) fn decoded(segment: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(segment.len());
        let mut rest = segment.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        }
        String::from_utf8(bytes).ok()
    }
}

/// Serves `/ocpp/{station_id}`. The application data must hold `web::Data<`[`Edge`]`>`.
pub fn configure(server: &mut ServiceConfig) {
    server
        .service(web::resource("/ocpp/{station}").route(web::get().to(connect)))
        .service(web::resource("/ocpp/{station}/").route(web::get().to(connect)))
        .configure(super::sink::configure);
}

/// A station wants to connect. An unknown identity and a wrong password are answered alike, before
/// anything is upgraded.
async fn connect(edge: Data<Edge>, request: HttpRequest, body: Payload) -> HttpResponse {
    let edge = edge.get_ref().clone();
    let under_way = edge.inner.work.begin();
    let from = request.peer_addr().map(|address| address.ip());
    // The raw segment: an encoded slash belongs to the identity, not to the path.
    let segment = request.uri().path().trim_end_matches('/');
    let segment = segment.rsplit('/').next().unwrap_or_default();
    let id = decoded(segment).unwrap_or_default();
    if !edge.admits(from, &id) {
        return HttpResponse::build(StatusCode::TOO_MANY_REQUESTS)
            .insert_header(("Retry-After", "60"))
            .finish();
    }
    let offered: Vec<String> = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let basic = request.headers().get(AUTHORIZATION);
    let names = request.conn_data::<CertificateNames>();
    let shown = Shown {
        id,
        from,
        basic: basic.and_then(|value| read_basic(value.as_bytes())),
        is_secure: request.app_config().secure(),
        certificate: names.map(|names| names.0.clone()).unwrap_or_default(),
        protocols: offered.join(","),
    };
    let Some(known) = edge.authenticate(&shown).await else {
        return unauthorized();
    };
    let record = known.record();
    if !edge.may_come(&known, &shown).await {
        warn!(station.id = %record.id, "refused: it must come with a higher security profile");
        return HttpResponse::Forbidden().body(
            "this station must come over TLS (wss), and as secure as it came before; or set \
             allow_insecure for it",
        );
    }
    let named = Version::choose(offered.iter().map(String::as_str));
    // What the operator says it speaks counts for more than what it says itself.
    let Some(version) = record.assume_protocol.or(named) else {
        return HttpResponse::BadRequest()
            .body("none of the sub-protocols ocpp2.1, ocpp2.0.1, ocpp1.6 is offered");
    };
    let first = offered.iter().flat_map(|header| header.split(',')).next();
    let echoed = named.map(Version::subprotocol).or(first.map(str::trim));
    let protocols: Vec<&str> = echoed.into_iter().collect();
    let upgraded = actix_ws::handle_with_protocols(&request, body, &protocols);
    let (response, session, stream) = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => return error.error_response(),
    };
    let stream = stream
        .max_frame_size(MAX_FRAME_BYTES)
        .aggregate_continuations()
        .max_continuation_size(MAX_MESSAGE_BYTES);
    let reached_at = {
        let info = request.connection_info();
        format!("{}://{}", request_scheme(&request), info.host())
    };
    let (generation, errands, leave) = edge.enter(&known, version, reached_at);
    let span = tracing::info_span!("station", station.id = %record.id, protocol = %version);
    let task = Task {
        edge,
        known,
        generation,
        session,
        replies: Vec::new(),
        next_order: 0,
    };
    actix_web::rt::spawn(
        async move {
            task.run(version, stream, errands, leave, from, Some(under_way))
                .await;
        }
        .instrument(span),
    );
    response
}

/// Of the connection itself: what a proxy in front says of it is not asked.
fn request_scheme(request: &HttpRequest) -> &'static str {
    if request.app_config().secure() {
        "https"
    } else {
        "http"
    }
}

fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, "Basic realm=\"ocpp\", charset=\"UTF-8\""))
        .finish()
}

/// The task of one connection.
struct Task {
    edge: Edge,
    known: Arc<Known>,
    generation: u64,
    session: actix_ws::Session,
    /// Who waits for the outcome of an order; bounded by the queue of errands and the station's.
    replies: Vec<(u64, oneshot::Sender<Outcome>)>,
    next_order: u64,
}

/// Why a connection ends.
type End = &'static str;

impl Task {
    async fn run(
        mut self,
        version: Version,
        mut stream: AggregatedMessageStream,
        mut errands: mpsc::Receiver<Errand>,
        leave: Arc<Notify>,
        from: Option<IpAddr>,
        mut under_way: Option<super::work::UnderWay>,
    ) {
        let known = self.known.clone();
        // The connection before this one has been told to leave; nothing is done twice at a time.
        let _turn = known.turn.lock().await;
        if let Err(error) = self.edge.load(&known).await {
            warn!(%error, "what was kept of the station cannot be read; it must come again");
            self.hang_up(CloseCode::Again, "storage").await;
            Edge::leave(&known, self.generation);
            return;
        }
        info!(from = ?from, generation = self.generation, "connected");
        let mut station = self.station(version);
        let mut busy = None;
        let interval = self.edge.inner.settings.ping_interval;
        let mut pings = tokio::time::interval(interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let mut refill = tokio::time::interval(Duration::from_secs(1));
        refill.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut silent, mut allowance) = (0, BURST);
        let mut stop = self.edge.inner.stop.clone();
        let end: End = loop {
            if let Err(end) = self.refill_id(&mut station).await {
                break end;
            }
            busy = station
                .is_busy()
                .then(|| busy.take().unwrap_or_else(|| self.edge.inner.work.begin()));
            // The set-up of the connection counts until here.
            under_way = None;
            let timeout = station.next_timeout();
            let done = tokio::select! {
                biased;
                () = leave.notified() => break "a newer connection took its place",
                _ = stop.changed() => break "the service stops",
                message = stream.next(), if allowance > 0 => {
                    let _working = self.edge.inner.work.begin();
                    silent = 0;
                    allowance -= 1;
                    self.heard(&mut station, message).await
                }
                Some(errand) = errands.recv() => {
                    let _working = self.edge.inner.work.begin();
                    self.run_errand(&mut station, errand).await
                }
                () = sleep_until(&self.edge, timeout) => {
                    let _working = self.edge.inner.work.begin();
                    let outputs = station.on_time(self.edge.now());
                    self.carry_out(&mut station, outputs).await
                }
                _ = refill.tick(), if allowance < BURST => {
                    allowance = BURST.min(allowance + RATE_PER_S);
                    Ok(())
                }
                _ = pings.tick() => {
                    silent += 1;
                    if silent > SILENT_PINGS {
                        break "no sign of life";
                    }
                    within_limit(self.session.ping(b"")).await
                }
            };
            if let Err(end) = done {
                break end;
            }
        };
        info!(reason = end, "disconnected");
        let outputs = station.close();
        // Nothing can be sent any more: only who waits for outcomes is told.
        for output in outputs {
            match output {
                Output::Settled { order, outcome } => self.settle(order, outcome),
                Output::Learned => self.keep_caps(station.caps()).await,
                _ => {}
            }
        }
        errands.close();
        while let Some(errand) = errands.recv().await {
            if let Errand::Order(_, reply) = errand {
                // Who does not wait any more does not need it.
                let _ = reply.send(Outcome::Answer(crate::domain::command::Answer::NotSent {
                    detail: end.to_owned(),
                }));
            }
        }
        Edge::leave(&known, self.generation);
        self.hang_up(CloseCode::Normal, end).await;
        drop((busy, under_way));
    }

    fn station(&self, version: Version) -> Station {
        let mut bytes = [0_u8; 4];
        rand::rng().fill_bytes(&mut bytes);
        let settings = &self.edge.inner.settings;
        let terms = Terms {
            tenant: self.edge.inner.tenant.clone(),
            quiet_s: i64::from(settings.quiet_s),
            sample_s: settings.sample_s,
            admission: self.known.record().admission,
            tokens: self.edge.inner.tokens.clone(),
        };
        let memory = self.known.memory();
        Station::new(
            terms,
            version,
            format!("{:08x}", u32::from_be_bytes(bytes)),
            memory.caps.clone(),
            memory.books.clone(),
            self.edge.now(),
        )
    }

    async fn refill_id(&self, station: &mut Station) -> Result<(), End> {
        if station.needs_id() {
            let records = &self.edge.inner.ports.records;
            match self.edge.inner.ids.next(records).await {
                Ok(id) => station.give_id(id),
                Err(error) => {
                    warn!(%error, "no transaction id could be reserved");
                    return Err("storage");
                }
            }
        }
        Ok(())
    }

    async fn heard(
        &mut self,
        station: &mut Station,
        message: Option<Result<AggregatedMessage, actix_ws::ProtocolError>>,
    ) -> Result<(), End> {
        match message {
            None => Err("the station hung up"),
            Some(Err(error)) => {
                debug!(%error, "not WebSocket");
                Err("not WebSocket, or a message too long")
            }
            Some(Ok(AggregatedMessage::Text(text))) => {
                let now = self.edge.now();
                self.known.log("received", &text, now);
                let outputs = station.receive(&text, now);
                self.carry_out(station, outputs).await
            }
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                within_limit(self.session.pong(&bytes)).await
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Binary(_))) => Err("a binary message"),
            Some(Ok(AggregatedMessage::Close(_))) => Err("the station said good-bye"),
        }
    }

    async fn run_errand(&mut self, station: &mut Station, errand: Errand) -> Result<(), End> {
        let outputs = match errand {
            Errand::Order(what, reply) => {
                self.next_order += 1;
                let number = self.next_order;
                self.replies.retain(|(_, reply)| !reply.is_closed());
                self.replies.push((number, reply));
                station.order(Order { number, what }, self.edge.now())
            }
            Errand::Changed => {
                let record = self.known.record();
                station.tell_ways(record.ways);
                station.admit(record.admission, self.edge.now())
            }
            Errand::Tokens { forgets } => station.tokens_changed(forgets, self.edge.now()),
            Errand::Refresh => {
                let running = station.books().entries().filter(|entry| entry.is_running());
                let sessions = running.map(|entry| Fact::Session {
                    entry: entry.clone(),
                    reading: None,
                });
                let connected = Fact::Connected { booted: false };
                vec![Output::Book {
                    facts: std::iter::once(connected).chain(sessions).collect(),
                    answer: None,
                }]
            }
        };
        self.carry_out(station, outputs).await
    }

    /// Does what the station's state machine wants done, in its order.
    async fn carry_out(&mut self, station: &mut Station, outputs: Vec<Output>) -> Result<(), End> {
        let mut learned = false;
        for output in outputs {
            match output {
                Output::Send(text) => self.send(text).await?,
                Output::Book { facts, answer } => {
                    let stored = self.edge.commit(&self.known, &facts).await;
                    match &stored {
                        Ok(()) => self.known.memory().books = station.books().clone(),
                        Err(error) => {
                            warn!(%error, "what the station said could not be booked");
                            station.forget_unbooked(self.known.memory().books.clone());
                        }
                    }
                    if let Some(pending) = answer {
                        let stored = stored.map_err(|error| error.to_string());
                        self.send(station.booked(&pending, stored)).await?;
                    }
                }
                Output::Settled { order, outcome } => self.settle(order, outcome),
                Output::Learned => learned = true,
                Output::Remark(remark) => {
                    let now = self.edge.now();
                    self.known.memory().remark(remark, now);
                }
                Output::Close(end) => return Err(end),
            }
        }
        if learned {
            self.keep_caps(station.caps()).await;
        }
        self.known.memory().shown.clone_from(station.shown());
        Ok(())
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        self.known.log("sent", &text, self.edge.now());
        within_limit(self.session.text(text)).await
    }

    fn settle(&mut self, order: u64, outcome: Outcome) {
        if let Some(index) = self.replies.iter().position(|(number, _)| *number == order) {
            let (_, reply) = self.replies.swap_remove(index);
            // Who does not wait any more does not need it.
            let _ = reply.send(outcome);
        }
    }

    /// What was learned is kept; without it, it is learned again next time.
    async fn keep_caps(&self, caps: &Caps) {
        self.known.memory().caps = caps.clone();
        let key = caps_key(&self.edge.inner.tenant, &self.known.record().id);
        let written = match serde_json::to_vec(caps) {
            Ok(value) => self
                .edge
                .write(key, Some(value))
                .await
                .map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            warn!(%error, "what was learned of the station could not be kept");
        }
    }

    async fn hang_up(&mut self, code: CloseCode, why: &str) {
        let reason = CloseReason {
            code,
            description: Some(why.to_owned()),
        };
        // Who is gone need not be told.
        let _ = tokio::time::timeout(SEND_LIMIT, self.session.clone().close(Some(reason))).await;
    }
}

async fn within_limit(
    sending: impl Future<Output = Result<(), actix_ws::Closed>>,
) -> Result<(), End> {
    match tokio::time::timeout(SEND_LIMIT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(actix_ws::Closed)) => Err("the station hung up"),
        Err(_) => Err("the station does not read"),
    }
}

async fn sleep_until(edge: &Edge, at: Option<Time>) {
    match at {
        Some(at) => edge.inner.ports.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
