//! How often someone may try to connect: per address, and per identity after failures.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::TimeDelta;

use crate::domain::time::Time;

/// Failures of one identity within [`WINDOW_S`] until it is turned away unread.
const FAILURES: u32 = 5;
/// Attempts from one address within [`WINDOW_S`] until it is turned away unread. A depot's stations
/// come from one address, all at once after an outage.
const ATTEMPTS: u32 = 3_000;
/// What attempts are counted over, in seconds.
const WINDOW_S: i64 = 60;
/// Most identities and addresses that are counted; beyond, the oldest counts are dropped.
const MAX_COUNTED: usize = 50_000;

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Time,
    times: u32,
}

/// Attempts of late.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    failures: BTreeMap<String, Count>,
    addresses: BTreeMap<IpAddr, Count>,
}

impl Limiter {
    /// Counts an attempt; false if it comes too often. An address is counted always; an identity
    /// only by its failures from that address, so that nobody shuts another one out.
    pub(super) fn admits(&mut self, address: Option<IpAddr>, id: &str, now: Time) -> bool {
        if let Some(address) = address
            && count(&mut self.addresses, address, now) > ATTEMPTS
        {
            return false;
        }
        let key = failure_key(address, id);
        self.failures
            .get(&key)
            .is_none_or(|count| is_over(*count, now) || count.times < FAILURES)
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, address: Option<IpAddr>, id: &str, now: Time) {
        count(&mut self.failures, failure_key(address, id), now);
    }

    /// An identity was approved or given another password: what it failed at before does not count,
    /// from wherever it came.
    pub(super) fn forgive(&mut self, id: &str) {
        self.failures
            .retain(|key, _| key.split_once(' ').is_none_or(|(_, failed)| failed != id));
    }
}

fn failure_key(address: Option<IpAddr>, id: &str) -> String {
    let address = address.map(|address| address.to_string());
    let id: String = id.chars().take(64).collect();
    format!("{} {id}", address.unwrap_or_default())
}

fn is_over(count: Count, now: Time) -> bool {
    now - count.since > TimeDelta::seconds(WINDOW_S)
}

fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, Count>, key: K, now: Time) -> u32 {
    if counts.len() >= MAX_COUNTED {
        counts.retain(|_, count| !is_over(*count, now));
        if counts.len() >= MAX_COUNTED {
            counts.clear();
        }
    }
    let fresh = Count {
        since: now,
        times: 0,
    };
    let entry = counts.entry(key).or_insert(fresh);
    if is_over(*entry, now) {
        *entry = fresh;
    }
    entry.times = entry.times.saturating_add(1);
    entry.times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_enough_for_a_minute_and_hurt_nobody_else() {
        let now: Time = "2026-11-22T12:00:00Z".parse().expect("valid");
        let here = Some("192.0.2.1".parse().expect("an address"));
        let there = Some("192.0.2.2".parse().expect("an address"));
        let mut limiter = Limiter::default();
        for _ in 0..5 {
            assert!(limiter.admits(here, "CP1", now));
            limiter.failed(here, "CP1", now);
        }
        assert!(!limiter.admits(here, "CP1", now));
        assert!(limiter.admits(here, "CP2", now), "another identity");
        assert!(limiter.admits(there, "CP1", now), "the real one elsewhere");
        assert!(limiter.admits(here, "CP1", now + TimeDelta::seconds(61)));
    }

    #[test]
    fn who_is_approved_gets_in_at_its_next_try_however_often_it_tried_before() {
        let now: Time = "2026-11-22T12:00:00Z".parse().expect("valid");
        let here = Some("192.0.2.1".parse().expect("an address"));
        let mut limiter = Limiter::default();
        for id in ["CP1", "CP2"] {
            for _ in 0..5 {
                limiter.failed(here, id, now);
            }
        }
        limiter.forgive("CP1");
        assert!(limiter.admits(here, "CP1", now));
        assert!(!limiter.admits(here, "CP2", now), "nobody approved it");
    }
}
