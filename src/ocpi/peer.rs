//! A partner in memory: its record, and what need not survive a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ocpi_client::client::Exchange;
use ocpi_client::read::Deviations;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::exchange::{Direction, ExchangeLog, LoggedExchange};
use super::partner::PartnerRecord;
use crate::domain::time::Time;

/// Most requests under way to one partner.
const MAX_IN_FLIGHT: usize = 4;

/// Most kinds of deviation remembered per partner.
const MAX_DEVIATION_KINDS: usize = 200;

/// How a partner has been doing since we started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The last time it answered a request of ours properly.
    pub last_ok_at: Option<Time>,
    /// The last time it did not.
    pub last_error_at: Option<Time>,
    /// What was wrong then.
    pub last_error: Option<String>,
    /// Failures since the last success.
    pub failures_in_row: u32,
    /// The last time it called us.
    pub last_heard_at: Option<Time>,
    /// How many seconds its clock is ahead of ours, from its `Date` header.
    pub clock_skew_s: Option<i64>,
    /// The last pull that read everything.
    pub last_full_pull_at: Option<Time>,
}

/// A way in which a partner differs from the specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenDeviation {
    /// Stable id, such as `datetime.offset`.
    pub id: String,
    /// How often it was seen since we started.
    pub count: u64,
    /// Where it was seen last: JSON path or header.
    pub path: String,
    /// Section of the specification.
    pub section: String,
    /// What was found there.
    pub detail: String,
    /// What the partner should change.
    pub advice: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) health: Health,
    pub(super) exchanges: ExchangeLog,
    pub(super) deviations: BTreeMap<String, SeenDeviation>,
}

/// A partner in memory.
#[derive(Debug)]
pub(super) struct Peer {
    record: RwLock<Arc<PartnerRecord>>,
    live: Mutex<Live>,
    /// Requests to it under way.
    pub(super) slots: Semaphore,
}

impl Peer {
    pub(super) fn new(record: PartnerRecord) -> Self {
        Self {
            record: RwLock::new(Arc::new(record)),
            live: Mutex::default(),
            slots: Semaphore::new(MAX_IN_FLIGHT),
        }
    }

    /// The record as it is now.
    pub(super) fn record(&self) -> Arc<PartnerRecord> {
        self.record
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the record; it is durable already.
    pub(super) fn set(&self, record: PartnerRecord) {
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(record);
    }

    /// What need not survive. Never held across an await.
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what was tolerated.
    pub(super) fn note_deviations(&self, deviations: &Deviations) {
        if deviations.is_empty() {
            return;
        }
        let mut live = self.live();
        for deviation in deviations {
            let is_new = !live.deviations.contains_key(&*deviation.id);
            if is_new && live.deviations.len() >= MAX_DEVIATION_KINDS {
                continue;
            }
            let seen = live
                .deviations
                .entry(deviation.id.to_string())
                .or_insert_with(|| SeenDeviation {
                    id: deviation.id.to_string(),
                    count: 0,
                    path: String::new(),
                    section: deviation.section.to_string(),
                    detail: String::new(),
                    advice: deviation.advice().map(str::to_owned),
                });
            seen.count = seen.count.saturating_add(1);
            seen.path.clone_from(&deviation.path);
            seen.detail.clone_from(&deviation.detail);
        }
    }

    /// Books an exchange that we began.
    pub(super) fn note_call(
        &self,
        began: Time,
        now: Time,
        exchange: Exchange,
        error: Option<&ocpi_client::Error>,
    ) {
        let mut live = self.live();
        if let Some(skew) = clock_skew_s(&exchange, now) {
            live.health.clock_skew_s = Some(skew);
        }
        match error {
            None => {
                live.health.last_ok_at = Some(now);
                live.health.failures_in_row = 0;
            }
            Some(error) => {
                live.health.last_error_at = Some(now);
                live.health.last_error = Some(error.to_string());
                live.health.failures_in_row = live.health.failures_in_row.saturating_add(1);
            }
        }
        live.exchanges.push(LoggedExchange {
            at: began,
            direction: Direction::Outbound,
            duration_ms: (now - began).num_milliseconds(),
            exchange,
        });
    }
}

/// How far the answer's `Date` is ahead of our clock, in whole seconds.
fn clock_skew_s(exchange: &Exchange, now: Time) -> Option<i64> {
    let (_, date) = exchange
        .response
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    let date = chrono::DateTime::parse_from_rfc2822(date).ok()?;
    Some((date.to_utc() - now).num_seconds())
}
