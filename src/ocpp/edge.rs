//! All stations of one tenant: who may connect, who is connected, and how to reach them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::books::{Books, Entry, MAX_KEPT};
use super::caps::Caps;
use super::ids::TransactionIds;
use super::known::{
    Errand, Known, Live, Logged, MAX_ORDERS, StationRecord, caps_key, record_key,
    transaction_prefix,
};
use super::limiter::Limiter;
use super::password::{self, Shortcut};
use super::settings::Settings;
use super::station::{Outcome, What};
use super::version::Version;
use super::work::Work;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{SiteId, StationId, TenantId};
use crate::domain::ports::{PortError, Ports, RecordWrite};
use crate::domain::profile::Profile;
use crate::domain::time::Time;

/// Most stations of one tenant.
pub const MAX_STATIONS: usize = 50_000;
/// Most unknown stations that are listed; the one heard of longest ago goes first.
pub const MAX_LISTED: usize = 500;
/// Passwords that are verified at a time: each takes 19 MiB and a core for some 20 ms.
const VERIFIED_AT_ONCE: usize = 2;
/// Longest an order may take, all tries of a profile included.
const ORDER_LIMIT: Duration = Duration::from_secs(150);

/// Why something with a station did not work.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// There is no station of this identity.
    #[error("station {0} is not known")]
    Unknown(StationId),
    /// There are too many.
    #[error("there are {MAX_STATIONS} stations already")]
    TooMany,
    /// The wish makes no sense.
    #[error("{0}")]
    Refused(String),
    /// Storing failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// An unknown station that tried to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The identity it gave.
    pub id: String,
    /// From where it tried last.
    pub from: Option<IpAddr>,
    /// The sub-protocols it offered.
    pub protocols: String,
    /// When it was heard of first.
    pub first_seen_at: Time,
    /// When it was heard of last.
    pub last_seen_at: Time,
    /// How often.
    pub attempts: u64,
}

/// How a station is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The site it belongs to.
    pub site: Option<SiteId>,
    /// Its password; `None` = one is made, or the present one stays.
    pub password: Option<String>,
    /// It may come without TLS from elsewhere than this machine.
    pub allow_insecure: bool,
    /// It shows no password at all (security profile 0); only with `allow_insecure`.
    pub no_password: bool,
    /// What it speaks though it names no sub-protocol.
    pub assume_protocol: Option<Version>,
}

/// A station that was set up.
#[derive(Clone, PartialEq, Eq)]
pub struct Approved {
    /// It is new.
    pub is_new: bool,
    /// The password that was made for it: shown this once.
    pub password: Option<String>,
}

impl fmt::Debug for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approved")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

/// What came of an operator's call.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// The station's payload.
    Result(Value),
    /// The station's refusal: code and description.
    Error {
        /// The code, as 2.x spells it.
        code: String,
        /// For people.
        description: String,
    },
    /// Nothing was heard in time.
    Timeout,
    /// The station is not connected, or too much waits for it.
    NotSent(String),
}

/// All stations of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub ports: Ports,
    pub settings: Settings,
    pub tenant: TenantId,
    pub work: Work,
    pub ids: TransactionIds,
    pub stop: tokio::sync::watch::Receiver<bool>,
    stations: RwLock<BTreeMap<StationId, Arc<Known>>>,
    waiting: Mutex<BTreeMap<String, Waiting>>,
    limiter: Mutex<Limiter>,
    hashing: Semaphore,
    shortcut: Shortcut,
    /// What the password of an unknown station is held against, so that it takes as long.
    nobody: String,
    /// Held while a record is changed.
    writing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("tenant", &self.inner.tenant)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// Opens the edge of a tenant with all its stations.
    pub async fn open(
        ports: Ports,
        settings: Settings,
        tenant: TenantId,
        stop: tokio::sync::watch::Receiver<bool>,
    ) -> Result<Self, EdgeError> {
        let found = ports
            .records
            .scan(&format!("station/{tenant}/"), MAX_STATIONS)
            .await?;
        let mut stations = BTreeMap::new();
        for (key, bytes) in found {
            let record: StationRecord = serde_json::from_slice(&bytes)
                .map_err(|error| PortError::Storage(format!("{key} is damaged: {error}")))?;
            stations.insert(record.id.clone(), Arc::new(Known::new(record)));
        }
        let ids = TransactionIds::open(&*ports.records, &tenant).await?;
        let nobody = password::hash(&password::make()).map_err(PortError::Storage)?;
        Ok(Self {
            inner: Arc::new(Inner {
                ports,
                settings,
                tenant,
                work: Work::default(),
                ids,
                stop,
                stations: RwLock::new(stations),
                waiting: Mutex::default(),
                limiter: Mutex::default(),
                hashing: Semaphore::new(VERIFIED_AT_ONCE),
                shortcut: Shortcut::new(),
                nobody,
                writing: tokio::sync::Mutex::new(()),
            }),
        })
    }

    pub(super) fn now(&self) -> Time {
        self.inner.ports.clock.now()
    }

    pub(super) fn known(&self, id: &StationId) -> Option<Arc<Known>> {
        let stations = self
            .inner
            .stations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        stations.get(id).cloned()
    }

    fn need(&self, id: &StationId) -> Result<Arc<Known>, EdgeError> {
        self.known(id).ok_or_else(|| EdgeError::Unknown(id.clone()))
    }

    fn all(&self) -> Vec<Arc<Known>> {
        let stations = self
            .inner
            .stations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        stations.values().cloned().collect()
    }

    /// Work under way: for simulated clocks.
    pub fn is_idle(&self) -> bool {
        self.inner.work.is_idle()
    }

    /// How many things ever began.
    pub fn begun(&self) -> u64 {
        self.inner.work.begun()
    }

    /// Sets a station up, or changes it. A station that is connected stays so.
    pub async fn set_up(&self, id: &StationId, setup: Setup) -> Result<Approved, EdgeError> {
        if !is_identity(id.as_str()) {
            return Err(EdgeError::Refused(
                "a station's identity has 1 to 48 of the characters A-Z a-z 0-9 * - _ = + | @ ."
                    .into(),
            ));
        }
        if setup.no_password && !setup.allow_insecure {
            return Err(EdgeError::Refused(
                "without a password only with allow_insecure (security profile 0)".into(),
            ));
        }
        let _writing = self.inner.writing.lock().await;
        let before = self.known(id);
        if before.is_none() && self.all().len() >= MAX_STATIONS {
            return Err(EdgeError::TooMany);
        }
        let old = before.as_ref().map(|known| known.record());
        let keeps = old.as_ref().and_then(|record| record.password_hash.clone());
        let (password_hash, made) = match (setup.password, keeps, setup.no_password) {
            (_, _, true) => (None, None),
            (Some(password), _, false) => (Some(self.hashed(password).await?), None),
            (None, Some(kept), false) => (Some(kept), None),
            (None, None, false) => {
                let made = password::make();
                (Some(self.hashed(made.clone()).await?), Some(made))
            }
        };
        let record = StationRecord {
            id: id.clone(),
            site: setup.site,
            password_hash,
            allow_insecure: setup.allow_insecure,
            assume_protocol: setup.assume_protocol,
            approved_at: old.map_or_else(|| self.now(), |record| record.approved_at),
        };
        let value = serde_json::to_vec(&record)
            .map_err(|error| PortError::Storage(format!("a station's record: {error}")))?;
        self.write(record_key(&self.inner.tenant, id), Some(value))
            .await?;
        self.waiting().remove(id.as_str());
        if let Some(known) = &before {
            known.set_record(record);
            known.memory().verified = None;
        } else {
            let mut stations = self
                .inner
                .stations
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            stations.insert(id.clone(), Arc::new(Known::new(record)));
        }
        Ok(Approved {
            is_new: before.is_none(),
            password: made,
        })
    }

    /// Forgets a station: its connection is closed, its transactions stay in the sites' journals.
    pub async fn remove(&self, id: &StationId) -> Result<(), EdgeError> {
        let _writing = self.inner.writing.lock().await;
        let known = self.need(id)?;
        let tenant = &self.inner.tenant;
        self.write(record_key(tenant, id), None).await?;
        self.write(caps_key(tenant, id), None).await?;
        self.inner
            .stations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(live) = &known.memory().live {
            live.leave.notify_one();
        }
        Ok(())
    }

    /// A station as it is shown.
    pub fn show(&self, id: &StationId) -> Result<Value, EdgeError> {
        Ok(self.need(id)?.view())
    }

    /// All stations as they are shown.
    pub fn list(&self) -> Vec<Value> {
        self.all().iter().map(|known| known.view()).collect()
    }

    /// Unknown stations that tried to connect.
    pub fn list_waiting(&self) -> Vec<Waiting> {
        self.waiting().values().cloned().collect()
    }

    /// The last messages of a station, newest first.
    pub fn messages(&self, id: &StationId) -> Result<Vec<Logged>, EdgeError> {
        Ok(self.need(id)?.messages())
    }

    /// How many stations there are and how many of them are connected.
    pub fn counts(&self) -> (usize, usize) {
        let all = self.all();
        let live = all.iter().filter(|known| known.memory().live.is_some());
        (all.len(), live.count())
    }

    /// Sends an operator's call and waits for what comes of it.
    pub async fn call(
        &self,
        id: &StationId,
        action: &str,
        payload: Value,
    ) -> Result<Called, EdgeError> {
        let known = self.need(id)?;
        let what = What::Call {
            action: action.to_owned(),
            payload,
        };
        Ok(match self.order(&known, what).await {
            Err(detail) => Called::NotSent(detail),
            Ok(Outcome::Result(payload)) => Called::Result(payload),
            Ok(Outcome::Error(error)) => Called::Error {
                code: match &error.code {
                    super::rpc::ErrorCode::Other(code) => code.clone(),
                    code => code.spelled(Version::V201).to_owned(),
                },
                description: error.description,
            },
            Ok(Outcome::Timeout) => Called::Timeout,
            Ok(Outcome::NotSent | Outcome::Answer(_)) => Called::NotSent("it did not leave".into()),
        })
    }

    /// Carries out a site's command; says what is known afterwards. `lowers`: it takes power away.
    pub async fn send(&self, evse: &Evse, command: &Command, lowers: bool) -> Answer {
        let not_sent = |detail: &str| Answer::NotSent {
            detail: detail.to_owned(),
        };
        let EvseSource::Ocpp {
            station,
            evse: number,
        } = &evse.source
        else {
            return not_sent("the EVSE is not reached over OCPP");
        };
        let Some(known) = self.known(station) else {
            return not_sent("the station is not approved");
        };
        let Some(what) = wanted(evse, *number, command, lowers) else {
            return not_sent("no transaction is named");
        };
        match self.order(&known, what).await {
            Ok(Outcome::Answer(answer)) => answer,
            Ok(_) => Answer::Unknown {
                detail: "no answer".into(),
            },
            Err(detail) => Answer::NotSent { detail },
        }
    }

    async fn order(&self, known: &Known, what: What) -> Result<Outcome, String> {
        let errands = known
            .memory()
            .live
            .as_ref()
            .map(|live| live.errands.clone())
            .ok_or("the station is not connected")?;
        let (reply, outcome) = oneshot::channel();
        errands
            .try_send(Errand::Order(what, reply))
            .map_err(|_| "too much waits for the station")?;
        match tokio::time::timeout(ORDER_LIMIT, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            // The task ended, or it takes too long: whatever it was may have been done.
            Ok(Err(_)) | Err(_) => Ok(Outcome::Timeout),
        }
    }

    /// Tells the sites again what runs: a site was set up or changed.
    pub fn refresh(&self) {
        for known in self.all() {
            if let Some(live) = &known.memory().live {
                // A full queue is busy telling.
                let _ = live.errands.try_send(Errand::Refresh);
            }
        }
    }

    /// Counts an attempt to connect; false if they come too often.
    pub(super) fn admits(&self, from: Option<IpAddr>, id: &str) -> bool {
        let now = self.now();
        let mut limiter = self
            .inner
            .limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        limiter.admits(from, id, now)
    }

    /// Whether the password shown for an identity is right. An unknown identity takes the same path
    /// and the same time; it is listed for approval.
    pub(super) async fn authenticate(
        &self,
        id: &str,
        shown: Option<(String, Vec<u8>)>,
        from: Option<IpAddr>,
        protocols: &str,
    ) -> Option<Arc<Known>> {
        let known = StationId::new(id).ok().and_then(|id| self.known(&id));
        let record = known.as_ref().map(|known| known.record());
        let right = match (&known, &record, &shown) {
            (Some(_), Some(record), _) if record.password_hash.is_none() => true,
            (Some(known), Some(record), Some((user, password))) if user == id => {
                let hash = record.password_hash.clone().unwrap_or_default();
                let digest = self.inner.shortcut.digest(&hash, password);
                let verified = known.memory().verified;
                if verified.is_some_and(|verified| Shortcut::same(&verified, &digest)) {
                    true
                } else {
                    let right = self.verify(hash, password.clone()).await;
                    if right {
                        known.memory().verified = Some(digest);
                    }
                    right
                }
            }
            _ => {
                let password = shown.map(|(_, password)| password).unwrap_or_default();
                self.verify(self.inner.nobody.clone(), password).await;
                false
            }
        };
        if right {
            return known;
        }
        let now = self.now();
        self.inner
            .limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed(from, id, now);
        if known.is_none() && is_identity(id) {
            self.list_unknown(id, from, protocols, now);
        }
        None
    }

    async fn verify(&self, hash: String, shown: Vec<u8>) -> bool {
        // The semaphore is never closed.
        let _slot = self.inner.hashing.acquire().await;
        tokio::task::spawn_blocking(move || password::is(&hash, &shown))
            .await
            .unwrap_or(false)
    }

    async fn hashed(&self, password: String) -> Result<String, EdgeError> {
        let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
        let hashed = hashed.map_err(|error| PortError::Storage(error.to_string()))?;
        Ok(hashed.map_err(PortError::Storage)?)
    }

    fn list_unknown(&self, id: &str, from: Option<IpAddr>, protocols: &str, now: Time) {
        let mut waiting = self.waiting();
        if !waiting.contains_key(id) && waiting.len() >= MAX_LISTED {
            let oldest = waiting.values().min_by_key(|w| w.last_seen_at);
            if let Some(id) = oldest.map(|w| w.id.clone()) {
                waiting.remove(&id);
            }
        }
        let entry = waiting.entry(id.to_owned()).or_insert_with(|| Waiting {
            id: id.to_owned(),
            from,
            protocols: String::new(),
            first_seen_at: now,
            last_seen_at: now,
            attempts: 0,
        });
        entry.from = from;
        entry.protocols = protocols.chars().take(100).collect();
        entry.last_seen_at = now;
        entry.attempts += 1;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.inner
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection takes a station's place; the one before it, if there is one, is told to leave.
    /// Gives its generation, by which alone it can later leave itself.
    pub(super) fn enter(
        &self,
        known: &Known,
        version: Version,
    ) -> (u64, mpsc::Receiver<Errand>, Arc<Notify>) {
        let (errands, receiver) = mpsc::channel(MAX_ORDERS);
        let leave = Arc::new(Notify::new());
        let mut memory = known.memory();
        memory.connections += 1;
        let generation = memory.connections;
        let live = Live {
            generation,
            version,
            since: self.now(),
            errands,
            leave: leave.clone(),
        };
        if let Some(old) = memory.live.replace(live) {
            memory.displaced += 1;
            old.leave.notify_one();
        }
        (generation, receiver, leave)
    }

    /// A connection ended. A newer one that took its place stays.
    pub(super) fn leave(known: &Known, generation: u64) {
        let mut memory = known.memory();
        if memory
            .live
            .as_ref()
            .is_some_and(|live| live.generation == generation)
        {
            memory.live = None;
        }
    }

    /// Reads what was kept of a station, once.
    pub(super) async fn load(&self, known: &Known) -> Result<(), PortError> {
        if known.memory().loaded {
            return Ok(());
        }
        let id = known.record().id;
        let tenant = &self.inner.tenant;
        let records = &self.inner.ports.records;
        let caps = records.get(&caps_key(tenant, &id)).await?;
        let found = records
            .scan(&transaction_prefix(tenant, &id), MAX_KEPT * 2)
            .await?;
        let entries: Vec<Entry> = found
            .iter()
            .filter_map(|(key, bytes)| {
                serde_json::from_slice(bytes)
                    .inspect_err(|error| tracing::warn!(%key, %error, "a damaged transaction"))
                    .ok()
            })
            .collect();
        let mut memory = known.memory();
        memory.caps = caps
            .and_then(|bytes| serde_json::from_slice::<Caps>(&bytes).ok())
            .unwrap_or_default();
        memory.books = Books::new(entries);
        memory.loaded = true;
        Ok(())
    }

    pub(super) async fn write(&self, key: String, value: Option<Vec<u8>>) -> Result<(), PortError> {
        let writes = vec![RecordWrite { key, value }];
        self.inner.ports.records.write(writes).await
    }
}

/// What a command wants of the station.
fn wanted(evse: &Evse, number: u32, command: &Command, lowers: bool) -> Option<What> {
    let place = |profile: &Profile| (Box::new(evse.clone()), profile.clone());
    let transaction = || command.native_session.clone();
    Some(match &command.action {
        Action::SetDefault { profile } => {
            let (evse, profile) = place(profile);
            What::SetDefault {
                evse,
                number,
                profile,
                lowers,
            }
        }
        Action::SetProfile { profile } => {
            let (evse, profile) = place(profile);
            What::SetProfile {
                evse,
                number,
                transaction: transaction()?,
                profile,
                lowers,
            }
        }
        Action::ClearProfile => What::Clear {
            number,
            transaction: transaction()?,
        },
        Action::ReadProfile => What::Read {
            evse: Box::new(evse.clone()),
            number,
            transaction: transaction()?,
        },
    })
}

/// Whether a text can be a station's identity. Source: OCPP 2.1 `identifierString`, 48 characters;
/// without `:`, which ends the user's name in Basic.
pub(super) fn is_identity(id: &str) -> bool {
    (1..=48).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"*-_=+|@.".contains(&byte))
}
