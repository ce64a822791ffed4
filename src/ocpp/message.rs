//! What stations tell us and what we ask of them, in one vocabulary for all versions. The version
//! modules lower into it; the station's state machine knows nothing else.

use super::meter::Sample;
use crate::domain::profile::{Profile, RateUnit};
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
}

/// A limit that something beside us put on a station (2.x `NotifyChargingLimit`).
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalLimit {
    /// The EVSE; `None` = the whole station.
    pub evse: Option<u32>,
    /// Who set it.
    pub source: String,
    /// The lowest limit it names and its unit; `None` = cleared, or not said.
    pub lowest: Option<(f64, RateUnit)>,
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
    },
    /// A vendor's message.
    DataTransfer,
    /// Known to the standard and of no consequence to us; with the answer it gets.
    Noted(serde_json::Value),
}

/// Whether a station is accepted at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may work.
    Accepted,
    /// It waits for the operator.
    Pending,
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
    Token {
        /// May charge.
        accepted: bool,
    },
    /// To a 1.6 start.
    Started {
        /// The id we gave.
        transaction: i32,
        /// May charge.
        accepted: bool,
    },
    /// To a car's wish: taken, a profile follows.
    NeedsTaken,
    /// To an intended schedule.
    ScheduleTaken,
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
    /// Counts from the start of a transaction instead of having instants of its own.
    pub relative: bool,
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
    /// Whatever it said.
    Raw(serde_json::Value),
}
