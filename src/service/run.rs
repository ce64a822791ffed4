//! The service put together: store, vault, sites, partners, HTTP; started and stopped as one.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use chrono::TimeDelta;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::activity::Activity;
use super::backups::{BackupDesk, SnapshotHealth, Snapshots};
use super::bodies;
use super::clock::SystemClock;
use super::directory::{Directory, Entrance, PartnerDesk, Vitals};
use super::feed_watch::FeedWatch;
use super::group_watch::GroupWatch;
use super::key::key_of;
use super::limit_watch::LimitWatch;
use super::oscp;
use super::outlet::{OcpiSender, Outlets};
use super::restored;
use super::settler;
use super::sites::{Common, LoadError, Registry};
use super::station_desk::StationDesk;
use super::tls;
use super::tokens::{AdminToken, TokenError};
use super::vault::{self, KeyVault, VaultError};
use super::vtn::Sources;
use super::webhooks::Caller;
use crate::api::audit::AuditLog;
use crate::api::chronicle::Chronicle;
use crate::api::dispatches::DispatchBook;
use crate::api::feeds::FeedBook;
use crate::api::groups::GroupBook;
use crate::api::keys::Keyring;
use crate::api::oscp::OscpBook;
use crate::api::webhooks::WebhookBook;
use crate::api::{self, ApiParts, ApiState, Rates};
use crate::config::Config;
use crate::domain::id::TenantId;
use crate::domain::ports::{Clock, PortError, Ports, Sites, Vault};
use crate::ocpi::guard::Guard;
use crate::ocpi::{self, Edge, EdgeError, Settings};
use crate::ocpp;
use crate::store::journal::Journal;
use crate::store::records::StoreRecords;
use crate::store::sled_store::{SledOptions, SledStore};
use crate::store::{Store, StoreError};

/// How long a stop may take before connections are cut.
const STOP_BUDGET: Duration = Duration::from_secs(8);

/// How often history goes to the store.
const KEEP_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Threads that answer HTTP; planning has its own.
const HTTP_WORKERS: usize = 2;

/// Why the service did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port could not be opened.
    #[error("cannot listen on {address}: {source}; is another service there, or choose --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The folder for our own files could not be made.
    #[error("cannot make the folder for our own files: {0}")]
    Folder(io::Error),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that seals secrets could not be read.
    #[error(transparent)]
    Key(#[from] VaultError),
    /// The sites could not be restored.
    #[error(transparent)]
    Sites(#[from] LoadError),
    /// What a restored store believes could not be taken back.
    #[error(
        "the store was restored, but what it believes of chargers could not be taken back: {0}"
    )]
    Restored(#[from] PortError),
    /// The partners could not be restored.
    #[error(transparent)]
    Partners(#[from] EdgeError),
    /// The stations could not be restored.
    #[error(transparent)]
    Stations(#[from] ocpp::EdgeError),
    /// The admin token could not be restored.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Certificate or key are not usable.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

/// A running service.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its address as partners see it.
    pub public_url: String,
    /// The admin token, if it was made at this start: shown once.
    pub new_admin_token: Option<vault::Secret>,
    /// Work under way: for simulated clocks.
    pub activity: Activity,
    clock: Arc<dyn Clock>,
    keys: Arc<Keyring>,
    chronicle: Arc<Chronicle>,
    /// The stations of our own CSMS.
    pub stations: ocpp::Edge,
    /// Our side towards partners.
    pub partners: Edge,
    registry: Registry,
    store: Arc<dyn Store>,
    stop: watch::Sender<bool>,
    server: actix_web::dev::ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// The sites that run here.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// An address that opens the dashboard and signs in, once, as administrator. The code stands
    /// after the `#`, so it is in no log and no referrer.
    pub fn sign_in_link(&self) -> String {
        let code = self.keys.one_time_code(self.clock.now());
        format!("{}/#code={code}", self.public_url.trim_end_matches('/'))
    }

    /// True while nobody has an account.
    pub fn has_no_users(&self) -> bool {
        self.keys.has_no_users()
    }

    /// Stops: no new work, what is accepted is finished and flushed, connections are closed.
    pub async fn stop(self) {
        info!("stopping");
        // Nobody listening means everything has stopped already.
        let _ = self.stop.send(true);
        if let Err(error) = self.chronicle.keep(self.clock.now()).await {
            warn!(%error, "the last minutes of history are not kept");
        }
        self.chronicle.close();
        if tokio::time::timeout(STOP_BUDGET, self.server.stop(true))
            .await
            .is_err()
        {
            self.server.stop(false).await;
        }
        for task in self.tasks {
            task.abort();
        }
        if tokio::time::timeout(STOP_BUDGET, self.registry.join())
            .await
            .is_err()
        {
            warn!("a site did not stop in time");
        }
        if let Err(error) = self.store.close().await {
            warn!(%error, "the store did not close cleanly");
        }
        info!("stopped");
    }
}

/// Hands history to the store every minute. What could not be handed over is with the next.
async fn keep_history(
    chronicle: Arc<Chronicle>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    let mut is_failing = false;
    loop {
        let next = clock.now() + KEEP_EVERY;
        tokio::select! {
            _ = stop.changed() => return,
            () = clock.sleep_until(next) => {}
        }
        let kept = chronicle.keep(clock.now()).await;
        if let Err(error) = &kept
            && !is_failing
        {
            warn!(%error, "history cannot be kept");
        }
        is_failing = kept.is_err();
    }
}

/// What a service runs on; the simulator brings its own.
#[derive(Clone, Debug)]
pub struct Base {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The store.
    pub store: Arc<dyn Store>,
}

impl Base {
    /// The machine's clock and the store in the configured folder.
    pub fn of(config: &Config) -> Result<Self, StartError> {
        let min_free_bytes = u64::from(config.data.min_free_mib) * 1024 * 1024;
        let options = SledOptions {
            min_free_bytes,
            reserve_bytes: min_free_bytes / 8,
            ..SledOptions::default()
        };
        let store = SledStore::open(&config.data.dir, options)?;
        Ok(Self {
            clock: Arc::new(SystemClock),
            store: Arc::new(store),
        })
    }
}

/// Opens the port; nothing else is touched if it is taken.
pub fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.server.listen;
    TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
}

/// Starts the service on the configured port.
pub async fn start(config: Config, base: Base) -> Result<Running, StartError> {
    let listener = listen(&config)?;
    start_on(listener, config, base).await
}

/// Starts the service on an open port: everything is restored from the store, then requests are
/// answered.
pub async fn start_on(
    listener: TcpListener,
    config: Config,
    base: Base,
) -> Result<Running, StartError> {
    let address = config.server.listen;
    let failed = |source| StartError::Listen { address, source };
    let bound = listener.local_addr().map_err(failed)?;
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    let public_url = config.server.base_url(bound, tls.is_some());
    let Base { clock, store } = base;
    let tenant = TenantId::default_tenant();
    let (stop, stopped) = watch::channel(false);
    let activity = Activity::default();
    let metrics = Arc::new(api::metrics::Metrics::new(
        option_env!("EVENLOAD_COMMIT").unwrap_or("unknown"),
    ));
    let records = Arc::new(StoreRecords::new(store.clone()));
    let shelf = records.clone();
    let data = &config.data;
    let key = key_of(&data.dir, &*records, data.new_secret_key).await?;
    let tokens = AdminToken::load(&*records, config.api.admin_token.as_ref()).await?;
    let keys = Keyring::open(records.clone(), Arc::new(tokens.book)).await;
    let keys = Arc::new(keys.map_err(TokenError::from)?);
    let audit = AuditLog::open(records.clone()).await;
    let audit = Arc::new(audit.map_err(TokenError::from)?);
    let chronicle =
        Chronicle::new(config.planner.clone()).kept_in(records.clone(), data.history_days);
    let chronicle = Arc::new(chronicle);
    let dispatches = DispatchBook::open(records.clone()).await;
    let dispatches = Arc::new(dispatches.map_err(TokenError::from)?);
    let groups = GroupBook::open(records.clone()).await;
    let groups = Arc::new(groups.map_err(TokenError::from)?);
    let sealing: Arc<dyn Vault> = Arc::new(KeyVault::new(&key));
    let webhooks = WebhookBook::open(records.clone(), sealing.clone()).await;
    let webhooks = Arc::new(webhooks.map_err(TokenError::from)?);
    let feeds = FeedBook::open(records.clone(), sealing.clone()).await;
    let feeds = Arc::new(feeds.map_err(TokenError::from)?);
    let providers = OscpBook::open(records.clone(), sealing.clone()).await;
    let providers = Arc::new(providers.map_err(TokenError::from)?);

    let sender = Arc::new(OcpiSender::default());
    let outlets = Arc::new(Outlets::new(
        sender.clone(),
        clock.clone(),
        activity.clone(),
        metrics.clone(),
        stopped.clone(),
    ));
    let registry = Registry::new(Common {
        clock: clock.clone(),
        journal: Journal::new(store.clone()),
        outlet: outlets.clone(),
        policy: config.planner.clone(),
        activity: activity.clone(),
        metrics: metrics.clone(),
        chronicle: chronicle.clone(),
        stop: stopped.clone(),
    });
    let sites: Arc<dyn Sites> = Arc::new(registry.clone());
    outlets.answer_to(sites.clone());
    let ports = Ports {
        clock: clock.clone(),
        records,
        sites: sites.clone(),
        vault: sealing,
    };
    let guard = Guard::new(config.ocpi.allow_insecure, &config.ocpi.private_networks);
    let edge = Edge::open(
        ports.clone(),
        Settings::of(&config.ocpi, public_url.clone()),
        tenant.clone(),
    )
    .await?;
    sender.through(edge.clone());
    let stations =
        ocpp::Edge::open(ports, ocpp::Settings::of(&config), tenant, stopped.clone()).await?;
    outlets.to_stations(stations.clone());
    let restored = registry.load().await?;
    info!(sites = restored, "restored");
    restored::distrust(&registry, &*shelf).await?;

    let changed = Arc::new(tokio::sync::Notify::new());
    let snapshots = Arc::new(SnapshotHealth::default());
    let state = Data::new(ApiState::new(ApiParts {
        clock: clock.clone(),
        sites,
        directory: Arc::new(Directory::new(
            registry.clone(),
            edge.clone(),
            stations.clone(),
            changed.clone(),
        )),
        stations: Arc::new(StationDesk::new(stations.clone(), activity.clone())),
        partners: Arc::new(PartnerDesk::new(
            edge.clone(),
            registry.clone(),
            activity.clone(),
        )),
        health: Arc::new(Vitals::new(
            registry.clone(),
            edge.clone(),
            stations.clone(),
            store.clone(),
            snapshots.clone(),
        )),
        backups: Arc::new(BackupDesk::new(store.clone())),
        keys: keys.clone(),
        audit,
        chronicle: chronicle.clone(),
        dispatches: dispatches.clone(),
        groups: groups.clone(),
        webhooks: webhooks.clone(),
        feeds: feeds.clone(),
        oscp: providers.clone(),
        doors: Arc::new(Entrance::new(guard.clone())),
        metrics,
        policy: config.planner.clone(),
        rates: Rates::default(),
    }));
    let ocpi_edge = Data::new(edge.clone());
    let ocpp_edge = Data::new(stations.clone());
    let desk = oscp::Desk {
        registry: registry.clone(),
        book: providers,
        public_url: public_url.clone(),
    };
    let inbound = Data::new(oscp::Inbound {
        desk: desk.clone(),
        clock: clock.clone(),
        guard: guard.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(bodies::bounded))
            .app_data(state.clone())
            .app_data(ocpi_edge.clone())
            .app_data(ocpp_edge.clone())
            .app_data(inbound.clone())
            .configure(ocpi::configure)
            .configure(ocpp::configure)
            .configure(oscp::configure)
            .configure(api::configure)
    })
    .on_connect(ocpp::note_certificate)
    .workers(HTTP_WORKERS)
    // An answer to a station and a limit for it right after leave at once: small messages that wait
    // for each other's acknowledgement take up to 40 ms.
    .tcp_nodelay(true)
    .shutdown_timeout(5)
    .client_request_timeout(Duration::from_secs(10))
    .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls).map_err(failed)?,
        None => server.listen(listener).map_err(failed)?,
    }
    .run();
    let handle = server.handle();
    let serving = tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    let limits = LimitWatch::new(
        registry.clone(),
        edge.clone(),
        clock.clone(),
        changed.clone(),
    );
    let watching = tokio::spawn(limits.run(stopped.clone()));
    let settling = tokio::spawn(settler::run(
        dispatches,
        chronicle.clone(),
        clock.clone(),
        stopped.clone(),
    ));
    let sharing = GroupWatch {
        registry: registry.clone(),
        book: groups,
        clock: clock.clone(),
    };
    let sharing = tokio::spawn(sharing.run(stopped.clone()));
    let capacities = oscp::Outbound::new(
        desk,
        chronicle.clone(),
        clock.clone(),
        activity.clone(),
        guard.clone(),
    );
    let capacities = tokio::spawn(capacities.run(stopped.clone()));
    let telling = Caller::new(
        registry.clone(),
        webhooks,
        chronicle.clone(),
        clock.clone(),
        activity.clone(),
        guard,
    );
    let telling = tokio::spawn(telling.run(stopped.clone()));
    let sources = Sources {
        registry: registry.clone(),
        chronicle: chronicle.clone(),
        policy: config.planner.clone(),
    };
    let feeding = FeedWatch::new(sources, feeds, clock.clone(), activity.clone());
    let feeding = tokio::spawn(feeding.run(stopped.clone()));
    let partners = edge.clone();
    let pulling = tokio::spawn(async move { edge.run().await });
    let mut tasks = vec![
        serving, pulling, watching, settling, sharing, telling, feeding, capacities,
    ];
    if config.data.history_days > 0 {
        let kept = keep_history(chronicle.clone(), clock.clone(), stopped.clone());
        tasks.push(tokio::spawn(kept));
    }
    if let Some(making) = Snapshots::of(&config.data, store.clone(), clock.clone(), snapshots) {
        tasks.push(tokio::spawn(making.run(stopped.clone())));
    }
    info!(%public_url, listen = %bound, "ready");
    Ok(Running {
        address: bound,
        public_url,
        new_admin_token: tokens.made,
        activity,
        clock,
        keys,
        chronicle,
        stations,
        partners,
        registry,
        store,
        stop,
        server: handle,
        tasks,
    })
}
