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
        folder.io("open", create_private_dir(&folder.sled()))?;
        Ok(folder)
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

fn create_private_dir(dir: &Path) -> io::Result<()> {
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
pub(in crate::store) fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let beside = sibling(path, "writing");
    let opened =
        private(OpenOptions::new().create(true).truncate(true).write(true)).open(&beside)?;
    let mut file = io::BufWriter::new(opened);
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
