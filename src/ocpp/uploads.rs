//! Where stations put their logs and diagnostics: files beside the store, each station's last few.
//!
//! An address is made for each time a station is asked to upload; who knows it may put files there,
//! until it is over. What comes is kept as it comes and never looked into.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use rand::RngCore as _;
use serde::Serialize;
use thiserror::Error;

use crate::domain::id::StationId;
use crate::domain::time::Time;

/// For how long an address takes files: stations may be told to begin at night.
const OPEN_HOURS: i64 = 24;
/// Addresses that are open at a time; the oldest goes first.
const MAX_OPEN: usize = 1_000;
/// Largest file.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Files kept of one station; the oldest goes first.
const MAX_FILES: usize = 10;
/// Bytes kept of all stations together: 1 GiB.
const MAX_TOTAL_BYTES: u64 = 1 << 30;
/// Longest name of a file.
const MAX_NAME_CHARS: usize = 80;

/// Why a file was not taken.
#[derive(Debug, Error)]
pub(super) enum UploadError {
    /// There is no room left for uploads.
    #[error("the files of all stations together may take {MAX_TOTAL_BYTES} bytes")]
    Full,
    /// Writing failed.
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// A file that a station has put here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upload {
    /// Its name here: when it came, and what the station called it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
struct Ticket {
    station: StationId,
    until: Time,
}

/// All uploads. Cheap to clone; what reads or writes files blocks.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    folder: PathBuf,
    open: Arc<Mutex<BTreeMap<String, Ticket>>>,
    /// Held while files change.
    writing: Arc<Mutex<()>>,
}

impl Uploads {
    /// In a folder that need not be there yet.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder,
            open: Arc::default(),
            writing: Arc::default(),
        }
    }

    /// The last part of a new address for a station's files.
    pub(super) fn open(&self, station: &StationId, now: Time) -> String {
        let mut bytes = [0_u8; 16];
        rand::rng().fill_bytes(&mut bytes);
        let secret = format!("{:032x}", u128::from_be_bytes(bytes));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, ticket| ticket.until > now);
        if open.len() >= MAX_OPEN {
            let oldest = open.iter().min_by_key(|(_, ticket)| ticket.until);
            if let Some(oldest) = oldest.map(|(secret, _)| secret.clone()) {
                open.remove(&oldest);
            }
        }
        let ticket = Ticket {
            station: station.clone(),
            until: now + TimeDelta::hours(OPEN_HOURS),
        };
        open.insert(secret.clone(), ticket);
        secret
    }

    /// Whose address it is, if it takes files now.
    pub(super) fn owner(&self, secret: &str, now: Time) -> Option<StationId> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = open.get(secret).filter(|ticket| ticket.until > now)?;
        Some(ticket.station.clone())
    }

    /// Keeps a file of a station.
    pub(super) fn keep(
        &self,
        station: &StationId,
        name: &str,
        content: &[u8],
        now: Time,
    ) -> Result<Upload, UploadError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = content.len() as u64;
        if self.total()? + bytes > MAX_TOTAL_BYTES {
            return Err(UploadError::Full);
        }
        let folder = self.folder_of(station);
        fs::create_dir_all(&folder)?;
        let stamp = now.format("%Y%m%dT%H%M%S%3fZ");
        let name = format!("{stamp}-{}", plain(name));
        // Whole or not at all: written aside first.
        let aside = folder.join(".part");
        fs::write(&aside, content)?;
        fs::rename(&aside, folder.join(&name))?;
        let all = self.list(station)?;
        for old in all.iter().rev().skip(MAX_FILES) {
            fs::remove_file(folder.join(&old.name))?;
        }
        Ok(Upload { name, bytes })
    }

    /// The files of a station, the oldest first.
    pub(super) fn list(&self, station: &StationId) -> io::Result<Vec<Upload>> {
        let entries = match fs::read_dir(self.folder_of(station)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            all.push(Upload {
                name,
                bytes: entry.metadata()?.len(),
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// What is in a file; `None` if there is none of this name.
    pub(super) fn read(&self, station: &StationId, name: &str) -> io::Result<Option<Vec<u8>>> {
        // Only what is listed: a name is never taken for a path.
        let known = self.list(station)?.into_iter().any(|it| it.name == name);
        if !known {
            return Ok(None);
        }
        fs::read(self.folder_of(station).join(name)).map(Some)
    }

    /// A station's identity may be `..`, so it is never a whole name.
    fn folder_of(&self, station: &StationId) -> PathBuf {
        self.folder.join(format!("station-{station}"))
    }

    fn total(&self) -> io::Result<u64> {
        let stations = match fs::read_dir(&self.folder) {
            Ok(stations) => stations,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut total = 0;
        for station in stations {
            for file in fs::read_dir(station?.path())? {
                total += file?.metadata()?.len();
            }
        }
        Ok(total)
    }
}

/// A name of a station's, as a file may be called.
fn plain(name: &str) -> String {
    let plain: String = name
        .chars()
        .take(MAX_NAME_CHARS)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if plain.is_empty() {
        "upload".into()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        "2026-11-22T12:00:00Z".parse().expect("valid")
    }

    #[test]
    fn a_station_gets_an_address_for_a_day_and_its_last_ten_files_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let uploads = Uploads::in_folder(folder.path().join("uploads"));
        let station = StationId::new("..").expect("valid");
        let secret = uploads.open(&station, now());
        assert_eq!(uploads.owner(&secret, now()), Some(station.clone()));
        assert_eq!(uploads.owner("another", now()), None);
        let later = now() + TimeDelta::hours(24);
        assert_eq!(uploads.owner(&secret, later), None);
        assert_eq!(uploads.list(&station).expect("read"), []);
        for second in 0..12 {
            let at = now() + TimeDelta::seconds(second);
            uploads
                .keep(&station, "../a b.zip", b"log", at)
                .expect("kept");
        }
        let all = uploads.list(&station).expect("read");
        assert_eq!(all.len(), 10);
        assert_eq!(all[0].name, "20261122T120002000Z-.._a_b.zip");
        assert_eq!(all[0].bytes, 3);
        let content = uploads.read(&station, &all[9].name).expect("read");
        assert_eq!(content.as_deref(), Some(&b"log"[..]));
        let outside = uploads.read(&station, "../../secret.key").expect("read");
        assert_eq!(outside, None);
    }
}
