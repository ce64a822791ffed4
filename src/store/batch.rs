//! What is written: batches of puts and deletes with their preconditions.

use std::collections::BTreeMap;
use std::fmt;

use super::error::StoreError;

/// Longest key, in bytes: eight ids of 128 bytes.
pub const MAX_KEY_BYTES: usize = 8 * 128;
/// Largest value, in bytes: 16 MiB, far above a snapshot of a site with 1,000 sessions.
pub const MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;
/// Most writes of one batch.
pub const MAX_BATCH_WRITES: usize = 10_000;
/// Most records of one scan; a longer one goes on `after` the last key.
pub const MAX_SCAN: usize = 10_000;
/// The table the store keeps for itself.
pub(super) const RESERVED: &str = "store/";

/// Number of a commit, counted up from 1 over the life of the store. It is also the version of
/// every record the commit wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How soon a batch reaches the disk, the most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flush {
    /// On disk before the commit returns: credentials, limits, plans, commands, profiles, audit.
    #[default]
    Control,
    /// Within 100 ms: what a peer would send again.
    State,
    /// Within 1 s: readings.
    Telemetry,
}

/// What a batch expects of a key; all expectations hold or nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is no such record.
    Absent,
    /// There is such a record, whatever it holds.
    Present,
    /// The record was last written by this commit.
    Version(Seq),
    /// The record holds these bytes.
    Value(Vec<u8>),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "absent"),
            Self::Present => write!(f, "present"),
            Self::Version(seq) => write!(f, "at version {seq}"),
            Self::Value(value) => write!(f, "a value of {} bytes", value.len()),
        }
    }
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its whole key, table first, parts joined by `/`.
    pub key: String,
    /// What it holds.
    pub value: Vec<u8>,
    /// The commit that wrote it.
    pub version: Seq,
}

/// Writes that happen together or not at all. The last write of a key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) writes: BTreeMap<String, Option<Vec<u8>>>,
    pub(super) expect: Vec<(String, Expected)>,
    pub(super) flush: Flush,
    pub(super) essential: bool,
}

impl Batch {
    /// A batch without writes, of class [`Flush::Control`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.insert(key.into(), Some(value.into()));
        self
    }

    /// Adds the removal of a record; one that does not exist is no error.
    #[must_use]
    pub fn del(mut self, key: impl Into<String>) -> Self {
        self.writes.insert(key.into(), None);
        self
    }

    /// Adds a precondition.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, expected: Expected) -> Self {
        self.expect.push((key.into(), expected));
        self
    }

    /// Says how soon the batch reaches the disk.
    #[must_use]
    pub fn flush(mut self, flush: Flush) -> Self {
        self.flush = flush;
        self
    }

    /// Lets the batch into the reserve of a disk that is nearly full: what a site needs to stay under
    /// its limits, and nothing else.
    #[must_use]
    pub fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// How soon the batch reaches the disk.
    pub fn flush_class(&self) -> Flush {
        self.flush
    }

    /// Whether the batch only removes records: it makes room and is let through on a full disk.
    pub(super) fn only_removes(&self) -> bool {
        self.writes.values().all(Option::is_none)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        let too_large = |key: &str, size: String, limit: String| StoreError::TooLarge {
            operation: "commit",
            key: readable(key),
            size,
            limit,
        };
        if self.writes.len() > MAX_BATCH_WRITES {
            return Err(too_large(
                "the batch",
                format!("{} writes", self.writes.len()),
                format!("{MAX_BATCH_WRITES} writes"),
            ));
        }
        for (key, value) in &self.writes {
            check_key("commit", key)?;
            let bytes = value.as_ref().map_or(0, Vec::len);
            if bytes > MAX_VALUE_BYTES {
                return Err(too_large(
                    key,
                    format!("{bytes} bytes"),
                    format!("{MAX_VALUE_BYTES} bytes"),
                ));
            }
        }
        self.expect
            .iter()
            .try_for_each(|(key, _)| check_key("commit", key))
    }
}

/// Checks that a text can be the key of a record.
pub(super) fn check_key(operation: &'static str, key: &str) -> Result<(), StoreError> {
    let reason = if key.is_empty() {
        "is empty"
    } else if key.len() > MAX_KEY_BYTES {
        "is longer than 1024 bytes"
    } else if key.starts_with(RESERVED) {
        "belongs to the store itself"
    } else if key.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(());
    };
    Err(StoreError::BadKey {
        operation,
        key: readable(key),
        reason,
    })
}

fn readable(key: &str) -> String {
    key.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bounded_printable_and_not_the_stores_own() {
        assert!(check_key("get", "partner/default/acme").is_ok());
        for bad in ["", "store/head", "a\nb", &"x".repeat(MAX_KEY_BYTES + 1)] {
            assert!(check_key("get", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_above_the_bound_is_refused_with_its_key() {
        let batch = Batch::new().put("big", vec![0; MAX_VALUE_BYTES + 1]);
        let refused = batch.check().unwrap_err().to_string();
        assert!(
            refused.contains("\"big\"") && refused.contains("16777217 bytes"),
            "{refused}"
        );
    }
}
