//! A charging profile: the most a car may draw, over time.

use serde::Serialize;

use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use super::tenths::Tenths;
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// Unit of the limits of a profile. Section: `mod_charging_profiles`, `ChargingRateUnit` enum.
    pub enum ChargingRateUnit in "mod_charging_profiles: ChargingRateUnit enum" {
        /// Watts: the total power of the EVSE. Meant for DC.
        Watts = "W",
        /// Amperes per phase. Meant for AC.
        Amperes = "A",
    }
}

/// One step of a profile; it lasts until the next one starts.
///
/// Section: `mod_charging_profiles`, `ChargingProfilePeriod` class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ChargingProfilePeriod {
    /// Begin, in seconds from the start of the profile. Cardinality 1.
    pub start_period: u32,
    /// The most that may be drawn, in the profile's unit, one decimal. Cardinality 1.
    pub limit: Tenths,
}

impl OcpiObject for ChargingProfilePeriod {
    const SECTION: &'static str = "mod_charging_profiles: ChargingProfilePeriod class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            start_period: object.required("start_period")?,
            limit: object.required("limit")?,
        })
    }
}

/// The most a car may draw over time: a maximum, never a target.
///
/// Section: `mod_charging_profiles`, `ChargingProfile` class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChargingProfile {
    /// Start of the profile. Cardinality ?; absent: the start of charging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<DateTime>,
    /// Length in seconds. Cardinality ?; absent: the last period goes on without end (or to the
    /// end of the transaction, when the profile is relative).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u32>,
    /// Unit of the limits. Cardinality 1.
    pub charging_rate_unit: ChargingRateUnit,
    /// The least at which the car charges, in the profile's unit, one decimal. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_charging_rate: Option<Tenths>,
    /// The steps, by ascending start. Cardinality *; an empty list has no defined meaning, so do
    /// not send one.
    pub charging_profile_period: Vec<ChargingProfilePeriod>,
}

impl ChargingProfile {
    /// The limit in force `seconds` after the start of the profile; `None` before the first
    /// period, after the duration, and when there are no periods.
    pub fn limit_at(&self, seconds: u32) -> Option<Tenths> {
        if self.duration.is_some_and(|duration| seconds >= duration) {
            return None;
        }
        let begun = self
            .charging_profile_period
            .iter()
            .filter(|p| p.start_period <= seconds);
        begun
            .max_by_key(|period| period.start_period)
            .map(|period| period.limit)
    }
}

impl OcpiObject for ChargingProfile {
    const SECTION: &'static str = "mod_charging_profiles: ChargingProfile class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            start_date_time: object.optional("start_date_time"),
            duration: object.optional("duration"),
            charging_rate_unit: object.required("charging_rate_unit")?,
            min_charging_rate: object.optional("min_charging_rate"),
            charging_profile_period: object.list("charging_profile_period"),
        })
    }
}

/// The profile a charging station really follows. Section: `mod_charging_profiles`,
/// `ActiveChargingProfile` class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveChargingProfile {
    /// When it was calculated; all times of the profile count from here. Cardinality 1.
    pub start_date_time: DateTime,
    /// The profile. Cardinality 1. Its own `start_date_time` may differ and is not to be used.
    pub charging_profile: ChargingProfile,
}

impl OcpiObject for ActiveChargingProfile {
    const SECTION: &'static str = "mod_charging_profiles: ActiveChargingProfile class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            start_date_time: object.required("start_date_time")?,
            charging_profile: object.required("charging_profile")?,
        })
    }
}

/// The body of a PUT that sets a profile. Section: `mod_charging_profiles`, `SetChargingProfile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetChargingProfile {
    /// The profile. Cardinality 1.
    pub charging_profile: ChargingProfile,
    /// Where the result shall be sent by POST. URL, at most 255 characters, cardinality 1.
    pub response_url: String,
}

impl OcpiObject for SetChargingProfile {
    const SECTION: &'static str = "mod_charging_profiles: SetChargingProfile object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("response_url", 255)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            charging_profile: object.required("charging_profile")?,
            response_url: object.required("response_url")?,
        })
    }
}

deserialize_leniently!(
    ChargingProfilePeriod,
    ChargingProfile,
    ActiveChargingProfile,
    SetChargingProfile,
);
