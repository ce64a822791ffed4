//! The answers to requests about profiles: at once, and later from the charging station.

use serde::Serialize;

use super::charging_profile::ActiveChargingProfile;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// What the platform says at once. Section: `mod_charging_profiles`,
    /// `ChargingProfileResponseType` enum.
    pub enum ChargingProfileResponseType in
        "mod_charging_profiles: ChargingProfileResponseType enum"
    {
        /// The request goes on to the charging station; a result will follow.
        Accepted = "ACCEPTED",
        /// The station knows no profiles.
        NotSupported = "NOT_SUPPORTED",
        /// Refused by the platform, for instance without a contract.
        Rejected = "REJECTED",
        /// Requests come too often. There is no field that says how long to wait.
        TooOften = "TOO_OFTEN",
        /// The platform does not know the session.
        UnknownSession = "UNKNOWN_SESSION",
    }
}

/// The answer at once. Section: `mod_charging_profiles`, `ChargingProfileResponse` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChargingProfileResponse {
    /// Whether the request was taken. Cardinality 1. `ACCEPTED` says nothing about the station.
    pub result: ChargingProfileResponseType,
    /// Seconds after which no result will come any more. Cardinality 1; absence is read as 0, and
    /// platforms send 0: use a time of your own then.
    pub timeout: u32,
}

impl OcpiObject for ChargingProfileResponse {
    const SECTION: &'static str = "mod_charging_profiles: ChargingProfileResponse object";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            result: object.required("result")?,
            timeout: object.expected("timeout").unwrap_or(0),
        })
    }
}

open_enum! {
    /// What the charging station says. Section: `mod_charging_profiles`,
    /// `ChargingProfileResultType` enum.
    pub enum ChargingProfileResultType in "mod_charging_profiles: ChargingProfileResultType enum" {
        /// The station did it.
        Accepted = "ACCEPTED",
        /// The station refused.
        Rejected = "REJECTED",
        /// The station has no such profile, or the platform does not know.
        Unknown = "UNKNOWN",
    }
}

/// The result of setting a profile, sent by POST to the `response_url`.
///
/// Section: `mod_charging_profiles`, `ChargingProfileResult` object. On the wire it is the same as
/// [`ClearProfileResult`]: use different addresses to tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChargingProfileResult {
    /// The result. Cardinality 1.
    pub result: ChargingProfileResultType,
}

impl OcpiObject for ChargingProfileResult {
    const SECTION: &'static str = "mod_charging_profiles: ChargingProfileResult object";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            result: object.required("result")?,
        })
    }
}

/// The result of clearing a profile, sent by POST to the `response_url`.
///
/// Section: `mod_charging_profiles`, `ClearProfileResult` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClearProfileResult {
    /// The result. Cardinality 1.
    pub result: ChargingProfileResultType,
}

impl OcpiObject for ClearProfileResult {
    const SECTION: &'static str = "mod_charging_profiles: ClearProfileResult object";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            result: object.required("result")?,
        })
    }
}

/// The active profile, sent by POST to the `response_url` of a GET.
///
/// Section: `mod_charging_profiles`, `ActiveChargingProfileResult` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveChargingProfileResult {
    /// The result. Cardinality 1.
    pub result: ChargingProfileResultType,
    /// The profile, when the result is `ACCEPTED`. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ActiveChargingProfile>,
}

impl OcpiObject for ActiveChargingProfileResult {
    const SECTION: &'static str = "mod_charging_profiles: ActiveChargingProfileResult object";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            result: object.required("result")?,
            profile: object.optional("profile"),
        })
    }
}

deserialize_leniently!(
    ChargingProfileResponse,
    ChargingProfileResult,
    ClearProfileResult,
    ActiveChargingProfileResult,
);
