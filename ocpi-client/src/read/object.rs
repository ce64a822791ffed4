//! The fields of one JSON object, by cardinality.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::deviation::{Deviation, id};
use super::reader::{Reader, Unreadable};
use super::{FromOcpi, shortened};

/// An object of the specification.
pub trait OcpiObject: Sized {
    /// Where the specification describes it, such as `mod_sessions: Session object`.
    const SECTION: &'static str;

    /// Longest texts per field, in characters. A longer text is kept and noted: the limits were
    /// widened by errata more than once.
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[];

    /// Reads the fields.
    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable>;
}

impl<T: OcpiObject> FromOcpi for T {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.object(value, T::SECTION, T::MAX_LENGTHS, |object| {
            T::read_fields(object)
        })?
    }
}

/// Fields that the type does not name: extensions, or parts of the specification that this crate
/// does not model. They are kept and written back unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub Map<String, Value>);

impl Extra {
    /// The value at a JSON pointer (RFC 6901) such as `/site/limit_kw`.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        let rest = pointer.strip_prefix('/')?;
        let (first, deeper) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let name = first.replace("~1", "/").replace("~0", "~");
        self.0.get(&name)?.pointer(deeper)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One JSON object being read.
#[derive(Debug)]
pub struct Object<'v, 'r, 'd> {
    map: &'v Map<String, Value>,
    reader: &'r mut Reader<'d>,
    max_lengths: &'static [(&'static str, usize)],
    taken: Vec<&'v str>,
}

impl<'v, 'r, 'd> Object<'v, 'r, 'd> {
    pub(super) fn new(
        map: &'v Map<String, Value>,
        reader: &'r mut Reader<'d>,
        max_lengths: &'static [(&'static str, usize)],
    ) -> Self {
        Self {
            map,
            reader,
            max_lengths,
            taken: Vec::new(),
        }
    }

    /// Notes a deviation of this object.
    pub fn note(&mut self, id: &'static str, detail: impl Into<String>) {
        self.reader.note(id, detail);
    }

    /// Whether the object has this field with another value than `null`.
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field nobody can do without (cardinality 1 or +).
    pub fn required<T: FromOcpi>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        let value = self.take(name);
        self.reader.field(name, |reader| match value {
            None => Err(reader.unreadable(id::FIELD_MISSING, "required, but not there")),
            Some(value) => T::read(value, reader),
        })
    }

    /// A field that the specification requires but that a reader can live without (cardinality 1):
    /// its absence is noted.
    pub fn expected<T: FromOcpi>(&mut self, name: &'static str) -> Option<T> {
        let value = self.take(name);
        self.reader.field(name, |reader| {
            if value.is_none() {
                reader.note(id::FIELD_MISSING, "required, but not there");
            }
            tolerant(value?, reader)
        })
    }

    /// A field that may be absent (cardinality ?).
    pub fn optional<T: FromOcpi>(&mut self, name: &'static str) -> Option<T> {
        let value = self.take(name)?;
        self.reader.field(name, |reader| {
            if value.as_str().is_some_and(str::is_empty) {
                reader.note(
                    id::FIELD_EMPTY,
                    "an empty text where the field should be absent",
                );
                return None;
            }
            tolerant(value, reader)
        })
    }

    /// A list (cardinality *).
    pub fn list<T: FromOcpi>(&mut self, name: &'static str) -> Vec<T> {
        let value = self.take(name);
        self.reader.field(name, |reader| reader.list(value))
    }

    /// A list that needs an entry (cardinality +); an empty one is noted.
    pub fn list_of_some<T: FromOcpi>(&mut self, name: &'static str) -> Vec<T> {
        let list = self.list(name);
        if list.is_empty() {
            self.reader.field(name, |reader| {
                reader.note(id::LIST_EMPTY, "at least one entry is required");
            });
        }
        list
    }

    /// A field's JSON as it is; `None` when absent or `null`.
    pub fn value(&mut self, name: &'static str) -> Option<&'v Value> {
        self.take(name)
    }

    /// The fields not read so far.
    pub fn extra(&self) -> Extra {
        let rest = self
            .map
            .iter()
            .filter(|(name, _)| !self.taken.contains(&name.as_str()));
        Extra(
            rest.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    /// The value of a field, `null` being absent; a differently spelled name is found and noted.
    fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        let (key, value) = match self.map.get_key_value(name) {
            Some(found) => found,
            None => self.respelled(name)?,
        };
        self.taken.push(key);
        if value.is_null() {
            return None;
        }
        self.check_length(name, value);
        Some(value)
    }

    fn respelled(&mut self, name: &'static str) -> Option<(&'v String, &'v Value)> {
        let found = self.map.iter().find(|(key, _)| {
            !self.taken.contains(&key.as_str()) && key.len() <= 64 && is_same_name(key, name)
        })?;
        self.reader.field(name, |reader| {
            reader.note(id::FIELD_SPELLING, format!("written as {:?}", found.0));
        });
        Some(found)
    }

    fn check_length(&mut self, name: &'static str, value: &Value) {
        let limit = self.max_lengths.iter().find(|(field, _)| *field == name);
        let (Some((_, limit)), Some(text)) = (limit, value.as_str()) else {
            return;
        };
        let length = text.chars().count();
        if length > *limit {
            self.reader.field(name, |reader| {
                let start = shortened(text.to_owned(), 20);
                reader.note(
                    id::TEXT_TOO_LONG,
                    format!("{length} characters, at most {limit} allowed: {start:?}"),
                );
            });
        }
    }
}

/// A value that is left out, with a note, when it cannot be read.
fn tolerant<T: FromOcpi>(value: &Value, reader: &mut Reader<'_>) -> Option<T> {
    match T::read(value, reader) {
        Ok(value) => Some(value),
        Err(reason) => {
            reader.leave_out(reason);
            None
        }
    }
}

/// Whether two field names differ only in case, underscores and hyphens, as `lastUpdated` and
/// `last_updated` do.
///
/// A leading underscore counts: such fields are private to a platform and mean something else.
fn is_same_name(name: &str, other: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        letters.map(|byte| byte.to_ascii_lowercase())
    }
    name.starts_with('_') == other.starts_with('_') && letters(name).eq(letters(other))
}

impl From<Unreadable> for Deviation {
    fn from(reason: Unreadable) -> Self {
        *reason.deviation
    }
}
