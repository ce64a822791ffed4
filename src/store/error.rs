//! Why the store could not do what was asked.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::domain::ports::PortError;

use super::batch::Seq;

/// Why the store could not do what was asked. `place` is the folder of the store, or `memory`.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The key is not one that can be stored.
    #[error("{operation}: the key {key:?} {reason}")]
    BadKey {
        /// What was asked.
        operation: &'static str,
        /// The key, cut to a readable length.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The batch or a value is larger than the store takes.
    #[error("{operation}: {key:?} has {size}; {limit} is the most")]
    TooLarge {
        /// What was asked.
        operation: &'static str,
        /// The key of the value, or what else is too large.
        key: String,
        /// Its size, with unit.
        size: String,
        /// The largest allowed, with unit.
        limit: String,
    },
    /// A precondition of the batch does not hold; nothing was written.
    #[error("commit: {key:?} was expected to be {expected}, but is {found}; nothing was written")]
    Conflict {
        /// The key whose precondition failed.
        key: String,
        /// What the batch expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The disk has no room: writes are refused until there is some, reads go on.
    #[error("{operation}: the disk of the store at {place} is full ({detail})")]
    Full {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
        /// How full.
        detail: String,
    },
    /// The disk or the folder does not take writes.
    #[error("{operation}: the store at {place} cannot be written (read-only): {detail}")]
    ReadOnly {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
        /// What the system says.
        detail: String,
    },
    /// What is stored is not what was written.
    #[error(
        "{operation}: the store at {place} is damaged: {detail}. `evenload store verify` shows the \
         extent, `evenload restore` goes back to a backup"
    )]
    Damaged {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
        /// What is wrong, with the key where there is one.
        detail: String,
    },
    /// The store holds an older state than was acknowledged.
    #[error(
        "open: the store at {place} is behind: it ends at commit {found}, but commit {witnessed} \
         was acknowledged. `evenload store verify` shows the extent, `evenload restore` goes back \
         to a backup"
    )]
    Behind {
        /// Which store.
        place: Arc<str>,
        /// Its last commit.
        found: Seq,
        /// The last commit that was acknowledged as durable.
        witnessed: Seq,
    },
    /// Another instance has the store open.
    #[error(
        "open: another instance has the store at {place} open; stop it first, or choose another \
         data folder"
    )]
    Locked {
        /// Which store.
        place: Arc<str>,
    },
    /// The store was written by a newer version of evenload.
    #[error(
        "open: the store at {place} has format {found}, this version of evenload knows up to \
         {known}: use the version that wrote it, or a newer one"
    )]
    Newer {
        /// Which store.
        place: Arc<str>,
        /// The format found.
        found: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// There is no store where one must be.
    #[error("{operation}: there is no store at {place}")]
    Missing {
        /// What was asked.
        operation: &'static str,
        /// Where.
        place: Arc<str>,
    },
    /// It can be asked again later.
    #[error("{operation}: the store at {place} is busy: {detail}")]
    Busy {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
        /// With what.
        detail: &'static str,
    },
    /// The file to restore from is not a whole backup, or the folder to restore to is in use.
    #[error("{operation}: {path}: {detail}")]
    Archive {
        /// What was asked.
        operation: &'static str,
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The system refused for another reason.
    #[error("{operation}: the store at {place} failed: {source}")]
    Io {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Waiting for a commit that was never made.
    #[error("durable: commit {asked} was never made; the last one is {head}")]
    NeverMade {
        /// The commit asked for.
        asked: Seq,
        /// The last commit.
        head: Seq,
    },
    /// The store was closed.
    #[error("{operation}: the store at {place} is closed")]
    Closed {
        /// What was asked.
        operation: &'static str,
        /// Which store.
        place: Arc<str>,
    },
}

impl StoreError {
    /// Sorts an error of the system: full, read-only, or other.
    pub(super) fn from_io(operation: &'static str, place: &Arc<str>, error: io::Error) -> Self {
        let place = Arc::clone(place);
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                operation,
                place,
                detail: error.to_string(),
            },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly {
                operation,
                place,
                detail: error.to_string(),
            },
            _ => Self::Io {
                operation,
                place,
                source: Arc::new(error),
            },
        }
    }

    /// An error of the system in a folder that is not the store's own.
    pub(crate) fn in_folder(operation: &'static str, folder: &str, error: io::Error) -> Self {
        Self::from_io(operation, &folder.into(), error)
    }

    /// Says that something stored is not what was written.
    pub(super) fn damaged(
        operation: &'static str,
        place: &Arc<str>,
        detail: impl Into<String>,
    ) -> Self {
        Self::Damaged {
            operation,
            place: Arc::clone(place),
            detail: detail.into(),
        }
    }

    /// Whether a precondition failed: the caller reads again and decides anew.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

impl From<StoreError> for PortError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed { .. } => Self::Stopping,
            StoreError::Busy { .. } => Self::Overloaded(error.to_string()),
            other => Self::Storage(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_read_only_one_are_told_apart_from_other_failures() {
        let place: Arc<str> = "here".into();
        let sort = |kind: io::ErrorKind| StoreError::from_io("commit", &place, kind.into());
        assert!(matches!(
            sort(io::ErrorKind::StorageFull),
            StoreError::Full { .. }
        ));
        assert!(matches!(
            sort(io::ErrorKind::QuotaExceeded),
            StoreError::Full { .. }
        ));
        assert!(matches!(
            sort(io::ErrorKind::ReadOnlyFilesystem),
            StoreError::ReadOnly { .. }
        ));
        assert!(matches!(
            sort(io::ErrorKind::PermissionDenied),
            StoreError::ReadOnly { .. }
        ));
        assert!(matches!(
            sort(io::ErrorKind::TimedOut),
            StoreError::Io { .. }
        ));
    }

    #[test]
    fn damage_names_the_two_commands_that_help() {
        let text = StoreError::damaged("open", &"here".into(), "why").to_string();
        assert!(text.contains("`evenload store verify`") && text.contains("`evenload restore`"));
    }
}
