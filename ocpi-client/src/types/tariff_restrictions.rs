//! The conditions of a tariff element.

use serde::Serialize;

use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// A day of the week. Section: `mod_tariffs`, `DayOfWeek` enum.
    pub enum DayOfWeek in "mod_tariffs: DayOfWeek enum" {
        /// Monday.
        Monday = "MONDAY",
        /// Tuesday.
        Tuesday = "TUESDAY",
        /// Wednesday.
        Wednesday = "WEDNESDAY",
        /// Thursday.
        Thursday = "THURSDAY",
        /// Friday.
        Friday = "FRIDAY",
        /// Saturday.
        Saturday = "SATURDAY",
        /// Sunday.
        Sunday = "SUNDAY",
    }
}

open_enum! {
    /// That an element is about reservations. Section: `mod_tariffs`, `ReservationRestrictionType`.
    pub enum ReservationRestriction in "mod_tariffs: ReservationRestrictionType enum" {
        /// A reservation.
        Reservation = "RESERVATION",
        /// A reservation that was not used.
        ReservationExpires = "RESERVATION_EXPIRES",
    }
}

/// The conditions of a tariff element; all that are there must hold.
///
/// Section: `mod_tariffs`, `TariffRestrictions` class. Every field has cardinality ?, `day_of_week`
/// *. Times of day and dates are local to the location.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TariffRestrictions {
    /// From this time of day, `HH:MM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Until this time of day, `HH:MM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// From this date, `YYYY-MM-DD`, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<String>,
    /// Until this date, `YYYY-MM-DD`, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<String>,
    /// From this energy in kWh, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_kwh: Option<f64>,
    /// Until this energy in kWh, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_kwh: Option<f64>,
    /// From this current in A, summed over the phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_current: Option<f64>,
    /// Below this current in A, summed over the phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_current: Option<f64>,
    /// From this power in kW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_power: Option<f64>,
    /// Below this power in kW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_power: Option<f64>,
    /// From this length of the session in seconds, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_duration: Option<u32>,
    /// Until this length of the session in seconds, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// On these days.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub day_of_week: Vec<DayOfWeek>,
    /// Only for reservations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<ReservationRestriction>,
}

impl OcpiObject for TariffRestrictions {
    const SECTION: &'static str = "mod_tariffs: TariffRestrictions class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[
        ("start_time", 5),
        ("end_time", 5),
        ("start_date", 10),
        ("end_date", 10),
    ];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            start_time: object.optional("start_time"),
            end_time: object.optional("end_time"),
            start_date: object.optional("start_date"),
            end_date: object.optional("end_date"),
            min_kwh: object.optional("min_kwh"),
            max_kwh: object.optional("max_kwh"),
            min_current: object.optional("min_current"),
            max_current: object.optional("max_current"),
            min_power: object.optional("min_power"),
            max_power: object.optional("max_power"),
            min_duration: object.optional("min_duration"),
            max_duration: object.optional("max_duration"),
            day_of_week: object.list("day_of_week"),
            reservation: object.optional("reservation"),
        })
    }
}

deserialize_leniently!(TariffRestrictions);
