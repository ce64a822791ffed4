//! All sites of this process: who runs, and how to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::activity::Activity;
use super::site_actor::{INBOX, Outlet, SiteActor, Submission};
use super::site_core::SiteCore;
use crate::api::chronicle::Chronicle;
use crate::api::metrics::Metrics;
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerKey, SiteKey, TenantId};
use crate::domain::policy::Policy;
use crate::domain::ports::{Clock, PortError, PortFuture, RecordWrite, Sites, Taken};
use crate::domain::site::Site;
use crate::domain::time::Time;
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
    /// Held while a site is set up, changed or given up.
    changing: Arc<tokio::sync::Mutex<()>>,
    store_health: Arc<StoreHealth>,
    /// Where the sites' tasks run: not on the thread that happens to serve the request.
    runtime: tokio::runtime::Handle,
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
    /// No site yet. The sites' tasks will run on the runtime in which this is called.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn new(common: Common) -> Self {
        Self {
            common,
            running: Arc::default(),
            places: Arc::default(),
            changing: Arc::default(),
            store_health: Arc::default(),
            runtime: tokio::runtime::Handle::current(),
            tasks: Arc::default(),
        }
    }

    /// Replays the journals of all sites and starts them. A replay applies recorded decisions; it
    /// neither solves nor sends (I6). What was under way counts as unknown afterwards.
    pub async fn load(&self) -> Result<usize, LoadError> {
        let keys = self.common.journal.sites().await?;
        let count = keys.len();
        let mut claims = Vec::new();
        for key in keys {
            let Some(Replayed {
                state,
                since,
                events,
            }) = replay(&self.common, &key).await?
            else {
                continue;
            };
            if state.removed {
                continue;
            }
            claims.extend(Claim::all(&key, &state, &since));
            let site_seq = state.last_seq;
            let now = self.common.clock.now();
            self.common.chronicle.restore(&key, &state, now).await;
            let handle = self.start(key.clone(), state, events);
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
        let places = settle(claims);
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
        Ok(count)
    }

    /// Sets a site up, or changes it. Returns true if it is new.
    pub async fn configure(&self, site: Site) -> Result<bool, PortError> {
        let key = site.key();
        let _alone = self.changing.lock().await;
        self.refuse_taken(&key, &site)?;
        let known = self.snapshot(&key).is_some();
        if !known {
            if self.keys().len() >= MAX_SITES {
                return Err(PortError::Overloaded(format!(
                    "more than {MAX_SITES} sites: this process"
                )));
            }
            // A site that was given up has a journal: it goes on where that ends.
            let before = replay(&self.common, &key)
                .await
                .map_err(|error| PortError::Storage(error.to_string()))?;
            let (state, events) = before.map_or_else(
                || (SiteState::new(site.clone(), self.common.clock.now()), 0),
                |before| (before.state, before.events),
            );
            let now = self.common.clock.now();
            self.common.chronicle.restore(&key, &state, now).await;
            self.start(key.clone(), state, events);
        }
        let event = EventKind::SiteConfigured {
            site: Box::new(site),
        };
        self.submit(&key, vec![event], Vec::new()).await?;
        self.index();
        Ok(!known)
    }

    /// An EVSE belongs to one site: two that steer the same car would each count on the other's
    /// power.
    fn refuse_taken(&self, key: &SiteKey, site: &Site) -> Result<(), PortError> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<_> = site
            .evses
            .iter()
            .enumerate()
            .filter_map(|(index, evse)| {
                let (holder, _) = places.get(&(key.tenant.clone(), evse.source.clone()))?;
                (holder != key).then(|| Taken {
                    index,
                    evse: evse.id.clone(),
                    site: holder.site.clone(),
                })
            })
            .collect();
        if taken.is_empty() {
            Ok(())
        } else {
            Err(PortError::Taken(taken))
        }
    }

    /// Gives a site up; its journal stays. Refused while a profile of ours may be installed there:
    /// nobody would take it back any more. Returns false if there is none.
    pub async fn remove(&self, key: &SiteKey) -> Result<bool, PortError> {
        let _alone = self.changing.lock().await;
        let Some(state) = self.snapshot(key) else {
            return Ok(false);
        };
        if let Some(left) = left_at_evses(&state) {
            return Err(PortError::Refused(left));
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

    /// Notes anew which EVSE is reached where; who held it before holds it on.
    fn index(&self) {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Places::new();
        for (key, handle) in running.iter() {
            for evse in &handle.state.borrow().site.evses {
                let place = (key.tenant.clone(), evse.source.clone());
                let held = places.get(&place).is_some_and(|(holder, _)| holder == key);
                if held || !next.contains_key(&place) {
                    next.insert(place, (key.clone(), evse.id.clone()));
                }
            }
        }
        *places = next;
    }

    fn start(&self, key: SiteKey, state: SiteState, replayed: u64) -> Handle {
        let (inbox, submissions) = mpsc::channel(INBOX);
        let core = SiteCore::new(state, self.common.policy.clone());
        let (published, state) = watch::channel(core.snapshot());
        let actor = SiteActor {
            key: key.clone(),
            core,
            replayed,
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
            .spawn_on(actor.run(), &self.runtime);
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

/// Most EVSEs named in a refusal.
const MAX_NAMED: usize = 10;

/// What of ours may still be installed at a site's EVSEs, for people; `None` if nothing.
fn left_at_evses(state: &SiteState) -> Option<String> {
    let left: Vec<_> = state
        .evses
        .iter()
        .filter_map(|(evse, known)| {
            let profiles = &known.profiles;
            if !profiles.outstanding.is_empty() || !profiles.late.is_empty() {
                Some(format!("{evse} (a command is not answered)"))
            } else if profiles.confirmed.is_some() {
                Some(format!("{evse} (a profile is installed)"))
            } else {
                None
            }
        })
        .collect();
    let more = left.len().saturating_sub(MAX_NAMED);
    let named = left.get(..MAX_NAMED).unwrap_or(&left).join(", ");
    let and = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (!left.is_empty()).then(|| {
        format!(
            "profiles of ours are not yet taken back at {named}{and}: in mode shadow they are \
             cleared; try again when they are, or when these sessions have ended"
        )
    })
}

/// A site's state as its journal tells it.
struct Replayed {
    state: SiteState,
    /// Since when it names each source; `None` = since before its snapshot.
    since: BTreeMap<EvseSource, Option<Time>>,
    /// Events behind its snapshot.
    events: u64,
}

/// Rebuilds a site's state from its snapshot and the events after it; `None` for a site of which
/// nothing is stored.
async fn replay(common: &Common, key: &SiteKey) -> Result<Option<Replayed>, LoadError> {
    let loaded = common.journal.load(key).await?;
    let mut state: Option<SiteState> = loaded
        .snapshot
        .map(|snapshot| serde_json::from_slice(&snapshot.body))
        .transpose()
        .map_err(|error| LoadError::Snapshot {
            site: key.clone(),
            detail: error.to_string(),
        })?;
    let mut since = BTreeMap::new();
    if let Some(state) = &mut state {
        state.meter_stale_s = common.policy.meter_stale_s;
        note_sources(&mut since, &state.site, None);
    }
    for event in &loaded.events {
        if let EventKind::SiteConfigured { site } = &event.kind {
            if state.is_none() {
                let mut fresh = SiteState::new((**site).clone(), event.at);
                fresh.meter_stale_s = common.policy.meter_stale_s;
                state = Some(fresh);
            }
            note_sources(&mut since, site, Some(event.at));
        }
        if let Some(state) = &mut state {
            state.apply(event);
        }
    }
    let events = u64::try_from(loaded.events.len()).unwrap_or(u64::MAX);
    Ok(state.map(|state| Replayed {
        state,
        since,
        events,
    }))
}

fn note_sources(since: &mut BTreeMap<EvseSource, Option<Time>>, site: &Site, at: Option<Time>) {
    let before = std::mem::take(since);
    for evse in &site.evses {
        let at = before.get(&evse.source).copied().unwrap_or(at);
        since.insert(evse.source.clone(), at);
    }
}

/// A site that names a source.
struct Claim {
    place: (TenantId, EvseSource),
    /// Who goes first: the oldest claim, then one with a car.
    rank: (Option<Time>, bool, SiteKey),
    evse: EvseId,
}

impl Claim {
    fn all(
        key: &SiteKey,
        state: &SiteState,
        since: &BTreeMap<EvseSource, Option<Time>>,
    ) -> Vec<Self> {
        let has_car = |evse: &EvseId| state.evses.get(evse).is_some_and(|e| !e.is_free());
        state
            .site
            .evses
            .iter()
            .map(|evse| Self {
                place: (key.tenant.clone(), evse.source.clone()),
                rank: (
                    since.get(&evse.source).copied().flatten(),
                    !has_car(&evse.id),
                    key.clone(),
                ),
                evse: evse.id.clone(),
            })
            .collect()
    }
}

/// Gives each source to the site that named it first. That two name one was possible once; since
/// then it is refused.
fn settle(mut claims: Vec<Claim>) -> Places {
    claims.sort_by(|one, other| one.rank.cmp(&other.rank));
    let mut places = Places::new();
    for Claim { place, rank, evse } in claims {
        let (_, _, key) = rank;
        match places.get(&place) {
            Some((holder, _)) => {
                warn!(site.id = %key, evse.id = %evse, holder = %holder, "this EVSE is another site's, which named it first; it is not steered from here: take it out of one of the two");
            }
            None => {
                places.insert(place, (key, evse));
            }
        }
    }
    places
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
