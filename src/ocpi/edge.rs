//! The edge towards partners: what every part of it shares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocpi_client::client::{Client, Limits, Reply};
use ocpi_client::headers::{Party, Routing};
use ocpi_client::token::{Token, TokenEncoding};
use reqwest::redirect::Policy;
use thiserror::Error;
use tokio::sync::{MutexGuard, Notify};
use url::Url;

use super::deviations::DeviationBook;
use super::guard::{Guard, GuardedResolver, Refused};
use super::inbound::Guesses;
use super::partner::{Handshake, PartnerRecord};
use super::peer::Peer;
use super::settings::Settings;
use crate::domain::id::{PartnerId, PartnerKey, TenantId};
use crate::domain::ports::{PortError, Ports, RecordWrite, Vault};
use crate::domain::time::Time;

/// Most partners of one tenant.
pub const MAX_PARTNERS: usize = 1000;

/// Locks for objects; two objects share one now and then, which only makes one wait.
const STRIPES: usize = 64;

/// Why something with a partner did not work.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// There is no partner of this name.
    #[error("partner {0} is not known")]
    UnknownPartner(PartnerId),
    /// The name is taken by a partner that is registered or registering.
    #[error("partner {0} is there already; remove it first")]
    Taken(PartnerId),
    /// The handshake with it is not complete.
    #[error("partner {0} is not registered")]
    NotRegistered(PartnerId),
    /// There are too many.
    #[error("there are {MAX_PARTNERS} partners already")]
    TooMany,
    /// It does not offer what is needed.
    #[error("partner {partner} has no endpoint for {module}")]
    NoEndpoint {
        /// Which partner.
        partner: PartnerId,
        /// Module and side.
        module: String,
    },
    /// An address of it is not called.
    #[error("address refused: {0}")]
    Address(#[from] Refused),
    /// A token that cannot be one.
    #[error("token refused: {0}")]
    Token(String),
    /// An exchange with it failed.
    #[error(transparent)]
    Exchange(#[from] ocpi_client::Error),
    /// It answered only in part.
    #[error("{0}")]
    Incomplete(String),
    /// Storing or the sites' inboxes failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// Our side of OCPI towards all partners of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Edge {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) tenant: TenantId,
    pub(super) guard: Guard,
    http: reqwest::Client,
    peers: RwLock<BTreeMap<PartnerId, Arc<Peer>>>,
    /// Held while a partner's record is changed: read, write, publish.
    writing: tokio::sync::Mutex<()>,
    stripes: Vec<tokio::sync::Mutex<()>>,
    /// Wrong tokens shown to us.
    pub(super) guesses: Guesses,
    wanted_pulls: Mutex<BTreeMap<PartnerId, Wanted>>,
    /// Pulls under way, and those ever begun.
    pub(super) pulling: AtomicUsize,
    pub(super) pulls: AtomicU64,
    pub(super) nudge: Notify,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("tenant", &self.inner.tenant)
            .field("public_url", &self.inner.settings.public_url)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// Opens the edge of a tenant with all its partners.
    pub async fn open(
        ports: Ports,
        settings: Settings,
        tenant: TenantId,
    ) -> Result<Self, EdgeError> {
        let guard = Guard::new(settings.allow_insecure, &settings.private_networks);
        let http = http_client(guard.clone())?;
        let found = ports
            .records
            .scan(&format!("partner/{tenant}/"), MAX_PARTNERS)
            .await?;
        let in_flight = settings.max_in_flight;
        let mut peers = BTreeMap::new();
        for (key, bytes) in found {
            match serde_json::from_slice::<PartnerRecord>(&bytes) {
                Ok(mut record) => {
                    let name = record.name.clone();
                    if let Err(error) = unseal(&*ports.vault, &tenant, &record)
                        && record.is_registered()
                    {
                        tracing::error!(partner.id = %name, %error, "its token cannot be opened; register it anew");
                        record.handshake = Handshake::Unregistered;
                    }
                    let seen = Self::kept_deviations(&*ports.records, &tenant, &name).await?;
                    let peer = Peer::new(record, in_flight, ports.clock.clone(), seen);
                    peers.insert(name, Arc::new(peer));
                }
                Err(error) => {
                    return Err(PortError::Storage(format!("{key} is damaged: {error}")).into());
                }
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                ports,
                settings,
                tenant,
                guard,
                http,
                peers: RwLock::new(peers),
                writing: tokio::sync::Mutex::new(()),
                stripes: (0..STRIPES).map(|_| tokio::sync::Mutex::new(())).collect(),
                guesses: Guesses::default(),
                wanted_pulls: Mutex::default(),
                pulling: AtomicUsize::new(0),
                pulls: AtomicU64::new(0),
                nudge: Notify::new(),
            }),
        })
    }

    pub(super) fn now(&self) -> Time {
        self.inner.ports.clock.now()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.inner.tenant
    }

    pub(super) fn partner_key(&self, partner: &PartnerId) -> PartnerKey {
        PartnerKey {
            tenant: self.inner.tenant.clone(),
            partner: partner.clone(),
        }
    }

    /// All partners in memory, by name.
    pub(super) fn peers(&self) -> Vec<Arc<Peer>> {
        let peers = self
            .inner
            .peers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        peers.values().cloned().collect()
    }

    pub(super) fn peer(&self, name: &PartnerId) -> Result<Arc<Peer>, EdgeError> {
        let peers = self
            .inner
            .peers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        peers
            .get(name)
            .cloned()
            .ok_or_else(|| EdgeError::UnknownPartner(name.clone()))
    }

    /// Changes a partner's record: durable first, then in memory. The change is given up when
    /// `change` gives an error.
    pub(super) async fn change<R>(
        &self,
        name: &PartnerId,
        change: impl FnOnce(&mut PartnerRecord) -> Result<R, EdgeError> + Send,
    ) -> Result<R, EdgeError> {
        let _writing = self.inner.writing.lock().await;
        let peer = self.peer(name)?;
        let mut record = (*peer.record()).clone();
        let result = change(&mut record)?;
        record.revision += 1;
        self.keep(&record).await?;
        peer.set(record);
        Ok(result)
    }

    /// Enters a partner, or begins anew with one whose handshake is not complete.
    pub(super) async fn enter(&self, record: PartnerRecord) -> Result<Arc<Peer>, EdgeError> {
        let _writing = self.inner.writing.lock().await;
        match self.peer(&record.name) {
            Ok(peer) if peer.record().is_registered() => {
                return Err(EdgeError::Taken(record.name));
            }
            Ok(peer) => {
                self.keep(&record).await?;
                peer.set(record);
                return Ok(peer);
            }
            Err(_) if self.peers().len() >= MAX_PARTNERS => return Err(EdgeError::TooMany),
            Err(_) => {}
        }
        self.keep(&record).await?;
        let name = record.name.clone();
        let in_flight = self.settings().max_in_flight;
        let clock = self.inner.ports.clock.clone();
        let peer = Arc::new(Peer::new(
            record,
            in_flight,
            clock,
            DeviationBook::default(),
        ));
        let mut peers = self
            .inner
            .peers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        peers.insert(name, peer.clone());
        Ok(peer)
    }

    /// Forgets a partner's record.
    pub(super) async fn forget(&self, name: &PartnerId) -> Result<(), EdgeError> {
        let _writing = self.inner.writing.lock().await;
        let key = PartnerRecord::key(self.tenant(), name);
        self.inner
            .ports
            .records
            .write(vec![RecordWrite { key, value: None }])
            .await?;
        let mut peers = self
            .inner
            .peers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        peers.remove(name);
        Ok(())
    }

    async fn keep(&self, record: &PartnerRecord) -> Result<(), EdgeError> {
        let value = serde_json::to_vec(record)
            .map_err(|error| PortError::Storage(format!("a partner's record: {error}")))?;
        let key = PartnerRecord::key(self.tenant(), &record.name);
        self.inner
            .ports
            .records
            .write(vec![RecordWrite {
                key,
                value: Some(value),
            }])
            .await?;
        Ok(())
    }

    /// Serialises the changes of one object.
    pub(super) async fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        self.inner.stripes[self.stripe(key)].lock().await
    }

    /// Serialises the changes of several objects: taken in one order by all, so that nobody waits
    /// in a circle. Do not ask for another lock while holding these.
    pub(super) async fn lock_all(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let wanted: BTreeSet<_> = keys
            .into_iter()
            .map(|key| self.stripe(key.as_ref()))
            .collect();
        let mut locks = Vec::with_capacity(wanted.len());
        for index in wanted {
            locks.push(self.inner.stripes[index].lock().await);
        }
        locks
    }

    fn stripe(&self, key: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let count = u64::try_from(self.inner.stripes.len()).unwrap_or(1);
        usize::try_from(hasher.finish() % count).unwrap_or(0)
    }

    /// Seals a token we must send later.
    pub(super) fn seal(&self, name: &PartnerId, token: &Token) -> String {
        let context = PartnerRecord::seal_context(self.tenant(), name);
        STANDARD.encode(
            self.inner
                .ports
                .vault
                .seal(&context, token.reveal().as_bytes()),
        )
    }

    /// The token we send to a partner.
    pub(super) fn unseal(&self, record: &PartnerRecord) -> Result<Token, EdgeError> {
        unseal(&*self.inner.ports.vault, self.tenant(), record)
    }

    /// A client that shows this token.
    pub(super) fn client_with(&self, token: Token, encoding: TokenEncoding) -> Client {
        let limits = Limits {
            deadline: self.settings().request_timeout,
            max_body_bytes: self.settings().max_body_bytes,
        };
        Client::new(self.inner.http.clone(), token, encoding).with_limits(limits)
    }

    /// A client for a registered partner, addressed to one of its parties.
    pub(super) fn client_for(
        &self,
        record: &PartnerRecord,
        to: Option<Party>,
    ) -> Result<Client, EdgeError> {
        let client = self.client_with(self.unseal(record)?, record.token_encoding);
        let routing = Routing {
            to,
            from: Some(self.settings().party()),
        };
        let client = client.with_routing(routing);
        let holds = self
            .peer(&record.name)
            .is_ok_and(|peer| peer.live().holds_connections);
        Ok(if holds { client.closing() } else { client })
    }

    /// Makes one call: only a few at a time per partner, booked in its log and health.
    pub(super) async fn call<T>(
        &self,
        peer: &Peer,
        call: impl Future<Output = Reply<T>> + Send,
    ) -> Result<T, ocpi_client::Error> {
        // The semaphore is never closed.
        let _slot = peer.slots.acquire().await;
        let began = self.now();
        let reply = call.await;
        peer.note_deviations(&reply.deviations);
        peer.note_call(
            began,
            self.now(),
            reply.exchange,
            reply.result.as_ref().err(),
        );
        reply.result
    }

    /// Checks an address that a partner named, against the one it registered with.
    pub(super) fn checked(&self, record: &PartnerRecord, address: &str) -> Result<Url, EdgeError> {
        let guard = &self.inner.guard;
        Ok(match &record.versions_url {
            Some(home) => guard.check_of(&guard.check(home)?, address)?,
            None => guard.check(address)?,
        })
    }

    /// True while no partner is read back and none is wanted to be: for simulated clocks.
    pub fn is_idle(&self) -> bool {
        let wanted = &self.inner.wanted_pulls;
        let is_wanted = !wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        !is_wanted && self.inner.pulling.load(Ordering::SeqCst) == 0
    }

    /// How many pulls ever began.
    pub fn begun(&self) -> u64 {
        self.inner.pulls.load(Ordering::SeqCst)
    }

    /// Asks for a full pull from a partner as soon as possible.
    pub fn want_pull(&self, partner: &PartnerId) {
        self.want(partner, Wanted::Everything);
    }

    /// Asks for a pull of what changed lately.
    pub(super) fn want_changes(&self, partner: &PartnerId) {
        self.want(partner, Wanted::Changes);
    }

    /// Asks for a full pull from a partner that was away: its pause after failed pulls is over.
    pub(super) fn want_pull_of_returned(&self, partner: &PartnerId) {
        self.want(partner, Wanted::EverythingNow);
    }

    fn want(&self, partner: &PartnerId, what: Wanted) {
        let wanted = &self.inner.wanted_pulls;
        let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = wanted.entry(partner.clone()).or_insert(what);
        *known = (*known).max(what);
        self.inner.nudge.notify_one();
    }

    /// The pulls asked for since the last time.
    pub(super) fn take_wanted_pulls(&self) -> BTreeMap<PartnerId, Wanted> {
        let wanted = &self.inner.wanted_pulls;
        std::mem::take(&mut *wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unseal(
    vault: &dyn Vault,
    tenant: &TenantId,
    record: &PartnerRecord,
) -> Result<Token, EdgeError> {
    let unusable = |error: String| EdgeError::Token(error);
    let sealed = record
        .sends
        .as_ref()
        .ok_or_else(|| EdgeError::NotRegistered(record.name.clone()))?;
    let sealed = STANDARD
        .decode(sealed)
        .map_err(|error| unusable(error.to_string()))?;
    let context = PartnerRecord::seal_context(tenant, &record.name);
    let token = vault.unseal(&context, &sealed)?;
    let token = String::from_utf8(token).map_err(|_| unusable("is not text".into()))?;
    Token::new(token).map_err(|error| unusable(error.to_string()))
}

/// What a pull that was asked for must read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    Changes,
    Everything,
    /// The same, although the last pulls failed.
    EverythingNow,
}

/// A client that connects only to guarded addresses, follows no redirect and uses no proxy.
fn http_client(guard: Guard) -> Result<reqwest::Client, EdgeError> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("evenload/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(GuardedResolver::new(guard))
        .connect_timeout(std::time::Duration::from_secs(5))
        .pool_idle_timeout(std::time::Duration::from_secs(30))
        .build()
        .map_err(|error| EdgeError::Http(error.to_string()))
}
