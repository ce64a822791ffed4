//! An EVSE: the unit of control, and the arithmetic between watts and the wire's amps.

use serde::{Deserialize, Serialize};

use super::curve::PowerCurve;
use super::id::{CircuitId, EvseId, PartnerId, StationId};
use super::profile::{Profile, RateUnit, Tenths};
use super::quantity::{Current, Power, Voltage};
use super::time::Time;

/// A phase of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// First phase.
    L1,
    /// Second phase.
    L2,
    /// Third phase.
    L3,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// 0, 1 or 2.
    pub const fn index(self) -> usize {
        match self {
            Self::L1 => 0,
            Self::L2 => 1,
            Self::L3 => 2,
        }
    }
}

/// How the EVSE delivers energy, which decides the unit of its profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Supply {
    /// Alternating current: limits go out in amperes per phase.
    Ac {
        /// Phases the EVSE can use at most: 1 to 3.
        phases: u8,
        /// Nominal line-to-neutral voltage.
        nominal: Voltage,
    },
    /// Direct current: limits go out in watts.
    Dc,
}

/// Where the EVSE is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvseSource {
    /// At a partner's platform over OCPI. Ids are compared in lower case (OCPI's `CiString`).
    Ocpi {
        /// The partner.
        partner: PartnerId,
        /// OCPI `Location.id`.
        location_id: String,
        /// OCPI `EVSE.uid`.
        evse_uid: String,
    },
    /// At a station of our own CSMS.
    Ocpp {
        /// The station's identity.
        station: StationId,
        /// OCPP EVSE number (1.6: connector), from 1.
        evse: u32,
    },
}

/// An EVSE as the operator (or the import from a partner's locations) describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evse {
    /// Its name within the site.
    pub id: EvseId,
    /// The circuit that feeds it.
    pub circuit: CircuitId,
    /// Rated power at nominal voltage.
    pub max: Power,
    /// Lowest power at which charging goes on; below it there is only 0.
    pub min: Power,
    /// The grid phases its L1, L2, L3 are wired to, in that order; empty = unknown, which counts
    /// on each.
    pub phases: Vec<Phase>,
    /// AC or DC.
    pub supply: Supply,
    /// What the EVSE falls back to when we are silent; `None` = an equal share of what the limits
    /// leave.
    pub fallback: Option<Power>,
    /// Where it is reached.
    pub source: EvseSource,
}

impl Evse {
    /// Unit of this EVSE's profiles: A for AC, W for DC.
    pub fn unit(&self) -> RateUnit {
        match self.supply {
            Supply::Ac { .. } => RateUnit::Amps,
            Supply::Dc => RateUnit::Watts,
        }
    }

    /// The highest power it can ever draw: its rating, at the highest grid voltage if AC.
    pub fn hardware_max(&self) -> Power {
        match self.supply {
            Supply::Ac { nominal, .. } => self
                .max
                .scaled_up(nominal.highest().millivolts(), nominal.millivolts().max(1)),
            Supply::Dc => self.max,
        }
    }

    /// The least bound under which charging goes on: the minimum power at the highest voltage,
    /// rounded up to what a limit of 0.1 A can express.
    pub fn min_bound(&self) -> Power {
        match self.supply {
            Supply::Ac { phases, nominal } => {
                let per_tenth_mw = i64::from(phases.max(1)) * nominal.millivolts() / 10;
                let tenths = (self.min.watts() * 1000 + per_tenth_mw - 1) / per_tenth_mw.max(1);
                self.worst_case_of(RateUnit::Amps, Tenths(tenths))
            }
            Supply::Dc => self.min,
        }
    }

    /// What the EVSE may draw under a limit: `x` A may draw `x` times the highest voltage times
    /// the phases it can use; never more than the hardware can. A limit in W of an AC EVSE becomes
    /// amperes somewhere on its way, at nominal voltage, so the same holds for it.
    pub fn worst_case_of(&self, unit: RateUnit, limit: Tenths) -> Power {
        let drawn = match (unit, self.supply) {
            (RateUnit::Watts, Supply::Dc) => Power::from_watts((limit.0.max(0) + 9) / 10),
            (RateUnit::Watts, Supply::Ac { nominal, .. }) => {
                Power::from_watts((limit.0.max(0) + 9) / 10)
                    .scaled_up(nominal.highest().millivolts(), nominal.millivolts().max(1))
            }
            (RateUnit::Amps, Supply::Ac { phases, nominal }) => {
                let all = limit
                    .0
                    .max(0)
                    .saturating_mul(100 * i64::from(phases.max(1)));
                Current::from_milliamps(all).times(nominal.highest())
            }
            // Amps say nothing about a DC output's power.
            (RateUnit::Amps, Supply::Dc) => self.hardware_max(),
        };
        drawn.min(self.hardware_max())
    }

    /// The highest limit whose worst case stays within `bound`, rounded down to 0.1 A or 1 W; a
    /// limit below the minimum power becomes 0.
    pub fn limit_within(&self, bound: Power) -> Tenths {
        let bound = bound.at_least_zero().min(self.hardware_max());
        if bound < self.min_bound() {
            return Tenths(0);
        }
        match self.supply {
            Supply::Dc => Tenths(bound.watts() * 10),
            Supply::Ac { phases, nominal } => {
                let per_tenth_mw = i64::from(phases.max(1)) * nominal.highest().millivolts() / 10;
                let floor = Tenths(bound.watts() * 1000 / per_tenth_mw.max(1));
                if self.worst_case_of(RateUnit::Amps, floor) >= self.min_bound() {
                    return floor;
                }
                // Only where the hardware maximum caps the tenth above: it is within the bound.
                Tenths(floor.0 + 1)
            }
        }
    }

    /// The profile in another unit, for who takes no other: amperes become watts at nominal voltage on
    /// all phases the EVSE can use, rounded down, so that it never allows more. DC stays in W:
    /// amperes say nothing of its power.
    pub fn in_unit(&self, profile: &Profile, unit: RateUnit) -> Profile {
        let mut profile = profile.clone();
        if let (RateUnit::Amps, RateUnit::Watts, Supply::Ac { phases, nominal }) =
            (profile.unit, unit, self.supply)
        {
            let per_tenth_mw = i64::from(phases.max(1)) * nominal.millivolts() / 10;
            profile.unit = RateUnit::Watts;
            for period in &mut profile.periods {
                let milliwatts = period.limit.0.max(0).saturating_mul(per_tenth_mw);
                period.limit = Tenths(milliwatts / 100);
            }
        }
        profile
    }

    /// What a car is expected to draw under a bound: the bound at nominal instead of highest
    /// voltage, as `(numerator, denominator)`.
    pub fn expected_share(&self) -> (i64, i64) {
        match self.supply {
            Supply::Ac { nominal, .. } => (nominal.millivolts(), nominal.highest().millivolts()),
            Supply::Dc => (1, 1),
        }
    }

    /// The same for a car that uses only `used` of the EVSE's phases.
    pub fn expected_share_on(&self, used: Option<u8>) -> (i64, i64) {
        let (numerator, denominator) = self.expected_share();
        match (self.supply, used) {
            (Supply::Ac { phases, .. }, Some(used)) if (1..phases).contains(&used) => {
                (numerator * i64::from(used), denominator * i64::from(phases))
            }
            _ => (numerator, denominator),
        }
    }

    /// What the EVSE may draw at each instant under a profile. Where the profile says nothing
    /// (before its start, after its end) `underneath` holds.
    pub fn worst_case(&self, profile: &Profile, underneath: Power) -> PowerCurve {
        let mut steps: Vec<_> = profile
            .steps()
            .map(|(at, limit)| (at, self.worst_case_of(profile.unit, limit)))
            .collect();
        if let Some(end) = profile.end() {
            steps.retain(|(at, _)| *at < end);
            steps.push((end, underneath));
        }
        PowerCurve::new(underneath, steps)
    }

    /// What the EVSE may draw at each instant under a profile: `before` its start, its limits, and
    /// what lies `underneath` after its end.
    pub fn worst_case_between(
        &self,
        profile: &Profile,
        before: &PowerCurve,
        underneath: &PowerCurve,
    ) -> PowerCurve {
        let until_start = before
            .steps()
            .iter()
            .copied()
            .filter(|(at, _)| *at < profile.start);
        let limited = profile
            .steps()
            .filter(|(at, _)| profile.end().is_none_or(|end| *at < end))
            .map(|(at, limit)| (at, self.worst_case_of(profile.unit, limit)));
        let after = profile.end().into_iter().flat_map(|end| {
            let later = underneath
                .steps()
                .iter()
                .copied()
                .filter(move |(at, _)| *at > end);
            std::iter::once((end, underneath.at(end))).chain(later)
        });
        let first = before.at(Time::MIN_UTC);
        PowerCurve::new(first, until_start.chain(limited).chain(after))
    }

    /// [`Evse::worst_case_between`] at one instant. `underneath` is asked at most once.
    pub fn worst_case_at(
        &self,
        profile: &Profile,
        before: Power,
        underneath: impl FnOnce() -> Power,
        at: Time,
    ) -> Power {
        if profile.end().is_some_and(|end| end <= at) {
            return underneath();
        }
        let limit = profile.limit_at(at);
        limit.map_or(before, |limit| self.worst_case_of(profile.unit, limit))
    }

    /// Share of a power that counts on each phase of the grid: `1/n` of it on each of the `n`
    /// phases it can use; where the wiring is unknown, on every phase of the grid.
    /// Returned as a divisor per phase; 0 = nothing on this phase.
    pub fn phase_divisors(&self) -> [i64; 3] {
        let usable = match self.supply {
            Supply::Ac { phases, .. } => usize::from(phases.clamp(1, 3)),
            Supply::Dc => 3,
        };
        if self.phases.is_empty() {
            return [i64::try_from(usable).unwrap_or(1); 3];
        }
        let wired: Vec<_> = self.phases.iter().take(usable).collect();
        let mut divisors = [0; 3];
        let count = i64::try_from(wired.len()).unwrap_or(1);
        for phase in wired {
            divisors[phase.index()] = count;
        }
        divisors
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::profile::ProfilePeriod;

    fn ac(phases: u8, max_kw: f64, min_kw: f64) -> Evse {
        Evse {
            id: EvseId::new("e1").expect("valid"),
            circuit: CircuitId::new("site").expect("valid"),
            max: Power::from_kilowatts(max_kw),
            min: Power::from_kilowatts(min_kw),
            phases: Phase::ALL[..usize::from(phases)].to_vec(),
            supply: Supply::Ac {
                phases,
                nominal: Voltage::V230,
            },
            fallback: None,
            source: EvseSource::Ocpp {
                station: StationId::new("s1").expect("valid"),
                evse: 1,
            },
        }
    }

    #[test]
    fn sixteen_amps_on_three_phases_may_draw_at_the_highest_voltage() {
        // 16 A x 253 V x 3 = 12,144 W; the rating is 11.04 kW x 1.1 = 12,144 W
        let evse = ac(3, 11.04, 4.14);
        assert_eq!(
            evse.worst_case_of(RateUnit::Amps, Tenths(160)),
            Power::from_watts(12_144)
        );
        assert_eq!(evse.hardware_max(), Power::from_watts(12_144));
        assert_eq!(evse.limit_within(Power::from_watts(12_144)), Tenths(160));
    }

    #[test]
    fn below_six_amps_there_is_only_zero() {
        let evse = ac(3, 11.04, 4.14);
        // 6 A x 253 V x 3 = 4,554 W
        assert_eq!(evse.min_bound(), Power::from_watts(4554));
        assert_eq!(evse.limit_within(Power::from_watts(4553)), Tenths(0));
        assert_eq!(evse.limit_within(Power::from_watts(4554)), Tenths(60));
    }

    #[test]
    fn after_the_end_of_a_profile_what_lies_underneath_holds() {
        let evse = ac(1, 7.36, 1.38);
        let start: Time = "2026-11-22T16:00:00Z".parse().expect("valid");
        let profile = Profile {
            unit: RateUnit::Amps,
            start,
            periods: vec![ProfilePeriod {
                start_s: 0,
                limit: Tenths(60),
            }],
            duration_s: Some(600),
        };
        let curve = evse.worst_case(&profile, Power::from_watts(5000));
        assert_eq!(curve.at(start), Power::from_watts(1518));
        assert_eq!(
            curve.at(start + TimeDelta::seconds(600)),
            Power::from_watts(5000)
        );
        assert_eq!(
            curve.at(start - TimeDelta::seconds(1)),
            Power::from_watts(5000)
        );
    }

    /// Nominal voltage in millivolts.
    fn evse_mv(evse: &Evse) -> i64 {
        match evse.supply {
            Supply::Ac { nominal, .. } => nominal.millivolts(),
            Supply::Dc => 0,
        }
    }

    #[test]
    fn amperes_become_watts_for_who_takes_no_other_and_dc_stays_as_it_is() {
        let start: Time = "2026-11-22T16:00:00Z".parse().expect("valid");
        let limits = |unit, limits: [i64; 2]| Profile {
            unit,
            start,
            periods: (0..)
                .zip(limits)
                .map(|(index, limit)| ProfilePeriod {
                    start_s: index * 900,
                    limit: Tenths(limit),
                })
                .collect(),
            duration_s: None,
        };
        let amps = limits(RateUnit::Amps, [60, 161]);
        // 6.0 A x 230 V x 3 = 4,140 W; 16.1 A x 230 V x 3 = 11,109 W
        let watts = limits(RateUnit::Watts, [41_400, 111_090]);
        assert_eq!(ac(3, 11.04, 4.14).in_unit(&amps, RateUnit::Watts), watts);
        assert_eq!(ac(3, 11.04, 4.14).in_unit(&amps, RateUnit::Amps), amps);
        let dc = Evse {
            supply: Supply::Dc,
            ..ac(3, 50.0, 0.0)
        };
        assert_eq!(dc.in_unit(&watts, RateUnit::Amps), watts);
    }

    proptest! {
        #[test]
        fn in_watts_a_profile_never_allows_more_than_in_amperes(
            phases in 1u8..=3, volts in 100.0f64..260.0, limit in 0i64..3_200,
        ) {
            let evse = Evse {
                supply: Supply::Ac { phases, nominal: Voltage::from_volts(volts) },
                ..ac(phases, 300.0, 1.0)
            };
            let start: Time = "2026-11-22T16:00:00Z".parse().expect("valid");
            let periods = vec![ProfilePeriod { start_s: 0, limit: Tenths(limit) }];
            let amps = Profile { unit: RateUnit::Amps, start, periods, duration_s: None };
            let watts = evse.in_unit(&amps, RateUnit::Watts);
            let (told, meant) = (watts.periods[0].limit, Tenths(limit));
            let drawn = evse.worst_case_of(RateUnit::Watts, told);
            // What is left of a watt is rounded up on both sides.
            prop_assert!(drawn <= evse.worst_case_of(RateUnit::Amps, meant) + Power::from_watts(2));
            prop_assert!(told.0 * 1000 <= limit * i64::from(phases) * evse_mv(&evse));
        }

        #[test]
        fn a_limit_made_for_a_bound_never_exceeds_it(
            phases in 1u8..=3, max in 1.0f64..50.0, min in 0.0f64..5.0, bound in 0i64..60_000,
        ) {
            let evse = ac(phases, max, min.min(max));
            let bound = Power::from_watts(bound);
            let limit = evse.limit_within(bound);
            prop_assert!(evse.worst_case_of(evse.unit(), limit) <= bound);
            prop_assert!(limit == Tenths(0) || evse.worst_case_of(evse.unit(), limit) >= evse.min_bound());
        }
    }
}
