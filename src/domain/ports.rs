//! What the edges need from outside, as small traits. `service` implements them; tests fake them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use super::event::EventKind;
use super::evse::EvseSource;
use super::id::{EvseId, PartnerKey, SiteId, SiteKey, TenantId};
use super::time::Time;

/// What a port's call gives: a boxed future, so that ports are usable as trait objects.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// Why a port could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    /// The thing does not exist.
    #[error("{0} is not known")]
    Unknown(String),
    /// The queue before it is full: try again later.
    #[error("{0} is overloaded; try again later")]
    Overloaded(String),
    /// It was understood and is not possible.
    #[error("{0}")]
    Refused(String),
    /// EVSEs of a site are another site's already; nothing was changed.
    #[error("{}", taken(.0))]
    Taken(Vec<Taken>),
    /// It could not be made durable.
    #[error("storing failed: {0}")]
    Storage(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// An EVSE that another site holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its place in the list of EVSEs that was handed in, from 0.
    pub index: usize,
    /// Its name there.
    pub evse: EvseId,
    /// Who holds its source.
    pub site: SiteId,
}

fn taken(taken: &[Taken]) -> String {
    let all: Vec<_> = taken
        .iter()
        .map(|it| format!("the source of EVSE {} is site {}'s", it.evse, it.site))
        .collect();
    all.join(", ")
}

/// The one clock. Only the service reads the machine's; the simulator has its own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present instant.
    fn now(&self) -> Time;

    /// Waits until an instant of this clock. May be dropped at any time.
    fn sleep_until(&self, at: Time) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A change of one record that an edge keeps verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordWrite {
    /// Its whole key, table first, parts joined by `/`.
    pub key: String,
    /// Its new value; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// Records that an edge keeps: partners, OCPI objects, tokens.
pub trait Records: Send + Sync {
    /// Reads one.
    fn get(&self, key: &str) -> PortFuture<'_, Option<Vec<u8>>>;

    /// Reads all whose key begins with `prefix`, in the order of keys, `limit` at most.
    fn scan(&self, prefix: &str, limit: usize) -> PortFuture<'_, Vec<(String, Vec<u8>)>>;

    /// Writes all or none, on disk within a second: readings and history, which nobody was told are
    /// kept.
    fn write_later(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        self.write(writes)
    }

    /// Writes all or none; durable when it returns.
    fn write(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()>;
}

/// The sites' inboxes.
pub trait Sites: Send + Sync {
    /// Takes in events of one site together with records that belong to them: one atomic write,
    /// durable and applied when it returns. An edge answers its peer after that, not before.
    fn submit(
        &self,
        site: &SiteKey,
        events: Vec<EventKind>,
        records: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()>;

    /// Which EVSE of which site is reached there.
    fn evse_at(&self, tenant: &TenantId, source: &EvseSource) -> Option<(SiteKey, EvseId)>;

    /// The sites that have EVSEs at a partner.
    fn sites_of(&self, partner: &PartnerKey) -> Vec<SiteKey>;
}

/// Seals what must be sent again later (partners' tokens) so that a reader of the disk sees
/// nothing.
pub trait Vault: Send + Sync {
    /// Encrypts; `context` binds the result to its place.
    fn seal(&self, context: &str, secret: &[u8]) -> Vec<u8>;

    /// Decrypts what [`Vault::seal`] made for the same context.
    fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, PortError>;
}

/// Everything an edge gets from the service.
#[derive(Clone)]
pub struct Ports {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Kept records.
    pub records: Arc<dyn Records>,
    /// The sites' inboxes.
    pub sites: Arc<dyn Sites>,
    /// Encryption of secrets.
    pub vault: Arc<dyn Vault>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
