//! A station we know: its record, what was learned of it, and its connection if it has one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::books::Books;
use super::caps::{Caps, Quirk};
use super::message::{Admission, ProfileReport, SigningRequest};
use super::station::{Outcome, Remark, Shown, What};
use super::version::Version;
use crate::domain::id::{SiteId, StationId, TenantId};
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::time::Time;

/// Orders that wait for one connection's task; beyond, they count as not sent.
pub(super) const MAX_ORDERS: usize = 64;
/// Messages kept per station, to be looked at.
const MAX_LOGGED: usize = 100;
/// Bytes kept of one message.
const MAX_LOGGED_BYTES: usize = 1_000;
/// Notices kept per station.
const MAX_NOTICES: usize = 30;
/// Profiles kept of a station's last report.
const MAX_PROFILES: usize = 32;
/// Longest request to sign a certificate that is kept; the standard allows 5,500 characters.
const MAX_CSR_CHARS: usize = 5_500;
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
    /// The hash of a password it was told and has not shown yet; until then both are right.
    #[serde(default)]
    pub next_password_hash: Option<String>,
    /// It must show a client certificate that names it (security profile 3).
    #[serde(default)]
    pub client_certificate: bool,
    /// Whether it may work.
    #[serde(default)]
    pub admission: Admission,
    /// What the operator says of its odd ways.
    #[serde(default)]
    pub ways: BTreeMap<Quirk, bool>,
    /// The highest security profile it has connected with: it may not come with less again until
    /// the operator allows it anew.
    #[serde(default)]
    pub shown_profile: u8,
}

impl StationRecord {
    /// The least security profile it may connect with. Source: OCPP 1.6 security extension; 0 is
    /// no profile of the standard.
    pub(super) fn least_profile(&self) -> u8 {
        let set = match (
            self.client_certificate,
            self.allow_insecure,
            &self.password_hash,
        ) {
            (true, ..) => 3,
            (false, false, _) => 2,
            (false, true, Some(_)) => 1,
            (false, true, None) => 0,
        };
        set.max(self.shown_profile)
    }
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
    /// Its record was changed.
    Changed,
    /// The tokens changed; one of them may not charge any more.
    Tokens { forgets: bool },
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
    /// Where the station reaches us, such as `http://10.0.0.2:8080`.
    pub reached_at: String,
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
    pub shown: BTreeMap<u32, Shown>,
    pub live: Option<Live>,
    pub last_heard_at: Option<Time>,
    pub connections: u64,
    pub displaced: u64,
    /// What was verified of late (see `password::Shortcut`).
    pub verified: Option<[u8; 32]>,
    log: VecDeque<Logged>,
    log_bytes: usize,
    notices: VecDeque<Value>,
    signing: Option<Value>,
    profiles: Option<Profiles>,
}

/// The profiles a station reported last.
#[derive(Debug)]
struct Profiles {
    request_id: i64,
    at: Time,
    held: Vec<Value>,
}

impl Memory {
    /// Keeps something to be looked at.
    pub(super) fn remark(&mut self, remark: Remark, now: Time) {
        match remark {
            Remark::Notice(notice) => {
                let notice = json!({ "at": now, "about": notice.about, "text": notice.text });
                self.notices.push_back(notice);
                if self.notices.len() > MAX_NOTICES {
                    self.notices.pop_front();
                }
            }
            Remark::Signing(SigningRequest {
                csr,
                certificate_type,
            }) => {
                let csr: String = csr.chars().take(MAX_CSR_CHARS).collect();
                self.signing =
                    Some(json!({ "at": now, "certificate_type": certificate_type, "csr": csr }));
            }
            Remark::Profiles(ProfileReport {
                request_id,
                source,
                evse,
                profiles,
            }) => {
                let known = self.profiles.take();
                let mut kept = known
                    .filter(|kept| kept.request_id == request_id)
                    .unwrap_or(Profiles {
                        request_id,
                        at: now,
                        held: Vec::new(),
                    });
                kept.at = now;
                let room = MAX_PROFILES.saturating_sub(kept.held.len());
                kept.held.extend(
                    profiles.into_iter().take(room).map(
                        |profile| json!({ "evse": evse, "source": source, "profile": profile }),
                    ),
                );
                self.profiles = Some(kept);
            }
        }
    }
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
    pub(super) fn view(&self, now: Time) -> Value {
        let record = self.record();
        let memory = self.memory();
        let connection = memory
            .live
            .as_ref()
            .map(|live| json!({ "protocol": live.version, "since": live.since }));
        let evses: Vec<Value> = memory
            .shown
            .iter()
            .map(|(evse, shown)| {
                json!({
                    "evse": evse,
                    "status": shown.status,
                    "transaction": memory.books.running_on(*evse).map(|entry| &entry.id),
                    "asked": shown.asked.as_ref().map(|(scope, profile)| {
                        json!({
                            "scope": scope, "limit_now": limit_now(profile, now), "profile": profile,
                        })
                    }),
                    "answered": shown.answered.as_ref().map(|(accepted, words, at)| {
                        json!({ "accepted": accepted, "status": words, "at": at })
                    }),
                    "composite": shown.composite.as_ref().map(|(profile, at)| {
                        json!({ "limit_now": limit_now(profile, now), "profile": profile, "at": at })
                    }),
                    "measured_kw": shown.measured.map(|reading| reading.power.kilowatts()),
                    "measured_at": shown.measured.map(|reading| reading.at),
                    "differs": shown.differs,
                    "priority_charging": shown.has_priority,
                    "external_limit": shown.external.as_ref().map(|limit| {
                        json!({
                            "source": limit.source,
                            "lowest": limit.schedule.as_ref().and_then(lowest),
                            "schedule": limit.schedule,
                        })
                    }),
                })
            })
            .collect();
        json!({
            "id": record.id,
            "site": record.site,
            "allow_insecure": record.allow_insecure,
            "assume_protocol": record.assume_protocol,
            "client_certificate": record.client_certificate,
            "security_profile": record.least_profile(),
            "admission": record.admission,
            "password_change": record.next_password_hash.is_some(),
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
            "quirks": Quirk::ALL.into_iter().filter(|quirk| memory.caps.has(*quirk)).collect::<Vec<_>>(),
            "quirks_found": memory.caps.quirks,
            "quirks_told": record.ways,
            "notices": memory.notices,
            "certificate_request": memory.signing,
            "charging_profiles": memory.profiles.as_ref().map(|kept| {
                json!({ "request_id": kept.request_id, "at": kept.at, "held": kept.held })
            }),
            "refused_settings": memory.caps.refused,
            "settings": memory.caps.settings,
            "evses": evses,
        })
    }
}

/// The limit of a profile at an instant, for people.
fn limit_now(profile: &Profile, now: Time) -> Option<String> {
    profile
        .limit_at(now)
        .map(|limit| in_words(limit, profile.unit))
}

/// The lowest limit of a profile, for people.
fn lowest(profile: &Profile) -> Option<String> {
    let lowest = profile.periods.iter().map(|period| period.limit).min()?;
    Some(in_words(lowest, profile.unit))
}

fn in_words(limit: Tenths, unit: RateUnit) -> String {
    let unit = super::wire::unit(unit);
    match limit.0 % 10 {
        0 => format!("{} {unit}", limit.0 / 10),
        tenth => format!("{}.{tenth} {unit}", limit.0 / 10),
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
