//! Our own REST API under `/api/v1`, health, and metrics: what an operator, an aggregator or the
//! command line does with evenload goes through here.
//!
//! Power is in kW and positive for import, times are UTC, the unit is last in a name. A write is
//! checked as a whole and applied as a whole, or not at all; errors are RFC 9457 problem documents
//! that list every fault with its JSON pointer.

mod alerts;
pub mod audit;
pub mod auth;
mod backup;
mod baseline;
mod body;
mod bound;
pub mod chronicle;
mod dashboard;
mod departure_body;
mod departures;
pub mod dispatches;
mod effect;
mod events;
pub mod feeds;
mod flexibility;
mod foresight;
mod frame;
mod grid_rules;
pub mod groups;
mod health;
mod history;
mod id_tokens;
mod import;
mod input;
pub mod keys;
pub mod metrics;
mod mode;
pub mod openapi;
pub mod oscp;
mod overrides;
mod partners;
mod plan;
mod plan_compact;
pub mod ports;
pub mod problem;
mod query;
mod records;
mod reports;
mod residual;
mod routes;
mod scrape;
mod sessions;
mod signal_body;
mod signal_life;
mod signal_view;
mod signals;
mod site_body;
mod site_change;
mod site_meter;
mod site_view;
mod sites;
mod stations;
mod tabular;
mod throttle;
mod told;
pub mod webhooks;
mod windows;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use self::audit::AuditLog;
use self::chronicle::Chronicle;
pub use self::dashboard::notice;
use self::dispatches::DispatchBook;
use self::feeds::FeedBook;
use self::groups::GroupBook;
use self::keys::Keyring;
use self::metrics::Metrics;
use self::oscp::OscpBook;
use self::ports::{Backups, Doors, Health, Partners, SiteDirectory, Stations};
pub use self::routes::configure;
pub use self::throttle::Rates;
use self::throttle::Throttle;
use self::webhooks::WebhookBook;
use crate::domain::policy::Policy;
use crate::domain::ports::{Clock, Sites};

/// How many sites' signal writes are kept apart; two sites that share one wait for each other.
const STRIPES: usize = 64;

/// How many forecasts of an effect are made at a time; each takes a core.
const FORECASTS: usize = 2;

/// What the API gets from the service.
#[derive(Clone)]
pub struct ApiParts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The sites' inboxes.
    pub sites: Arc<dyn Sites>,
    /// The sites.
    pub directory: Arc<dyn SiteDirectory>,
    /// The partners' platforms.
    pub partners: Arc<dyn Partners>,
    /// The stations of our own CSMS.
    pub stations: Arc<dyn Stations>,
    /// The parts of the service.
    pub health: Arc<dyn Health>,
    /// Backups of what is kept.
    pub backups: Arc<dyn Backups>,
    /// Who may come in.
    pub keys: Arc<Keyring>,
    /// Who changed what.
    pub audit: Arc<AuditLog>,
    /// What happened lately.
    pub chronicle: Arc<Chronicle>,
    /// What was asked of sites and what came of it.
    pub dispatches: Arc<DispatchBook>,
    /// Sites that share a limit.
    pub groups: Arc<GroupBook>,
    /// Who is told what happens.
    pub webhooks: Arc<WebhookBook>,
    /// Documents that are asked for again and again.
    pub feeds: Arc<FeedBook>,
    /// Who says how much a site may draw.
    pub oscp: Arc<OscpBook>,
    /// Which addresses we go to.
    pub doors: Arc<dyn Doors>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How sites are planned: for the needs that are assumed where nobody stated them.
    pub policy: Policy,
    /// How often a client may ask.
    pub rates: Rates,
}

/// Everything a route needs; application data of the server (`web::Data<ApiState>`).
pub struct ApiState {
    clock: Arc<dyn Clock>,
    sites: Arc<dyn Sites>,
    directory: Arc<dyn SiteDirectory>,
    partners: Arc<dyn Partners>,
    stations: Arc<dyn Stations>,
    health: Arc<dyn Health>,
    backups: Arc<dyn Backups>,
    keys: Arc<Keyring>,
    audit: Arc<AuditLog>,
    chronicle: Arc<Chronicle>,
    dispatches: Arc<DispatchBook>,
    groups: Arc<GroupBook>,
    webhooks: Arc<WebhookBook>,
    feeds: Arc<FeedBook>,
    oscp: Arc<OscpBook>,
    doors: Arc<dyn Doors>,
    metrics: Arc<Metrics>,
    policy: Policy,
    throttle: Throttle,
    forecasts: tokio::sync::Semaphore,
    watchers: Arc<tokio::sync::Semaphore>,
    /// One writer at a time per site where a write depends on what is stored (revisions).
    writers: [tokio::sync::Mutex<()>; STRIPES],
}

impl ApiState {
    /// From the service's parts.
    pub fn new(parts: ApiParts) -> Self {
        Self {
            clock: parts.clock,
            sites: parts.sites,
            directory: parts.directory,
            partners: parts.partners,
            stations: parts.stations,
            health: parts.health,
            backups: parts.backups,
            keys: parts.keys,
            audit: parts.audit,
            chronicle: parts.chronicle,
            dispatches: parts.dispatches,
            groups: parts.groups,
            webhooks: parts.webhooks,
            feeds: parts.feeds,
            oscp: parts.oscp,
            doors: parts.doors,
            watchers: Arc::new(tokio::sync::Semaphore::new(events::MAX_WATCHERS)),
            metrics: parts.metrics,
            policy: parts.policy,
            throttle: Throttle::new(parts.rates),
            forecasts: tokio::sync::Semaphore::new(FORECASTS),
            writers: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
        }
    }

    /// Waits to be the only one who writes to a site through the API.
    async fn writer(&self, site: &crate::domain::id::SiteKey) -> tokio::sync::MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        site.hash(&mut hasher);
        // Below STRIPES, so it fits.
        let index = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        self.writers[index].lock().await
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("clock", &self.clock)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
