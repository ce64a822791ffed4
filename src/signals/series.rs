//! What a feed said, normalised: slots in UTC, in order, without overlap, in the kind's base unit.

use chrono::TimeDelta;
use thiserror::Error;

use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalSlot};
use crate::domain::signal_unit::Unit;
use crate::domain::time::Time;

/// Longest slot a feed may give: an open-ended tariff is cut to it.
pub const MAX_SLOT: TimeDelta = TimeDelta::days(1);
/// Most notes kept of one reading.
const MAX_NOTES: usize = 20;

/// Why a feed gave nothing. Nothing of it is used then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeedError {
    /// Not the format it should be.
    #[error("{place}: {detail}")]
    Malformed {
        /// Where: line and column, JSON pointer, or element.
        place: String,
        /// What is wrong there, and what is needed.
        detail: String,
    },
    /// The source says that it has nothing.
    #[error("the source has no data: {0}")]
    NoData(String),
    /// More slots than are taken.
    #[error("it has {0} values; at most {MAX_SIGNAL_SLOTS} are taken")]
    TooLong(usize),
}

impl FeedError {
    pub(super) fn at(place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Malformed {
            place: place.into(),
            detail: detail.into(),
        }
    }
}

/// A value as the source gave it, in the source's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raw {
    pub start: Time,
    pub end: Time,
    pub value: f64,
}

/// A normalised reading of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Sorted, without overlap; gaps are allowed.
    pub slots: Vec<SignalSlot>,
    /// What was odd and how it was taken, for people.
    pub notes: Vec<String>,
}

impl Series {
    /// Sorts, converts and checks. One value that is not believable refuses the whole reading: a
    /// wrong unit is wrong in every value. Of overlapping slots the later in the source's order
    /// gives way, for the overlap.
    pub(super) fn new(mut raw: Vec<Raw>, unit: Unit) -> Result<Self, FeedError> {
        if raw.is_empty() {
            return Err(FeedError::NoData("no values".into()));
        }
        if raw.len() > MAX_SIGNAL_SLOTS {
            return Err(FeedError::TooLong(raw.len()));
        }
        raw.sort_by_key(|slot| slot.start);
        let mut series = Self::default();
        let range = unit.range();
        for Raw { start, end, value } in raw {
            if !range.contains(&value) {
                return Err(FeedError::at(
                    start.to_rfc3339(),
                    format!(
                        "{value} is outside of {} to {}; is the unit right?",
                        range.start(),
                        range.end()
                    ),
                ));
            }
            series.push(start, end, unit.to_base(value));
        }
        if series.slots.is_empty() {
            return Err(FeedError::NoData("no slot has a length".into()));
        }
        Ok(series)
    }

    fn push(&mut self, start: Time, end: Time, value: i64) {
        let taken = self.slots.last().map_or(start, |slot| slot.end);
        if taken > start {
            self.note(format!("slots overlap at {start}: the earlier was kept"));
        }
        let start = start.max(taken);
        if end <= start {
            return;
        }
        match self.slots.last_mut() {
            // Equal neighbours are one slot, as far as a slot may reach.
            Some(last)
                if last.end == start && last.value == value && end - last.start <= MAX_SLOT =>
            {
                last.end = end;
            }
            _ => self.slots.push(SignalSlot { start, end, value }),
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}

/// Reads an instant of RFC 3339; seconds may be left out, the offset may not.
pub(super) fn instant(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    // "2026-11-21T23:00Z" of ENTSO-E and the UK's carbon service.
    let (stem, offset) = text.split_at_checked(16)?;
    chrono::DateTime::parse_from_rfc3339(&format!("{stem}:00{offset}"))
        .ok()
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signal::SignalKind;

    fn raw(from_h: i64, to_h: i64, value: f64) -> Raw {
        let hour = |h: i64| chrono::DateTime::from_timestamp(h * 3600, 0).expect("a time");
        Raw {
            start: hour(from_h),
            end: hour(to_h),
            value,
        }
    }

    fn unit() -> Unit {
        Unit::read(SignalKind::ImportPrice, "EUR/MWh", "EUR").expect("a unit")
    }

    #[test]
    fn values_come_in_order_and_in_the_base_unit() {
        let series = Series::new(vec![raw(1, 2, -10.0), raw(0, 1, 85.42)], unit()).expect("good");
        let values: Vec<i64> = series.slots.iter().map(|slot| slot.value).collect();
        // 85.42 EUR/MWh = 0.08542 EUR/kWh = 85,420 millionths.
        assert_eq!(values, [85_420, -10_000]);
        assert!(series.notes.is_empty());
    }

    #[test]
    fn of_overlapping_slots_the_earlier_is_kept_and_that_is_said() {
        let series = Series::new(vec![raw(0, 2, 1.0), raw(1, 3, 2.0)], unit()).expect("good");
        let hours: Vec<(i64, i64)> = series
            .slots
            .iter()
            .map(|slot| (slot.start.timestamp() / 3600, slot.end.timestamp() / 3600))
            .collect();
        assert_eq!(hours, [(0, 2), (2, 3)]);
        assert_eq!(series.notes.len(), 1);
    }

    #[test]
    fn one_value_in_another_unit_refuses_all() {
        let kwh = Unit::read(SignalKind::ImportPrice, "EUR/kWh", "EUR").expect("a unit");
        let error = Series::new(vec![raw(0, 1, 0.2), raw(1, 2, 85.42)], kwh).expect_err("MWh");
        assert!(error.to_string().contains("85.42 is outside of -10 to 10"));
    }

    #[test]
    fn a_value_that_is_not_a_number_is_refused() {
        for odd in [f64::NAN, f64::INFINITY, 1e300] {
            Series::new(vec![raw(0, 1, odd)], unit()).expect_err("not a price");
        }
    }

    #[test]
    fn seconds_may_be_left_out_of_an_instant_but_the_offset_may_not() {
        assert_eq!(
            instant("2026-11-21T23:00Z"),
            instant("2026-11-22T00:00:00+01:00")
        );
        assert!(instant("2026-11-21T23:00Z").is_some());
        for wrong in [
            "",
            "2026-11-21T23:00",
            "2026-11-21",
            "now",
            "2026-11-21T23:0äZ",
        ] {
            assert_eq!(instant(wrong), None, "{wrong}");
        }
    }
}
