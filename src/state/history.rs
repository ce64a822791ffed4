//! Sessions that are over, kept for what they say about those to come.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::domain::id::SessionId;
use crate::domain::session::PastSession;

/// Most past sessions kept per site: some weeks of a large depot.
pub const MAX_PAST_SESSIONS: usize = 5_000;

/// Past sessions, oldest first by the time they were learned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    sessions: VecDeque<PastSession>,
    known: BTreeSet<SessionId>,
}

impl History {
    /// Learns a session once; the oldest is forgotten beyond [`MAX_PAST_SESSIONS`].
    pub(super) fn learn(&mut self, session: PastSession) {
        if session.ended_at <= session.started_at || !self.known.insert(session.id.clone()) {
            return;
        }
        self.sessions.push_back(session);
        if self.sessions.len() > MAX_PAST_SESSIONS
            && let Some(oldest) = self.sessions.pop_front()
        {
            self.known.remove(&oldest.id);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PastSession> {
        self.sessions.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}
