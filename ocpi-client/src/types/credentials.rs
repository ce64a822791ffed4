//! Who a platform is and how to reach it.

use serde::Serialize;

use super::ci_string::CiString;
use super::macros::{deserialize_leniently, open_enum};
use crate::headers::Party;
use crate::read::{Object, OcpiObject, Unreadable};
use crate::token::Token;

open_enum! {
    /// The role of a party. Section: types, Role enum.
    pub enum Role in "types: Role enum" {
        /// Charge point operator.
        Cpo = "CPO",
        /// Electric mobility service provider.
        Emsp = "EMSP",
        /// Roaming hub; only up to 2.2.1, later told by `hub_party_id`.
        Hub = "HUB",
        /// National access point.
        Nap = "NAP",
        /// Navigation service provider.
        Nsp = "NSP",
        /// Any other role.
        OtherRole = "OTHER",
        /// Smart charging service provider.
        Scsp = "SCSP",
    }
}

/// An image. Section: `mod_locations`, Image class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Address of the image. URL, cardinality 1.
    pub url: String,
    /// Address of a small version. URL, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// What it shows, such as `OPERATOR`. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// File type such as `png`. At most 4 characters, cardinality 1; absence tolerated.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub image_type: Option<CiString>,
    /// Width in pixels. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl OcpiObject for Image {
    const SECTION: &'static str = "mod_locations: Image class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] =
        &[("url", 255), ("thumbnail", 255), ("type", 4)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            url: object.required("url")?,
            thumbnail: object.optional("thumbnail"),
            category: object.expected("category"),
            image_type: object.expected("type"),
            width: object.optional("width"),
            height: object.optional("height"),
        })
    }
}

/// Name and address of a party. Section: `mod_locations`, `BusinessDetails` class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BusinessDetails {
    /// Name. At most 100 characters, cardinality 1.
    pub name: String,
    /// Web site. URL, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Logo. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<Image>,
}

impl BusinessDetails {
    /// Details with nothing but a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            website: None,
            logo: None,
        }
    }
}

impl OcpiObject for BusinessDetails {
    const SECTION: &'static str = "mod_locations: BusinessDetails class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("name", 100), ("website", 255)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            name: object.expected("name").unwrap_or_default(),
            website: object.optional("website"),
            logo: object.optional("logo"),
        })
    }
}

/// One party in one role on a platform. Section: credentials, `CredentialsRole` class.
///
/// Role, party and country together are unique; a platform may carry many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialsRole {
    /// The role. Cardinality 1.
    pub role: Role,
    /// Who it is. Cardinality 1; absence tolerated (then with an empty name).
    pub business_details: BusinessDetails,
    /// Party identifier, three characters. Cardinality 1.
    pub party_id: CiString,
    /// Country, ISO 3166-1 alpha-2. Cardinality 1.
    pub country_code: CiString,
}

impl CredentialsRole {
    /// The party of this role.
    pub fn party(&self) -> Party {
        Party {
            country_code: self.country_code.clone(),
            party_id: self.party_id.clone(),
        }
    }
}

impl OcpiObject for CredentialsRole {
    const SECTION: &'static str = "credentials: CredentialsRole class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("party_id", 3), ("country_code", 2)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            role: object.required("role")?,
            business_details: object.expected("business_details").unwrap_or_default(),
            party_id: object.required("party_id")?,
            country_code: object.required("country_code")?,
        })
    }
}

/// How to reach a platform and what it is. Section: credentials, Credentials object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The token that the reader of this object shall use towards its writer. Cardinality 1.
    pub token: Token,
    /// The versions endpoint of the writer. URL, cardinality 1.
    pub url: String,
    /// The hub's own party, country code and party identifier in one (five characters). Only 2.3.0,
    /// cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_party_id: Option<CiString>,
    /// The parties on the platform. Cardinality +.
    pub roles: Vec<CredentialsRole>,
}

impl Credentials {
    /// The hub's own party, from `hub_party_id` (2.3.0) or from a role HUB (2.2.1).
    pub fn hub(&self) -> Option<Party> {
        let told = self
            .hub_party_id
            .as_ref()
            .and_then(|id| Party::from_joined(id.as_str()));
        told.or_else(|| {
            self.roles
                .iter()
                .find(|r| r.role == Role::Hub)
                .map(CredentialsRole::party)
        })
    }
}

impl OcpiObject for Credentials {
    const SECTION: &'static str = "credentials: Credentials object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] =
        &[("token", 64), ("url", 255), ("hub_party_id", 5)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            token: object.required("token")?,
            url: object.required("url")?,
            hub_party_id: object.optional("hub_party_id"),
            roles: object.list_of_some("roles"),
        })
    }
}

deserialize_leniently!(Image, BusinessDetails, CredentialsRole, Credentials);
