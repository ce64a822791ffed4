//! A station driven by a script of any text, and what must hold whatever it says. The test of mutated
//! messages and the fuzz target (`tests/station_fuzz`, beside the workspace) share it.
//!
//! The first line names the version. Of the others, one that begins with `@` lets so many seconds go
//! by, `!` gives an order, `=` and `~` answer our open call with this payload or this error, `-` makes
//! the next booking fail; any other is what the station says, byte for byte.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::id::{CircuitId, EvseId, StationId, TenantId};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Power, Voltage};
use crate::domain::time::Time;
use crate::ocpp::books::{Books, MAX_KEPT};
use crate::ocpp::caps::{Caps, Quirk};
use crate::ocpp::message::Admission;
use crate::ocpp::rpc::{Frame, MAX_MESSAGE_BYTES, read};
use crate::ocpp::station::{Order, Output, Station, Terms, What};
use crate::ocpp::version::Version;

/// Lines that are played of one script.
const MAX_LINES: usize = 400;
/// Longest time that goes by at once: ten years.
const MAX_WAIT_S: i64 = 10 * 365 * 86_400;
/// Most that may follow from one message: all orders that waited, and a few.
const MAX_OUTPUTS: usize = 400;
/// Highest number of an EVSE, and the station itself.
const MAX_PLACES: usize = 1_001;

/// Plays a script to its end.
///
/// # Panics
///
/// If something that must hold does not.
pub(crate) fn play(script: &str) {
    let mut lines = script.lines();
    let version = match lines.next().unwrap_or_default() {
        "1.6" => Version::V16,
        "2.0.1" => Version::V201,
        _ => Version::V21,
    };
    let mut player = Player::new(version);
    for line in lines.take(MAX_LINES) {
        player.plays(line);
        player.holds();
    }
    let last = player.station.close();
    player.take(last, None);
    assert_eq!(player.unsettled, BTreeSet::new(), "orders without an end");
    assert!(!player.station.is_busy());
}

struct Player {
    station: Station,
    now: Time,
    /// Our call that waits for an answer.
    open: Option<String>,
    unsettled: BTreeSet<u64>,
    orders: u64,
    ids: i32,
    fails_next: bool,
}

impl Player {
    fn new(version: Version) -> Self {
        let now = "2026-11-22T12:00:00Z".parse().expect("valid");
        let terms = Terms {
            tenant: TenantId::default_tenant(),
            quiet_s: 0,
            sample_s: 60,
            admission: Admission::Accepted,
            tokens: Arc::default(),
        };
        let mut caps = Caps::default();
        caps.told.insert(Quirk::DynamicProfiles, true);
        let station = Station::new(terms, version, "f", caps, Books::default(), now);
        Self {
            station,
            now,
            open: None,
            unsettled: BTreeSet::new(),
            orders: 0,
            ids: 1,
            fails_next: false,
        }
    }

    fn plays(&mut self, line: &str) {
        if self.station.needs_id() {
            self.ids += 1;
            self.station.give_id(self.ids);
        }
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'@') => {
                let seconds = rest.trim().parse::<i64>().unwrap_or(1);
                self.now += TimeDelta::seconds(seconds.clamp(0, MAX_WAIT_S));
                // Before the end of all calendars.
                let last = "2200-01-01T00:00:00Z".parse().expect("valid");
                self.now = self.now.min(last);
                let outputs = self.station.on_time(self.now);
                self.take(outputs, None);
                let next = self.station.next_timeout();
                let is_dead = self.station.next_timeout().is_none() || next > Some(self.now);
                assert!(is_dead, "it would be woken for ever: {next:?}");
            }
            Some(b'!') => self.orders(rest),
            Some(b'=' | b'~') => self.answers(line),
            Some(b'-') => self.fails_next = true,
            _ => self.says(line),
        }
    }

    fn says(&mut self, text: &str) {
        // A call that can be read is answered, once.
        let expected = match read(text, self.station.version()) {
            Ok(Frame::Call { id, .. }) => Some(id),
            _ => None,
        };
        if let Ok(Frame::Result { id, .. } | Frame::Error { id, .. }) =
            read(text, self.station.version())
            && self.open.as_ref() == Some(&id)
        {
            self.open = None;
        }
        let outputs = self.station.receive(text, self.now);
        self.take(outputs, expected.as_deref());
    }

    fn answers(&mut self, line: &str) {
        let Some(id) = self.open.clone() else {
            return;
        };
        let rest = &line[1..];
        let text = if line.starts_with('=') {
            format!("[3,{},{rest}]", json!(id))
        } else {
            format!("[4,{},{},\"\",{{}}]", json!(id), json!(rest))
        };
        self.says(&text);
    }

    fn orders(&mut self, words: &str) {
        let mut words = words.splitn(3, ' ');
        let verb = words.next().unwrap_or_default();
        let number = words.next().and_then(|n| n.parse().ok()).unwrap_or(0_i64);
        let rest = words.next().unwrap_or_default();
        let place = u32::try_from(number.rem_euclid(4)).unwrap_or(1);
        let transaction = || {
            let running = self.station.books().running_on(place);
            running.map_or_else(|| rest.to_owned(), |entry| entry.id.clone())
        };
        let what = match verb {
            "default" => What::SetDefault {
                evse: evse(number),
                number: place,
                profile: profile(number, None),
                lowers: number % 2 == 0,
            },
            "profile" => What::SetProfile {
                evse: evse(number),
                number: place,
                transaction: transaction(),
                profile: profile(number, Some(3_600)),
                lowers: number % 2 == 0,
            },
            "clear" => What::Clear {
                number: place,
                transaction: transaction(),
            },
            "read" => What::Read {
                evse: evse(number),
                number: place,
                transaction: transaction(),
            },
            _ => What::Call {
                action: verb.to_owned(),
                // The API takes objects only.
                payload: serde_json::from_str(rest)
                    .ok()
                    .filter(Value::is_object)
                    .unwrap_or_else(|| json!({})),
            },
        };
        self.orders += 1;
        self.unsettled.insert(self.orders);
        let order = Order {
            number: self.orders,
            what,
        };
        let outputs = self.station.order(order, self.now);
        self.take(outputs, None);
    }

    /// Carries out what follows; `calls` is the id of the call that was heard, if one was.
    fn take(&mut self, outputs: Vec<Output>, calls: Option<&str>) {
        assert!(outputs.len() <= MAX_OUTPUTS, "{} outputs", outputs.len());
        let mut answers = 0;
        for output in outputs {
            match output {
                Output::Send(text) => answers += self.sent(&text, calls),
                Output::Book { answer, .. } => {
                    let fails = std::mem::take(&mut self.fails_next);
                    if fails {
                        self.station.forget_unbooked(Books::default());
                    }
                    if let Some(pending) = answer {
                        let stored = if fails { Err("full".into()) } else { Ok(()) };
                        let text = self.station.booked(&pending, stored);
                        answers += self.sent(&text, calls);
                    }
                }
                // Number 0 is nobody's.
                Output::Settled { order, .. } => assert!(
                    order == 0 || self.unsettled.remove(&order),
                    "order {order} ended twice"
                ),
                Output::Learned | Output::Close(_) | Output::Remark(_) => {}
            }
        }
        assert_eq!(answers, usize::from(calls.is_some()), "answers to a call");
    }

    /// Checks what we send; 1 if it answers the call that was heard.
    fn sent(&mut self, text: &str, calls: Option<&str>) -> usize {
        assert!(text.len() <= 2 * MAX_MESSAGE_BYTES, "{} bytes", text.len());
        let frame: Value = serde_json::from_str(text).expect("ours is JSON");
        let id = frame[1].as_str().expect("an id");
        match frame[0].as_i64() {
            Some(2) => {
                assert!(id.len() <= 36, "{id}");
                assert!(frame[2].is_string() && frame[3].is_object(), "{frame}");
                self.open = Some(id.to_owned());
                0
            }
            Some(3) => {
                assert!(frame[2].is_object(), "{frame}");
                usize::from(calls == Some(id))
            }
            Some(4) => usize::from(calls == Some(id)),
            other => panic!("message type {other:?}"),
        }
    }

    /// What must hold after each step: nothing grows without bound.
    fn holds(&self) {
        assert!(self.station.books().entries().count() <= MAX_KEPT);
        assert!(self.station.shown().len() <= MAX_PLACES);
        let caps = self.station.caps();
        assert!(caps.settings.len() <= 1_000);
        let kept = serde_json::to_vec(caps).expect("can be written");
        assert!(serde_json::from_slice::<Caps>(&kept).is_ok());
        for entry in self.station.books().entries() {
            let kept = serde_json::to_vec(entry).expect("can be written");
            assert!(kept.len() < 4_096, "{} bytes of a transaction", kept.len());
        }
    }
}

fn evse(number: i64) -> Box<Evse> {
    Box::new(Evse {
        id: EvseId::new("e1").expect("valid"),
        circuit: CircuitId::new("site").expect("valid"),
        max: Power::from_kilowatts(11.04),
        min: Power::from_kilowatts(4.14),
        phases: Phase::ALL.to_vec(),
        supply: if number % 5 == 4 {
            Supply::Dc
        } else {
            Supply::Ac {
                phases: 3,
                nominal: Voltage::V230,
            }
        },
        fallback: None,
        source: EvseSource::Ocpp {
            station: StationId::new("CP1").expect("valid"),
            evse: 1,
        },
    })
}

/// A few steps around a limit.
fn profile(tenths: i64, duration_s: Option<u32>) -> Profile {
    let period = |start_s, limit: i64| ProfilePeriod {
        start_s,
        limit: Tenths(limit.clamp(0, 1_000_000)),
    };
    let periods = match duration_s {
        None => vec![period(0, tenths)],
        // Rising: what may be dynamic.
        Some(_) if tenths % 2 == 0 => vec![period(0, tenths / 2), period(900, tenths)],
        Some(_) => vec![period(0, tenths), period(900, 0), period(1_800, tenths / 2)],
    };
    Profile {
        unit: RateUnit::Amps,
        start: "2026-11-22T12:00:00Z".parse().expect("valid"),
        periods,
        duration_s,
    }
}
