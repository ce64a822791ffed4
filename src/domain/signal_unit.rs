//! Units of signals: what each kind may come in, how it becomes our base unit, and which values
//! are believed. Shared by every way in: REST, feeds, protocols.

use std::ops::RangeInclusive;

use super::quantity::{Energy, Power, Price};
use super::signal::SignalKind;

/// Highest power that is believed, kW: a gigawatt.
pub const MAX_KW: f64 = 1e6;

/// Highest price that is believed, currency per kWh; beyond, it is one per megawatt-hour.
pub const MAX_PRICE_PER_KWH: f64 = 10.0;

/// The words of the API for the kinds.
pub const KINDS: [(&str, SignalKind); 14] = [
    ("import_limit", SignalKind::ImportLimit),
    ("export_limit", SignalKind::ExportLimit),
    ("import_fallback", SignalKind::ImportFallback),
    ("export_fallback", SignalKind::ExportFallback),
    ("import_price", SignalKind::ImportPrice),
    ("export_price", SignalKind::ExportPrice),
    ("demand_price", SignalKind::DemandPrice),
    ("carbon", SignalKind::Carbon),
    ("base_load", SignalKind::BaseLoad),
    ("pv", SignalKind::Pv),
    ("power_target", SignalKind::PowerTarget),
    ("min_energy", SignalKind::MinEnergy),
    ("shed_level", SignalKind::ShedLevel),
    ("alert", SignalKind::Alert),
];

/// What alerts are called elsewhere, and how grave each is: 1 is told, 2 sheds where drivers can spare
/// it, 3 sheds everything. The words are those of `OpenADR`'s alerts without their prefix.
pub const ALERTS: [(&str, i64); 12] = [
    ("grid_emergency", 3),
    ("black_start", 3),
    ("flex_alert", 2),
    ("possible_outage", 1),
    ("fire", 1),
    ("freezing", 1),
    ("wind", 1),
    ("tsunami", 1),
    ("air_quality", 1),
    ("other", 1),
    ("notice", 1),
    ("none", 0),
];

/// True for the kinds that are hard limits or wishes.
pub fn is_limit(kind: SignalKind) -> bool {
    matches!(
        kind,
        SignalKind::ImportLimit
            | SignalKind::ExportLimit
            | SignalKind::ImportFallback
            | SignalKind::ExportFallback
    )
}

/// The physical side of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// kW, kept as whole watts, rounded towards safety.
    PowerDown,
    PowerUp,
    PowerNearest,
    /// Currency per kWh, kept in millionths.
    EnergyPrice,
    /// Currency per kW, kept in millionths.
    PowerPrice,
    /// g/kWh, kept in milligrams.
    Carbon,
    /// kWh, kept in joules.
    Energy,
    /// A step of a scale.
    Level,
}

const fn quantity(kind: SignalKind) -> Quantity {
    match kind {
        SignalKind::ImportLimit
        | SignalKind::ExportLimit
        | SignalKind::ImportFallback
        | SignalKind::ExportFallback
        | SignalKind::Pv => Quantity::PowerDown,
        SignalKind::BaseLoad => Quantity::PowerUp,
        SignalKind::PowerTarget => Quantity::PowerNearest,
        SignalKind::ImportPrice | SignalKind::ExportPrice => Quantity::EnergyPrice,
        SignalKind::DemandPrice => Quantity::PowerPrice,
        SignalKind::Carbon => Quantity::Carbon,
        SignalKind::MinEnergy => Quantity::Energy,
        SignalKind::ShedLevel | SignalKind::Alert => Quantity::Level,
    }
}

/// How a value of one request becomes a value of ours.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    quantity: Quantity,
    /// How many of the API's own unit (kW, currency/kWh, ..) one of the request's unit is.
    factor: f64,
    signed: bool,
    /// Its words are those of alerts.
    is_alert: bool,
}

impl Unit {
    /// True for the steps of a scale.
    pub fn has_steps(self) -> bool {
        self.quantity == Quantity::Level
    }

    /// The step that a word stands for.
    pub fn step_of(self, word: &str) -> Option<i64> {
        let found = ALERTS.iter().find(|(known, _)| *known == word);
        found.filter(|_| self.is_alert).map(|(_, step)| *step)
    }

    /// Reads a unit; the error says which are possible.
    pub fn read(kind: SignalKind, text: &str, currency: &str) -> Result<Self, String> {
        let quantity = quantity(kind);
        let factor = match quantity {
            Quantity::PowerDown | Quantity::PowerUp | Quantity::PowerNearest => match text {
                "kW" => 1.0,
                "W" => 1e-3,
                "MW" => 1e3,
                _ => return Err(format!("is {text:?}; kW, W or MW is needed")),
            },
            // Great Britain's tariffs are in pence.
            Quantity::EnergyPrice if text == "p/kWh" && currency == "GBP" => 1e-2,
            Quantity::EnergyPrice => match per(text, currency)? {
                Some("kWh") => 1.0,
                Some("MWh") => 1e-3,
                _ => {
                    return Err(format!(
                        "is {text:?}; {currency}/kWh or {currency}/MWh is needed"
                    ));
                }
            },
            Quantity::PowerPrice => match per(text, currency)? {
                Some("kW") => 1.0,
                _ => return Err(format!("is {text:?}; {currency}/kW is needed")),
            },
            Quantity::Carbon => match text {
                "g/kWh" | "kg/MWh" => 1.0,
                _ => return Err(format!("is {text:?}; g/kWh is needed")),
            },
            Quantity::Energy => match text {
                "kWh" => 1.0,
                "Wh" => 1e-3,
                _ => return Err(format!("is {text:?}; kWh or Wh is needed")),
            },
            Quantity::Level => match text {
                "level" => 1.0,
                _ => return Err(format!("is {text:?}; \"level\" is needed")),
            },
        };
        Ok(Self {
            quantity,
            factor,
            signed: kind == SignalKind::PowerTarget,
            is_alert: kind == SignalKind::Alert,
        })
    }

    /// Values that are believed, in the request's unit.
    pub fn range(self) -> RangeInclusive<f64> {
        let (low, high) = match self.quantity {
            Quantity::PowerDown | Quantity::PowerUp | Quantity::PowerNearest => {
                (if self.signed { -MAX_KW } else { 0.0 }, MAX_KW)
            }
            Quantity::EnergyPrice => (-MAX_PRICE_PER_KWH, MAX_PRICE_PER_KWH),
            Quantity::PowerPrice | Quantity::Carbon => (0.0, 1e4),
            Quantity::Energy => (0.0, 1e6),
            Quantity::Level => (0.0, 3.0),
        };
        low / self.factor..=high / self.factor
    }

    /// The value in the base unit of the kind.
    pub fn to_base(self, value: f64) -> i64 {
        let value = value * self.factor;
        match self.quantity {
            Quantity::PowerDown => Power::floor_from_kilowatts(value).watts(),
            Quantity::PowerUp => -Power::floor_from_kilowatts(-value).watts(),
            // Thousandths of a gram are to a gram what watts are to a kilowatt.
            Quantity::PowerNearest | Quantity::Carbon => Power::from_kilowatts(value).watts(),
            Quantity::EnergyPrice | Quantity::PowerPrice => Price::from_per_kwh(value).micros(),
            Quantity::Energy => Energy::from_kilowatt_hours(value).joules(),
            Quantity::Level => Power::from_kilowatts(value / 1e3).watts(),
        }
    }
}

/// The unit in which a kind is shown.
pub fn shown_unit(kind: SignalKind, currency: &str) -> String {
    match quantity(kind) {
        Quantity::PowerDown | Quantity::PowerUp | Quantity::PowerNearest => "kW".to_owned(),
        Quantity::EnergyPrice => format!("{currency}/kWh"),
        Quantity::PowerPrice => format!("{currency}/kW"),
        Quantity::Carbon => "g/kWh".to_owned(),
        Quantity::Energy => "kWh".to_owned(),
        Quantity::Level => "level".to_owned(),
    }
}

/// A value of ours in the unit in which its kind is shown.
pub fn shown_value(kind: SignalKind, base: i64) -> f64 {
    match quantity(kind) {
        Quantity::PowerDown | Quantity::PowerUp | Quantity::PowerNearest | Quantity::Carbon => {
            Power::from_watts(base).kilowatts()
        }
        Quantity::EnergyPrice | Quantity::PowerPrice => Price::from_micros(base).per_kwh(),
        Quantity::Energy => Energy::from_joules(base).kilowatt_hours(),
        Quantity::Level => Power::from_watts(base.saturating_mul(1000)).kilowatts(),
    }
}

/// What a price is per, if it is in the site's currency.
fn per<'a>(text: &'a str, currency: &str) -> Result<Option<&'a str>, String> {
    match text.split_once('/') {
        Some((stated, per)) if stated == currency => Ok(Some(per)),
        Some((stated, _))
            if stated.len() == 3 && stated.bytes().all(|b| b.is_ascii_uppercase()) =>
        {
            Err(format!(
                "is {text:?}, but the site's currency is {currency}; nothing is converted"
            ))
        }
        _ => Ok(None),
    }
}
