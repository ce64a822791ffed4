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
    /// Creates the folder if there is none, for its owner alone: what is kept says who charged
    /// where and when.
    pub(super) fn create(dir: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            dir: dir.to_owned(),
            place: place(dir),
        };
        folder.io("open", create_private_dir(dir))?;
        Ok(folder)
    }

    /// Creates the folder of the database if there is none.
    pub(super) fn create_database(&self) -> Result<(), StoreError> {
        self.io("open", create_private_dir(&self.sled()))
    }

    /// Whether a store is, or was, here.
    pub(super) fn holds_store(&self) -> bool {
        self.witness().exists() || self.sled().exists() || self.seal().exists()
    }

    /// Takes from others what they may do with our files; older versions and the database itself
    /// make them as the system is set up.
    pub(super) fn keep_private(&self) -> io::Result<()> {
        for dir in [self.dir.clone(), self.sled(), self.sled().join("blobs")] {
            let entries = match fs::read_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            keep_private(&dir)?;
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    keep_private(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// The folder of a store that must be there.
    pub(super) fn existing(operation: &'static str, dir: &Path) -> Result<Self, StoreError> {
        let folder = Self {
            dir: dir.to_owned(),
            place: place(dir),
        };
        if folder.holds_store() || folder.swap_marker().exists() {
            return Ok(folder);
        }
        Err(StoreError::Missing {
            operation,
            place: folder.place,
        })
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

    /// Where a restore builds the store that will take this one's place.
    pub(super) fn building(&self) -> PathBuf {
        self.dir.join("restoring")
    }

    /// Says that a restored store is whole and takes this one's place.
    pub(super) fn swap_marker(&self) -> PathBuf {
        self.dir.join("restore-swap")
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
        let opened = private(OpenOptions::new().create(true).truncate(false).write(true))
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

/// A file that is made by these options is for its owner alone.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

pub(super) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)
}

#[cfg(unix)]
fn keep_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)?.permissions().mode();
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a file beside its name, syncs it, and gives it the name.
pub(super) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let (beside, opened) = begin_file(path)?;
    let mut file = io::BufWriter::new(opened);
    write(&mut file)?;
    file.flush()?;
    end_file(&beside, file.get_ref(), path)
}

/// Makes a file beside the name it will have.
pub(in crate::store) fn begin_file(path: &Path) -> io::Result<(PathBuf, File)> {
    let beside = sibling(path, "writing");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    let file = private(&mut options).open(&beside)?;
    Ok((beside, file))
}

/// Syncs a file and gives it its name.
pub(in crate::store) fn end_file(beside: &Path, file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(beside, path)?;
    sync_dir(parent_of(path))
}

/// The folder a path lies in.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
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

/// Free bytes of the disk a folder is on, for those who are not the administrator.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
