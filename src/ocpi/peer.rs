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
use tokio::sync::{Mutex as AsyncMutex, Semaphore, oneshot};

use super::breaker::{Breaker, Miss};
use super::deviations::DeviationBook;
use super::exchange::{Direction, ExchangeLog, LoggedExchange};
use super::object::ObjectName;
use super::partner::PartnerRecord;
use super::patience::asked_until;
use super::translate::session::stamped_ahead;
use crate::domain::ports::Clock;
use crate::domain::time::Time;

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
    /// The last time it pushed a session.
    pub last_push_at: Option<Time>,
    /// The last time a pull found news of a session that it should have pushed.
    pub last_unpushed_at: Option<Time>,
}

impl Health {
    /// True if its sessions are only as new as the last pull: what it should have pushed since it
    /// registered came by pulls, and nothing was pushed after that.
    pub fn is_pull_only(&self) -> bool {
        self.last_unpushed_at.is_some() && self.last_push_at < self.last_unpushed_at
    }
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
    /// Whether it is asked at all.
    pub(super) breaker: Breaker,
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
    /// Since when we hear it.
    began_at: Time,
    /// Requests to it under way.
    pub(super) slots: Semaphore,
    /// Held while it is probed: one probe serves all who wait for it.
    pub(super) probing: AsyncMutex<()>,
}

impl Peer {
    pub(super) fn new(
        record: PartnerRecord,
        max_in_flight: usize,
        clock: Arc<dyn Clock>,
        deviations: DeviationBook,
    ) -> Self {
        let began_at = clock.now();
        Self {
            record: RwLock::new(Arc::new(record)),
            live: Mutex::new(Live {
                deviations,
                ..Live::default()
            }),
            clock,
            began_at,
            slots: Semaphore::new(max_in_flight.max(1)),
            probing: AsyncMutex::default(),
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

    /// Remembers the party that owns a session, and which of its quantities cannot be meant as
    /// they are written.
    pub(super) fn note_session(&self, name: &ObjectName, wire: &Session) {
        let mut deviations = Deviations::new();
        deviations.extend(Units::of(wire).deviations);
        deviations.extend(stamped_ahead(wire, self.clock.now()));
        self.note_deviations(&deviations);

        let party = [&name.country_code, &name.party_id].map(|part| part.to_ascii_lowercase());
        let mut live = self.live();
        if live.parties.len() < MAX_PARTIES {
            live.parties.insert(party.into());
        }
    }

    /// A pull found news of a session. A partner that pushes would have told of it within a minute;
    /// what happened before it registered, or before we started, it could not tell.
    pub(super) fn note_pulled(&self, updated_at: Time) {
        const PUSHED_WITHIN: TimeDelta = TimeDelta::seconds(60);
        let now = self.clock.now();
        let registered_at = self.record().registered_at;
        let could_push_since = registered_at.max(Some(self.began_at)).unwrap_or(now);
        if updated_at > could_push_since && now - updated_at > PUSHED_WITHIN {
            self.live().health.last_unpushed_at = Some(now);
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
        if let Some(miss) = error.and_then(miss) {
            live.health.failures_in_row = live.health.failures_in_row.saturating_add(1);
            live.breaker.missed(path_of(&exchange.url), miss, now);
        } else {
            live.health.failures_in_row = 0;
            live.breaker.answered();
        }
        live.exchanges.push(LoggedExchange {
            at: began,
            direction: Direction::Outbound,
            duration_ms: (now - began).num_milliseconds(),
            exchange,
        });
    }
}

/// How a request was missed; `None` if the partner is there and talks to us, even if it says no.
pub(super) fn miss(error: &ocpi_client::Error) -> Option<Miss> {
    use ocpi_client::Error;
    match error {
        Error::Http { status, .. } if [401, 403].contains(status) => Some(Miss::Locked),
        Error::Http { status, .. } if (400..500).contains(status) && *status != 408 => None,
        Error::Ocpi { .. } => None,
        Error::Transport {
            kind: TransportKind::Connect,
            ..
        } => Some(Miss::NoConnection),
        _ => Some(Miss::NoAnswer),
    }
}

/// The address of an exchange without its query: what failed or not.
fn path_of(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
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
    fn a_no_to_one_request_is_an_answer_and_a_locked_door_or_silence_is_none() {
        let http = |status| ocpi_client::Error::Http {
            operation: "put",
            status,
            code: None,
            message: None,
        };
        let transport = |kind| ocpi_client::Error::Transport {
            operation: "put",
            kind,
            source: "slow".into(),
        };
        for no in [404, 405, 422, 429] {
            assert_eq!(miss(&http(no)), None, "{no}");
        }
        for locked in [401, 403] {
            assert_eq!(miss(&http(locked)), Some(Miss::Locked));
        }
        for silent in [http(408), http(500), transport(TransportKind::Deadline)] {
            assert_eq!(miss(&silent), Some(Miss::NoAnswer), "{silent}");
        }
        let unconnected = transport(TransportKind::Connect);
        assert_eq!(miss(&unconnected), Some(Miss::NoConnection));
    }

    #[test]
    fn pages_of_one_list_are_one_thing() {
        assert_eq!(path_of("https://x/sessions?offset=5"), "https://x/sessions");
    }
}
