//! A capacity provider of `OSCP` 2.0 to which a site is the flexibility provider: as it was set up, and
//! what it has said so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::{CircuitId, SiteKey};
use super::quantity::{Energy, Power};
use super::time::Time;

/// What begins the keys of the signals that a provider gives.
pub const OSCP_PREFIX: &str = "oscp:";

/// How the provider knows our requests from others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OscpAuth {
    /// `Authorization: Token ..`, the token being exchanged by `register`.
    Token,
    /// `Authorization: Bearer ..` of client credentials; nobody registers.
    OAuth {
        /// Where tokens are given.
        token_url: String,
        /// The client; its secret is sealed.
        client_id: String,
        /// The scope that is asked for.
        scope: Option<String>,
    },
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OscpStage {
    /// Nobody has registered yet.
    Invited,
    /// Both have each other's token; nobody has shaken hands.
    Registered,
    /// What it says holds.
    Online,
    /// It was not heard of in time, or told us so: its fallback holds until a new handshake.
    Offline,
    /// It has taken its registration back: as offline, and its token is not taken any more.
    Unregistered,
}

/// What a forecast is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OscpForecast {
    /// Highest import.
    Consumption,
    /// Highest export.
    Generation,
    /// Highest import while it is offline, or where it says nothing.
    FallbackConsumption,
    /// Highest export while it is offline, or where it says nothing.
    FallbackGeneration,
    /// What it would like best, within the others.
    Optimum,
}

/// A capacity for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OscpBlock {
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
    /// How much.
    pub capacity: Power,
}

/// A capacity provider of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OscpLink {
    /// Whose.
    pub site: SiteKey,
    /// Its name within the site.
    pub name: String,
    /// What it calls the group that the circuit is.
    pub group: String,
    /// The circuit; `None` = the root.
    pub circuit: Option<CircuitId>,
    /// How it knows us.
    pub auth: OscpAuth,
    /// Headers that are sent along.
    pub headers: Vec<(String, String)>,
    /// When it was set up.
    pub created_at: Time,
    /// SHA-256, in hexadecimal digits, of the tokens it may show; the last one is the newest.
    pub admits: Vec<String>,
    /// The token it gave us, or the client's secret, sealed.
    pub sealed: Option<Vec<u8>>,
    /// The token we gave it last, sealed, until it is known to have it.
    pub offered: Option<Vec<u8>>,
    /// The address that its paths are added to.
    pub base_url: Option<String>,
    /// How far it has come.
    pub stage: OscpStage,
    /// When it counts as offline, if nothing more is heard.
    pub offline_at: Option<Time>,
    /// It wants a heartbeat this often, in seconds.
    pub heartbeat_s: Option<u32>,
    /// It wants energies since the last report rather than a register.
    pub intermittent: bool,
    /// It wants measurements.
    pub wants_measurements: bool,
    /// When it was last heard.
    pub heard_at: Option<Time>,
    /// What it said, by what it is of.
    pub forecasts: BTreeMap<OscpForecast, Vec<OscpBlock>>,
    /// Energy that was reported so far: a register that only grows.
    pub reported: Energy,
    /// Up to when it was reported.
    pub reported_to: Option<Time>,
}

impl OscpLink {
    /// True while what it forecast holds: it has not gone, and was heard in time.
    pub fn holds(&self, now: Time) -> bool {
        let is_gone = matches!(self.stage, OscpStage::Offline | OscpStage::Unregistered);
        !is_gone && self.offline_at.is_none_or(|at| now < at)
    }
}
