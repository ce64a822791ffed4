//! What the API needs from the service beside [`crate::domain::ports`], as small traits.

mod stations;

use std::fmt;

use actix_web::web::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

pub use self::stations::{
    IdToken, StationAdmission, StationCall, StationRotation, StationSetup, StationWelcome, Stations,
};

use crate::domain::evse::{EvseSource, Supply};
use crate::domain::id::{PartnerId, PartnerKey, SiteKey, TenantId};
use crate::domain::ports::{PortError, PortFuture};
use crate::domain::quantity::Power;
use crate::domain::site::Site;
use crate::domain::time::Time;
use crate::domain::unit_choice::UnitChoice;
use crate::state::Snapshot;

/// Whether a site was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// It is new.
    Created,
    /// Its description was replaced.
    Replaced,
}

/// The sites.
pub trait SiteDirectory: Send + Sync {
    /// What is believed about a site now.
    fn snapshot(&self, site: &SiteKey) -> Option<Snapshot>;

    /// All sites of a tenant, sorted.
    fn list(&self, tenant: &TenantId) -> Vec<SiteKey>;

    /// All sites of all tenants, sorted: for metrics.
    fn all(&self) -> Vec<SiteKey>;

    /// Sets up a site or replaces its description; `PortError::Taken` if an EVSE of it is another
    /// site's. Durable and applied when it returns, so that
    /// [`SiteDirectory::snapshot`] shows it.
    fn configure(&self, site: Site) -> PortFuture<'_, Configured>;

    /// Forgets a site with everything known about it; `PortError::Refused` while profiles of ours
    /// may be installed there.
    fn remove(&self, site: &SiteKey) -> PortFuture<'_, ()>;
}

/// A secret that came in a request. It is wiped from memory when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A wish to register with a partner's platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Our name of it.
    pub name: PartnerId,
    /// Where its list of versions is.
    pub versions_url: String,
    /// The single-use token it gave us.
    pub token_a: SecretText,
}

/// One row of a check list: what was tried with a partner and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckRow {
    /// What was tried.
    pub name: String,
    /// False if the partner cannot be worked with until it is mended.
    pub ok: bool,
    /// The same with the stage in between.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to change, if something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The exchange in which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<Exchange>>,
}

/// How one thing that was tried went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, but something is missing or odd.
    Warning,
    /// Does not work.
    Failed,
}

/// A way in which a partner differs from OCPI's specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// Stable id, such as `datetime.offset`.
    pub id: String,
    /// How often it was seen.
    pub count: u64,
    /// Where it was seen last: JSON path, or the name of a header.
    pub path: String,
    /// The section of the specification that says how it should be.
    pub section: String,
    /// What was found there.
    pub detail: String,
    /// What the partner should change.
    pub advice: Option<String>,
    /// When it was seen first.
    pub first_seen_at: Time,
    /// When it was seen last.
    pub last_seen_at: Time,
}

/// What a partner needs to register with us.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// Our list of versions, as the partner sees it.
    pub versions_url: String,
    /// The single-use token, shown this once.
    pub token_a: String,
    /// Until when it can be used.
    pub valid_until: Time,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("versions_url", &self.versions_url)
            .finish_non_exhaustive()
    }
}

/// A partner as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartnerView {
    /// Our name of it.
    pub name: PartnerId,
    /// How far the handshake has come: `invited`, `registering`, `registered`, `unregistered`.
    pub status: String,
    /// Where its list of versions is.
    pub versions_url: Option<String>,
    /// The OCPI version both sides use.
    pub version: Option<String>,
    /// The parties on its platform, `CC*PID (ROLE)`.
    pub parties: Vec<String>,
    /// The modules it offers.
    pub modules: Vec<String>,
    /// `current`, or `stale`: it does not answer and nothing is raised there.
    pub health: String,
    /// When it was heard of last.
    pub last_seen_at: Option<Time>,
    /// When the handshake was completed last.
    pub registered_at: Option<Time>,
    /// Its immediate `ACCEPTED` counts as applied (outside of what is guaranteed).
    pub trust_sync_accept: bool,
    /// It may tell limits through our module `sitelimits`.
    pub site_limits: bool,
    /// In which unit it takes limits, where that is not the usual one.
    pub profile_units: Vec<UnitChoice>,
    /// How its tokens are written in headers: `base64` as specified, or `raw`.
    pub token_encoding: &'static str,
    /// Until when an invitation can be used.
    pub invited_until: Option<Time>,
    /// When everything was read back last.
    pub last_full_pull_at: Option<Time>,
    /// It does not push its sessions: what is known of them is as old as the last pull.
    pub is_pull_only: bool,
    /// How many seconds its clock is ahead of ours.
    pub clock_skew_s: Option<i64>,
    /// What was wrong the last time it did not answer properly.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Time>,
    /// What the last registration or test found.
    pub checks: Vec<CheckRow>,
    /// Where it differs from the specification, and what it should change.
    pub deviations: Vec<Deviation>,
}

/// What is changed in how a partner is treated; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerChange {
    /// Its immediate `ACCEPTED` counts as applied.
    pub trust_sync_accept: Option<bool>,
    /// It may tell limits through our module `sitelimits`.
    pub site_limits: Option<bool>,
    /// In which unit it takes limits: all choices anew.
    pub profile_units: Option<Vec<UnitChoice>>,
}

/// An EVSE as a partner's locations describe it, with our guess of its powers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedEvse {
    /// Where it is reached.
    pub source: EvseSource,
    /// OCPI `EVSE.uid`, as the partner spells it.
    pub evse_uid: String,
    /// OCPI `Location.id`, as the partner spells it.
    pub location_id: String,
    /// The location's name or address.
    pub location: Option<String>,
    /// The location's time zone.
    pub time_zone: Option<String>,
    /// What is printed on it.
    pub label: Option<String>,
    /// Our guess, if its connectors say enough.
    pub guess: Option<Guess>,
    /// What a person should look at.
    pub doubts: Vec<String>,
}

/// What an EVSE's connectors say of its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess {
    /// Highest power at nominal voltage.
    pub max: Power,
    /// Lowest power at which charging goes on.
    pub min: Power,
    /// AC with its phases and voltage, or DC.
    pub supply: Supply,
}

/// One exchange with a partner, secrets masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// When it began.
    pub at: Time,
    /// `sent` by us or `received` from the partner.
    pub direction: &'static str,
    /// HTTP method.
    pub method: String,
    /// Path and query, secrets masked.
    pub path: String,
    /// HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// OCPI's own status code in the answer.
    pub ocpi_status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Body of the request, shortened, secrets masked.
    pub request: Option<String>,
    /// Body of the answer, shortened, secrets masked.
    pub response: Option<String>,
}

/// Exchanges of one kind with a partner since we started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerTraffic {
    /// With whom.
    pub partner: PartnerId,
    /// The module of OCPI, or `other`.
    pub module: &'static str,
    /// `sent` or `received`: who began.
    pub direction: &'static str,
    /// That of HTTP; 0 = no answer came.
    pub status: u16,
    /// How many.
    pub count: u64,
    /// How long they took together, in milliseconds.
    pub duration_ms: u64,
}

/// The partners' platforms. An unknown partner is `PortError::Unknown`.
pub trait Partners: Send + Sync {
    /// How many exchanges there were with each partner since we started.
    fn traffic(&self) -> Vec<PartnerTraffic> {
        Vec::new()
    }

    /// Registers with a partner; the rows say how each step went.
    fn register(&self, tenant: &TenantId, wish: Registration) -> PortFuture<'_, Vec<CheckRow>>;

    /// Makes a token with which a partner may register with us.
    fn invite(&self, tenant: &TenantId, name: PartnerId) -> PortFuture<'_, Invitation>;

    /// All partners, sorted by name.
    fn list(&self, tenant: &TenantId) -> PortFuture<'_, Vec<PartnerView>>;

    /// One partner.
    fn show(&self, partner: &PartnerKey) -> PortFuture<'_, PartnerView>;

    /// The last exchanges with it, newest first.
    fn exchanges(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<Exchange>>;

    /// Changes how it is treated.
    fn change(&self, partner: &PartnerKey, change: PartnerChange) -> PortFuture<'_, ()>;

    /// The EVSEs that its locations describe.
    fn offered(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<OfferedEvse>>;

    /// Tries everything that is needed of it.
    fn test(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>>;

    /// Exchanges the tokens.
    fn rotate(&self, partner: &PartnerKey) -> PortFuture<'_, Vec<CheckRow>>;

    /// Ends the relation and forgets it.
    fn remove(&self, partner: &PartnerKey) -> PortFuture<'_, ()>;
}

/// A backup on its way, in pieces. An error instead of a piece ends it.
#[derive(Debug)]
pub struct BackupPieces {
    /// The first piece, which is there already.
    pub first: Option<Bytes>,
    /// Those after it.
    pub rest: mpsc::Receiver<Result<Bytes, PortError>>,
}

/// Backups of everything that is kept.
pub trait Backups: Send + Sync {
    /// Begins one; `PortError::Overloaded` while another is made.
    fn begin(&self) -> PortFuture<'_, BackupPieces>;
}

/// Which addresses the service goes to.
pub trait Doors: Send + Sync {
    /// Checks an address of a webhook; the error says what is wrong with it.
    fn check(&self, url: &str) -> Result<(), String>;
}

/// How a part of the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartStatus {
    /// As it should be.
    Ok,
    /// It works, but someone should look.
    Degraded,
    /// The service must not be used.
    Failed,
}

/// One part of the service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartHealth {
    /// Which part: `store`, `planner`, `dispatch`, `ocpi`.
    pub name: String,
    /// How it is.
    pub status: PartStatus,
    /// Seconds since it last did its work, where it does so again and again.
    pub age_s: Option<f64>,
    /// More, for people.
    pub detail: Option<String>,
}

/// The parts of the service and how they are.
pub trait Health: Send + Sync {
    /// All parts at this instant; cheap.
    fn parts(&self, now: Time) -> Vec<PartHealth>;
}
