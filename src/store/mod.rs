//! Durable records behind a narrow trait, and the journal of each site on top of it.
//!
//! [`Store`] is all that the rest of evenload knows of a database: records by key, batches that
//! happen together or not at all, and an answer to "is it on disk". [`sled_store`] is the embedded
//! default, [`memory`] the one for tests and simulation; both keep their records through the same
//! checked ledger, so that damage, a torn batch and a lost record are found in both, and one
//! conformance suite runs against both. [`journal`] gives sites their events and snapshots.

use std::fmt;
use std::io;

use async_trait::async_trait;

pub mod archive;
pub mod batch;
#[cfg(test)]
mod conformance;
mod envelope;
pub mod error;
pub mod journal;
mod ledger;
pub mod memory;
mod picture;
pub mod records;
pub mod report;
pub mod sled_store;

pub use batch::{Batch, Expected, Flush, Record, Seq};
pub use error::StoreError;

/// Where a backup goes.
pub type Sink = Box<dyn io::Write + Send>;

/// A backup that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Number of its records.
    pub records: u64,
    /// The last commit it holds.
    pub head: Seq,
}

/// Records by key, committed in atomic batches.
///
/// Keys are texts, table first, parts joined by `/`, ordered by their bytes. All methods may be
/// called from any task; none blocks its thread. A future that is dropped half-way has either
/// written its whole batch or nothing.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Reads one record.
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// Reads the records whose key begins with `prefix` and is greater than `after`, in the order
    /// of keys; `limit` at most, and never more than [`batch::MAX_SCAN`]. Commits that happen
    /// meanwhile may be seen in part.
    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Writes a batch, all of it or nothing, and says its number. With [`Flush::Control`] it is on
    /// disk when this returns; otherwise it is visible to readers and reaches the disk soon. After
    /// an error other than a refusal of the batch itself, whether it will be on disk is unknown
    /// until the store is opened again.
    async fn commit(&self, batch: Batch) -> Result<Seq, StoreError>;

    /// Waits until a commit, and with it all before it, is on disk.
    async fn durable(&self, seq: Seq) -> Result<(), StoreError>;

    /// Whether a batch that is not essential would be taken now; if not, the reason that a commit
    /// would give.
    fn accepts_writes(&self) -> Result<(), StoreError>;

    /// Writes all records of one instant to `sink` as a backup ([`archive`]); commits go on
    /// meanwhile. One at a time.
    async fn backup(&self, sink: Sink) -> Result<Backup, StoreError>;

    /// Flushes everything and closes: later calls are refused.
    async fn close(&self) -> Result<(), StoreError>;

    /// Writes a batch and returns when it is on disk, whatever its class.
    async fn commit_durable(&self, batch: Batch) -> Result<Seq, StoreError> {
        self.commit(batch.flush(Flush::Control)).await
    }
}
