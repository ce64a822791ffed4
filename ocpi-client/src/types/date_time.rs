//! A moment in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::macros::deserialize_leniently;
use crate::read::{FromOcpi, Reader, Unreadable, id};

/// A moment in UTC.
///
/// Section: types, `DateTime`. Written strictly as `YYYY-MM-DDTHH:MM:SSZ`. Read liberally: with `Z`
/// or without a designator (both UTC), with fractions of a second (kept), with an offset
/// (converted and noted), with a blank for the `T`, as a date alone, or as a count of seconds or
/// milliseconds (all noted).
///
/// The fraction is kept in memory, so that two updates within one second stay in order, and cut
/// off when written: never later than what is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateTime(chrono::DateTime<Utc>);

impl DateTime {
    /// The moment as `chrono` knows it.
    pub fn as_utc(self) -> chrono::DateTime<Utc> {
        self.0
    }

    /// The moment without its fraction of a second: what is written.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(self.0.trunc_subsecs(0))
    }

    /// Reads a text; the second part is the identifier of the deviation that was tolerated.
    fn from_text(text: &str) -> Option<(Self, Option<&'static str>)> {
        Self::from_any_form(text.trim()).filter(|(moment, _)| moment.has_four_digit_year())
    }

    /// A year outside of 0000-9999 cannot be written in the form that OCPI asks for.
    fn has_four_digit_year(self) -> bool {
        (0..=9999).contains(&self.0.year())
    }

    fn from_any_form(text: &str) -> Option<(Self, Option<&'static str>)> {
        if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
            let utc = text.ends_with(['Z', 'z']);
            let blank = text.as_bytes().get(10) == Some(&b' ');
            let note = match (utc, blank) {
                (false, _) => Some(id::DATETIME_OFFSET),
                (true, true) => Some(id::DATETIME_FORMAT),
                (true, false) => None,
            };
            return Some((moment.with_timezone(&Utc).into(), note));
        }
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") {
            return Some((moment.and_utc().into(), None));
        }
        // `+0200` and `+02` are ISO 8601 but not RFC 3339.
        if let Ok(moment) = chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z") {
            return Some((moment.with_timezone(&Utc).into(), Some(id::DATETIME_OFFSET)));
        }
        let loose = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ"];
        let date_alone = || {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(date.and_time(NaiveTime::MIN))
        };
        loose
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(date_alone)
            .map(|moment| (moment.and_utc().into(), Some(id::DATETIME_FORMAT)))
    }

    /// Reads a count: seconds, or milliseconds when it would otherwise lie beyond the year 5138.
    fn from_count(count: i64) -> Option<Self> {
        // 100,000,000,000 s after 1970 is the year 5138; as milliseconds it is March 1973.
        let moment = if count.abs() < 100_000_000_000 {
            chrono::DateTime::from_timestamp(count, 0)
        } else {
            chrono::DateTime::from_timestamp_millis(count)
        };
        moment
            .map(Self::from)
            .filter(|moment| moment.has_four_digit_year())
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    /// A leap second becomes the last moment of the second before it.
    fn from(moment: chrono::DateTime<Utc>) -> Self {
        let nanos = moment.timestamp_subsec_nanos().min(999_999_999);
        let plain = chrono::DateTime::from_timestamp(moment.timestamp(), nanos);
        Self(plain.unwrap_or(moment))
    }
}

impl From<DateTime> for chrono::DateTime<Utc> {
    fn from(moment: DateTime) -> Self {
        moment.0
    }
}

/// A text that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time as in RFC 3339")]
pub struct NotADateTime;

impl FromStr for DateTime {
    type Err = NotADateTime;

    fn from_str(text: &str) -> Result<Self, NotADateTime> {
        Self::from_text(text)
            .map(|(moment, _)| moment)
            .ok_or(NotADateTime)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromOcpi for DateTime {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match value {
            Value::String(text) => {
                let (moment, note) = Self::from_text(text).ok_or_else(|| {
                    reader.unreadable(id::DATETIME_UNREADABLE, format!("{text:?} is no time"))
                })?;
                if let Some(note) = note {
                    reader.note(note, format!("{text:?} read as {moment}"));
                }
                Ok(moment)
            }
            Value::Number(_) => {
                let count = i64::read(value, reader)?;
                let moment = Self::from_count(count).ok_or_else(|| {
                    reader.unreadable(id::DATETIME_UNREADABLE, format!("{count} is no time"))
                })?;
                reader.note(id::DATETIME_EPOCH, format!("{count} read as {moment}"));
                Ok(moment)
            }
            _ => Err(reader.wrong_type("a time", value)),
        }
    }
}

deserialize_leniently!(DateTime);
