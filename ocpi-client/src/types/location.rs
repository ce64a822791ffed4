//! A place with EVSEs.

use serde::Serialize;

use super::ci_string::CiString;
use super::date_time::DateTime;
use super::energy_mix::EnergyMix;
use super::evse::Evse;
use super::macros::deserialize_leniently;
use crate::read::{Extra, Object, OcpiObject, Unreadable};

/// A point on earth, WGS 84. Section: `mod_locations`, `GeoLocation` class.
///
/// Kept as text, as it is sent: a decimal number of degrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GeoLocation {
    /// Degrees north. At most 10 characters, cardinality 1.
    pub latitude: String,
    /// Degrees east. At most 11 characters, cardinality 1.
    pub longitude: String,
}

impl OcpiObject for GeoLocation {
    const SECTION: &'static str = "mod_locations: GeoLocation class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("latitude", 10), ("longitude", 11)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            latitude: object.required("latitude")?,
            longitude: object.required("longitude")?,
        })
    }
}

/// A place with EVSEs. Section: `mod_locations`, Location object.
///
/// Fields about maps, opening times and parking are not modelled; they stay in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Location {
    /// Country of the owning CPO, ISO 3166-1 alpha-2. Cardinality 1.
    pub country_code: CiString,
    /// Party of the owning CPO. Three characters, cardinality 1.
    pub party_id: CiString,
    /// Identifier in the CPO's platform. At most 36 characters, cardinality 1.
    pub id: CiString,
    /// Whether it may be shown to the public. Cardinality 1; absence is read as no.
    pub publish: bool,
    /// Name. At most 255 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Street and number. At most 255 characters (45 before an erratum), cardinality 1; absence
    /// tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Town. At most 45 characters, cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Postal code. At most 10 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// State or province. At most 45 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Country of the address, ISO 3166-1 alpha-3. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Where it is. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<GeoLocation>,
    /// Its EVSEs. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evses: Vec<Evse>,
    /// Time zone, IANA name; tariff hours are in it. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Where its energy comes from. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_mix: Option<EnergyMix>,
    /// When it, an EVSE or a connector was last changed. Cardinality 1.
    pub last_updated: DateTime,
    /// Every other field, extensions included.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Location {
    /// The EVSE with this identifier.
    pub fn evse(&self, uid: &CiString) -> Option<&Evse> {
        self.evses.iter().find(|evse| evse.uid == *uid)
    }

    /// Puts an EVSE in place of the one with the same identifier, or adds it; the location was
    /// then changed at least as late as the EVSE.
    pub fn put_evse(&mut self, evse: Evse) {
        self.last_updated = self
            .last_updated
            .max(evse.last_updated.unwrap_or(self.last_updated));
        match self.evses.iter_mut().find(|known| known.uid == evse.uid) {
            Some(known) => *known = evse,
            None => self.evses.push(evse),
        }
    }
}

impl OcpiObject for Location {
    const SECTION: &'static str = "mod_locations: Location object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[
        ("country_code", 2),
        ("party_id", 3),
        ("id", 36),
        ("name", 255),
        ("address", 255),
        ("city", 45),
        ("postal_code", 10),
        ("state", 45),
        ("country", 3),
        ("time_zone", 255),
    ];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            country_code: object.required("country_code")?,
            party_id: object.required("party_id")?,
            id: object.required("id")?,
            publish: object.expected("publish").unwrap_or(false),
            name: object.optional("name"),
            address: object.expected("address"),
            city: object.expected("city"),
            postal_code: object.optional("postal_code"),
            state: object.optional("state"),
            country: object.expected("country"),
            coordinates: object.expected("coordinates"),
            evses: object.list("evses"),
            time_zone: object.expected("time_zone"),
            energy_mix: object.optional("energy_mix"),
            last_updated: object.required("last_updated")?,
            extra: object.extra(),
        })
    }
}

deserialize_leniently!(GeoLocation, Location);
