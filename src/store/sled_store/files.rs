//! The files of a store's folder: names, the lock, and syncing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::error::StoreError;

/// The folder of a store.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    place: Arc<str>,
}

/// The name of a folder in errors.
pub(super) fn place(dir: &Path) -> Arc<str> {
    dir.display().to_string().into()
}

/// Held as long as a store is open; the system gives it up with the process.
#[derive(Debug)]
pub(super) struct LockFile {
    _file: File,
}

impl Folder {
    /// Creates the folder if there is none.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            dir: dir.to_owned(),
            place: place(dir),
        };
        folder.io("open", fs::create_dir_all(dir))?;
        Ok(folder)
    }

    /// The folder of a store that must be there.
    pub(super) fn existing(dir: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            dir: dir.to_owned(),
            place: place(dir),
        };
        if !folder.witness().exists() && !folder.sled().exists() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "there is no store");
            return folder.io("verify", Err(missing));
        }
        Ok(folder)
    }

    pub(super) fn place(&self) -> &Arc<str> {
        &self.place
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn sled(&self) -> PathBuf {
        self.dir.join("sled")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.sled().join("db")
    }

    pub(super) fn witness(&self) -> PathBuf {
        self.dir.join("head")
    }

    pub(super) fn seal(&self) -> PathBuf {
        self.dir.join("sealed")
    }

    /// Sorts an error of the system into the store's errors.
    pub(super) fn io<T>(
        &self,
        operation: &'static str,
        result: io::Result<T>,
    ) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::from_io(operation, &self.place, error))
    }

    /// Takes the lock, or says that another instance has it.
    pub(super) fn lock(&self) -> Result<LockFile, StoreError> {
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.dir.join("lock"));
        let file = self.io("open", opened)?;
        match file.try_lock() {
            Ok(()) => Ok(LockFile { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
                place: Arc::clone(&self.place),
            }),
            Err(TryLockError::Error(error)) => self.io("open", Err(error)),
        }
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self, operation: &'static str) -> Result<(), StoreError> {
        self.io(operation, sync_dir(&self.dir))
    }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a file beside its name, syncs it, and gives it the name.
pub(in crate::store) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let beside = sibling(path, "writing");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = io::BufWriter::new(options.open(&beside)?);
    write(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    fs::rename(&beside, path)?;
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => sync_dir(parent),
        None => sync_dir(Path::new(".")),
    }
}

/// The path with one more extension.
pub(super) fn sibling(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Removes what an interrupted restore has left.
pub(super) fn remove_tree(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::from_io("restore", &place(dir), error))
        }
        _ => Ok(()),
    }
}

/// Gives a folder its final name; an empty folder of that name gives way.
pub(super) fn rename_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    let renamed = fs::rename(from, to).and_then(|()| match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    });
    renamed.map_err(|error| StoreError::from_io("restore", &place(to), error))
}

/// Free bytes of the disk a folder is on, for those who are not the administrator.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
