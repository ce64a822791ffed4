//! Energy fine enough that power times a millisecond is exact.

use std::ops::{Add, AddAssign, Sub};

use chrono::TimeDelta;

use crate::domain::quantity::{Energy, Power};

/// Energy in whole millijoules: one watt over one millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FineEnergy(i64);

impl FineEnergy {
    /// Nothing of it.
    pub const ZERO: Self = Self(0);

    /// Energy of a constant power over a span of whole milliseconds; exact.
    pub fn of(power: Power, span: TimeDelta) -> Self {
        Self(power.watts().saturating_mul(span.num_milliseconds()))
    }

    /// Whole millijoules.
    pub const fn millijoules(self) -> i64 {
        self.0
    }

    /// In whole joules, rounded down.
    pub fn energy(self) -> Energy {
        Energy::from_joules(self.0.div_euclid(1000))
    }

    /// Kilowatt-hours, for display and for wire structs.
    pub fn kilowatt_hours(self) -> f64 {
        self.energy().kilowatt_hours()
    }

    /// This times a whole number of percent, rounded down.
    pub fn percent(self, percent: i64) -> Self {
        let scaled = i128::from(self.0) * i128::from(percent) / 100;
        Self(i64::try_from(scaled).unwrap_or(i64::MAX))
    }

    /// How long this takes at a power, rounded up to a millisecond; `None` without power.
    pub fn time_at(self, power: Power) -> Option<TimeDelta> {
        if !power.is_positive() {
            return None;
        }
        let watts = power.watts();
        let ms = self.0.max(0).div_euclid(watts) + i64::from(self.0.rem_euclid(watts) != 0);
        TimeDelta::try_milliseconds(ms)
    }
}

impl From<Energy> for FineEnergy {
    fn from(energy: Energy) -> Self {
        Self(energy.joules().saturating_mul(1000))
    }
}

impl Add for FineEnergy {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for FineEnergy {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for FineEnergy {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for FineEnergy {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Add::add)
    }
}
