//! The plug of an EVSE.

use serde::Serialize;

use super::ci_string::CiString;
use super::date_time::DateTime;
use super::macros::{deserialize_leniently, open_enum};
use crate::read::{Extra, Object, OcpiObject, Unreadable};

open_enum! {
    /// Current and phases of a connector. Section: `mod_locations`, `PowerType` enum.
    pub enum PowerType in "mod_locations: PowerType enum" {
        /// One phase.
        Ac1Phase = "AC_1_PHASE",
        /// Two of the three phases.
        Ac2Phase = "AC_2_PHASE",
        /// Two phases of a split-phase system.
        Ac2PhaseSplit = "AC_2_PHASE_SPLIT",
        /// Three phases.
        Ac3Phase = "AC_3_PHASE",
        /// Direct current.
        Dc = "DC",
    }
}

impl PowerType {
    /// By how much voltage times current is multiplied to get the power: the number of phases,
    /// and 1 for DC. `None` for a type that the specification does not have.
    pub fn conductors(&self) -> Option<u32> {
        match self {
            Self::Ac1Phase | Self::Dc => Some(1),
            Self::Ac2Phase | Self::Ac2PhaseSplit => Some(2),
            Self::Ac3Phase => Some(3),
            Self::Other(_) => None,
        }
    }

    /// Whether it is alternating current; `None` for a type that the specification does not have.
    pub fn is_ac(&self) -> Option<bool> {
        match self {
            Self::Dc => Some(false),
            Self::Other(_) => None,
            _ => Some(true),
        }
    }
}

open_enum! {
    /// Socket or cable. Section: `mod_locations`, `ConnectorFormat` enum.
    pub enum ConnectorFormat in "mod_locations: ConnectorFormat enum" {
        /// A socket.
        Socket = "SOCKET",
        /// A cable.
        Cable = "CABLE",
    }
}

open_enum! {
    /// Standard of a plug. Section: `mod_locations`, `ConnectorType`. Only the types that cars
    /// charge with have names here; household and industrial ones are read as [`Self::Other`] with
    /// their text, like any type added later.
    pub enum ConnectorType (open) in "mod_locations: ConnectorType" {
        /// `CHAdeMO`, DC.
        Chademo = "CHADEMO",
        /// `ChaoJi`, DC.
        Chaoji = "CHAOJI",
        /// GB/T, AC.
        GbtAc = "GBT_AC",
        /// GB/T, DC.
        GbtDc = "GBT_DC",
        /// Type 1.
        Type1 = "IEC_62196_T1",
        /// Combo 1, DC.
        Type1Combo = "IEC_62196_T1_COMBO",
        /// Type 2.
        Type2 = "IEC_62196_T2",
        /// Combo 2, DC.
        Type2Combo = "IEC_62196_T2_COMBO",
        /// Type 3A.
        Type3A = "IEC_62196_T3A",
        /// Type 3C.
        Type3C = "IEC_62196_T3C",
        /// Megawatt charging; 2.3.0.
        Mcs = "MCS",
        /// North American standard; 2.3.0.
        SaeJ3400 = "SAE_J3400",
        /// Pantograph from the vehicle upwards.
        PantographBottomUp = "PANTOGRAPH_BOTTOM_UP",
        /// Pantograph from the station downwards.
        PantographTopDown = "PANTOGRAPH_TOP_DOWN",
        /// Tesla Roadster.
        TeslaR = "TESLA_R",
        /// Tesla Model S.
        TeslaS = "TESLA_S",
        /// Household socket, type F.
        DomesticF = "DOMESTIC_F",
        /// Industrial, one phase, 16 A.
        Industrial1Phase16 = "IEC_60309_2_single_16",
        /// Industrial, three phases, 16 A.
        Industrial3Phase16 = "IEC_60309_2_three_16",
        /// Industrial, three phases, 32 A.
        Industrial3Phase32 = "IEC_60309_2_three_32",
        /// Industrial, three phases, 64 A.
        Industrial3Phase64 = "IEC_60309_2_three_64",
    }
}

/// A plug of an EVSE. Section: `mod_locations`, Connector object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connector {
    /// Identifier within the EVSE. At most 36 characters, cardinality 1.
    pub id: CiString,
    /// Standard of the plug. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<ConnectorType>,
    /// Socket or cable. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ConnectorFormat>,
    /// Current and phases. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_type: Option<PowerType>,
    /// Highest voltage in V: line to neutral for `AC_3_PHASE`. Cardinality 1; absence tolerated.
    /// As sent, see [`Connector::phase_voltage_v`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_voltage: Option<u32>,
    /// Highest current in A, per phase. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_amperage: Option<u32>,
    /// Highest power in W, when less than voltage times current. Cardinality ?.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_electric_power: Option<u32>,
    /// Tariffs in force. At most 36 characters each, cardinality *.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tariff_ids: Vec<CiString>,
    /// When it was last changed. Cardinality 1; absence tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<DateTime>,
    /// Every other field.
    #[serde(flatten)]
    pub extra: Extra,
}

/// From this voltage on, in V, a three-phase connector's voltage is taken as line to line.
///
/// The lowest line-to-line voltage that occurs is 400 V less 10 % = 360 V, the highest line to
/// neutral is 277 V plus 10 % = 305 V; 346 V = 200 V * sqrt(3) lies between them.
pub const LINE_TO_LINE_FROM_V: u32 = 346;

/// Identifier of the deviation noted for a line-to-line voltage.
pub const LINE_TO_LINE_VOLTAGE: &str = "connector.line_to_line_voltage";

impl Connector {
    /// Whether `max_voltage` must be the voltage between two lines, although the specification
    /// asks for line to neutral.
    pub fn has_line_to_line_voltage(&self) -> bool {
        self.power_type == Some(PowerType::Ac3Phase)
            && self
                .max_voltage
                .is_some_and(|volts| volts >= LINE_TO_LINE_FROM_V)
    }

    /// The voltage from line to neutral in V (of DC: the voltage), rounded down.
    pub fn phase_voltage_v(&self) -> Option<u32> {
        let volts = self.max_voltage?;
        Some(if self.has_line_to_line_voltage() {
            // V / sqrt(3) = V * 1000 / 1732.05..; 400 V gives 230 V.
            u32::try_from(u64::from(volts) * 1000 / 1732).unwrap_or(volts)
        } else {
            volts
        })
    }

    /// The most the connector can give, in W: the lesser of `max_electric_power` and voltage times
    /// current times phases, of those that are known. A power or current of 0 counts as not known.
    pub fn rated_power_w(&self) -> Option<u64> {
        let known = |value: Option<u32>| value.filter(|value| *value > 0).map(u64::from);
        let product = || {
            let phases = u64::from(self.power_type.as_ref()?.conductors()?);
            Some(known(self.phase_voltage_v())?.saturating_mul(known(self.max_amperage)?) * phases)
        };
        match (known(self.max_electric_power), product()) {
            (Some(told), Some(product)) => Some(told.min(product)),
            (told, product) => told.or(product),
        }
    }
}

impl OcpiObject for Connector {
    const SECTION: &'static str = "mod_locations: Connector object";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("id", 36)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        let connector = Self {
            id: object.required("id")?,
            standard: object.expected("standard"),
            format: object.expected("format"),
            power_type: object.expected("power_type"),
            max_voltage: object.expected("max_voltage"),
            max_amperage: object.expected("max_amperage"),
            max_electric_power: object.optional("max_electric_power"),
            tariff_ids: object.list("tariff_ids"),
            last_updated: object.expected("last_updated"),
            extra: object.extra(),
        };
        if connector.has_line_to_line_voltage() {
            object.note(
                LINE_TO_LINE_VOLTAGE,
                format!(
                    "max_voltage {} must be line to line; taken as {} V line to neutral",
                    connector.max_voltage.unwrap_or_default(),
                    connector.phase_voltage_v().unwrap_or_default()
                ),
            );
        }
        Ok(connector)
    }
}

deserialize_leniently!(Connector);
