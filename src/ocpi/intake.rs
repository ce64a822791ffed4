//! A partner's session on its way in, pushed or pulled: kept as it came, and given to its site.

use std::collections::BTreeSet;

use ocpi_client::headers::Party;
use ocpi_client::types::{CredentialsRole, Session as Wire};
use serde_json::Value;

use super::edge::Edge;
use super::object::{Kept, ObjectName, SessionNotes, StoredObject};
use super::peer::Peer;
use super::translate::session::{self, Context};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerId, SiteId, SiteKey};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::session::{Session, SessionStatus};
use crate::domain::time::Time;

/// A session as it will be kept, and what its site is told.
#[derive(Debug)]
pub(super) struct Taken {
    /// What other EVSEs are told: that it is not there any more.
    pub(super) left: Option<(SiteKey, EventKind)>,
    /// Its site with what that is told; `None` where no site has its EVSE.
    pub(super) given: Option<(SiteKey, Vec<EventKind>)>,
    /// How it is kept.
    pub(super) record: RecordWrite,
}

/// A session with its name and place, before it is taken in.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) partner: &'a PartnerId,
    pub(super) name: &'a ObjectName,
    /// As the partner sent it, patches worked in.
    pub(super) body: Value,
    /// The same, read.
    pub(super) wire: &'a Wire,
    /// Whether it says anew what was measured.
    pub(super) is_measured: bool,
    /// Whether what is over is told as history too.
    pub(super) with_history: bool,
}

impl Edge {
    /// Reads what is kept of a session.
    pub(super) async fn stored_session(
        &self,
        key: &str,
    ) -> Result<Option<StoredObject>, PortError> {
        let bytes = self.inner.ports.records.get(key).await?;
        Ok(bytes.and_then(|bytes| StoredObject::from_bytes(&bytes)))
    }

    /// The key under which a session is kept.
    pub(super) fn session_key(&self, partner: &PartnerId, name: &ObjectName) -> String {
        name.key(self.tenant(), partner, Kept::Sessions)
    }

    /// The EVSE of a site at which a session charges. Ids are looked up in lower case.
    pub(super) fn place_of(&self, partner: &PartnerId, wire: &Wire) -> Option<(SiteKey, EvseId)> {
        let source = EvseSource::Ocpi {
            partner: partner.clone(),
            location_id: wire.location_id.as_str().to_ascii_lowercase(),
            evse_uid: wire.evse_uid.as_str().to_ascii_lowercase(),
        };
        self.inner.ports.sites.evse_at(self.tenant(), &source)
    }

    /// What is kept and told of a session; pure but for the look-up of its place.
    pub(super) fn take(&self, incoming: Incoming<'_>, stored: Option<&StoredObject>) -> Taken {
        let Incoming {
            partner,
            name,
            body,
            wire,
            is_measured,
            with_history,
        } = incoming;
        let now = self.now();
        let updated_at = wire.last_updated.as_utc().min(now);
        let notes = stored
            .and_then(|stored| stored.session.clone())
            .unwrap_or_default();
        let place = self.place_of(partner, wire);
        let measured_at = if is_measured {
            Some(updated_at)
        } else {
            notes.measured_at
        };
        let status = session::status(wire);
        let is_live = matches!(status, Some(SessionStatus::Active | SessionStatus::Pending));
        // One that we ended and that is there after all began anew at this instant: its site knows
        // it as ended, at a time that may be later than the partner's stamp.
        let is_back = notes.is_gone && is_live;
        let lowered = |evse: &EvseId| {
            let context = Context {
                tenant: self.tenant(),
                evse,
                now,
                measured_at,
            };
            let session = session::session(wire, &context)?;
            Some(Session {
                updated_at: if is_back { now } else { session.updated_at },
                ..session
            })
        };
        let here = place
            .as_ref()
            .map(|(site, evse)| (site.site.clone(), evse.clone()));
        let left = notes
            .given_to
            .filter(|before| notes.is_live && Some(before) != here.as_ref())
            .and_then(|(site, evse)| Some(self.ended_at(site, lowered(&evse)?, now)));
        let given = place.and_then(|(site, evse)| {
            let mut events = Vec::new();
            if let Some(session) = lowered(&evse) {
                events.push(EventKind::SessionSeen {
                    session: Box::new(session),
                });
            }
            if with_history && let Some(past) = session::past(wire, &evse) {
                events.push(EventKind::HistoryLearned {
                    sessions: vec![past],
                });
            }
            (!events.is_empty()).then_some((site, events))
        });
        let object = StoredObject {
            body,
            updated_at,
            received_at: now,
            session: Some(SessionNotes {
                is_live,
                is_missing: false,
                is_gone: false,
                measured_at,
                given_to: given.as_ref().and(here),
            }),
        };
        Taken {
            left,
            given,
            record: object.write(self.session_key(partner, name)),
        }
    }

    /// What a site is told when a session is not at one of its EVSEs any more.
    fn ended_at(&self, site: SiteId, session: Session, now: Time) -> (SiteKey, EventKind) {
        let ended = Session {
            status: SessionStatus::Ended,
            ended_at: Some(now),
            updated_at: now,
            reading: None,
            ..session
        };
        let site = SiteKey {
            tenant: self.tenant().clone(),
            site,
        };
        (
            site,
            EventKind::SessionSeen {
                session: Box::new(ended),
            },
        )
    }

    /// What a kept session's site is told when the partner does not list it any more, and how it
    /// is kept from then on.
    pub(super) fn take_gone(&self, partner: &PartnerId, stored: &StoredObject) -> Option<Taken> {
        let now = self.now();
        let wire = ocpi_client::read::read_one::<Wire>(&stored.body)
            .ok()?
            .value;
        let name = session::name(&wire)?;
        let notes = stored.session.clone()?;
        let left = notes.given_to.as_ref().and_then(|(site, evse)| {
            let context = Context {
                tenant: self.tenant(),
                evse,
                now,
                measured_at: None,
            };
            Some(self.ended_at(site.clone(), session::session(&wire, &context)?, now))
        });
        let kept = StoredObject {
            session: Some(SessionNotes {
                is_live: false,
                is_gone: true,
                given_to: None,
                ..notes
            }),
            ..stored.clone()
        };
        let record = kept.write(self.session_key(partner, &name));
        Some(Taken {
            left,
            given: None,
            record,
        })
    }

    /// Makes sessions durable together with what their sites are told: one write per site. What
    /// left an EVSE is told first, so that no car is counted nowhere.
    pub(super) async fn submit(&self, taken: Vec<Taken>) -> Result<(), PortError> {
        let ports = &self.inner.ports;
        let mut loose = Vec::new();
        let mut by_site: Vec<(SiteKey, Vec<EventKind>, Vec<RecordWrite>)> = Vec::new();
        for Taken {
            left,
            given,
            record,
        } in taken
        {
            let (site, events) = match (left, given) {
                (None, None) => {
                    loose.push(record);
                    continue;
                }
                (Some((site, event)), None) => (site, vec![event]),
                (None, Some(given)) => given,
                (Some((old, event)), Some((site, events))) => {
                    self.tell(&old, vec![event], Vec::new()).await?;
                    (site, events)
                }
            };
            match by_site.iter_mut().find(|(known, ..)| *known == site) {
                Some((_, all, records)) => {
                    all.extend(events);
                    records.push(record);
                }
                None => by_site.push((site, events, vec![record])),
            }
        }
        for (site, events, records) in by_site {
            self.tell(&site, events, records).await?;
        }
        if !loose.is_empty() {
            ports.records.write(loose).await?;
        }
        Ok(())
    }

    /// Tells a site; of one that is gone meanwhile only the records are kept.
    pub(super) async fn tell(
        &self,
        site: &SiteKey,
        events: Vec<EventKind>,
        records: Vec<RecordWrite>,
    ) -> Result<(), PortError> {
        let ports = &self.inner.ports;
        match ports.sites.submit(site, events, records.clone()).await {
            Err(PortError::Unknown(_)) if records.is_empty() => Ok(()),
            Err(PortError::Unknown(_)) => ports.records.write(records).await,
            result => result,
        }
    }

    /// Finds a session by the partner's own id, which says nothing of its party: among the parties
    /// the caller may speak for, `first` before the others.
    pub(super) async fn session_by_id(
        &self,
        peer: &Peer,
        first: Option<&Party>,
        id: &str,
    ) -> Result<Option<(ObjectName, StoredObject)>, PortError> {
        let partner = peer.record();
        let roles = partner.roles.iter().map(CredentialsRole::party);
        let mut tried = BTreeSet::new();
        for party in first
            .cloned()
            .into_iter()
            .chain(roles)
            .chain(peer.parties())
        {
            if !tried.insert(party.clone()) {
                continue;
            }
            let (country, party) = (party.country_code.as_str(), party.party_id.as_str());
            if !partner.speaks_for(country, party) {
                continue;
            }
            let Some(name) = ObjectName::new(country, party, id) else {
                continue;
            };
            let key = self.session_key(&partner.name, &name);
            if let Some(stored) = self.stored_session(&key).await? {
                return Ok(Some((name, stored)));
            }
        }
        Ok(None)
    }
}
