//! One partner's outbox: what waits, what is under way, and how fast it goes.

use std::collections::{BTreeSet, VecDeque};

use chrono::TimeDelta;

use crate::domain::command::{Action, Command};
use crate::domain::id::{EvseId, SiteKey};
use crate::domain::time::Time;

/// Most requests under way at one partner.
pub const MAX_IN_FLIGHT: usize = 4;
/// Most commands that wait for one partner; the oldest raise is dropped beyond (and answered as
/// not sent, so that dispatch makes a fresh one later).
pub const MAX_WAITING: usize = 10_000;
/// First pause after a partner said "too often"; it doubles up to [`LONGEST_PAUSE_S`].
const FIRST_PAUSE_S: i64 = 1;
/// Longest pause after "too often" or failed connections: 5 minutes.
const LONGEST_PAUSE_S: i64 = 300;

/// A command on its way to a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The site it belongs to.
    pub site: SiteKey,
    /// The command.
    pub command: Command,
    /// It lowers (or reads): it goes before every raise of all sites of the partner.
    pub lowers: bool,
}

/// How a request went, for the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The partner answered.
    Fine,
    /// The partner asked for patience; perhaps for this many seconds.
    TooOften(Option<u32>),
    /// It could not be reached or did not answer.
    Failed,
}

/// One partner's outbox. Lowerings go before raisings across all its sites.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    lowerings: VecDeque<Parcel>,
    raisings: VecDeque<Parcel>,
    in_flight: BTreeSet<(SiteKey, EvseId)>,
    paused_until: Option<Time>,
    pauses: u32,
}

impl Outbox {
    /// Puts a command in. A waiting command for the same EVSE is superseded; it and what had to
    /// be dropped are given back to be answered as not sent.
    pub fn push(&mut self, parcel: Parcel) -> Vec<Parcel> {
        let mut dropped = Vec::new();
        let same = |waiting: &Parcel| {
            waiting.site == parcel.site
                && waiting.command.evse == parcel.command.evse
                && is_read(&waiting.command) == is_read(&parcel.command)
        };
        for queue in [&mut self.lowerings, &mut self.raisings] {
            if let Some(index) = queue.iter().position(same) {
                dropped.extend(queue.remove(index));
            }
        }
        if parcel.lowers {
            self.lowerings.push_back(parcel);
        } else {
            self.raisings.push_back(parcel);
        }
        if self.lowerings.len() + self.raisings.len() > MAX_WAITING {
            dropped.extend(
                self.raisings
                    .pop_front()
                    .or_else(|| self.lowerings.pop_back()),
            );
        }
        dropped
    }

    /// The next command that may go now; it counts as under way until [`Outbox::done`].
    pub fn next(&mut self, now: Time) -> Option<Parcel> {
        if self.in_flight.len() >= MAX_IN_FLIGHT
            || self.paused_until.is_some_and(|until| now < until)
        {
            return None;
        }
        let busy = &self.in_flight;
        let free =
            |parcel: &Parcel| !busy.contains(&(parcel.site.clone(), parcel.command.evse.clone()));
        let parcel = match self.lowerings.iter().position(free) {
            Some(index) => self.lowerings.remove(index),
            None => self
                .raisings
                .iter()
                .position(free)
                .and_then(|index| self.raisings.remove(index)),
        }?;
        self.in_flight
            .insert((parcel.site.clone(), parcel.command.evse.clone()));
        Some(parcel)
    }

    /// A request under way came to its end.
    pub fn done(&mut self, site: &SiteKey, evse: &EvseId, outcome: Outcome, now: Time) {
        self.in_flight.remove(&(site.clone(), evse.clone()));
        let asked = match outcome {
            Outcome::Fine => {
                self.pauses = 0;
                self.paused_until = None;
                return;
            }
            Outcome::TooOften(asked) => asked.map_or(0, i64::from),
            Outcome::Failed => 0,
        };
        let own = (FIRST_PAUSE_S << i64::from(self.pauses.min(9))).min(LONGEST_PAUSE_S);
        self.pauses = self.pauses.saturating_add(1);
        // What the partner asks for is obeyed up to 15 minutes.
        self.paused_until = Some(now + TimeDelta::seconds(own.max(asked.min(900))));
    }

    /// When a pause ends, if something waits for it.
    pub fn wake_at(&self) -> Option<Time> {
        self.paused_until
            .filter(|_| !self.lowerings.is_empty() || !self.raisings.is_empty())
    }

    /// Number of commands waiting.
    pub fn waiting(&self) -> usize {
        self.lowerings.len() + self.raisings.len()
    }

    /// True if nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight.is_empty()
    }
}

fn is_read(command: &Command) -> bool {
    matches!(command.action, Action::ReadProfile)
}
