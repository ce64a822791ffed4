//! What a partner does differently from the specification, remembered across restarts.

use std::collections::BTreeMap;

use ocpi_client::read::{Deviation, Deviations};
use serde::{Deserialize, Serialize};

use super::advice;
use super::edge::{Edge, EdgeError};
use super::peer::Peer;
use crate::domain::id::{PartnerId, TenantId};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::time::Time;

/// Most deviations remembered per partner: one per id and place. Further ones are only counted.
pub const MAX_DEVIATIONS: usize = 200;

/// A way in which a partner differs from the specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDeviation {
    /// Stable id, such as `datetime.offset`.
    pub id: String,
    /// How often it was seen.
    pub count: u64,
    /// Where it was seen last: JSON path or header.
    pub path: String,
    /// Section of the specification.
    pub section: String,
    /// What was found there.
    pub detail: String,
    /// What the partner should change.
    pub advice: Option<String>,
    /// When it was seen first.
    pub first_seen_at: Time,
    /// When it was seen last: one that was mended stays as it was.
    pub last_seen_at: Time,
}

/// All deviations of one partner.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DeviationBook {
    seen: BTreeMap<String, SeenDeviation>,
    /// How many were seen beyond [`MAX_DEVIATIONS`].
    dropped: u64,
    /// Whether there is something that is not on disk yet.
    #[serde(skip)]
    is_changed: bool,
}

impl DeviationBook {
    /// Remembers what was tolerated.
    pub(super) fn note(&mut self, deviations: &Deviations, now: Time) {
        for deviation in deviations {
            self.note_one(deviation, now);
        }
        self.dropped = self
            .dropped
            .saturating_add(u64::try_from(deviations.dropped()).unwrap_or(u64::MAX));
    }

    fn note_one(&mut self, deviation: &Deviation, now: Time) {
        let key = format!("{} {}", deviation.id, place(&deviation.path));
        self.is_changed = true;
        if !self.seen.contains_key(&key) && self.seen.len() >= MAX_DEVIATIONS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let seen = self.seen.entry(key).or_insert_with(|| SeenDeviation {
            id: deviation.id.to_string(),
            count: 0,
            path: String::new(),
            section: deviation.section.to_string(),
            detail: String::new(),
            advice: deviation
                .advice()
                .or_else(|| advice::for_deviation(&deviation.id))
                .map(str::to_owned),
            first_seen_at: now,
            last_seen_at: now,
        });
        seen.count = seen.count.saturating_add(1);
        seen.path.clone_from(&deviation.path);
        seen.detail.clone_from(&deviation.detail);
        seen.last_seen_at = seen.last_seen_at.max(now);
    }

    /// What was seen, by id and place.
    pub(super) fn all(&self) -> Vec<SeenDeviation> {
        self.seen.values().cloned().collect()
    }

    /// Everything, if it changed since the last time this was asked.
    fn take_changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_changed)
            .then(|| serde_json::to_vec(self).ok())
            .flatten()
    }
}

/// A path without the numbers of lists: `$.evses[7].uid` is the same place as `$.evses[2].uid`.
fn place(path: &str) -> String {
    let mut place = String::with_capacity(path.len());
    let mut is_within = false;
    for c in path.chars() {
        match c {
            '[' => {
                is_within = true;
                place.push_str("[*]");
            }
            ']' => is_within = false,
            _ if is_within && c.is_ascii_digit() => {}
            _ => place.push(c),
        }
    }
    place
}

fn key(tenant: &TenantId, partner: &PartnerId) -> String {
    format!("deviation/{tenant}/{partner}")
}

impl Edge {
    /// What is kept of a partner's deviations. A damaged record is begun anew: it is no control
    /// state.
    pub(super) async fn kept_deviations(
        records: &dyn crate::domain::ports::Records,
        tenant: &TenantId,
        partner: &PartnerId,
    ) -> Result<DeviationBook, PortError> {
        let kept = records.get(&key(tenant, partner)).await?;
        Ok(kept
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default())
    }

    /// Writes the deviations that are not on disk yet.
    pub(super) async fn keep_deviations(&self) -> Result<(), EdgeError> {
        let writes: Vec<RecordWrite> = self
            .peers()
            .iter()
            .filter_map(|peer| self.changed_deviations(peer))
            .collect();
        if writes.is_empty() {
            return Ok(());
        }
        Ok(self.inner.ports.records.write(writes).await?)
    }

    fn changed_deviations(&self, peer: &Peer) -> Option<RecordWrite> {
        let value = peer.live().deviations.take_changed()?;
        Some(RecordWrite {
            key: key(self.tenant(), &peer.record().name),
            value: Some(value),
        })
    }

    /// Forgets what was seen of a partner.
    pub(super) async fn forget_deviations(&self, partner: &PartnerId) -> Result<(), EdgeError> {
        let gone = RecordWrite {
            key: key(self.tenant(), partner),
            value: None,
        };
        Ok(self.inner.ports.records.write(vec![gone]).await?)
    }
}

#[cfg(test)]
mod tests {
    use ocpi_client::read::id;

    use super::*;

    fn at(minute: u32) -> Time {
        format!("2026-11-22T16:{minute:02}:00Z").parse().unwrap()
    }

    fn one(path: &str) -> Deviations {
        let mut deviations = Deviations::new();
        deviations.push(Deviation::new(
            id::FIELD_MISSING,
            path,
            "mod_x: X object",
            "is not there",
        ));
        deviations
    }

    #[test]
    fn the_same_fault_in_another_object_is_counted_and_in_another_field_is_another() {
        let mut book = DeviationBook::default();
        book.note(&one("$.evses[0].uid"), at(0));
        book.note(&one("$.evses[17].uid"), at(5));
        book.note(&one("$.name"), at(6));
        let all = book.all();
        assert_eq!(all.len(), 2);
        let uid = all.iter().find(|seen| seen.path.ends_with("uid")).unwrap();
        assert_eq!((uid.count, uid.path.as_str()), (2, "$.evses[17].uid"));
        assert_eq!((uid.first_seen_at, uid.last_seen_at), (at(0), at(5)));
        assert!(uid.advice.is_some());
    }

    #[test]
    fn a_peer_cannot_fill_the_memory_with_deviations() {
        let mut book = DeviationBook::default();
        for number in 0..1000 {
            book.note(&one(&format!("$.field{number}")), at(0));
        }
        assert_eq!(book.all().len(), MAX_DEVIATIONS);
        assert_eq!(book.dropped, 800);
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut book = DeviationBook::default();
        assert!(book.take_changed().is_none());
        book.note(&one("$.name"), at(0));
        let written = book.take_changed().unwrap();
        assert!(book.take_changed().is_none());
        let again: DeviationBook = serde_json::from_slice(&written).unwrap();
        assert_eq!(again.all(), book.all());
    }
}
