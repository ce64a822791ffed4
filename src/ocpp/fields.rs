//! Reading a payload leniently: what must be there is asked for, what may be there is taken if it
//! has the right shape, the rest is passed over.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use super::rpc::{CallError, ErrorCode};
use crate::domain::time::Time;

/// An object of a payload, with its place for error messages.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(object: &'a Map<String, Value>) -> Self {
        Self { object }
    }

    /// A text that must be there.
    pub(super) fn need_text(&self, name: &str) -> Result<&'a str, CallError> {
        match self.object.get(name) {
            None => Err(missing(name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    /// A whole number that must be there.
    pub(super) fn need_whole(&self, name: &str) -> Result<i64, CallError> {
        match self.object.get(name) {
            None => Err(missing(name)),
            Some(_) => self.whole(name).ok_or_else(|| wrong(name, "an integer")),
        }
    }

    /// An object that must be there.
    pub(super) fn need_object(&self, name: &str) -> Result<Self, CallError> {
        match self.object.get(name) {
            None => Err(missing(name)),
            Some(Value::Object(object)) => Ok(Self { object }),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// A list that must be there.
    pub(super) fn need_list(&self, name: &str) -> Result<&'a [Value], CallError> {
        match self.object.get(name) {
            None => Err(missing(name)),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    /// An instant that must be there. One that cannot be read is `None`: some stations send local
    /// times or `"0"`, and what they report is worth more than their clock.
    pub(super) fn need_time(&self, name: &str) -> Result<Option<Time>, CallError> {
        self.need_text(name).map(read_time)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.object.get(name)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn whole(&self, name: &str) -> Option<i64> {
        match self.object.get(name)? {
            Value::Number(number) => number
                .as_i64()
                .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).and_then(small)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        read_number(self.object.get(name)?)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.object.get(name)?.as_bool()
    }

    pub(super) fn time(&self, name: &str) -> Option<Time> {
        read_time(self.object.get(name)?.as_str()?)
    }

    pub(super) fn object(&self, name: &str) -> Option<Self> {
        self.object.get(name)?.as_object().map(Self::of)
    }

    /// The objects of a list; what is no object is passed over.
    pub(super) fn objects(&self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        let list = self.object.get(name).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(Self::of)
    }
}

fn missing(name: &str) -> CallError {
    CallError::new(
        ErrorCode::OccurrenceConstraintViolation,
        format!("{name} is missing"),
    )
}

fn wrong(name: &str, allowed: &str) -> CallError {
    CallError::new(
        ErrorCode::TypeConstraintViolation,
        format!("{name} must be {allowed}"),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole and within the range in which every integer is exact"
)]
fn small(number: f64) -> Option<i64> {
    (number.abs() < 9e15).then_some(number as i64)
}

/// A number, or a text that is one (1.6 sends values as texts). Not finite is no number.
pub(super) fn read_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// An instant as stations write it: RFC 3339, an offset of hours only, or no zone at all (then
/// UTC, which the standard asks for). Years before 2000 are a clock that was never set.
pub(super) fn read_time(text: &str) -> Option<Time> {
    let text = text.trim();
    let hours_only = || {
        let at = text.len().checked_sub(3)?;
        let zone = text.get(at..)?;
        let signed = zone.starts_with(['+', '-']);
        signed
            .then(|| DateTime::parse_from_rfc3339(&format!("{text}:00")).ok())
            .flatten()
    };
    let zoned = DateTime::parse_from_rfc3339(text).ok().or_else(hours_only);
    let at = match zoned {
        Some(at) => at.with_timezone(&Utc),
        None => ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?
            .and_utc(),
    };
    (at.timestamp() > 946_684_800).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_stations_write_them() {
        let noon: Time = "2026-11-22T12:00:00Z".parse().expect("valid");
        for text in [
            "2026-11-22T12:00:00Z",
            "2026-11-22T12:00:00.000Z",
            "2026-11-22T15:00:00+03",
            "2026-11-22T12:00:00",
            " 2026-11-22 12:00:00 ",
        ] {
            assert_eq!(read_time(text), Some(noon), "{text}");
        }
        for text in [
            "0",
            "",
            "1970-01-01T00:00:00Z",
            "2022-02-29T00:00:00Z",
            "é+03",
        ] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_may_be_texts_but_must_be_finite() {
        let read = |json: &str| read_number(&serde_json::from_str(json).expect("json"));
        assert_eq!(read("\"12.5\""), Some(12.5));
        assert_eq!(read("12"), Some(12.0));
        assert_eq!(read("\"NaN\""), None);
        assert_eq!(read("\"12,5\""), None);
        assert_eq!(read("\"1e400\""), None);
        assert_eq!(read("\"\""), None);
    }
}
