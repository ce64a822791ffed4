//! The energy register of one session over time, as its record shows it.

use serde::{Deserialize, Serialize};

use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// Points of one session: eight hours of one each five minutes, then each ten, and so on.
const MAX_POINTS: usize = 96;
/// Between two points as long as there is room, in seconds.
const GRAIN_S: u32 = 300;

/// A value of the register, short since there are many: seconds since the Unix epoch, joules of the
/// session so far, watts where a power came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row(i64, i64, Option<i64>);

/// One value as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct MeterValue {
    /// When it was read.
    pub(in crate::api) at: Time,
    /// Energy of the session until then.
    pub(in crate::api) energy: Energy,
    /// Power at that moment, where it was said.
    pub(in crate::api) power: Option<Power>,
}

/// The values of a session, oldest first. The first and the newest are always among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::api) struct Readings {
    grain_s: u32,
    rows: Vec<Row>,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            grain_s: GRAIN_S,
            rows: Vec::new(),
        }
    }
}

impl Readings {
    /// Takes in a value. One that is not newer than the last only corrects it.
    pub(super) fn take(&mut self, value: MeterValue) {
        let row = Row(
            value.at.timestamp(),
            value.energy.joules(),
            value.power.map(Power::watts),
        );
        let count = self.rows.len();
        let before = count.checked_sub(2).map(|index| self.rows[index]);
        let Some(last) = self.rows.last_mut() else {
            self.rows.push(row);
            return;
        };
        if row.0 <= last.0 {
            last.1 = last.1.max(row.1);
            last.2 = row.2.or(last.2);
            return;
        }
        // The last is loose while it lies near the one before it.
        if before.is_some_and(|before| row.0 - before.0 <= i64::from(self.grain_s)) {
            *last = row;
            return;
        }
        self.rows.push(row);
        if self.rows.len() > MAX_POINTS {
            self.thin();
        }
    }

    /// Drops every second value, but not the newest.
    fn thin(&mut self) {
        let last = self.rows.len().saturating_sub(1);
        let mut index = 0;
        self.rows.retain(|_| {
            let keeps = index % 2 == 0 || index == last;
            index += 1;
            keeps
        });
        self.grain_s = self.grain_s.saturating_mul(2);
    }

    /// The values, oldest first.
    pub(in crate::api) fn values(&self) -> impl Iterator<Item = MeterValue> {
        self.rows.iter().filter_map(|row| {
            Some(MeterValue {
                at: Time::from_timestamp(row.0, 0)?,
                energy: Energy::from_joules(row.1),
                power: row.2.map(Power::from_watts),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn value(second: i64) -> MeterValue {
        MeterValue {
            at: Time::from_timestamp(1_800_000_000 + second, 0).expect("valid"),
            // 3 kW
            energy: Energy::from_joules(second * 3_000),
            power: Some(Power::from_watts(3_000)),
        }
    }

    #[test]
    fn a_day_of_readings_each_minute_keeps_its_first_and_newest_and_no_gap_beyond_its_grain() {
        let mut readings = Readings::default();
        for minute in 0..=24 * 60 {
            readings.take(value(minute * 60));
        }
        let all: Vec<_> = readings.values().collect();
        assert!(all.len() <= MAX_POINTS, "{}", all.len());
        assert_eq!(all.first(), Some(&value(0)));
        assert_eq!(all.last(), Some(&value(24 * 3600)));
        // 96 points are 8 h of 5 minutes, 16 h of 10, so it has doubled twice.
        assert_eq!(readings.grain_s, 4 * GRAIN_S);
        let widest = all.windows(2).map(|two| two[1].at - two[0].at).max();
        assert!(widest <= Some(TimeDelta::minutes(20)), "{widest:?}");
    }

    #[test]
    fn a_value_told_again_or_late_takes_nothing_away() {
        let mut readings = Readings::default();
        readings.take(value(0));
        readings.take(value(600));
        readings.take(value(300));
        let all: Vec<_> = readings.values().collect();
        assert_eq!(all, [value(0), value(600)]);
    }
}
