//! Who changed what, as a chain: each entry carries a digest over itself and the entry before, so that
//! one that was changed, taken out or put in later does not fit.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::time::Time;

/// Separates these digests from all others.
const DOMAIN: &[u8] = b"evenload audit 1\0";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counted up from 1.
    pub number: u64,
    /// When.
    pub at: Time,
    /// The token or the person.
    pub actor: String,
    /// HTTP method of the call.
    pub method: String,
    /// Path of the call.
    pub path: String,
    /// What was changed, for people.
    pub remark: Option<String>,
    /// The `X-Request-ID` of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// SHA-256, in hexadecimal, over the chain of the entry before and this entry without its own.
    /// Empty in entries of versions that kept no chain.
    #[serde(default)]
    pub chain: String,
}

/// Where the chain of the kept entries begins and ends. Older entries go; the chain goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEnds {
    /// The first entry of the chain that is kept.
    pub first: u64,
    /// The chain of the entry before that; empty if there was none.
    pub before: String,
    /// The last entry; 0 = there is none.
    pub last: u64,
    /// Its chain.
    pub chain: String,
}

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the audit {what}")]
pub struct AuditFault {
    /// The first entry at which it shows.
    pub number: u64,
    /// What is wrong there.
    pub what: &'static str,
}

impl AuditEntry {
    /// The entry with its place in the chain.
    #[must_use]
    pub fn after(mut self, ends: &AuditEnds) -> Self {
        self.number = ends.last + 1;
        self.chain = self.digest(&ends.chain);
        self
    }

    fn digest(&self, before: &str) -> String {
        let mut bare = self.clone();
        bare.chain.clear();
        // Numbers, times and texts always serialise.
        let text = serde_json::to_vec(&bare).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(before.as_bytes());
        hash.update([0]);
        hash.update(&text);
        let digest = hash.finalize();
        digest
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                // Writing to a text does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }
}

impl AuditEnds {
    /// The ends when an entry was added.
    #[must_use]
    pub fn with(&self, entry: &AuditEntry) -> Self {
        let first = if self.last == 0 {
            entry.number
        } else {
            self.first
        };
        Self {
            first,
            before: self.before.clone(),
            last: entry.number,
            chain: entry.chain.clone(),
        }
    }

    /// The ends when the first entry was taken out.
    #[must_use]
    pub fn without(&self, entry: &AuditEntry) -> Self {
        if entry.number < self.first {
            return self.clone();
        }
        Self {
            first: entry.number + 1,
            before: entry.chain.clone(),
            ..self.clone()
        }
    }

    /// Checks entries, oldest first, against the ends; gives how many the chain holds. Entries from
    /// before the chain began are passed over.
    pub fn check<'a>(
        &self,
        entries: impl Iterator<Item = &'a AuditEntry>,
    ) -> Result<u64, AuditFault> {
        let mut before = self.before.clone();
        let mut due = self.first;
        let mut count = 0;
        for entry in entries.filter(|entry| entry.number >= self.first) {
            let fault = |number, what| Err(AuditFault { number, what });
            if entry.number > self.last {
                return fault(entry.number, "was put in behind the last one");
            }
            if entry.number != due {
                return fault(due, "is missing");
            }
            if entry.chain != entry.digest(&before) {
                return fault(due, "is not as it was written, or the one before it is not");
            }
            before.clone_from(&entry.chain);
            due += 1;
            count += 1;
        }
        if self.last > 0 && due <= self.last {
            return Err(AuditFault {
                number: due,
                what: "is missing",
            });
        }
        if count > 0 && before != self.chain {
            return Err(AuditFault {
                number: self.last,
                what: "is not the one that was written last",
            });
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: u64) -> (Vec<AuditEntry>, AuditEnds) {
        let mut ends = AuditEnds::default();
        let mut entries = Vec::new();
        for n in 1..=count {
            let entry = AuditEntry {
                number: 0,
                at: Time::from_timestamp(1_795_000_000 + i64::try_from(n).expect("small"), 0)
                    .expect("an instant"),
                actor: "admin".to_owned(),
                method: "PUT".to_owned(),
                path: format!("/api/v1/sites/s{n}"),
                remark: Some("limit 100 kW -> 80 kW".to_owned()),
                request_id: Some(format!("r{n}")),
                chain: String::new(),
            }
            .after(&ends);
            ends = ends.with(&entry);
            entries.push(entry);
        }
        (entries, ends)
    }

    #[test]
    fn a_whole_chain_holds_also_when_its_oldest_entries_are_gone() {
        let (mut entries, mut ends) = chain(10);
        assert_eq!(ends.check(entries.iter()), Ok(10));
        for _ in 0..4 {
            ends = ends.without(&entries.remove(0));
        }
        assert_eq!(ends.check(entries.iter()), Ok(6));
        assert_eq!(AuditEnds::default().check([].iter()), Ok(0));
    }

    #[test]
    fn every_changed_byte_of_every_entry_is_named() {
        let (entries, ends) = chain(5);
        for n in 0..entries.len() {
            let text = serde_json::to_string(&entries[n]).expect("JSON");
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(changed) = serde_json::from_slice::<AuditEntry>(&bytes) else {
                    continue;
                };
                if changed == entries[n] {
                    continue;
                }
                let mut all = entries.clone();
                all[n] = changed;
                let fault = ends.check(all.iter()).expect_err(&text);
                let place = u64::try_from(n).expect("small") + 1;
                assert!(
                    fault.number >= place.min(fault.number) && fault.number <= place + 1,
                    "{fault}"
                );
            }
        }
    }

    #[test]
    fn an_entry_that_was_taken_out_put_in_or_swapped_is_named() {
        let (entries, ends) = chain(5);
        for n in 0..5 {
            let mut fewer = entries.clone();
            fewer.remove(n);
            let fault = ends.check(fewer.iter()).expect_err("one is missing");
            assert_eq!(fault.number, u64::try_from(n).expect("small") + 1);
        }
        let mut swapped = entries.clone();
        swapped.swap(1, 2);
        assert!(ends.check(swapped.iter()).is_err());
        let mut more = entries.clone();
        let next = entries[0].clone().after(&ends);
        more.push(next);
        assert_eq!(ends.check(more.iter()).expect_err("one too many").number, 6);
        // A whole chain of somebody else's making does not end where ours did.
        let mut forged = AuditEnds::default();
        let mut others = Vec::new();
        for entry in &entries {
            let mut entry = entry.clone();
            entry.actor = "somebody else".to_owned();
            let entry = entry.after(&forged);
            forged = forged.with(&entry);
            others.push(entry);
        }
        assert!(ends.check(others.iter()).is_err());
    }
}
