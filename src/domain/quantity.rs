//! Physical and monetary quantities: integers that carry their unit in their type.
//!
//! Inside evenload a power is whole watts, an energy whole joules, a current whole milliamperes.
//! Floating point lives at the edges only (the solver and wire structs), so that sums of powers
//! compare exactly with limits. Positive power is import (consumption) everywhere.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Largest magnitude accepted when a quantity is made from a floating-point number of the outside
/// world: `10^15` base units (a terawatt, a gigawatt-hour and more). Beyond it the value saturates.
const SATURATION: f64 = 1e15;

/// Rounds to the nearest integer and saturates; `NaN` becomes 0 (edges refuse it before).
#[expect(clippy::cast_possible_truncation, reason = "clamped to 10^15 first")]
fn nearest(value: f64) -> i64 {
    if value.is_nan() {
        0
    } else {
        value.clamp(-SATURATION, SATURATION).round() as i64
    }
}

/// Rounds towards minus infinity and saturates; `NaN` becomes 0.
fn floor(value: f64) -> i64 {
    nearest(value.floor())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "quantities stay below 2^53 base units"
)]
fn float(value: i64) -> f64 {
    value as f64
}

/// Saturates instead of wrapping.
fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// True for values above zero.
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            /// The difference, but never below zero.
            pub fn saturating_minus(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0).max(0))
            }

            /// The value, with negative ones replaced by zero.
            pub fn at_least_zero(self) -> Self {
                Self(self.0.max(0))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }
        impl Mul<i64> for $name {
            type Output = Self;
            fn mul(self, factor: i64) -> Self {
                Self(self.0.saturating_mul(factor))
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, Add::add)
            }
        }
    };
}

quantity! {
    /// Electrical power in whole watts; positive = import.
    Power
}
quantity! {
    /// Energy in whole joules (1 kWh = 3,600,000 J), so that power x whole seconds is exact.
    Energy
}
quantity! {
    /// Current per conductor in whole milliamperes.
    Current
}
quantity! {
    /// Line-to-neutral voltage in whole millivolts.
    Voltage
}
quantity! {
    /// Price of energy in millionths of the site's currency per kilowatt-hour; may be negative.
    Price
}
quantity! {
    /// An amount of money in millionths of the site's currency.
    Money
}

impl Power {
    /// From whole watts.
    pub const fn from_watts(watts: i64) -> Self {
        Self(watts)
    }

    /// From kilowatts, rounded to the nearest watt.
    pub fn from_kilowatts(kilowatts: f64) -> Self {
        Self(nearest(kilowatts * 1e3))
    }

    /// From kilowatts, rounded down: for anything that must stay below a limit.
    pub fn floor_from_kilowatts(kilowatts: f64) -> Self {
        // A hair (1 mW) of forgiveness, so that 11.0 kW kept as 10.999999999 stays 11,000 W.
        Self(floor(kilowatts * 1e3 + 1e-3))
    }

    /// Whole watts.
    pub const fn watts(self) -> i64 {
        self.0
    }

    /// Kilowatts, for display and for wire structs.
    pub fn kilowatts(self) -> f64 {
        float(self.0) / 1e3
    }

    /// Energy over a span of time, at this power; seconds and fractions counted.
    pub fn over(self, span: TimeDelta) -> Energy {
        Energy(narrow(
            i128::from(self.0) * i128::from(span.num_milliseconds()) / 1000,
        ))
    }

    /// This power times `numerator / denominator`, rounded down. A zero denominator gives zero.
    pub fn scaled_down(self, numerator: i64, denominator: i64) -> Self {
        if denominator == 0 {
            return Self::ZERO;
        }
        if let Some(scaled) = self.0.checked_mul(numerator)
            && denominator > 0
        {
            return Self(scaled.div_euclid(denominator));
        }
        let scaled = i128::from(self.0) * i128::from(numerator);
        Self(narrow(scaled.div_euclid(i128::from(denominator))))
    }

    /// This power times `numerator / denominator`, rounded up. A zero denominator gives zero.
    pub fn scaled_up(self, numerator: i64, denominator: i64) -> Self {
        -(-self).scaled_down(numerator, denominator)
    }
}

impl Energy {
    /// From whole joules.
    pub const fn from_joules(joules: i64) -> Self {
        Self(joules)
    }

    /// From kilowatt-hours, rounded to the nearest joule.
    pub fn from_kilowatt_hours(kwh: f64) -> Self {
        Self(nearest(kwh * 3.6e6))
    }

    /// Whole joules.
    pub const fn joules(self) -> i64 {
        self.0
    }

    /// Kilowatt-hours, for display and for wire structs.
    pub fn kilowatt_hours(self) -> f64 {
        float(self.0) / 3.6e6
    }

    /// Mean power if this energy flows evenly over `span`, rounded down; zero for an empty span.
    pub fn mean_power(self, span: TimeDelta) -> Power {
        let ms = span.num_milliseconds();
        if ms <= 0 {
            Power::ZERO
        } else {
            Power(self.0.saturating_mul(1000).div_euclid(ms))
        }
    }

    /// What this energy costs at a price per kilowatt-hour.
    pub fn cost_at(self, price: Price) -> Money {
        let micro = i128::from(self.0) * i128::from(price.0) / 3_600_000;
        Money(narrow(micro))
    }
}

impl Current {
    /// From whole milliamperes.
    pub const fn from_milliamps(milliamps: i64) -> Self {
        Self(milliamps)
    }

    /// From amperes, rounded to the nearest milliampere.
    pub fn from_amps(amps: f64) -> Self {
        Self(nearest(amps * 1e3))
    }

    /// Whole milliamperes.
    pub const fn milliamps(self) -> i64 {
        self.0
    }

    /// Amperes, for display and for wire structs.
    pub fn amps(self) -> f64 {
        float(self.0) / 1e3
    }

    /// Power of this current in one conductor at `voltage`, rounded up (a bound is never too low).
    pub fn times(self, voltage: Voltage) -> Power {
        Power(
            (self.0.saturating_mul(voltage.0)).div_euclid(1_000_000)
                + i64::from(self.0.saturating_mul(voltage.0).rem_euclid(1_000_000) != 0),
        )
    }
}

impl Voltage {
    /// The European line-to-neutral voltage.
    pub const V230: Self = Self(230_000);

    /// From volts, rounded to the nearest millivolt.
    pub fn from_volts(volts: f64) -> Self {
        Self(nearest(volts * 1e3))
    }

    /// Whole millivolts.
    pub const fn millivolts(self) -> i64 {
        self.0
    }

    /// Volts, for display and for wire structs.
    pub fn volts(self) -> f64 {
        float(self.0) / 1e3
    }

    /// The highest voltage that EN 50160 lets the grid have: 1.10 x nominal.
    pub fn highest(self) -> Self {
        Self(self.0.saturating_mul(11).div_euclid(10))
    }
}

impl Price {
    /// From currency per kilowatt-hour, rounded to the nearest millionth.
    pub fn from_per_kwh(per_kwh: f64) -> Self {
        Self(nearest(per_kwh * 1e6))
    }

    /// From millionths of the currency per kilowatt-hour.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of the currency per kilowatt-hour.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Currency per kilowatt-hour, for display and for wire structs.
    pub fn per_kwh(self) -> f64 {
        float(self.0) / 1e6
    }
}

impl Money {
    /// From an amount in the currency, rounded to the nearest millionth.
    pub fn from_amount(amount: f64) -> Self {
        Self(nearest(amount * 1e6))
    }

    /// Millionths of the currency.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The amount in the currency, for display and for wire structs.
    pub fn amount(self) -> f64 {
        float(self.0) / 1e6
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} kW", self.kilowatts())
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} kWh", self.kilowatt_hours())
    }
}

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} A", self.amps())
    }
}

impl fmt::Display for Voltage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} V", self.volts())
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5} per kWh", self.per_kwh())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.amount())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_times_time_is_exact_energy() {
        // 6,656 W x 300 s = 1,996,800 J
        let energy = Power::from_watts(6656).over(TimeDelta::seconds(300));
        assert_eq!(energy, Energy::from_joules(1_996_800));
        assert_eq!(
            energy.mean_power(TimeDelta::seconds(300)),
            Power::from_watts(6656)
        );
    }

    #[test]
    fn a_current_bound_rounds_up_and_a_power_share_rounds_down() {
        // 6.1 A x 253 V = 1543.3 W -> 1544 W
        let bound = Current::from_amps(6.1).times(Voltage::V230.highest());
        assert_eq!(bound, Power::from_watts(1544));
        assert_eq!(
            Power::from_watts(10).scaled_down(1, 3),
            Power::from_watts(3)
        );
        assert_eq!(Power::from_watts(10).scaled_up(1, 3), Power::from_watts(4));
    }

    #[test]
    fn hostile_numbers_saturate() {
        assert_eq!(Power::from_kilowatts(f64::NAN), Power::ZERO);
        assert!(Power::from_kilowatts(f64::INFINITY).watts() > 0);
        let top = Power::from_watts(i64::MAX);
        assert_eq!(top + top, top);
    }

    #[test]
    fn money_of_an_energy_at_a_price() {
        // 10 kWh x 0.25 = 2.50
        let cost = Energy::from_kilowatt_hours(10.0).cost_at(Price::from_per_kwh(0.25));
        assert_eq!(cost, Money::from_amount(2.5));
    }
}
