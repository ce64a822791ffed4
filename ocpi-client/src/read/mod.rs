//! Lenient reading: what a peer sent becomes a value plus a list of deviations.
//!
//! The rules, in one place:
//!
//! - absent, `null` and (for lists) `[]` mean the same;
//! - unknown fields are never a fault; the objects that matter keep them in `extra`;
//! - a fault in an optional field loses that field, a fault in a list entry loses that entry, only
//!   a fault in a field nobody can do without loses the object, and never the page around it;
//! - every tolerance is written down as a [`Deviation`].

mod deviation;
mod object;
mod patch;
mod reader;
mod scalar;

pub(crate) use deviation::shortened;
pub use deviation::{Deviation, Deviations, MAX_DEVIATIONS, id};
pub use object::{Extra, Object, OcpiObject};
pub use patch::patched;
pub use reader::{Reader, Unreadable};

use serde_json::Value;

/// A value that can be read from a peer's JSON, leniently.
pub trait FromOcpi: Sized {
    /// Reads `value`; what is tolerated is noted in `reader`.
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable>;
}

/// A value with the deviations that were tolerated while reading it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<T> {
    /// What was understood.
    pub value: T,
    /// What was tolerated.
    pub deviations: Deviations,
}

/// Reads one object from the root of a JSON body.
///
/// A list of one object is unwrapped, because some platforms answer so.
pub fn read_one<T: FromOcpi>(value: &Value) -> Result<Reading<T>, Unreadable> {
    read_at(value, "$")
}

/// Reads one object that stands at `path` of a larger message; the path is only for the reports.
pub fn read_at<T: FromOcpi>(value: &Value, path: &str) -> Result<Reading<T>, Unreadable> {
    let mut deviations = Deviations::new();
    let value = T::read(value, &mut Reader::new(path, &mut deviations))?;
    Ok(Reading { value, deviations })
}

/// Reads a page of objects from the root of a JSON value: the good ones are kept, each bad one is
/// reported, and the page itself is never lost.
pub fn read_list<T: FromOcpi>(value: &Value) -> Reading<Vec<T>> {
    read_list_at(value, "$")
}

/// Like [`read_list`] for a list that stands at `path` of a larger message.
pub fn read_list_at<T: FromOcpi>(value: &Value, path: &str) -> Reading<Vec<T>> {
    let mut deviations = Deviations::new();
    let value = Reader::new(path, &mut deviations).list(Some(value));
    Reading { value, deviations }
}
