//! Charging profiles, both ways, exact to the tenth.

use ocpi_client::types::{
    ActiveChargingProfile, ChargingProfile, ChargingProfilePeriod, ChargingRateUnit,
    Tenths as WireTenths,
};

use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};

/// Most periods taken from a partner's profile.
const MAX_PERIODS: usize = 1000;

/// A profile for the wire: absolute start, whole seconds, one decimal; without `duration` the last
/// period has no end, which is what a profile over OCPI needs. `None` if it is not well formed.
pub fn to_wire(profile: &Profile) -> Option<ChargingProfile> {
    profile.is_well_formed().then(|| ChargingProfile {
        start_date_time: Some(profile.start.into()),
        duration: profile.duration_s,
        charging_rate_unit: match profile.unit {
            RateUnit::Amps => ChargingRateUnit::Amperes,
            RateUnit::Watts => ChargingRateUnit::Watts,
        },
        min_charging_rate: None,
        charging_profile_period: profile
            .periods
            .iter()
            .map(|period| ChargingProfilePeriod {
                start_period: period.start_s,
                limit: WireTenths::from_tenths(period.limit.0),
            })
            .collect(),
    })
}

/// What really holds at an EVSE. All times count from the outer start; the inner one may differ
/// and says nothing. `None` if no limit can be read from it: no periods, or an unknown unit.
pub fn from_active(active: &ActiveChargingProfile) -> Option<Profile> {
    let wire = &active.charging_profile;
    let unit = match wire.charging_rate_unit {
        ChargingRateUnit::Amperes => RateUnit::Amps,
        ChargingRateUnit::Watts => RateUnit::Watts,
        ChargingRateUnit::Other(_) => return None,
    };
    if wire.charging_profile_period.len() > MAX_PERIODS {
        return None;
    }
    let mut periods: Vec<_> = wire
        .charging_profile_period
        .iter()
        .map(|period| ProfilePeriod {
            start_s: period.start_period,
            limit: Tenths(period.limit.tenths().max(0)),
        })
        .collect();
    periods.sort_by_key(|period| period.start_s);
    // Of two periods at one instant the higher limit counts: what holds must not be guessed low.
    periods.dedup_by(|later, kept| {
        let same = later.start_s == kept.start_s;
        if same {
            kept.limit = kept.limit.max(later.limit);
        }
        same
    });
    // A profile begins at second 0 here; before its first period nothing was said.
    let shift = periods.first()?.start_s;
    for period in &mut periods {
        period.start_s -= shift;
    }
    let profile = Profile {
        unit,
        start: active.start_date_time.as_utc() + chrono::TimeDelta::seconds(i64::from(shift)),
        periods,
        duration_s: wire.duration.map(|seconds| seconds.saturating_sub(shift)),
    };
    profile.is_well_formed().then_some(profile)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn active(profile: &Value) -> ActiveChargingProfile {
        let body = json!({"start_date_time": "2026-11-22T16:00:00Z", "charging_profile": profile});
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_profile_goes_out_in_amps_with_an_absolute_start_and_an_open_end() {
        let profile = Profile {
            unit: RateUnit::Amps,
            start: "2026-11-22T16:00:00Z".parse().unwrap(),
            periods: vec![
                ProfilePeriod {
                    start_s: 0,
                    limit: Tenths(160),
                },
                ProfilePeriod {
                    start_s: 900,
                    limit: Tenths(63),
                },
            ],
            duration_s: None,
        };
        assert_eq!(
            serde_json::to_value(to_wire(&profile).unwrap()).unwrap(),
            json!({
                "start_date_time": "2026-11-22T16:00:00Z",
                "charging_rate_unit": "A",
                "charging_profile_period": [
                    {"start_period": 0, "limit": 16.0},
                    {"start_period": 900, "limit": 6.3},
                ],
            })
        );
    }

    #[test]
    fn an_active_profile_counts_from_its_outer_start() {
        let profile = from_active(&active(&json!({
            "start_date_time": "2020-01-01T00:00:00Z",
            "charging_rate_unit": "W",
            "charging_profile_period": [
                {"start_period": 120, "limit": 4000},
                {"start_period": 60, "limit": 11000.55},
            ],
        })))
        .unwrap();
        assert_eq!(
            profile.start,
            "2026-11-22T16:01:00Z"
                .parse::<crate::domain::time::Time>()
                .unwrap()
        );
        assert_eq!(profile.unit, RateUnit::Watts);
        let steps: Vec<_> = profile
            .periods
            .iter()
            .map(|p| (p.start_s, p.limit.0))
            .collect();
        assert_eq!(steps, [(0, 110_005), (60, 40_000)]);
    }

    #[test]
    fn a_profile_without_periods_or_in_an_unknown_unit_limits_nothing() {
        let none = json!({"charging_rate_unit": "A", "charging_profile_period": []});
        assert_eq!(from_active(&active(&none)), None);
        let odd = json!({"charging_rate_unit": "kW",
            "charging_profile_period": [{"start_period": 0, "limit": 1}]});
        assert_eq!(from_active(&active(&odd)), None);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_back_the_same(
            limits in prop::collection::vec(0i64..5_000_000, 1..20), amps: bool,
        ) {
            let profile = Profile {
                unit: if amps { RateUnit::Amps } else { RateUnit::Watts },
                start: "2026-11-22T16:00:00Z".parse().unwrap(),
                periods: (0u32..)
                    .zip(limits)
                    .map(|(index, limit)| ProfilePeriod { start_s: index * 900, limit: Tenths(limit) })
                    .collect(),
                duration_s: None,
            };
            let wire = serde_json::to_value(to_wire(&profile).unwrap()).unwrap();
            prop_assert_eq!(from_active(&active(&wire)), Some(profile));
        }
    }
}
