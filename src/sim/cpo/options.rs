//! What kind of platform it is.

use chrono::TimeDelta;

use super::faults::Faults;
use super::quirks::Quirks;
use crate::sim::recorded::RecordedSession;

/// How the platform tells what the driver wants, which OCPI does not settle for an SCSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferencesBy {
    /// Not at all.
    Nothing,
    /// As the field `charging_preferences` of the Session, which OCPI does not name.
    SessionField,
    /// By the request of the eMSP, forwarded to the SCSP's Sessions Sender endpoint.
    SenderEndpoint,
}

/// What kind of platform it is.
#[derive(Clone, Debug)]
pub struct CpoOptions {
    /// Country of its one party.
    pub country_code: String,
    /// Its one party.
    pub party_id: String,
    /// What people call it.
    pub name: String,
    /// The token it gives to an SCSP out of band, good for one registration.
    pub token_a: String,
    /// The OCPI `Location.id` of the depot.
    pub location_id: String,
    /// Currency of its sessions.
    pub currency: String,
    /// Time zone of the depot, IANA.
    pub time_zone: String,
    /// Virtual time from a car's plugging in or out until the platform sends it on.
    pub push_delay: TimeDelta,
    /// Virtual time from a profile's acceptance until the station follows it and has said so.
    pub station_delay: TimeDelta,
    /// Virtual time between two readings of a session; on multiples since the Unix epoch.
    pub meter_interval: TimeDelta,
    /// How departure and energy of a session become known.
    pub preferences: PreferencesBy,
    /// Sessions of the time before, served as `COMPLETED`.
    pub history: Vec<RecordedSession>,
    /// Tariffs it offers, as they go over the wire; without any it has no such module.
    pub tariffs: Vec<serde_json::Value>,
    /// Most objects on one page.
    pub page_limit: usize,
    /// It tells every change of an active profile, as specified.
    pub tells_active: bool,
    /// What it does wrong now and then.
    pub faults: Faults,
    /// What it always does otherwise than specified.
    pub quirks: Quirks,
}

impl Default for CpoOptions {
    fn default() -> Self {
        Self {
            country_code: "NL".into(),
            party_id: "SIM".into(),
            name: "Simulated CPO".into(),
            token_a: uuid::Uuid::new_v4().to_string(),
            location_id: "DEPOT".into(),
            currency: crate::sim::recorded::CURRENCY.into(),
            time_zone: crate::sim::recorded::TIME_ZONE.name().into(),
            // Ours: a second each way is what a good mobile connection of a station takes.
            push_delay: TimeDelta::seconds(1),
            station_delay: TimeDelta::seconds(1),
            meter_interval: TimeDelta::minutes(5),
            preferences: PreferencesBy::SessionField,
            history: Vec::new(),
            tariffs: Vec::new(),
            page_limit: 100,
            tells_active: false,
            faults: Faults::default(),
            quirks: Quirks::new(),
        }
    }
}
