//! Backups: one plain file of checked records.
//!
//! Lines of JSON: a head `{"evenload_backup":1,"head":..,"records":..}`, one line per record
//! `{"key":..,"version":..,"value":..}` with the value in Base64, and at the end
//! `{"sha256":..}` over all bytes before it. A file without its last line is not a backup.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batch::{MAX_VALUE_BYTES, Record, Seq};
use super::envelope::{self, FORMAT};
use super::error::StoreError;
use super::picture::Page;
use super::sled_store::{begin_file, end_file};
use super::{Backup, Store};

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

/// Writes the records of pages, each checked once more, until there are no more.
pub(super) fn write(
    sink: &mut dyn io::Write,
    place: &Arc<str>,
    backup: Backup,
    mut next_page: impl FnMut() -> Result<Option<Page>, StoreError>,
) -> Result<(), StoreError> {
    let mut sink = Hashing {
        sink,
        hash: Sha256::new(),
    };
    let failed = |error| StoreError::from_io("backup", &"the file of the backup".into(), error);
    let head = HeadLine {
        evenload_backup: FORMAT,
        head: backup.head.0,
        records: backup.records,
    };
    sink.line(&head).map_err(failed)?;
    let mut written = 0;
    while let Some(page) = next_page()? {
        for (key, bytes) in page {
            let key = String::from_utf8_lossy(&key).into_owned();
            let opened = envelope::open(&key, &bytes).map_err(|error| {
                StoreError::damaged("backup", place, format!("{key:?} {error}"))
            })?;
            let line = RecordLine {
                version: opened.version.0,
                value: STANDARD.encode(opened.value),
                key,
            };
            sink.line(&line).map_err(failed)?;
            written += 1;
        }
    }
    if written != backup.records {
        let detail = format!(
            "{} records are counted, but {written} were read",
            backup.records
        );
        return Err(StoreError::damaged("backup", place, detail));
    }
    let sha256 = hex(&sink.hash.clone().finalize());
    sink.line(&EndLine { sha256 }).map_err(failed)?;
    sink.sink.flush().map_err(failed)
}

/// Makes a backup of an open store in a file, which appears under its name when it is whole and on
/// disk.
pub async fn to_file(store: &dyn Store, path: &Path) -> Result<Backup, StoreError> {
    let begun = Begun::at(path)?;
    let sink = Box::new(BufWriter::new(begun.sink()?));
    begun.end(store.backup(sink).await)
}

/// As [`to_file`], on this thread.
pub(super) fn to_file_now(
    path: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> Result<Backup, StoreError>,
) -> Result<Backup, StoreError> {
    let begun = Begun::at(path)?;
    let mut sink = BufWriter::new(begun.sink()?);
    begun.end(write(&mut sink))
}

/// A file beside the name it will have.
struct Begun {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Begun {
    fn at(path: &Path) -> Result<Self, StoreError> {
        let (beside, file) = begin_file(path).map_err(|error| at_file(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file,
        })
    }

    fn sink(&self) -> Result<File, StoreError> {
        self.file
            .try_clone()
            .map_err(|error| at_file(&self.path, error))
    }

    fn end(self, written: Result<Backup, StoreError>) -> Result<Backup, StoreError> {
        let ended = written.and_then(|backup| {
            end_file(&self.beside, &self.file, &self.path)
                .map_err(|error| at_file(&self.path, error))?;
            Ok(backup)
        });
        if ended.is_err() {
            // What was begun is of no use to anybody.
            let _ = fs::remove_file(&self.beside);
        }
        ended
    }
}

fn at_file(path: &Path, error: io::Error) -> StoreError {
    StoreError::from_io("backup", &path.display().to_string().into(), error)
}

/// Reads a whole backup and says what it holds.
pub fn check(path: &Path) -> Result<Backup, StoreError> {
    let mut reader = ArchiveReader::open(path)?;
    let mut records = 0;
    while let Some(page) = reader.next_page()? {
        records += page.len() as u64;
    }
    Ok(Backup {
        records,
        head: reader.head(),
    })
}

struct Hashing<'a> {
    sink: &'a mut dyn io::Write,
    hash: Sha256,
}

impl Hashing<'_> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.sink.write_all(&text)
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
