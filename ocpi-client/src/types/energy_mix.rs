//! Where the energy of a place or a tariff comes from.

use serde::Serialize;

use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// Kind of source. Section: `mod_locations`, `EnergySourceCategory` enum.
    pub enum EnergySourceCategory in "mod_locations: EnergySourceCategory enum" {
        /// Nuclear.
        Nuclear = "NUCLEAR",
        /// Fossil of any kind.
        GeneralFossil = "GENERAL_FOSSIL",
        /// Coal.
        Coal = "COAL",
        /// Gas.
        Gas = "GAS",
        /// Regenerative of any kind.
        GeneralGreen = "GENERAL_GREEN",
        /// Sun.
        Solar = "SOLAR",
        /// Wind.
        Wind = "WIND",
        /// Water.
        Water = "WATER",
    }
}

open_enum! {
    /// Kind of impact. Section: `mod_locations`, `EnvironmentalImpactCategory` enum.
    pub enum EnvironmentalImpactCategory in "mod_locations: EnvironmentalImpactCategory enum" {
        /// Nuclear waste.
        NuclearWaste = "NUCLEAR_WASTE",
        /// Carbon dioxide.
        CarbonDioxide = "CARBON_DIOXIDE",
    }
}

/// A source with its share. Section: `mod_locations`, `EnergySource` class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnergySource {
    /// Kind. Cardinality 1.
    pub source: EnergySourceCategory,
    /// Share in percent. Cardinality 1.
    pub percentage: f64,
}

impl OcpiObject for EnergySource {
    const SECTION: &'static str = "mod_locations: EnergySource class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            source: object.required("source")?,
            percentage: object.required("percentage")?,
        })
    }
}

/// An impact of the energy. Section: `mod_locations`, `EnvironmentalImpact` class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnvironmentalImpact {
    /// Kind. Cardinality 1.
    pub category: EnvironmentalImpactCategory,
    /// Amount in g/kWh. Cardinality 1.
    pub amount: f64,
}

impl OcpiObject for EnvironmentalImpact {
    const SECTION: &'static str = "mod_locations: EnvironmentalImpact class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            category: object.required("category")?,
            amount: object.required("amount")?,
        })
    }
}

/// Where the energy comes from: constant, not a time series. Section: `mod_locations`, `EnergyMix`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnergyMix {
    /// All from regenerative sources. Cardinality 1; absence is read as no.
    pub is_green_energy: bool,
    /// The sources. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub energy_sources: Vec<EnergySource>,
    /// The impacts. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environ_impact: Vec<EnvironmentalImpact>,
    /// Supplier. At most 64 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier_name: Option<String>,
    /// Product. At most 64 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_product_name: Option<String>,
}

impl OcpiObject for EnergyMix {
    const SECTION: &'static str = "mod_locations: EnergyMix class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] =
        &[("supplier_name", 64), ("energy_product_name", 64)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            is_green_energy: object.expected("is_green_energy").unwrap_or(false),
            energy_sources: object.list("energy_sources"),
            environ_impact: object.list("environ_impact"),
            supplier_name: object.optional("supplier_name"),
            energy_product_name: object.optional("energy_product_name"),
        })
    }
}

deserialize_leniently!(EnergySource, EnvironmentalImpact, EnergyMix);
