//! Messages as a capacity provider writes them.

use serde_json::Value;

use super::{MAX_BLOCKS, Refusal, VERSION};
use crate::domain::oscp::{OscpBlock, OscpForecast, OscpLink};
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::signals::series::instant;

/// Longest token.
const MAX_TOKEN: usize = 512;
/// The lowest voltage of a phase, in volts: what an ampere surely is worth.
const LOW_VOLTS: f64 = 207.0;
/// The highest capacity that is believed, in kW.
const MAX_KW: f64 = 1_000_000.0;
/// Heartbeats may be asked for this often, in seconds.
const HEARTBEATS_S: std::ops::RangeInclusive<u64> = 1..=86_400;

/// A request as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// `POST`, `PUT` or `DELETE`, for `register`.
    pub method: String,
    /// The last part of its path.
    pub path: String,
    /// Its body; null where it has none.
    pub body: Value,
}

/// What it wants of us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    pub(super) heartbeat_s: Option<u32>,
    pub(super) measurements: Option<Vec<String>>,
}

/// What it means.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Its token and address.
    Register {
        /// For our requests.
        token: String,
        /// Where they go.
        base_url: String,
    },
    /// It takes its registration back.
    Unregister,
    /// It begins to talk.
    Handshake(Handshake),
    /// It answers to our beginning.
    HandshakeAcknowledged(Handshake),
    /// It is there.
    Heartbeat {
        /// And counts as offline from then on.
        offline_at: Time,
    },
    /// What may be drawn or fed in.
    Forecast {
        /// By which group.
        group: String,
        /// Of what.
        of: OscpForecast,
        /// When, sorted, without overlap.
        blocks: Vec<OscpBlock>,
    },
}

/// 404 where a message is about another group.
pub(super) fn is_ours(link: &OscpLink, group: &str) -> Result<(), Refusal> {
    if link.group == group {
        return Ok(());
    }
    Err(Refusal {
        status: 404,
        message: format!("/group_id {group:?} is not known here"),
    })
}

impl Said {
    /// Reads it.
    pub(super) fn message(&self) -> Result<Message, Refusal> {
        let post = |message: Message| {
            if self.method == "POST" {
                return Ok(message);
            }
            Err(Refusal {
                status: 405,
                message: "only POST is allowed here".to_owned(),
            })
        };
        match (self.path.as_str(), self.method.as_str()) {
            ("register", "DELETE") => Ok(Message::Unregister),
            ("register", "POST" | "PUT") => self.register(),
            ("handshake", _) => post(Message::Handshake(self.handshake()?)),
            // One implementation in the field has another word for it.
            ("handshake_acknowledge" | "handshake_acknowledgment", _) => {
                post(Message::HandshakeAcknowledged(self.handshake()?))
            }
            ("heartbeat", _) => post(Message::Heartbeat {
                offline_at: time(&self.body, "/offline_mode_at")?,
            }),
            ("update_group_capacity_forecast", _) => post(self.forecast()?),
            (path, _) => Err(Refusal {
                status: 404,
                message: format!("{path} is no message to a flexibility provider"),
            }),
        }
    }

    fn register(&self) -> Result<Message, Refusal> {
        let token = text(&self.body, "/token")?;
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > MAX_TOKEN || !visible {
            return Err(Refusal::bad(format!(
                "/token must be 1 to {MAX_TOKEN} visible characters of ASCII"
            )));
        }
        let versions = list(&self.body, "/version_url")?;
        let ours = versions
            .iter()
            .find(|it| it.get("version").and_then(Value::as_str) == Some(VERSION));
        let Some(ours) = ours else {
            return Err(Refusal {
                status: 501,
                message: format!("/version_url has no version {VERSION}"),
            });
        };
        let base_url = text(ours, "/base_url")?;
        Ok(Message::Register {
            token: token.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
        })
    }

    fn handshake(&self) -> Result<Handshake, Refusal> {
        let Some(wants) = self
            .body
            .get("required_behaviour")
            .filter(|it| !it.is_null())
        else {
            return Ok(Handshake::default());
        };
        let heartbeat_s = match wants.get("heartbeat_interval").filter(|it| !it.is_null()) {
            None => None,
            Some(given) => {
                let seconds = given.as_u64().filter(|it| HEARTBEATS_S.contains(it));
                let seconds = seconds.and_then(|it| u32::try_from(it).ok());
                Some(seconds.ok_or_else(|| {
                    Refusal::bad(format!(
                        "/required_behaviour/heartbeat_interval is {given}; 1 to 86400 seconds are allowed"
                    ))
                })?)
            }
        };
        let place = "/required_behaviour/measurement_configuration";
        let known = |it: &Value| {
            let word = it
                .as_str()
                .filter(|it| ["CONTINUOUS", "INTERMITTENT"].contains(it));
            word.map(str::to_owned).ok_or_else(|| {
                Refusal::bad(format!(
                    "{place} has {it}; CONTINUOUS or INTERMITTENT is allowed"
                ))
            })
        };
        let wanted = wants.get("measurement_configuration");
        let measurements = if wanted.is_none_or(Value::is_null) {
            None
        } else {
            let words: Result<Vec<String>, Refusal> =
                list(&self.body, place)?.iter().map(known).collect();
            Some(words?)
        };
        Ok(Handshake {
            heartbeat_s,
            measurements,
        })
    }

    fn forecast(&self) -> Result<Message, Refusal> {
        let group = text(&self.body, "/group_id")?.to_owned();
        let word = text(&self.body, "/type")?;
        let of: OscpForecast = serde_json::from_value(Value::from(word)).map_err(|_| {
            Refusal::bad(format!(
                "/type is {word:?}; CONSUMPTION, GENERATION, FALLBACK_CONSUMPTION, \
                 FALLBACK_GENERATION or OPTIMUM is allowed"
            ))
        })?;
        let given = list(&self.body, "/forecasted_blocks")?;
        if given.len() > MAX_BLOCKS {
            return Err(Refusal::bad(format!(
                "/forecasted_blocks has {} blocks; {MAX_BLOCKS} are allowed",
                given.len()
            )));
        }
        let mut blocks: Vec<(usize, OscpBlock)> = Vec::with_capacity(given.len());
        for (index, value) in given.iter().enumerate() {
            let at = |refusal: Refusal| Refusal {
                message: format!("/forecasted_blocks/{index}{}", refusal.message),
                ..refusal
            };
            blocks.push((index, block(value).map_err(at)?));
        }
        blocks.sort_by_key(|(_, block)| block.start);
        for pair in blocks.windows(2) {
            let ((one, before), (other, after)) = (&pair[0], &pair[1]);
            if after.start < before.end {
                return Err(Refusal::bad(format!(
                    "/forecasted_blocks/{other} overlaps /forecasted_blocks/{one}"
                )));
            }
        }
        Ok(Message::Forecast {
            group,
            of,
            blocks: blocks.into_iter().map(|(_, block)| block).collect(),
        })
    }
}

fn block(value: &Value) -> Result<OscpBlock, Refusal> {
    let (start, end) = (time(value, "/start_time")?, time(value, "/end_time")?);
    if end <= start {
        return Err(Refusal::bad("/end_time is not after start_time"));
    }
    match text(value, "/phase")? {
        "ALL" | "UNKNOWN" => {}
        one @ ("ONE" | "TWO" | "THREE") => {
            return Err(Refusal::bad(format!(
                "/phase is {one}; capacities here are of ALL phases together"
            )));
        }
        other => {
            return Err(Refusal::bad(format!(
                "/phase is {other:?}; UNKNOWN, ONE, TWO, THREE or ALL is allowed"
            )));
        }
    }
    let capacity = value.get("capacity").and_then(Value::as_f64);
    let capacity = capacity.ok_or_else(|| Refusal::bad("/capacity is no number"))?;
    let hours = (end - start).as_seconds_f64() / 3600.0;
    let kilowatts = match text(value, "/unit")? {
        "KW" => capacity,
        "W" => capacity / 1000.0,
        // Per phase, of three.
        "A" => capacity * 3.0 * LOW_VOLTS / 1000.0,
        "KWH" => capacity / hours,
        "WH" => capacity / 1000.0 / hours,
        other => {
            return Err(Refusal::bad(format!(
                "/unit is {other:?}; A, W, KW, WH or KWH is allowed"
            )));
        }
    };
    if !(0.0..=MAX_KW).contains(&kilowatts) {
        return Err(Refusal::bad(format!(
            "/capacity is {kilowatts} kW; 0 to {MAX_KW} kW are allowed"
        )));
    }
    Ok(OscpBlock {
        start,
        end,
        capacity: down(kilowatts),
    })
}

/// Whole watts, never more than was said.
fn down(kilowatts: f64) -> Power {
    let power = Power::from_kilowatts(kilowatts);
    if power.kilowatts() > kilowatts {
        return power - Power::from_watts(1);
    }
    power
}

fn text<'v>(value: &'v Value, place: &str) -> Result<&'v str, Refusal> {
    let found = value.pointer(place).and_then(Value::as_str);
    found.ok_or_else(|| Refusal::bad(format!("{place} is missing or no text")))
}

fn list<'v>(value: &'v Value, place: &str) -> Result<&'v [Value], Refusal> {
    let found = value.pointer(place).and_then(Value::as_array);
    found
        .map(Vec::as_slice)
        .ok_or_else(|| Refusal::bad(format!("{place} is missing or no list")))
}

fn time(value: &Value, place: &str) -> Result<Time, Refusal> {
    let given = text(value, place)?;
    instant(given).ok_or_else(|| {
        Refusal::bad(format!(
            "{place} is {given:?}; an instant of RFC 3339 with an offset is needed"
        ))
    })
}
