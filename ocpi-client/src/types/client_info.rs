//! Who is connected to a hub.

use serde::Serialize;

use super::ci_string::CiString;
use super::credentials::Role;
use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Object, OcpiObject, Unreadable};

open_enum! {
    /// Whether a party can be reached. Section: `mod_hub_client_info`, `ConnectionStatus` enum.
    pub enum ConnectionStatus in "mod_hub_client_info: ConnectionStatus enum" {
        /// Connected: the only state in which requests may be sent.
        Connected = "CONNECTED",
        /// Not connected now.
        Offline = "OFFLINE",
        /// Never yet connected.
        Planned = "PLANNED",
        /// Will not come back.
        Suspended = "SUSPENDED",
    }
}

/// A party behind a hub. Section: `mod_hub_client_info`, `ClientInfo` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientInfo {
    /// Party identifier. Three characters, cardinality 1.
    pub party_id: CiString,
    /// Country, ISO 3166-1 alpha-2. Cardinality 1.
    pub country_code: CiString,
    /// Role of the party. Cardinality 1.
    pub role: Role,
    /// State of its connection. Cardinality 1.
    pub status: ConnectionStatus,
    /// When this last changed. Cardinality 1.
    pub last_updated: DateTime,
}

impl OcpiObject for ClientInfo {
    const SECTION: &'static str = "mod_hub_client_info: ClientInfo object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("party_id", 3), ("country_code", 2)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            party_id: object.required("party_id")?,
            country_code: object.required("country_code")?,
            role: object.required("role")?,
            status: object.required("status")?,
            last_updated: object.required("last_updated")?,
        })
    }
}

deserialize_leniently!(ClientInfo);
