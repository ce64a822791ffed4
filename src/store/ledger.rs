//! What every store of records does alike: envelopes, versions, preconditions, and a digest over
//! all records that is written with every batch. A batch of which a part is missing, a record that
//! vanished and a record that came back from the past all break the digest.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Backup;
use super::archive;
use super::batch::{Batch, Expected, MAX_SCAN, RESERVED, Record, Seq, check_key};
use super::envelope::{self, EnvelopeError, FORMAT};
use super::error::StoreError;
use super::picture::{Page, Picture};
use super::report::Report;

/// Where the ledger keeps its head: number of records, digest; its version is the last commit.
const HEAD_KEY: &str = "store/head";
/// 8 (records) + 16 (digest).
const HEAD_BYTES: usize = 24;
/// Records read at a time when the whole store is read.
const AUDIT_PAGE: usize = 1_000;
/// Records of a backup read at a time, while commits wait: some milliseconds.
const PICTURE_PAGE: usize = 500;

/// Raw writes in the order of keys; `None` removes.
pub(super) type RawWrites = Vec<(String, Option<Vec<u8>>)>;

/// Raw records in the order of keys.
pub(super) type RawRecords<B> = Vec<(Vec<u8>, B)>;

/// Bytes by key, in the order of keys: what lies beneath a ledger.
pub(super) trait Medium: Send + Sync {
    /// Bytes as the medium holds them.
    type Bytes: AsRef<[u8]>;

    /// The name of the place, for errors.
    fn place(&self) -> &Arc<str>;

    /// Reads one.
    fn read(&self, operation: &'static str, key: &str) -> Result<Option<Self::Bytes>, StoreError>;

    /// Reads those whose key begins with `prefix` and is greater than `after`, in the order of
    /// keys, `limit` at most.
    fn range(
        &self,
        operation: &'static str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<RawRecords<Self::Bytes>, StoreError>;

    /// Writes all or none.
    fn write(&self, writes: RawWrites) -> Result<(), StoreError>;
}

/// The sum over a store's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: Seq,
    pub(super) records: u64,
    digest: u128,
}

impl Head {
    fn add(&mut self, fingerprint: u128) {
        self.records += 1;
        self.digest = self.digest.wrapping_add(fingerprint);
    }

    fn remove(&mut self, fingerprint: u128) {
        self.records = self.records.saturating_sub(1);
        self.digest = self.digest.wrapping_sub(fingerprint);
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&self.records.to_be_bytes());
        bytes.extend_from_slice(&self.digest.to_be_bytes());
        bytes
    }

    fn from_bytes(seq: Seq, bytes: &[u8]) -> Option<Self> {
        let (records, digest) = bytes.split_at_checked(8)?;
        Some(Self {
            seq,
            records: u64::from_be_bytes(records.try_into().ok()?),
            digest: u128::from_be_bytes(digest.try_into().ok()?),
        })
    }
}

/// What a commit changes: where the store stands, and what a picture that is being read must not
/// miss.
#[derive(Debug, Default)]
struct Books {
    head: Head,
    picture: Option<Picture>,
}

/// Checked records over a medium.
pub(super) struct Ledger<M> {
    medium: M,
    books: Mutex<Books>,
}

impl<M: Medium> Ledger<M> {
    /// Reads the whole medium and refuses one that is damaged or behind `witnessed`.
    pub(super) fn open(medium: M, witnessed: Seq) -> Result<Self, StoreError> {
        let (report, head) = audit(&medium, witnessed, &mut |_, _| ())?;
        report.refuse_unsound("open", medium.place())?;
        let books = Books {
            head: head.unwrap_or_default(),
            picture: None,
        };
        Ok(Self {
            medium,
            books: Mutex::new(books),
        })
    }

    /// A ledger on a medium that is known to hold nothing.
    pub(super) fn on_empty(medium: M) -> Self {
        Self {
            medium,
            books: Mutex::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn medium(&self) -> &M {
        &self.medium
    }

    /// The head of the last commit.
    pub(super) fn head(&self) -> Head {
        self.books().head
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        check_key("get", key)?;
        match self.medium.read("get", key)? {
            Some(bytes) => self.opened("get", key.to_owned(), bytes.as_ref()).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = limit.min(MAX_SCAN);
        // One more than asked, for the ledger's own record that may lie between.
        let raw = self.medium.range(
            "scan",
            prefix.as_bytes(),
            after.map(str::as_bytes),
            limit + 1,
        )?;
        raw.into_iter()
            .filter(|(key, _)| !key.starts_with(RESERVED.as_bytes()))
            .take(limit)
            .map(|(key, bytes)| {
                let key = String::from_utf8(key).map_err(|error| {
                    let detail = format!("a key is not text: {error}");
                    StoreError::damaged("scan", self.medium.place(), detail)
                })?;
                self.opened("scan", key, bytes.as_ref())
            })
            .collect()
    }

    /// Writes a batch: all of it, or nothing and an error.
    pub(super) fn commit(&self, batch: Batch) -> Result<Seq, StoreError> {
        batch.check()?;
        let mut books = self.books();
        for (key, expected) in &batch.expect {
            self.check_expected(key, expected)?;
        }
        if batch.writes.is_empty() {
            return Ok(books.head.seq);
        }
        let mut next = Head {
            seq: books.head.seq.next(),
            ..books.head
        };
        let mut writes = RawWrites::with_capacity(batch.writes.len() + 1);
        let mut overwritten = Vec::new();
        for (key, value) in batch.writes {
            let old = self.medium.read("commit", &key)?;
            if let Some(old) = &old {
                let old = envelope::open(&key, old.as_ref())
                    .map_err(|error| self.unsound("commit", &key, error))?;
                next.remove(old.fingerprint);
            }
            if books.picture.is_some() {
                overwritten.push((key.clone(), old.map(|old| old.as_ref().to_vec())));
            }
            let sealed = value.map(|value| envelope::seal(&key, next.seq, &value));
            if let Some(sealed) = &sealed {
                next.add(envelope::fingerprint_of(&key, sealed));
            }
            writes.push((key, sealed));
        }
        writes.push((HEAD_KEY.to_owned(), Some(seal_head(next))));
        self.medium.write(writes)?;
        books.head = next;
        if let Some(picture) = &mut books.picture {
            for (key, old) in overwritten {
                picture.keep(key, old);
            }
        }
        Ok(next.seq)
    }

    /// Begins to read all records as they are at this instant. The pages come from
    /// [`Ledger::picture_page`], and [`Ledger::end_picture`] ends it.
    fn begin_picture(&self) -> Result<Head, StoreError> {
        let mut books = self.books();
        if books.picture.is_some() {
            return Err(StoreError::Busy {
                operation: "backup",
                place: Arc::clone(self.medium.place()),
                detail: "another backup is being made",
            });
        }
        books.picture = Some(Picture::default());
        Ok(books.head)
    }

    /// The next records of the picture, in the order of keys; `None` after the last.
    fn picture_page(&self) -> Result<Option<Page>, StoreError> {
        let mut books = self.books();
        let Some(picture) = &mut books.picture else {
            return Ok(None);
        };
        if picture.is_too_old() {
            return Err(StoreError::Busy {
                operation: "backup",
                place: Arc::clone(self.medium.place()),
                detail: "too much changed while it was read: whoever takes it is too slow",
            });
        }
        if picture.is_read() {
            return Ok(None);
        }
        let page = self
            .medium
            .range("backup", b"", picture.read_to(), PICTURE_PAGE)?;
        let now = page
            .into_iter()
            .map(|(key, bytes)| (key, bytes.as_ref().to_vec()))
            .collect();
        let mut page = picture.lay_over(now);
        page.retain(|key, _| !key.starts_with(RESERVED.as_bytes()));
        Ok(Some(page))
    }

    /// Writes all records of one instant as a backup; commits go on meanwhile.
    pub(super) fn backup(&self, sink: &mut dyn io::Write) -> Result<Backup, StoreError> {
        let head = self.begin_picture()?;
        let backup = Backup {
            records: head.records,
            head: head.seq,
        };
        let place = self.medium.place();
        let written = archive::write(sink, place, backup, || self.picture_page());
        self.end_picture();
        written.map(|()| backup)
    }

    /// Nobody reads the picture any more.
    fn end_picture(&self) {
        self.books().picture = None;
    }

    /// Takes in records of a backup under their old versions; [`Ledger::seal_import`] ends it.
    pub(super) fn import(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let mut books = self.books();
        let mut next = books.head;
        let mut writes = RawWrites::with_capacity(records.len() + 1);
        for record in records {
            check_key("restore", &record.key)?;
            let sealed = envelope::seal(&record.key, record.version, &record.value);
            next.add(envelope::fingerprint_of(&record.key, &sealed));
            next.seq = next.seq.max(record.version);
            writes.push((record.key, Some(sealed)));
        }
        writes.push((HEAD_KEY.to_owned(), Some(seal_head(next))));
        self.medium.write(writes)?;
        books.head = next;
        Ok(())
    }

    /// Ends an import: the next commit is numbered after `seq`.
    pub(super) fn seal_import(&self, seq: Seq) -> Result<(), StoreError> {
        let mut books = self.books();
        let next = Head {
            seq: seq.max(books.head.seq),
            ..books.head
        };
        let writes = vec![(HEAD_KEY.to_owned(), Some(seal_head(next)))];
        self.medium.write(writes)?;
        books.head = next;
        Ok(())
    }

    fn opened(
        &self,
        operation: &'static str,
        key: String,
        bytes: &[u8],
    ) -> Result<Record, StoreError> {
        let opened =
            envelope::open(&key, bytes).map_err(|error| self.unsound(operation, &key, error))?;
        Ok(Record {
            value: opened.value.to_vec(),
            version: opened.version,
            key,
        })
    }

    fn unsound(&self, operation: &'static str, key: &str, error: EnvelopeError) -> StoreError {
        match error {
            EnvelopeError::Newer(found) => StoreError::Newer {
                place: Arc::clone(self.medium.place()),
                found,
                known: FORMAT,
            },
            other => {
                StoreError::damaged(operation, self.medium.place(), format!("{key:?} {other}"))
            }
        }
    }

    fn check_expected(&self, key: &str, expected: &Expected) -> Result<(), StoreError> {
        let found = match self.medium.read("commit", key)? {
            Some(bytes) => Some(self.opened("commit", key.to_owned(), bytes.as_ref())?),
            None => None,
        };
        let holds = match (&found, expected) {
            (None, Expected::Absent) | (Some(_), Expected::Present) => true,
            (Some(record), Expected::Version(version)) => record.version == *version,
            (Some(record), Expected::Value(value)) => record.value == *value,
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(StoreError::Conflict {
            key: key.to_owned(),
            expected: expected.to_string(),
            found: found.map_or_else(
                || "absent".to_owned(),
                |record| format!("at version {}", record.version),
            ),
        })
    }
}

fn seal_head(head: Head) -> Vec<u8> {
    envelope::seal(HEAD_KEY, head.seq, &head.to_bytes())
}

/// Reads every record of a medium and shows each sound one to `visit`. An error means that reading itself failed before anything was
/// known; what is wrong with the records is in the report.
pub(super) fn audit<M: Medium>(
    medium: &M,
    witnessed: Seq,
    visit: &mut dyn FnMut(&str, &[u8]),
) -> Result<(Report, Option<Head>), StoreError> {
    let mut report = Report {
        witnessed_seq: witnessed.0,
        ..Report::default()
    };
    let mut head = None;
    let mut sum = Head::default();
    let mut newest = Seq(0);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = match medium.range("verify", b"", after.as_deref(), AUDIT_PAGE) {
            Ok(page) => page,
            Err(StoreError::Damaged { detail, .. }) => {
                report.fault("the records behind the last one read", detail);
                return Ok((report, None));
            }
            Err(other) => return Err(other),
        };
        let Some((last, _)) = page.last() else {
            break;
        };
        if after.as_ref().is_some_and(|after| last <= after) {
            report.fault("the order of keys", "goes backwards");
            return Ok((report, None));
        }
        after = Some(last.clone());
        for (key, bytes) in &page {
            let Ok(key) = std::str::from_utf8(key) else {
                report.fault(String::from_utf8_lossy(key), "is a key that is not text");
                continue;
            };
            let opened = match envelope::open(key, bytes.as_ref()) {
                Ok(opened) => opened,
                Err(EnvelopeError::Newer(format)) => {
                    report.newer_format = Some(format);
                    continue;
                }
                Err(error) => {
                    report.fault(format!("{key:?}"), error.to_string());
                    continue;
                }
            };
            if key == HEAD_KEY {
                head = Head::from_bytes(opened.version, opened.value);
                continue;
            }
            sum.add(opened.fingerprint);
            newest = newest.max(opened.version);
            report.count(key, opened.value.len());
            visit(key, opened.value);
        }
    }
    report.head_seq = head.map_or(0, |head| head.seq.0);
    compare(&mut report, head, sum, newest);
    Ok((report, head))
}

fn compare(report: &mut Report, head: Option<Head>, sum: Head, newest: Seq) {
    let Some(head) = head else {
        if sum.records > 0 {
            report.fault(HEAD_KEY, "is missing");
        }
        return;
    };
    if newest > head.seq {
        let what = format!(
            "names commit {}, but a record is of commit {newest}",
            head.seq
        );
        report.fault(HEAD_KEY, what);
    }
    if head.records != sum.records {
        let what = format!(
            "counts {} records, but {} were read",
            head.records, sum.records
        );
        report.fault(HEAD_KEY, what);
    } else if head.digest != sum.digest {
        report.fault(
            HEAD_KEY,
            "does not fit the records: a batch was torn, or a record is of an older state",
        );
    }
}
