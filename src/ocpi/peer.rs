//! A partner in memory: its record, and what need not survive a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chrono::TimeDelta;
use ocpi_client::client::Exchange;
use ocpi_client::error::TransportKind;
use ocpi_client::headers::Party;
use ocpi_client::plausibility::Units;
use ocpi_client::read::Deviations;
use ocpi_client::types::Session;
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};

use super::deviations::DeviationBook;
use super::exchange::{Direction, ExchangeLog, LoggedExchange};
use super::object::ObjectName;
use super::partner::PartnerRecord;
use super::patience::asked_until;
use crate::domain::ports::Clock;
use crate::domain::time::Time;

/// First pause after three failures in a row without an answer; it doubles with each further one.
const FIRST_PAUSE_S: i64 = 2;

/// Longest pause of requests about profiles to a partner that does not answer, and the pause for
/// one that does not let us in: 5 minutes.
const LONGEST_PAUSE_S: i64 = 300;

/// Most parties behind one partner that are remembered.
const MAX_PARTIES: usize = 1000;

/// How a partner has been doing since we started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The last time it answered a request of ours properly.
    pub last_ok_at: Option<Time>,
    /// The last time it did not.
    pub last_error_at: Option<Time>,
    /// What was wrong then.
    pub last_error: Option<String>,
    /// Failures since it last answered; a no to one request is an answer.
    pub failures_in_row: u32,
    /// The last time it called us.
    pub last_heard_at: Option<Time>,
    /// How many seconds its clock is ahead of ours, from its `Date` header.
    pub clock_skew_s: Option<i64>,
    /// The last pull that read everything.
    pub last_full_pull_at: Option<Time>,
}

#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) health: Health,
    pub(super) exchanges: ExchangeLog,
    pub(super) deviations: DeviationBook,
    /// Trials of the way back that are under way: the id of the URL, and who waits.
    pub(super) trials: BTreeMap<String, oneshot::Sender<()>>,
    /// The parties that own its sessions: country code and party id in lower case. Behind hubs and
    /// eMSPs they are not among its roles.
    parties: BTreeSet<(String, String)>,
    /// The last pull since we started worked: what its sites are told.
    pub(super) is_current: bool,
    /// Until then nothing but pulls is asked of it.
    paused_until: Option<Time>,
    /// It let a request wait until its deadline: perhaps since it was still busy with the one before
    /// on the same connection. Connections are not used twice from then on.
    pub(super) holds_connections: bool,
    /// Until then it wants to be left alone.
    pub(super) asked_until: Option<Time>,
}

/// A partner in memory.
#[derive(Debug)]
pub(super) struct Peer {
    record: RwLock<Arc<PartnerRecord>>,
    live: Mutex<Live>,
    clock: Arc<dyn Clock>,
    /// Requests to it under way.
    pub(super) slots: Semaphore,
}

impl Peer {
    pub(super) fn new(
        record: PartnerRecord,
        max_in_flight: usize,
        clock: Arc<dyn Clock>,
        deviations: DeviationBook,
    ) -> Self {
        Self {
            record: RwLock::new(Arc::new(record)),
            live: Mutex::new(Live {
                deviations,
                ..Live::default()
            }),
            clock,
            slots: Semaphore::new(max_in_flight.max(1)),
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

    /// Why nothing is asked of it now, if so: it did not answer, or did not let us in, and every
    /// further request would only wait or annoy. A pull that works ends the pause.
    pub(super) fn pause(&self, now: Time) -> Option<String> {
        let live = self.live();
        let until = live.paused_until.filter(|until| now < *until)?;
        let last = live.health.last_error.as_deref().unwrap_or_default();
        Some(format!("paused until {until:?} after: {last}"))
    }

    /// Remembers the party that owns a session, and which of its quantities cannot be meant as
    /// they are written.
    pub(super) fn note_session(&self, name: &ObjectName, wire: &Session) {
        let mut deviations = Deviations::new();
        deviations.extend(Units::of(wire).deviations);
        self.note_deviations(&deviations);

        let party = [&name.country_code, &name.party_id].map(|part| part.to_ascii_lowercase());
        let mut live = self.live();
        if live.parties.len() < MAX_PARTIES {
            live.parties.insert(party.into());
        }
    }

    /// The parties that own its sessions.
    pub(super) fn parties(&self) -> Vec<Party> {
        let live = self.live();
        live.parties
            .iter()
            .map(|(country, party)| Party::new(country.as_str(), party.as_str()))
            .collect()
    }

    /// Remembers what was tolerated.
    pub(super) fn note_deviations(&self, deviations: &Deviations) {
        if deviations.is_empty() {
            return;
        }
        let now = self.clock.now();
        self.live().deviations.note(deviations, now);
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
        live.holds_connections |= error.is_some_and(is_deadline);
        live.asked_until = asked_until(&exchange, now).or(live.asked_until);
        if let Some(error) = error {
            live.health.last_error_at = Some(now);
            live.health.last_error = Some(error.to_string());
        } else {
            live.health.last_ok_at = Some(now);
        }
        if let Some(error) = error.filter(|error| !is_answer(error)) {
            live.health.failures_in_row = live.health.failures_in_row.saturating_add(1);
            let pause_s = pause_s(error, live.health.failures_in_row);
            live.paused_until = pause_s.map(|seconds| now + TimeDelta::seconds(seconds));
        } else {
            live.health.failures_in_row = 0;
            live.paused_until = None;
        }
        live.exchanges.push(LoggedExchange {
            at: began,
            direction: Direction::Outbound,
            duration_ms: (now - began).num_milliseconds(),
            exchange,
        });
    }
}

/// Whether the partner is there and talks to us, even if it says no to this request.
fn is_answer(error: &ocpi_client::Error) -> bool {
    match error {
        ocpi_client::Error::Http { status, .. } => {
            (400..500).contains(status) && ![401, 403, 408].contains(status)
        }
        ocpi_client::Error::Ocpi { .. } => true,
        _ => false,
    }
}

/// Whether no answer came in time.
fn is_deadline(error: &ocpi_client::Error) -> bool {
    matches!(
        error,
        ocpi_client::Error::Transport {
            kind: TransportKind::Deadline,
            ..
        }
    )
}

/// How long to leave a partner alone that does not answer, or does not let us in.
fn pause_s(error: &ocpi_client::Error, failures_in_row: u32) -> Option<i64> {
    if matches!(error.http_status(), Some(401 | 403)) {
        return Some(LONGEST_PAUSE_S);
    }
    let beyond = failures_in_row.checked_sub(3)?.min(10);
    Some((FIRST_PAUSE_S << beyond).min(LONGEST_PAUSE_S))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_pauses_after_three_failures_and_a_locked_door_at_once() {
        let http = |status| ocpi_client::Error::Http {
            operation: "put",
            status,
            code: None,
            message: None,
        };
        let silent = ocpi_client::Error::Transport {
            operation: "put",
            kind: TransportKind::Deadline,
            source: "slow".into(),
        };
        let pauses: Vec<_> = (1..=20).map(|row| pause_s(&silent, row)).collect();
        assert_eq!(pauses[..5], [None, None, Some(2), Some(4), Some(8)]);
        assert_eq!(pauses[19], Some(300));
        assert_eq!(pause_s(&http(401), 1), Some(300));
        assert!(is_answer(&http(404)) && is_answer(&http(429)));
        assert!(!is_answer(&http(500)) && !is_answer(&http(401)) && !is_answer(&silent));
    }
}
