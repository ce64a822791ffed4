//! Amounts of money, in the shapes of both versions.

use serde::Serialize;
use serde_json::Value;

use super::macros::deserialize_leniently;
use super::version::Version;
use crate::read::{FromOcpi, Object, OcpiObject, Reader, Unreadable, id};

/// One tax inside of a price. Section: types (2.3.0), `TaxAmount` class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaxAmount {
    /// Name of the tax. Cardinality 1.
    pub name: String,
    /// Tax account of the business that remits it. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_number: Option<String>,
    /// Rate in percent. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentage: Option<f64>,
    /// Amount in the currency of the object around it. Cardinality 1.
    pub amount: f64,
}

impl OcpiObject for TaxAmount {
    const SECTION: &'static str = "types: TaxAmount class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            name: object.expected("name").unwrap_or_default(),
            account_number: object.optional("account_number"),
            percentage: object.optional("percentage"),
            amount: object.required("amount")?,
        })
    }
}

/// An amount of money in the currency of the object around it.
///
/// Section: types, Price class. The two versions have different shapes; the one that came is kept,
/// and [`Price::in_version`] changes it into the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Price {
    /// The shape of 2.3.0.
    BeforeTaxes {
        /// Amount without taxes. Cardinality 1.
        before_taxes: f64,
        /// The taxes that come on top. Cardinality *.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        taxes: Vec<TaxAmount>,
    },
    /// The shape of 2.2.1.
    ExclVat {
        /// Amount without value added tax. Cardinality 1.
        excl_vat: f64,
        /// Amount with value added tax. Cardinality ?.
        #[serde(skip_serializing_if = "Option::is_none")]
        incl_vat: Option<f64>,
    },
}

impl Price {
    /// The amount without taxes.
    pub fn before_taxes(&self) -> f64 {
        match self {
            Self::BeforeTaxes { before_taxes, .. } => *before_taxes,
            Self::ExclVat { excl_vat, .. } => *excl_vat,
        }
    }

    /// The amount with taxes, when it is known: 2.3.0 with an empty list of taxes does not tell.
    pub fn after_taxes(&self) -> Option<f64> {
        match self {
            Self::BeforeTaxes { taxes, .. } if taxes.is_empty() => None,
            Self::BeforeTaxes {
                before_taxes,
                taxes,
            } => Some(before_taxes + taxes.iter().map(|tax| tax.amount).sum::<f64>()),
            Self::ExclVat { incl_vat, .. } => *incl_vat,
        }
    }

    /// The same amount in the shape of `version`; a tax that comes from 2.2.1 is named `VAT`.
    #[must_use]
    pub fn in_version(&self, version: &Version) -> Self {
        match (version, self) {
            (Version::V221, Self::BeforeTaxes { before_taxes, .. }) => Self::ExclVat {
                excl_vat: *before_taxes,
                incl_vat: self.after_taxes(),
            },
            (Version::V230, Self::ExclVat { excl_vat, incl_vat }) => Self::BeforeTaxes {
                before_taxes: *excl_vat,
                taxes: incl_vat.iter().map(|incl| vat(incl - excl_vat)).collect(),
            },
            _ => self.clone(),
        }
    }
}

fn vat(amount: f64) -> TaxAmount {
    // Four decimals are what an OCPI number carries; the subtraction of two floats has more.
    let amount = (amount * 10_000.0).round() / 10_000.0;
    TaxAmount {
        name: "VAT".to_owned(),
        account_number: None,
        percentage: None,
        amount,
    }
}

struct PriceFields(Price);

impl OcpiObject for PriceFields {
    const SECTION: &'static str = "types: Price class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self(if object.has("excl_vat") {
            Price::ExclVat {
                excl_vat: object.required("excl_vat")?,
                incl_vat: object.optional("incl_vat"),
            }
        } else {
            Price::BeforeTaxes {
                before_taxes: object.required("before_taxes")?,
                taxes: object.list("taxes"),
            }
        }))
    }
}

impl FromOcpi for Price {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if value.is_number() {
            reader.note(
                id::PRICE_BARE_NUMBER,
                format!("{value} read as the amount without tax"),
            );
            return Ok(Self::ExclVat {
                excl_vat: f64::read(value, reader)?,
                incl_vat: None,
            });
        }
        PriceFields::read(value, reader).map(|fields| fields.0)
    }
}

/// The least or most that a session under a tariff costs.
///
/// Section: `mod_tariffs`: a Price in 2.2.1, a `PriceLimit` in 2.3.0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PriceLimit {
    /// The shape of 2.3.0.
    BeforeTaxes {
        /// Limit without taxes. Cardinality 1.
        before_taxes: f64,
        /// Limit with taxes. Cardinality ?.
        #[serde(skip_serializing_if = "Option::is_none")]
        after_taxes: Option<f64>,
    },
    /// The shape of 2.2.1.
    ExclVat {
        /// Limit without value added tax. Cardinality 1.
        excl_vat: f64,
        /// Limit with value added tax. Cardinality ?.
        #[serde(skip_serializing_if = "Option::is_none")]
        incl_vat: Option<f64>,
    },
}

impl PriceLimit {
    /// The limit without taxes.
    pub fn before_taxes(&self) -> f64 {
        match self {
            Self::BeforeTaxes { before_taxes, .. } => *before_taxes,
            Self::ExclVat { excl_vat, .. } => *excl_vat,
        }
    }

    /// The same limit in the shape of `version`.
    #[must_use]
    pub fn in_version(&self, version: &Version) -> Self {
        match (version, self) {
            (
                Version::V221,
                Self::BeforeTaxes {
                    before_taxes,
                    after_taxes,
                },
            ) => Self::ExclVat {
                excl_vat: *before_taxes,
                incl_vat: *after_taxes,
            },
            (Version::V230, Self::ExclVat { excl_vat, incl_vat }) => Self::BeforeTaxes {
                before_taxes: *excl_vat,
                after_taxes: *incl_vat,
            },
            _ => self.clone(),
        }
    }
}

impl OcpiObject for PriceLimit {
    const SECTION: &'static str = "mod_tariffs: PriceLimit class";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(if object.has("excl_vat") {
            Self::ExclVat {
                excl_vat: object.required("excl_vat")?,
                incl_vat: object.optional("incl_vat"),
            }
        } else {
            Self::BeforeTaxes {
                before_taxes: object.required("before_taxes")?,
                after_taxes: object.optional("after_taxes"),
            }
        })
    }
}

deserialize_leniently!(TaxAmount, Price, PriceLimit);
