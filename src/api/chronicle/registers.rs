//! Energy registers of the EVSEs over time: what is needed to say how much was drawn between any two
//! instants. Points are kept for two days; between two points energy counts as drawn evenly.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;

use crate::domain::dispatch::{Measured, Quality};
use crate::domain::event::{Event, EventKind};
use crate::domain::id::{EvseId, SessionId};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{Reading, Session, SessionStatus};
use crate::domain::time::Time;

/// Points of one EVSE: two days of one each 90 seconds.
const MAX_POINTS: usize = 2_000;
/// Points nearer than this to the one before replace it.
const GRAIN: TimeDelta = TimeDelta::seconds(20);

/// All energy of an EVSE up to an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    at: Time,
    total: Energy,
    /// A session runs from here on.
    runs: bool,
    /// From an energy register, not summed up from powers.
    is_register: bool,
}

#[derive(Clone, Debug, Default)]
struct Register {
    points: VecDeque<Point>,
    session: Option<SessionId>,
    /// The session's own register at the last point.
    session_energy: Energy,
    last_power: Power,
}

/// The registers of all EVSEs of a site.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Registers {
    evses: BTreeMap<EvseId, Register>,
}

impl Registers {
    /// Takes in an event.
    pub(super) fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::SessionSeen { session } => self.session(session, event.at),
            EventKind::EvseMeasured {
                evse,
                reading,
                energy,
            } => {
                let register = self.evses.entry(evse.clone()).or_default();
                if register.session.is_some() {
                    register.measured(*reading, *energy, event.at);
                }
            }
            _ => {}
        }
    }

    fn session(&mut self, session: &Session, now: Time) {
        let register = self.evses.entry(session.evse.clone()).or_default();
        let ended = session.status == SessionStatus::Ended;
        let at = session.updated_at.min(now);
        if register.session.as_ref() != Some(&session.id) {
            if ended {
                // An old one told again, or one of which only the end is seen.
                return;
            }
            register.begin(session, at);
        }
        let at = session.ended_at.filter(|_| ended).unwrap_or(at);
        register.register(at, session.energy, !ended);
        if let Some(reading) = session.reading {
            register.last_power = reading.power;
        }
        if ended {
            register.session = None;
            register.session_energy = Energy::ZERO;
            register.last_power = Power::ZERO;
        }
    }

    /// The energy of all EVSEs in `[from, to)`. A register that was not read for longer than `patience`
    /// around a border is an estimate.
    pub(in crate::api) fn between(&self, from: Time, to: Time, patience: TimeDelta) -> Measured {
        self.of(&|_| true, from, to, patience)
    }

    /// The same of the EVSEs that count.
    pub(super) fn of(
        &self,
        counts: &dyn Fn(&EvseId) -> bool,
        from: Time,
        to: Time,
        patience: TimeDelta,
    ) -> Measured {
        let mut sum = Measured {
            energy: Energy::ZERO,
            quality: Quality::Ok,
        };
        let counted = self.evses.iter().filter(|(evse, _)| counts(evse));
        for (_, register) in counted {
            let part = register.between(from, to, patience);
            sum.energy += part.energy;
            sum.quality = sum.quality.max(part.quality);
        }
        sum
    }

    /// True if every running session was read at `at` or later.
    pub(in crate::api) fn reach(&self, at: Time) -> bool {
        self.evses.values().all(|register| {
            let last = register.points.back();
            last.is_none_or(|last| !last.runs || last.at >= at)
        })
    }
}

impl Register {
    fn begin(&mut self, session: &Session, at: Time) {
        if let Some(last) = self.points.back_mut() {
            // One that nobody ended was over when the next began.
            last.runs = false;
        }
        let start = session.started_at.min(at);
        self.push(start, self.total(), true, true);
        self.session = Some(session.id.clone());
        self.session_energy = Energy::ZERO;
        self.last_power = Power::ZERO;
    }

    fn total(&self) -> Energy {
        self.points.back().map_or(Energy::ZERO, |last| last.total)
    }

    fn register(&mut self, at: Time, energy: Energy, runs: bool) {
        let gained = energy.saturating_minus(self.session_energy);
        self.session_energy = self.session_energy.max(energy);
        self.push(at, self.total() + gained, runs, true);
    }

    fn measured(&mut self, reading: Reading, energy: Option<Energy>, now: Time) {
        let at = reading.at.min(now);
        if let Some(energy) = energy {
            self.register(at, energy, true);
        } else if let Some(last) = self.points.back().copied() {
            // Without a register: what was drawn goes on until the next reading.
            let gained = self.last_power.over((at - last.at).max(TimeDelta::zero()));
            self.session_energy += gained;
            self.push(at, last.total + gained, true, false);
        }
        self.last_power = reading.power;
    }

    fn push(&mut self, at: Time, total: Energy, runs: bool, is_register: bool) {
        let point = Point {
            at,
            total,
            runs,
            is_register,
        };
        let count = self.points.len();
        if let Some(last) = self.points.back_mut() {
            if at <= last.at {
                // Nothing is older than what is known; the register itself only grows.
                last.total = last.total.max(total);
                last.runs = runs;
                return;
            }
            let before = count.checked_sub(2).map(|index| self.points[index]);
            let last = self.points[count - 1];
            let is_dense =
                before.is_some_and(|before| before.runs && last.runs && at - before.at < GRAIN);
            if is_dense {
                self.points.pop_back();
            }
        }
        if self.points.len() >= MAX_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// The register at an instant and how well it is known; `None` before the first point.
    fn at(&self, at: Time, patience: TimeDelta) -> Option<(Energy, Quality)> {
        let index = self.points.partition_point(|point| point.at <= at);
        let before = self.points.get(index.checked_sub(1)?)?;
        if !before.runs || before.at == at {
            return Some((before.total, Quality::Ok));
        }
        let Some(after) = self.points.get(index) else {
            // It was not read since: the last power goes on.
            let since = (at - before.at).min(patience);
            return Some((
                before.total + self.last_power.over(since),
                Quality::Estimated,
            ));
        };
        let (gone, all) = (at - before.at, after.at - before.at);
        let share = (after.total - before.total).joules();
        let ms = i128::from(all.num_milliseconds().max(1));
        let part = i128::from(share) * i128::from(gone.num_milliseconds()) / ms;
        let energy = before.total + Energy::from_joules(i64::try_from(part).unwrap_or(0));
        let is_known = all <= patience && before.is_register && after.is_register;
        let quality = if is_known {
            Quality::Ok
        } else {
            Quality::Estimated
        };
        Some((energy, quality))
    }

    fn between(&self, from: Time, to: Time, patience: TimeDelta) -> Measured {
        let nothing = Measured {
            energy: Energy::ZERO,
            quality: Quality::Ok,
        };
        let Some((end, at_end)) = self.at(to, patience) else {
            return nothing;
        };
        let first = self.points.front().map(|point| point.at);
        let (start, at_start) = self.at(from, patience).unwrap_or_else(|| {
            // The first session that is known began within the window, or before what is kept.
            (
                self.points
                    .front()
                    .map_or(Energy::ZERO, |point| point.total),
                Quality::Ok,
            )
        });
        let unread = first.is_none_or(|first| first >= to);
        let quality = if unread {
            Quality::Ok
        } else {
            at_start.max(at_end).max(self.gap(from, to, patience))
        };
        Measured {
            energy: end.saturating_minus(start),
            quality,
        }
    }

    /// A session that ran through the whole window without a single reading is missing.
    fn gap(&self, from: Time, to: Time, patience: TimeDelta) -> Quality {
        let last = self.points.back();
        let silent =
            last.is_some_and(|last| last.runs && last.at + patience < to && last.at < from);
        if silent {
            Quality::Missing
        } else {
            Quality::Ok
        }
    }
}
