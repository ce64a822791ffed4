//! The seal: lengths and checksums of all files, written by a clean shutdown. It lets damage be
//! found before sled reads, repairs or panics on it. A store that was killed has no seal and is
//! judged by its records alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::batch::Seq;
use crate::store::envelope::FORMAT;
use crate::store::error::StoreError;
use crate::store::report::Report;

use super::files::{Folder, replace_file};

/// Largest seal that is read: far above one with 10,000 files.
const MAX_SEAL_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    format: u32,
    files: BTreeMap<String, FileSum>,
    /// Over the JSON of `files`.
    sum: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileSum {
    bytes: u64,
    crc32: u32,
}

/// What the seal says of the files.
#[derive(Debug)]
pub(super) enum SealCheck {
    /// There is none: the last shutdown was not clean, or the store is new.
    Absent,
    /// All files are as they were left.
    Whole,
    /// Some are not: name and what is wrong.
    Broken(Vec<(String, String)>),
}

impl SealCheck {
    pub(super) fn was_sealed(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The report on broken files, if there are any.
    pub(super) fn report(&self, witnessed: Seq) -> Option<Report> {
        let Self::Broken(faults) = self else {
            return None;
        };
        let mut report = Report {
            witnessed_seq: witnessed.0,
            sealed: true,
            ..Report::default()
        };
        for (file, what) in faults {
            report.fault(file.clone(), what.clone());
        }
        Some(report)
    }

    pub(super) fn refuse_unsound(&self, folder: &Folder) -> Result<(), StoreError> {
        let Self::Broken(faults) = self else {
            return Ok(());
        };
        let detail = faults
            .iter()
            .take(3)
            .map(|(file, what)| format!("file {file} {what}"))
            .collect::<Vec<_>>()
            .join("; ");
        Err(StoreError::damaged("open", folder.place(), detail))
    }
}

/// Compares the files with the seal.
pub(super) fn check(folder: &Folder) -> Result<SealCheck, StoreError> {
    let file = match File::open(folder.seal()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SealCheck::Absent),
        Err(error) => return folder.io("open", Err(error)),
    };
    let mut text = Vec::new();
    folder.io("open", file.take(MAX_SEAL_BYTES).read_to_end(&mut text))?;
    let own_fault = |what: &str| SealCheck::Broken(vec![("sealed".to_owned(), what.to_owned())]);
    let Ok(seal) = serde_json::from_slice::<Seal>(&text) else {
        return Ok(own_fault("is not readable"));
    };
    if seal.format > FORMAT {
        return Err(StoreError::Newer {
            place: folder.place().clone(),
            found: seal.format,
            known: FORMAT,
        });
    }
    if seal.sum != sum_of(&seal.files) {
        return Ok(own_fault("does not match its checksum"));
    }
    let found = folder.io("open", sum_files(folder))?;
    let mut faults = Vec::new();
    for (name, sum) in &seal.files {
        match found.get(name) {
            None => faults.push((name.clone(), "is missing".to_owned())),
            Some(now) if now.bytes != sum.bytes => faults.push((
                name.clone(),
                format!("has {} bytes instead of {}", now.bytes, sum.bytes),
            )),
            Some(now) if now.crc32 != sum.crc32 => {
                faults.push((name.clone(), "does not match its checksum".to_owned()));
            }
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !seal.files.contains_key(*name)) {
        faults.push((
            name.clone(),
            "was not there at the last shutdown".to_owned(),
        ));
    }
    Ok(if faults.is_empty() {
        SealCheck::Whole
    } else {
        SealCheck::Broken(faults)
    })
}

/// Breaks the seal, durably: from here on the files change.
pub(super) fn remove(folder: &Folder) -> Result<(), StoreError> {
    match fs::remove_file(folder.seal()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => folder.io("open", Err(error)),
        Ok(()) => folder.sync("open"),
    }
}

/// Seals a store whose database is closed.
pub(super) fn write(folder: &Folder) -> Result<(), StoreError> {
    let files = folder.io("close", sum_files(folder))?;
    let seal = Seal {
        format: FORMAT,
        sum: sum_of(&files),
        files,
    };
    let written = replace_file(&folder.seal(), |file| {
        serde_json::to_writer(file, &seal).map_err(io::Error::from)
    });
    folder.io("close", written)
}

fn sum_of(files: &BTreeMap<String, FileSum>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (name, sum) in files {
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&sum.bytes.to_be_bytes());
        hasher.update(&sum.crc32.to_be_bytes());
    }
    hasher.finalize()
}

fn sum_files(folder: &Folder) -> io::Result<BTreeMap<String, FileSum>> {
    let mut sums = BTreeMap::new();
    sums.insert("head".to_owned(), sum_file(&folder.witness())?);
    sum_dir(&folder.sled(), "sled", &mut sums)?;
    match sum_dir(&folder.sled().join("blobs"), "sled/blobs", &mut sums) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(sums),
    }
}

fn sum_dir(dir: &Path, name: &str, sums: &mut BTreeMap<String, FileSum>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            sums.insert(name, sum_file(&entry.path())?);
        }
    }
    Ok(())
}

fn sum_file(path: &Path) -> io::Result<FileSum> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut page = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut page)?;
        if read == 0 {
            break;
        }
        hasher.update(&page[..read]);
        bytes += read as u64;
    }
    Ok(FileSum {
        bytes,
        crc32: hasher.finalize(),
    })
}
