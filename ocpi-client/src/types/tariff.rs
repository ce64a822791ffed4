//! A retail price list.

use serde::Serialize;

use super::ci_string::CiString;
use super::date_time::DateTime;
use super::display_text::DisplayText;
use super::energy_mix::EnergyMix;
use super::macros::{deserialize_leniently, open_enum};
use super::price::PriceLimit;
use super::tariff_restrictions::TariffRestrictions;
use super::version::Version;
use crate::read::{Extra, Object, OcpiObject, Unreadable};

open_enum! {
    /// What a price is for. Section: `mod_tariffs`, `TariffDimensionType` enum.
    pub enum TariffDimensionType in "mod_tariffs: TariffDimensionType enum" {
        /// Per kWh; steps of 1 Wh.
        Energy = "ENERGY",
        /// Once per session.
        Flat = "FLAT",
        /// Per hour without charging; steps of 1 s.
        ParkingTime = "PARKING_TIME",
        /// Per hour of charging; steps of 1 s.
        Time = "TIME",
    }
}

open_enum! {
    /// When a tariff applies. Section: `mod_tariffs`, `TariffType` enum.
    pub enum TariffType in "mod_tariffs: TariffType enum" {
        /// Paid on the spot.
        AdHocPayment = "AD_HOC_PAYMENT",
        /// The driver prefers cheap charging.
        ProfileCheap = "PROFILE_CHEAP",
        /// The driver prefers fast charging.
        ProfileFast = "PROFILE_FAST",
        /// The driver prefers green charging.
        ProfileGreen = "PROFILE_GREEN",
        /// No preference.
        Regular = "REGULAR",
    }
}

open_enum! {
    /// Whether prices contain taxes. Section: `mod_tariffs` (2.3.0), `TaxIncluded` enum.
    pub enum TaxIncluded in "mod_tariffs: TaxIncluded enum" {
        /// With taxes.
        Yes = "YES",
        /// Without; they come on top.
        No = "NO",
        /// No taxes apply.
        NotApplicable = "N/A",
    }
}

/// The price of one dimension. Section: `mod_tariffs`, `PriceComponent` class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceComponent {
    /// What is paid for. Cardinality 1.
    #[serde(rename = "type")]
    pub dimension: TariffDimensionType,
    /// Price per unit in the tariff's currency: without tax in 2.2.1, as `tax_included` says in
    /// 2.3.0. Cardinality 1.
    pub price: f64,
    /// Value added tax in percent. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<f64>,
    /// Billing step, in Wh or s; amounts are rounded up to it. Cardinality 1; absence is read as 1.
    pub step_size: u32,
}

impl OcpiObject for PriceComponent {
    const SECTION: &'static str = "mod_tariffs: PriceComponent class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            dimension: object.required("type")?,
            price: object.required("price")?,
            vat: object.optional("vat"),
            step_size: object.expected("step_size").unwrap_or(1),
        })
    }
}

/// Prices that apply under conditions. Section: `mod_tariffs`, `TariffElement` class.
///
/// Per dimension the first element of the list counts that matches and has a component of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TariffElement {
    /// The prices. Cardinality +.
    pub price_components: Vec<PriceComponent>,
    /// The conditions. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<TariffRestrictions>,
}

impl OcpiObject for TariffElement {
    const SECTION: &'static str = "mod_tariffs: TariffElement class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        // Restrictions that cannot be read make the prices unconditional, which is another tariff:
        // better to lose the element.
        let restrictions = if object.has("restrictions") {
            Some(object.required("restrictions")?)
        } else {
            None
        };
        Ok(Self {
            price_components: object.list_of_some("price_components"),
            restrictions,
        })
    }
}

/// A retail price list. Section: `mod_tariffs`, Tariff object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tariff {
    /// Country of the owning CPO, ISO 3166-1 alpha-2. Cardinality 1.
    pub country_code: CiString,
    /// Party of the owning CPO. Three characters, cardinality 1.
    pub party_id: CiString,
    /// Identifier in the CPO's platform. At most 36 characters, cardinality 1.
    pub id: CiString,
    /// Currency, ISO 4217. Cardinality 1.
    pub currency: String,
    /// When it applies. Cardinality ?; absent: always.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub tariff_type: Option<TariffType>,
    /// Explanation for people. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tariff_alt_text: Vec<DisplayText>,
    /// Page with an explanation. URL, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff_alt_url: Option<String>,
    /// A session costs at least this. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_price: Option<PriceLimit>,
    /// A session costs at most this. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<PriceLimit>,
    /// The prices, in order of precedence. Cardinality +.
    pub elements: Vec<TariffElement>,
    /// Whether prices contain taxes. Only 2.3.0, there cardinality 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_included: Option<TaxIncluded>,
    /// From when it applies. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<DateTime>,
    /// Until when. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<DateTime>,
    /// Where the energy comes from. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_mix: Option<EnergyMix>,
    /// When it was last changed. Cardinality 1.
    pub last_updated: DateTime,
    /// Fields that the specification does not have.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Tariff {
    /// The tariff in the shape of `version`.
    ///
    /// Towards 2.3.0 prices are said to be without taxes, which is what 2.2.1 means. Towards 2.2.1
    /// the mark is dropped and the prices stay as they are: where taxes are included, 2.2.1 has no
    /// way to say so.
    #[must_use]
    pub fn in_version(mut self, version: &Version) -> Self {
        self.min_price = self.min_price.map(|price| price.in_version(version));
        self.max_price = self.max_price.map(|price| price.in_version(version));
        match version {
            Version::V230 => self.tax_included = self.tax_included.or(Some(TaxIncluded::No)),
            Version::V221 => self.tax_included = None,
            Version::Other(_) => {}
        }
        self
    }
}

impl OcpiObject for Tariff {
    const SECTION: &'static str = "mod_tariffs: Tariff object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[
        ("country_code", 2),
        ("party_id", 3),
        ("id", 36),
        ("currency", 3),
        ("tariff_alt_url", 255),
    ];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            country_code: object.required("country_code")?,
            party_id: object.required("party_id")?,
            id: object.required("id")?,
            currency: object.required("currency")?,
            tariff_type: object.optional("type"),
            tariff_alt_text: object.list("tariff_alt_text"),
            tariff_alt_url: object.optional("tariff_alt_url"),
            min_price: object.optional("min_price"),
            max_price: object.optional("max_price"),
            elements: object.list_of_some("elements"),
            tax_included: object.optional("tax_included"),
            start_date_time: object.optional("start_date_time"),
            end_date_time: object.optional("end_date_time"),
            energy_mix: object.optional("energy_mix"),
            last_updated: object.required("last_updated")?,
            extra: object.extra(),
        })
    }
}

deserialize_leniently!(PriceComponent, TariffElement, Tariff);
