//! All stations of one tenant: who may connect, who is connected, and how to reach them.

mod admission;
mod command;
mod connection;
mod passwords;
mod setup;
mod tokens;
mod upload;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;
use thiserror::Error;
use tokio::sync::Semaphore;

pub(super) use admission::Shown;
pub use admission::{MAX_LISTED, Waiting};
pub use command::Called;
pub use passwords::Rotated;
pub use setup::{Approved, Setup};

use super::ids::TransactionIds;
use super::known::{Errand, Known, Logged, StationRecord};
use super::limiter::Limiter;
use super::password::{self, Shortcut};
use super::settings::Settings;
use super::tokens::TokenBook;
use super::uploads::Uploads;
use super::work::Work;
use crate::domain::id::{StationId, TenantId};
use crate::domain::ports::{PortError, Ports};
use crate::domain::time::Time;

/// Most stations of one tenant.
pub const MAX_STATIONS: usize = 50_000;
/// Passwords that are verified at a time: each takes 19 MiB and a core for some 20 ms.
const VERIFIED_AT_ONCE: usize = 2;

/// Files that are taken in at a time: each is in memory until it is written.
const UPLOADED_AT_ONCE: usize = 4;

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
    /// Who may charge.
    pub tokens: Arc<TokenBook>,
    pub stop: tokio::sync::watch::Receiver<bool>,
    stations: RwLock<BTreeMap<StationId, Arc<Known>>>,
    waiting: Mutex<BTreeMap<String, Waiting>>,
    limiter: Mutex<Limiter>,
    hashing: Semaphore,
    pub uploads: Uploads,
    pub uploading: Semaphore,
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
        let tokens = tokens::open(&ports, &settings, &tenant).await?;
        let nobody = password::hash(&password::make()).map_err(PortError::Storage)?;
        let uploads = Uploads::in_folder(settings.uploads.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                ports,
                settings,
                tenant,
                work: Work::default(),
                ids,
                tokens: Arc::new(tokens),
                stop,
                stations: RwLock::new(stations),
                waiting: Mutex::default(),
                limiter: Mutex::default(),
                hashing: Semaphore::new(VERIFIED_AT_ONCE),
                uploads,
                uploading: Semaphore::new(UPLOADED_AT_ONCE),
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

    /// A station as it is shown.
    pub fn show(&self, id: &StationId) -> Result<Value, EdgeError> {
        Ok(self.need(id)?.view(self.now()))
    }

    /// All stations as they are shown.
    pub fn list(&self) -> Vec<Value> {
        let now = self.now();
        self.all().iter().map(|known| known.view(now)).collect()
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

    /// Tells the sites again what runs: a site was set up or changed.
    pub fn refresh(&self) {
        for known in self.all() {
            if let Some(live) = &known.memory().live {
                // A full queue is busy telling.
                let _ = live.errands.try_send(Errand::Refresh);
            }
        }
    }
}
