//! What charging would have been otherwise: the sessions that were, charged by another rule. Watts per
//! minute, beside the samples of what was measured.

use super::chronicle::{Outcome, Sample};
use crate::domain::evse::Evse;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::state::SiteState;

const SECONDS: i64 = 60;

/// How fast a session's car charges when nobody holds it back: what it was measured to take at most,
/// if it was ever seen to take less than it was offered, else what its EVSE gives.
pub(super) fn rate(evse: &Evse, outcome: &Outcome) -> Power {
    if outcome.is_fastest_known && outcome.fastest.is_positive() {
        outcome.fastest.min(evse.max)
    } else {
        evse.max.max(outcome.fastest)
    }
}

fn minute_of(at: Time) -> i64 {
    at.timestamp().div_euclid(SECONDS)
}

/// Every session takes its energy from its arrival on, at full power; limits are ignored.
pub(super) fn unmanaged(state: &SiteState, samples: &[Sample], outcomes: &[Outcome]) -> Vec<i64> {
    let mut watts = vec![0_i64; samples.len()];
    for outcome in outcomes {
        let Some(evse) = state.site.evse(&outcome.evse) else {
            continue;
        };
        let per_minute = rate(evse, outcome).watts() * SECONDS;
        if per_minute <= 0 {
            continue;
        }
        let first = minute_of(outcome.started_at);
        let start = samples.partition_point(|sample| sample.minute < first);
        let mut left = outcome.energy.joules();
        for slot in watts.iter_mut().skip(start) {
            if left <= 0 {
                break;
            }
            let taken = left.min(per_minute);
            left -= taken;
            *slot += taken / SECONDS;
        }
    }
    watts
}

/// Every session takes its energy at the cheapest minutes of its stay that leave room under the limit,
/// those with the least time to spare first; and what found no room. It knows everything beforehand,
/// which nobody does: a bound, not a promise.
pub(super) fn hindsight(
    state: &SiteState,
    samples: &[Sample],
    outcomes: &[Outcome],
) -> (Vec<i64>, Energy) {
    let mut watts = vec![0_i64; samples.len()];
    let mut stays: Vec<Stay> = outcomes
        .iter()
        .filter_map(|outcome| Stay::of(state, samples, outcome))
        .collect();
    stays.sort_by_key(Stay::spare_minutes);
    let mut unplaced = 0;
    for stay in stays {
        let mut minutes: Vec<usize> = (stay.start..stay.end).collect();
        minutes.sort_by_key(|at| samples[*at].price_micros);
        let mut left = stay.joules;
        for at in minutes {
            if left <= 0 {
                break;
            }
            let sample = &samples[at];
            let room = sample.limit_w.map_or(stay.watts, |limit| {
                (limit - sample.uncontrolled_w - watts[at]).clamp(0, stay.watts)
            });
            let taken = left.min(room * SECONDS);
            left -= taken;
            watts[at] += taken / SECONDS;
        }
        unplaced += left;
    }
    (watts, Energy::from_joules(unplaced))
}

/// A session as a span of samples.
struct Stay {
    start: usize,
    end: usize,
    watts: i64,
    joules: i64,
}

impl Stay {
    fn of(state: &SiteState, samples: &[Sample], outcome: &Outcome) -> Option<Self> {
        let evse = state.site.evse(&outcome.evse)?;
        let place = |at: Time| samples.partition_point(|sample| sample.minute < minute_of(at));
        let stay = Self {
            start: place(outcome.started_at),
            end: outcome.ended_at.map_or(samples.len(), place),
            watts: rate(evse, outcome).watts(),
            joules: outcome.energy.joules(),
        };
        (stay.start < stay.end && stay.watts > 0).then_some(stay)
    }

    /// Minutes of the stay beyond those that it needs at full power.
    fn spare_minutes(&self) -> i64 {
        let minutes = i64::try_from(self.end - self.start).unwrap_or(i64::MAX);
        minutes - self.joules / (self.watts * SECONDS).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::chronicle::Readings;
    use crate::domain::id::SessionId;
    use crate::domain::quantity::Money;
    use crate::state::testing::{evse_id, live, site_of};

    /// Four minutes at prices 4, 1, 3, 2 under a limit of 10 kW, 2 kW of it other load.
    fn samples() -> Vec<Sample> {
        let prices = [4_i64, 1, 3, 2];
        let each = prices.iter().zip(0_i64..);
        each.map(|(price, minute)| Sample {
            minute,
            uncontrolled_w: 2_000,
            limit_w: Some(10_000),
            price_micros: Some(*price),
            ..Sample::default()
        })
        .collect()
    }

    /// A car that is there all the time, takes 6 kW at most and took so many minutes of it.
    fn car(number: usize, minutes: i64) -> Outcome {
        let at = |minute: i64| Time::from_timestamp(minute * SECONDS, 0).expect("an instant");
        Outcome {
            session: SessionId::new(format!("s{number}")).expect("an id"),
            evse: evse_id(number),
            started_at: at(0),
            ended_at: Some(at(4)),
            energy: Energy::from_joules(6_000 * SECONDS * minutes),
            wanted: None,
            departure: None,
            fastest: Power::from_watts(6_000),
            is_fastest_known: true,
            native_id: String::new(),
            cost: Money::ZERO,
            priced: Energy::ZERO,
            readings: Readings::default(),
        }
    }

    fn state() -> SiteState {
        live(site_of(10.0, 2))
    }

    #[test]
    fn unmanaged_charging_begins_at_once_and_knows_no_limit() {
        let watts = unmanaged(&state(), &samples(), &[car(1, 1), car(2, 2)]);
        assert_eq!(watts, [12_000, 6_000, 0, 0]);
    }

    #[test]
    fn hindsight_takes_the_cheapest_minutes_under_the_limit() {
        let (watts, unplaced) = hindsight(&state(), &samples(), &[car(1, 1), car(2, 2)]);
        // The second car has less time to spare: minutes 1 and 3. Beside it 2 kW are left there, so
        // the first takes 2 kW in each, and its last 2 kW in minute 2.
        assert_eq!(watts, [0, 8_000, 2_000, 8_000]);
        assert_eq!(unplaced, Energy::ZERO);
    }

    #[test]
    fn what_finds_no_room_is_told() {
        let (watts, unplaced) = hindsight(&state(), &samples(), &[car(1, 4), car(2, 4)]);
        assert!(watts.iter().all(|watts| *watts == 8_000), "{watts:?}");
        // 48 kW-minutes wanted, 32 had room.
        assert_eq!(unplaced, Energy::from_joules(16_000 * SECONDS));
    }
}
