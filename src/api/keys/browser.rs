//! Browser sessions: in memory only, so a restart asks people to sign in again.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::{Hash, hash, random_text};
use crate::domain::time::Time;

/// Most sessions; beyond it the one that was used longest ago ends.
const MAX_SESSIONS: usize = 1_000;
/// A session that is not used ends after this.
const IDLE: TimeDelta = TimeDelta::hours(12);
/// A session ends after this, used or not.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// Who signed in. What they may do is looked up at each use, so that a change holds at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum Identity {
    /// By a one-time code or the administrator's token.
    Administrator,
    /// By password.
    User(String),
    /// By a token, named by its id.
    Token(String),
}

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub(in crate::api) struct Browser {
    pub(super) identity: Identity,
    /// What its page sends along with each write.
    pub(in crate::api) csrf_token: String,
    signed_in_at: Time,
    used_at: Time,
}

impl Browser {
    fn is_valid(&self, now: Time) -> bool {
        now - self.used_at < IDLE && now - self.signed_in_at < LONGEST
    }
}

#[derive(Debug, Default)]
pub(super) struct Browsers {
    sessions: HashMap<Hash, Browser>,
}

impl Browsers {
    /// Signs a browser in; gives its cookie and the session.
    pub(super) fn sign_in(&mut self, identity: Identity, now: Time) -> (String, Browser) {
        self.sessions.retain(|_, session| session.is_valid(now));
        if self.sessions.len() >= MAX_SESSIONS {
            let oldest = self
                .sessions
                .iter()
                .min_by_key(|(hash, session)| (session.used_at, **hash))
                .map(|(hash, _)| *hash);
            oldest.map(|hash| self.sessions.remove(&hash));
        }
        let cookie = random_text();
        let session = Browser {
            identity,
            csrf_token: random_text(),
            signed_in_at: now,
            used_at: now,
        };
        self.sessions.insert(hash(&cookie), session.clone());
        (cookie, session)
    }

    pub(super) fn touch(&mut self, cookie: &Hash, now: Time) -> Option<Browser> {
        let session = self.sessions.get_mut(cookie)?;
        if !session.is_valid(now) {
            self.sessions.remove(cookie);
            return None;
        }
        session.used_at = session.used_at.max(now);
        Some(session.clone())
    }

    pub(super) fn sign_out(&mut self, cookie: &Hash) {
        self.sessions.remove(cookie);
    }

    /// Ends all sessions of somebody.
    pub(super) fn end(&mut self, identity: &Identity) {
        self.sessions
            .retain(|_, session| session.identity != *identity);
    }
}
