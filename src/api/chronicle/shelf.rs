//! History as it is kept beyond a restart: of the telemetry class, bounded, outside the journal.
//!
//! Keys: `history/{tenant}/{site}/power/{hour}` holds the minutes of an hour; `.../note/{chunk}` and
//! `.../session/{chunk}` hold numbered entries, [`CHUNK`] of them each. A record is written again while it
//! grows; what a kill takes is at most the last minute.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::power::Sample;
use crate::domain::id::SiteKey;
use crate::domain::ports::RecordWrite;

/// Numbered entries of one record.
pub(super) const CHUNK: u64 = 64;
/// Minutes of one record.
pub(super) const MINUTES: i64 = 60;

/// A table of a site's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Power,
    Note,
    Session,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Note => "note",
            Self::Session => "session",
        }
    }
}

/// What the keys of a table begin with.
pub(super) fn prefix(site: &SiteKey, table: Table) -> String {
    format!("history/{site}/{}/", table.name())
}

/// Sorted by number as text. Hours before 1970 do not happen.
pub(super) fn key(site: &SiteKey, table: Table, number: u64) -> String {
    format!("{}{number:012}", prefix(site, table))
}

/// The number in a key.
pub(super) fn number_of(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.parse().ok()
}

/// The hour a minute lies in.
pub(super) fn hour_of(minute: i64) -> u64 {
    u64::try_from(minute.div_euclid(MINUTES)).unwrap_or(0)
}

/// One minute as it is stored, short since there are many: minute, EVSEs, uncontrolled, planned,
/// limit, price.
#[derive(Serialize, Deserialize)]
struct Row(i64, i64, i64, i64, Option<i64>, Option<i64>);

/// The record of an hour.
pub(super) fn write_hour(site: &SiteKey, hour: u64, samples: &[Sample]) -> Option<RecordWrite> {
    let rows: Vec<Row> = samples
        .iter()
        .map(|s| {
            Row(
                s.minute,
                s.evses_w,
                s.uncontrolled_w,
                s.planned_w,
                s.limit_w,
                s.price_micros,
            )
        })
        .collect();
    write(key(site, Table::Power, hour), &rows)
}

/// The minutes of an hour; what is not readable is no history.
pub(super) fn read_hour(bytes: &[u8]) -> Vec<Sample> {
    let rows: Vec<Row> = serde_json::from_slice(bytes).unwrap_or_default();
    rows.into_iter()
        .map(|row| Sample {
            minute: row.0,
            evses_w: row.1,
            uncontrolled_w: row.2,
            planned_w: row.3,
            limit_w: row.4,
            price_micros: row.5,
        })
        .collect()
}

/// The record of a chunk of numbered entries.
pub(super) fn write_chunk<T: Serialize>(
    site: &SiteKey,
    table: Table,
    chunk: u64,
    entries: &[T],
) -> Option<RecordWrite> {
    write(key(site, table, chunk), &entries)
}

/// The entries of a chunk; what is not readable is no history.
pub(super) fn read_chunk<T: DeserializeOwned>(bytes: &[u8]) -> Vec<T> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn write(key: String, value: &impl Serialize) -> Option<RecordWrite> {
    let value = Some(serde_json::to_vec(value).ok()?);
    Some(RecordWrite { key, value })
}
