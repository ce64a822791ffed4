//! How many of its EVSE's phases a car uses, learned from what it draws: a car with one phase on a
//! three-phase EVSE draws a third of what a limit in amperes allows, and would be taken for one that
//! takes little. Only the plan uses it; what the EVSE may draw counts on every phase it has (I1).

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::domain::quantity::Power;
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// How far a draw may lie from its share of the offer, in percent: the voltage may be 10 % off, and
/// cars stay a little below their limit.
const LEAST_PERCENT: i64 = 88;
const MOST_PERCENT: i64 = 112;

/// A share must be seen for this long: a car passes through it when it tapers.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(60);

/// What is known of the phases of the car at an EVSE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedPhases {
    known: Option<u8>,
    /// A share that was seen, and since when.
    hint: Option<(u8, Time)>,
}

impl UsedPhases {
    /// How many it uses, if fewer than its EVSE has.
    pub fn known(&self) -> Option<u8> {
        self.known
    }

    /// True while a share was seen but not for long enough.
    pub(super) fn is_unsettled(&self) -> bool {
        self.known.is_none() && self.hint.is_some()
    }

    /// Takes in a reading while `offered` was allowed on all `of` phases at nominal voltage.
    pub(super) fn read(&mut self, of: u8, offered: Power, reading: Reading) {
        if let Some(known) = self.known
            && reading.power > share(offered, known, of).scaled_up(MOST_PERCENT, 100)
        {
            *self = Self::default();
        }
        let seen = (1..of).find(|phases| {
            let share = share(offered, *phases, of);
            let least = share.scaled_down(LEAST_PERCENT, 100);
            least.is_positive()
                && (least..=share.scaled_up(MOST_PERCENT, 100)).contains(&reading.power)
        });
        self.hint = match (seen, self.hint) {
            (Some(seen), Some((phases, since))) if phases == seen => {
                if reading.at - since >= SETTLED_AFTER {
                    self.known = Some(seen);
                }
                Some((phases, since))
            }
            (Some(seen), _) => Some((seen, reading.at)),
            (None, _) => None,
        };
    }

    /// What the car would draw if it used all phases.
    pub(super) fn on_all(&self, of: u8, power: Power) -> Power {
        match self.known {
            Some(phases) => power.scaled_up(i64::from(of), i64::from(phases.max(1))),
            None => power,
        }
    }
}

fn share(offered: Power, phases: u8, of: u8) -> Power {
    offered.scaled_down(i64::from(phases), i64::from(of.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(used: &mut UsedPhases, second: i64, offered_w: i64, power_w: i64) -> Option<u8> {
        let at = chrono::DateTime::from_timestamp(1_795_000_200 + second, 0).expect("in range");
        let power = Power::from_watts(power_w);
        used.read(3, Power::from_watts(offered_w), Reading { power, at });
        used.known()
    }

    #[test]
    fn a_third_of_two_offers_is_one_phase_after_a_minute() {
        let mut used = UsedPhases::default();
        // 16 A and 6 A on three phases of 230 V, of which the car uses one.
        assert_eq!(reads(&mut used, 0, 11_040, 3_680), None);
        assert!(used.is_unsettled());
        assert_eq!(reads(&mut used, 59, 4_140, 1_300), None);
        assert_eq!(reads(&mut used, 60, 4_140, 1_380), Some(1));
        assert_eq!(
            used.on_all(3, Power::from_watts(1_380)),
            Power::from_watts(4_140)
        );
        // Two thirds are two; more than one could draw heals a wrong lesson.
        assert_eq!(reads(&mut used, 120, 11_040, 7_360), None);
        assert_eq!(reads(&mut used, 200, 11_040, 7_300), Some(2));
    }

    #[test]
    fn a_car_that_tapers_or_takes_all_has_all_its_phases() {
        let mut used = UsedPhases::default();
        for (second, power_w) in [
            (0, 11_000),
            (60, 9_000),
            (120, 5_500),
            (180, 3_700),
            (240, 2_500),
        ] {
            assert_eq!(reads(&mut used, second, 11_040, power_w), None);
        }
        assert_eq!(reads(&mut used, 300, 11_040, 0), None);
        assert_eq!(reads(&mut used, 400, 0, 0), None, "nothing is offered");
        assert_eq!(used, UsedPhases::default());
    }
}
