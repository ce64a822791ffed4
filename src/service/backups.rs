//! Backups of the running service: streamed to whoever asks for one, and a snapshot by the hour in
//! the data folder to go back to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use chrono::TimeDelta;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::api::ports::{BackupPieces, Backups};
use crate::config::DataConfig;
use crate::domain::ports::{Clock, PortError, PortFuture};
use crate::domain::time::Time;
use crate::store::archive;
use crate::store::{Store, StoreError};

/// Size of the pieces in which a backup is handed over.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for a slow reader: 1 MiB. Beyond, the backup waits, and is given up when too much
/// has changed meanwhile.
const PIECES: usize = 16;
/// The folder of the snapshots within the data folder.
const FOLDER: &str = "snapshots";
/// A snapshot that failed is tried again after this.
const AGAIN: TimeDelta = TimeDelta::minutes(5);

/// Hands out backups of a store.
#[derive(Debug)]
pub struct BackupDesk {
    store: Arc<dyn Store>,
}

impl BackupDesk {
    /// Of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

impl Backups for BackupDesk {
    fn begin(&self) -> PortFuture<'_, BackupPieces> {
        let store = self.store.clone();
        Box::pin(async move {
            let (sender, mut pieces) = mpsc::channel(PIECES);
            let sink = Pieces {
                buffer: Vec::with_capacity(PIECE_BYTES),
                sender: sender.clone(),
            };
            tokio::spawn(async move {
                match store.backup(Box::new(sink)).await {
                    Ok(backup) => info!(records = backup.records, "a backup was handed out"),
                    Err(error) => {
                        warn!(%error, "a backup was not handed out whole");
                        // Who reads no more does not need it.
                        let _ = sender.send(Err(PortError::from(error))).await;
                    }
                }
            });
            // A backup that cannot even begin is an answer of its own.
            let first = match pieces.recv().await {
                Some(Err(error)) => return Err(error),
                Some(Ok(piece)) => Some(piece),
                None => None,
            };
            Ok(BackupPieces {
                first,
                rest: pieces,
            })
        })
    }
}

/// A writer whose reader may be slower, on a thread that may wait.
struct Pieces {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, PortError>>,
}

impl Pieces {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(
            &mut self.buffer,
            Vec::with_capacity(PIECE_BYTES),
        ));
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads it any more"))
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()
    }
}

/// How the snapshots are.
#[derive(Debug, Default)]
pub struct SnapshotHealth {
    last: Mutex<(Option<Time>, Option<String>)>,
}

impl SnapshotHealth {
    /// When the newest was made, and why a newer one was not.
    pub fn last(&self) -> (Option<Time>, Option<String>) {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn made(&self, at: Time) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Some(at), None);
    }

    fn failed(&self, error: String) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(error);
    }
}

/// Makes a snapshot of the store every so often, and removes old ones.
#[derive(Debug)]
pub struct Snapshots {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    every: TimeDelta,
    keep: usize,
    health: Arc<SnapshotHealth>,
}

impl Snapshots {
    /// As configured; `None` if none are wanted.
    pub fn of(
        data: &DataConfig,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        health: Arc<SnapshotHealth>,
    ) -> Option<Self> {
        let every = TimeDelta::minutes(i64::from(data.snapshot_every_minutes));
        (every > TimeDelta::zero()).then(|| Self {
            store,
            clock,
            folder: data.dir.join(FOLDER),
            every,
            keep: data.snapshots_kept as usize,
            health,
        })
    }

    /// Runs until the service stops. The first is due at once if the newest is old, else when it
    /// will be.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let newest = list(&self.folder).into_iter().next_back();
        if let Some((at, _)) = newest {
            self.health.made(at);
        }
        let now = self.clock.now();
        let mut due = newest.map_or(now + self.every, |(at, _)| (at + self.every).max(now));
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                () = self.clock.sleep_until(due) => {}
            }
            let now = self.clock.now();
            due = match self.make(now).await {
                Ok(()) => now + self.every,
                Err(error) => {
                    warn!(%error, "no snapshot could be made");
                    self.health.failed(error.to_string());
                    now + AGAIN.min(self.every)
                }
            };
        }
    }

    async fn make(&self, now: Time) -> Result<(), StoreError> {
        // A full disk needs its room for what is more urgent.
        self.store.accepts_writes()?;
        let folder = self.folder.clone();
        private_folder(&folder).map_err(|error| {
            StoreError::in_folder("snapshot", &folder.display().to_string(), error)
        })?;
        let path = folder.join(format!("{}.jsonl", now.format(NAME)));
        let backup = archive::to_file(&*self.store, &path).await?;
        debug!(records = backup.records, path = %path.display(), "snapshot made");
        self.health.made(now);
        let all = list(&folder);
        for (_, old) in all.iter().take(all.len().saturating_sub(self.keep)) {
            if let Err(error) = fs::remove_file(old) {
                warn!(%error, path = %old.display(), "an old snapshot could not be removed");
            }
        }
        Ok(())
    }
}

/// Names sort by time.
const NAME: &str = "%Y%m%dT%H%M%SZ";

/// The snapshots of a folder, oldest first; other files are not ours.
fn list(folder: &Path) -> Vec<(Time, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
            let at = chrono::NaiveDateTime::parse_from_str(name, NAME).ok()?;
            Some((at.and_utc(), path))
        })
        .collect();
    all.sort();
    all
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::clock::SystemClock;
    use crate::store::Batch;
    use crate::store::memory::{MemoryStore, WriteFault};
    use crate::store::sled_store::restore;

    async fn snapshots(keep: usize) -> (tempfile::TempDir, MemoryStore, Snapshots) {
        let dir = tempfile::tempdir().expect("a folder");
        let store = MemoryStore::new();
        let put = store.commit(Batch::new().put("t/a", "1")).await;
        put.expect("stored");
        let snapshots = Snapshots {
            store: Arc::new(store.clone()),
            clock: Arc::new(SystemClock),
            folder: dir.path().join(FOLDER),
            every: TimeDelta::hours(1),
            keep,
            health: Arc::default(),
        };
        (dir, store, snapshots)
    }

    fn at(hour: u32) -> Time {
        let text = format!("2026-11-22T{hour:02}:00:00Z");
        text.parse().expect("an instant")
    }

    #[tokio::test]
    async fn the_newest_snapshots_are_kept_and_each_restores() {
        let (dir, _, snapshots) = snapshots(2).await;
        for hour in 1..=4 {
            snapshots.make(at(hour)).await.expect("made");
        }
        fs::write(snapshots.folder.join("notes.txt"), "mine").expect("written");
        let kept = list(&snapshots.folder);
        let hours: Vec<_> = kept.iter().map(|(at, _)| *at).collect();
        assert_eq!(hours, [at(3), at(4)]);
        assert_eq!(snapshots.health.last(), (Some(at(4)), None));
        let target = dir.path().join("restored");
        let restored = restore(&kept[1].1, &target, false, "x").expect("whole");
        assert_eq!(restored.records, 1);
        assert!(snapshots.folder.join("notes.txt").exists());
    }

    #[tokio::test]
    async fn on_a_full_disk_none_is_made_and_it_is_told() {
        let (_dir, store, snapshots) = snapshots(2).await;
        store.fail_all_writes(Some(WriteFault::Full));
        assert!(snapshots.make(at(1)).await.is_err());
        assert!(list(&snapshots.folder).is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_backup_comes_in_pieces_and_a_reader_that_leaves_ends_it() {
        let (_dir, store, _) = snapshots(1).await;
        for number in 0..64 {
            let put = Batch::new().put(format!("t/{number}"), vec![7; 64 * 1024]);
            store.commit(put).await.expect("stored");
        }
        let desk = BackupDesk::new(Arc::new(store.clone()));
        let mut begun = desk.begin().await.expect("begun");
        let mut bytes = begun.first.take().map_or(0, |piece| piece.len());
        // A second one meanwhile is refused.
        assert!(matches!(desk.begin().await, Err(PortError::Overloaded(_))));
        while let Some(piece) = begun.rest.recv().await {
            bytes += piece.expect("whole").len();
        }
        assert!(bytes > 64 * 64 * 1024, "{bytes} bytes");
        drop(desk.begin().await.expect("begun"));
        for _ in 0..1000 {
            if desk.begin().await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        unreachable!("the backup that nobody reads was not given up within 10 s");
    }
}
