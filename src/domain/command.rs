//! What we ask of the world, and what comes back.

use serde::{Deserialize, Serialize};

use super::id::{CommandId, EvseId, PlanId, SessionId};
use super::profile::Profile;
use super::time::Time;

/// One request to one EVSE. Made by dispatch, durable before its first byte leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Its number within the site.
    pub id: CommandId,
    /// To which EVSE.
    pub evse: EvseId,
    /// For which session; a profile of OCPI reaches an EVSE only through its session.
    pub session: Option<SessionId>,
    /// The session's id in the protocol, as spelled by its source.
    pub native_session: Option<String>,
    /// The plan it follows, if any.
    pub plan: Option<PlanId>,
    /// When it was made.
    pub issued_at: Time,
    /// What is asked.
    pub action: Action,
}

/// What a command asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Install this profile in place of ours.
    SetProfile {
        /// The profile.
        profile: Profile,
    },
    /// Install what holds wherever no session's profile does (OCPP `TxDefaultProfile`); it has no
    /// end and outlives sessions and us.
    SetDefault {
        /// The profile.
        profile: Profile,
    },
    /// Remove our profile (rollback).
    ClearProfile,
    /// Say which limits hold now.
    ReadProfile,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No reason, or none we know (OCPI, OCPP `Rejected`).
    Rejected,
    /// The EVSE cannot be controlled (OCPI `NOT_SUPPORTED`).
    NotSupported,
    /// The session is not known there (OCPI `UNKNOWN_SESSION`).
    UnknownSession,
    /// Asked too often (OCPI `TOO_OFTEN`, HTTP 429).
    TooOften,
}

/// What shows that a profile is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The result came back `ACCEPTED` (OCPI callback), or the station accepted (OCPP).
    Result,
    /// The active profile, pushed or fetched, stays within it.
    ActiveProfile,
    /// A measured drop from above the new limit to below it.
    MeasuredDrop,
    /// The operator's setting `trust_sync_accept` for a partner that never calls back.
    TrustedSyncAccept,
}

/// What is known of a command after it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// It surely did not reach the peer (no connection, or it was dropped before sending).
    NotSent {
        /// Why, for people.
        detail: String,
    },
    /// The peer took it and will say later: nothing is proven.
    Accepted {
        /// When silence becomes "unknown".
        deadline: Time,
    },
    /// It is applied.
    Applied {
        /// What shows it.
        evidence: Evidence,
    },
    /// It is not applied and will not be.
    Refused {
        /// Why.
        reason: Refusal,
        /// In the peer's words, for people.
        detail: String,
    },
    /// It may or may not be applied: both old and new count.
    Unknown {
        /// Why, for people.
        detail: String,
    },
}
