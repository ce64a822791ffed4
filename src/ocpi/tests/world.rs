//! An edge with one registered partner, `cpo`, party NL-CPO, and one EVSE of the site `depot`.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use ocpi_client::token::Token;
use serde_json::{Value, json};

use super::fakes::{FakeClock, Memory, ports};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerId, SiteId, SiteKey, TenantId};
use crate::domain::session::Session;
use crate::domain::time::Time;
use crate::ocpi::partner::{AcceptedToken, Handshake, PartnerRecord, TokenScope};
use crate::ocpi::secret::TokenHash;
use crate::ocpi::{Edge, Settings, configure};

/// The token that the partner shows to us.
pub(super) const TOKEN_B: &str = "token-b-0123456789";
/// The token that we show to the partner.
pub(super) const TOKEN_C: &str = "token-c-0123456789";

/// An answer of ours.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) http: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// HTTP status and OCPI status code.
    pub(super) fn codes(&self) -> (u16, u64) {
        (self.http, self.body["status_code"].as_u64().unwrap_or(0))
    }
}

/// All of it.
pub(super) struct World {
    pub(super) edge: Edge,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: Arc<FakeClock>,
    settings: Settings,
}

pub(super) fn partner_id() -> PartnerId {
    PartnerId::new("cpo").unwrap()
}

pub(super) fn site() -> SiteKey {
    SiteKey {
        tenant: TenantId::default_tenant(),
        site: SiteId::new("depot").unwrap(),
    }
}

pub(super) fn source(evse_uid: &str) -> EvseSource {
    EvseSource::Ocpi {
        partner: partner_id(),
        location_id: "loc1".into(),
        evse_uid: evse_uid.to_ascii_lowercase(),
    }
}

impl World {
    /// An edge without partners, with the EVSEs E1 and E2 of location LOC1 at the site `depot`.
    pub(super) async fn empty() -> Self {
        let memory = Arc::new(Memory::default());
        for name in ["e1", "e2"] {
            let place = (site(), EvseId::new(name).unwrap());
            memory.places.lock().unwrap().insert(source(name), place);
        }
        let start = "2026-11-22T16:00:00Z".parse().unwrap();
        let clock = Arc::new(FakeClock(Mutex::new(start)));
        let mut settings = Settings::new("http://127.0.0.1:9");
        settings.allow_insecure = true;
        Self::with(memory, clock, settings).await
    }

    /// An edge on a real socket, without partners.
    pub(super) async fn served() -> Self {
        Self::served_with(|_| {}).await
    }

    /// The same with other settings.
    pub(super) async fn served_with(change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut world = Self::empty().await;
        change(&mut world.settings);
        let public_url = format!("http://{}", listener.local_addr().unwrap());
        world.settings.public_url = public_url;
        let world = world.restarted().await;
        let edge = world.edge.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(edge.clone()))
                .configure(configure)
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        actix_web::rt::spawn(server);
        world
    }

    /// The same after a restart: only what was kept is there.
    pub(super) async fn restarted(self) -> Self {
        Self::with(self.memory, self.clock, self.settings).await
    }

    async fn with(memory: Arc<Memory>, clock: Arc<FakeClock>, settings: Settings) -> Self {
        let tenant = TenantId::default_tenant();
        let edge = Edge::open(ports(&memory, &clock), settings.clone(), tenant)
            .await
            .unwrap();
        Self {
            edge,
            memory,
            clock,
            settings,
        }
    }

    /// With a registered partner.
    pub(super) async fn with_partner() -> Self {
        let world = Self::empty().await;
        world.enter(&partner_id(), "CPO", TOKEN_B).await;
        world
    }

    /// Enters a registered partner of one party in the Netherlands.
    pub(super) async fn enter(&self, name: &PartnerId, party: &str, token: &str) {
        let mut record = PartnerRecord::new(name.clone(), self.now());
        record.handshake = Handshake::Registered;
        record.versions_url = Some("http://127.0.0.1:9/versions".into());
        record.roles = serde_json::from_value(json!([{"role": "CPO", "party_id": party,
            "country_code": "NL", "business_details": {"name": "A CPO"}}]))
        .unwrap();
        record.accepted.push(AcceptedToken {
            hash: TokenHash::of(&Token::new(token).unwrap()),
            scope: TokenScope::Full,
            valid_until: None,
        });
        record.sends = Some(self.edge.seal(name, &Token::new(TOKEN_C).unwrap()));
        self.edge.enter(record).await.unwrap();
    }

    /// A request with the token that the platform shows now.
    pub(super) async fn asks_as_partner(
        &self,
        cpo: &super::cpo::Cpo,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answered {
        let token = shown(&cpo.with(|platform| platform.shows.clone().unwrap()));
        let headers = [("Authorization", token.as_str())];
        self.asks_as(method, path, &body.to_string(), &headers)
            .await
    }

    pub(super) fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    pub(super) fn now(&self) -> Time {
        *self.clock.0.lock().unwrap()
    }

    pub(super) fn goes_on(&self, by: TimeDelta) {
        *self.clock.0.lock().unwrap() += by;
    }

    /// A request with the partner's token.
    pub(super) async fn asks(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let text = body.map(Value::to_string).unwrap_or_default();
        self.asks_as(method, path, &text, &[("Authorization", &shown(TOKEN_B))])
            .await
    }

    pub(super) async fn asks_as(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answered {
        let body = body.as_bytes().to_vec();
        self.asks_with(method, path, body, headers).await
    }

    pub(super) async fn asks_with(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Answered {
        let app = init_service(
            App::new()
                .app_data(Data::new(self.edge.clone()))
                .configure(configure),
        )
        .await;
        let mut request = TestRequest::with_uri(path)
            .method(method.parse().unwrap())
            .set_payload(body);
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let response = call_service(&app, request.to_request()).await;
        let http = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = to_bytes(response.into_body()).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answered {
            http,
            headers,
            body,
        }
    }

    /// The sessions that sites were told of since the last time.
    pub(super) fn sessions_told(&self) -> Vec<Session> {
        let told = self.memory.take_told();
        told.into_iter()
            .filter_map(|(_, event)| match event {
                EventKind::SessionSeen { session } => Some(*session),
                _ => None,
            })
            .collect()
    }
}

/// The header for a token, as specified.
pub(super) fn shown(token: &str) -> String {
    format!("Token {}", STANDARD.encode(token))
}

/// A session S1 on E1, an hour old; `changes` replace fields.
pub(super) fn session(changes: &Value) -> Value {
    let mut body = json!({
        "country_code": "NL", "party_id": "CPO", "id": "S1",
        "start_date_time": "2026-11-22T15:00:00Z", "kwh": 2.5,
        "cdr_token": {"country_code": "NL", "party_id": "EMP", "uid": "CARD-1", "type": "RFID",
            "contract_id": "NL-EMP-C1"},
        "auth_method": "WHITELIST", "location_id": "LOC1", "evse_uid": "E1", "connector_id": "1",
        "currency": "EUR", "status": "ACTIVE", "last_updated": "2026-11-22T15:59:00Z",
    });
    body.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    body
}

/// Where the session S1 is put.
pub(super) const S1: &str = "/ocpi/2.2.1/sessions/NL/CPO/S1";
