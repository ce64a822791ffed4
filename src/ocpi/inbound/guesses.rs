//! How often an address may show tokens that are not ours: a fixed minute, bounded in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::Time;

/// Wrong tokens per address and minute; whoever shows a right one is not counted.
const MOST: u32 = 60;
/// Most addresses counted at a time; beyond it the counts of the minute start over.
const MAX_ADDRESSES: usize = 10_000;

/// The wrong tokens of this minute.
#[derive(Debug, Default)]
pub(in crate::ocpi) struct Guesses(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    minute: i64,
    counts: HashMap<Option<IpAddr>, u32>,
}

impl Guesses {
    /// Counts a wrong token; if it is one too many, says how many seconds to wait.
    pub(in crate::ocpi) fn count(&self, address: Option<IpAddr>, now: Time) -> Option<i64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.timestamp().div_euclid(60);
        if window.minute != minute || window.counts.len() >= MAX_ADDRESSES {
            window.minute = minute;
            window.counts.clear();
        }
        let count = window.counts.entry(address).or_default();
        *count = count.saturating_add(1);
        (*count > MOST).then(|| 60 - now.timestamp().rem_euclid(60))
    }
}
