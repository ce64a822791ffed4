//! What is counted of a site from the start of the process on: never less than before, as counters
//! must be.

use crate::domain::event::{Event, EventKind};
use crate::domain::id::SessionId;
use crate::domain::quantity::{Energy, Money, Power, Price};
use crate::domain::session::SessionStatus;

use super::power::Sample;
use super::sessions::{Outcome, Outcomes};

/// A car that left with this share of what it wanted was served, in percent.
const SERVED_PERCENT: i64 = 99;
/// A car that left with less than this share missed its purpose, in percent.
const MISSED_PERCENT: i64 = 50;
const MINUTE: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// How a car left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Left {
    /// With what it wanted.
    OnTime,
    /// With less, but at least half.
    Short,
    /// With less than half.
    Missed,
}

/// Counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Tally {
    /// Drawn by the EVSEs, from their readings.
    pub(in crate::api) energy: Energy,
    /// What that cost, where a price was known.
    pub(in crate::api) cost: Money,
    /// Seconds in which the mean of a minute was above the limit.
    pub(in crate::api) violation_s: u64,
    /// Departures whose need was known.
    pub(in crate::api) on_time: u64,
    pub(in crate::api) short: u64,
    pub(in crate::api) missed: u64,
    /// The last minute that was counted.
    minute: i64,
    /// The last session that was counted: its end may be told twice.
    last: Option<SessionId>,
}

impl Tally {
    /// Counts the minutes that became full.
    pub(super) fn take_minutes<'a>(
        &mut self,
        samples: impl DoubleEndedIterator<Item = &'a Sample> + Clone,
    ) {
        if self.minute == 0 {
            // What is remembered from before this process was counted by the one before.
            self.minute = samples
                .clone()
                .next_back()
                .map_or(0, |last| last.minute - 1);
        }
        let seen = self.minute;
        for sample in samples.filter(|sample| sample.minute > seen) {
            self.minute = sample.minute;
            let energy = Power::from_watts(sample.evses_w).over(MINUTE);
            self.energy += energy;
            if let Some(price) = sample.price_micros {
                self.cost += energy.cost_at(Price::from_micros(price));
            }
            let total = sample.evses_w + sample.uncontrolled_w;
            if sample.limit_w.is_some_and(|limit| total > limit) {
                self.violation_s += 60;
            }
        }
    }

    /// Counts a departure.
    pub(super) fn take_end(&mut self, event: &Event, outcomes: &Outcomes) {
        let EventKind::SessionSeen { session } = &event.kind else {
            return;
        };
        if session.status != SessionStatus::Ended || self.last.as_ref() == Some(&session.id) {
            return;
        }
        let mut over = outcomes.iter().filter(|outcome| outcome.ended_at.is_some());
        let Some(outcome) = over.find(|outcome| outcome.session == session.id) else {
            return;
        };
        self.last = Some(session.id.clone());
        match left(outcome) {
            Some(Left::OnTime) => self.on_time += 1,
            Some(Left::Short) => self.short += 1,
            Some(Left::Missed) => self.missed += 1,
            None => {}
        }
    }
}

/// How a car left, if anybody knew what it wanted.
fn left(outcome: &Outcome) -> Option<Left> {
    let wanted = outcome.wanted?.joules();
    let got = outcome.energy.joules().saturating_mul(100);
    Some(if got >= wanted.saturating_mul(SERVED_PERCENT) {
        Left::OnTime
    } else if got >= wanted.saturating_mul(MISSED_PERCENT) {
        Left::Short
    } else {
        Left::Missed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(minute: i64, evses_w: i64) -> Sample {
        Sample {
            minute,
            evses_w,
            uncontrolled_w: 1_000,
            limit_w: Some(10_000),
            price_micros: Some(500_000),
            ..Sample::default()
        }
    }

    #[test]
    fn a_minute_is_counted_once() {
        let mut tally = Tally::default();
        let samples = [sample(1, 9_000), sample(2, 6_000), sample(3, 12_000)];
        tally.take_minutes(samples[..2].iter());
        tally.take_minutes(samples.iter());
        tally.take_minutes(samples.iter());
        // The first minute was there before us.
        // 18 kW-minutes are 0.3 kWh, at 0.50 per kWh 0.15; only the second is above 10 kW.
        assert_eq!(tally.energy.joules(), 18_000 * 60);
        assert!((tally.cost.amount() - 0.15).abs() < 1e-9);
        assert_eq!(tally.violation_s, 60);
    }
}
