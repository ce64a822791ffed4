//! A station's transactions: booked once, at their own time, whatever is repeated, late or lost.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use chrono::TimeDelta;

pub use entry::Entry;

use super::message::{Stage, Transaction};
use super::meter::Sample;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// Transactions kept per station: the running ones and the last that are over, so that a repeated
/// message is known again.
pub const MAX_KEPT: usize = 64;
/// A reading older than this says nothing about now, in seconds.
const FRESH_S: i64 = 5 * 60;
/// A clock this far ahead is wrong, in seconds; our own time is taken.
const AHEAD_S: i64 = 5 * 60;

/// What came of a message about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The transaction as it is now.
    pub entry: Entry,
    /// A reading that says something about now.
    pub reading: Option<Reading>,
    /// False for a repetition: nothing changed.
    pub changed: bool,
}

/// A station's transactions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    entries: VecDeque<Entry>,
}

impl Books {
    /// From what was kept.
    pub fn new(mut kept: Vec<Entry>) -> Self {
        kept.sort_by_key(|entry| entry.started_at);
        Self {
            entries: kept.into(),
        }
    }

    /// All that are known.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The one that runs on an EVSE.
    pub fn running_on(&self, evse: u32) -> Option<&Entry> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.evse == evse && entry.is_running())
    }

    /// The one of an id.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.id == id)
    }

    /// Books a message. `spare_id` is taken for a start that brings none. `keys` are those of the
    /// token it presents. `None` if it is about nothing we can place: it is answered all the same.
    pub fn book(
        &mut self,
        said: &Transaction,
        keys: Vec<String>,
        spare_id: &str,
        now: Time,
    ) -> Option<Booked> {
        let at = plausible(said.at, now);
        let index = match self.find(said) {
            Some(index) => index,
            None => self.open(said, spare_id, at)?,
        };
        let entry = &mut self.entries[index];
        let before = entry.clone();
        if !keys.is_empty() {
            entry.keys = keys;
        }
        if let (0, Some(evse)) = (entry.evse, said.evse) {
            entry.evse = evse;
        }
        let is_newest = said.seq_no.is_none_or(|seq| {
            let newest = entry.seq_no.is_none_or(|known| seq > known);
            entry.seq_no = entry.seq_no.max(Some(seq));
            newest
        });
        for register in said.samples.iter().filter_map(|sample| sample.register) {
            entry.note_register(register);
        }
        if let Some(register) = said.register {
            entry.note_register(register);
        }
        if said.stage == Stage::Ended && entry.is_running() {
            entry.ended_at = Some(at.max(entry.started_at));
            entry.reason.clone_from(&said.reason);
        }
        let reading = (is_newest && !said.offline && entry.is_running())
            .then(|| newest_reading(&said.samples, now))
            .flatten();
        let booked = Booked {
            changed: *entry != before || reading.is_some() || said.stage == Stage::Started,
            entry: entry.clone(),
            reading,
        };
        Some(booked)
    }

    /// Books readings that came outside of transaction messages.
    pub fn meter(
        &mut self,
        evse: u32,
        transaction: Option<&str>,
        samples: &[Sample],
        now: Time,
    ) -> Option<Booked> {
        let index = self.entries.iter().rposition(|entry| {
            entry.is_running()
                && match transaction {
                    // Some stations send 0 or -1 here; the connector tells.
                    Some(id) if self.entries.iter().any(|known| known.id == id) => entry.id == id,
                    _ => entry.evse == evse,
                }
        })?;
        let entry = &mut self.entries[index];
        let before = entry.clone();
        for register in samples.iter().filter_map(|sample| sample.register) {
            entry.note_register(register);
        }
        let reading = newest_reading(samples, now);
        Some(Booked {
            changed: *entry != before || reading.is_some(),
            entry: entry.clone(),
            reading,
        })
    }

    /// A car's wish for the transaction that runs on its EVSE.
    pub fn wish(
        &mut self,
        evse: u32,
        departure: Option<Time>,
        energy: Option<Energy>,
    ) -> Option<Booked> {
        let entry = self
            .entries
            .iter_mut()
            .rev()
            .find(|entry| entry.evse == evse && entry.is_running())?;
        entry.departure = departure;
        // It names what it wants from now on.
        entry.wanted = energy.map(|energy| entry.energy + energy);
        Some(Booked {
            entry: entry.clone(),
            reading: None,
            changed: true,
        })
    }

    /// Priority charging of a running transaction was switched; `None` if that changes nothing.
    pub fn prioritise(&mut self, id: &str, is_on: bool) -> Option<Entry> {
        let mut running = self.entries.iter_mut().filter(|entry| entry.is_running());
        let entry = running.find(|entry| entry.id == id && entry.priority != is_on)?;
        entry.priority = is_on;
        Some(entry.clone())
    }

    /// Ends, in our books, what still seems to run on an EVSE beside `but`: a station has one
    /// transaction per EVSE, so its end was lost.
    pub fn end_others(&mut self, evse: u32, but: &str, now: Time) -> Vec<Entry> {
        let mut ended = Vec::new();
        for entry in &mut self.entries {
            if entry.evse == evse && entry.is_running() && entry.id != but {
                entry.ended_at = Some(now.max(entry.started_at));
                entry.reason = Some("Lost".into());
                ended.push(entry.clone());
            }
        }
        ended
    }

    /// Ends one of which the station says that it does not run; `None` if it is over already.
    pub fn end(&mut self, id: &str, now: Time) -> Option<Entry> {
        let mut running = self.entries.iter_mut().filter(|entry| entry.is_running());
        let entry = running.find(|entry| entry.id == id)?;
        entry.ended_at = Some(now.max(entry.started_at));
        entry.reason = Some("Lost".into());
        Some(entry.clone())
    }

    /// Forgets the oldest that are over, beyond [`MAX_KEPT`]; gives their ids.
    pub fn prune(&mut self) -> Vec<String> {
        let mut forgotten = Vec::new();
        while self.entries.len() > MAX_KEPT {
            let over = self.entries.iter().position(|entry| !entry.is_running());
            // All running: the oldest cannot be real.
            let index = over.unwrap_or(0);
            forgotten.extend(self.entries.remove(index).map(|entry| entry.id));
        }
        forgotten
    }

    fn find(&self, said: &Transaction) -> Option<usize> {
        if let Some(id) = &said.id {
            let known = self.entries.iter().rposition(|entry| entry.id == *id);
            if known.is_some() || said.stage != Stage::Ended {
                return known;
            }
            // A stop under an id that is none (-1, 0): the one that runs, if only one does.
            let running: Vec<usize> = (0..self.entries.len())
                .filter(|index| self.entries[*index].is_running())
                .collect();
            return match running.as_slice() {
                [only] if is_no_id(id) => Some(*only),
                _ => None,
            };
        }
        let fingerprint = fingerprint(said)?;
        self.entries
            .iter()
            .rposition(|entry| entry.fingerprint.as_ref() == Some(&fingerprint))
    }

    /// Opens an entry. A transaction of 2.x whose start was lost is opened by any of its events; a
    /// stop of 1.6 for nothing we know opens nothing.
    fn open(&mut self, said: &Transaction, spare_id: &str, at: Time) -> Option<usize> {
        let id = match (&said.id, said.stage) {
            (Some(id), _) if said.seq_no.is_some() => id.clone(),
            (None, Stage::Started) => spare_id.to_owned(),
            _ => return None,
        };
        let entry = Entry {
            id,
            evse: said.evse.unwrap_or(0),
            started_at: at,
            ended_at: None,
            base: None,
            before_jump: Energy::ZERO,
            energy: Energy::ZERO,
            keys: Vec::new(),
            fingerprint: if said.id.is_none() {
                fingerprint(said)
            } else {
                None
            },
            seq_no: None,
            reason: None,
            departure: None,
            wanted: None,
            priority: false,
        };
        self.entries.push_back(entry);
        Some(self.entries.len() - 1)
    }
}

/// What a station repeats when it sends a start again: connector, time, register. The tag is left
/// out, so that nothing of a person is kept.
fn fingerprint(said: &Transaction) -> Option<String> {
    let at = said.at?;
    let register = said.register.map_or(-1, Energy::joules);
    Some(format!(
        "{}/{}/{register}",
        said.evse.unwrap_or(0),
        at.timestamp_millis()
    ))
}

fn is_no_id(id: &str) -> bool {
    matches!(id, "-1" | "0")
}

/// The station's time, unless it is ahead of ours or cannot be read.
fn plausible(at: Option<Time>, now: Time) -> Time {
    at.filter(|at| *at <= now + TimeDelta::seconds(AHEAD_S))
        .unwrap_or(now)
}

/// The newest power among samples, if it is about now.
fn newest_reading(samples: &[Sample], now: Time) -> Option<Reading> {
    samples
        .iter()
        .rev()
        .filter_map(|sample| Some((sample.power?, plausible(sample.at, now))))
        .find(|(_, at)| now - *at <= TimeDelta::seconds(FRESH_S))
        .map(|(power, at)| Reading {
            // A station without vehicle-to-grid that reads below 0 has its clamp the wrong way.
            power: Power::from_watts(power.watts().abs()),
            at: at.min(now),
        })
}
