//! Time: instants in UTC and the slots of a plan. Nothing here reads a clock.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC. It enters the core as the argument `now`, never from a clock.
pub type Time = DateTime<Utc>;

/// Equal slots on the time axis: where a plan has its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// Start of slot 0.
    pub start: Time,
    /// Length of a slot in seconds; 60 to 3600.
    pub slot_s: u32,
    /// Number of slots.
    pub slots: usize,
}

impl Horizon {
    /// The horizon whose first slot contains `now`: slot borders are multiples of `slot_s` since
    /// the Unix epoch, so that two plans share their borders.
    pub fn containing(now: Time, slot_s: u32, slots: usize) -> Self {
        let slot_s = slot_s.max(1);
        let into = now.timestamp().rem_euclid(i64::from(slot_s));
        let start = DateTime::from_timestamp(now.timestamp() - into, 0).unwrap_or(now);
        Self {
            start,
            slot_s,
            slots,
        }
    }

    /// Length of one slot.
    pub fn slot(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.slot_s))
    }

    /// Start of slot `index`; `index == slots` gives the end of the horizon.
    pub fn slot_start(&self, index: usize) -> Time {
        let offset = i64::try_from(index)
            .unwrap_or(i64::MAX)
            .saturating_mul(i64::from(self.slot_s));
        self.start
            .checked_add_signed(TimeDelta::try_seconds(offset).unwrap_or(TimeDelta::zero()))
            .unwrap_or(self.start)
    }

    /// End of the last slot.
    pub fn end(&self) -> Time {
        self.slot_start(self.slots)
    }

    /// The slot that contains `at`, if it lies within the horizon.
    pub fn slot_at(&self, at: Time) -> Option<usize> {
        let offset = (at - self.start).num_seconds();
        if at < self.start {
            return None;
        }
        let index = usize::try_from(offset / i64::from(self.slot_s.max(1))).ok()?;
        (index < self.slots).then_some(index)
    }

    /// Number of slots that lie wholly before `at`, clipped to the horizon: the exclusive end of
    /// the slots usable until then.
    pub fn slots_before(&self, at: Time) -> usize {
        let seconds = (at - self.start).num_seconds().max(0);
        usize::try_from(seconds / i64::from(self.slot_s.max(1)))
            .unwrap_or(usize::MAX)
            .min(self.slots)
    }

    /// The starts of all slots, in order.
    pub fn starts(&self) -> impl Iterator<Item = Time> + '_ {
        (0..self.slots).map(|index| self.slot_start(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().expect("a valid instant")
    }

    #[test]
    fn the_first_slot_contains_now() {
        let horizon = Horizon::containing(at("2026-11-22T16:07:30Z"), 900, 96);
        assert_eq!(horizon.start, at("2026-11-22T16:00:00Z"));
        assert_eq!(horizon.end(), at("2026-11-23T16:00:00Z"));
        assert_eq!(horizon.slot_at(at("2026-11-22T16:15:00Z")), Some(1));
        assert_eq!(horizon.slot_at(at("2026-11-22T15:59:59Z")), None);
        assert_eq!(horizon.slot_at(horizon.end()), None);
    }

    #[test]
    fn a_departure_within_a_slot_does_not_own_that_slot() {
        let horizon = Horizon::containing(at("2026-11-22T16:00:00Z"), 900, 96);
        assert_eq!(horizon.slots_before(at("2026-11-22T16:29:59Z")), 1);
        assert_eq!(horizon.slots_before(at("2026-11-22T16:30:00Z")), 2);
        assert_eq!(horizon.slots_before(at("2020-01-01T00:00:00Z")), 0);
    }
}
