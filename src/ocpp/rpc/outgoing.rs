//! What waits to be sent to one station: bounded, by priority, the newest of a kind only.

use std::collections::VecDeque;

use serde_json::Value;

/// Most calls that wait for one station; beyond, the least important is given back unsent.
pub const MAX_WAITING: usize = 64;

/// Our number of a call, to find its answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// In which order calls leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Takes power away, or installs what holds when we are silent.
    Safety,
    /// Other limits.
    Limit,
    /// What an operator asked for.
    Operator,
    /// Reading and setting up.
    Ordinary,
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Our number of it.
    pub ticket: Ticket,
    /// The action.
    pub action: String,
    /// Its payload.
    pub payload: Value,
    /// When it leaves.
    pub priority: Priority,
    /// Of waiting calls with one key only the newest stays, such as the profiles of one scope.
    pub key: Option<String>,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Call>,
}

impl Outgoing {
    /// Puts a call in; gives back those that will not be sent any more.
    pub(super) fn push(&mut self, call: Call) -> Vec<Ticket> {
        let mut dropped = Vec::new();
        if call.key.is_some()
            && let Some(index) = self.waiting.iter().position(|w| w.key == call.key)
        {
            dropped.extend(self.waiting.remove(index).map(|old| old.ticket));
        }
        // Behind all of at least its own importance.
        let place = self
            .waiting
            .partition_point(|waiting| waiting.priority <= call.priority);
        self.waiting.insert(place, call);
        if self.waiting.len() > MAX_WAITING {
            dropped.extend(self.waiting.pop_back().map(|last| last.ticket));
        }
        dropped
    }

    pub(super) fn pop(&mut self) -> Option<Call> {
        self.waiting.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Everything that waits, given back unsent.
    pub(super) fn drain(&mut self) -> Vec<Ticket> {
        self.waiting.drain(..).map(|call| call.ticket).collect()
    }
}
