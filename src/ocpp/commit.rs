//! From what happened at a station to events of sites and kept records: one write, then the answer.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::books::Entry;
use super::edge::Edge;
use super::known::{Known, transaction_prefix};
use super::station::Fact;
use crate::domain::event::{EventKind, OverrideAction};
use crate::domain::evse::EvseSource;
use crate::domain::id::{DepartureKey, EvseId, SessionId, SiteKey, StationId};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::session::{Needs, Reading, Session, SessionStatus};
use crate::domain::time::Time;

/// How long a driver's priority charging holds unless its end is heard of, in hours.
const PRIORITY_H: i64 = 24;
/// Highest EVSE number that is looked for when a station connects.
const MAX_EVSES: u32 = 64;

impl Edge {
    /// Makes durable what happened and gives it to the sites.
    pub(super) async fn commit(&self, known: &Known, facts: &[Fact]) -> Result<(), PortError> {
        let station = known.record().id;
        let now = self.now();
        let mut events: BTreeMap<SiteKey, Vec<EventKind>> = BTreeMap::new();
        let mut records = Vec::new();
        for fact in facts {
            match fact {
                Fact::Connected { booted } => {
                    for number in 1..=MAX_EVSES {
                        if let Some((site, evse)) = self.place(&station, number) {
                            let booted = *booted;
                            let event = EventKind::StationConnected { evse, booted };
                            events.entry(site).or_default().push(event);
                        }
                    }
                }
                Fact::Session { entry, reading } => {
                    records.push(self.record_of(&station, entry)?);
                    if let Some((site, evse)) = self.place(&station, entry.evse)
                        && let Some(session) = session(&station, evse, entry, *reading, now)
                    {
                        let session = Box::new(session);
                        let event = EventKind::SessionSeen { session };
                        events.entry(site).or_default().push(event);
                    }
                }
                Fact::Allows {
                    evse,
                    transaction,
                    profile,
                } => {
                    if let Some((site, evse)) = self.place(&station, *evse)
                        && let Some(session) = session_id(&station, transaction)
                    {
                        let event = EventKind::ProfileRead {
                            evse,
                            session,
                            profile: Some(profile.clone()),
                            command: None,
                        };
                        events.entry(site).or_default().push(event);
                    }
                }
                Fact::Limited {
                    evse,
                    limit,
                    source,
                } => {
                    let numbers = evse.map_or(1..=MAX_EVSES, |only| only..=only);
                    for (site, evse) in numbers.filter_map(|n| self.place(&station, n)) {
                        let event = EventKind::EvseLimited {
                            evse,
                            limit: *limit,
                            source: source.chars().take(20).collect(),
                        };
                        events.entry(site).or_default().push(event);
                    }
                }
                Fact::Priority { evse, is_on } => {
                    if let Some((site, evse)) = self.place(&station, *evse) {
                        let event = if *is_on {
                            EventKind::OverrideSet {
                                evse,
                                action: OverrideAction::ChargeNow,
                                until: now + TimeDelta::hours(PRIORITY_H),
                            }
                        } else {
                            EventKind::OverrideReleased { evse }
                        };
                        events.entry(site).or_default().push(event);
                    }
                }
                Fact::Forgotten(ids) => {
                    let prefix = transaction_prefix(&self.inner.tenant, &station);
                    records.extend(ids.iter().map(|id| RecordWrite {
                        key: format!("{prefix}{}", printable(id)),
                        value: None,
                    }));
                }
            }
        }
        // The records go with the first site's events; with none, alone.
        for (site, events) in events {
            let records = std::mem::take(&mut records);
            self.inner
                .ports
                .sites
                .submit(&site, events, records)
                .await?;
        }
        if !records.is_empty() {
            self.inner.ports.records.write(records).await?;
        }
        Ok(())
    }

    fn place(&self, station: &StationId, evse: u32) -> Option<(SiteKey, EvseId)> {
        let station = station.clone();
        let source = EvseSource::Ocpp { station, evse };
        self.inner.ports.sites.evse_at(&self.inner.tenant, &source)
    }

    fn record_of(&self, station: &StationId, entry: &Entry) -> Result<RecordWrite, PortError> {
        let value = serde_json::to_vec(entry)
            .map_err(|error| PortError::Storage(format!("a transaction: {error}")))?;
        let prefix = transaction_prefix(&self.inner.tenant, station);
        Ok(RecordWrite {
            key: format!("{prefix}{}", printable(&entry.id)),
            value: Some(value),
        })
    }
}

/// The session of a transaction, as sites know it.
fn session(
    station: &StationId,
    evse: EvseId,
    entry: &Entry,
    reading: Option<Reading>,
    now: Time,
) -> Option<Session> {
    let keys = entry
        .keys
        .iter()
        .filter_map(|key| DepartureKey::new(key).ok());
    Some(Session {
        id: session_id(station, &entry.id)?,
        native_id: entry.id.clone(),
        evse,
        status: match entry.ended_at {
            None => SessionStatus::Active,
            Some(_) => SessionStatus::Ended,
        },
        started_at: entry.started_at,
        ended_at: entry.ended_at,
        energy: entry.energy,
        reading,
        keys: keys.collect(),
        needs: Needs {
            departure: entry.departure,
            energy: entry.wanted,
            discharge_allowed: false,
        },
        updated_at: now,
    })
}

fn session_id(station: &StationId, transaction: &str) -> Option<SessionId> {
    SessionId::new(format!("{station}*{}", printable(transaction))).ok()
}

/// A transaction id as part of a key: a station may put anything into it.
fn printable(id: &str) -> String {
    id.chars()
        .take(64)
        .map(|c| {
            if c.is_ascii_graphic() && c != '/' {
                c
            } else {
                '_'
            }
        })
        .collect()
}
