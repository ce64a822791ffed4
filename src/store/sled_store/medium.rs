//! sled as a medium. Every call is guarded: a panic of the database is damage, not our end.

use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::store::error::StoreError;
use crate::store::ledger::{Medium, RawWrites};

use super::SledOptions;
use super::files::Folder;
use super::panics;

/// sled gives its own lock up a little after it was dropped: 100 tries, 20 ms apart, are 2 s.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An open sled database.
pub(super) struct SledMedium {
    folder: Folder,
    db: RwLock<Option<sled::Db>>,
}

impl SledMedium {
    pub(super) fn open(folder: &Folder, options: &SledOptions) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(folder.sled())
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(None);
        let mut tries = LOCK_TRIES;
        let db = loop {
            let opened = guarded("open", folder.place(), || config.open());
            match opened {
                Err(StoreError::Io { source, .. })
                    if tries > 0 && source.to_string().contains("could not acquire lock") =>
                {
                    tries -= 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                other => break other?,
            }
        };
        Ok(Self {
            folder: folder.clone(),
            db: RwLock::new(Some(db)),
        })
    }

    /// Hands the database's buffers to the system; syncing the file is the caller's.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.with("flush", |db| db.flush().map(|_| ()))
    }

    /// Closes the database and waits until its files are let go.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(db) = db else {
            return Ok(());
        };
        guarded("close", self.folder.place(), || {
            drop(db);
            Ok(())
        })?;
        let file = self
            .folder
            .io("close", File::open(self.folder.database()))?;
        for _ in 0..LOCK_TRIES {
            if file.try_lock().is_ok() {
                return self.folder.io("close", file.sync_all());
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let late = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the database did not let its file go",
        );
        self.folder.io("close", Err(late))
    }

    fn with<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match db.as_ref() {
            Some(db) => guarded(operation, self.folder.place(), || work(db)),
            None => Err(StoreError::Closed {
                operation,
                place: Arc::clone(self.folder.place()),
            }),
        }
    }
}

impl Drop for SledMedium {
    fn drop(&mut self) {
        // Whoever wants to know whether it worked calls `close` first.
        let _ = self.close();
    }
}

impl Medium for SledMedium {
    type Bytes = sled::IVec;

    fn place(&self) -> &Arc<str> {
        self.folder.place()
    }

    fn read(&self, operation: &'static str, key: &str) -> Result<Option<sled::IVec>, StoreError> {
        self.with(operation, |db| db.get(key))
    }

    fn range(
        &self,
        operation: &'static str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, sled::IVec)>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.with(operation, |db| {
            db.range::<&[u8], _>((from, Bound::Unbounded))
                .take(limit)
                .take_while(|entry| {
                    entry
                        .as_ref()
                        .map_or(true, |(key, _)| key.starts_with(prefix))
                })
                .map(|entry| entry.map(|(key, value)| (key.to_vec(), value)))
                .collect()
        })
    }

    fn write(&self, writes: RawWrites) -> Result<(), StoreError> {
        self.with("commit", |db| {
            let mut batch = sled::Batch::default();
            for (key, value) in writes {
                match value {
                    Some(value) => batch.insert(key.as_bytes(), value),
                    None => batch.remove(key.as_bytes()),
                }
            }
            db.apply_batch(batch)
        })
    }
}

/// Runs a call of the database; an error or a panic of it becomes one of ours.
fn guarded<T>(
    operation: &'static str,
    place: &Arc<str>,
    work: impl FnOnce() -> sled::Result<T>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(|| panics::guarded(work))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(match error.kind() {
            // What sled reports when a file ends before its content does.
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
                StoreError::damaged(operation, place, format!("the database says: {error}"))
            }
            _ => StoreError::from_io(operation, place, error),
        }),
        Ok(Err(error)) => Err(StoreError::damaged(
            operation,
            place,
            format!("the database says: {error}"),
        )),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            let said: String = said.chars().take(300).collect();
            let detail = format!("the database panicked: {said}");
            Err(StoreError::damaged(operation, place, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_database_is_damage_with_its_words() {
        let place: Arc<str> = "here".into();
        let guarded = |work: fn() -> sled::Result<()>| guarded("get", &place, work).unwrap_err();
        for panicked in [
            guarded(|| panic!("a page")),
            guarded(|| panic!("{} page", "a")),
        ] {
            let text = panicked.to_string();
            assert!(matches!(panicked, StoreError::Damaged { .. }), "{text}");
            assert!(text.contains("a page"), "{text}");
        }
        let full = guarded(|| Err(sled::Error::Io(std::io::ErrorKind::StorageFull.into())));
        assert!(matches!(full, StoreError::Full { .. }), "{full}");
        let cut = guarded(|| Err(sled::Error::Io(std::io::ErrorKind::UnexpectedEof.into())));
        assert!(matches!(cut, StoreError::Damaged { .. }), "{cut}");
    }
}
