//! An event's intervals in time.
//!
//! The event's period is the start of the first interval and the length of each; an interval's own
//! overrides it, in part too. An interval without a start, or with the year 1, follows the one before;
//! the first one's is "now", which is when the event was changed last, so that it stays the same from
//! reading to reading. Several values split their interval evenly. The event's own duration repeats its
//! intervals, or cuts them.

use chrono::{Months, TimeDelta};
use sha2::{Digest as _, Sha256};

use super::event::{Event, Length, Payload, Start};
use crate::domain::signal::MAX_SIGNAL_SLOTS;
use crate::domain::time::Time;

/// How far back and ahead slots are laid out; "for ever" ends there, and moves on with every reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) back: TimeDelta,
    pub(super) ahead: TimeDelta,
    /// What is for ever ends at a border of so much, so that it is not news at every reading.
    pub(super) grain_s: i64,
}

/// Of what becomes a signal.
const OF_SIGNALS: Reach = Reach {
    back: TimeDelta::days(8),
    ahead: TimeDelta::days(400),
    grain_s: 30 * 86_400,
};

/// From when to when a payload holds.
pub(super) type Held = (Time, Time, Payload);

/// The slots, sorted, without overlap.
pub(super) fn lay_out(event: &Event, salt: &str, now: Time) -> Result<Vec<Held>, String> {
    let numbered = numbered(event, salt, now, OF_SIGNALS)?;
    Ok(numbered.into_iter().map(|(_, held)| held).collect())
}

/// The same, each with its number since the event's first slot, whatever is passed by as over.
pub(super) fn numbered(
    event: &Event,
    salt: &str,
    now: Time,
    reach: Reach,
) -> Result<Vec<(i64, Held)>, String> {
    if event.period.duration.is_some_and(Length::is_zero) && event.period.start == Some(Start::Now)
    {
        // Cancelled.
        return Ok(Vec::new());
    }
    let border = (now + reach.ahead).timestamp().div_euclid(reach.grain_s) * reach.grain_s;
    let latest = chrono::DateTime::from_timestamp(border, 0).unwrap_or(now);
    let anchor = event.modified.unwrap_or(now).min(now);
    let base = match event.period.start {
        Some(Start::At(at)) => at,
        Some(Start::Now) | None => anchor,
    };
    let (round, end) = one_round(event, base, salt, latest)?;
    let Some(first) = round.first().map(|(from, _, _)| *from) else {
        return Ok(Vec::new());
    };
    let begins = first.min(base_of(event, base, salt));
    let until = match event.duration {
        None => end,
        Some(length) => after(begins, length, latest),
    };
    let period = end - begins;
    let mut slots: Vec<(i64, Held)> = Vec::new();
    let mut shift = TimeDelta::zero();
    let per_round = i64::try_from(round.len()).map_err(|_| "too many slots")?;
    let mut first_number = 0;
    // The rounds that are over are passed by.
    if until > end && period > TimeDelta::zero() {
        let over = (now - reach.back - end).num_seconds().max(0) / period.num_seconds().max(1);
        let over = i32::try_from(over).map_err(|_| "it repeats too often")?;
        shift = period.checked_mul(over).ok_or("it repeats too often")?;
        first_number = i64::from(over) * per_round;
    }
    loop {
        for (number, (from, to, payload)) in (first_number..).zip(&round) {
            let (from, to) = (*from + shift, (*to + shift).min(until));
            if from < to && to > now - reach.back && from < latest {
                slots.push((number, (from, to, payload.clone())));
            }
            if slots.len() > MAX_SIGNAL_SLOTS {
                return Err(format!("it has more than {MAX_SIGNAL_SLOTS} slots"));
            }
        }
        shift += period;
        first_number += per_round;
        if period <= TimeDelta::zero() || begins + shift >= until.min(latest) {
            break;
        }
    }
    slots.sort_by_key(|(_, (from, _, _))| *from);
    // Of intervals that overlap within an event the later start cuts the earlier one.
    for index in 1..slots.len() {
        let next = slots[index].1.0;
        let before = &mut slots[index - 1].1;
        before.1 = before.1.min(next);
    }
    slots.retain(|(_, (from, to, _))| from < to);
    Ok(slots)
}

/// The base, moved by the random part that is the event's own.
fn base_of(event: &Event, base: Time, salt: &str) -> Time {
    base + shift_of(event, event.period.randomize, salt, 0)
}

/// The intervals once, and when the last one ends.
fn one_round(
    event: &Event,
    base: Time,
    salt: &str,
    latest: Time,
) -> Result<(Vec<Held>, Time), String> {
    let mut round = Vec::new();
    let mut next = base_of(event, base, salt);
    let mut end = next;
    for (index, interval) in event.intervals.iter().enumerate() {
        let own = interval.period;
        let from = match own.start {
            Some(Start::At(at)) => at,
            Some(Start::Now) | None => next,
        };
        let from = from + shift_of(event, own.randomize, salt, index + 1);
        let length = own
            .duration
            .or(event.period.duration)
            .unwrap_or(Length::Forever);
        let to = after(from, length, latest);
        let count = i32::try_from(interval.values.len()).map_err(|_| "too many values")?;
        let whole = (to - from).num_seconds();
        for (number, payload) in (0_i64..).zip(&interval.values) {
            let border = |number: i64| from + TimeDelta::seconds(whole * number / i64::from(count));
            let (from, to) = (border(number), border(number + 1));
            if from < to {
                round.push((from, to, payload.clone()));
            }
        }
        next = to;
        end = end.max(to);
    }
    Ok((round, end))
}

/// So much after an instant, as far as slots are laid out.
fn after(at: Time, length: Length, latest: Time) -> Time {
    match length {
        Length::Forever => latest.max(at),
        Length::Of { months, seconds } => at
            .checked_add_months(Months::new(months))
            .and_then(|at| at.checked_add_signed(TimeDelta::try_seconds(seconds)?))
            .unwrap_or(latest),
    }
}

/// A start may move by up to `randomize` either way: evenly, the same at every reading of the event as
/// it is, another one when it changes.
fn shift_of(event: &Event, randomize: Option<Length>, salt: &str, number: usize) -> TimeDelta {
    let Some(Length::Of { months, seconds }) = randomize else {
        return TimeDelta::zero();
    };
    let most = seconds.saturating_add(i64::from(months) * 30 * 86_400);
    if most <= 0 {
        return TimeDelta::zero();
    }
    let modified = event.modified.map_or(0, |at| at.timestamp_micros());
    let digest = Sha256::digest(format!("{salt}\n{}\n{modified}\n{number}", event.id));
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    let span = u64::try_from(most)
        .unwrap_or(0)
        .saturating_mul(2)
        .saturating_add(1);
    let drawn = u64::from_be_bytes(number) % span;
    TimeDelta::seconds(i64::try_from(drawn).unwrap_or(0) - most)
}
