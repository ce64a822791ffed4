//! Registration from both ends. Source: OCPI versions and credentials.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use super::client::{Http, Reply, Routing};

/// The versions of the platform, the best first.
pub(super) const VERSIONS: [&str; 2] = ["2.3.0", "2.2.1"];

/// A row of a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandshakeRow {
    /// What was done.
    pub step: String,
    /// What came of it.
    pub detail: String,
}

/// Why a registration failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The peer's API cannot be used (OCPI 3001).
    #[error("{step}: {detail}")]
    Unusable {
        /// What was asked.
        step: String,
        /// What came back.
        detail: String,
    },
    /// No common version (OCPI 3002).
    #[error("the peer offers none of 2.2.1 and 2.3.0")]
    NoCommonVersion,
    /// A module that is needed is missing (OCPI 3003).
    #[error("the peer does not offer {0}")]
    MissingModule(&'static str),
}

impl HandshakeError {
    pub(super) fn status_code(&self) -> u16 {
        match self {
            Self::Unusable { .. } => 3001,
            Self::NoCommonVersion => 3002,
            Self::MissingModule(_) => 3003,
        }
    }
}

/// An endpoint of the peer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Endpoint {
    pub identifier: String,
    pub role: String,
    pub url: String,
}

/// A registered SCSP.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub version: String,
    /// What we send.
    pub their_token: String,
    /// What they send.
    pub our_token: String,
    pub endpoints: Vec<Endpoint>,
    pub country_code: String,
    pub party_id: String,
}

impl Peer {
    /// The address of a module, without a slash at its end.
    pub(super) fn endpoint(&self, identifier: &str, role: &str) -> Option<&str> {
        self.endpoints
            .iter()
            .find(|e| e.identifier == identifier && e.role == role)
            .map(|e| e.url.trim_end_matches('/'))
    }
}

#[derive(Deserialize)]
struct Version {
    version: String,
    url: String,
}

/// What the versions of a peer say.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub version: String,
    pub endpoints: Vec<Endpoint>,
    pub rows: Vec<HandshakeRow>,
}

/// Asks a peer for its versions and the details of `wanted`, or of the best common one.
pub(super) async fn discover(
    http: &Http,
    versions_url: &str,
    token: &str,
    wanted: Option<&str>,
) -> Result<Found, HandshakeError> {
    let versions: Vec<Version> = get(http, "GET versions", versions_url, token).await?;
    let names: Vec<_> = versions.iter().map(|v| v.version.as_str()).collect();
    let mut rows = vec![HandshakeRow {
        step: "GET versions".into(),
        detail: names.join(", "),
    }];
    let version = VERSIONS
        .iter()
        .filter(|version| wanted.is_none_or(|wanted| wanted == **version))
        .find_map(|version| versions.iter().find(|v| v.version == *version))
        .ok_or(HandshakeError::NoCommonVersion)?;
    let details: Value = get(http, "GET version details", &version.url, token).await?;
    let endpoints: Vec<Endpoint> = Deserialize::deserialize(&details["endpoints"])
        .map_err(|error| unusable("GET version details", error))?;
    let modules: Vec<_> = endpoints
        .iter()
        .map(|e| format!("{} {}", e.identifier, e.role))
        .collect();
    rows.push(HandshakeRow {
        step: format!("GET {} details", version.version),
        detail: modules.join(", "),
    });
    let found = Found {
        version: version.version.clone(),
        endpoints,
        rows,
    };
    for (module, role) in [("sessions", "RECEIVER"), ("chargingprofiles", "SENDER")] {
        let offered = |e: &Endpoint| e.identifier == module && e.role == role;
        if !found.endpoints.iter().any(offered) {
            return Err(HandshakeError::MissingModule(module));
        }
    }
    Ok(found)
}

/// POSTs our credentials; gives the peer's.
pub(super) async fn post_credentials(
    http: &Http,
    found: &Found,
    token: &str,
    credentials: &Value,
) -> Result<Value, HandshakeError> {
    let step = "POST credentials";
    let url = found
        .endpoints
        .iter()
        .find(|e| e.identifier == "credentials")
        .map(|e| e.url.as_str())
        .ok_or(HandshakeError::MissingModule("credentials"))?;
    let reply = http
        .call(
            Method::POST,
            url,
            token,
            &Routing::default(),
            Some(credentials),
        )
        .await
        .map_err(|error| unusable(step, error))?;
    taken(step, reply)
}

/// What credentials say about a peer: token, versions URL, country and party.
pub(super) fn read_credentials(body: &Value) -> Result<[String; 4], HandshakeError> {
    let text = |value: &Value, name: &str| {
        value[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| unusable("credentials", format!("{name} is missing")))
    };
    let role = &body["roles"][0];
    Ok([
        text(body, "token")?,
        text(body, "url")?,
        text(role, "country_code")?,
        text(role, "party_id")?,
    ])
}

/// Our credentials with a token for the peer.
pub(super) fn credentials(options: &super::CpoOptions, versions_url: &str, token: &str) -> Value {
    json!({
        "token": token,
        "url": versions_url,
        "roles": [{
            "role": "CPO",
            "business_details": { "name": options.name },
            "party_id": options.party_id,
            "country_code": options.country_code,
        }],
    })
}

async fn get<T: for<'de> Deserialize<'de>>(
    http: &Http,
    step: &str,
    url: &str,
    token: &str,
) -> Result<T, HandshakeError> {
    let reply = http
        .call(Method::GET, url, token, &Routing::default(), None)
        .await
        .map_err(|error| unusable(step, error))?;
    let data = taken(step, reply)?;
    serde_json::from_value(data).map_err(|error| unusable(step, error))
}

fn taken(step: &str, reply: Reply) -> Result<Value, HandshakeError> {
    if reply.is_success() {
        Ok(reply.data)
    } else {
        let Reply {
            http,
            status_code,
            message,
            ..
        } = reply;
        Err(unusable(
            step,
            format!("HTTP {http}, OCPI {status_code} {message}"),
        ))
    }
}

fn unusable(step: &str, detail: impl std::fmt::Display) -> HandshakeError {
    HandshakeError::Unusable {
        step: step.into(),
        detail: detail.to_string(),
    }
}
