//! What the API sees of the service: sites, partners, health.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use super::activity::Activity;
use super::backups::SnapshotHealth;
use super::sites::Registry;
use crate::api::ports::{
    CheckRow, CheckStatus, Configured, Deviation, Doors, Exchange, Guess, Health, Invitation,
    OfferedEvse, PartHealth, PartStatus, PartnerChange, PartnerTraffic, PartnerView, Partners,
    Registration, SiteDirectory,
};
use crate::domain::evse::EvseSource;
use crate::domain::id::{PartnerId, PartnerKey, SiteKey, TenantId};
use crate::domain::ports::{PortError, PortFuture, Sites as _};
use crate::domain::site::Site;
use crate::domain::time::Time;
use crate::ocpi::exchange::{Direction, LoggedExchange};
use crate::ocpi::guard::Guard;
use crate::ocpi::{self, Edge, EdgeError};
use crate::ocpp;
use crate::state::Snapshot;
use crate::store::Store;

/// The sites as the API sees them.
#[derive(Debug)]
pub struct Directory {
    registry: Registry,
    edge: Edge,
    stations: ocpp::Edge,
    changed: Arc<Notify>,
}

impl Directory {
    /// The sites of a registry; sessions that partners and stations told us before are given to a
    /// new site. `changed` is told of every change.
    pub fn new(registry: Registry, edge: Edge, stations: ocpp::Edge, changed: Arc<Notify>) -> Self {
        Self {
            registry,
            edge,
            stations,
            changed,
        }
    }
}

impl SiteDirectory for Directory {
    fn snapshot(&self, site: &SiteKey) -> Option<Snapshot> {
        self.registry.snapshot(site)
    }

    fn list(&self, tenant: &TenantId) -> Vec<SiteKey> {
        self.registry
            .keys()
            .into_iter()
            .filter(|key| key.tenant == *tenant)
            .collect()
    }

    fn all(&self) -> Vec<SiteKey> {
        self.registry.keys()
    }

    fn configure(&self, site: Site) -> PortFuture<'_, Configured> {
        Box::pin(async move {
            let key = site.key();
            let new = self.registry.configure(site).await?;
            self.changed.notify_one();
            if let Err(error) = self.edge.seed(&key).await {
                tracing::warn!(site.id = %key, %error, "stored sessions were not given to the site");
            }
            self.stations.refresh();
            for partner in unseen(self.registry.snapshot(&key)) {
                if let Err(error) = self.edge.introduce(&key, &partner).await {
                    tracing::warn!(site.id = %key, partner.id = %partner, %error, "the site was not told how fresh our view of its partner is");
                }
            }
            Ok(if new {
                Configured::Created
            } else {
                Configured::Replaced
            })
        })
    }

    fn remove(&self, site: &SiteKey) -> PortFuture<'_, ()> {
        let site = site.clone();
        Box::pin(async move {
            let removed = self.registry.remove(&site).await?;
            removed
                .then_some(())
                .ok_or_else(|| PortError::Unknown(format!("site {site}")))
        })
    }
}

/// The partners that a site names and of which it was never told how fresh our view is.
fn unseen(state: Option<Snapshot>) -> BTreeSet<PartnerId> {
    let Some(state) = state else {
        return BTreeSet::new();
    };
    let named = state
        .site
        .evses
        .iter()
        .filter_map(|evse| match &evse.source {
            EvseSource::Ocpi { partner, .. } => Some(partner),
            EvseSource::Ocpp { .. } => None,
        });
    named
        .filter(|partner| !state.partners.contains_key(*partner))
        .cloned()
        .collect()
}

/// The partners as the API sees them.
#[derive(Debug)]
pub struct PartnerDesk {
    edge: Edge,
    registry: Registry,
    activity: Activity,
}

impl PartnerDesk {
    /// The partners of an edge; the sites say which of them are in use.
    pub fn new(edge: Edge, registry: Registry, activity: Activity) -> Self {
        Self {
            edge,
            registry,
            activity,
        }
    }

    fn known(&self, partner: &PartnerKey) -> Result<ocpi::PartnerView, PortError> {
        self.edge.show(&partner.partner).map_err(port_error)
    }
}

fn port_error(error: EdgeError) -> PortError {
    match error {
        EdgeError::UnknownPartner(name) => PortError::Unknown(format!("partner {name}")),
        EdgeError::Port(error) => error,
        EdgeError::TooMany => PortError::Overloaded("the list of partners".into()),
        other => PortError::Refused(other.to_string()),
    }
}

fn rows(rows: Vec<ocpi::CheckRow>) -> Vec<CheckRow> {
    rows.into_iter()
        .map(|row| CheckRow {
            ok: row.status != ocpi::CheckStatus::Failed,
            status: match row.status {
                ocpi::CheckStatus::Ok => CheckStatus::Ok,
                ocpi::CheckStatus::Warning => CheckStatus::Warning,
                ocpi::CheckStatus::Failed => CheckStatus::Failed,
            },
            name: row.step,
            detail: row.detail,
            advice: row.advice,
            exchange: row.exchange.map(|logged| Box::new(exchange(*logged))),
        })
        .collect()
}

fn view(partner: ocpi::PartnerView) -> PartnerView {
    let health = &partner.health;
    let is_current = health.failures_in_row == 0
        && (health.last_ok_at.is_some() || health.last_heard_at.is_some());
    PartnerView {
        status: format!("{:?}", partner.handshake).to_lowercase(),
        health: if is_current { "current" } else { "stale" }.into(),
        last_seen_at: health.last_ok_at.max(health.last_heard_at),
        last_full_pull_at: health.last_full_pull_at,
        is_pull_only: health.is_pull_only(),
        clock_skew_s: health.clock_skew_s,
        last_error: health.last_error.clone(),
        last_error_at: health.last_error_at,
        token_encoding: partner.token_encoding,
        invited_until: partner.invited_until,
        name: partner.name,
        versions_url: partner.versions_url,
        version: partner.version,
        parties: partner.parties,
        modules: partner.endpoints,
        registered_at: partner.registered_at,
        trust_sync_accept: partner.trust_sync_accept,
        site_limits: partner.site_limits,
        profile_units: partner.profile_units,
        checks: rows(partner.checks),
        deviations: partner.deviations.into_iter().map(deviation).collect(),
    }
}

fn offered(evse: ocpi::OfferedEvse) -> OfferedEvse {
    OfferedEvse {
        source: evse.source,
        evse_uid: evse.evse_uid,
        location_id: evse.location_id,
        location: evse.location,
        time_zone: evse.time_zone,
        label: evse.label,
        guess: evse.rating.map(|rating| Guess {
            max: rating.max,
            min: rating.min,
            supply: rating.supply,
        }),
        doubts: evse.doubts,
    }
}

fn deviation(seen: ocpi::SeenDeviation) -> Deviation {
    Deviation {
        id: seen.id,
        count: seen.count,
        path: seen.path,
        section: seen.section,
        detail: seen.detail,
        advice: seen.advice,
        first_seen_at: seen.first_seen_at,
        last_seen_at: seen.last_seen_at,
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "received",
        Direction::Outbound => "sent",
    }
}

fn exchange(logged: LoggedExchange) -> Exchange {
    let LoggedExchange {
        at,
        direction,
        duration_ms,
        exchange,
    } = logged;
    let ocpi_status = exchange
        .response
        .body
        .as_deref()
        .and_then(|body| serde_json::from_str::<serde_json::Value>(body).ok())
        .and_then(|body| u16::try_from(body.get("status_code")?.as_u64()?).ok());
    Exchange {
        at,
        direction: direction_name(direction),
        method: exchange.method,
        path: exchange.url,
        status: exchange.status,
        ocpi_status,
        duration_ms: u64::try_from(duration_ms).unwrap_or(0),
        request: exchange.request.body,
        response: exchange.response.body,
    }
}

impl Partners for PartnerDesk {
    fn traffic(&self) -> Vec<PartnerTraffic> {
        let all = self.edge.traffic().into_iter();
        let each = all.flat_map(|(partner, traffic)| {
            traffic.into_iter().map(move |(key, seen)| {
                let (module, direction, status) = key;
                PartnerTraffic {
                    partner: partner.clone(),
                    module,
                    direction: direction_name(direction),
                    status,
                    count: seen.count,
                    duration_ms: seen.duration_ms,
                }
            })
        });
        each.collect()
    }

    fn register(&self, _tenant: &TenantId, wish: Registration) -> PortFuture<'_, Vec<CheckRow>> {
        let busy = self.activity.begin();
        Box::pin(async move {
            let Registration {
                name,
                versions_url,
                token_a,
            } = wish;
            let found = self
                .edge
                .register(&name, &versions_url, token_a.reveal())
                .await;
            drop(busy);
            found.map(rows).map_err(port_error)
        })
    }

    fn invite(&self, _tenant: &TenantId, name: PartnerId) -> PortFuture<'_, Invitation> {
        Box::pin(async move {
            let invitation = self.edge.invite(&name).await.map_err(port_error)?;
            Ok(Invitation {
                versions_url: invitation.versions_url,
                token_a: invitation.token_a.reveal().to_owned(),
                valid_until: invitation.valid_until,
            })
        })
    }

    fn list(&self, _tenant: &TenantId) -> PortFuture<'_, Vec<PartnerView>> {
        let partners = self.edge.list().into_iter().map(view).collect();
        Box::pin(std::future::ready(Ok(partners)))
    }

    fn show(&self, partner: &PartnerKey) -> PortFuture<'_, PartnerView> {
        Box::pin(std::future::ready(self.known(partner).map(view)))
    }

    fn exchanges(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<Exchange>> {
        let found = self.edge.exchanges(&partner.partner).map_err(port_error);
        let found = found.map(|all| all.into_iter().map(exchange).collect());
        Box::pin(std::future::ready(found))
    }

    fn change(&self, partner: &PartnerKey, change: PartnerChange) -> PortFuture<'_, ()> {
        let name = partner.partner.clone();
        Box::pin(async move {
            self.edge.show(&name).map_err(port_error)?;
            if let Some(trust) = change.trust_sync_accept {
                let set = self.edge.trust_sync_accept(&name, trust).await;
                set.map_err(port_error)?;
            }
            if let Some(agreed) = change.site_limits {
                let set = self.edge.agree_on_site_limits(&name, agreed).await;
                set.map_err(port_error)?;
            }
            if let Some(units) = change.profile_units {
                let set = self.edge.steer_in(&name, units).await;
                set.map_err(port_error)?;
            }
            Ok(())
        })
    }

    fn offered(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<OfferedEvse>> {
        let name = partner.partner.clone();
        Box::pin(async move {
            let found = self.edge.offered_evses(&name).await.map_err(port_error)?;
            Ok(found.into_iter().map(offered).collect())
        })
    }

    fn test(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>> {
        let name = partner.partner.clone();
        Box::pin(async move { self.edge.test(&name).await.map(rows).map_err(port_error) })
    }

    fn rotate(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>> {
        let name = partner.partner.clone();
        Box::pin(async move { self.edge.rotate(&name).await.map(rows).map_err(port_error) })
    }

    fn remove(&self, partner: &PartnerKey) -> PortFuture<'_, ()> {
        let name = partner.partner.clone();
        let sites = self.registry.sites_of(partner);
        Box::pin(async move {
            self.edge.show(&name).map_err(port_error)?;
            if !sites.is_empty() {
                // Without its tokens nobody could take our profiles back, nor hear of its cars.
                let sites: Vec<_> = sites.iter().map(|key| key.site.as_str()).collect();
                return Err(PortError::Refused(format!(
                    "EVSEs of sites are reached through {name}: give these sites up, or take its \
                     EVSEs out of them, first: {}",
                    sites.join(", ")
                )));
            }
            self.edge
                .remove(&name)
                .await
                .map(|_| ())
                .map_err(port_error)
        })
    }
}

/// Which addresses webhooks may have: the rules for partners' addresses.
#[derive(Debug)]
pub struct Entrance(Guard);

impl Entrance {
    /// The rules that partners' addresses must keep.
    pub fn new(guard: Guard) -> Self {
        Self(guard)
    }
}

impl Doors for Entrance {
    fn check(&self, url: &str) -> Result<(), String> {
        let checked = self.0.check(url);
        checked.map(|_| ()).map_err(|refused| refused.to_string())
    }
}

/// How the parts of the service are.
#[derive(Debug)]
pub struct Vitals {
    registry: Registry,
    edge: Edge,
    stations: ocpp::Edge,
    failing: Arc<super::sites::StoreHealth>,
    store: Arc<dyn Store>,
    snapshots: Arc<SnapshotHealth>,
}

impl Vitals {
    /// The parts of this service.
    pub fn new(
        registry: Registry,
        edge: Edge,
        stations: ocpp::Edge,
        store: Arc<dyn Store>,
        snapshots: Arc<SnapshotHealth>,
    ) -> Self {
        let failing = registry.store_health();
        Self {
            registry,
            edge,
            stations,
            failing,
            store,
            snapshots,
        }
    }

    /// What the store takes now, then what it took last.
    fn store_error(&self) -> Option<String> {
        let now = self.store.accepts_writes().err().map(|it| it.to_string());
        now.or_else(|| self.failing.last_error())
    }
}

impl Health for Vitals {
    fn parts(&self, now: Time) -> Vec<PartHealth> {
        let part = |name: &str, status, age_s, detail| PartHealth {
            name: name.into(),
            status,
            age_s,
            detail,
        };
        let store = match self.store_error() {
            None => part("store", PartStatus::Ok, None, None),
            Some(error) => part("store", PartStatus::Failed, None, Some(error)),
        };
        let snapshots: Vec<Snapshot> = self
            .registry
            .keys()
            .iter()
            .filter_map(|key| self.registry.snapshot(key))
            .collect();
        let running = |state: &&Snapshot| state.evses.values().any(|evse| !evse.is_free());
        let oldest = snapshots
            .iter()
            .filter(running)
            .map(|state| {
                state
                    .plan
                    .as_ref()
                    .map_or(now - state.updated_at, |p| now - p.made_at)
            })
            .max();
        let age_s = oldest
            .and_then(|age| age.to_std().ok())
            .map(|age| age.as_secs_f64());
        let planner_status = if age_s.is_some_and(|age| age > 3600.0) {
            PartStatus::Degraded
        } else {
            PartStatus::Ok
        };
        let sites = format!("{} sites", snapshots.len());
        let partners = self.edge.list();
        let failing: Vec<String> = partners
            .iter()
            .filter(|partner| partner.health.failures_in_row > 0)
            .map(|partner| partner.name.to_string())
            .collect();
        let ocpi = if failing.is_empty() {
            part(
                "ocpi",
                PartStatus::Ok,
                None,
                Some(format!("{} partners", partners.len())),
            )
        } else {
            let detail = format!("no answer from {}", failing.join(", "));
            part("ocpi", PartStatus::Degraded, None, Some(detail))
        };
        let snapshots = match self.snapshots.last() {
            (None, None) => None,
            (at, None) => Some((PartStatus::Ok, at, None)),
            (at, Some(error)) => Some((PartStatus::Degraded, at, Some(error))),
        };
        let snapshots = snapshots.map(|(status, at, error)| {
            let age = at.and_then(|at| (now - at).to_std().ok());
            part("snapshots", status, age.map(|age| age.as_secs_f64()), error)
        });
        // A charger that is offline is its own trouble, not the service's.
        let (stations, connected) = self.stations.counts();
        let ocpp = format!("{connected} of {stations} stations connected");
        let mut parts = vec![
            store,
            part("planner", planner_status, age_s, Some(sites)),
            ocpi,
            part("ocpp", PartStatus::Ok, None, Some(ocpp)),
        ];
        parts.extend(snapshots);
        parts
    }
}
