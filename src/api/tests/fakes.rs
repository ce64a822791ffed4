//! A service in memory behind the API, and a client that speaks to it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use actix_web::http::{Method, StatusCode};
use actix_web::{App, test, web};
use serde_json::{Value, json};

use crate::api::audit::AuditLog;
use crate::api::auth::{AdminToken, Grant, Scope, TokenBook};
use crate::api::chronicle::Chronicle;
use crate::api::dispatches::DispatchBook;
use crate::api::feeds::FeedBook;
use crate::api::groups::GroupBook;
use crate::api::keys::Keyring;
use crate::api::metrics::Metrics;
use crate::api::oscp::OscpBook;
use crate::api::ports::{
    BackupPieces, Backups, CheckRow, Configured, Doors, Exchange, Health, IdToken, Invitation,
    OfferedEvse, PartHealth, PartStatus, PartnerChange, PartnerTraffic, PartnerView, Partners,
    Registration, SecretText, SiteDirectory, StationCall, StationRotation, StationSetup,
    StationWelcome, Stations,
};
use crate::api::webhooks::WebhookBook;
use crate::api::{ApiParts, ApiState, Rates, configure};
use crate::domain::event::{Event, EventKind, PartnerHealth};
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerId, PartnerKey, SiteId, SiteKey, StationId, TenantId};
use crate::domain::policy::Policy;
use crate::domain::ports::{Clock, PortError, PortFuture, RecordWrite, Records, Sites, Vault};
use crate::domain::site::{Mode, Site};
use crate::domain::time::Time;
use crate::state::{SiteState, Snapshot};

/// The instant at which the tests begin.
pub(in crate::api) fn now() -> Time {
    "2026-11-22T16:00:00Z".parse().expect("valid")
}

pub(in crate::api) fn kw(value: f64) -> crate::domain::quantity::Power {
    crate::domain::quantity::Power::from_kilowatts(value)
}

/// The body of a depot: 60 kW, two EVSEs of 11.04 kW at the partner `acme`.
pub(in crate::api) fn depot() -> Value {
    let evse = |number: u32| {
        json!({
            "id": format!("e{number}"), "circuit": "site", "max_kw": 11.04,
            "phases": ["L1", "L2", "L3"],
            "source": {"ocpi": {
                "partner": "acme", "location_id": "LOC1", "evse_uid": format!("uid{number}"),
            }},
        })
    };
    json!({
        "name": "Depot", "time_zone": "Europe/Amsterdam", "currency": "EUR",
        "circuits": [{"id": "site", "import_limit_kw": 60.0}],
        "evses": [evse(1), evse(2)],
        "arrival_reserve": "none",
    })
}

#[derive(Debug)]
struct SetClock(Mutex<Time>);

impl Clock for SetClock {
    fn now(&self) -> Time {
        *self.0.lock().expect("not poisoned")
    }

    fn sleep_until(&self, _at: Time) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// Sites, partners and health in memory.
pub(in crate::api) struct World {
    states: Mutex<BTreeMap<SiteKey, Snapshot>>,
    at: Mutex<Option<Time>>,
    /// What the next call of a port answers instead of doing its work.
    pub(in crate::api) refuse: Mutex<Option<PortError>>,
    /// Events taken in, over all sites.
    pub(in crate::api) events: Mutex<Vec<EventKind>>,
    pub(in crate::api) registered: Mutex<Vec<Registration>>,
    /// The rows that the next handshake gives.
    pub(in crate::api) rows: Mutex<Vec<CheckRow>>,
    pub(in crate::api) parts: Mutex<Vec<PartHealth>>,
    /// What the partner's locations describe.
    pub(in crate::api) offered: Mutex<Vec<OfferedEvse>>,
    pub(in crate::api) chronicle: Arc<Chronicle>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            states: Mutex::default(),
            at: Mutex::default(),
            refuse: Mutex::default(),
            events: Mutex::default(),
            registered: Mutex::default(),
            rows: Mutex::default(),
            parts: Mutex::default(),
            offered: Mutex::default(),
            chronicle: Arc::new(Chronicle::new(Policy::default())),
        }
    }
}

impl World {
    fn refused(&self) -> Option<PortError> {
        self.refuse.lock().expect("not poisoned").take()
    }

    fn answer<T: Send + 'static>(&self, value: T) -> PortFuture<'static, T> {
        let answer = self.refused().map_or(Ok(value), Err);
        Box::pin(std::future::ready(answer))
    }

    fn clock(&self) -> Time {
        self.at.lock().expect("not poisoned").unwrap_or_else(now)
    }

    fn apply(&self, key: &SiteKey, kinds: Vec<EventKind>) -> Result<(), PortError> {
        if let Some(error) = self.refused() {
            return Err(error);
        }
        let mut states = self.states.lock().expect("not poisoned");
        let Some(state) = states.get_mut(key) else {
            return Err(PortError::Unknown(key.to_string()));
        };
        for kind in kinds {
            self.events.lock().expect("not poisoned").push(kind.clone());
            let next = Arc::make_mut(state);
            let event = Event {
                seq: next.last_seq + 1,
                at: self.clock(),
                kind,
            };
            next.apply(&event);
            self.chronicle.hear(key, &[event], next, self.clock());
            self.chronicle.tell(key);
        }
        Ok(())
    }
}

impl Sites for World {
    fn submit(
        &self,
        site: &SiteKey,
        events: Vec<EventKind>,
        _records: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()> {
        Box::pin(std::future::ready(self.apply(site, events)))
    }

    fn evse_at(&self, _tenant: &TenantId, _source: &EvseSource) -> Option<(SiteKey, EvseId)> {
        None
    }

    fn sites_of(&self, _partner: &PartnerKey) -> Vec<SiteKey> {
        Vec::new()
    }
}

impl SiteDirectory for World {
    fn snapshot(&self, site: &SiteKey) -> Option<Snapshot> {
        self.states.lock().expect("not poisoned").get(site).cloned()
    }

    fn list(&self, tenant: &TenantId) -> Vec<SiteKey> {
        self.all()
            .into_iter()
            .filter(|key| key.tenant == *tenant)
            .collect()
    }

    fn all(&self) -> Vec<SiteKey> {
        self.states
            .lock()
            .expect("not poisoned")
            .keys()
            .cloned()
            .collect()
    }

    fn configure(&self, site: Site) -> PortFuture<'_, Configured> {
        let key = site.key();
        let mut states = self.states.lock().expect("not poisoned");
        if states.contains_key(&key) {
            drop(states);
            let event = EventKind::SiteConfigured {
                site: Box::new(site),
            };
            let applied = self.apply(&key, vec![event]);
            return Box::pin(std::future::ready(applied.map(|()| Configured::Replaced)));
        }
        states.insert(key, Arc::new(SiteState::new(site, self.clock())));
        self.answer(Configured::Created)
    }

    fn remove(&self, site: &SiteKey) -> PortFuture<'_, ()> {
        self.states.lock().expect("not poisoned").remove(site);
        self.answer(())
    }
}

fn view(name: &PartnerId, status: &str) -> PartnerView {
    PartnerView {
        name: name.clone(),
        status: status.to_owned(),
        versions_url: Some("https://csms.example/ocpi/versions".to_owned()),
        version: Some("2.2.1".to_owned()),
        parties: vec!["NL*ACM (CPO)".to_owned()],
        modules: vec!["sessions".to_owned()],
        health: "current".to_owned(),
        last_seen_at: Some(now()),
        registered_at: Some(now()),
        trust_sync_accept: false,
        profile_units: Vec::new(),
        site_limits: false,
        token_encoding: "base64",
        invited_until: None,
        last_full_pull_at: None,
        is_pull_only: false,
        clock_skew_s: None,
        last_error: None,
        last_error_at: None,
        checks: Vec::new(),
        deviations: Vec::new(),
    }
}

impl Partners for World {
    fn traffic(&self) -> Vec<PartnerTraffic> {
        vec![PartnerTraffic {
            partner: PartnerId::new("acme").expect("valid"),
            module: "sessions",
            direction: "received",
            status: 200,
            count: 1,
            duration_ms: 250,
        }]
    }

    fn register(&self, _tenant: &TenantId, wish: Registration) -> PortFuture<'_, Vec<CheckRow>> {
        self.registered.lock().expect("not poisoned").push(wish);
        self.answer(self.rows.lock().expect("not poisoned").clone())
    }

    fn invite(&self, _tenant: &TenantId, name: PartnerId) -> PortFuture<'_, Invitation> {
        self.answer(Invitation {
            versions_url: "https://evenload.example/ocpi/versions".to_owned(),
            token_a: format!("token-for-{name}"),
            valid_until: now(),
        })
    }

    fn list(&self, _tenant: &TenantId) -> PortFuture<'_, Vec<PartnerView>> {
        self.answer(vec![view(
            &PartnerId::new("acme").expect("valid"),
            "registered",
        )])
    }

    /// `acme` is registered, nobody else is known.
    fn show(&self, partner: &PartnerKey) -> PortFuture<'_, PartnerView> {
        let found = match partner.partner.as_str() {
            "acme" => Ok(view(&partner.partner, "registered")),
            _ => Err(PortError::Unknown(format!("partner {}", partner.partner))),
        };
        Box::pin(std::future::ready(found))
    }

    fn exchanges(&self, _partner: &PartnerKey) -> PortFuture<'_, Vec<Exchange>> {
        self.answer(vec![Exchange {
            at: now(),
            direction: "sent",
            method: "GET".to_owned(),
            path: "/ocpi/versions".to_owned(),
            status: Some(200),
            ocpi_status: Some(1000),
            duration_ms: 12,
            request: None,
            response: None,
        }])
    }

    fn change(&self, _partner: &PartnerKey, _change: PartnerChange) -> PortFuture<'_, ()> {
        self.answer(())
    }

    fn offered(&self, _partner: &PartnerKey) -> PortFuture<'_, Vec<OfferedEvse>> {
        self.answer(self.offered.lock().expect("not poisoned").clone())
    }

    fn test(&self, _partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>> {
        self.answer(self.rows.lock().expect("not poisoned").clone())
    }

    fn rotate(&self, _partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>> {
        self.answer(self.rows.lock().expect("not poisoned").clone())
    }

    fn remove(&self, _partner: &PartnerKey) -> PortFuture<'_, ()> {
        self.answer(())
    }
}

impl Health for World {
    fn parts(&self, _now: Time) -> Vec<PartHealth> {
        self.parts.lock().expect("not poisoned").clone()
    }
}

/// Nothing is kept, so nothing is backed up.
struct NoBackups;

impl Backups for NoBackups {
    fn begin(&self) -> PortFuture<'_, BackupPieces> {
        let busy = PortError::Overloaded("another backup".into());
        Box::pin(std::future::ready(Err(busy)))
    }
}

/// Records in memory.
#[derive(Default)]
pub(in crate::api) struct Shelf(Mutex<BTreeMap<String, Vec<u8>>>);

impl Records for Shelf {
    fn get(&self, key: &str) -> PortFuture<'_, Option<Vec<u8>>> {
        let found = self.0.lock().expect("not poisoned").get(key).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn scan(&self, prefix: &str, limit: usize) -> PortFuture<'_, Vec<(String, Vec<u8>)>> {
        let all = self.0.lock().expect("not poisoned");
        let found = all
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn write(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        let mut all = self.0.lock().expect("not poisoned");
        for RecordWrite { key, value } in writes {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(&key),
            };
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The result of what never waits.
fn at_once<T>(work: impl Future<Output = Result<T, PortError>>) -> Arc<T> {
    let done = futures_util::FutureExt::now_or_never(work).expect("it does not wait");
    Arc::new(done.expect("it succeeds"))
}

/// The administrator's token and some with less.
#[derive(Debug)]
struct Book(AdminToken);

impl TokenBook for Book {
    fn grant(&self, presented: &str, now: Time) -> Option<Grant> {
        let (scope, sites) = match presented {
            "reader" => (Scope::Read, None),
            "aggregator" => (Scope::SignalsWrite, None),
            "operator" => (Scope::Operate, None),
            "other-site" => (Scope::Operate, Some("elsewhere")),
            _ => return self.0.grant(presented, now),
        };
        Some(Grant {
            name: presented.to_owned(),
            tenant: TenantId::default_tenant(),
            scopes: BTreeSet::from([scope]),
            sites: sites.map(|site| BTreeSet::from([SiteId::new(site).expect("valid")])),
            signals: None,
        })
    }
}

/// An answer as the client got it.
#[derive(Clone, Debug)]
pub(in crate::api) struct Reply {
    pub(in crate::api) status: StatusCode,
    pub(in crate::api) headers: BTreeMap<String, String>,
    pub(in crate::api) text: String,
}

impl Reply {
    pub(in crate::api) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The pointers of all faults, in order.
    pub(in crate::api) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|fault| fault["pointer"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    pub(in crate::api) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    pub(in crate::api) fn warnings(&self) -> String {
        self.json()["warnings"].to_string()
    }
}

/// Seals nothing.
#[derive(Debug)]
struct GlassVault;

impl Vault for GlassVault {
    fn seal(&self, _context: &str, secret: &[u8]) -> Vec<u8> {
        secret.to_vec()
    }

    fn unseal(&self, _context: &str, sealed: &[u8]) -> Result<Vec<u8>, PortError> {
        Ok(sealed.to_vec())
    }
}

struct HttpsOnly;

impl Doors for HttpsOnly {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.starts_with("https://") {
            Ok(())
        } else {
            Err("is not an address of https".to_owned())
        }
    }
}

/// No station of our own.
struct NoStations;

fn no_station<T: Send + 'static>(id: &StationId) -> PortFuture<'static, T> {
    let unknown = PortError::Unknown(format!("station {id}"));
    Box::pin(std::future::ready(Err(unknown)))
}

impl Stations for NoStations {
    fn uploads(&self, _: &TenantId, _: &StationId) -> PortFuture<'_, Vec<Value>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn upload(&self, _: &TenantId, _: &StationId, name: String) -> PortFuture<'_, web::Bytes> {
        Box::pin(std::future::ready(Err(PortError::Unknown(name))))
    }

    fn list(&self, _: &TenantId) -> PortFuture<'_, Vec<Value>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn waiting(&self, _: &TenantId) -> PortFuture<'_, Vec<Value>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn show(&self, _: &TenantId, id: &StationId) -> PortFuture<'_, Value> {
        no_station(id)
    }

    fn messages(&self, _: &TenantId, id: &StationId) -> PortFuture<'_, Vec<Value>> {
        no_station(id)
    }

    fn set_up(
        &self,
        _: &TenantId,
        id: StationId,
        _: StationSetup,
    ) -> PortFuture<'_, StationWelcome> {
        no_station(&id)
    }

    fn remove(&self, _: &TenantId, id: &StationId) -> PortFuture<'_, ()> {
        no_station(id)
    }

    fn rotate(
        &self,
        _: &TenantId,
        id: &StationId,
        _: Option<SecretText>,
    ) -> PortFuture<'_, StationRotation> {
        no_station(id)
    }

    fn id_tokens(&self, _: &TenantId) -> PortFuture<'_, Vec<IdToken>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn set_id_token(&self, _: &TenantId, _: IdToken) -> PortFuture<'_, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn remove_id_token(&self, _: &TenantId, _: String) -> PortFuture<'_, bool> {
        Box::pin(std::future::ready(Ok(false)))
    }

    fn call(
        &self,
        _: &TenantId,
        id: &StationId,
        _: String,
        _: Value,
    ) -> PortFuture<'_, StationCall> {
        no_station(id)
    }
}

/// A client with a token, and the service it speaks to.
pub(in crate::api) struct Client {
    pub(in crate::api) world: Arc<World>,
    pub(in crate::api) metrics: Arc<Metrics>,
    clock: Arc<SetClock>,
    state: web::Data<ApiState>,
    token: Option<String>,
}

impl Client {
    pub(in crate::api) fn new() -> Self {
        Self::with_rates(Rates::default())
    }

    pub(in crate::api) fn with_rates(rates: Rates) -> Self {
        let world = Arc::new(World::default());
        world.parts.lock().expect("not poisoned").push(PartHealth {
            name: "store".to_owned(),
            status: PartStatus::Ok,
            age_s: Some(0.5),
            detail: None,
        });
        let clock = Arc::new(SetClock(Mutex::new(now())));
        let metrics = Arc::new(Metrics::new("abc123"));
        let admin = Arc::new(Book(AdminToken::new("admin-token")));
        let records = Arc::new(Shelf::default());
        let keys = at_once(Keyring::open(records.clone(), admin));
        let audit = at_once(AuditLog::open(records.clone()));
        let dispatches = at_once(DispatchBook::open(records.clone()));
        let groups = at_once(GroupBook::open(records.clone()));
        let vault = Arc::new(GlassVault);
        let webhooks = at_once(WebhookBook::open(records.clone(), vault.clone()));
        let oscp = at_once(OscpBook::open(records.clone(), vault.clone()));
        let feeds = at_once(FeedBook::open(records, vault));
        let state = ApiState::new(ApiParts {
            clock: clock.clone(),
            sites: world.clone(),
            directory: world.clone(),
            partners: world.clone(),
            stations: Arc::new(NoStations),
            health: world.clone(),
            backups: Arc::new(NoBackups),
            keys,
            audit,
            chronicle: world.chronicle.clone(),
            dispatches,
            groups,
            webhooks,
            feeds,
            oscp,
            doors: Arc::new(HttpsOnly),
            metrics: metrics.clone(),
            policy: Policy::default(),
            rates,
        });
        Self {
            world,
            metrics,
            clock,
            state: web::Data::new(state),
            token: Some("admin-token".to_owned()),
        }
    }

    /// The same service, another token.
    pub(in crate::api) fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            world: self.world.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            state: self.state.clone(),
            token: token.map(str::to_owned),
        }
    }

    /// Moves the clock.
    pub(in crate::api) fn time_is(&self, at: Time) {
        *self.clock.0.lock().expect("not poisoned") = at;
        *self.world.at.lock().expect("not poisoned") = Some(at);
    }

    /// What is believed about the depot.
    pub(in crate::api) fn state(&self) -> Snapshot {
        SiteDirectory::snapshot(&*self.world, &depot_key()).expect("the depot is there")
    }

    /// Something happens at the depot.
    pub(in crate::api) fn happens(&self, kind: EventKind) {
        self.world
            .apply(&depot_key(), vec![kind])
            .expect("taken in");
    }

    pub(in crate::api) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    pub(in crate::api) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None).await
    }

    pub(in crate::api) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::PUT, path, body).await
    }

    pub(in crate::api) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::PATCH, path, body).await
    }

    pub(in crate::api) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::POST, path, body).await
    }

    pub(in crate::api) async fn json(&self, method: Method, path: &str, body: &Value) -> Reply {
        let kind = ("content-type", "application/json");
        self.send(method, path, &[kind], Some(body.to_string().into_bytes()))
            .await
    }

    /// Moves the sign-in link's code out of the service.
    pub(in crate::api) fn one_time_code(&self) -> String {
        self.state.keys.one_time_code(self.clock.now())
    }

    /// Watches a stream of events until its first message.
    pub(in crate::api) async fn first_news(&self, path: &str, seen: Option<&str>) -> String {
        let app = App::new().app_data(self.state.clone()).configure(configure);
        let service = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(path);
        if let Some(token) = &self.token {
            request = request.insert_header(("Authorization", format!("Bearer {token}")));
        }
        if let Some(seen) = seen {
            request = request.insert_header(("Last-Event-ID", seen));
        }
        let answer = test::call_service(&service, request.to_request()).await;
        let mut body = std::pin::pin!(answer.into_body());
        let first = std::future::poll_fn(|context| {
            actix_web::body::MessageBody::poll_next(body.as_mut(), context)
        });
        let bytes = first.await.expect("a message").expect("readable");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(in crate::api) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Reply {
        let app = App::new().app_data(self.state.clone()).configure(configure);
        let service = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(path).method(method);
        if let Some(token) = &self.token {
            request = request.insert_header(("Authorization", format!("Bearer {token}")));
        }
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        if let Some(body) = body {
            request = request.set_payload(body);
        }
        let answer = test::call_service(&service, request.to_request()).await;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let status = answer.status();
        let bytes = test::read_body(answer).await;
        Reply {
            status,
            headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

fn depot_key() -> SiteKey {
    SiteKey {
        tenant: TenantId::default_tenant(),
        site: SiteId::new("depot").expect("valid"),
    }
}

/// A client of a service with the depot: live, its partner current.
pub(in crate::api) async fn live_depot() -> Client {
    let client = Client::new();
    client
        .put("/api/v1/sites/depot", &depot())
        .await
        .expect(201);
    client.happens(EventKind::ModeSet {
        mode: Mode::Live,
        evses: BTreeSet::new(),
    });
    client.happens(EventKind::PartnerSeen {
        partner: PartnerId::new("acme").expect("valid"),
        health: PartnerHealth::Current,
    });
    client
}
