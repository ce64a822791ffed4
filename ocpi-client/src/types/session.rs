//! A charging session.

use serde::Serialize;

use super::cdr_token::{AuthMethod, CdrToken};
use super::charging_period::ChargingPeriod;
use super::ci_string::CiString;
use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use super::price::Price;
use super::version::Version;
use crate::read::{Extra, Object, OcpiObject, Unreadable};

open_enum! {
    /// State of a session. Section: `mod_sessions`, `SessionStatus` enum. The prose calls
    /// `RESERVATION` also `RESERVED`; both are read.
    pub enum SessionStatus in "mod_sessions: SessionStatus enum" {
        /// Charging is possible: the car is plugged in and authorised.
        Active = "ACTIVE",
        /// Finished; no more changes.
        Completed = "COMPLETED",
        /// Declared invalid; not billed.
        Invalid = "INVALID",
        /// Not yet started.
        Pending = "PENDING",
        /// Started by a reservation; not yet charging.
        Reservation = "RESERVATION" | "RESERVED",
    }
}

/// A charging session. Section: `mod_sessions`, Session object.
///
/// The identity is `country_code`, `party_id` and `id` together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Session {
    /// Country of the owning CPO, ISO 3166-1 alpha-2. Cardinality 1.
    pub country_code: CiString,
    /// Party of the owning CPO. Three characters, cardinality 1.
    pub party_id: CiString,
    /// Identifier in the CPO's platform. At most 36 characters, cardinality 1.
    pub id: CiString,
    /// When the session became active. Cardinality 1.
    pub start_date_time: DateTime,
    /// When it ended. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<DateTime>,
    /// Energy so far, in kWh. Cardinality 1; absence is read as 0.
    pub kwh: f64,
    /// Token of the driver. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdr_token: Option<CdrToken>,
    /// How it was authorised. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<AuthMethod>,
    /// Reference given by the eMSP. At most 36 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_reference: Option<CiString>,
    /// `Location.id`. At most 36 characters, cardinality 1.
    pub location_id: CiString,
    /// `EVSE.uid`. At most 36 characters, cardinality 1; `#NA` when not known, also on absence.
    pub evse_uid: CiString,
    /// `Connector.id`. At most 36 characters, cardinality 1; `#NA` when not known, also on absence.
    pub connector_id: CiString,
    /// Identifier of the meter. At most 255 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter_id: Option<String>,
    /// Currency, ISO 4217. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What was measured. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charging_periods: Vec<ChargingPeriod>,
    /// Cost so far, in `currency`. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost: Option<Price>,
    /// State. Cardinality 1.
    pub status: SessionStatus,
    /// When the CPO last changed the object. Cardinality 1.
    pub last_updated: DateTime,
    /// Fields that the specification does not have.
    #[serde(flatten)]
    pub extra: Extra,
}

const NOT_AVAILABLE: &str = "#NA";

impl Session {
    /// The session after a PATCH: fields that are there replace, charging periods are appended.
    ///
    /// Section: `mod_sessions`, Receiver interface, PATCH method.
    #[must_use]
    pub fn patched(&self, patch: &SessionPatch) -> Self {
        let mut session = self.clone();
        let new = patch.clone();
        session.start_date_time = new.start_date_time.unwrap_or(session.start_date_time);
        session.end_date_time = new.end_date_time.or(session.end_date_time);
        session.kwh = new.kwh.unwrap_or(session.kwh);
        session.cdr_token = new.cdr_token.or(session.cdr_token);
        session.auth_method = new.auth_method.or(session.auth_method);
        session.authorization_reference = new
            .authorization_reference
            .or(session.authorization_reference);
        session.location_id = new.location_id.unwrap_or(session.location_id);
        session.evse_uid = new.evse_uid.unwrap_or(session.evse_uid);
        session.connector_id = new.connector_id.unwrap_or(session.connector_id);
        session.meter_id = new.meter_id.or(session.meter_id);
        session.currency = new.currency.or(session.currency);
        session.charging_periods.extend(new.charging_periods);
        session.total_cost = new.total_cost.or(session.total_cost);
        session.status = new.status.unwrap_or(session.status);
        session.last_updated = new.last_updated;
        session.extra.0.extend(new.extra.0);
        session
    }

    /// The session with its cost in the shape of `version`.
    #[must_use]
    pub fn in_version(mut self, version: &Version) -> Self {
        self.total_cost = self.total_cost.map(|cost| cost.in_version(version));
        self
    }
}

impl OcpiObject for Session {
    const SECTION: &'static str = "mod_sessions: Session object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = LENGTHS;

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            country_code: object.required("country_code")?,
            party_id: object.required("party_id")?,
            id: object.required("id")?,
            start_date_time: object.required("start_date_time")?,
            end_date_time: object.optional("end_date_time"),
            kwh: object.expected("kwh").unwrap_or(0.0),
            cdr_token: object.expected("cdr_token"),
            auth_method: object.expected("auth_method"),
            authorization_reference: object.optional("authorization_reference"),
            location_id: object.required("location_id")?,
            evse_uid: object.expected("evse_uid").unwrap_or(NOT_AVAILABLE.into()),
            connector_id: object
                .expected("connector_id")
                .unwrap_or(NOT_AVAILABLE.into()),
            meter_id: object.optional("meter_id"),
            currency: object.expected("currency"),
            charging_periods: object.list("charging_periods"),
            total_cost: object.optional("total_cost"),
            status: object.required("status")?,
            last_updated: object.required("last_updated")?,
            extra: object.extra(),
        })
    }
}

const LENGTHS: &[(&str, usize)] = &[
    ("country_code", 2),
    ("party_id", 3),
    ("id", 36),
    ("authorization_reference", 36),
    ("location_id", 36),
    ("evse_uid", 36),
    ("connector_id", 36),
    ("meter_id", 255),
    ("currency", 3),
];

/// The changed fields of a session, as sent with PATCH. Units and lengths as in [`Session`].
///
/// Section: `mod_sessions`, Receiver interface, PATCH method. Everything but `last_updated` may be
/// absent; the identity is in the URL.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionPatch {
    /// New begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<DateTime>,
    /// New end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<DateTime>,
    /// New energy so far, in kWh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kwh: Option<f64>,
    /// New token of the driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdr_token: Option<CdrToken>,
    /// New way of authorisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<AuthMethod>,
    /// New reference of the eMSP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_reference: Option<CiString>,
    /// New location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_id: Option<CiString>,
    /// New EVSE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evse_uid: Option<CiString>,
    /// New connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector_id: Option<CiString>,
    /// New meter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter_id: Option<String>,
    /// New currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Periods that come after those known; they are appended, never replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charging_periods: Vec<ChargingPeriod>,
    /// New cost so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_cost: Option<Price>,
    /// New state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionStatus>,
    /// When the CPO made the change. Cardinality 1; without it the answer is status code 2001.
    pub last_updated: DateTime,
    /// Fields that the specification does not have.
    #[serde(flatten)]
    pub extra: Extra,
}

impl SessionPatch {
    /// A patch that changes nothing but the time of the change.
    pub fn at(last_updated: DateTime) -> Self {
        Self {
            start_date_time: None,
            end_date_time: None,
            kwh: None,
            cdr_token: None,
            auth_method: None,
            authorization_reference: None,
            location_id: None,
            evse_uid: None,
            connector_id: None,
            meter_id: None,
            currency: None,
            charging_periods: Vec::new(),
            total_cost: None,
            status: None,
            last_updated,
            extra: Extra::default(),
        }
    }
}

impl OcpiObject for SessionPatch {
    const SECTION: &'static str = "mod_sessions: PATCH method";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = LENGTHS;

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        let identity: [Option<CiString>; 3] =
            ["country_code", "party_id", "id"].map(|name| object.optional(name));
        // The identity is the URL's: what a body says about it is read only so that it does not
        // count as an extension.
        drop(identity);
        Ok(Self {
            start_date_time: object.optional("start_date_time"),
            end_date_time: object.optional("end_date_time"),
            kwh: object.optional("kwh"),
            cdr_token: object.optional("cdr_token"),
            auth_method: object.optional("auth_method"),
            authorization_reference: object.optional("authorization_reference"),
            location_id: object.optional("location_id"),
            evse_uid: object.optional("evse_uid"),
            connector_id: object.optional("connector_id"),
            meter_id: object.optional("meter_id"),
            currency: object.optional("currency"),
            charging_periods: object.list("charging_periods"),
            total_cost: object.optional("total_cost"),
            status: object.optional("status"),
            last_updated: object.required("last_updated")?,
            extra: object.extra(),
        })
    }
}

deserialize_leniently!(Session, SessionPatch);
