//! Reads a JSON value member by member and notes every fault with its pointer. Where something is
//! wrong the reader goes on, so that a client learns of all faults at once.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::problem::Faults;
use crate::domain::id::IdError;
use crate::domain::time::Time;

/// Longest text of a field that is not an id.
pub(super) const MAX_TEXT_CHARS: usize = 2_000;

/// A value at a place of the body.
#[derive(Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    pointer: String,
    faults: &'a Faults,
}

impl<'a> Node<'a> {
    /// The whole body.
    pub(super) fn root(value: &'a Value, faults: &'a Faults) -> Self {
        Self {
            value,
            pointer: String::new(),
            faults,
        }
    }

    /// The value as it is.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Notes that the value is wrong.
    pub(super) fn fault(&self, detail: impl Into<String>) {
        self.faults.add(self.pointer.as_str(), detail);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "a boolean".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.fault(format!("is {found}; {what}"));
        None
    }

    /// An object.
    pub(super) fn object(&self) -> Option<Object<'a>> {
        match self.value.as_object() {
            Some(members) => Some(Object {
                members,
                pointer: self.pointer.clone(),
                faults: self.faults,
                known: RefCell::default(),
            }),
            None => self.expected("an object is needed"),
        }
    }

    /// A list of at most `most` values.
    pub(super) fn list(&self, most: usize) -> Option<Vec<Node<'a>>> {
        let Some(items) = self.value.as_array() else {
            return self.expected("a list is needed");
        };
        if items.len() > most {
            self.fault(format!("has {} entries; at most {most}", items.len()));
            return None;
        }
        let nodes = items.iter().enumerate().map(|(index, value)| Node {
            value,
            pointer: format!("{}/{index}", self.pointer),
            faults: self.faults,
        });
        Some(nodes.collect())
    }

    /// A text of 1 to [`MAX_TEXT_CHARS`] characters.
    pub(super) fn text(&self) -> Option<&'a str> {
        let what = "a text of 1 to 2000 characters is needed";
        match self.value.as_str() {
            Some(text) if !text.is_empty() && text.chars().count() <= MAX_TEXT_CHARS => Some(text),
            _ => self.expected(what),
        }
    }

    /// One of our ids.
    pub(super) fn id<T: FromStr<Err = IdError>>(&self) -> Option<T> {
        let Some(text) = self.value.as_str() else {
            return self.expected("a text is needed");
        };
        text.parse()
            .map_err(|error: IdError| self.fault(error.to_string()))
            .ok()
    }

    /// A finite number within a range.
    pub(super) fn number(&self, range: &RangeInclusive<f64>) -> Option<f64> {
        match self.value.as_f64() {
            Some(number) if number.is_finite() && range.contains(&number) => Some(number),
            _ => self.expected(&format!(
                "a number from {} to {} is needed",
                range.start(),
                range.end()
            )),
        }
    }

    /// A whole number within a range.
    pub(super) fn whole(&self, range: RangeInclusive<i64>) -> Option<i64> {
        match self.value.as_i64() {
            Some(number) if range.contains(&number) => Some(number),
            _ => self.expected(&format!(
                "a whole number from {} to {} is needed",
                range.start(),
                range.end()
            )),
        }
    }

    /// True or false.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.as_bool() {
            Some(flag) => Some(flag),
            None => self.expected("true or false is needed"),
        }
    }

    /// An instant, which must say its offset from UTC.
    pub(super) fn instant(&self) -> Option<Time> {
        match self.value.as_str().and_then(instant) {
            Some(at) => Some(at),
            None => self.expected(INSTANT),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let found = self
            .value
            .as_str()
            .and_then(|text| words.iter().find(|(word, _)| *word == text));
        if let Some((_, meaning)) = found {
            return Some(*meaning);
        }

        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.expected(&format!("one of {} is needed", all.join(", ")))
    }
}

/// What is said where an instant is not one.
pub(super) const INSTANT: &str =
    "a time as of RFC 3339 with its offset is needed, like 2026-11-22T16:00:00Z";

/// Reads an instant with its offset.
pub(super) fn instant(text: &str) -> Option<Time> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

/// A member that may be absent, as it was read: wrong (`None`), absent (`Some(None)`), or there.
pub(super) type Maybe<T> = Option<Option<T>>;

/// An object of the body. [`Object::close`] finds the members that nobody asked for.
#[derive(Debug)]
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    pointer: String,
    faults: &'a Faults,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Object<'a> {
    /// The pointer of a member.
    pub(super) fn pointer_of(&self, name: &str) -> String {
        format!(
            "{}/{}",
            self.pointer,
            name.replace('~', "~0").replace('/', "~1")
        )
    }

    /// A member that may be absent; `null` counts as absent.
    pub(super) fn get(&self, name: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(name);
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        Some(Node {
            value,
            pointer: self.pointer_of(name),
            faults: self.faults,
        })
    }

    /// A member that must be there.
    pub(super) fn need(&self, name: &'static str) -> Option<Node<'a>> {
        let found = self.get(name);
        if found.is_none() {
            self.fault(name, "is missing");
        }
        found
    }

    /// A member that may be absent: `Some(None)`; one that is there and wrong is `None`.
    pub(super) fn maybe<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Maybe<T> {
        match self.get(name) {
            Some(node) => read(&node).map(Some),
            None => Some(None),
        }
    }

    /// Notes that a member is wrong.
    pub(super) fn fault(&self, name: &str, detail: impl Into<String>) {
        self.faults.add(self.pointer_of(name), detail);
    }

    /// Every member that was not asked for is a fault.
    pub(super) fn close(self) {
        let known = self.known.borrow();
        for name in self.members.keys() {
            if !known.contains(&name.as_str()) {
                let mut names = known.clone();
                names.sort_unstable();
                self.fault(
                    name,
                    format!("is not known; known are {}", names.join(", ")),
                );
            }
        }
    }
}
