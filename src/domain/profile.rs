//! A charging profile as it goes to an EVSE: maxima over time, in the unit of the wire.
//!
//! What is confirmed must be exactly what was sent, so a profile keeps the wire's unit and its one
//! decimal digit. [`super::evse::Evse::worst_case`] says what an EVSE may draw under it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::time::Time;

/// Unit of a profile's limits. Source: OCPI `ChargingRateUnit`, OCPP `chargingRateUnit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RateUnit {
    /// Amperes per phase.
    #[serde(rename = "A")]
    Amps,
    /// Watts over all phases.
    #[serde(rename = "W")]
    Watts,
}

/// A limit in tenths of its profile's unit (0.1 A or 0.1 W): both protocols allow one decimal.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tenths(pub i64);

/// One period of a profile; it ends where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePeriod {
    /// Seconds from the start of the profile.
    pub start_s: u32,
    /// Highest rate in this period.
    pub limit: Tenths,
}

/// Maxima over time for one EVSE, with an absolute start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Unit of all limits.
    pub unit: RateUnit,
    /// Instant of second 0.
    pub start: Time,
    /// Strictly increasing; the first starts at 0. Never empty.
    pub periods: Vec<ProfilePeriod>,
    /// Seconds after which the profile ends and what lies underneath holds (OCPP); `None`: the
    /// last period runs on for ever (OCPI).
    pub duration_s: Option<u32>,
}

impl Profile {
    /// The limit at an instant: `None` before the start and after the end.
    pub fn limit_at(&self, at: Time) -> Option<Tenths> {
        if at < self.start || self.end().is_some_and(|end| at >= end) {
            return None;
        }
        let offset = (at - self.start).num_seconds();
        let index = self
            .periods
            .partition_point(|period| i64::from(period.start_s) <= offset);
        index.checked_sub(1).map(|index| self.periods[index].limit)
    }

    /// When the profile ends, if it does.
    pub fn end(&self) -> Option<Time> {
        self.duration_s
            .map(|seconds| self.start + TimeDelta::seconds(i64::from(seconds)))
    }

    /// The periods with absolute starts.
    pub fn steps(&self) -> impl Iterator<Item = (Time, Tenths)> + '_ {
        self.periods.iter().map(|p| {
            (
                self.start + TimeDelta::seconds(i64::from(p.start_s)),
                p.limit,
            )
        })
    }

    /// True if the profile is well formed: at least one period, the first at 0, strictly
    /// increasing, no negative limit.
    pub fn is_well_formed(&self) -> bool {
        self.periods.first().is_some_and(|first| first.start_s == 0)
            && self
                .periods
                .windows(2)
                .all(|pair| pair[0].start_s < pair[1].start_s)
            && self.periods.iter().all(|period| period.limit.0 >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_where_the_next_begins_and_the_profile_where_it_says() {
        let start: Time = "2026-11-22T16:00:00Z".parse().expect("valid");
        let profile = Profile {
            unit: RateUnit::Amps,
            start,
            periods: vec![
                ProfilePeriod {
                    start_s: 0,
                    limit: Tenths(160),
                },
                ProfilePeriod {
                    start_s: 900,
                    limit: Tenths(60),
                },
            ],
            duration_s: Some(1800),
        };
        assert!(profile.is_well_formed());
        assert_eq!(profile.limit_at(start - TimeDelta::seconds(1)), None);
        assert_eq!(
            profile.limit_at(start + TimeDelta::seconds(899)),
            Some(Tenths(160))
        );
        assert_eq!(
            profile.limit_at(start + TimeDelta::seconds(900)),
            Some(Tenths(60))
        );
        assert_eq!(profile.limit_at(start + TimeDelta::seconds(1800)), None);
    }
}
