//! Who may connect: limits before anything is read, passwords, and the list of the unknown.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use serde::Serialize;

use super::{Edge, EdgeError};
use crate::domain::id::StationId;
use crate::domain::ports::PortError;
use crate::domain::time::Time;
use crate::ocpp::known::Known;
use crate::ocpp::password::{self, Shortcut};

/// Most unknown stations that are listed; the one heard of longest ago goes first.
pub const MAX_LISTED: usize = 500;

/// An unknown station that tried to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The identity it gave.
    pub id: String,
    /// From where it tried last.
    pub from: Option<IpAddr>,
    /// The sub-protocols it offered.
    pub protocols: String,
    /// When it was heard of first.
    pub first_seen_at: Time,
    /// When it was heard of last.
    pub last_seen_at: Time,
    /// How often.
    pub attempts: u64,
}

/// What a peer shows before it is let in.
#[derive(Clone, Debug, Default)]
pub(in crate::ocpp) struct Shown {
    /// Who it says it is, by its path.
    pub id: String,
    /// From where.
    pub from: Option<IpAddr>,
    /// User and password.
    pub basic: Option<(String, Vec<u8>)>,
    /// It came over TLS to ourselves.
    pub is_secure: bool,
    /// The names in its certificate.
    pub certificate: Vec<String>,
    /// The sub-protocols it offers.
    pub protocols: String,
}

impl Shown {
    /// A certificate names it.
    fn is_certified(&self) -> bool {
        self.is_secure && self.certificate.contains(&self.id)
    }
}

impl Edge {
    /// Counts an attempt to connect; false if they come too often.
    pub(in crate::ocpp) fn admits(&self, from: Option<IpAddr>, id: &str) -> bool {
        let now = self.now();
        let mut limiter = self
            .inner
            .limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        limiter.admits(from, id, now)
    }

    /// A station was set up: how often it was turned away before does not hold it back.
    pub(super) fn forgive(&self, id: &str) {
        self.inner
            .limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forgive(id);
    }

    /// Whether what a peer shows proves that it is the station of this identity. An unknown identity
    /// takes the same path and the same time; it is listed for approval.
    pub(in crate::ocpp) async fn authenticate(&self, shown: &Shown) -> Option<Arc<Known>> {
        let id = shown.id.as_str();
        let known = StationId::new(id).ok().and_then(|id| self.known(&id));
        let right = if let Some(known) = &known {
            self.is_it(known, shown).await
        } else {
            let password = shown.basic.as_ref().map(|(_, password)| password.clone());
            let nobody = self.inner.nobody.clone();
            self.verify(nobody, password.unwrap_or_default()).await;
            false
        };
        if right {
            return known;
        }
        let now = self.now();
        self.inner
            .limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed(shown.from, id, now);
        if known.is_none() && is_identity(id) {
            self.list_unknown(shown, now);
        }
        None
    }

    async fn is_it(&self, known: &Known, shown: &Shown) -> bool {
        let record = known.record();
        if record.least_profile() >= 3 {
            return shown.is_certified();
        }
        let Some(hash) = record.password_hash else {
            return true;
        };
        let Some((user, password)) = &shown.basic else {
            // As long as for a wrong one.
            self.verify(self.inner.nobody.clone(), Vec::new()).await;
            return false;
        };
        if *user != shown.id {
            self.verify(self.inner.nobody.clone(), password.clone())
                .await;
            return false;
        }
        let digest = self.inner.shortcut.digest(&hash, password);
        let verified = known.memory().verified;
        if verified.is_some_and(|verified| Shortcut::same(&verified, &digest)) {
            return true;
        }
        if self.verify(hash, password.clone()).await {
            known.memory().verified = Some(digest);
            return true;
        }
        let Some(next) = record.next_password_hash else {
            return false;
        };
        let digest = self.inner.shortcut.digest(&next, password);
        if !self.verify(next, password.clone()).await {
            return false;
        }
        match self.password_shown(known).await {
            Ok(()) => {
                known.memory().verified = Some(digest);
                true
            }
            // The disk takes nothing: old and new stay right.
            Err(error) => {
                tracing::warn!(%error, "a changed password could not be kept");
                true
            }
        }
    }

    /// Whether a station may come the way it does. It may never come with less than it has come
    /// with before. What it came with is kept.
    pub(in crate::ocpp) async fn may_come(&self, known: &Known, shown: &Shown) -> bool {
        let record = known.record();
        let profile = match (shown.is_secure, shown.is_certified()) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) => 1,
        };
        // This machine itself is trusted as if there were TLS, until there was.
        let is_here = shown.from.is_some_and(|ip| ip.is_loopback()) && record.shown_profile < 2;
        let is_enough = profile >= record.least_profile() || (is_here && profile == 1);
        if !is_enough {
            return false;
        }
        if profile >= 2 && profile > record.shown_profile {
            let kept = self
                .amend(known, |record| record.shown_profile = profile)
                .await;
            if let Err(error) = kept {
                tracing::warn!(%error, "a station's security profile could not be kept");
            }
        }
        true
    }

    async fn verify(&self, hash: String, shown: Vec<u8>) -> bool {
        // The semaphore is never closed.
        let _slot = self.inner.hashing.acquire().await;
        tokio::task::spawn_blocking(move || password::is(&hash, &shown))
            .await
            .unwrap_or(false)
    }

    pub(super) async fn hashed(&self, password: String) -> Result<String, EdgeError> {
        let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
        let hashed = hashed.map_err(|error| PortError::Storage(error.to_string()))?;
        Ok(hashed.map_err(PortError::Storage)?)
    }

    fn list_unknown(&self, shown: &Shown, now: Time) {
        let id = shown.id.as_str();
        let mut waiting = self.waiting();
        if !waiting.contains_key(id) && waiting.len() >= MAX_LISTED {
            let oldest = waiting.values().min_by_key(|w| w.last_seen_at);
            if let Some(id) = oldest.map(|w| w.id.clone()) {
                waiting.remove(&id);
            }
        }
        let entry = waiting.entry(id.to_owned()).or_insert_with(|| Waiting {
            id: id.to_owned(),
            from: shown.from,
            protocols: String::new(),
            first_seen_at: now,
            last_seen_at: now,
            attempts: 0,
        });
        entry.from = shown.from;
        entry.protocols = shown.protocols.chars().take(100).collect();
        entry.last_seen_at = now;
        entry.attempts += 1;
    }

    pub(super) fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.inner
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text can be a station's identity. Source: OCPP 2.1 `identifierString`, 48 characters;
/// without `:`, which ends the user's name in Basic.
pub(super) fn is_identity(id: &str) -> bool {
    (1..=48).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"*-_=+|@.".contains(&byte))
}
