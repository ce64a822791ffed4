//! One connection's calls in both directions.
//!
//! After a CALL of ours no other leaves until its answer came or its time is up; answers to the
//! peer's calls may leave at any time.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::error::{CallError, ErrorCode};
use super::frame::{self, Frame};
use super::outgoing::{Call, Outgoing, Ticket};
use crate::domain::time::Time;
use crate::ocpp::version::Version;

/// How long we wait for the answer to a call, in seconds.
pub const CALL_TIMEOUT_S: i64 = 30;
/// Calls in a row without an answer until the connection is given up, so that the station dials
/// anew.
pub const TIMEOUTS_TO_CLOSE: u8 = 3;

/// What came of a message or of time going by.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The peer calls; answer with [`Connection::answer`] or [`Connection::refuse`].
    Call {
        /// The peer's id of it.
        id: String,
        /// The action.
        action: String,
        /// Its payload.
        payload: Map<String, Value>,
    },
    /// The peer says something that has no answer (2.1).
    Said {
        /// The action.
        action: String,
        /// Its payload.
        payload: Map<String, Value>,
    },
    /// A call of ours came to its end.
    Answered {
        /// Which.
        ticket: Ticket,
        /// The payload, or the peer's refusal.
        outcome: Result<Map<String, Value>, CallError>,
    },
    /// A call of ours got no answer in time: whether the peer acted on it is not known.
    TimedOut {
        /// Which.
        ticket: Ticket,
    },
    /// Nothing of use; perhaps with an answer that the standard asks for.
    Bad {
        /// What is wrong, for the log.
        detail: String,
        /// What to send back.
        reply: Option<String>,
    },
}

#[derive(Clone, Debug)]
struct InFlight {
    ticket: Ticket,
    id: String,
    until: Time,
}

/// The calls of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    version: Version,
    /// Makes our ids unique beyond this connection.
    prefix: String,
    sent: u64,
    outgoing: Outgoing,
    in_flight: Option<InFlight>,
    silences: u8,
}

impl Connection {
    /// A fresh connection; `prefix` (at most 16 characters) begins all ids of ours.
    pub fn new(version: Version, prefix: impl Into<String>) -> Self {
        Self {
            version,
            prefix: prefix.into(),
            sent: 0,
            outgoing: Outgoing::default(),
            in_flight: None,
            silences: 0,
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Takes in one message.
    pub fn receive(&mut self, text: &str) -> Heard {
        match frame::read(text, self.version) {
            Err(bad) => Heard::Bad {
                detail: bad.detail,
                reply: bad.reply,
            },
            Ok(Frame::Call {
                id,
                action,
                payload,
            }) => Heard::Call {
                id,
                action,
                payload,
            },
            Ok(Frame::Send {
                action, payload, ..
            }) => Heard::Said { action, payload },
            Ok(Frame::Result { id, payload }) => self.settle(&id, Ok(payload)),
            Ok(Frame::Error { id, error }) => self.settle(&id, Err(error)),
            Ok(Frame::ResultError { id, error }) => Heard::Bad {
                detail: format!("our answer to {id} was not usable there: {error}"),
                reply: None,
            },
        }
    }

    /// Puts a call in the queue; gives back calls that will not be sent any more.
    pub fn call(&mut self, call: Call) -> Vec<Ticket> {
        self.outgoing.push(call)
    }

    /// The next message of ours that may leave now, if one may.
    pub fn poll_send(&mut self, now: Time) -> Option<(Ticket, String)> {
        if self.in_flight.is_some() {
            return None;
        }
        let call = self.outgoing.pop()?;
        self.sent += 1;
        let id = format!("{}-{}", self.prefix, self.sent);
        let text = frame::call(&id, &call.action, &call.payload);
        self.in_flight = Some(InFlight {
            ticket: call.ticket,
            id,
            until: now + TimeDelta::seconds(CALL_TIMEOUT_S),
        });
        Some((call.ticket, text))
    }

    /// The answer to a call of the peer.
    pub fn answer(&self, id: &str, payload: &Value) -> String {
        frame::result(id, payload)
    }

    /// The refusal of a call of the peer.
    pub fn refuse(&self, id: &str, error: &CallError) -> String {
        frame::error(self.version, id, error)
    }

    /// Tells the peer that its answer could not be used, where the version has a way to (2.1).
    pub fn refuse_result(&self, id: &str, error: &CallError) -> Option<String> {
        (self.version == Version::V21).then(|| frame::result_error(id, error))
    }

    /// When the call under way is given up.
    pub fn next_timeout(&self) -> Option<Time> {
        self.in_flight.as_ref().map(|call| call.until)
    }

    /// Time went by.
    pub fn on_time(&mut self, now: Time) -> Option<Heard> {
        let call = self.in_flight.take_if(|call| call.until <= now)?;
        self.silences = self.silences.saturating_add(1);
        Some(Heard::TimedOut {
            ticket: call.ticket,
        })
    }

    /// True if so many calls in a row got no answer that the connection is of no use.
    pub fn is_dead(&self) -> bool {
        self.silences >= TIMEOUTS_TO_CLOSE
    }

    /// True while something of ours waits or is under way.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some() || self.outgoing.len() > 0
    }

    /// Calls that wait.
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// The connection ended: the call under way, of which nothing is known, and those that surely
    /// did not leave.
    pub fn close(&mut self) -> (Option<Ticket>, Vec<Ticket>) {
        let under_way = self.in_flight.take().map(|call| call.ticket);
        (under_way, self.outgoing.drain())
    }

    fn settle(&mut self, id: &str, outcome: Result<Map<String, Value>, CallError>) -> Heard {
        match self.in_flight.take_if(|call| call.id == id) {
            Some(call) => {
                self.silences = 0;
                Heard::Answered {
                    ticket: call.ticket,
                    outcome,
                }
            }
            // Late, repeated or invented: it settles nothing.
            None => Heard::Bad {
                detail: match &outcome {
                    Err(CallError { code, .. }) if *code == ErrorCode::RpcFrameworkError => {
                        "the peer could not read a message of ours".into()
                    }
                    _ => "an answer to no call of ours".into(),
                },
                reply: None,
            },
        }
    }
}
