//! A station we know: its record, what was learned of it, and its connection if it has one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use super::books::Books;
use super::caps::Caps;
use super::station::{Outcome, Shown, What};
use super::version::Version;
use crate::domain::id::{SiteId, StationId, TenantId};
use crate::domain::time::Time;

/// Orders that wait for one connection's task; beyond, they count as not sent.
pub(super) const MAX_ORDERS: usize = 64;
/// Messages kept per station, to be looked at.
const MAX_LOGGED: usize = 100;
/// Bytes kept of one message.
const MAX_LOGGED_BYTES: usize = 1_000;
/// Bytes of messages kept per station.
const MAX_LOG_BYTES: usize = 12_000;

/// A station as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StationRecord {
    /// Its identity.
    pub id: StationId,
    /// The site it belongs to, for people; what is controlled is in the site's EVSEs.
    pub site: Option<SiteId>,
    /// The hash of its password; `None` = it shows none (only with `allow_insecure`).
    pub password_hash: Option<String>,
    /// It may come without TLS from elsewhere than this machine.
    pub allow_insecure: bool,
    /// What it speaks though it names no sub-protocol.
    pub assume_protocol: Option<Version>,
    /// When it was approved.
    pub approved_at: Time,
}

/// Where a station's record is kept.
pub(super) fn record_key(tenant: &TenantId, id: &StationId) -> String {
    format!("station/{tenant}/{id}")
}

/// Where what was learned of it is kept.
pub(super) fn caps_key(tenant: &TenantId, id: &StationId) -> String {
    format!("station-caps/{tenant}/{id}")
}

/// Where its transactions are kept.
pub(super) fn transaction_prefix(tenant: &TenantId, id: &StationId) -> String {
    format!("transaction/{tenant}/{id}/")
}

/// Something for a connection's task.
#[derive(Debug)]
pub(super) enum Errand {
    /// An order, with where its outcome goes.
    Order(What, oneshot::Sender<Outcome>),
    /// Tell the sites again what runs.
    Refresh,
}

/// A connection that lives.
#[derive(Debug)]
pub(super) struct Live {
    pub generation: u64,
    pub version: Version,
    pub since: Time,
    pub errands: mpsc::Sender<Errand>,
    /// Told when a newer connection takes its place, or the station is removed.
    pub leave: Arc<Notify>,
}

/// A message that went by.
#[derive(Clone, Debug, Serialize)]
pub struct Logged {
    /// When.
    pub at: Time,
    /// `received` or `sent`.
    pub direction: &'static str,
    /// The message, shortened; passwords masked.
    pub message: String,
}

/// What is known of a station apart from its record.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub caps: Caps,
    pub books: Books,
    pub loaded: bool,
    pub shown: std::collections::BTreeMap<u32, Shown>,
    pub live: Option<Live>,
    pub last_heard_at: Option<Time>,
    pub connections: u64,
    pub displaced: u64,
    /// What was verified of late (see `password::Shortcut`).
    pub verified: Option<[u8; 32]>,
    log: VecDeque<Logged>,
    log_bytes: usize,
}

/// A station we know.
#[derive(Debug)]
pub(super) struct Known {
    record: Mutex<StationRecord>,
    memory: Mutex<Memory>,
    /// Held by the task of the one connection that speaks for the station.
    pub turn: tokio::sync::Mutex<()>,
}

impl Known {
    pub(super) fn new(record: StationRecord) -> Self {
        Self {
            record: Mutex::new(record),
            memory: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn record(&self) -> StationRecord {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_record(&self, record: StationRecord) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = record;
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a message to be looked at.
    pub(super) fn log(&self, direction: &'static str, text: &str, now: Time) {
        let message = shown(text);
        let mut memory = self.memory();
        memory.log_bytes += message.len();
        memory.log.push_back(Logged {
            at: now,
            direction,
            message,
        });
        while memory.log.len() > MAX_LOGGED || memory.log_bytes > MAX_LOG_BYTES {
            let Some(oldest) = memory.log.pop_front() else {
                break;
            };
            memory.log_bytes = memory.log_bytes.saturating_sub(oldest.message.len());
        }
        if direction == "received" {
            memory.last_heard_at = Some(now);
        }
    }

    /// The last messages, newest first.
    pub(super) fn messages(&self) -> Vec<Logged> {
        self.memory().log.iter().rev().cloned().collect()
    }

    /// What is shown of the station.
    pub(super) fn view(&self) -> Value {
        let record = self.record();
        let memory = self.memory();
        let connection = memory
            .live
            .as_ref()
            .map(|live| serde_json::json!({ "protocol": live.version, "since": live.since }));
        let evses: Vec<Value> = memory
            .shown
            .iter()
            .map(|(evse, shown)| {
                serde_json::json!({
                    "evse": evse,
                    "status": shown.status,
                    "transaction": memory.books.running_on(*evse).map(|entry| &entry.id),
                    "asked": shown.asked.as_ref().map(|(scope, profile)| {
                        serde_json::json!({ "scope": scope, "profile": profile })
                    }),
                    "answered": shown.answered.as_ref().map(|(accepted, words, at)| {
                        serde_json::json!({ "accepted": accepted, "status": words, "at": at })
                    }),
                    "composite": shown.composite.as_ref().map(|(profile, at)| {
                        serde_json::json!({ "profile": profile, "at": at })
                    }),
                    "measured_kw": shown.measured.map(|reading| reading.power.kilowatts()),
                    "measured_at": shown.measured.map(|reading| reading.at),
                    "differs": shown.differs,
                    "external_limit": shown.external.as_ref().map(|limit| {
                        serde_json::json!({ "source": limit.source, "lowest": limit.lowest })
                    }),
                })
            })
            .collect();
        serde_json::json!({
            "id": record.id,
            "site": record.site,
            "allow_insecure": record.allow_insecure,
            "assume_protocol": record.assume_protocol,
            "approved_at": record.approved_at,
            "state": if connection.is_some() { "connected" } else { "offline" },
            "connection": connection,
            "last_heard_at": memory.last_heard_at,
            "connections": memory.connections,
            "displaced": memory.displaced,
            "vendor": memory.caps.vendor,
            "model": memory.caps.model,
            "serial": memory.caps.serial,
            "firmware": memory.caps.firmware,
            "quirks": memory.caps.quirks,
            "refused_settings": memory.caps.refused,
            "settings": memory.caps.settings,
            "evses": evses,
        })
    }
}

/// A message as it is kept to be looked at: shortened, and nothing of one that sets a password.
fn shown(text: &str) -> String {
    if text.contains("AuthorizationKey") || text.contains("BasicAuthPassword") {
        return "(a message about the password)".to_owned();
    }
    let mut end = text.len().min(MAX_LOGGED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { ".." } else { "" };
    format!("{}{more}", &text[..end])
}
