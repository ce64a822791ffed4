//! A station's walk, message by message, in virtual time and without a socket.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Fact, Order, Outcome, Output, Station, Terms, What};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::id::{CircuitId, EvseId, StationId, TenantId};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Energy, Power, Voltage};
use crate::domain::time::Time;
use crate::ocpp::books::{Books, Entry};
use crate::ocpp::caps::{Caps, Quirk};
use crate::ocpp::message::Admission;
use crate::ocpp::version::Version;

mod mutated;
mod new_in_21;
mod script;
mod walks;

fn noon() -> Time {
    "2026-11-22T12:00:00Z".parse().expect("valid")
}

fn evse() -> Box<Evse> {
    Box::new(Evse {
        id: EvseId::new("e1").expect("valid"),
        circuit: CircuitId::new("site").expect("valid"),
        max: Power::from_kilowatts(11.04),
        min: Power::from_kilowatts(4.14),
        phases: Phase::ALL.to_vec(),
        supply: Supply::Ac {
            phases: 3,
            nominal: Voltage::V230,
        },
        fallback: None,
        source: EvseSource::Ocpp {
            station: StationId::new("CP1").expect("valid"),
            evse: 1,
        },
    })
}

/// A profile of one limit in tenths of an ampere, for an hour or for ever.
fn amps(tenths: i64, duration_s: Option<u32>) -> Profile {
    Profile {
        unit: RateUnit::Amps,
        start: noon(),
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: Tenths(tenths),
        }],
        duration_s,
    }
}

/// A station on a test bench: what it is made to say, what we say to it, what follows.
struct Bench {
    station: Station,
    now: Time,
    number: u32,
    orders: u64,
    /// Our calls that wait for the station's answer: id, action, payload.
    open: Vec<(String, String, Value)>,
    facts: Vec<Fact>,
    settled: Vec<(u64, Outcome)>,
    answers: Vec<Value>,
}

impl Bench {
    fn new(version: Version) -> Self {
        Self::with(version, Caps::default(), 0)
    }

    fn with(version: Version, caps: Caps, quiet_s: i64) -> Self {
        let terms = Terms {
            tenant: TenantId::default_tenant(),
            quiet_s,
            sample_s: 60,
            admission: Admission::Accepted,
            tokens: Arc::default(),
        };
        let mut station = Station::new(terms, version, "t", caps, Books::default(), noon());
        station.give_id(41);
        Self {
            station,
            now: noon(),
            number: 0,
            orders: 0,
            open: Vec::new(),
            facts: Vec::new(),
            settled: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(text) => self.sent(&text),
                Output::Book { facts, answer } => {
                    self.facts.extend(facts);
                    if let Some(pending) = answer {
                        let text = self.station.booked(&pending, Ok(()));
                        self.sent(&text);
                    }
                }
                Output::Settled { order, outcome } => self.settled.push((order, outcome)),
                Output::Learned | Output::Close(_) | Output::Remark(_) => {}
            }
        }
        if self.station.needs_id() {
            self.station.give_id(42);
        }
    }

    fn sent(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        match frame[0].as_i64() {
            Some(2) => self.open.push((
                frame[1].as_str().expect("an id").into(),
                frame[2].as_str().expect("an action").into(),
                frame[3].clone(),
            )),
            _ => self.answers.push(frame),
        }
    }

    fn receives(&mut self, text: &str) {
        let outputs = self.station.receive(text, self.now);
        self.take(outputs);
    }

    /// The station calls; gives what it is answered.
    #[expect(clippy::needless_pass_by_value, reason = "the walks read better")]
    fn says(&mut self, action: &str, payload: Value) -> Value {
        self.number += 1;
        let id = format!("m{}", self.number);
        self.receives(&json!([2, id, action, payload]).to_string());
        let answer = self.answers.pop().expect("an answer");
        assert_eq!(answer[1], json!(id));
        answer
    }

    /// The station answers our open call, which must be of this action; gives the payload we sent.
    #[expect(clippy::needless_pass_by_value, reason = "the walks read better")]
    fn answers_call(&mut self, action: &str, payload: Value) -> Value {
        let (id, asked, sent) = self.open.pop().expect("a call of ours");
        assert_eq!(asked, action);
        self.receives(&json!([3, id, payload]).to_string());
        sent
    }

    fn boots(&mut self) {
        let payload = match self.station.version() {
            Version::V16 => json!({"chargePointVendor": "V", "chargePointModel": "M"}),
            _ => json!({"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}),
        };
        let answer = self.says("BootNotification", payload);
        assert_eq!(answer[2]["status"], "Accepted");
    }

    /// Boots and answers our first questions, the settings with these 1.6 keys.
    fn is_set_up(&mut self, keys: &[(&str, &str)]) {
        self.boots();
        self.answers_call("ClearChargingProfile", json!({"status": "Unknown"}));
        if self.station.version() == Version::V16 {
            let keys: Vec<_> = keys
                .iter()
                .map(|(key, value)| json!({"key": key, "readonly": false, "value": value}))
                .collect();
            self.answers_call("GetConfiguration", json!({"configurationKey": keys}));
        } else {
            self.answers_call("GetBaseReport", json!({"status": "Accepted"}));
            let data: Vec<_> = keys
                .iter()
                .map(|(key, value)| {
                    let (component, variable) = key.split_once('.').expect("two names");
                    json!({"component": {"name": component}, "variable": {"name": variable},
                        "variableAttribute": [{"value": value}]})
                })
                .collect();
            let report = json!({"requestId": 1, "generatedAt": "2026-11-22T12:00:00Z", "seqNo": 0,
                "reportData": data});
            self.says("NotifyReport", report);
        }
    }

    fn starts(&mut self) -> String {
        if self.station.version() != Version::V16 {
            self.says("TransactionEvent", event("Started", 0, 1000.0));
            return "tx-1".into();
        }
        let answer = self.says(
            "StartTransaction",
            json!({"connectorId": 1, "idTag": "TAG", "meterStart": 1000,
                "timestamp": "2026-11-22T12:00:00Z"}),
        );
        answer[2]["transactionId"].to_string()
    }

    fn orders(&mut self, what: What) -> u64 {
        self.orders += 1;
        let number = self.orders;
        let outputs = self.station.order(Order { number, what }, self.now);
        self.take(outputs);
        number
    }

    fn sets_default(&mut self, profile: Profile) -> u64 {
        self.orders(What::SetDefault {
            evse: evse(),
            number: 1,
            profile,
            lowers: true,
        })
    }

    fn sets(&mut self, transaction: &str, profile: Profile) -> u64 {
        self.orders(What::SetProfile {
            evse: evse(),
            number: 1,
            transaction: transaction.into(),
            profile,
            lowers: false,
        })
    }

    fn outcome(&self, order: u64) -> &Outcome {
        let found = self.settled.iter().find(|(number, _)| *number == order);
        &found.expect("settled").1
    }

    fn waits(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        let outputs = self.station.on_time(self.now);
        self.take(outputs);
    }

    fn sessions(&self) -> Vec<&Entry> {
        fn of(fact: &Fact) -> Option<&Entry> {
            match fact {
                Fact::Session { entry, .. } => Some(entry),
                _ => None,
            }
        }
        self.facts.iter().filter_map(of).collect()
    }
}

fn event(kind: &str, seq: i64, wh: f64) -> Value {
    json!({"eventType": kind, "timestamp": "2026-11-22T12:00:00Z", "seqNo": seq,
        "triggerReason": "Authorized", "transactionInfo": {"transactionId": "tx-1"},
        "evse": {"id": 1, "connectorId": 1}, "idToken": {"idToken": "TAG", "type": "ISO14443"},
        "meterValue": [{"timestamp": "2026-11-22T12:00:00Z", "sampledValue": [
            {"value": wh}, {"value": 7000.0, "measurand": "Power.Active.Import"}]}]})
}

fn applied() -> Outcome {
    Outcome::Answer(Answer::Applied {
        evidence: Evidence::Result,
    })
}
