//! All sites of this process: who runs, and how to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use super::activity::Activity;
use super::site_actor::{INBOX, Outlet, SiteActor, Submission};
use super::site_core::SiteCore;
use crate::api::chronicle::Chronicle;
use crate::api::metrics::Metrics;
use crate::domain::event::{Event, EventKind};
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerKey, SiteKey, TenantId};
use crate::domain::policy::Policy;
use crate::domain::ports::{Clock, PortError, PortFuture, RecordWrite, Sites};
use crate::domain::site::Site;
use crate::state::{SiteState, Snapshot};
use crate::store::journal::{Journal, JournalError};

/// Most sites of one process.
pub const MAX_SITES: usize = 10_000;

/// Why the sites could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A snapshot could not be read.
    #[error("the snapshot of site {site} cannot be read: {detail}; run `evenload store verify`")]
    Snapshot {
        /// Whose.
        site: SiteKey,
        /// Why.
        detail: String,
    },
}

#[derive(Clone)]
struct Handle {
    inbox: mpsc::Sender<Submission>,
    state: watch::Receiver<Snapshot>,
}

/// What every site's task needs.
#[derive(Clone)]
pub struct Common {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The journal.
    pub journal: Journal,
    /// Where commands go.
    pub outlet: Arc<dyn Outlet>,
    /// How sites are planned.
    pub policy: Policy,
    /// Work under way.
    pub activity: Activity,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who tells people what happened.
    pub chronicle: Arc<Chronicle>,
    /// Becomes true when the service stops.
    pub stop: watch::Receiver<bool>,
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The sites that run here.
#[derive(Clone)]
pub struct Registry {
    common: Common,
    running: Arc<RwLock<BTreeMap<SiteKey, Handle>>>,
    places: Arc<RwLock<Places>>,
    store_health: Arc<StoreHealth>,
    tasks: Arc<std::sync::Mutex<tokio::task::JoinSet<()>>>,
}

/// Whether the store takes what is written.
#[derive(Debug, Default)]
pub struct StoreHealth {
    last_error: std::sync::Mutex<Option<String>>,
}

impl StoreHealth {
    /// A write succeeded (`None`) or failed.
    pub(super) fn note(&self, error: Option<String>) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Why the newest write failed, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Which EVSE of which site is reached where.
type Places = BTreeMap<(TenantId, EvseSource), (SiteKey, EvseId)>;

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sites", &self.keys().len())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// No site yet.
    pub fn new(common: Common) -> Self {
        Self {
            common,
            running: Arc::default(),
            places: Arc::default(),
            store_health: Arc::default(),
            tasks: Arc::default(),
        }
    }

    /// Replays the journals of all sites and starts them. A replay applies recorded decisions; it
    /// neither solves nor sends (I6). What was under way counts as unknown afterwards.
    pub async fn load(&self) -> Result<usize, LoadError> {
        let keys = self.common.journal.sites().await?;
        let count = keys.len();
        for key in keys {
            let Some(state) = replay(&self.common.journal, &key).await? else {
                continue;
            };
            if state.removed {
                continue;
            }
            let site_seq = state.last_seq;
            let handle = self.start(key.clone(), state);
            let submission = Submission {
                events: vec![EventKind::Restarted],
                records: Vec::new(),
                reply: None,
                busy: self.common.activity.begin(),
            };
            // The inbox was just made: it has room.
            let _ = handle.inbox.try_send(submission);
            info!(site.id = %key, events = site_seq, "site restored");
        }
        self.index();
        Ok(count)
    }

    /// Sets a site up, or changes it. Returns true if it is new.
    pub async fn configure(&self, site: Site) -> Result<bool, PortError> {
        let key = site.key();
        let known = self.snapshot(&key).is_some();
        if !known {
            if self.keys().len() >= MAX_SITES {
                return Err(PortError::Overloaded(format!(
                    "more than {MAX_SITES} sites: this process"
                )));
            }
            // A site that was given up has a journal: it goes on where that ends.
            let before = replay(&self.common.journal, &key)
                .await
                .map_err(|error| PortError::Storage(error.to_string()))?;
            let state =
                before.unwrap_or_else(|| SiteState::new(site.clone(), self.common.clock.now()));
            self.start(key.clone(), state);
        }
        let event = EventKind::SiteConfigured {
            site: Box::new(site),
        };
        self.submit(&key, vec![event], Vec::new()).await?;
        self.index();
        Ok(!known)
    }

    /// Gives a site up: its profiles are cleared first, its journal stays. Returns false if there
    /// is none.
    pub async fn remove(&self, key: &SiteKey) -> Result<bool, PortError> {
        if self.snapshot(key).is_none() {
            return Ok(false);
        }
        self.submit(key, vec![EventKind::SiteRemoved], Vec::new())
            .await?;
        self.running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        self.index();
        Ok(true)
    }

    /// Notes anew which EVSE is reached where.
    fn index(&self) {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        let mut places = BTreeMap::new();
        for (key, handle) in running.iter() {
            for evse in &handle.state.borrow().site.evses {
                places
                    .entry((key.tenant.clone(), evse.source.clone()))
                    .or_insert_with(|| (key.clone(), evse.id.clone()));
            }
        }
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
    }

    fn start(&self, key: SiteKey, state: SiteState) -> Handle {
        let (inbox, submissions) = mpsc::channel(INBOX);
        let core = SiteCore::new(state, self.common.policy.clone());
        let (published, state) = watch::channel(core.snapshot());
        let actor = SiteActor {
            key: key.clone(),
            core,
            inbox: submissions,
            published,
            journal: self.common.journal.clone(),
            outlet: self.common.outlet.clone(),
            clock: self.common.clock.clone(),
            activity: self.common.activity.clone(),
            metrics: self.common.metrics.clone(),
            chronicle: self.common.chronicle.clone(),
            store_health: self.store_health.clone(),
            stop: self.common.stop.clone(),
        };
        let handle = Handle { inbox, state };
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(actor.run());
        self.running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, handle.clone());
        handle
    }

    fn handle(&self, key: &SiteKey) -> Option<Handle> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Whether the store takes what is written.
    pub fn store_health(&self) -> Arc<StoreHealth> {
        self.store_health.clone()
    }

    /// All sites.
    pub fn keys(&self) -> Vec<SiteKey> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// The state of a site as last published.
    pub fn snapshot(&self, key: &SiteKey) -> Option<Snapshot> {
        self.handle(key).map(|handle| handle.state.borrow().clone())
    }

    /// Follows the state of a site.
    pub fn watch(&self, key: &SiteKey) -> Option<watch::Receiver<Snapshot>> {
        self.handle(key).map(|handle| handle.state)
    }

    /// Waits until every site's task has ended (after `stop` became true).
    pub async fn join(&self) {
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// Rebuilds a site's state from its snapshot and the events after it; `None` for a site of which
/// nothing is stored.
async fn replay(journal: &Journal, key: &SiteKey) -> Result<Option<SiteState>, LoadError> {
    let loaded = journal.load(key).await?;
    let mut state: Option<SiteState> = loaded
        .snapshot
        .map(|snapshot| serde_json::from_slice(&snapshot.body))
        .transpose()
        .map_err(|error| LoadError::Snapshot {
            site: key.clone(),
            detail: error.to_string(),
        })?;
    for event in &loaded.events {
        if let (
            None,
            Event {
                kind: EventKind::SiteConfigured { site },
                ..
            },
        ) = (&state, event)
        {
            state = Some(SiteState::new((**site).clone(), event.at));
        }
        if let Some(state) = &mut state {
            state.apply(event);
        }
    }
    Ok(state)
}

impl Sites for Registry {
    fn submit(
        &self,
        site: &SiteKey,
        events: Vec<EventKind>,
        records: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()> {
        let handle = self.handle(site);
        let name = site.to_string();
        let busy = self.common.activity.begin();
        Box::pin(async move {
            let handle = handle.ok_or_else(|| PortError::Unknown(format!("site {name}")))?;
            let (reply, answer) = oneshot::channel();
            let submission = Submission {
                events,
                records,
                reply: Some(reply),
                busy,
            };
            handle
                .inbox
                .try_send(submission)
                .map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => {
                        PortError::Overloaded(format!("site {name}"))
                    }
                    mpsc::error::TrySendError::Closed(_) => PortError::Stopping,
                })?;
            answer.await.map_err(|_| PortError::Stopping)?
        })
    }

    fn evse_at(&self, tenant: &TenantId, source: &EvseSource) -> Option<(SiteKey, EvseId)> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&(tenant.clone(), source.clone())).cloned()
    }

    fn sites_of(&self, partner: &PartnerKey) -> Vec<SiteKey> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .filter(|(key, _)| key.tenant == partner.tenant)
            .filter(|(_, handle)| {
                handle.state.borrow().site.evses.iter().any(
                    |evse| matches!(&evse.source, EvseSource::Ocpi { partner: p, .. } if *p == partner.partner),
                )
            })
            .map(|(key, _)| key.clone())
            .collect()
    }
}
