//! Charging profiles on the wire. Source: OCPI `mod_charging_profiles`.

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{date_time, read_date_time};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::Current;
use crate::domain::time::Time;
use crate::sim::world::{Layer, SimEvse};

/// Longest URL of OCPI.
const MAX_URL_CHARS: usize = 255;

#[derive(Deserialize)]
struct SetChargingProfile {
    charging_profile: ChargingProfile,
    response_url: String,
}

#[derive(Deserialize)]
struct ChargingProfile {
    start_date_time: Option<String>,
    duration: Option<u32>,
    charging_rate_unit: RateUnit,
    #[serde(default, rename = "charging_profile_period")]
    periods: Vec<Period>,
}

#[derive(Deserialize)]
struct Period {
    start_period: u32,
    limit: f64,
}

/// Reads the body of a PUT: the profile and where the result goes, or what is wrong with it. A
/// profile without a start begins with its session.
pub(super) fn read_set(body: &Value, session_start: Time) -> Result<(Profile, String), String> {
    let body = SetChargingProfile::deserialize(body).map_err(|error| error.to_string())?;
    check_url(&body.response_url)?;
    let wire = body.charging_profile;
    let start = match &wire.start_date_time {
        None => session_start,
        Some(text) => read_date_time(text)
            .ok_or_else(|| format!("start_date_time {text:?} is not a DateTime in UTC"))?,
    };
    let periods = wire
        .periods
        .iter()
        .map(|period| {
            Ok(ProfilePeriod {
                start_s: period.start_period,
                limit: tenths(period.limit)?,
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let profile = Profile {
        unit: wire.charging_rate_unit,
        start,
        periods,
        duration_s: wire.duration,
    };
    if profile.is_well_formed() {
        Ok((profile, body.response_url))
    } else {
        Err("charging_profile_period must begin at 0 and strictly increase".into())
    }
}

/// Checks a response URL.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    if url.chars().count() > MAX_URL_CHARS {
        return Err(format!(
            "response_url has more than {MAX_URL_CHARS} characters"
        ));
    }
    url::Url::parse(url)
        .map(|_| ())
        .map_err(|error| format!("response_url: {error}"))
}

/// A limit, which has one decimal at most.
#[expect(clippy::cast_possible_truncation, reason = "bounded above")]
fn tenths(limit: f64) -> Result<Tenths, String> {
    let scaled = limit * 10.0;
    if !(0.0..=1e9).contains(&scaled) {
        return Err(format!("limit {limit} is out of range"));
    }
    if (scaled - scaled.round()).abs() > 1e-6 {
        return Err(format!("limit {limit} has more than one decimal"));
    }
    Ok(Tenths(scaled.round() as i64))
}

/// What an EVSE follows from `at` on, as an `ActiveChargingProfile`.
pub(super) fn active(evse: &SimEvse, at: Time, duration: TimeDelta) -> Value {
    let until = at + duration;
    let mut instants = vec![at];
    for layer in [Layer::Station, Layer::Default, Layer::Session] {
        if let Some(profile) = evse.profile(layer) {
            instants.extend(profile.steps().map(|(step, _)| step));
            instants.extend(profile.end());
        }
    }
    instants.retain(|instant| (at..until).contains(instant) || *instant == at);
    instants.sort_unstable();
    instants.dedup();
    let mut periods: Vec<Value> = Vec::new();
    let mut last = None;
    for instant in instants {
        let offered = evse.offered(instant);
        if last.replace(offered) != Some(offered) {
            periods.push(json!({
                "start_period": (instant - at).num_seconds(),
                "limit": amps(offered),
            }));
        }
    }
    json!({
        "start_date_time": date_time(at),
        "charging_profile": {
            "start_date_time": date_time(at),
            "duration": duration.num_seconds(),
            "charging_rate_unit": "A",
            "charging_profile_period": periods,
        },
    })
}

/// Amperes with one decimal, rounded down.
fn amps(current: Current) -> f64 {
    Current::from_milliamps(current.milliamps() / 100 * 100).amps()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(profile: &Value) -> Value {
        json!({"charging_profile": profile, "response_url": "http://127.0.0.1:1/r/1"})
    }

    fn start() -> Time {
        "2019-10-02T06:00:00Z".parse().expect("valid")
    }

    #[test]
    fn a_profile_without_start_begins_with_its_session() {
        let wire = json!({
            "charging_rate_unit": "A",
            "charging_profile_period": [{"start_period": 0, "limit": 16.5}],
        });
        let (profile, url) = read_set(&body(&wire), start()).expect("valid");
        assert_eq!((profile.start, profile.duration_s), (start(), None));
        assert_eq!(profile.periods[0].limit, Tenths(165));
        assert_eq!(url, "http://127.0.0.1:1/r/1");
    }

    #[test]
    fn what_the_text_forbids_is_refused() {
        for (periods, start, why) in [
            (json!([]), "2019-10-02T06:00:00Z", "begin at 0"),
            (
                json!([{"start_period": 5, "limit": 16}]),
                "2019-10-02T06:00:00Z",
                "begin at 0",
            ),
            (
                json!([{"start_period": 0, "limit": 16.55}]),
                "2019-10-02T06:00:00Z",
                "decimal",
            ),
            (
                json!([{"start_period": 0, "limit": -1}]),
                "2019-10-02T06:00:00Z",
                "range",
            ),
            (
                json!([{"start_period": 0, "limit": 6}]),
                "2019-10-02T06:00:00+00:00",
                "UTC",
            ),
        ] {
            let wire = json!({
                "start_date_time": start,
                "charging_rate_unit": "A",
                "charging_profile_period": periods,
            });
            let error = read_set(&body(&wire), self::start()).expect_err("forbidden");
            assert!(error.contains(why), "{error} should contain {why}");
        }
    }
}
