//! Thousands of charging stations at one service: how long it takes to answer them, what a
//! connection costs, how fast all come back after an outage, and whether anything is left behind.
//!
//! ```text
//! cargo run --release --example ocpp_load [-- STATIONS SECONDS]
//! ```
//!
//! The service runs in this process with its store on disk; the stations (19,500) are a second
//! process of the same program, since both ends of so many sockets are more than one process may
//! open. They speak OCPP 1.6-J over loopback from 20 addresses, without passwords: what is measured
//! is the sockets, the protocol and the disk, not argon2. Each sends a message every ten seconds:
//! in turn a status, the start of a transaction, three readings, its end. Starts, readings and ends
//! are on the disk before they are answered.
#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::expect_used, reason = "an example may stop where it stands")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evenload::config::{Config, Secret};
use evenload::domain::id::StationId;
use evenload::ocpp::Setup;
use evenload::service::vault::new_token;
use evenload::service::{Base, Running, start};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Barrier, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Between two messages of one station.
const EVERY: Duration = Duration::from_secs(10);
/// Addresses the stations come from.
const ADDRESSES: usize = 20;
/// Connections that are made at a time.
const AT_ONCE: usize = 256;
/// Stations that come back at once after an outage.
const COMING_BACK: usize = 10_000;
/// Connections that come and go for the last figure.
const COMING_AND_GOING: usize = 10_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("stations") {
        let to = arguments
            .next()
            .and_then(|to| to.parse().ok())
            .expect("an address");
        let count = arguments
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a count");
        stations(to, count).await;
        return;
    }
    let number = |text: Option<String>, default: usize| {
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let count = number(first, 19_500);
    let seconds = number(arguments.next(), 60);
    serve(count, seconds).await;
}

/// The service and the course of the measurement.
async fn serve(count: usize, seconds: usize) {
    let folder = std::env::temp_dir().join(format!("evenload-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the store");
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.data.dir.clone_from(&folder);
    config.api.admin_token = Some(Secret::new(new_token().expose()));
    let base = Base::of(&config).expect("the store opens");
    let service = start(config, base).await.expect("the service starts");
    approve(&service, count).await;

    let before = memory_kib();
    let mut peers = Peers::start(service.address, count);
    let took = peers.does("connect");
    println!(
        "{count} stations connected and set up in {:.1} s",
        seconds_of(&took)
    );
    let kib = memory_kib().saturating_sub(before);
    println!(
        "{:.1} KiB of memory per connection",
        to_f64(kib) / to_f64(count)
    );

    let cpu = cpu_seconds();
    let load = peers.does(&format!("load {seconds}"));
    let cores = (cpu_seconds() - cpu) / seconds_of(&load);
    println!(
        "{} messages in {:.0} s: answered in {} ms (p50), {} ms (p99), {} ms at worst; {cores:.2} cores",
        load["messages"],
        seconds_of(&load),
        load["p50_ms"],
        load["p99_ms"],
        load["worst_ms"],
    );
    let back = COMING_BACK.min(count);
    let storm = peers.does(&format!("back {back}"));
    println!(
        "{back} stations came back in {:.1} s; meanwhile the {} others were answered in {} ms (p99)",
        seconds_of(&storm),
        count - back,
        storm["p99_ms"],
    );
    peers.does("leave");
    settle(&service).await;
    let (base_kib, base_files) = (memory_kib(), open_files());
    let churn = COMING_AND_GOING;
    let took = peers.does(&format!("churn {churn}"));
    settle(&service).await;
    println!(
        "{churn} connections came and went in {:.1} s: {} KiB more, {} more open files, {} connected",
        seconds_of(&took),
        memory_kib().saturating_sub(base_kib),
        open_files().saturating_sub(base_files),
        service.stations.counts().1,
    );
    peers.stop();
    service.stop().await;
    std::fs::remove_dir_all(&folder).expect("the folder is removed");
}

/// Not over the API: that takes 6,000 requests a minute of one token.
async fn approve(service: &Running, count: usize) {
    let begun = Instant::now();
    for number in 0..count {
        let id = StationId::new(name(number)).expect("an identity");
        let setup = Setup {
            no_password: true,
            allow_insecure: true,
            ..Setup::default()
        };
        service.stations.set_up(&id, setup).await.expect("kept");
    }
    let took = begun.elapsed().as_secs_f64();
    println!("{count} stations approved in {took:.1} s, each on the disk");
}

/// Waits until all connections have ended here as well.
async fn settle(service: &Running) {
    while service.stations.counts().1 > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// The process of the stations: a line of words goes in, a line of JSON comes out.
struct Peers {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peers {
    fn start(to: SocketAddr, count: usize) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["stations", &to.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        Self {
            input: child.stdin.take().expect("piped"),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    fn does(&mut self, what: &str) -> Value {
        tokio::task::block_in_place(|| {
            writeln!(self.input, "{what}").expect("told");
            let mut line = String::new();
            self.output.read_line(&mut line).expect("heard");
            serde_json::from_str(&line).expect("JSON")
        })
    }

    fn stop(self) {
        let Self {
            mut child, input, ..
        } = self;
        drop(input);
        child.wait().expect("it ends");
    }
}

type Socket = WebSocketStream<TcpStream>;

/// What a station is told to do.
#[derive(Clone)]
enum Task {
    /// Send a message every ten seconds until then; times go to the sender.
    Load(Instant, mpsc::UnboundedSender<Duration>),
    /// Lose the connection and come back at once.
    Back(Arc<Barrier>, Arc<Semaphore>),
    /// Leave.
    Leave(Arc<Barrier>),
}

async fn stations(to: SocketAddr, count: usize) {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut senders: Vec<mpsc::UnboundedSender<Task>> = Vec::new();
    loop {
        let line = tokio::task::block_in_place(|| std::io::stdin().lock().lines().next());
        let Some(Ok(line)) = line else {
            return;
        };
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default();
        let number: usize = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let begun = Instant::now();
        let mut answer = json!({});
        match verb {
            "connect" => {
                let barrier = Arc::new(Barrier::new(count + 1));
                for number in 0..count {
                    let (sender, tasks) = mpsc::unbounded_channel();
                    senders.push(sender);
                    tokio::spawn(live(to, number, tasks, barrier.clone(), gate.clone()));
                }
                barrier.wait().await;
            }
            "load" => {
                let times = load(&senders, Duration::from_secs(number as u64)).await;
                answer = summary(times);
            }
            "back" => {
                let barrier = Arc::new(Barrier::new(number + 1));
                for sender in &senders[..number] {
                    sender
                        .send(Task::Back(barrier.clone(), gate.clone()))
                        .expect("lives");
                }
                let (others, waited) =
                    tokio::join!(load(&senders[number..], Duration::from_secs(20)), async {
                        barrier.wait().await;
                        begun.elapsed()
                    },);
                answer = summary(others);
                answer["seconds"] = json!(waited.as_secs_f64());
            }
            "leave" => {
                let barrier = Arc::new(Barrier::new(senders.len() + 1));
                for sender in &senders {
                    sender.send(Task::Leave(barrier.clone())).expect("lives");
                }
                barrier.wait().await;
            }
            "churn" => {
                let mut tasks = tokio::task::JoinSet::new();
                for turn in 0..number {
                    let gate = gate.clone();
                    tasks.spawn(async move {
                        let _slot = gate.acquire().await;
                        let mut socket = dial(to, turn % count).await;
                        boot(&mut socket).await;
                        drop(socket.close(None).await);
                    });
                }
                while tasks.join_next().await.is_some() {}
            }
            _ => {}
        }
        if answer["seconds"].is_null() {
            answer["seconds"] = json!(begun.elapsed().as_secs_f64());
        }
        println!("{answer}");
    }
}

async fn load(senders: &[mpsc::UnboundedSender<Task>], lasts: Duration) -> Vec<Duration> {
    let (times, mut seen) = mpsc::unbounded_channel();
    let until = Instant::now() + lasts;
    for sender in senders {
        sender
            .send(Task::Load(until, times.clone()))
            .expect("lives");
    }
    drop(times);
    let mut all = Vec::new();
    while let Some(time) = seen.recv().await {
        all.push(time);
    }
    all
}

fn summary(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |permille: usize| {
        let index = (times.len() * permille / 1000).min(times.len().saturating_sub(1));
        times.get(index).map(Duration::as_millis)
    };
    json!({
        "messages": times.len(), "p50_ms": at(500), "p99_ms": at(990), "worst_ms": at(1000),
    })
}

/// One station.
async fn live(
    to: SocketAddr,
    number: usize,
    mut tasks: mpsc::UnboundedReceiver<Task>,
    connected: Arc<Barrier>,
    gate: Arc<Semaphore>,
) {
    let slot = gate.acquire().await.expect("open");
    let mut socket = dial(to, number).await;
    boot(&mut socket).await;
    drop(slot);
    until_all(&mut socket, &connected).await;
    let mut turn = number;
    let mut transaction = None;
    loop {
        let task = tokio::select! {
            task = tasks.recv() => task,
            message = socket.next() => {
                oblige(&mut socket, message).await;
                continue;
            }
        };
        match task {
            Some(Task::Load(until, times)) => {
                // Spread over the ten seconds.
                let share = u32::try_from(number % 1000).unwrap_or(0);
                let mut next = Instant::now() + EVERY * share / 1000;
                while next < until {
                    while let Ok(message) = tokio::time::timeout_at(next, socket.next()).await {
                        oblige(&mut socket, message).await;
                    }
                    let begun = Instant::now();
                    speak(&mut socket, turn, &mut transaction).await;
                    times.send(begun.elapsed()).expect("somebody counts");
                    turn += 1;
                    next += EVERY;
                }
            }
            Some(Task::Back(barrier, gate)) => {
                drop(socket);
                let slot = gate.acquire().await.expect("open");
                socket = dial(to, number).await;
                boot(&mut socket).await;
                drop(slot);
                until_all(&mut socket, &barrier).await;
            }
            Some(Task::Leave(barrier)) => {
                drop(socket.close(None).await);
                barrier.wait().await;
                return;
            }
            None => return,
        }
    }
}

/// Waits until all are there; who waits still answers what it is asked.
async fn until_all(socket: &mut Socket, barrier: &Barrier) {
    let waits = barrier.wait();
    tokio::pin!(waits);
    loop {
        tokio::select! {
            _ = &mut waits => return,
            message = socket.next() => oblige(socket, message).await,
        }
    }
}

async fn dial(to: SocketAddr, number: usize) -> Socket {
    let request = format!("ws://{to}/ocpp/{}", name(number));
    let mut request = request.into_client_request().expect("a request");
    let protocol = "ocpp1.6".parse().expect("a header");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let last = u8::try_from(number % ADDRESSES).unwrap_or(0) + 1;
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0);
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("set");
        socket.bind(from).expect("bound");
        if let Ok(stream) = socket.connect(to).await
            && let Ok((socket, _)) = client_async(request.clone(), stream).await
        {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn boot(socket: &mut Socket) {
    let boot = json!({ "chargePointVendor": "load", "chargePointModel": "load" });
    ask(socket, "BootNotification", &boot).await;
}

/// A message of the station's round.
async fn speak(socket: &mut Socket, turn: usize, transaction: &mut Option<i64>) {
    let at = "2026-11-22T12:00:00Z";
    match (turn % 6, *transaction) {
        (1, _) => {
            let start = json!({ "connectorId": 1, "idTag": "T", "meterStart": turn,
                "timestamp": format!("2026-11-22T{:02}:{:02}:{:02}Z", turn / 3600 % 24, turn / 60 % 60, turn % 60) });
            let answer = ask(socket, "StartTransaction", &start).await;
            *transaction = answer["transactionId"].as_i64();
        }
        (2..=4, Some(id)) => {
            let reading = json!({ "connectorId": 1, "transactionId": id, "meterValue": [{
                "timestamp": at, "sampledValue": [{ "value": (turn + 1000).to_string() }] }] });
            ask(socket, "MeterValues", &reading).await;
        }
        (5, Some(id)) => {
            let stop = json!({ "transactionId": id, "meterStop": turn + 2000, "timestamp": at });
            ask(socket, "StopTransaction", &stop).await;
            *transaction = None;
        }
        _ => {
            let status = json!({ "connectorId": 1, "errorCode": "NoError", "status": "Available" });
            ask(socket, "StatusNotification", &status).await;
        }
    }
}

async fn ask(socket: &mut Socket, action: &str, payload: &Value) -> Value {
    let text = json!([2, "s", action, payload]).to_string();
    socket.send(Message::text(text)).await.expect("sent");
    loop {
        let message = socket.next().await;
        if let Some(Ok(Message::Text(text))) = &message {
            let frame: Value = serde_json::from_str(text).expect("JSON");
            if frame[0] != 2 {
                assert_eq!(frame[0], 3, "{action} was answered {frame}");
                return frame[2].clone();
            }
        }
        oblige(socket, message).await;
    }
}

/// Answers what the service asks.
async fn oblige(
    socket: &mut Socket,
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) {
    let Some(Ok(message)) = message else {
        panic_free_pause().await;
        return;
    };
    let Message::Text(text) = message else {
        return;
    };
    let frame: Value = serde_json::from_str(&text).expect("JSON");
    if frame[0] == 2 {
        let answer = match frame[2].as_str() {
            Some("GetConfiguration") => json!({ "configurationKey": [] }),
            Some("ClearChargingProfile") => json!({ "status": "Unknown" }),
            _ => json!({ "status": "Accepted" }),
        };
        let answer = json!([3, frame[1], answer]).to_string();
        socket.send(Message::text(answer)).await.expect("sent");
    }
}

/// A connection that ended is noticed by the next message; until then nobody spins.
async fn panic_free_pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn name(number: usize) -> String {
    format!("CP-{number:05}")
}

fn seconds_of(answer: &Value) -> f64 {
    answer["seconds"].as_f64().unwrap_or(f64::INFINITY)
}

fn to_f64(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// Resident memory of this process.
fn memory_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kib.unwrap_or(0)
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Processor time of this process; Linux counts in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default().to_owned();
    let fields: Vec<f64> = after
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    // Behind the name come state (no number), then 10 fields, then user and system time.
    fields
        .get(10..12)
        .map_or(0.0, |times| times.iter().sum::<f64>() / 100.0)
}
