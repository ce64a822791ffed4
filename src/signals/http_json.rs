//! A price, carbon or forecast feed that answers with JSON of its own shape: where in it the times
//! and values are is configured, so that no vendor needs code.

use chrono::TimeDelta;
use serde_json::Value;

use super::series::{FeedError, MAX_SLOT, Raw, Series, instant};
use crate::domain::signal::MAX_SIGNAL_SLOTS;
use crate::domain::signal_unit::Unit;
use crate::domain::time::Time;

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339 with an offset, seconds optional.
    #[default]
    Rfc3339,
    /// Whole seconds since the Unix epoch.
    UnixS,
    /// Whole milliseconds since the Unix epoch.
    UnixMs,
}

/// How the document is laid out. All places are JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lists of objects; within each object lie start, perhaps end, and value.
    Rows {
        /// Where the lists are, from the document's root.
        lists: Vec<String>,
        /// The start, from the object.
        start: String,
        /// The end, from the object; `None` or null there: until the next start.
        end: Option<String>,
        /// The value, from the object.
        value: String,
    },
    /// Two lists of equal length.
    Columns {
        /// Where the list of starts is.
        starts: String,
        /// Where the list of values is.
        values: String,
    },
}

/// How a feed's JSON becomes a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where things are.
    pub layout: Layout,
    /// How times are written.
    pub times: TimeFormat,
    /// Length of a slot where the feed gives no ends; `None` = until the next start, the last as
    /// long as the one before it.
    pub resolution: Option<TimeDelta>,
}

/// Before its end is known.
struct Open {
    start: Time,
    end: Option<Time>,
    value: f64,
}

impl Mapping {
    /// Reads a document. A null value is a gap; anything else that is not a number refuses all.
    pub fn read(&self, text: &str, unit: Unit) -> Result<Series, FeedError> {
        let document: Value = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            FeedError::at(place, "is not JSON")
        })?;
        self.read_value(&document, unit)
    }

    /// Reads a document that is parsed already.
    pub(super) fn read_value(&self, document: &Value, unit: Unit) -> Result<Series, FeedError> {
        let open = match &self.layout {
            Layout::Rows {
                lists,
                start,
                end,
                value,
            } => self.rows(document, lists, start, end.as_deref(), value)?,
            Layout::Columns { starts, values } => self.columns(document, starts, values)?,
        };
        Series::new(self.close(open), unit)
    }

    fn rows(
        &self,
        document: &Value,
        lists: &[String],
        start: &str,
        end: Option<&str>,
        value: &str,
    ) -> Result<Vec<Open>, FeedError> {
        let mut open = Vec::new();
        for list in lists {
            let rows = list_at(document, list)?;
            for (index, row) in rows.iter().enumerate() {
                let place = |name: &str| format!("{list}/{index}{name}");
                let Some(value) = number(row.pointer(value), || place(value))? else {
                    continue;
                };
                let start = self.time(row.pointer(start), || place(start))?;
                let end = match end.and_then(|end| row.pointer(end).map(|found| (end, found))) {
                    None | Some((_, Value::Null)) => None,
                    Some((end, found)) => Some(self.time(Some(found), || place(end))?),
                };
                open.push(Open { start, end, value });
            }
            if open.len() > MAX_SIGNAL_SLOTS {
                return Err(FeedError::TooLong(open.len()));
            }
        }
        Ok(open)
    }

    fn columns(
        &self,
        document: &Value,
        starts: &str,
        values: &str,
    ) -> Result<Vec<Open>, FeedError> {
        let (times, numbers) = (list_at(document, starts)?, list_at(document, values)?);
        if times.len() != numbers.len() {
            return Err(FeedError::at(
                values,
                format!("has {} values for {} starts", numbers.len(), times.len()),
            ));
        }
        if times.len() > MAX_SIGNAL_SLOTS {
            return Err(FeedError::TooLong(times.len()));
        }
        let mut open = Vec::with_capacity(times.len());
        for (index, (time, value)) in times.iter().zip(numbers).enumerate() {
            let Some(value) = number(Some(value), || format!("{values}/{index}"))? else {
                continue;
            };
            let start = self.time(Some(time), || format!("{starts}/{index}"))?;
            open.push(Open {
                start,
                end: None,
                value,
            });
        }
        Ok(open)
    }

    /// Gives each slot its end: its own, by the resolution, or the next start.
    fn close(&self, mut open: Vec<Open>) -> Vec<Raw> {
        open.sort_by_key(|slot| slot.start);
        let starts: Vec<Time> = open.iter().map(|slot| slot.start).collect();
        let mut before = MAX_SLOT.min(TimeDelta::hours(1));
        open.into_iter()
            .enumerate()
            .map(|(index, Open { start, end, value })| {
                let next = starts.get(index + 1).copied();
                let end = end
                    .or_else(|| Some(start + self.resolution?))
                    .or(next)
                    .unwrap_or(start + before)
                    .min(start + MAX_SLOT);
                before = end - start;
                Raw { start, end, value }
            })
            .collect()
    }

    fn time(&self, found: Option<&Value>, place: impl Fn() -> String) -> Result<Time, FeedError> {
        let whole = |value: &Value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let (time, needed) = match self.times {
            TimeFormat::Rfc3339 => (
                found.and_then(Value::as_str).and_then(instant),
                "an instant of RFC 3339 with its offset",
            ),
            TimeFormat::UnixS => (
                found
                    .and_then(whole)
                    .and_then(|s| chrono::DateTime::from_timestamp(s, 0)),
                "whole seconds since 1970",
            ),
            TimeFormat::UnixMs => (
                found
                    .and_then(whole)
                    .and_then(chrono::DateTime::from_timestamp_millis),
                "whole milliseconds since 1970",
            ),
        };
        // Beyond these years something else is meant, such as milliseconds for seconds.
        let plausible = time.filter(|at| (2000..2100).contains(&chrono::Datelike::year(at)));
        plausible.ok_or_else(|| {
            let found = found.map_or_else(|| "is missing".to_owned(), |f| format!("is {f:.60}"));
            FeedError::at(place(), format!("{found}; {needed} is needed"))
        })
    }
}

fn list_at<'a>(document: &'a Value, pointer: &str) -> Result<&'a Vec<Value>, FeedError> {
    document
        .pointer(pointer)
        .and_then(Value::as_array)
        .ok_or_else(|| FeedError::at(pointer, "is not a list"))
}

/// A number, also one written as text; `None` for null, which is a gap.
fn number(found: Option<&Value>, place: impl Fn() -> String) -> Result<Option<f64>, FeedError> {
    let number = match found {
        Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(Some).ok_or_else(|| {
        let found = found.map_or_else(|| "is missing".to_owned(), |f| format!("is {f:.60}"));
        FeedError::at(place(), format!("{found}; a number is needed"))
    })
}

#[cfg(test)]
mod tests;
