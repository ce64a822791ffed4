//! Backups: one plain file of checked records.
//!
//! Lines of JSON: a head `{"evenload_backup":1,"head":..,"records":..}`, one line per record
//! `{"key":..,"version":..,"value":..}` with the value in Base64, and at the end
//! `{"sha256":..}` over all bytes before it. A file without its last line is not a backup.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batch::{MAX_VALUE_BYTES, Record, Seq};
use super::envelope::{self, FORMAT};
use super::error::StoreError;
use super::sled_store::replace_file;

/// Records read at a time.
const PAGE: usize = 500;
/// Longest line: a value in Base64 (4/3), and room for the key.
const MAX_LINE_BYTES: u64 = (MAX_VALUE_BYTES as u64) * 4 / 3 + 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct HeadLine {
    evenload_backup: u32,
    head: u64,
    records: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordLine {
    key: String,
    version: u64,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct EndLine {
    sha256: String,
}

/// Writes records in their envelopes to a file, each checked once more. Gives their number.
pub(super) fn write<B: AsRef<[u8]>>(
    path: &Path,
    place: &Arc<str>,
    head: Seq,
    sealed: Vec<(Vec<u8>, B)>,
) -> Result<u64, StoreError> {
    let count = sealed.len() as u64;
    let mut damage = None;
    let written = replace_file(path, |file| {
        let mut file = Hashing {
            file,
            hash: Sha256::new(),
        };
        let head = HeadLine {
            evenload_backup: FORMAT,
            head: head.0,
            records: count,
        };
        file.line(&head)?;
        for (key, bytes) in sealed {
            let key = String::from_utf8_lossy(&key).into_owned();
            let opened = match envelope::open(&key, bytes.as_ref()) {
                Ok(opened) => opened,
                Err(error) => {
                    damage = Some(format!("{key:?} {error}"));
                    return Err(io::Error::other("a record is damaged"));
                }
            };
            file.line(&RecordLine {
                version: opened.version.0,
                value: STANDARD.encode(opened.value),
                key,
            })?;
        }
        let sha256 = hex(&file.hash.clone().finalize());
        file.line(&EndLine { sha256 })
    });
    if let Some(detail) = damage {
        return Err(StoreError::damaged("backup", place, detail));
    }
    written.map_err(|error| {
        StoreError::from_io("backup", &path.display().to_string().into(), error)
    })?;
    Ok(count)
}

struct Hashing<'a> {
    file: &'a mut dyn io::Write,
    hash: Sha256,
}

impl Hashing<'_> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.file.write_all(&text)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A backup whose checksum was found right, read page by page.
pub(super) struct ArchiveReader {
    path: String,
    lines: BufReader<File>,
    head: HeadLine,
    left: u64,
}

impl ArchiveReader {
    /// Reads the whole file once to check it, then stands before its first record.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        check_sum(path)?;
        let mut reader = Self {
            path: path.display().to_string(),
            lines: open_file(path)?,
            head: HeadLine {
                evenload_backup: 0,
                head: 0,
                records: 0,
            },
            left: 0,
        };
        let first = reader.next_line()?;
        reader.head = serde_json::from_slice(&first)
            .map_err(|error| unusable(path, format!("is no backup: {error}")))?;
        if reader.head.evenload_backup > FORMAT {
            return Err(StoreError::Newer {
                place: reader.path.as_str().into(),
                found: reader.head.evenload_backup,
                known: FORMAT,
            });
        }
        reader.left = reader.head.records;
        Ok(reader)
    }

    /// The last commit of the store that was backed up.
    pub(super) fn head(&self) -> Seq {
        Seq(self.head.head)
    }

    /// The next records; `None` after the last.
    pub(super) fn next_page(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let mut page = Vec::new();
        while self.left > 0 && page.len() < PAGE {
            self.left -= 1;
            let line = self.next_line()?;
            let wrong = |detail: String| unusable(Path::new(&self.path), detail);
            let line: RecordLine = serde_json::from_slice(&line)
                .map_err(|error| wrong(format!("a line is no record: {error}")))?;
            let value = STANDARD
                .decode(&line.value)
                .map_err(|error| wrong(format!("{:?} is not readable: {error}", line.key)))?;
            page.push(Record {
                key: line.key,
                value,
                version: Seq(line.version),
            });
        }
        Ok((!page.is_empty()).then_some(page))
    }

    fn next_line(&mut self) -> Result<Vec<u8>, StoreError> {
        read_line(Path::new(&self.path), &mut self.lines)
    }
}

/// Checks that a backup is whole.
fn check_sum(path: &Path) -> Result<(), StoreError> {
    let mut lines = open_file(path)?;
    let mut hash = Sha256::new();
    loop {
        let line = read_line(path, &mut lines)?;
        if line.is_empty() {
            return Err(unusable(
                path,
                "is cut off: its last line is missing".to_owned(),
            ));
        }
        if let Ok(end) = serde_json::from_slice::<EndLine>(&line) {
            if end.sha256 != hex(&hash.finalize()) {
                return Err(unusable(path, "does not match its checksum".to_owned()));
            }
            return Ok(());
        }
        hash.update(&line);
    }
}

fn open_file(path: &Path) -> Result<BufReader<File>, StoreError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|error| unusable(path, error.to_string()))
}

fn read_line(path: &Path, lines: &mut BufReader<File>) -> Result<Vec<u8>, StoreError> {
    let mut line = Vec::new();
    io::Read::take(&mut *lines, MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|error| unusable(path, error.to_string()))?;
    Ok(line)
}

fn unusable(path: &Path, detail: String) -> StoreError {
    StoreError::Archive {
        operation: "restore",
        path: path.display().to_string(),
        detail,
    }
}
