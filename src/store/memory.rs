//! The store in memory, with faults to inject: for tests and for simulation. It needs no runtime:
//! every future is ready at once.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::batch::{Batch, Flush, Record, Seq};
use super::error::StoreError;
use super::ledger::{Ledger, Medium, RawWrites};
use super::{Backup, Sink, Store};

type Bytes = Arc<[u8]>;

/// What a write of [`MemoryStore`] can be made to fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// The disk is full.
    Full,
    /// The disk does not take writes.
    ReadOnly,
    /// The disk fails.
    Io,
}

/// The store in memory. Clones share the same store.
///
/// As on a disk, what was not flushed is lost by [`MemoryStore::crash`]. A batch of class
/// [`Flush::Control`] flushes itself and all before it; others wait for the next such batch, for
/// [`Store::durable`], or for [`MemoryStore::flush`].
#[derive(Clone)]
pub struct MemoryStore {
    ledger: Arc<Ledger<MemoryMedium>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("head", &self.ledger.head().seq)
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let medium = MemoryMedium {
            place: "memory".into(),
            disk: Arc::default(),
            life: 0,
        };
        Self {
            ledger: Arc::new(Ledger::on_empty(medium)),
        }
    }

    /// Puts all commits on the disk.
    pub fn flush(&self) -> Result<(), StoreError> {
        let medium = self.ledger.medium();
        let head = self.ledger.head().seq;
        let mut disk = medium.alive("flush")?;
        let full = StoreError::Full {
            operation: "flush",
            place: Arc::clone(&medium.place),
            detail: "injected".to_owned(),
        };
        if disk.flush_fault.is_none() && count_down(&mut disk.fail_flush_in) {
            disk.flush_fault = Some(full);
        }
        if let Some(fault) = &disk.flush_fault {
            return Err(fault.clone());
        }
        disk.undo.clear();
        disk.witnessed = head;
        Ok(())
    }

    /// Ends this life as a power cut does: what was not flushed is gone, every clone is closed.
    pub fn crash(&self) {
        self.crash_torn(0);
    }

    /// As [`MemoryStore::crash`], but the first `kept_writes` raw writes of the first batch that was
    /// not flushed stay: a torn batch. Opening such a store must find it.
    pub fn crash_torn(&self, kept_writes: usize) {
        let mut disk = self.ledger.medium().lock();
        disk.life += 1;
        while let Some(batch) = disk.undo.pop() {
            let kept = if disk.undo.is_empty() { kept_writes } else { 0 };
            for (key, old) in batch.into_iter().skip(kept).rev() {
                disk.restore(key, old);
            }
        }
        disk.clear_faults();
    }

    /// Opens again what [`MemoryStore::crash`] or [`Store::close`] left behind, with all checks.
    pub fn reopen(&self) -> Result<Self, StoreError> {
        let old = self.ledger.medium();
        let (life, witnessed) = {
            let disk = old.lock();
            (disk.life, disk.witnessed)
        };
        let medium = MemoryMedium {
            place: Arc::clone(&old.place),
            disk: Arc::clone(&old.disk),
            life,
        };
        Ok(Self {
            ledger: Arc::new(Ledger::open(medium, witnessed)?),
        })
    }

    /// Makes the `nth` write from now on fail (1 = the next one); those after it succeed.
    pub fn fail_write(&self, nth: u32, fault: WriteFault) {
        self.ledger.medium().lock().fail_write_in = Some((nth, fault));
    }

    /// Makes the `nth` flush from now on fail (1 = the next one), and all after it.
    pub fn fail_flush(&self, nth: u32) {
        self.ledger.medium().lock().fail_flush_in = Some(nth);
    }

    /// Makes every write fail until it is taken back with `None`.
    pub fn fail_all_writes(&self, fault: Option<WriteFault>) {
        self.ledger.medium().lock().fail_all_writes = fault;
    }

    /// Refuses every batch that is not essential, as a disk that is nearly full.
    pub fn be_nearly_full(&self, is_nearly_full: bool) {
        self.ledger.medium().lock().nearly_full = is_nearly_full;
    }

    /// Flips one bit of a record on the disk; `false` if there is no such record or bit.
    pub fn flip_bit(&self, key: &str, bit: usize) -> bool {
        let mut disk = self.ledger.medium().lock();
        let Some(bytes) = disk.now.get_mut(key.as_bytes()) else {
            return false;
        };
        let mut flipped = bytes.to_vec();
        let Some(byte) = flipped.get_mut(bit / 8) else {
            return false;
        };
        *byte ^= 1 << (bit % 8);
        *bytes = flipped.into();
        true
    }

    /// Removes a record from the disk behind the store's back.
    pub fn lose_record(&self, key: &str) -> bool {
        let mut disk = self.ledger.medium().lock();
        disk.now.remove(key.as_bytes()).is_some()
    }
}

impl MemoryStore {
    fn accepts_writes_when_nearly_full(&self) -> Result<(), StoreError> {
        let medium = self.ledger.medium();
        if medium.alive("commit")?.nearly_full {
            return Err(medium.fault(WriteFault::Full));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.ledger.get(key)
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.ledger.scan(prefix, after, limit)
    }

    async fn commit(&self, batch: Batch) -> Result<Seq, StoreError> {
        let flush = batch.flush_class();
        if !batch.only_removes() && !batch.essential {
            self.accepts_writes_when_nearly_full()?;
        }
        let seq = self.ledger.commit(batch)?;
        if flush == Flush::Control {
            self.flush()?;
        }
        Ok(seq)
    }

    async fn durable(&self, seq: Seq) -> Result<(), StoreError> {
        let head = self.ledger.head().seq;
        if seq > head {
            return Err(StoreError::NeverMade { asked: seq, head });
        }
        if seq <= self.ledger.medium().alive("durable")?.witnessed {
            return Ok(());
        }
        self.flush()
    }

    fn accepts_writes(&self) -> Result<(), StoreError> {
        let medium = self.ledger.medium();
        let disk = medium.alive("commit")?;
        match (&disk.flush_fault, disk.fail_all_writes) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(fault)) => Err(medium.fault(fault)),
            (None, None) => {
                drop(disk);
                self.accepts_writes_when_nearly_full()
            }
        }
    }

    async fn backup(&self, mut sink: Sink) -> Result<Backup, StoreError> {
        drop(self.ledger.medium().alive("backup")?);
        let ledger = Arc::clone(&self.ledger);
        let mut work = move || ledger.backup(&mut *sink);
        // Whoever takes it may be slower, and then its thread waits.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|_| {
                Err(StoreError::Closed {
                    operation: "backup",
                    place: Arc::clone(&self.ledger.medium().place),
                })
            }),
            Err(_) => work(),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.flush()?;
        self.ledger.medium().lock().life += 1;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Disk {
    now: BTreeMap<Vec<u8>, Bytes>,
    /// What each batch since the last flush overwrote, in the order of its writes.
    undo: Vec<Vec<(Vec<u8>, Option<Bytes>)>>,
    /// The last commit that was flushed.
    witnessed: Seq,
    /// A handle of an earlier life is closed.
    life: u64,
    fail_write_in: Option<(u32, WriteFault)>,
    fail_all_writes: Option<WriteFault>,
    nearly_full: bool,
    fail_flush_in: Option<u32>,
    /// A flush that failed once is never trusted again in this life.
    flush_fault: Option<StoreError>,
}

impl Disk {
    fn restore(&mut self, key: Vec<u8>, old: Option<Bytes>) {
        match old {
            Some(bytes) => self.now.insert(key, bytes),
            None => self.now.remove(&key),
        };
    }

    fn clear_faults(&mut self) {
        self.fail_write_in = None;
        self.fail_all_writes = None;
        self.nearly_full = false;
        self.fail_flush_in = None;
        self.flush_fault = None;
    }

    fn due_write_fault(&mut self) -> Option<WriteFault> {
        if let Some((left, fault)) = self.fail_write_in {
            if left <= 1 {
                self.fail_write_in = None;
                return Some(fault);
            }
            self.fail_write_in = Some((left - 1, fault));
        }
        self.fail_all_writes
    }
}

fn count_down(left: &mut Option<u32>) -> bool {
    match left {
        Some(0 | 1) => {
            *left = None;
            true
        }
        Some(more) => {
            *more -= 1;
            false
        }
        None => false,
    }
}

struct MemoryMedium {
    place: Arc<str>,
    disk: Arc<Mutex<Disk>>,
    life: u64,
}

impl MemoryMedium {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self, operation: &'static str) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.lock();
        if disk.life == self.life {
            return Ok(disk);
        }
        Err(StoreError::Closed {
            operation,
            place: Arc::clone(&self.place),
        })
    }

    fn fault(&self, fault: WriteFault) -> StoreError {
        let kind = match fault {
            WriteFault::Full => std::io::ErrorKind::StorageFull,
            WriteFault::ReadOnly => std::io::ErrorKind::ReadOnlyFilesystem,
            WriteFault::Io => std::io::ErrorKind::Other,
        };
        StoreError::from_io("commit", &self.place, kind.into())
    }
}

impl Medium for MemoryMedium {
    type Bytes = Bytes;

    fn place(&self) -> &Arc<str> {
        &self.place
    }

    fn read(&self, operation: &'static str, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.alive(operation)?.now.get(key.as_bytes()).cloned())
    }

    fn range(
        &self,
        operation: &'static str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let disk = self.alive(operation)?;
        Ok(disk
            .now
            .range::<[u8], _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, bytes)| (key.clone(), Arc::clone(bytes)))
            .collect())
    }

    fn write(&self, writes: RawWrites) -> Result<(), StoreError> {
        let mut disk = self.alive("commit")?;
        if let Some(fault) = disk.flush_fault.clone() {
            return Err(fault);
        }
        if let Some(fault) = disk.due_write_fault() {
            return Err(self.fault(fault));
        }
        let mut undo = Vec::with_capacity(writes.len());
        for (key, value) in writes {
            let key = key.into_bytes();
            let old = match value {
                Some(bytes) => disk.now.insert(key.clone(), bytes.into()),
                None => disk.now.remove(&key),
            };
            undo.push((key, old));
        }
        disk.undo.push(undo);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
