//! The cursor that knows where in the message we are.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::deviation::{Deviation, Deviations, id, shortened};
use super::{FromOcpi, Object};

/// A value that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at {}: {} ({})", deviation.id, deviation.path, deviation.detail, deviation.section)]
pub struct Unreadable {
    /// What is wrong and where.
    pub deviation: Box<Deviation>,
}

/// Where in the message we are, and where the deviations go.
#[derive(Debug)]
pub struct Reader<'d> {
    path: String,
    section: &'static str,
    deviations: &'d mut Deviations,
}

impl<'d> Reader<'d> {
    /// A reader standing at `path`, such as `$` or `$.data`.
    pub fn new(path: &str, deviations: &'d mut Deviations) -> Self {
        Self {
            path: path.to_owned(),
            section: "types",
            deviations,
        }
    }

    /// Notes a deviation at the place we are.
    pub fn note(&mut self, id: &'static str, detail: impl Into<String>) {
        self.deviations
            .push(Deviation::new(id, self.path.clone(), self.section, detail));
    }

    /// Notes a deviation from another part of the specification than the object around it.
    pub fn note_in(&mut self, section: &'static str, id: &'static str, detail: impl Into<String>) {
        self.deviations
            .push(Deviation::new(id, self.path.clone(), section, detail));
    }

    /// An error at the place we are.
    pub fn unreadable(&self, id: &'static str, detail: impl Into<String>) -> Unreadable {
        Unreadable {
            deviation: Box::new(Deviation::new(id, self.path.clone(), self.section, detail)),
        }
    }

    /// The error for a JSON type from which nothing can be read.
    pub fn wrong_type(&self, expected: &str, found: &Value) -> Unreadable {
        self.unreadable(
            id::WRONG_TYPE,
            format!("expected {expected}, found {}", excerpt(found)),
        )
    }

    /// Notes why something was left out.
    pub fn leave_out(&mut self, reason: Unreadable) {
        self.deviations.push(*reason.deviation);
    }

    /// Runs `inner` one level deeper; `segment` is `.name` or `[3]`.
    pub fn at<R>(&mut self, segment: fmt::Arguments<'_>, inner: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.path.len();
        // Writing into a String cannot fail.
        let _ = self.path.write_fmt(segment);
        let result = inner(self);
        self.path.truncate(outer);
        result
    }

    /// Runs `inner` at a field of the object we are at.
    pub fn field<R>(&mut self, name: &str, inner: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        let result = inner(self);
        self.path.truncate(outer);
        result
    }

    /// Opens an object; a list of exactly one object is unwrapped.
    pub fn object<R>(
        &mut self,
        value: &Value,
        section: &'static str,
        max_lengths: &'static [(&'static str, usize)],
        inner: impl FnOnce(&mut Object<'_, '_, 'd>) -> R,
    ) -> Result<R, Unreadable> {
        let outer = std::mem::replace(&mut self.section, section);
        let result = match value {
            Value::Object(map) => Ok(inner(&mut Object::new(map, self, max_lengths))),
            Value::Array(entries) => match entries.as_slice() {
                [Value::Object(map)] => {
                    self.note(id::OBJECT_IN_LIST, "the object is wrapped in a list of one");
                    Ok(self.at(format_args!("[0]"), |reader| {
                        inner(&mut Object::new(map, reader, max_lengths))
                    }))
                }
                _ => Err(self.wrong_type("an object", value)),
            },
            _ => Err(self.wrong_type("an object", value)),
        };
        self.section = outer;
        result
    }

    /// Reads a list; bad entries are left out and noted.
    pub fn list<T: FromOcpi>(&mut self, value: Option<&Value>) -> Vec<T> {
        match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => {
                let mut good = Vec::with_capacity(entries.len().min(1024));
                for (index, entry) in entries.iter().enumerate() {
                    let entry =
                        self.at(format_args!("[{index}]"), |reader| reader.entry::<T>(entry));
                    good.extend(entry);
                }
                good
            }
            Some(single) => {
                if let Ok(entry) = T::read(single, self) {
                    self.note(
                        id::LIST_SINGLE,
                        "a single value stands where a list belongs",
                    );
                    return vec![entry];
                }
                let reason = self.wrong_type("a list", single);
                self.leave_out(reason);
                Vec::new()
            }
        }
    }

    fn entry<T: FromOcpi>(&mut self, entry: &Value) -> Option<T> {
        // An object inside a list must not itself be unwrapped from a list: that would make
        // nested lists legal. Lists have no place inside OCPI lists at all.
        let read = if entry.is_array() {
            Err(self.wrong_type("an entry", entry))
        } else {
            T::read(entry, self)
        };
        read.map_err(|reason| {
            let detail = format!(
                "entry left out: {} at {}: {}",
                reason.deviation.id, reason.deviation.path, reason.deviation.detail
            );
            let mut deviation =
                Deviation::new(id::LIST_BAD_ENTRY, self.path.clone(), self.section, detail);
            deviation.section = reason.deviation.section;
            self.deviations.push(deviation);
        })
        .ok()
    }
}

/// A short text of a JSON value for a report.
pub(super) fn excerpt(value: &Value) -> String {
    match value {
        Value::Array(entries) => format!("a list of {}", entries.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::String(text) => format!("{:?}", shortened(text.clone(), 40)),
        other => other.to_string(),
    }
}
