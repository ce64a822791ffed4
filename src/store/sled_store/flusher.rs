//! The thread that brings commits to the disk: it gathers them for a moment, flushes the database,
//! syncs its file, writes the witness, and then says how far it has come.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::store::batch::{Batch, Flush, Seq};
use crate::store::error::StoreError;
use crate::store::ledger::Ledger;

use super::SledOptions;
use super::files::{self, Folder, LockFile};
use super::medium::SledMedium;
use super::seal;
use super::witness::Witness;

/// What waits for the disk.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// The most urgent class that waits.
    flush: Option<Flush>,
    stop: bool,
}

/// What a batch needs of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It only removes.
    Nothing,
    /// It may go into the reserve.
    Reserve,
    Room,
}

impl Need {
    fn of(batch: &Batch) -> Self {
        if batch.only_removes() {
            Self::Nothing
        } else if batch.essential {
            Self::Reserve
        } else {
            Self::Room
        }
    }
}

/// How far the disk has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The last commit on disk.
    pub(super) durable: Seq,
    /// Why there will be no more: closed, or a flush that failed. What the system has dropped after
    /// a failed sync cannot be known, so it is not tried again in this life.
    pub(super) ended: Option<StoreError>,
}

/// What the callers and the flusher share.
pub(super) struct Shared {
    pub(super) ledger: Ledger<SledMedium>,
    pub(super) folder: Folder,
    options: SledOptions,
    due: Mutex<Due>,
    wake: Condvar,
    progress: watch::Sender<Progress>,
    /// Given up last, after the database.
    lock: Mutex<Option<LockFile>>,
}

impl Shared {
    pub(super) fn new(
        ledger: Ledger<SledMedium>,
        folder: Folder,
        lock: LockFile,
        options: SledOptions,
    ) -> Self {
        let progress = Progress {
            durable: Seq(0),
            ended: None,
        };
        Self {
            ledger,
            folder,
            options,
            due: Mutex::default(),
            wake: Condvar::new(),
            progress: watch::Sender::new(progress),
            lock: Mutex::new(Some(lock)),
        }
    }

    pub(super) fn place(&self) -> &Arc<str> {
        self.folder.place()
    }

    pub(super) fn closed(&self, operation: &'static str) -> StoreError {
        StoreError::Closed {
            operation,
            place: Arc::clone(self.place()),
        }
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn durable_seq(&self) -> Seq {
        self.progress.borrow().durable
    }

    /// Applies a batch and says when it has to be on disk.
    pub(super) fn commit(&self, batch: Batch) -> Result<Seq, StoreError> {
        self.accepts(Need::of(&batch))?;
        let flush = batch.flush_class();
        let seq = self.ledger.commit(batch)?;
        self.due(flush);
        Ok(seq)
    }

    /// Whether a batch would be taken that needs this much.
    pub(super) fn accepts(&self, need: Need) -> Result<(), StoreError> {
        if let Some(ended) = &self.progress.borrow().ended {
            return Err(ended.clone());
        }
        if self.lock_due().stop {
            return Err(self.closed("commit"));
        }
        match need {
            Need::Room => self.check_room(self.options.min_free_bytes),
            Need::Reserve => {
                let least = self.options.min_free_bytes.min(self.options.reserve_bytes);
                self.check_room(least)
            }
            Need::Nothing => Ok(()),
        }
    }

    /// Publishes how the store ended.
    pub(super) fn end(&self, ended: StoreError) {
        self.progress
            .send_modify(|progress| progress.ended = Some(ended));
    }

    fn check_room(&self, needed: u64) -> Result<(), StoreError> {
        if needed == 0 {
            return Ok(());
        }
        let free = self
            .folder
            .io("commit", files::free_bytes(self.folder.dir()))?;
        if free >= needed {
            return Ok(());
        }
        Err(StoreError::Full {
            operation: "commit",
            place: Arc::clone(self.place()),
            detail: format!("{free} bytes are free, {needed} are needed"),
        })
    }

    /// Tells the flusher that something waits.
    pub(super) fn due(&self, flush: Flush) {
        self.tell(|due| {
            due.flush = Some(due.flush.map_or(flush, |before| before.min(flush)));
        });
    }

    /// Tells the flusher to flush all, close and end.
    pub(super) fn stop(&self) {
        self.tell(|due| due.stop = true);
    }

    fn tell(&self, change: impl FnOnce(&mut Due)) {
        change(&mut self.lock_due());
        self.wake.notify_one();
    }

    fn lock_due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a flush is due, and takes it. `true` = the last one.
    fn wait(&self) -> bool {
        let mut due = self.lock_due();
        while !due.stop {
            let Some(class) = due.flush else {
                due = self.wake.wait(due).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let window = match class {
                Flush::Control => self.options.group_window,
                Flush::State => self.options.state_window,
                Flush::Telemetry => self.options.telemetry_window,
            };
            let nothing_sooner = |due: &mut Due| !due.stop && due.flush >= Some(class);
            let (waited, timeout) = self
                .wake
                .wait_timeout_while(due, window, nothing_sooner)
                .unwrap_or_else(PoisonError::into_inner);
            due = waited;
            if timeout.timed_out() {
                break;
            }
        }
        due.flush = None;
        due.stop
    }
}

/// The thread's own: the second handle of the database file, and the witness.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    database: File,
    blobs: Blobs,
    witness: Witness,
}

impl Flusher {
    /// Puts what was opened on disk once, so that what readers see from now on is durable.
    pub(super) fn new(shared: Arc<Shared>, witness: Witness) -> Result<Self, StoreError> {
        let folder = &shared.folder;
        let database = folder.io("open", File::open(folder.database()))?;
        let blobs = Blobs {
            dir: folder.sled().join("blobs"),
            synced: HashSet::new(),
        };
        folder.io("open", files::sync_dir(&folder.sled()))?;
        folder.sync("open")?;
        let mut flusher = Self {
            shared,
            database,
            blobs,
            witness,
        };
        flusher.flush()?;
        Ok(flusher)
    }

    /// Flushes until told to stop, then closes the store. A panic ends the store, not the process.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let ended = catch_unwind(AssertUnwindSafe(move || self.serve()));
        let ended = ended.unwrap_or_else(|_| {
            Err(StoreError::damaged(
                "flush",
                shared.place(),
                "the flusher panicked",
            ))
        });
        let ended = ended.err().unwrap_or_else(|| shared.closed("commit"));
        if !matches!(ended, StoreError::Closed { .. }) {
            tracing::error!(error = %ended, "the store has stopped taking writes");
        }
        shared.end(ended);
    }

    fn serve(&mut self) -> Result<(), StoreError> {
        loop {
            let last = self.shared.wait();
            self.flush()?;
            if last {
                return self.close();
            }
        }
    }

    /// Puts all commits so far on disk and says so.
    fn flush(&mut self) -> Result<(), StoreError> {
        let head = self.shared.ledger.head().seq;
        if head > self.witness.seq() || head == Seq(0) || self.shared.durable_seq() < head {
            self.shared.ledger.medium().flush()?;
            self.shared.folder.io(
                "flush",
                self.blobs.sync().and_then(|()| self.database.sync_data()),
            )?;
            self.witness.write(head)?;
        }
        self.shared
            .progress
            .send_modify(|progress| progress.durable = head);
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        // A commit that came in after the last flush was not acknowledged, but must not be torn.
        self.shared.ledger.medium().close()?;
        seal::write(&self.shared.folder)?;
        let mut lock = self
            .shared
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *lock = None;
        Ok(())
    }
}

/// Files beside the database that hold large values; sled writes them without syncing.
struct Blobs {
    dir: PathBuf,
    synced: HashSet<OsString>,
}

impl Blobs {
    fn sync(&mut self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut present = HashSet::new();
        let mut is_new = false;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if !self.synced.contains(&name) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_data()?,
                    // Removed meanwhile by the database itself.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                is_new = true;
            }
            present.insert(name);
        }
        self.synced = present;
        if is_new {
            files::sync_dir(&self.dir)
        } else {
            Ok(())
        }
    }
}
