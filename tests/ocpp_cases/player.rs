//! Plays a case: a station on its own socket.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenload::ocpp::version::Version;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::pattern::Names;
use super::script::{Case, Step};
use super::service::{PASSWORD, PATIENCE, Service};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A station that plays.
struct Station<'a> {
    version: Version,
    keeps_list: bool,
    id: String,
    socket: Socket,
    sent: u32,
    seq_no: i64,
    names: Names,
    /// Calls that were answered by the way, oldest first.
    by_the_way: Vec<(String, Value)>,
    /// Everything it got, for the schemas.
    heard: &'a mut Vec<Value>,
    /// The actions of its calls by their ids, for the schemas.
    asked: BTreeMap<String, String>,
}

/// Plays a case as a station of its own.
pub(crate) async fn play(
    service: &Service,
    case: &Case,
    version: Version,
    heard: &mut Vec<Value>,
) -> Result<(), String> {
    let id = case.id.clone();
    service
        .approves(
            &id,
            if case.is_pending {
                "pending"
            } else {
                "accepted"
            },
        )
        .await;
    if case.has_depot {
        service.has_depot(&id).await;
    }
    let mut names = Names::default();
    let at = |minutes: i64| {
        use evenload::domain::ports::Clock as _;
        let at = evenload::service::clock::SystemClock.now() + chrono::TimeDelta::minutes(minutes);
        json!(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    };
    names.set("station", json!(id));
    names.set("now", at(0));
    names.set("earlier", at(-120));
    names.set("later", at(120));
    if version.is_two() {
        names.set("tx", json!(format!("tx-{id}")));
    }
    let mut station = Station {
        version,
        keeps_list: case.keeps_list,
        socket: dial(service, &id, version, PASSWORD).await?,
        id,
        sent: 0,
        seq_no: 0,
        names,
        by_the_way: Vec::new(),
        heard,
        asked: BTreeMap::new(),
    };
    for (line, step) in &case.steps {
        let played = tokio::time::timeout(PATIENCE, station.plays(service, step)).await;
        let outcome = played.unwrap_or_else(|_| Err("nothing came".into()));
        outcome.map_err(|why| format!("line {line}: {why}"))?;
    }
    drop(station.socket.close(None).await);
    Ok(())
}

async fn dial(
    service: &Service,
    id: &str,
    version: Version,
    password: &str,
) -> Result<Socket, String> {
    let url = format!("ws://{}/ocpp/{id}", service.running.address);
    let mut request = url.into_client_request().expect("a request");
    let basic = STANDARD.encode(format!("{id}:{password}"));
    let headers = request.headers_mut();
    headers.insert(
        "authorization",
        format!("Basic {basic}").parse().expect("a header"),
    );
    let protocol = version.subprotocol().parse().expect("a header");
    headers.insert("sec-websocket-protocol", protocol);
    let connected = connect_async(request).await;
    connected
        .map(|(socket, _)| socket)
        .map_err(|error| format!("not let in: {error}"))
}

impl Station<'_> {
    async fn plays(&mut self, service: &Service, step: &Step) -> Result<(), String> {
        match step {
            Step::Say(action, payload, answer) => self.says(action, payload, answer.as_ref()).await,
            Step::Event(kind, trigger, more, answer) => {
                let payload = self.event(kind, trigger, more);
                self.says("TransactionEvent", &payload, Ok(answer)).await
            }
            Step::Operator(action, payload, answer) => {
                let payload = self.names.filled(payload);
                let path = format!("/stations/{}/commands/{action}", self.id);
                let calls = service.rest("POST", &path, &payload);
                let answers = self.is_asked(action, &payload, answer.as_ref());
                let ((status, got), asked) = tokio::join!(calls, answers);
                asked?;
                if status != 200 {
                    return Err(format!("the operator got {status}: {got}"));
                }
                let expected = match answer {
                    Ok(payload) => json!({ "status": "result", "payload": payload }),
                    Err(code) => json!({ "status": "error", "payload": { "code": code } }),
                };
                self.names.matches(&expected, &got)
            }
            Step::Expects(action, payload, answer) => {
                let names = &mut self.names;
                let place = self.by_the_way.iter().position(|(asked, found)| {
                    asked == action && names.matches(payload, found).is_ok()
                });
                if let Some(place) = place {
                    self.by_the_way.remove(place);
                    return Ok(());
                }
                self.is_asked(action, payload, Ok(answer)).await
            }
            Step::Rest(method, path, body, status, answer) => {
                let body = self.names.filled(body);
                let path = self.names.path(path);
                let (got, found) = service.rest(method, &path, &body).await;
                if got != *status {
                    return Err(format!("{path} gave {got}: {found}"));
                }
                self.names.matches(answer, &found)
            }
            Step::Sees(path, pattern) => loop {
                let path = self.names.path(path);
                let (_, found) = service.rest("GET", &path, &Value::Null).await;
                match self.names.matches(pattern, &found) {
                    Ok(()) => return Ok(()),
                    // What the service asks meanwhile is answered.
                    Err(_) => self.rests().await?,
                }
            },
            Step::Parts(action, payload, answers) => {
                let payload = self.names.filled(payload);
                let path = format!("/stations/{}/commands/{action}", self.id);
                let calls = service.rest("POST", &path, &payload);
                let answered = async {
                    for answer in answers {
                        self.is_asked(action, &serde_json::json!({}), Ok(answer))
                            .await?;
                    }
                    Ok::<_, String>(())
                };
                let ((status, got), answered) = tokio::join!(calls, answered);
                answered?;
                if status != 200 || got["status"] != "result" {
                    return Err(format!("the operator got {status}: {got}"));
                }
                Ok(())
            }
            Step::Reconnects(password) => {
                drop(self.socket.close(None).await);
                let password = password.as_deref().unwrap_or(PASSWORD);
                self.socket = dial(service, &self.id, self.version, password).await?;
                Ok(())
            }
        }
    }

    fn event(&mut self, kind: &str, trigger: &str, more: &Value) -> Value {
        let mut payload = json!({
            "eventType": kind, "triggerReason": trigger, "timestamp": "$now",
            "seqNo": self.seq_no, "transactionInfo": { "transactionId": "$tx" },
        });
        self.seq_no += 1;
        for (name, value) in more.as_object().into_iter().flatten() {
            match (payload[name].as_object_mut(), value) {
                (Some(known), Value::Object(more)) => known.extend(more.clone()),
                _ => payload[name] = value.clone(),
            }
        }
        payload
    }

    async fn next(&mut self) -> Result<Value, String> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                    self.note(&frame);
                    return Ok(frame);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return Err(format!("the connection ended: {other:?}")),
            }
        }
    }

    fn note(&mut self, frame: &Value) {
        let number = match self.version {
            Version::V16 => "1.6",
            Version::V201 => "2.0.1",
            Version::V21 => "2.1",
        };
        let (action, payload) = match frame[0].as_i64() {
            Some(2) => (frame[2].clone(), &frame[3]),
            Some(3) => {
                let id = frame[1].as_str().unwrap_or_default();
                (json!(self.asked.get(id)), &frame[2])
            }
            _ => return,
        };
        self.heard.push(json!({
            "version": number, "kind": frame[0], "action": action, "payload": payload,
        }));
    }

    async fn says(
        &mut self,
        action: &str,
        payload: &Value,
        expected: Result<&Value, &String>,
    ) -> Result<(), String> {
        self.sent += 1;
        let id = format!("s{}", self.sent);
        self.asked.insert(id.clone(), action.to_owned());
        let payload = self.names.filled(payload);
        self.sends(json!([2, id, action, payload])).await?;
        loop {
            let frame = self.next().await?;
            if frame[0] == 2 {
                self.obliges(&frame).await?;
                continue;
            }
            let matched = match expected {
                Ok(answer) if frame[0] == 3 => self.names.matches(answer, &frame[2]),
                Err(code) if frame[0] == 4 => self.names.matches(&json!(code), &frame[2]),
                _ => Err(format!("it was answered {frame}")),
            };
            return matched.map_err(|why| format!("{action}: {why} in {frame}"));
        }
    }

    async fn sends(&mut self, frame: Value) -> Result<(), String> {
        let sent = self.socket.send(Message::text(frame.to_string())).await;
        sent.map_err(|error| error.to_string())
    }

    /// Waits for a call that matches and answers it.
    async fn is_asked(
        &mut self,
        action: &str,
        pattern: &Value,
        answer: Result<&Value, &String>,
    ) -> Result<(), String> {
        loop {
            let frame = self.next().await?;
            if frame[0] != 2 {
                continue;
            }
            if frame[2] != json!(action) || self.names.matches(pattern, &frame[3]).is_err() {
                self.obliges(&frame).await?;
                continue;
            }
            let answer = match answer {
                Ok(payload) => json!([3, frame[1], self.names.filled(payload)]),
                Err(code) => json!([4, frame[1], code, "", {}]),
            };
            return self.sends(answer).await;
        }
    }

    /// Answers what the service asks for a moment.
    async fn rests(&mut self) -> Result<(), String> {
        let moment = std::time::Duration::from_millis(20);
        match tokio::time::timeout(moment, self.next()).await {
            Ok(frame) => {
                let frame = frame?;
                if frame[0] == 2 {
                    self.obliges(&frame).await?;
                }
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Answers a call that the case does not speak of as a plain station would.
    async fn obliges(&mut self, frame: &Value) -> Result<(), String> {
        let action = frame[2].as_str().unwrap_or_default().to_owned();
        let list = if self.keeps_list { "true" } else { "false" };
        let answer = match action.as_str() {
            "GetConfiguration" => json!({ "configurationKey": [
                { "key": "LocalAuthListEnabled", "readonly": false, "value": list },
                { "key": "ChargeProfileMaxStackLevel", "readonly": true, "value": "8" },
            ] }),
            "GetVariables" if self.keeps_list => json!({ "getVariableResult": [] }),
            "GetBaseReport" if self.keeps_list => json!({ "status": "Accepted" }),
            "GetBaseReport" => json!({ "status": "EmptyResultSet" }),
            "GetCompositeSchedule" | "GetTransactionStatus" => json!({ "status": "Rejected" }),
            "GetLocalListVersion" if self.version == Version::V16 => json!({ "listVersion": 0 }),
            "GetLocalListVersion" => json!({ "versionNumber": 0 }),
            "ClearChargingProfile" => json!({ "status": "Unknown" }),
            "SetVariables" => {
                let entries = frame[3]["setVariableData"].as_array();
                let results = entries.into_iter().flatten().map(|entry| {
                    json!({ "attributeStatus": "Accepted", "component": entry["component"],
                        "variable": entry["variable"] })
                });
                json!({ "setVariableResult": results.collect::<Vec<_>>() })
            }
            _ => json!({ "status": "Accepted" }),
        };
        let answer = if action == "GetTransactionStatus" {
            json!([3, frame[1], { "messagesInQueue": false }])
        } else {
            json!([3, frame[1], answer])
        };
        self.sends(answer).await?;
        if action == "GetBaseReport" && self.keeps_list {
            let report = json!({ "requestId": frame[3]["requestId"], "generatedAt": "$now",
                "seqNo": 0, "tbc": false, "reportData": [
                    { "component": { "name": "LocalAuthListCtrlr" },
                      "variable": { "name": "Enabled" }, "variableAttribute": [{ "value": "true" }] },
                ] });
            let report = self.names.filled(&report);
            self.asked.insert("report".into(), "NotifyReport".into());
            self.sends(json!([2, "report", "NotifyReport", report]))
                .await?;
        }
        self.by_the_way.push((action, frame[3].clone()));
        Ok(())
    }
}
