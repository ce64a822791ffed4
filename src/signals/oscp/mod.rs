//! `OSCP` 2.0 as a flexibility provider, without I/O: what a capacity provider's message means, what is
//! to be answered and sent, and which signals its forecasts come to.
//!
//! One message, or the time, goes in ([`hear`], [`tick`]); what is to be sent comes out. The link changes
//! only when a message is taken.
//!
//! Ours, where the standard leaves it open: capacities of a single phase are refused, as a circuit's limit
//! is one of all phases; amperes count at the lowest voltage (207 V), so that they are not exceeded; the
//! parts of a segmented forecast are taken one by one, which comes to the same, since a forecast replaces
//! only what it overlaps. A provider that was offline and is heard again is asked for a handshake.
//!
//! Source: Open Smart Charging Protocol 2.0, Open Charge Alliance, 2020-10-12.

mod said;
mod series;
#[cfg(test)]
mod tests;

use chrono::TimeDelta;
use serde_json::{Value, json};

use self::said::is_ours;
pub use self::said::{Handshake, Message, Said};
pub use self::series::{OscpSeries, series};
use crate::domain::oscp::{OscpAuth, OscpBlock, OscpForecast, OscpLink, OscpStage};
use crate::domain::quantity::Energy;
use crate::domain::time::Time;

/// The version we speak.
pub const VERSION: &str = "2.0";
/// Most blocks of one forecast that are kept: 40 days of five minutes.
pub const MAX_BLOCKS: usize = 10_000;
/// Blocks that ended so long ago are forgotten.
const KEPT: TimeDelta = TimeDelta::days(1);
/// So many heartbeats of ours may be lost until we count as offline.
const PATIENCE: i32 = 3;

/// Why a message is not taken: a status of HTTP and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 404, 409 or 501.
    pub status: u16,
    /// What is wrong, and where.
    pub message: String,
}

impl Refusal {
    pub(self) fn bad(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
        }
    }
}

/// What is to be done for the provider.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// It gave its token and address: ours are to be sent to it by `register`, under a new token.
    Register {
        /// The token it gave.
        token: String,
        /// Where.
        base_url: String,
    },
    /// A message to it.
    Send {
        /// The path after its address.
        path: &'static str,
        /// The body.
        body: Value,
        /// It answers the message that came.
        answers: bool,
    },
    /// What its forecasts come to may have changed.
    Signals,
    /// A forecast came: can it be kept?
    Check(OscpForecast, Vec<OscpBlock>),
}

/// Takes in a message; what comes out is to be done once the link is stored.
///
/// # Errors
/// A message that cannot be read or that is about somebody else; the link is as it was.
pub fn hear(link: &mut OscpLink, said: &Said, now: Time) -> Result<Vec<Output>, Refusal> {
    let out = match said.message()? {
        Message::Register { token, base_url } => {
            if !matches!(link.auth, OscpAuth::Token) {
                return Err(Refusal {
                    status: 409,
                    message: "this connection uses OAuth; nobody registers".to_owned(),
                });
            }
            link.base_url = Some(base_url.clone());
            if link.stage == OscpStage::Invited {
                link.stage = OscpStage::Registered;
            }
            vec![Output::Register { token, base_url }]
        }
        Message::Unregister => {
            link.stage = OscpStage::Unregistered;
            link.offline_at = Some(link.offline_at.map_or(now, |at| at.min(now)));
            link.admits.clear();
            link.offered = None;
            vec![Output::Signals]
        }
        Message::Handshake(wants) => {
            wants.note(link);
            link.go_online();
            let body = answer_to(link);
            vec![
                Output::Send {
                    path: "handshake_acknowledge",
                    body,
                    answers: true,
                },
                Output::Signals,
            ]
        }
        Message::HandshakeAcknowledged(wants) => {
            wants.note(link);
            link.go_online();
            vec![Output::Signals]
        }
        Message::Heartbeat { offline_at } => {
            link.offline_at = Some(offline_at);
            match link.stage {
                OscpStage::Online => vec![Output::Signals],
                OscpStage::Invited | OscpStage::Unregistered => Vec::new(),
                // It is there again: who was offline shakes hands anew.
                OscpStage::Registered | OscpStage::Offline => vec![Output::Send {
                    path: "handshake",
                    body: answer_to(link),
                    answers: false,
                }],
            }
        }
        Message::Forecast { group, of, blocks } => {
            is_ours(link, &group)?;
            let kept = link.forecasts.get(&of).map_or(&[][..], |kept| kept);
            let merged = merged(kept, &blocks, now);
            if merged.len() > MAX_BLOCKS {
                return Err(Refusal::bad(format!(
                    "/forecasted_blocks: {} blocks would be kept; {MAX_BLOCKS} are allowed",
                    merged.len()
                )));
            }
            link.forecasts.insert(of, merged);
            vec![Output::Signals, Output::Check(of, blocks)]
        }
    };
    link.heard_at = Some(now);
    Ok(out)
}

/// The time has come to an instant: a provider that was not heard in time is offline.
pub fn tick(link: &mut OscpLink, now: Time) -> Vec<Output> {
    let is_late = link.offline_at.is_some_and(|at| at <= now);
    if link.stage == OscpStage::Online && is_late {
        link.stage = OscpStage::Offline;
        return vec![Output::Signals];
    }
    Vec::new()
}

impl OscpLink {
    fn go_online(&mut self) {
        self.stage = OscpStage::Online;
        // Until it says when it counts as offline it does not.
        self.offline_at = None;
    }
}

/// What we ask of it: heartbeats as often as it asks for ours.
fn answer_to(link: &OscpLink) -> Value {
    match link.heartbeat_s {
        Some(seconds) => json!({"required_behaviour": {
            "heartbeat_interval": seconds, "measurement_configuration": [],
        }}),
        None => json!({}),
    }
}

/// Our address and token for it.
pub fn registration(token: &str, base_url: &str) -> Value {
    json!({"token": token, "version_url": [{"version": VERSION, "base_url": base_url}]})
}

/// We are there: for so many of its intervals.
pub fn heartbeat(every: TimeDelta, now: Time) -> Value {
    json!({"offline_mode_at": text(now + every * PATIENCE)})
}

/// A forecast in its words: what we would need, or what of it cannot be kept.
pub fn forecast(group: &str, of: OscpForecast, blocks: &[OscpBlock]) -> Value {
    json!({"group_id": group, "type": of, "forecasted_blocks": told(blocks)})
}

/// Some of a forecast cannot be kept.
pub fn compliance_error(message: &str, blocks: &[OscpBlock]) -> Value {
    json!({"message": message, "forecasted_blocks": told(blocks)})
}

/// What the EVSEs drew: all of it so far, or since the last report.
pub fn measurements(link: &OscpLink, gained: Energy, at: Time) -> Value {
    let value = if link.intermittent {
        gained
    } else {
        link.reported + gained
    };
    let mut measurement = json!({
        "value": value.kilowatt_hours(), "phase": "ALL", "unit": "KWH", "direction": "IMPORT",
        "energy_type": "FLEXIBLE", "measure_time": text(at),
    });
    if link.intermittent {
        let since = link.reported_to.unwrap_or(link.created_at);
        measurement["initial_measure_time"] = json!(text(since));
    }
    json!({"group_id": link.group, "measurements": [measurement]})
}

fn told(blocks: &[OscpBlock]) -> Vec<Value> {
    let block = |block: &OscpBlock| {
        json!({
            "capacity": block.capacity.kilowatts(), "phase": "ALL", "unit": "KW",
            "start_time": text(block.start), "end_time": text(block.end),
        })
    };
    blocks.iter().map(block).collect()
}

fn text(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// What was said, with what is new in the place of what it overlaps.
fn merged(kept: &[OscpBlock], new: &[OscpBlock], now: Time) -> Vec<OscpBlock> {
    let mut all: Vec<OscpBlock> = Vec::with_capacity(kept.len() + new.len());
    for block in kept.iter().filter(|block| block.end > now - KEPT) {
        let mut from = block.start;
        for over in new
            .iter()
            .filter(|it| it.start < block.end && it.end > block.start)
        {
            if from < over.start {
                all.push(OscpBlock {
                    start: from,
                    end: over.start,
                    ..*block
                });
            }
            from = from.max(over.end);
        }
        if from < block.end {
            all.push(OscpBlock {
                start: from,
                ..*block
            });
        }
    }
    all.extend(new.iter().filter(|block| block.end > now - KEPT));
    all.sort_by_key(|block| block.start);
    all
}

impl Handshake {
    fn note(&self, link: &mut OscpLink) {
        link.heartbeat_s = self.heartbeat_s.or(link.heartbeat_s);
        if let Some(wants) = &self.measurements {
            link.wants_measurements = !wants.is_empty();
            link.intermittent = wants.iter().any(|it| it == "INTERMITTENT")
                && !wants.iter().any(|it| it == "CONTINUOUS");
        }
    }
}
