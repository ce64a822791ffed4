//! A connector's rating: what the EVSE can draw at most, and in which unit it is steered.

use ocpi_client::types::{Connector, Evse, PowerType};

use crate::domain::evse::Supply;
use crate::domain::quantity::{Power, Voltage};

/// Lowest current at which a car charges, in A. Source: IEC 61851.
const MIN_AC_AMPS: i64 = 6;

/// What a connector can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rating {
    /// Highest power at nominal voltage.
    pub max: Power,
    /// Lowest power at which charging goes on: 6 A on all phases for AC. Our choice for DC: 0,
    /// since OCPI does not say it.
    pub min: Power,
    /// AC with its phases and voltage, or DC.
    pub supply: Supply,
}

/// The rating of a connector, if it says enough. A three-phase voltage between two lines is taken
/// for what it is.
pub fn rating(connector: &Connector) -> Option<Rating> {
    let max = Power::from_watts(i64::try_from(connector.rated_power_w()?).ok()?);
    let power_type = connector.power_type.as_ref()?;
    if power_type.is_ac()? {
        let phases = u8::try_from(power_type.conductors()?).ok()?;
        let volts = connector.phase_voltage_v().filter(|volts| *volts > 0);
        let nominal = volts.map_or(Voltage::V230, |volts| Voltage::from_volts(f64::from(volts)));
        let min_mw = MIN_AC_AMPS * i64::from(phases) * nominal.millivolts();
        let min = Power::from_watts(min_mw / 1000).min(max);
        Some(Rating {
            max,
            min,
            supply: Supply::Ac { phases, nominal },
        })
    } else {
        Some(Rating {
            max,
            min: Power::ZERO,
            supply: Supply::Dc,
        })
    }
}

/// The rating of an EVSE: of its connectors one is used at a time, so the strongest counts.
pub fn evse_rating(evse: &Evse) -> Option<Rating> {
    evse.connectors
        .iter()
        .filter_map(rating)
        .max_by_key(|rating| rating.max)
}

/// True if a connector's figures cannot all be right: volts, amperes and watts contradict.
pub fn is_contradictory(connector: &Connector) -> bool {
    let told = connector.max_electric_power.filter(|watts| *watts > 0);
    let without = Connector {
        max_electric_power: None,
        ..connector.clone()
    };
    let (Some(told), Some(product)) = (told, without.rated_power_w()) else {
        return false;
    };
    // A cap below the product is usual; more than a fifth above it cannot be drawn.
    connector.power_type != Some(PowerType::Dc) && u64::from(told) > product * 6 / 5
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn connector(extra: &Value) -> Connector {
        let mut body = json!({"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
            "last_updated": "2026-11-22T16:00:00Z"});
        let fields = body.as_object_mut().unwrap();
        fields.extend(extra.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn three_phases_at_sixteen_amps_are_eleven_kilowatts() {
        // 230 V x 16 A x 3 = 11,040 W; 6 A x 3 x 230 V = 4,140 W
        let ac =
            connector(&json!({"power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16}));
        let rating = rating(&ac).unwrap();
        assert_eq!(rating.max, Power::from_watts(11_040));
        assert_eq!(rating.min, Power::from_watts(4140));
        assert_eq!(
            rating.supply,
            Supply::Ac {
                phases: 3,
                nominal: Voltage::V230
            }
        );
    }

    #[test]
    fn four_hundred_volts_on_three_phases_are_between_two_lines() {
        // 400 V / sqrt 3 = 230 V; 230 x 32 x 3 = 22,080 W, capped by the 22,000 W given
        let ac = connector(&json!({"power_type": "AC_3_PHASE", "max_voltage": 400,
            "max_amperage": 32, "max_electric_power": 22_000}));
        let rating = rating(&ac).unwrap();
        assert_eq!(rating.max, Power::from_watts(22_000));
        assert_eq!(
            rating.supply,
            Supply::Ac {
                phases: 3,
                nominal: Voltage::V230
            }
        );
    }

    #[test]
    fn direct_current_is_steered_in_watts() {
        let dc = connector(&json!({"power_type": "DC", "max_voltage": 400, "max_amperage": 125}));
        let rating = rating(&dc).unwrap();
        assert_eq!(rating.max, Power::from_watts(50_000));
        assert_eq!(rating.supply, Supply::Dc);
    }

    #[test]
    fn a_connector_that_says_too_little_has_no_rating() {
        assert_eq!(
            rating(&connector(&json!({"power_type": "AC_3_PHASE"}))),
            None
        );
        assert_eq!(
            rating(&connector(&json!({"max_voltage": 230, "max_amperage": 16}))),
            None
        );
    }

    #[test]
    fn more_watts_than_volts_times_amps_contradict() {
        let told = |watts: u32| {
            connector(&json!({"power_type": "AC_1_PHASE", "max_voltage": 230,
                "max_amperage": 16, "max_electric_power": watts}))
        };
        // 230 x 16 = 3,680 W
        assert!(!is_contradictory(&told(3000)));
        assert!(is_contradictory(&told(11_000)));
    }
}
