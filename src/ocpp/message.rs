//! What stations tell us and what we ask of them, in one vocabulary for all versions. The version
//! modules lower into it; the station's state machine knows nothing else.

use serde::Serialize;

use super::meter::Sample;
use super::tokens::{ListEntry, Verdict};
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::quantity::Energy;
use crate::domain::time::Time;

/// What a station is, as it says when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Who made it.
    pub vendor: String,
    /// Which model.
    pub model: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its firmware.
    pub firmware: Option<String>,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It began.
    Started,
    /// Something changed.
    Updated,
    /// It is over.
    Ended,
}

/// What a station says of a transaction. 1.6's `StartTransaction` and `StopTransaction` and 2.x's
/// `TransactionEvent` all become this.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Where it stands.
    pub stage: Stage,
    /// Its id; 1.6 stations get it from us at the start.
    pub id: Option<String>,
    /// The EVSE (1.6: connector).
    pub evse: Option<u32>,
    /// When, by the station's clock.
    pub at: Option<Time>,
    /// Who charges, as presented. Never kept.
    pub token: Option<String>,
    /// What kind of token it is (2.x).
    pub token_kind: Option<String>,
    /// Nobody is asked who he is here (2.x `NoAuthorization`).
    pub is_open: bool,
    /// The energy register at this instant.
    pub register: Option<Energy>,
    /// Readings that came along.
    pub samples: Vec<Sample>,
    /// It happened while the station was alone: only for the books.
    pub offline: bool,
    /// The station's count of this transaction's events (2.x).
    pub seq_no: Option<i64>,
    /// Why it ended.
    pub reason: Option<String>,
}

/// What a car wants, as ISO 15118 carries it (2.x `NotifyEVChargingNeeds`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvNeeds {
    /// The EVSE.
    pub evse: u32,
    /// When it leaves.
    pub departure: Option<Time>,
    /// Energy it wants from now on.
    pub energy: Option<Energy>,
    /// Most periods of a schedule that it takes.
    pub max_periods: Option<usize>,
}

/// A limit that something beside us put on a station (2.x `NotifyChargingLimit`).
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalLimit {
    /// The EVSE; `None` = the whole station.
    pub evse: Option<u32>,
    /// Who set it.
    pub source: String,
    /// What it allows; `None` = it was lifted, or it is not said.
    pub schedule: Option<Profile>,
}

/// Something a station said that nobody has to act on at once, kept to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it is about: `firmware`, `diagnostics`, `log`, `security`, `reservation`, `der`...
    pub about: &'static str,
    /// In the station's words.
    pub text: String,
}

/// A certificate that a station wants signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SigningRequest {
    /// PKCS#10 in PEM, as the station sent it.
    pub csr: String,
    /// For what: `ChargingStationCertificate` or `V2GCertificate`.
    pub certificate_type: String,
}

/// A part of the profiles a station holds, as it reports them (2.x).
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileReport {
    /// The number of the request that asked for it.
    pub request_id: i64,
    /// Who set them.
    pub source: String,
    /// Where.
    pub evse: u32,
    /// The profiles, as spelled.
    pub profiles: Vec<serde_json::Value>,
}

/// One setting a station reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// 1.6: the key; 2.x: `Component.Variable`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A message from a station.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// It has just started.
    Boot(Boot),
    /// It lives.
    Heartbeat,
    /// A connector's state, as spelled.
    Status {
        /// The EVSE; 0 = the station.
        evse: u32,
        /// The state.
        status: String,
        /// 1.6: the error, where there is one.
        error: Option<String>,
    },
    /// May this one charge?
    Authorize {
        /// Who.
        token: String,
    },
    /// A transaction.
    Transaction(Transaction),
    /// Readings outside of transaction messages.
    Meter {
        /// The EVSE; 0 = the station's own meter.
        evse: u32,
        /// Of which transaction, if it says so.
        transaction: Option<String>,
        /// The readings.
        samples: Vec<Sample>,
    },
    /// A part of what it was asked to report (2.x).
    Report {
        /// Settings.
        settings: Vec<Setting>,
        /// More parts follow.
        more: bool,
    },
    /// A car's wish.
    Needs(EvNeeds),
    /// A limit of someone else.
    Limit(ExternalLimit),
    /// What a car intends to draw (2.x `NotifyEVChargingSchedule`).
    EvSchedule {
        /// The EVSE.
        evse: u32,
        /// Its intention; `None` = it cannot be read.
        schedule: Option<Profile>,
    },
    /// Profiles it holds.
    Profiles(ProfileReport),
    /// It wants a certificate signed.
    SignCertificate(SigningRequest),
    /// A driver switched priority charging on or off (2.1).
    Priority {
        /// Which transaction.
        transaction: String,
        /// On or off.
        is_on: bool,
    },
    /// It asks for the newest value of a dynamic profile (2.1).
    Pull {
        /// The profile.
        profile: i64,
    },
    /// A vendor's message.
    DataTransfer,
    /// Known to the standard and of no consequence to us; with the answer it gets, and with what
    /// is kept of it to be looked at.
    Noted(serde_json::Value, Option<Notice>),
}

/// Whether a station is accepted at boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// It may work.
    #[default]
    Accepted,
    /// It waits for the operator, who may read and configure it meanwhile.
    Pending,
    /// It shall come again later.
    Rejected,
}

/// What we answer; the version modules spell it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Inbound::Boot`].
    Boot {
        /// Accepted or not yet.
        admission: Admission,
        /// Our time.
        now: Time,
        /// Heartbeat, or when to come again, in seconds.
        interval_s: u32,
    },
    /// To [`Inbound::Heartbeat`].
    Heartbeat {
        /// Our time.
        now: Time,
    },
    /// To [`Inbound::Authorize`], and to a transaction that presented a token.
    Token(Verdict),
    /// To a 1.6 start.
    Started {
        /// The id we gave.
        transaction: i32,
        /// May charge.
        verdict: Verdict,
    },
    /// To a car's wish: taken, a profile follows.
    NeedsTaken,
    /// To an intended schedule: whether it is within what the car was allowed.
    Schedule {
        /// It is.
        fits: bool,
    },
    /// To a vendor's message we do not know.
    UnknownVendor,
    /// Exactly this.
    Exactly(serde_json::Value),
    /// Nothing but that it was received.
    Empty,
}

/// For what a profile is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `TxDefaultProfile` of one EVSE.
    Default {
        /// The EVSE.
        evse: u32,
    },
    /// `TxProfile` of a running transaction.
    Transaction {
        /// The EVSE.
        evse: u32,
        /// The transaction.
        id: String,
    },
    /// Maximum of the whole station.
    Station,
}

impl Scope {
    /// The EVSE it is for; 0 = the station.
    pub fn evse(&self) -> u32 {
        match self {
            Self::Default { evse } | Self::Transaction { evse, .. } => *evse,
            Self::Station => 0,
        }
    }

    /// Our fixed id of the profile of this scope: a new profile replaces the old one under the
    /// same id, so that none of ours is ever forgotten on a station.
    pub fn profile_id(&self) -> i64 {
        let kind = match self {
            Self::Default { .. } => 1,
            Self::Transaction { .. } => 2,
            Self::Station => 3,
        };
        // 6,700,000 is ours: far above what installers type in by hand.
        6_700_000 + i64::from(self.evse()) * 10 + kind
    }
}

/// A profile as it is installed at a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// For what.
    pub scope: Scope,
    /// Its place within its purpose.
    pub stack_level: u32,
    /// The limits, in the unit the station takes.
    pub profile: Profile,
    /// Phases the limits count on, where it is not three.
    pub phases: Option<u8>,
    /// How its instants count.
    pub kind: Kind,
}

/// How the instants of a profile count. Source: OCPP `chargingProfileKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By the clock.
    Absolute,
    /// From the start of a transaction.
    Relative,
    /// Not at all: one limit that holds until we say another (2.1).
    Dynamic,
}

/// What we ask of a station; the version modules spell it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// What can you do?
    ReadSettings,
    /// 2.x: some variables by `(component, variable)`.
    ReadVariables(Vec<(String, String)>),
    /// Change a setting (1.6: key, 2.x: `Component.Variable`).
    Set(Setting),
    /// Install a profile.
    Install(Install),
    /// A new limit in the dynamic profile of a scope (2.1).
    Update {
        /// Whose.
        scope: Scope,
        /// The limit, in the profile's unit.
        limit: Tenths,
    },
    /// Remove the profile of a scope.
    Clear(Scope),
    /// What holds at an EVSE from now on?
    ReadComposite {
        /// The EVSE.
        evse: u32,
        /// For how long.
        duration_s: u32,
        /// In which unit.
        unit: RateUnit,
    },
    /// Send us this message now.
    Trigger {
        /// Its name.
        message: &'static str,
        /// About this EVSE; `None` = all.
        evse: Option<u32>,
    },
    /// Which version of the local list of tokens do you hold?
    ListVersion,
    /// Take this local list of tokens, or this change of it.
    SendList {
        /// Its version.
        version: i64,
        /// The whole list; otherwise a change.
        full: bool,
        /// The entries.
        entries: Vec<ListEntry>,
    },
    /// Forget which tokens you have seen.
    ClearCache,
    /// Start charging at an EVSE (1.6 `RemoteStartTransaction`, 2.x `RequestStartTransaction`).
    Start {
        /// The EVSE.
        evse: u32,
        /// For whom.
        token: String,
        /// What kind of token that is (2.x).
        kind: String,
    },
    /// Does this transaction still run (2.x)?
    TransactionStatus(String),
    /// Whatever the operator says.
    Raw {
        /// The action.
        action: String,
        /// Its payload.
        payload: serde_json::Value,
    },
}

/// What an answer of a station says.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// It did, or will.
    Accepted,
    /// It did not.
    Refused {
        /// The status, and the reason where there is one.
        status: String,
        /// It cannot do this at all.
        unsupported: bool,
    },
    /// Its settings.
    Settings(Vec<Setting>),
    /// The settings follow in reports.
    SettingsFollow,
    /// What holds.
    Composite(Profile),
    /// The version of its local list; below 0: it has none.
    ListVersion(i64),
    /// Whether a transaction runs, if it says so, and whether it has more to tell of it.
    TransactionStatus {
        /// It runs.
        ongoing: Option<bool>,
        /// Messages about it wait.
        queued: bool,
    },
    /// Whatever it said.
    Raw(serde_json::Value),
}
