//! A charging session, whichever protocol it came over, and what its driver needs.

use serde::{Deserialize, Serialize};

use super::id::{DepartureKey, EvseId, SessionId};
use super::quantity::{Energy, Power};
use super::time::Time;

/// Where a session stands. OCPI's `ACTIVE`, `PENDING`, `COMPLETED`/`INVALID`; reservations are not
/// sessions here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Authorised or plugged, not yet able to draw; counted as drawing, since it may any moment.
    Pending,
    /// A car is connected and may draw.
    Active,
    /// Over; the EVSE is free.
    Ended,
}

/// A reading of an EVSE's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Mean or momentary power.
    pub power: Power,
    /// When it was taken, by the source's clock.
    pub at: Time,
}

/// Who said what a session needs; from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedSource {
    /// The operator's departures table.
    Departure,
    /// The driver's charging preferences for this very session.
    Preferences,
    /// A field of the session object.
    Session,
    /// Learned from earlier sessions.
    Learned,
    /// Nothing was said: the site's default.
    Default,
}

/// What a driver said about one session. Absent means not said, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// When the car leaves.
    pub departure: Option<Time>,
    /// Energy wanted in the whole session, what it already has included.
    pub energy: Option<Energy>,
    /// The car may be discharged.
    pub discharge_allowed: bool,
}

/// A charging session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Our id of it.
    pub id: SessionId,
    /// The id in the protocol of its source (OCPI `Session.id`, OCPP transaction id), as spelled.
    pub native_id: String,
    /// Where it charges.
    pub evse: EvseId,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// Energy delivered so far.
    pub energy: Energy,
    /// The latest power reading that came with the session.
    pub reading: Option<Reading>,
    /// What its departure may be filed under (hashes of token and contract; never the plain ids).
    pub keys: Vec<DepartureKey>,
    /// What the session object itself says about needs.
    pub needs: Needs,
    /// The source's own stamp of this version of the session.
    pub updated_at: Time,
}

/// A session that is over, as learned history for expected arrivals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSession {
    /// Its id, so that it is learned once.
    pub id: SessionId,
    /// Where it was.
    pub evse: EvseId,
    /// When it began.
    pub started_at: Time,
    /// When the car left.
    pub ended_at: Time,
    /// What it took.
    pub energy: Energy,
    /// When its driver meant to leave, if that was said.
    #[serde(default)]
    pub stated_departure: Option<Time>,
    /// What its driver asked for, if that was said.
    #[serde(default)]
    pub stated_energy: Option<Energy>,
}

/// A departure the operator or a fleet system filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// What it is filed under: an id token or contract id (hashed at the door), vehicle or EVSE.
    pub key: DepartureKey,
    /// When the vehicle leaves.
    pub departure: Option<Time>,
    /// Energy wanted in the session.
    pub energy: Option<Energy>,
}
