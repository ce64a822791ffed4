//! How often a client may ask: fixed windows of a minute, bounded in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::problem::Problem;
use crate::domain::time::Time;

/// Most clients counted at a time; beyond it the counts of the minute start over.
const MAX_CLIENTS: usize = 10_000;

/// How often a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Requests per minute with one token.
    pub requests_per_minute: u32,
    /// Requests per minute and address with a token that is not known.
    pub failures_per_minute: u32,
}

impl Default for Rates {
    /// 100 requests per second with one token; a wrong token once a second.
    fn default() -> Self {
        Self {
            requests_per_minute: 6_000,
            failures_per_minute: 60,
        }
    }
}

#[derive(Debug, Default)]
struct Window {
    minute: i64,
    counts: HashMap<String, u32>,
}

impl Window {
    /// Counts one request; says how long to wait if it is one too many.
    fn count(&mut self, client: &str, most: u32, now: Time) -> Result<(), Problem> {
        let minute = now.timestamp().div_euclid(60);
        if self.minute != minute || self.counts.len() >= MAX_CLIENTS {
            self.minute = minute;
            self.counts.clear();
        }
        let count = self.counts.entry(client.to_owned()).or_default();
        *count = count.saturating_add(1);
        if *count > most {
            let left = 60 - now.timestamp().rem_euclid(60);
            return Err(Problem::too_many(u32::try_from(left).unwrap_or(60)));
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Throttle {
    rates: Rates,
    requests: Mutex<Window>,
    failures: Mutex<Window>,
}

impl Throttle {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            rates,
            ..Self::default()
        }
    }

    pub(super) fn request(&self, token: &str, now: Time) -> Result<(), Problem> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(token, self.rates.requests_per_minute, now)
    }

    pub(super) fn failure(&self, peer: &str, now: Time) -> Result<(), Problem> {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(peer, self.rates.failures_per_minute, now)
    }
}
