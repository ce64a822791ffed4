//! The smallest platform that steers charging: registers at a CPO, lists its running sessions, sets
//! each to 10 A, and prints what became of it.
//!
//! ```text
//! cargo run -p ocpi-client --example tiny_scsp -- VERSIONS_URL TOKEN_A
//! ```
//!
//! Of a real platform it lacks everything that makes one: it keeps nothing, knows no limits, and
//! listens on this machine only, so the CPO must run on it too.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

mod http;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Answer, Request, listen};
use ocpi_client::client::{Connection, Limits, default_http, parse};
use ocpi_client::headers::{Party, Routing};
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::registration::{
    Method, Modules, OurSide, Outgoing, Registered, Step, StepResult, Target,
};
use ocpi_client::response::read_callback;
use ocpi_client::token::{Token, TokenEncoding, candidates};
use ocpi_client::types::{
    BusinessDetails, ChargingProfile, ChargingProfilePeriod, ChargingProfileResult,
    ChargingRateUnit, CredentialsRole, Endpoint, InterfaceRole, ModuleId, Role, Session,
    SetChargingProfile, Tenths, Version, VersionDetails, VersionEntry,
};
use ocpi_client::{Client, Error};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long results may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is served: our versions, our one module, and a place for results.
struct Desk {
    base: String,
    /// The token that the CPO must show to us, once it is known.
    token_b: Mutex<Option<Token>>,
    results: Mutex<Vec<(String, String)>>,
}

impl Desk {
    fn answer(&self, request: &Request) -> Answer {
        let shown = request.header("authorization").unwrap_or_default();
        let known = self.token_b.lock().expect("not poisoned").clone();
        let is_known = |(token, _): (Token, TokenEncoding)| Some(token) == known;
        if !candidates(shown).into_iter().any(is_known) {
            return Answer::error(401, 2000);
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["versions"]) => Answer::data(&self.versions()),
            ("GET", [version]) => Answer::data(&self.details(Version::from_text(version))),
            ("POST", ["results", session]) => {
                let read = read_callback::<ChargingProfileResult>(&request.json());
                let told = match read {
                    Ok(read) => read.value.result.to_string(),
                    Err(why) => why.to_string(),
                };
                let mut results = self.results.lock().expect("not poisoned");
                results.push(((*session).to_owned(), told));
                Answer::done()
            }
            // Sessions that are pushed to us are welcome, but here they are listed.
            ("PUT" | "PATCH", ["sessions", ..]) => Answer::done(),
            _ => Answer::error(404, 2000),
        }
    }

    fn versions(&self) -> Vec<VersionEntry> {
        let entry = |version: Version| VersionEntry {
            url: format!("{}/{version}", self.base),
            version,
        };
        Version::SPOKEN.map(entry).to_vec()
    }

    fn details(&self, version: Version) -> VersionDetails {
        let endpoint = |identifier: ModuleId, role| Endpoint {
            url: format!("{}/{identifier}", self.base),
            identifier,
            role: Some(role),
        };
        VersionDetails {
            version,
            endpoints: vec![
                endpoint(ModuleId::Credentials, InterfaceRole::Sender),
                endpoint(ModuleId::Sessions, InterfaceRole::Receiver),
                endpoint(ModuleId::ChargingProfiles, InterfaceRole::Sender),
            ],
        }
    }

    fn side(&self) -> OurSide {
        OurSide {
            versions_url: format!("{}/versions", self.base),
            roles: vec![CredentialsRole {
                role: Role::Scsp,
                business_details: BusinessDetails::named("A tiny SCSP"),
                party_id: "TNY".into(),
                country_code: "NL".into(),
            }],
            hub_party_id: None,
            versions: Version::SPOKEN.to_vec(),
        }
    }
}

/// Registers with token A; the machine names each request, and `Connection` makes it.
async fn register(
    desk: &Desk,
    connection: &Connection,
    versions_url: String,
    token: Token,
) -> Result<Box<Registered>, Failure> {
    let module = |module, role| (module, role);
    let target = Target {
        versions_url,
        token,
        method: Method::Post,
        modules: Modules {
            required: vec![
                module(ModuleId::ChargingProfiles, InterfaceRole::Receiver),
                module(ModuleId::Sessions, InterfaceRole::Sender),
            ],
            wanted: Vec::new(),
        },
    };
    let mut registration = Outgoing::new(target, desk.side(), Token::generate());
    loop {
        let step = registration.step();
        let result = match &step {
            Step::Store(registered) => {
                // From now on the CPO may call us: it does so while our POST is still open.
                let token = registered.our_token.clone();
                *desk.token_b.lock().expect("not poisoned") = Some(token);
                StepResult::Stored(Ok(()))
            }
            Step::Finished { registered, .. } => return Ok(registered.clone()),
            Step::Failed(failure) => return Err(failure.clone().into()),
            _ => match connection.perform(&step).await {
                Some(performed) => performed.result,
                None => return Err("a step that nobody performs".into()),
            },
        };
        registration.feed(result);
    }
}

/// The address of a module of the CPO.
fn endpoint(
    cpo: &Registered,
    module: &ModuleId,
    role: &InterfaceRole,
) -> Result<url::Url, Failure> {
    let all = &cpo.details.endpoints;
    let found = all
        .iter()
        .find(|one| one.identifier == *module && one.role.as_ref() == Some(role));
    let found = found.ok_or_else(|| format!("the CPO has no {module}"))?;
    Ok(parse("find an endpoint", &found.url)?)
}

async fn running_sessions(client: &Client, endpoint: &url::Url) -> Result<Vec<Session>, Error> {
    let since = PageQuery::since("2020-01-01T00:00:00Z".parse().expect("a time"));
    let mut crawl = client.sessions(endpoint, &since, PageLimits::default());
    let mut running = Vec::new();
    while let Some(page) = crawl.next_page().await {
        for deviation in &page.deviations {
            println!("  {deviation}");
        }
        let sessions = page.into_result()?.items.into_iter();
        running.extend(sessions.filter(|session| session.status.as_str() == "ACTIVE"));
    }
    Ok(running)
}

/// 10 A per phase from now on.
fn ten_amperes(response_url: String) -> SetChargingProfile {
    SetChargingProfile {
        charging_profile: ChargingProfile {
            // Absent: from the start of charging. One that reads a clock names the second.
            start_date_time: None,
            duration: None,
            charging_rate_unit: ChargingRateUnit::Amperes,
            min_charging_rate: None,
            charging_profile_period: vec![ChargingProfilePeriod {
                start_period: 0,
                limit: Tenths::from_tenths(100),
            }],
        },
        response_url,
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(versions_url), Some(token_a)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tiny_scsp VERSIONS_URL TOKEN_A".into());
    };
    // Only https needs it; a second installation changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let desk = Arc::new(Desk {
        base: format!("http://{}", listener.local_addr()?),
        token_b: Mutex::default(),
        results: Mutex::default(),
    });
    let serving = desk.clone();
    tokio::spawn(listen(listener, move |request| serving.answer(request)));

    let connection = Connection {
        http: default_http("tiny-scsp/0.1")?,
        encoding: TokenEncoding::Base64,
        limits: Limits::default(),
    };
    let cpo = register(&desk, &connection, versions_url, Token::new(token_a)?).await?;
    println!("registered in version {}", cpo.version);

    let owner = cpo.roles.first().map(CredentialsRole::party);
    let routing = Routing {
        to: owner,
        from: Some(Party::new("NL", "TNY")),
    };
    let client = Client::new(
        connection.http,
        cpo.their_token.clone(),
        connection.encoding,
    );
    let client = client.with_routing(routing);
    let sessions = endpoint(&cpo, &ModuleId::Sessions, &InterfaceRole::Sender)?;
    let profiles = endpoint(&cpo, &ModuleId::ChargingProfiles, &InterfaceRole::Receiver)?;
    let running = running_sessions(&client, &sessions).await?;
    println!("{} sessions run", running.len());
    for session in &running {
        // One place per request, so that results cannot be confused; a real platform makes it unguessable.
        let profile = ten_amperes(format!("{}/results/{}", desk.base, session.id));
        let reply = client.put_charging_profile(&profiles, session.id.as_str(), &profile);
        match reply.await.into_result() {
            Ok(answer) => println!("  {}: {} at once", session.id, answer.result),
            Err(error) => println!(
                "  {}: {error} (at fault: {:?})",
                session.id,
                error.culprit()
            ),
        }
    }
    let all = async {
        while desk.results.lock().expect("not poisoned").len() < running.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // What has not come by then is unknown, neither done nor refused.
    let is_complete = tokio::time::timeout(PATIENCE, all).await.is_ok();
    for (session, told) in desk.results.lock().expect("not poisoned").iter() {
        println!("  {session}: {told} in the end");
    }
    println!("all results came: {is_complete}");
    Ok(())
}

impl Answer {
    fn data(data: &impl serde::Serialize) -> Self {
        let data = serde_json::to_value(data).unwrap_or_default();
        Self::envelope(200, json!({"data": data, "status_code": 1000}))
    }

    fn done() -> Self {
        Self::envelope(200, json!({"status_code": 1000}))
    }

    fn error(http: u16, code: u16) -> Self {
        Self::envelope(http, json!({"status_code": code}))
    }

    fn envelope(http: u16, mut body: Value) -> Self {
        // This crate reads no clock, and neither does the example.
        body["timestamp"] = json!("2026-01-01T00:00:00Z");
        Self { http, body }
    }
}
