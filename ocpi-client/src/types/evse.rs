//! The part of a charging station that serves one car.

use serde::Serialize;

use super::ci_string::CiString;
use super::connector::Connector;
use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Extra, Object, OcpiObject, Unreadable};

open_enum! {
    /// State of an EVSE. Section: `mod_locations`, Status enum.
    pub enum Status in "mod_locations: Status enum" {
        /// Free.
        Available = "AVAILABLE",
        /// Not reachable because of an obstacle.
        Blocked = "BLOCKED",
        /// In use.
        Charging = "CHARGING",
        /// Not in operation, but not broken.
        Inoperative = "INOPERATIVE",
        /// Broken.
        OutOfOrder = "OUTOFORDER",
        /// To be built.
        Planned = "PLANNED",
        /// Gone: OCPI has no DELETE for it.
        Removed = "REMOVED",
        /// Reserved for a driver.
        Reserved = "RESERVED",
        /// Not known; also when offline.
        Unknown = "UNKNOWN",
    }
}

open_enum! {
    /// What an EVSE can do. Section: `mod_locations`, Capability.
    pub enum Capability (open) in "mod_locations: Capability" {
        /// It follows charging profiles.
        ChargingProfileCapable = "CHARGING_PROFILE_CAPABLE",
        /// It takes charging preferences.
        ChargingPreferencesCapable = "CHARGING_PREFERENCES_CAPABLE",
        /// Payment by chip card.
        ChipCardSupport = "CHIP_CARD_SUPPORT",
        /// Contactless payment.
        ContactlessCardSupport = "CONTACTLESS_CARD_SUPPORT",
        /// Payment by credit card.
        CreditCardPayable = "CREDIT_CARD_PAYABLE",
        /// Payment by debit card.
        DebitCardPayable = "DEBIT_CARD_PAYABLE",
        /// Payment terminal with a code entry.
        PedTerminal = "PED_TERMINAL",
        /// Can be started and stopped from afar.
        RemoteStartStopCapable = "REMOTE_START_STOP_CAPABLE",
        /// Can be reserved.
        Reservable = "RESERVABLE",
        /// Reads RFID cards.
        RfidReader = "RFID_READER",
        /// A start command must name the connector.
        StartSessionConnectorRequired = "START_SESSION_CONNECTOR_REQUIRED",
        /// Groups of tokens.
        TokenGroupCapable = "TOKEN_GROUP_CAPABLE",
        /// The lock can be opened from afar.
        UnlockCapable = "UNLOCK_CAPABLE",
    }
}

/// The part of a charging station that serves one car. Section: `mod_locations`, EVSE object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evse {
    /// Identifier within the CPO's platform. At most 36 characters, cardinality 1.
    pub uid: CiString,
    /// Identifier for people, such as `DE*ABC*E1`. At most 48 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evse_id: Option<CiString>,
    /// State. Cardinality 1; absence is read as `UNKNOWN`.
    pub status: Status,
    /// What it can do. Cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Its plugs; one is used at a time. Cardinality +.
    pub connectors: Vec<Connector>,
    /// Floor, as people call it. At most 4 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_level: Option<String>,
    /// What is printed on it. At most 16 characters, cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_reference: Option<String>,
    /// When it or one of its connectors was last changed. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<DateTime>,
    /// Every other field.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Evse {
    /// Whether it says that it can do this.
    pub fn can(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// The connector with this identifier.
    pub fn connector(&self, id: &CiString) -> Option<&Connector> {
        self.connectors.iter().find(|connector| connector.id == *id)
    }

    /// Puts a connector in place of the one with the same identifier, or adds it; the EVSE was then
    /// changed at least as late as the connector.
    pub fn put_connector(&mut self, connector: Connector) {
        self.last_updated = self.last_updated.max(connector.last_updated);
        match self
            .connectors
            .iter_mut()
            .find(|known| known.id == connector.id)
        {
            Some(known) => *known = connector,
            None => self.connectors.push(connector),
        }
    }
}

impl OcpiObject for Evse {
    const SECTION: &'static str = "mod_locations: EVSE object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[
        ("uid", 36),
        ("evse_id", 48),
        ("floor_level", 4),
        ("physical_reference", 16),
    ];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            uid: object.required("uid")?,
            evse_id: object.optional("evse_id"),
            status: object.expected("status").unwrap_or(Status::Unknown),
            capabilities: object.list("capabilities"),
            connectors: object.list_of_some("connectors"),
            floor_level: object.optional("floor_level"),
            physical_reference: object.optional("physical_reference"),
            last_updated: object.expected("last_updated"),
            extra: object.extra(),
        })
    }
}

deserialize_leniently!(Evse);
