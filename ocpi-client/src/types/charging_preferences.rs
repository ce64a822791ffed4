//! What the driver wants.

use serde::Serialize;

use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// The kind of charging a driver prefers. Section: `mod_sessions`, `ProfileType` enum.
    pub enum ProfileType in "mod_sessions: ProfileType enum" {
        /// As cheap as possible.
        Cheap = "CHEAP",
        /// As fast as possible.
        Fast = "FAST",
        /// As green as possible.
        Green = "GREEN",
        /// No preference.
        Regular = "REGULAR",
    }
}

open_enum! {
    /// The answer to preferences; the response's data is this text itself. Section: `mod_sessions`,
    /// `ChargingPreferencesResponse` enum.
    pub enum ChargingPreferencesResponse in "mod_sessions: ChargingPreferencesResponse enum" {
        /// They will be tried.
        Accepted = "ACCEPTED",
        /// `departure_time` is needed.
        DepartureRequired = "DEPARTURE_REQUIRED",
        /// `energy_need` is needed.
        EnergyNeedRequired = "ENERGY_NEED_REQUIRED",
        /// The EVSE cannot do that.
        NotPossible = "NOT_POSSIBLE",
        /// The EVSE does not know this kind.
        ProfileTypeNotSupported = "PROFILE_TYPE_NOT_SUPPORTED",
    }
}

/// What the driver of a session wants. Section: `mod_sessions`, `ChargingPreferences` object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChargingPreferences {
    /// Kind of charging. Cardinality 1; absence is read as `REGULAR`.
    pub profile_type: ProfileType,
    /// Expected departure. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departure_time: Option<DateTime>,
    /// Wanted energy, in kWh. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_need: Option<f64>,
    /// Whether the car may be discharged. Cardinality ?; absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_allowed: Option<bool>,
}

impl OcpiObject for ChargingPreferences {
    const SECTION: &'static str = "mod_sessions: ChargingPreferences object";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            profile_type: object
                .expected("profile_type")
                .unwrap_or(ProfileType::Regular),
            departure_time: object.optional("departure_time"),
            energy_need: object.optional("energy_need"),
            discharge_allowed: object.optional("discharge_allowed"),
        })
    }
}

deserialize_leniently!(ChargingPreferences);
