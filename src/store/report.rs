//! What reading a whole store found.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::batch::Seq;
use super::error::StoreError;

/// Most faults that a report lists; all are counted.
pub const MAX_LISTED_FAULTS: usize = 100;

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The key of the record, or the name of the file.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

/// Most tables that a report lists; the rest is counted under `...`.
const MAX_TABLES: usize = 100;

/// The records of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// How many.
    pub records: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}

/// What reading a whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that were read and are sound.
    pub records: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// The same by table: the part of the key before its first `/`.
    pub tables: BTreeMap<String, Table>,
    /// The last commit that the store holds.
    pub head_seq: u64,
    /// The last commit that was acknowledged as durable.
    pub witnessed_seq: u64,
    /// Whether the checksums of a clean shutdown were there, and so were compared.
    pub sealed: bool,
    /// Number of faults.
    pub fault_count: u64,
    /// The first [`MAX_LISTED_FAULTS`] of them.
    pub faults: Vec<Fault>,
    /// The newer format met, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_format: Option<u32>,
}

impl Report {
    /// Whether all that was acknowledged is there and sound.
    pub fn is_sound(&self) -> bool {
        self.fault_count == 0 && self.newer_format.is_none() && self.head_seq >= self.witnessed_seq
    }

    /// A record was read and is sound.
    pub(super) fn count(&mut self, key: &str, value_bytes: usize) {
        let bytes = u64::try_from(value_bytes).unwrap_or(u64::MAX);
        self.records += 1;
        self.value_bytes += bytes;
        let name = key.split('/').next().unwrap_or(key);
        let is_listed = self.tables.contains_key(name) || self.tables.len() < MAX_TABLES;
        let name = if is_listed { name } else { "..." };
        let table = self.tables.entry(name.to_owned()).or_default();
        table.records += 1;
        table.value_bytes += bytes;
    }

    pub(super) fn fault(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.fault_count += 1;
        if self.faults.len() < MAX_LISTED_FAULTS {
            self.faults.push(Fault {
                at: at.into(),
                what: what.into(),
            });
        }
    }

    /// The report as the error that refuses to open the store.
    pub(crate) fn refuse_unsound(
        &self,
        operation: &'static str,
        place: &Arc<str>,
    ) -> Result<(), StoreError> {
        if let Some(found) = self.newer_format {
            return Err(StoreError::Newer {
                place: Arc::clone(place),
                found,
                known: super::envelope::FORMAT,
            });
        }
        if self.head_seq < self.witnessed_seq {
            return Err(StoreError::Behind {
                place: Arc::clone(place),
                found: Seq(self.head_seq),
                witnessed: Seq(self.witnessed_seq),
            });
        }
        let Some(first) = self.faults.first() else {
            return Ok(());
        };
        let mut detail = format!("{} {}", first.at, first.what);
        if self.fault_count > 1 {
            use std::fmt::Write as _;
            let _ = write!(detail, " (and {} more faults)", self.fault_count - 1);
        }
        Err(StoreError::damaged(operation, place, detail))
    }
}
