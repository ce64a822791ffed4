//! What a platform implements in one version.

use serde::Serialize;

use super::macros::{deserialize_leniently, open_enum};
use super::version::Version;
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// A module of OCPI. Section: `version_information_endpoint`, `ModuleID`. Custom modules are
    /// kept as [`Self::Other`].
    pub enum ModuleId (open) in "version_information_endpoint: ModuleID" {
        /// Charge detail records.
        Cdrs = "cdrs",
        /// Smart charging.
        ChargingProfiles = "chargingprofiles",
        /// Remote start, stop, reservations.
        Commands = "commands",
        /// Registration; every platform has it.
        Credentials = "credentials",
        /// Which parties a hub reaches.
        HubClientInfo = "hubclientinfo",
        /// Locations, EVSEs, connectors.
        Locations = "locations",
        /// Charging sessions.
        Sessions = "sessions",
        /// Retail prices.
        Tariffs = "tariffs",
        /// RFID cards and app users.
        Tokens = "tokens",
    }
}

open_enum! {
    /// The side of a module that an endpoint implements. Section: `version_information_endpoint`,
    /// `InterfaceRole`.
    pub enum InterfaceRole in "version_information_endpoint: InterfaceRole" {
        /// The owner of the data: it can be asked, and it pushes.
        Sender = "SENDER",
        /// The receiver of the data: it can be pushed to.
        Receiver = "RECEIVER",
    }
}

/// One endpoint of a platform.
///
/// Section: `version_information_endpoint`, Endpoint class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The module. Cardinality 1.
    pub identifier: ModuleId,
    /// The side implemented by the publisher. Cardinality 1; without meaning for credentials.
    /// `None` when the peer left it out, which is noted except for credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<InterfaceRole>,
    /// Base address of the endpoint. URL, cardinality 1; with or without a trailing slash.
    pub url: String,
}

impl OcpiObject for Endpoint {
    const SECTION: &'static str = "version_information_endpoint: Endpoint class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("url", 255)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        let identifier = object.required("identifier")?;
        let role = if identifier == ModuleId::Credentials {
            object.optional("role")
        } else {
            object.expected("role")
        };
        Ok(Self {
            identifier,
            role,
            url: object.required("url")?,
        })
    }
}

/// The endpoints of a platform in one version.
///
/// Section: `version_information_endpoint`, version details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionDetails {
    /// The version. Cardinality 1.
    pub version: Version,
    /// The endpoints. Cardinality +.
    pub endpoints: Vec<Endpoint>,
}

impl VersionDetails {
    /// The address of a module's side. An endpoint whose role was left out serves either side when
    /// no other names it; for credentials the role is ignored.
    pub fn url(&self, module: &ModuleId, role: &InterfaceRole) -> Option<&str> {
        let of_module = || self.endpoints.iter().filter(|e| e.identifier == *module);
        let any_role = *module == ModuleId::Credentials;
        of_module()
            .find(|endpoint| any_role || endpoint.role.as_ref() == Some(role))
            .or_else(|| of_module().find(|endpoint| endpoint.role.is_none()))
            .map(|endpoint| endpoint.url.as_str())
    }

    /// The address of the credentials module.
    pub fn credentials_url(&self) -> Option<&str> {
        self.url(&ModuleId::Credentials, &InterfaceRole::Sender)
    }
}

impl OcpiObject for VersionDetails {
    const SECTION: &'static str = "version_information_endpoint: version details";

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            version: object.required("version")?,
            endpoints: object.list_of_some("endpoints"),
        })
    }
}

deserialize_leniently!(Endpoint, VersionDetails);
