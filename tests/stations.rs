//! Charging stations over real sockets against the whole service in this process: who is let in,
//! who is displaced, what survives, what is sent.

#[path = "peers/python.rs"]
mod python;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenload::config::{Config, Secret};
use evenload::service::{Base, Running, start};
use evenload::store::memory::MemoryStore;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const TOKEN: &str = "test-admin-token-0123456789abcdef";
const PASSWORD: &str = "0123456789ABCDEF0123";
/// Real time within which something must come to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service, with its store in memory so that it can be started again on it.
struct Service {
    running: Running,
    store: MemoryStore,
    folder: tempfile::TempDir,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = MemoryStore::new();
        let running = run(folder.path(), &store).await;
        Self {
            running,
            store,
            folder,
        }
    }

    /// Dies without a word and starts again on what was durable.
    async fn dies_and_comes_back(self) -> Self {
        self.store.crash();
        let store = self.store.reopen().expect("opens");
        // What still runs writes to a store that is gone.
        drop(tokio::time::timeout(PATIENCE, self.running.stop()).await);
        let running = run(self.folder.path(), &store).await;
        Self {
            running,
            store,
            folder: self.folder,
        }
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("http://{}/api/v1{path}", self.running.address);
        let mut request = http.request(method, url).bearer_auth(TOKEN);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("answered");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(reqwest::Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn approves(&self, id: &str) {
        let body = json!({ "site": "depot", "password": PASSWORD });
        let path = format!("/stations/{id}");
        let (status, answer) = self.call(reqwest::Method::PUT, &path, body).await;
        assert!(status == 201 || status == 200, "{status} {answer}");
        assert!(!answer.to_string().contains(PASSWORD));
    }

    /// A live depot of 30 kW with an EVSE of 11 kW at each of these stations.
    async fn has_depot(&self, stations: &[&str]) {
        let evses: Vec<Value> = stations
            .iter()
            .map(|station| {
                json!({ "id": station, "circuit": "site", "max_kw": 11.04, "min_kw": 4.14,
                    "phases": ["L1", "L2", "L3"],
                    "source": { "ocpp": { "station": station, "evse": 1 } } })
            })
            .collect();
        let site = json!({
            "name": "Depot", "time_zone": "Europe/Amsterdam", "currency": "EUR",
            "circuits": [{ "id": "site", "parent": null, "import_limit_kw": 30 }],
            "evses": evses, "price": { "flat_per_kwh": 0.3 },
        });
        let put = reqwest::Method::PUT;
        let (status, answer) = self.call(put.clone(), "/sites/depot", site).await;
        assert_eq!(status, 201, "{answer}");
        let live = json!({ "mode": "live" });
        let (status, answer) = self.call(put, "/sites/depot/mode", live).await;
        assert_eq!(status, 200, "{answer}");
        for station in stations {
            self.approves(station).await;
        }
    }

    /// Waits until something is seen at a path.
    async fn sees(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let looked = async {
            loop {
                let body = self.get(path).await;
                if condition(&body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, looked).await;
        seen.unwrap_or_else(|_| unreachable!("never seen at {path}"))
    }
}

async fn run(folder: &Path, store: &MemoryStore) -> Running {
    let mut config = Config::default();
    config.server.listen.set_port(0);
    config.data.dir = folder.to_path_buf();
    config.api.admin_token = Some(Secret::new(TOKEN));
    config.ocpp.boot_quiet_s = 0;
    let base = Base {
        clock: Arc::new(evenload::service::clock::SystemClock),
        store: Arc::new(store.clone()),
    };
    start(config, base).await.expect("starts")
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a station dials.
struct Dial<'a> {
    id: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    protocols: Option<&'a str>,
}

impl<'a> Dial<'a> {
    fn of(id: &'a str) -> Self {
        Self {
            id,
            user: id,
            password: Some(PASSWORD),
            protocols: Some("ocpp1.6"),
        }
    }

    async fn dials(&self, to: SocketAddr) -> Result<(Socket, Option<String>), u16> {
        let url = format!("ws://{to}/ocpp/{}", self.id);
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        if let Some(password) = self.password {
            let basic = STANDARD.encode(format!("{}:{password}", self.user));
            let value = format!("Basic {basic}").parse().expect("a header");
            headers.insert("authorization", value);
        }
        if let Some(protocols) = self.protocols {
            headers.insert(
                "sec-websocket-protocol",
                protocols.parse().expect("a header"),
            );
        }
        match connect_async(request).await {
            Ok((socket, response)) => {
                let chosen = response.headers().get("sec-websocket-protocol");
                let chosen = chosen.map(|value| value.to_str().expect("text").to_owned());
                Ok((socket, chosen))
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            // The client itself refuses an answer without the sub-protocol it asked for.
            Err(error) => unreachable!("no answer of HTTP: {error}"),
        }
    }
}

/// A 1.6 station on a socket of its own.
struct Station {
    socket: Socket,
    sent: u32,
    /// Calls of the service, with their answers already given.
    calls: Vec<(String, Value)>,
}

impl Station {
    async fn connects(service: &Service, id: &str) -> Self {
        let (socket, _) = Dial::of(id)
            .dials(service.running.address)
            .await
            .expect("let in");
        Self {
            socket,
            sent: 0,
            calls: Vec::new(),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        match message.expect("a message in time") {
            Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Some(Value::Null),
            _ => None,
        }
    }

    /// Answers a call of the service: accepted, whatever it is.
    async fn obeys(&mut self, frame: &Value) {
        let action = frame[2].as_str().expect("an action").to_owned();
        let answer = match action.as_str() {
            "GetConfiguration" => json!({ "configurationKey": [] }),
            "GetCompositeSchedule" => json!({ "status": "Rejected" }),
            _ => json!({ "status": "Accepted" }),
        };
        let text = json!([3, frame[1], answer]).to_string();
        self.socket.send(Message::text(text)).await.expect("sent");
        self.calls.push((action, frame[3].clone()));
    }

    async fn says(&mut self, action: &str, payload: &Value) -> Value {
        self.sent += 1;
        let id = format!("s{}", self.sent);
        let text = json!([2, id, action, payload]).to_string();
        self.socket.send(Message::text(text)).await.expect("sent");
        loop {
            let frame = self.next().await.expect("still connected");
            if frame[0] == 2 {
                self.obeys(&frame).await;
            } else if frame[1] == json!(id) {
                return frame;
            }
        }
    }

    async fn boots(&mut self) {
        let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M" });
        let answer = self.says("BootNotification", &boot).await;
        assert_eq!(answer[2]["status"], "Accepted", "{answer}");
    }

    /// Waits for a call of the service and accepts it.
    async fn is_asked(&mut self, action: &str, purpose: &str) -> Value {
        loop {
            let found = self.calls.iter().position(|(asked, payload)| {
                asked == action && (purpose.is_empty() || payload.to_string().contains(purpose))
            });
            if let Some(index) = found {
                return self.calls.remove(index).1;
            }
            let frame = self.next().await.expect("still connected");
            if frame[0] == 2 {
                self.obeys(&frame).await;
            }
        }
    }

    async fn starts(&mut self, at: &str) -> i64 {
        let start = json!({ "connectorId": 1, "idTag": "TAG", "meterStart": 1000,
            "timestamp": at });
        let answer = self.says("StartTransaction", &start).await;
        answer[2]["transactionId"].as_i64().expect("an id")
    }
}

fn soon(minutes_ago: i64) -> String {
    use evenload::domain::ports::Clock as _;
    let now = evenload::service::clock::SystemClock.now() - chrono::TimeDelta::minutes(minutes_ago);
    now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[actix_web::test]
async fn only_who_shows_the_password_is_let_in_and_the_unknown_look_the_same() {
    let service = Service::start().await;
    service.approves("CP1").await;
    let to = service.running.address;
    let refused = |dial: Dial<'static>| async move { dial.dials(to).await.map(|_| ()) };
    let good = Dial::of("CP1");
    assert!(good.dials(to).await.is_ok());
    for (case, dial) in [
        (
            "wrong password",
            Dial {
                password: Some("wrong-wrong-wrong"),
                ..Dial::of("CP1")
            },
        ),
        (
            "no password",
            Dial {
                password: None,
                ..Dial::of("CP1")
            },
        ),
        (
            "another's name",
            Dial {
                user: "CP2",
                ..Dial::of("CP1")
            },
        ),
        ("unknown", Dial::of("CP9")),
        (
            "unknown without password",
            Dial {
                password: None,
                ..Dial::of("CP9")
            },
        ),
        ("no identity can be so", Dial::of("a%20b")),
    ] {
        assert_eq!(refused(dial).await, Err(401), "{case}");
    }
    let waiting = service.get("/stations?state=waiting").await;
    let listed: Vec<&str> = waiting["stations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|station| station["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(listed, ["CP9"]);
    assert_eq!(waiting["stations"][0]["attempts"], 2);
    // Approved without a password: one is made and shown once.
    let put = reqwest::Method::PUT;
    let (status, answer) = service.call(put, "/stations/CP9", json!({})).await;
    assert_eq!(status, 201);
    let made = answer["password"].as_str().expect("a password").to_owned();
    let dial = Dial {
        password: Some(&made),
        ..Dial::of("CP9")
    };
    assert!(dial.dials(to).await.is_ok());
    let again = service.get("/stations/CP9").await;
    assert!(again.get("password").is_none() && !again.to_string().contains(&made));
    assert_eq!(
        service.get("/stations?state=waiting").await["stations"],
        json!([])
    );
    service.running.stop().await;
}

#[actix_web::test]
async fn too_many_failures_are_turned_away_unread_but_not_the_real_one_for_ever() {
    let service = Service::start().await;
    service.approves("CP1").await;
    let to = service.running.address;
    let wrong = Dial {
        password: Some("wrong-wrong-wrong"),
        ..Dial::of("CP1")
    };
    for _ in 0..5 {
        assert_eq!(wrong.dials(to).await.map(|_| ()), Err(401));
    }
    assert_eq!(wrong.dials(to).await.map(|_| ()), Err(429));
    service.running.stop().await;
}

#[actix_web::test]
async fn a_station_that_dialled_too_often_while_unknown_gets_in_as_soon_as_it_is_approved() {
    let service = Service::start().await;
    let to = service.running.address;
    for _ in 0..5 {
        assert_eq!(Dial::of("CP1").dials(to).await.map(|_| ()), Err(401));
    }
    assert_eq!(Dial::of("CP1").dials(to).await.map(|_| ()), Err(429));
    service.approves("CP1").await;
    assert!(Dial::of("CP1").dials(to).await.is_ok());
    service.running.stop().await;
}

#[actix_web::test]
async fn the_first_version_we_speak_is_chosen_and_none_is_refused() {
    let service = Service::start().await;
    service.approves("CP1").await;
    let to = service.running.address;
    for (offered, chosen) in [
        ("ocpp1.6", Some("ocpp1.6")),
        ("ocpp0.1, ocpp1.6", Some("ocpp1.6")),
        ("ocpp2.1, ocpp2.0.1, ocpp1.6", Some("ocpp2.1")),
        ("ocpp0.1", None),
        ("ocpp2.0", None),
    ] {
        let dial = Dial {
            protocols: Some(offered),
            ..Dial::of("CP1")
        };
        match (dial.dials(to).await, chosen) {
            (Ok((_, got)), Some(chosen)) => assert_eq!(got.as_deref(), Some(chosen)),
            (Err(status), None) => assert_eq!(status, 400, "{offered}"),
            (got, _) => panic!("{offered}: {:?}", got.map(|(_, protocol)| protocol)),
        }
    }
    let silent = Dial {
        protocols: None,
        ..Dial::of("CP1")
    };
    assert_eq!(silent.dials(to).await.map(|_| ()), Err(400));
    let body = json!({ "assume_protocol": "ocpp1.6" });
    let (status, _) = service
        .call(reqwest::Method::PUT, "/stations/CP1", body)
        .await;
    assert_eq!(status, 200);
    assert!(silent.dials(to).await.is_ok());
    service.running.stop().await;
}

#[actix_web::test]
async fn the_newest_connection_wins_and_the_end_of_the_old_does_not_remove_it() {
    let service = Service::start().await;
    service.has_depot(&["CP1"]).await;
    let mut old = Station::connects(&service, "CP1").await;
    old.boots().await;
    let mut new = Station::connects(&service, "CP1").await;
    new.boots().await;
    // The old one is hung up on.
    while old.next().await.is_some() {}
    drop(old);
    // An unauthenticated third does not disturb it.
    let stranger = Dial {
        password: None,
        ..Dial::of("CP1")
    };
    assert_eq!(
        stranger.dials(service.running.address).await.map(|_| ()),
        Err(401)
    );
    let answer = new.says("Heartbeat", &json!({})).await;
    assert!(answer[2]["currentTime"].is_string());
    let shown = service.get("/stations/CP1").await;
    assert_eq!(
        (&shown["state"], &shown["displaced"], &shown["connections"]),
        (&json!("connected"), &json!(1), &json!(2))
    );
    drop(new);
    service
        .sees("/stations/CP1", |shown| shown["state"] == "offline")
        .await;
    service.running.stop().await;
}

#[actix_web::test]
async fn a_car_gets_the_default_first_then_its_profile_and_its_energy_is_booked() {
    let service = Service::start().await;
    service.has_depot(&["CP1", "CP2", "CP3"]).await;
    let mut station = Station::connects(&service, "CP1").await;
    station.boots().await;
    let default = station
        .is_asked("SetChargingProfile", "TxDefaultProfile")
        .await;
    // 30 kW / 3 = 10 kW; / 759 V = 13.17 A, rounded down
    let schedule = &default["csChargingProfiles"]["chargingSchedule"];
    assert_eq!(schedule["chargingSchedulePeriod"][0]["limit"], 13.1);
    let id = station.starts(&soon(0)).await;
    let profile = station
        .is_asked("SetChargingProfile", "\"TxProfile\"")
        .await;
    assert_eq!(profile["csChargingProfiles"]["transactionId"], id);
    let reading = json!({ "connectorId": 1, "transactionId": id, "meterValue": [{
        "timestamp": soon(0), "sampledValue": [{ "value": "3000" },
            { "value": "4000", "measurand": "Power.Active.Import" }] }] });
    station.says("MeterValues", &reading).await;
    let sessions = service
        .sees("/sites/depot/sessions", |body| {
            body["sessions"][0]["energy_kwh"] == 2.0
        })
        .await;
    assert_eq!(sessions["sessions"][0]["evse"], "CP1", "{sessions}");
    let stop = json!({ "transactionId": id, "meterStop": 4000, "timestamp": soon(0) });
    station.says("StopTransaction", &stop).await;
    service
        .sees("/sites/depot/bound", |bound| {
            bound["circuits"][0]["evses"][0]["session"].is_null()
        })
        .await;
    service.running.stop().await;
}

#[actix_web::test]
async fn what_was_acknowledged_survives_our_death_and_ids_are_never_given_twice() {
    let service = Service::start().await;
    service.has_depot(&["CP1"]).await;
    let mut station = Station::connects(&service, "CP1").await;
    station.boots().await;
    let begun = soon(0);
    let first = station.starts(&begun).await;
    drop(station);
    let service = service.dies_and_comes_back().await;
    service
        .sees("/sites/depot/sessions", |body| {
            body["sessions"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
        })
        .await;
    let mut station = Station::connects(&service, "CP1").await;
    // It never got our answer, so it sends the start again: the same transaction.
    assert_eq!(station.starts(&begun).await, first);
    let stop = json!({ "transactionId": first, "meterStop": 1500, "timestamp": soon(0) });
    station.says("StopTransaction", &stop).await;
    let second = station.starts(&soon(5)).await;
    assert!(second > first, "{second} after {first}");
    service.running.stop().await;
}

#[actix_web::test]
async fn an_operators_call_is_answered_with_the_stations_payload() {
    let service = Service::start().await;
    service.has_depot(&["CP1"]).await;
    let post = reqwest::Method::POST;
    let path = "/stations/CP1/commands/Reset";
    let (status, _) = service
        .call(post.clone(), path, json!({ "type": "Soft" }))
        .await;
    assert_eq!(status, 409, "not connected");
    let mut station = Station::connects(&service, "CP1").await;
    station.boots().await;
    let called = service.call(post, path, json!({ "type": "Soft" }));
    let (answer, asked) = tokio::join!(called, station.is_asked("Reset", ""));
    assert_eq!(asked, json!({ "type": "Soft" }));
    let expected = json!({ "status": "result", "payload": { "status": "Accepted" } });
    assert_eq!(answer, (200, expected));
    let messages = service.get("/stations/CP1/messages").await;
    assert!(messages.to_string().contains("Reset"));
    service.running.stop().await;
}

#[actix_web::test]
async fn frames_that_are_none_do_not_hurt_the_connection() {
    let service = Service::start().await;
    service.has_depot(&["CP1"]).await;
    let mut station = Station::connects(&service, "CP1").await;
    station.boots().await;
    for text in [
        "",
        "[",
        "null",
        "[2]",
        "[9,\"a\",\"b\",{}]",
        "[3,\"x\",{}]",
        "[4]",
    ] {
        station
            .socket
            .send(Message::text(text))
            .await
            .expect("sent");
    }
    let answer = station.says("Nonsense", &json!({})).await;
    assert_eq!(
        (&answer[0], &answer[2]),
        (&json!(4), &json!("NotImplemented"))
    );
    assert!(station.says("Heartbeat", &json!({})).await[2]["currentTime"].is_string());
    // A binary message is no OCPP-J: the connection ends.
    let bytes = Message::binary(vec![1, 2, 3]);
    station.socket.send(bytes).await.expect("sent");
    while station.next().await.is_some() {}
    service.running.stop().await;
}

#[actix_web::test]
async fn charge_points_of_another_maker_find_nothing_wrong_with_our_messages() {
    let python = match python::python() {
        Ok(python) => python,
        Err(why) => return python::missing("PyPI ocpp as a charge point", &why),
    };
    let service = Service::start().await;
    let stations = ["PY16", "PY201", "PY21"];
    service.has_depot(&stations).await;
    let url = format!("ws://{}/ocpp", service.running.address);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/station.py");
    for (id, version) in stations.iter().zip(["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) {
        let (python, script, url) = (python.clone(), script.clone(), url.clone());
        let id = (*id).to_owned();
        let output = tokio::task::spawn_blocking(move || {
            Command::new(python)
                .arg(script)
                .args([&url, &id, PASSWORD, version])
                .output()
        });
        let output = output.await.expect("no panic").expect("python starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{version}: {error}; {errors}"));
        assert_eq!(seen["invalid"], json!([]), "{version}");
        assert_eq!(
            (&seen["subprotocol"], &seen["boot"]),
            (&json!(version), &json!("Accepted"))
        );
        // 30 kW / 3 = 10 kW; / 759 V = 13.17 A, rounded down
        assert_eq!(seen["default_amps"], 13.1, "{version}: {seen}");
        let actions = seen["actions"].to_string();
        for action in ["SetChargingProfile", "ClearChargingProfile"] {
            assert!(actions.contains(action), "{version}: {actions}");
        }
        let energy_kwh = seen["energy_wh"].as_f64().expect("a number") / 1000.0;
        assert!(energy_kwh > 0.1, "{version}: {seen}");
        let shown = service.get(&format!("/stations/{}", stations[0])).await;
        assert_eq!(shown["vendor"], "PyPI");
    }
    let state = service.get("/sites/depot/alerts").await;
    assert!(!state.to_string().contains("self_caused"), "{state}");
    service.running.stop().await;
}

#[actix_web::test]
async fn diagnostics_and_logs_that_name_no_place_come_to_us_and_can_be_fetched() {
    let service = Service::start().await;
    service.has_depot(&["CP1"]).await;
    let mut station = Station::connects(&service, "CP1").await;
    station.boots().await;
    let post = reqwest::Method::POST;
    let path = "/stations/CP1/commands/GetDiagnostics";
    let asks = service.call(post.clone(), path, json!({}));
    let (asked, (status, _)) = tokio::join!(station.is_asked("GetDiagnostics", ""), asks);
    assert_eq!(status, 200);
    let place = asked["location"].as_str().expect("an address").to_owned();
    let base = format!("http://{}/uploads/", service.running.address);
    assert!(place.starts_with(&base), "{place}");
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("a client");
    // More than other bodies may have.
    let content = vec![7_u8; 5 * 1024 * 1024];
    let puts = http.put(format!("{place}/diag.zip")).body(content.clone());
    assert_eq!(puts.send().await.expect("answered").status(), 201);
    let stranger = http.put(format!("{base}0123/diag.zip")).body("x").send();
    assert_eq!(stranger.await.expect("answered").status(), 404);
    let listed = service.get("/stations/CP1/uploads").await;
    let name = listed["uploads"][0]["name"].as_str().expect("a name");
    assert!(name.ends_with("-diag.zip"), "{name}");
    assert_eq!(listed["uploads"][0]["bytes"], 5 * 1024 * 1024);
    let url = format!(
        "http://{}/api/v1/stations/CP1/uploads/{name}",
        service.running.address
    );
    let fetched = http.get(&url).bearer_auth(TOKEN).send().await;
    let fetched = fetched.expect("answered").bytes().await.expect("whole");
    assert!(fetched == content, "{} bytes", fetched.len());
    assert_eq!(http.get(&url).send().await.expect("answered").status(), 401);
    // A log of the security extension, and a place of the operator's own stays.
    let path = "/stations/CP1/commands/GetLog";
    let body = json!({ "logType": "SecurityLog", "requestId": 7,
        "log": { "remoteLocation": "ftp://192.0.2.1/" } });
    let asks = service.call(post, path, body.clone());
    let (asked, _) = tokio::join!(station.is_asked("GetLog", ""), asks);
    assert_eq!(asked, body);
    service.running.stop().await;
}

/// The package `ocpp-rpc` of npm, installed once under `target/`.
fn npm_package() -> Result<std::path::PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm_peers");
    let modules = folder.join("node_modules");
    if modules.join("ocpp-rpc/package.json").is_file() {
        return Ok(modules);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(&folder)
        .arg("ocpp-rpc@2.2.1")
        .output()
        .map_err(|error| format!("npm: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(modules).ok_or(text)
}

#[actix_web::test]
async fn charge_points_of_npm_find_nothing_wrong_with_our_messages() {
    let modules = match npm_package() {
        Ok(modules) => modules,
        Err(why) => return python::missing("npm ocpp-rpc as a charge point", &why),
    };
    let service = Service::start().await;
    let stations = ["JS16", "JS201"];
    service.has_depot(&stations).await;
    let url = format!("ws://{}/ocpp", service.running.address);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/station.js");
    for (id, version) in stations.iter().zip(["ocpp1.6", "ocpp2.0.1"]) {
        let (modules, script, url) = (modules.clone(), script.clone(), url.clone());
        let id = (*id).to_owned();
        let output = tokio::task::spawn_blocking(move || {
            Command::new("node")
                .env("NODE_PATH", modules)
                .arg(script)
                .args([&url, &id, PASSWORD, version])
                .output()
        });
        let output = output.await.expect("no panic").expect("node starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{version}: {error}; {errors}"));
        assert_eq!(seen["invalid"], json!([]), "{version}");
        assert_eq!(
            (&seen["protocol"], &seen["boot"]),
            (&json!(version), &json!("Accepted"))
        );
        // 30 kW / 2 = 15 kW, more than 16 A, the rating
        assert_eq!(seen["default_amps"], 16, "{version}: {seen}");
        assert!(seen["transaction_amps"].is_number(), "{version}: {seen}");
    }
    service.running.stop().await;
}
