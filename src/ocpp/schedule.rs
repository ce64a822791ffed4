//! Charging schedules and profiles as they go over the wire, the same in all versions but for some
//! names.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::fields::Fields;
use super::message::{Install, Kind, Response, Scope};
use super::wire::{refused, time, unit};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::time::Time;

/// Most periods read of a composite schedule.
const MAX_PERIODS: usize = 1_024;
/// A profile without an end is sent to hold for ten years.
const FOREVER_S: u32 = 10 * 365 * 86_400;
/// By how much a schedule begins before now, in seconds: a start at this very second is passed over
/// by stations whose clock is behind ours.
const STARTED_S: u32 = 60;

/// How often a station asks for the newest limit of a dynamic profile where we have said none, in
/// seconds.
const ASKS_AGAIN_S: u32 = 300;

/// Tenths as a JSON number with at most one decimal, and none where it is whole.
pub(super) fn tenths(limit: Tenths) -> Value {
    if limit.0 % 10 == 0 {
        return json!(limit.0 / 10);
    }
    // One decimal exactly: `{}` of the nearest double prints it back.
    format!("{}.{}", limit.0 / 10, limit.0 % 10)
        .parse::<f64>()
        .map_or_else(|_| json!(limit.0 / 10), |number| json!(number))
}

/// A charging schedule without its 2.x id.
fn schedule(install: &Install) -> Value {
    let profile = &install.profile;
    let is_absolute = install.kind == Kind::Absolute;
    let lead = if is_absolute { STARTED_S } else { 0 };
    let mut periods: Vec<Value> = Vec::with_capacity(profile.periods.len());
    for period in &profile.periods {
        // The first one reaches back to the start; the others keep their instants.
        let start = if period.start_s == 0 {
            0
        } else {
            period.start_s + lead
        };
        let mut entry = json!({ "startPeriod": start, "limit": tenths(period.limit) });
        if let Some(phases) = install.phases {
            entry["numberPhases"] = json!(phases);
        }
        periods.push(entry);
    }
    let mut schedule = json!({
        "chargingRateUnit": unit(profile.unit),
        "chargingSchedulePeriod": periods,
    });
    if is_absolute {
        schedule["startSchedule"] = json!(time(begins(profile)));
        schedule["duration"] = json!(profile.duration_s.unwrap_or(FOREVER_S) + lead);
    }
    schedule
}

fn begins(profile: &Profile) -> Time {
    profile.start - TimeDelta::seconds(i64::from(STARTED_S))
}

/// Kind, and the time for which it is valid unless it counts from a transaction's start.
fn kind_and_validity(install: &Install, profile: &mut Value) {
    profile["chargingProfileKind"] = json!(match install.kind {
        Kind::Absolute => "Absolute",
        Kind::Relative => "Relative",
        Kind::Dynamic => "Dynamic",
    });
    match install.kind {
        Kind::Absolute => {}
        Kind::Relative => return,
        Kind::Dynamic => profile["dynUpdateInterval"] = json!(ASKS_AGAIN_S),
    }
    let lasts = install.profile.duration_s.unwrap_or(FOREVER_S);
    let ends = install.profile.start + TimeDelta::seconds(i64::from(lasts));
    profile["validFrom"] = json!(time(begins(&install.profile)));
    profile["validTo"] = json!(time(ends));
}

/// The profile of an install, without what the versions name differently: its id, its schedule's
/// place and its transaction. `station` is the purpose of a limit of the whole station.
pub(super) fn profile(install: &Install, station: &str) -> (Value, Value) {
    let purpose = match install.scope {
        Scope::Default { .. } => "TxDefaultProfile",
        Scope::Transaction { .. } => "TxProfile",
        Scope::Station => station,
    };
    let mut profile = json!({
        "stackLevel": install.stack_level,
        "chargingProfilePurpose": purpose,
    });
    kind_and_validity(install, &mut profile);
    (profile, schedule(install))
}

/// What holds, in the answer to a question for it.
pub(super) fn composite(schedule: Option<&Fields<'_>>, start: Option<Time>, now: Time) -> Response {
    schedule
        .and_then(|schedule| read_schedule(schedule, start.unwrap_or(now)))
        .map_or_else(
            || refused("Accepted without a schedule", false),
            Response::Composite,
        )
}

/// Reads a schedule with absolute start: limits rounded up, so that what a station says it allows
/// is never taken for less.
pub(super) fn read_schedule(schedule: &Fields<'_>, start: Time) -> Option<Profile> {
    let unit = match schedule.text("chargingRateUnit")? {
        "A" | "Current" => RateUnit::Amps,
        "W" | "Power" => RateUnit::Watts,
        _ => return None,
    };
    let mut periods: Vec<ProfilePeriod> = Vec::new();
    for entry in schedule.objects("chargingSchedulePeriod").take(MAX_PERIODS) {
        let start_s = u32::try_from(entry.whole("startPeriod")?).ok()?;
        // 2.1 may give a setpoint in place of a limit; below 0 it gives back.
        let limit = entry.number("limit").or_else(|| entry.number("setpoint"));
        let limit = tenths_of(limit?.max(0.0))?;
        periods.push(ProfilePeriod { start_s, limit });
    }
    let duration_s = schedule
        .whole("duration")
        .and_then(|seconds| u32::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    let profile = Profile {
        unit,
        start,
        periods,
        duration_s,
    };
    profile.is_well_formed().then_some(profile)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to lie within the range in which every integer is exact"
)]
fn tenths_of(limit: f64) -> Option<Tenths> {
    // A hundredth of slack, so that 9.8 read as 9.800000000000001 stays 9.8.
    let tenths = (limit * 10.0 - 0.1).ceil();
    (0.0..1e12)
        .contains(&limit)
        .then_some(Tenths((tenths as i64).max(0)))
}
