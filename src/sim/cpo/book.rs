//! The platform's sessions.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::sim::recorded::RecordedSession;
use crate::sim::world::{Car, FineEnergy};

/// A span of a session between two readings of its meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub from: Time,
    pub to: Time,
    pub energy: FineEnergy,
}

impl Measured {
    /// Mean power of the span.
    pub(super) fn mean_power(&self) -> Power {
        self.energy.energy().mean_power(self.to - self.from)
    }
}

/// A session of the platform.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// OCPI `Session.id`.
    pub id: String,
    /// Counted up; makes token and contract.
    pub number: u64,
    pub evse: String,
    pub started_at: Time,
    pub ended_at: Option<Time>,
    /// The latest reading.
    pub energy: FineEnergy,
    pub measured: Vec<Measured>,
    /// The car, for sessions of the simulated depot.
    pub car: Option<Car>,
    pub updated_at: Time,
    /// It has been sent to the SCSP.
    pub announced: bool,
}

impl Entry {
    /// Takes a reading of the meter; gives the span since the one before, if there was time.
    pub(super) fn read(&mut self, now: Time, energy: FineEnergy) -> Option<Measured> {
        let from = self.measured.last().map_or(self.started_at, |m| m.to);
        self.updated_at = now;
        if now <= from {
            return None;
        }
        let measured = Measured {
            from,
            to: now,
            energy: energy - self.energy,
        };
        self.energy = energy;
        self.measured.push(measured);
        Some(measured)
    }
}

/// All sessions of the platform.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<String, Entry>,
    /// The running session of each EVSE.
    running: BTreeMap<String, String>,
    next_number: u64,
}

impl Book {
    /// A book that knows sessions of the time before.
    pub(super) fn with_history(history: &[RecordedSession]) -> Self {
        let mut book = Self::default();
        for past in history {
            let number = book.number();
            book.insert(Entry {
                id: past.id.clone(),
                number,
                evse: past.evse.clone(),
                started_at: past.arrival,
                ended_at: Some(past.departure),
                energy: past.energy.into(),
                measured: Vec::new(),
                car: None,
                updated_at: past.departure + TimeDelta::seconds(1),
                announced: false,
            });
        }
        book
    }

    /// A car was plugged in.
    pub(super) fn start(&mut self, evse: &str, car: Car, now: Time) -> String {
        let id = car.id.clone();
        let number = self.number();
        self.running.insert(evse.into(), id.clone());
        self.insert(Entry {
            id: id.clone(),
            number,
            evse: evse.into(),
            started_at: now,
            ended_at: None,
            energy: FineEnergy::ZERO,
            measured: Vec::new(),
            car: Some(car),
            updated_at: now,
            announced: false,
        });
        id
    }

    /// The car left: gives the ended session and its last span.
    pub(super) fn end(
        &mut self,
        evse: &str,
        energy: FineEnergy,
        now: Time,
    ) -> Option<(String, Option<Measured>)> {
        let id = self.running.remove(evse)?;
        let entry = self.entries.get_mut(&id)?;
        let measured = entry.read(now, energy);
        entry.ended_at = Some(now);
        Some((id, measured))
    }

    /// A session; ids are compared without regard to case.
    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id).or_else(|| {
            self.entries
                .values()
                .find(|e| e.id.eq_ignore_ascii_case(id))
        })
    }

    /// A session of exactly this id, to change it.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    /// The running sessions: EVSE and id.
    pub(super) fn running(&self) -> impl Iterator<Item = (&str, &str)> {
        self.running.iter().map(|(evse, id)| (&**evse, &**id))
    }

    /// The running session of an id.
    pub(super) fn running_session(&self, id: &str) -> Option<&Entry> {
        self.get(id).filter(|entry| entry.ended_at.is_none())
    }

    /// All sessions, oldest change first.
    pub(super) fn by_age(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.values().collect();
        entries.sort_by(|a, b| (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id)));
        entries
    }

    fn insert(&mut self, entry: Entry) {
        self.entries.insert(entry.id.clone(), entry);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
