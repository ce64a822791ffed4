//! A CPO whose OCPI is the crate `ocpi-kit`: types, validation, server and token headers are its
//! own. One location, two EVSEs, one car that draws what its profile allows. What it finds wrong
//! with what it is sent it prints as `VIOLATION ...`; what it does, as `DID ...`.
//!
//! usage: `ocpi-kit-cpo TOKEN_A [2.2.1|2.3.0]`; the first line printed is its versions URL.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ocpi_kit::server::{
    AuthenticatedPeer, ChargingProfilesReceiver, CredentialsHandler, Handled, InMemoryTokenStore,
    LocationsSender, OcpiRouter, RequestContext, SessionsSender,
};
use ocpi_kit::transport::{CredentialsToken, OcpiError, Page, PageQuery, TokenRole};
use ocpi_kit::types::{DateTime, PartyRef, Url, Validate};
use ocpi_kit::v2_3_0::charging_profiles::{
    ActiveChargingProfile, ChargingProfile, ChargingProfileResponse, SetChargingProfile,
};
use ocpi_kit::v2_3_0::credentials::Credentials;
use ocpi_kit::v2_3_0::locations::{Connector, Evse, Location};
use ocpi_kit::v2_3_0::sessions::{ChargingPreferences, ChargingPreferencesResponse, Session};
use ocpi_kit::VersionNumber;
use serde_json::{Value, json};

const SESSION: &str = "KIT-1";
/// What the car would take on three phases of 230 V, in A.
const CAR_A: f64 = 16.0;

#[derive(Default)]
struct State {
    /// The token we show, once registered.
    theirs: Option<String>,
    /// Their `sessions` RECEIVER and `chargingprofiles` SENDER.
    sessions: Option<String>,
    profiles: Option<String>,
    installed: Option<ChargingProfile>,
    kwh: f64,
    since: Option<DateTime>,
    announced: bool,
}

struct Cpo {
    base: String,
    version: VersionNumber,
    tokens: Arc<InMemoryTokenStore>,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Clone)]
struct Shared(Arc<Cpo>);

fn now() -> DateTime {
    DateTime::now()
}

fn text(at: DateTime) -> Value {
    serde_json::to_value(at).expect("a time is text")
}

fn checked(what: &str, object: &impl Validate) {
    if let Err(violations) = object.validate() {
        println!("VIOLATION {what}: {violations:?}");
    }
}

fn party() -> PartyRef {
    serde_json::from_value(json!({"country_code": "NL", "party_id": "KIT"})).expect("a party")
}

fn credentials(base: &str, token: &str) -> Credentials {
    let role = json!({"role": "CPO", "country_code": "NL", "party_id": "KIT",
        "business_details": {"name": "A CPO on ocpi-kit"}});
    let body = json!({"token": token, "url": format!("{base}/versions"), "roles": [role]});
    serde_json::from_value(body).expect("credentials")
}

fn location() -> Location {
    let evse = |uid: &str| {
        json!({"uid": uid, "status": "AVAILABLE", "capabilities": ["CHARGING_PROFILE_CAPABLE"],
            "connectors": [{"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
                "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16,
                "last_updated": "2026-01-01T00:00:00Z"}],
            "last_updated": "2026-01-01T00:00:00Z"})
    };
    let body = json!({"country_code": "NL", "party_id": "KIT", "id": "LOC1", "publish": true,
        "name": "Depot", "address": "Street 1", "city": "Town", "country": "NLD",
        "coordinates": {"latitude": "52.000000", "longitude": "5.000000"},
        "evses": [evse("E1"), evse("E2")], "time_zone": "Europe/Amsterdam",
        "last_updated": "2026-01-01T00:00:00Z"});
    serde_json::from_value(body).expect("a location")
}

impl Cpo {
    /// What the installed profile allows now, in A per phase.
    fn allowed(state: &State) -> f64 {
        let Some(profile) = &state.installed else { return CAR_A };
        let Some(start) = profile.start_date_time else { return CAR_A };
        let into = u64::try_from(now().unix_timestamp() - start.unix_timestamp()).unwrap_or(0);
        let period = profile.charging_profile_period.iter().rfind(|p| p.start_period <= into);
        let limit = period.map(|period| period.limit.to_string().parse::<f64>().expect("a number"));
        limit.unwrap_or(CAR_A).min(CAR_A)
    }

    fn session(&self, state: &State) -> Session {
        let power_kw = Self::allowed(state) * 230.0 * 3.0 / 1000.0;
        let since = state.since.unwrap_or_else(now);
        let body = json!({"country_code": "NL", "party_id": "KIT", "id": SESSION,
            "start_date_time": text(since), "kwh": (state.kwh * 10000.0).round() / 10000.0,
            "cdr_token": {"country_code": "NL", "party_id": "EMP", "uid": "CARD1", "type": "RFID",
                "contract_id": "NL-EMP-C1"},
            "auth_method": "WHITELIST", "location_id": "LOC1", "evse_uid": "E1",
            "connector_id": "1", "currency": "EUR", "status": "ACTIVE",
            "charging_periods": [{"start_date_time": text(since), "dimensions": [
                {"type": "ENERGY", "volume": (state.kwh * 10000.0).round() / 10000.0},
                {"type": "POWER", "volume": (power_kw * 1000.0).round() / 1000.0}]}],
            "last_updated": text(now())});
        serde_json::from_value(body).expect("a session")
    }

    async fn calls(&self, method: &str, url: &str, body: &Value) -> Option<(u16, Value)> {
        let token = self.state.lock().unwrap().theirs.clone()?;
        let token = CredentialsToken::new(token).ok()?;
        let id = format!("kit-{method}-{}", text(now()));
        let request = self
            .http
            .request(method.parse().expect("a method"), url)
            .header("Authorization", token.to_header_value())
            .header("X-Request-ID", id.trim_matches('"'))
            .header("X-Correlation-ID", id.trim_matches('"'))
            .header("OCPI-from-country-code", "NL")
            .header("OCPI-from-party-id", "KIT");
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or(Value::Null)))
    }

    /// Their versions and details, with the token they gave us, while their POST is open.
    async fn discovers(&self, versions_url: &str) -> Option<()> {
        let (_, versions) = self.calls("GET", versions_url, &Value::Null).await?;
        let wanted = self.version.to_string();
        let found = versions["data"].as_array()?.iter().find(|v| v["version"] == wanted.as_str())?;
        let (_, details) = self.calls("GET", found["url"].as_str()?, &Value::Null).await?;
        let read: ocpi_kit::v2_3_0::versions::VersionDetails =
            serde_json::from_value(details["data"].clone()).ok()?;
        checked("version details", &read);
        let endpoint = |module: &str, role: &str| {
            let all = details["data"]["endpoints"].as_array()?;
            let one = all.iter().find(|e| e["identifier"] == module && e["role"] == role)?;
            one["url"].as_str().map(str::to_owned)
        };
        let mut state = self.state.lock().unwrap();
        state.sessions = endpoint("sessions", "RECEIVER");
        state.profiles = endpoint("chargingprofiles", "SENDER");
        (state.sessions.is_some() && state.profiles.is_some()).then_some(())
    }

    /// A car comes once we are registered; every second it says what it draws.
    async fn lives(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (url, session, is_new) = {
                let mut state = self.state.lock().unwrap();
                let Some(url) = state.sessions.clone() else { continue };
                state.since.get_or_insert_with(now);
                state.kwh += Self::allowed(&state) * 230.0 * 3.0 / 1000.0 / 3600.0;
                let is_new = !std::mem::replace(&mut state.announced, true);
                (url, self.session(&state), is_new)
            };
            checked("our own session", &session);
            let url = format!("{}/NL/KIT/{SESSION}", url.trim_end_matches('/'));
            let body = serde_json::to_value(&session).expect("a session");
            let told = self.calls("PUT", &url, &body).await;
            let is_taken = told.as_ref().is_some_and(|(_, body)| body["status_code"] == 1000);
            if is_new || !is_taken {
                println!("DID put session: {told:?}");
            }
            if !is_taken {
                self.state.lock().unwrap().announced = false;
            }
        }
    }

    fn answers_later(self: &Arc<Self>, url: Url, result: Value, apply: Option<Option<ChargingProfile>>) {
        let cpo = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let is_set = matches!(apply, Some(Some(_)));
            if let Some(profile) = apply {
                cpo.state.lock().unwrap().installed = profile;
            }
            let told = cpo.calls("POST", url.as_str(), &result).await;
            println!("DID post {result}: {told:?}");
            if is_set {
                cpo.pushes_active().await;
            }
        });
    }

    fn active(&self) -> ActiveChargingProfile {
        let state = self.state.lock().unwrap();
        let limit = (Self::allowed(&state) * 10.0).round() / 10.0;
        let body = json!({"start_date_time": text(now()), "charging_profile": {
            "charging_rate_unit": "A", "duration": 900,
            "charging_profile_period": [{"start_period": 0, "limit": limit}]}});
        serde_json::from_value(body).expect("an active profile")
    }

    async fn pushes_active(&self) {
        let url = self.state.lock().unwrap().profiles.clone();
        let Some(url) = url else { return };
        let active = self.active();
        checked("our own active profile", &active);
        let url = format!("{}/{SESSION}", url.trim_end_matches('/'));
        let body = serde_json::to_value(&active).expect("an active profile");
        let told = self.calls("PUT", &url, &body).await;
        println!("DID put active profile: {told:?}");
    }

    fn reply(session_id: &str) -> ChargingProfileResponse {
        let result = if session_id == SESSION { "ACCEPTED" } else { "UNKNOWN_SESSION" };
        serde_json::from_value(json!({"result": result, "timeout": 30})).expect("a response")
    }
}

impl CredentialsHandler for Shared {
    async fn get(&self, _: RequestContext) -> Handled<Credentials> {
        Ok(credentials(&self.0.base, "not-shown-again"))
    }

    async fn post(&self, theirs: Credentials, context: RequestContext) -> Handled<Credentials> {
        if context.peer.role != TokenRole::A {
            return Err(OcpiError::MethodNotAllowed("registered already".to_owned()));
        }
        self.put(theirs, context).await
    }

    async fn put(&self, theirs: Credentials, _: RequestContext) -> Handled<Credentials> {
        checked("credentials", &theirs);
        self.0.state.lock().unwrap().theirs = Some(theirs.token.to_string());
        if self.0.discovers(theirs.url.as_str()).await.is_none() {
            println!("VIOLATION discovery: versions or modules are missing");
        }
        let fresh = CredentialsToken::generate();
        let parties = theirs.parties().collect();
        let peer = AuthenticatedPeer {
            peer_id: "scsp".to_owned(),
            role: TokenRole::C,
            parties,
            version: self.0.version.clone(),
        };
        println!("DID register");
        let answer = credentials(&self.0.base, fresh.expose_secret());
        self.0.tokens.insert(fresh, peer);
        Ok(answer)
    }

    async fn delete(&self, _: RequestContext) -> Handled<()> {
        self.0.state.lock().unwrap().theirs = None;
        println!("DID unregister");
        Ok(())
    }
}

impl LocationsSender for Shared {
    async fn list(&self, _: PageQuery, _: RequestContext) -> Handled<Page<Location>> {
        Ok(Page::single(vec![location()]))
    }

    async fn location(&self, _: String, _: RequestContext) -> Handled<Location> {
        Ok(location())
    }

    async fn evse(&self, _: String, uid: String, _: RequestContext) -> Handled<Evse> {
        let found = location().evse(&uid).cloned();
        found.ok_or_else(|| OcpiError::NotFound(uid))
    }

    async fn connector(&self, _: String, uid: String, id: String, _: RequestContext) -> Handled<Connector> {
        let found = location().evse(&uid).and_then(|evse| evse.connector(&id).cloned());
        found.ok_or_else(|| OcpiError::NotFound(id))
    }
}

impl SessionsSender for Shared {
    async fn list(&self, query: PageQuery, _: RequestContext) -> Handled<Page<Session>> {
        if query.date_from.is_none() {
            println!("VIOLATION GET sessions without date_from");
        }
        let state = self.0.state.lock().unwrap();
        let running = state.announced.then(|| self.0.session(&state));
        Ok(Page::single(running.into_iter().collect()))
    }

    async fn set_charging_preferences(
        &self,
        _: String,
        _: ChargingPreferences,
        _: RequestContext,
    ) -> Handled<ChargingPreferencesResponse> {
        println!("VIOLATION an SCSP sends no preferences");
        Err(OcpiError::NotFound("no preferences here".to_owned()))
    }
}

impl ChargingProfilesReceiver for Shared {
    async fn active_charging_profile(
        &self,
        session_id: String,
        duration_seconds: u64,
        response_url: Url,
        context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        addressed(&context);
        if duration_seconds == 0 {
            println!("VIOLATION GET chargingprofiles without duration");
        }
        let active = serde_json::to_value(self.0.active()).expect("an active profile");
        if session_id == SESSION {
            self.0.answers_later(response_url, json!({"result": "ACCEPTED", "profile": active}), None);
        }
        Ok(Cpo::reply(&session_id))
    }

    async fn set_charging_profile(
        &self,
        session_id: String,
        request: SetChargingProfile,
        context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        addressed(&context);
        checked("SetChargingProfile", &request);
        let profile = request.charging_profile;
        let body = serde_json::to_value(&profile).expect("a profile");
        println!("DID take profile of {session_id}: {body}");
        if session_id == SESSION {
            let result = json!({"result": "ACCEPTED"});
            self.0.answers_later(request.response_url, result, Some(Some(profile)));
        }
        Ok(Cpo::reply(&session_id))
    }

    async fn clear_charging_profile(
        &self,
        session_id: String,
        response_url: Url,
        context: RequestContext,
    ) -> Handled<ChargingProfileResponse> {
        addressed(&context);
        println!("DID clear profile of {session_id}");
        if session_id == SESSION {
            self.0.answers_later(response_url, json!({"result": "ACCEPTED"}), Some(None));
        }
        Ok(Cpo::reply(&session_id))
    }
}

/// Requests of a functional module carry routing headers to the party that owns the session.
fn addressed(context: &RequestContext) {
    if context.addressed_to() != Some(&party()) || context.from_party().is_none() {
        println!("VIOLATION routing: {:?}", context.routing);
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let token = arguments.next().expect("usage: ocpi-kit-cpo TOKEN_A [VERSION]");
    let version = match arguments.next().as_deref() {
        Some("2.2.1") => VersionNumber::V2_2_1,
        _ => VersionNumber::V2_3_0,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let tokens = Arc::new(InMemoryTokenStore::new());
    tokens.insert(
        CredentialsToken::new(token).expect("a token"),
        AuthenticatedPeer {
            peer_id: "invited".to_owned(),
            role: TokenRole::A,
            parties: Vec::new(),
            version: version.clone(),
        },
    );
    let cpo = Arc::new(Cpo {
        base: base.clone(),
        version: version.clone(),
        tokens: tokens.clone(),
        http: reqwest::Client::builder().no_proxy().build().expect("HTTP"),
        state: Mutex::default(),
    });
    let shared = || Shared(cpo.clone());
    let app = OcpiRouter::new(version, Url::new(base.clone()).expect("a URL"), tokens)
        .credentials(shared())
        .locations_sender(shared())
        .sessions_sender(shared())
        .charging_profiles_receiver(shared())
        .build();
    println!("{base}/versions");
    tokio::spawn(cpo.clone().lives());
    axum::serve(listener, app).await.expect("served");
}
