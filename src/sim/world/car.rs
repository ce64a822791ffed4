//! A car: when it comes and goes, what it takes, how fast it can take it.

use super::energy::FineEnergy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// How the power a car accepts falls towards the end of its charge.
///
/// An assumption: recordings hold energies, not powers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taper {
    /// The same power until it has its energy.
    None,
    /// From 80 % of its energy on, the acceptance falls linearly to 20 % of the maximum, in
    /// [`TAPER_STEPS`] stairs so that power stays constant between events. Each stair is as high as
    /// the line at its middle.
    #[default]
    Linear,
}

/// Stairs of the taper: ten of 2 % of the energy each.
pub const TAPER_STEPS: i64 = 10;

/// Share of the energy where the taper begins, in percent.
const TAPER_FROM_PERCENT: i64 = 80;

/// Width of a stair in percent of the energy: (100 - 80) / 10.
const STAIR_PERCENT: i64 = (100 - TAPER_FROM_PERCENT) / TAPER_STEPS;

/// A car and its stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Car {
    /// Identifies the stay; safe in a URL.
    pub id: String,
    /// When it is plugged in.
    pub arrival: Time,
    /// When it is unplugged.
    pub departure: Time,
    /// The energy it takes; then it draws nothing more.
    pub need: Energy,
    /// The most it accepts.
    pub max: Power,
    /// Phases of its charger: 1 or 3.
    pub phases: u8,
    /// How it ends its charge.
    pub taper: Taper,
}

impl Car {
    /// The power the car accepts when it has drawn so much.
    pub fn acceptance(&self, drawn: FineEnergy) -> Power {
        let need = FineEnergy::from(self.need);
        if drawn >= need {
            return Power::ZERO;
        }
        match self.taper {
            Taper::None => self.max,
            Taper::Linear => match self.stair(drawn) {
                None => self.max,
                // The line falls by 80 points over ten stairs: 100 - 4 = 96 % on the first.
                Some(stair) => self.max.scaled_down(96 - 8 * stair, 100),
            },
        }
    }

    /// How much it will have drawn when its acceptance changes next; `None` when it is full.
    pub fn next_change(&self, drawn: FineEnergy) -> Option<FineEnergy> {
        let need = FineEnergy::from(self.need);
        if drawn >= need {
            return None;
        }
        match self.taper {
            Taper::None => Some(need),
            Taper::Linear => {
                let next = self.stair(drawn).map_or(0, |stair| stair + 1);
                Some(Self::stair_begin(need, next))
            }
        }
    }

    /// True if the car would have `percent` of its energy by departure, charged at up to `rating`
    /// from the moment it arrives.
    pub fn could_get(&self, percent: i64, rating: Power) -> bool {
        let goal = FineEnergy::from(self.need).percent(percent);
        let mut drawn = FineEnergy::ZERO;
        let mut at = self.arrival;
        // Bounded: one turn for the part before the taper, one for each stair.
        for _ in 0..=TAPER_STEPS + 1 {
            let until = self
                .next_change(drawn)
                .map_or(goal, |change| change.min(goal));
            if drawn >= goal {
                break;
            }
            let power = self.acceptance(drawn).min(rating);
            let Some(span) = (until - drawn).time_at(power) else {
                return false;
            };
            at += span;
            drawn = until;
        }
        at <= self.departure
    }

    /// The stair on which the car is, counted from 0; `None` before the taper.
    fn stair(&self, drawn: FineEnergy) -> Option<i64> {
        let need = FineEnergy::from(self.need);
        (0..TAPER_STEPS)
            .rev()
            .find(|stair| drawn >= Self::stair_begin(need, *stair))
    }

    fn stair_begin(need: FineEnergy, stair: i64) -> FineEnergy {
        need.percent(TAPER_FROM_PERCENT + STAIR_PERCENT * stair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn car(need_kwh: f64, stay_h: i64) -> Car {
        let arrival: Time = "2019-10-02T06:00:00Z".parse().expect("valid");
        Car {
            id: "c1".into(),
            arrival,
            departure: arrival + chrono::TimeDelta::hours(stay_h),
            need: Energy::from_kilowatt_hours(need_kwh),
            max: Power::from_watts(10_000),
            phases: 1,
            taper: Taper::Linear,
        }
    }

    fn fine(kwh: f64) -> FineEnergy {
        FineEnergy::from(Energy::from_kilowatt_hours(kwh))
    }

    #[test]
    fn a_car_accepts_all_until_80_percent_then_less_and_less_and_nothing_when_full() {
        let car = car(10.0, 4);
        assert_eq!(car.acceptance(fine(7.99)), Power::from_watts(10_000));
        assert_eq!(car.acceptance(fine(8.0)), Power::from_watts(9_600));
        assert_eq!(car.acceptance(fine(9.0)), Power::from_watts(5_600));
        assert_eq!(car.acceptance(fine(9.99)), Power::from_watts(2_400));
        assert_eq!(car.acceptance(fine(10.0)), Power::ZERO);
        assert_eq!(car.next_change(fine(1.0)), Some(fine(8.0)));
        assert_eq!(car.next_change(fine(8.0)), Some(fine(8.2)));
        assert_eq!(car.next_change(fine(9.9)), Some(fine(10.0)));
        assert_eq!(car.next_change(fine(10.0)), None);
    }

    #[test]
    fn a_taper_makes_the_last_fifth_take_twice_as_long() {
        // 20 kWh at 10 kW: 1.6 h to 80 %, then 0.04 h x (1/0.96 + 1/0.88 + ... + 1/0.24) = 0.80 h
        let mut slow = car(20.0, 2);
        assert!(!slow.could_get(100, Power::from_watts(10_000)));
        slow.taper = Taper::None;
        assert!(slow.could_get(100, Power::from_watts(10_000)));
        assert!(!slow.could_get(100, Power::from_watts(9_999)));
        slow.taper = Taper::Linear;
        slow.departure = slow.arrival + chrono::TimeDelta::minutes(145);
        assert!(slow.could_get(100, Power::from_watts(10_000)));
    }
}
