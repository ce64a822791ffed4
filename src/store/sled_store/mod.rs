//! The embedded store: sled, made to keep its promises.
//!
//! A folder holds `lock` (one instance at a time), `head` (the witness: the last commit that was
//! acknowledged), `sealed` (checksums of all files, only after a clean shutdown) and `sled/`.
//! sled alone would lose acknowledged commits in a power cut (its flush ends in
//! `sync_file_range`), and would open a damaged file at an older state or panic.
//! Here a thread of our own flushes and then syncs the file, the witness is written
//! after it and before anyone hears "durable", everything is read and compared when the store is
//! opened, and no panic leaves.

mod files;
mod flusher;
mod medium;
mod panics;
mod restore;
mod seal;
mod witness;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;

use self::files::{Folder, LockFile};
pub(in crate::store) use self::files::{begin_file, end_file};
use self::flusher::{Flusher, Need, Shared};
use self::medium::SledMedium;
pub use self::panics::hush as hush_panics;
pub use self::restore::{RESTORED, Restored, restore};
use self::seal::SealCheck;
use self::witness::Witness;
use super::archive;
use super::batch::{Batch, Flush, Record, Seq};
use super::error::StoreError;
use super::ledger::{self, Ledger};
use super::report::Report;
use super::{Backup, Sink, Store};

/// Below this much free disk nothing is written any more: 512 MiB leave room for logs, for the
/// clean-up of the store itself, and for somebody to notice.
pub const MIN_FREE_BYTES: u64 = 512 * 1024 * 1024;

/// Of these, what is left to batches that a site needs to stay under its limits: below 64 MiB nothing
/// is written at all. Some kB a minute and site: the 448 MiB between last for days.
pub const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Below this much free disk writes are refused, in bytes. Default [`MIN_FREE_BYTES`].
    pub min_free_bytes: u64,
    /// Below this much free disk essential batches are refused too, in bytes. Default
    /// [`RESERVE_BYTES`].
    pub reserve_bytes: u64,
    /// How long commits of class [`Flush::Control`] gather before one flush serves them all.
    /// Default 2 ms.
    pub group_window: Duration,
    /// How long [`Flush::State`] may wait for the disk. Default 100 ms.
    pub state_window: Duration,
    /// How long [`Flush::Telemetry`] may wait for the disk. Default 1 s.
    pub telemetry_window: Duration,
    /// Memory for cached pages, in bytes. Default 64 MiB.
    pub cache_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            min_free_bytes: MIN_FREE_BYTES,
            reserve_bytes: RESERVE_BYTES,
            group_window: Duration::from_millis(2),
            state_window: Duration::from_millis(100),
            telemetry_window: Duration::from_secs(1),
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The embedded store in a folder. Dropping it closes it.
pub struct SledStore {
    shared: Arc<Shared>,
    flusher: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("folder", &self.shared.folder)
            .field("head", &self.shared.ledger.head().seq)
            .finish_non_exhaustive()
    }
}

/// A folder that passed the checks before sled is let near it.
struct Entered {
    folder: Folder,
    lock: LockFile,
    witness: Witness,
    seal: SealCheck,
}

fn enter(dir: &Path) -> Result<Entered, StoreError> {
    let folder = Folder::create(dir)?;
    let lock = folder.lock()?;
    restore::finish(&folder)?;
    folder.create_database()?;
    let witness = Witness::open(&folder)?;
    let seal = seal::check(&folder)?;
    Ok(Entered {
        folder,
        lock,
        witness,
        seal,
    })
}

impl SledStore {
    /// Opens the store in `dir`, or creates it. Blocks while everything is read once.
    ///
    /// # Errors
    /// Locked by another instance, newer format, damaged, behind what was acknowledged, read-only,
    /// full: each its own variant of [`StoreError`].
    pub fn open(dir: &Path, options: SledOptions) -> Result<Self, StoreError> {
        let entered = enter(dir)?;
        entered.seal.refuse_unsound(&entered.folder)?;
        seal::remove(&entered.folder)?;
        let witnessed = entered.witness.seq();
        let medium = SledMedium::open(&entered.folder, &options)?;
        if let Err(error) = entered.folder.keep_private() {
            tracing::warn!(%error, folder = %dir.display(), "others may be able to read the data folder, and its access rights could not be changed");
        }
        let ledger = Ledger::open(medium, witnessed)?;
        Self::start(ledger, entered, options)
    }

    fn start(
        ledger: Ledger<SledMedium>,
        entered: Entered,
        options: SledOptions,
    ) -> Result<Self, StoreError> {
        let Entered {
            folder,
            lock,
            witness,
            ..
        } = entered;
        let shared = Arc::new(Shared::new(ledger, folder, lock, options));
        let flusher = Flusher::new(Arc::clone(&shared), witness)?;
        let thread = std::thread::Builder::new()
            .name("store-flusher".to_owned())
            .spawn(move || flusher.run())
            .map_err(|error| StoreError::from_io("open", shared.place(), error))?;
        Ok(Self {
            shared,
            flusher: Mutex::new(Some(thread)),
        })
    }

    /// The last commit that is on disk.
    pub fn durable_seq(&self) -> Seq {
        self.shared.durable_seq()
    }

    async fn wait_durable(&self, operation: &'static str, seq: Seq) -> Result<(), StoreError> {
        let mut progress = self.shared.progress();
        self.shared.due(Flush::Control);
        let reached = progress
            .wait_for(|progress| progress.durable >= seq || progress.ended.is_some())
            .await;
        match reached {
            Ok(progress) if progress.durable >= seq => Ok(()),
            Ok(progress) => Err(progress
                .ended
                .clone()
                .unwrap_or_else(|| self.shared.closed(operation))),
            Err(_) => Err(self.shared.closed(operation)),
        }
    }

    fn join(&self) {
        let thread = self
            .flusher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of that thread has been published as the end of the store.
            let _ = thread.join();
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.shared.stop();
        self.join();
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let key = key.to_owned();
        blocking("get", &self.shared, move || shared.ledger.get(&key)).await
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        blocking("scan", &self.shared, move || {
            shared.ledger.scan(&prefix, after.as_deref(), limit)
        })
        .await
    }

    async fn commit(&self, batch: Batch) -> Result<Seq, StoreError> {
        let flush = batch.flush_class();
        let shared = Arc::clone(&self.shared);
        let seq = blocking("commit", &self.shared, move || shared.commit(batch)).await?;
        if flush == Flush::Control {
            self.wait_durable("commit", seq).await?;
        }
        Ok(seq)
    }

    async fn durable(&self, seq: Seq) -> Result<(), StoreError> {
        let head = self.shared.ledger.head().seq;
        if seq > head {
            return Err(StoreError::NeverMade { asked: seq, head });
        }
        if seq <= self.shared.durable_seq() {
            return Ok(());
        }
        self.wait_durable("durable", seq).await
    }

    fn accepts_writes(&self) -> Result<(), StoreError> {
        self.shared.accepts(Need::Room)
    }

    async fn backup(&self, mut sink: Sink) -> Result<Backup, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking("backup", &self.shared, move || {
            shared.ledger.backup(&mut *sink)
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let mut progress = self.shared.progress();
        self.shared.stop();
        let ended = match progress.wait_for(|progress| progress.ended.is_some()).await {
            Ok(progress) => progress.ended.clone(),
            Err(_) => None,
        };
        self.join();
        match ended {
            None | Some(StoreError::Closed { .. }) => Ok(()),
            Some(error) => Err(error),
        }
    }
}

/// Runs file access off the caller's thread if there is a runtime, and in place if there is none.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return work();
    };
    match runtime.spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(StoreError::damaged(
            operation,
            shared.place(),
            "the database panicked",
        )),
        Err(_) => Err(shared.closed(operation)),
    }
}

/// Reads a whole store that no instance has open, and says what it found. Never repairs.
///
/// # Errors
/// Only what keeps it from reading at all: locked, newer format, no permission.
pub fn verify(dir: &Path) -> Result<Report, StoreError> {
    verify_with(dir, &mut |_, _| ())
}

/// As [`verify`]; shows key and value of each sound record to `visit`.
pub fn verify_with(dir: &Path, visit: &mut dyn FnMut(&str, &[u8])) -> Result<Report, StoreError> {
    let folder = Folder::existing("verify", dir)?;
    let lock = folder.lock()?;
    restore::finish(&folder)?;
    let witness = match Witness::open(&folder) {
        Ok(witness) => witness,
        Err(error) => return report_damage(error),
    };
    let seal = seal::check(&folder)?;
    if let Some(report) = seal.report(witness.seq()) {
        // Opening it would let sled rewrite the evidence.
        return Ok(report);
    }
    // sled writes when it opens; broken off here, the records alone would tell.
    seal::remove(&folder)?;
    let medium = match SledMedium::open(&folder, &SledOptions::default()) {
        Ok(medium) => medium,
        Err(error) => return report_damage(error),
    };
    let (mut report, _) = ledger::audit(&medium, witness.seq(), visit)?;
    report.sealed = seal.was_sealed();
    let closed = medium.close();
    if report.is_sound() && closed.is_ok() && report.sealed {
        seal::write(&folder)?;
    }
    drop(lock);
    Ok(report)
}

fn report_damage(error: StoreError) -> Result<Report, StoreError> {
    let StoreError::Damaged { detail, .. } = error else {
        return Err(error);
    };
    let mut report = Report::default();
    report.fault("the store", detail);
    Ok(report)
}

/// Makes a backup, in a file, of a store that no instance has open.
pub fn backup(dir: &Path, file: &Path) -> Result<Backup, StoreError> {
    Folder::existing("backup", dir)?;
    let options = SledOptions {
        // Nothing is added to it.
        min_free_bytes: 0,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, options)?;
    archive::to_file_now(file, |sink| store.shared.ledger.backup(sink))
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
