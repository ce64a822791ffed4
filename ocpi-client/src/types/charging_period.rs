//! What was measured during a part of a session.

use serde::Serialize;

use super::ci_string::CiString;
use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// What a [`CdrDimension`] measures, and in which unit. Section: `mod_cdrs`,
    /// `CdrDimensionType`.
    pub enum CdrDimensionType in "mod_cdrs: CdrDimensionType enum" {
        /// Average current in A; negative towards the grid. Sessions only.
        Current = "CURRENT",
        /// Energy in kWh; negative towards the grid.
        Energy = "ENERGY",
        /// Energy fed back into the grid, in kWh. Sessions only.
        EnergyExport = "ENERGY_EXPORT",
        /// Energy charged, in kWh. Sessions only.
        EnergyImport = "ENERGY_IMPORT",
        /// Sum over the phases of the largest current, in A.
        MaxCurrent = "MAX_CURRENT",
        /// Sum over the phases of the smallest current, in A.
        MinCurrent = "MIN_CURRENT",
        /// Largest power in kW.
        MaxPower = "MAX_POWER",
        /// Smallest power in kW.
        MinPower = "MIN_POWER",
        /// Time during which the vehicle asked for no power, in hours.
        ParkingTime = "PARKING_TIME",
        /// Average power in kW; negative towards the grid. Sessions only.
        Power = "POWER",
        /// Time reserved and not yet used, in hours.
        ReservationTime = "RESERVATION_TIME",
        /// State of charge in percent, 0 to 100. Sessions only.
        StateOfCharge = "STATE_OF_CHARGE",
        /// Time charging, in hours.
        Time = "TIME",
    }
}

/// One measured quantity. Section: `mod_cdrs`, `CdrDimension` class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CdrDimension {
    /// What is measured. Cardinality 1.
    #[serde(rename = "type")]
    pub dimension: CdrDimensionType,
    /// The quantity, in the unit of the dimension. Cardinality 1.
    pub volume: f64,
}

impl OcpiObject for CdrDimension {
    const SECTION: &'static str = "mod_cdrs: CdrDimension class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            dimension: object.required("type")?,
            volume: object.required("volume")?,
        })
    }
}

/// A part of a session; it ends where the next one starts. Section: `mod_cdrs`, `ChargingPeriod`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChargingPeriod {
    /// Begin. Cardinality 1.
    pub start_date_time: DateTime,
    /// What was measured. Cardinality +.
    pub dimensions: Vec<CdrDimension>,
    /// The tariff that applied. At most 36 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff_id: Option<CiString>,
}

impl ChargingPeriod {
    /// The first quantity of this kind, in the unit of the dimension.
    pub fn volume(&self, dimension: &CdrDimensionType) -> Option<f64> {
        self.dimensions
            .iter()
            .find(|d| d.dimension == *dimension)
            .map(|d| d.volume)
    }
}

impl OcpiObject for ChargingPeriod {
    const SECTION: &'static str = "mod_cdrs: ChargingPeriod class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("tariff_id", 36)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            start_date_time: object.required("start_date_time")?,
            dimensions: object.list_of_some("dimensions"),
            tariff_id: object.optional("tariff_id"),
        })
    }
}

deserialize_leniently!(CdrDimension, ChargingPeriod);
