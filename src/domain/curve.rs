//! Power as a step function of time: bounds, limits and headroom are all of this shape.

use serde::{Deserialize, Serialize};

use super::quantity::Power;
use super::time::Time;

/// A step function of time. Each step holds from its instant until the next step; the first value
/// holds before the first step too, the last for ever. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerCurve {
    first: Power,
    /// Strictly increasing instants; neighbouring values differ.
    steps: Vec<(Time, Power)>,
}

impl PowerCurve {
    /// The same power for ever.
    pub fn constant(power: Power) -> Self {
        Self {
            first: power,
            steps: Vec::new(),
        }
    }

    /// Nothing, ever.
    pub fn zero() -> Self {
        Self::constant(Power::ZERO)
    }

    /// `before` until the first step, then each step's power from its instant on. Steps out of
    /// order are sorted; of two at one instant the later given counts.
    pub fn new(before: Power, steps: impl IntoIterator<Item = (Time, Power)>) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        if !steps.is_sorted_by_key(|(at, _)| *at) {
            steps.sort_by_key(|(at, _)| *at);
        }
        // In place: `kept` is the number of steps of the curve so far.
        let mut kept = 0;
        for index in 0..steps.len() {
            let (at, power) = steps[index];
            if kept > 0 && steps[kept - 1].0 == at {
                kept -= 1;
            }
            let last = if kept == 0 { before } else { steps[kept - 1].1 };
            if last != power {
                steps[kept] = (at, power);
                kept += 1;
            }
        }
        steps.truncate(kept);
        Self {
            first: before,
            steps,
        }
    }

    /// The value at an instant.
    pub fn at(&self, at: Time) -> Power {
        let index = self.steps.partition_point(|(step, _)| *step <= at);
        if index == 0 {
            self.first
        } else {
            self.steps[index - 1].1
        }
    }

    /// The value that holds for ever after the last step.
    pub fn last(&self) -> Power {
        self.steps.last().map_or(self.first, |(_, power)| *power)
    }

    /// The instants at which the value changes.
    pub fn instants(&self) -> impl Iterator<Item = Time> + '_ {
        self.steps.iter().map(|(at, _)| *at)
    }

    /// The steps: instant and the value from then on.
    pub fn steps(&self) -> &[(Time, Power)] {
        &self.steps
    }

    /// Combines two curves instant by instant.
    pub fn zip(&self, other: &Self, combine: impl Fn(Power, Power) -> Power) -> Self {
        let first = combine(self.first, other.first);
        let mut steps = Vec::with_capacity(self.steps.len() + other.steps.len());
        let (mut left, mut right) = (self.first, other.first);
        let (mut i, mut j) = (0, 0);
        let mut last = first;
        // Bounded: every turn consumes at least one step of one curve.
        while i < self.steps.len() || j < other.steps.len() {
            let next_left = self.steps.get(i).map(|(at, _)| *at);
            let next_right = other.steps.get(j).map(|(at, _)| *at);
            let at = match (next_left, next_right) {
                (Some(a), Some(b)) => a.min(b),
                (Some(a), None) | (None, Some(a)) => a,
                (None, None) => break,
            };
            if next_left == Some(at) {
                left = self.steps[i].1;
                i += 1;
            }
            if next_right == Some(at) {
                right = other.steps[j].1;
                j += 1;
            }
            let value = combine(left, right);
            if value != last {
                steps.push((at, value));
                last = value;
            }
        }
        Self { first, steps }
    }

    /// The higher of the two at each instant.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        self.zip(other, Power::max)
    }

    /// The lower of the two at each instant.
    #[must_use]
    pub fn min(&self, other: &Self) -> Self {
        self.zip(other, Power::min)
    }

    /// The sum at each instant.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    /// The difference at each instant; may be negative.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    /// The highest value from `from` on, for ever.
    pub fn highest_from(&self, from: Time) -> Power {
        let start = self.at(from);
        self.steps
            .iter()
            .filter(|(at, _)| *at > from)
            .map(|(_, power)| *power)
            .fold(start, Power::max)
    }

    /// The lowest value from `from` on, for ever.
    pub fn lowest_from(&self, from: Time) -> Power {
        let start = self.at(from);
        self.steps
            .iter()
            .filter(|(at, _)| *at > from)
            .map(|(_, power)| *power)
            .fold(start, Power::min)
    }

    /// The lowest value in `[from, until)`.
    pub fn lowest_within(&self, from: Time, until: Time) -> Power {
        let start = self.at(from);
        self.steps
            .iter()
            .filter(|(at, _)| *at > from && *at < until)
            .map(|(_, power)| *power)
            .fold(start, Power::min)
    }

    /// The highest value in `[from, until]`.
    pub fn highest_within(&self, from: Time, until: Time) -> Power {
        let start = self.at(from);
        self.steps
            .iter()
            .filter(|(at, _)| *at > from && *at <= until)
            .map(|(_, power)| *power)
            .fold(start, Power::max)
    }

    /// True if this curve is nowhere above `other` from `from` on.
    pub fn is_within(&self, other: &Self, from: Time) -> bool {
        other.minus(self).lowest_from(from) >= Power::ZERO
    }

    /// The first instant from `from` on where this curve is above `other`, if any.
    pub fn first_above(&self, other: &Self, from: Time) -> Option<Time> {
        let gap = other.minus(self);
        if gap.at(from) < Power::ZERO {
            return Some(from);
        }
        gap.steps
            .iter()
            .find(|(at, power)| *at > from && *power < Power::ZERO)
            .map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Time {
        chrono::DateTime::from_timestamp(second, 0).expect("in range")
    }

    fn watts(value: i64) -> Power {
        Power::from_watts(value)
    }

    prop_compose! {
        fn curve()(first in 0i64..50, steps in prop::collection::vec((0i64..20, 0i64..50), 0..8))
            -> PowerCurve {
            PowerCurve::new(watts(first), steps.into_iter().map(|(t, p)| (at(t), watts(p))))
        }
    }

    #[test]
    fn a_step_holds_from_its_instant_until_the_next() {
        let curve = PowerCurve::new(watts(5), [(at(10), watts(7)), (at(20), watts(3))]);
        assert_eq!(curve.at(at(9)), watts(5));
        assert_eq!(curve.at(at(10)), watts(7));
        assert_eq!(curve.at(at(1000)), watts(3));
        assert_eq!(curve.highest_from(at(15)), watts(7));
        assert_eq!(curve.highest_from(at(20)), watts(3));
    }

    proptest! {
        #[test]
        fn combining_curves_is_combining_their_values(a in curve(), b in curve(), t in -2i64..25) {
            let t = at(t);
            prop_assert_eq!(a.max(&b).at(t), a.at(t).max(b.at(t)));
            prop_assert_eq!(a.min(&b).at(t), a.at(t).min(b.at(t)));
            prop_assert_eq!(a.plus(&b).at(t), a.at(t) + b.at(t));
            prop_assert_eq!(a.minus(&b).at(t), a.at(t) - b.at(t));
        }

        #[test]
        fn within_means_at_no_future_instant_above(a in curve(), b in curve(), from in 0i64..20) {
            let everywhere = (from..25).all(|t| a.at(at(t)) <= b.at(at(t)));
            prop_assert_eq!(a.is_within(&b, at(from)), everywhere);
            let first = (from..25).map(at).find(|t| a.at(*t) > b.at(*t));
            prop_assert_eq!(a.first_above(&b, at(from)), first);
        }
    }
}
