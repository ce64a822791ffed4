//! Quantities of a session that can only be meant in another unit.
//!
//! The specification asks for kWh and kW; its own examples carry energies in Wh, and some
//! platforms follow the examples.

use crate::read::Deviation;
use crate::types::{CdrDimensionType, ChargingPeriod, Session};

/// Identifier of the deviation noted for energies in Wh.
pub const ENERGY_IN_WH: &str = "session.energy_in_wh";
/// Identifier of the deviation noted for powers in W.
pub const POWER_IN_W: &str = "session.power_in_w";

/// The most that any charging station gives, in kW: 3.75 MW of the Megawatt Charging System,
/// rounded up. A larger power can only be meant in W.
pub const MAX_POWER_KW: f64 = 4000.0;

/// An energy counts as meant in Wh when the sum is this many times `kwh`: half to double of 1000,
/// because the two are not always updated together.
const WH_RATIO: std::ops::RangeInclusive<f64> = 500.0..=2000.0;

/// How the quantities in the charging periods of a session are meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Units {
    /// Energies are in Wh: divide them by 1000.
    pub energy_in_wh: bool,
    /// Powers are in W: divide them by 1000.
    pub power_in_w: bool,
    /// The same for a report.
    pub deviations: Vec<Deviation>,
}

impl Units {
    /// Looks at a session: the sum of its ENERGY against its `kwh`, and its POWER against
    /// [`MAX_POWER_KW`].
    pub fn of(session: &Session) -> Self {
        let periods = &session.charging_periods;
        let sum = sum(periods, &CdrDimensionType::Energy);
        let ratio = sum / session.kwh;
        let energy_in_wh = session.kwh > 0.0 && WH_RATIO.contains(&ratio);
        let power = largest(periods, &CdrDimensionType::Power);
        let power_in_w = power > MAX_POWER_KW;
        let mut deviations = Vec::new();
        if energy_in_wh {
            let detail = format!("ENERGY sums up to {sum} while kwh is {}", session.kwh);
            deviations.push(note(ENERGY_IN_WH, detail));
        }
        if power_in_w {
            deviations.push(note(POWER_IN_W, format!("POWER of {power} kW")));
        }
        Self {
            energy_in_wh,
            power_in_w,
            deviations,
        }
    }
}

fn note(id: &'static str, detail: String) -> Deviation {
    Deviation::new(
        id,
        "$.charging_periods",
        "mod_cdrs: CdrDimensionType enum",
        detail,
    )
}

fn sum(periods: &[ChargingPeriod], dimension: &CdrDimensionType) -> f64 {
    periods
        .iter()
        .filter_map(|period| period.volume(dimension))
        .sum()
}

fn largest(periods: &[ChargingPeriod], dimension: &CdrDimensionType) -> f64 {
    periods
        .iter()
        .filter_map(|period| period.volume(dimension))
        .fold(0.0, |a, b| b.abs().max(a))
}
