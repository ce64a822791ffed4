//! What the station says.

use serde_json::{Map, Value};

use super::{Fact, Output, Pending, Station};
use crate::domain::key::hashed_key;
use crate::domain::time::Time;
use crate::ocpp::books::Booked;
use crate::ocpp::message::{Inbound, Reply, Stage, Transaction};
use crate::ocpp::rpc::{CallError, ErrorCode};
use crate::ocpp::version::Version;
use crate::ocpp::{v16, v201};

impl Station {
    pub(super) fn heard_call(
        &mut self,
        id: String,
        action: String,
        payload: &Map<String, Value>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let version = self.version();
        let heard = match version {
            Version::V16 => v16::hear(&action, payload),
            Version::V201 | Version::V21 => v201::hear(&action, payload, version == Version::V21),
        };
        let inbound = match heard {
            Ok(inbound) => inbound,
            Err(error) => {
                out.push(Output::Send(self.connection.refuse(&id, &error)));
                return;
            }
        };
        let booted = matches!(inbound, Inbound::Boot(_));
        // Whoever speaks of anything else before it says that it started has been here before.
        let returns = !booted && !self.greeted;
        let mut facts = Vec::new();
        if returns {
            self.greet_again(now, out);
            facts.push(Self::connected(false));
        }
        match self.take(inbound, now, &mut facts, out) {
            Ok(reply) => {
                if booted {
                    facts.push(Self::connected(true));
                }
                let pending = Pending { id, action, reply };
                if facts.is_empty() {
                    out.push(Output::Send(self.booked(&pending, Ok(()))));
                } else {
                    out.push(Output::Book {
                        facts,
                        answer: Some(pending),
                    });
                }
            }
            Err(error) => out.push(Output::Send(self.connection.refuse(&id, &error))),
        }
    }

    /// Takes in a message; what follows for the sites goes to `facts`.
    fn take(
        &mut self,
        inbound: Inbound,
        now: Time,
        facts: &mut Vec<Fact>,
        out: &mut Vec<Output>,
    ) -> Result<Reply, CallError> {
        Ok(match inbound {
            Inbound::Boot(boot) => self.booted(&boot, now, out),
            Inbound::Heartbeat => Reply::Heartbeat { now },
            Inbound::Status {
                evse,
                status,
                error,
            } => {
                if let Some(shown) = self.shown_of(evse) {
                    shown.status = Some(match error {
                        Some(error) => format!("{status:.40} ({error:.40})"),
                        None => format!("{status:.40}"),
                    });
                }
                Reply::Empty
            }
            Inbound::Authorize { .. } => Reply::Token { accepted: true },
            Inbound::Transaction(said) => return self.transaction(&said, now, facts),
            Inbound::Meter {
                evse,
                transaction,
                samples,
            } => {
                let booked = self
                    .books
                    .meter(evse, transaction.as_deref(), &samples, now);
                self.note(booked, facts);
                Reply::Empty
            }
            Inbound::Report { settings, more } => {
                self.reported(settings, more, out);
                Reply::Empty
            }
            Inbound::Needs(needs) => {
                let booked = self.books.wish(needs.evse, needs.departure, needs.energy);
                self.note(booked, facts);
                Reply::NeedsTaken
            }
            Inbound::Limit(limit) => {
                if let Some(shown) = self.shown_of(limit.evse.unwrap_or(0)) {
                    shown.external = limit.lowest.is_some().then_some(limit);
                }
                Reply::Empty
            }
            Inbound::EvSchedule { .. } => Reply::ScheduleTaken,
            Inbound::DataTransfer => Reply::UnknownVendor,
            Inbound::Noted(answer) => Reply::Exactly(answer),
        })
    }

    fn transaction(
        &mut self,
        said: &Transaction,
        now: Time,
        facts: &mut Vec<Fact>,
    ) -> Result<Reply, CallError> {
        let spare = self.spare_id.unwrap_or_default();
        if self.version() == Version::V16 && said.stage == Stage::Started && spare == 0 {
            return Err(CallError::new(
                ErrorCode::InternalError,
                "no transaction id can be given now",
            ));
        }
        let keys = said
            .token
            .as_deref()
            .and_then(|token| hashed_key(&self.terms.tenant, token))
            .map(|key| key.to_string());
        let booked = self
            .books
            .book(said, keys.into_iter().collect(), &spare.to_string(), now);
        let entry = booked.as_ref().map(|booked| booked.entry.clone());
        if let Some(entry) = &entry {
            if entry.id == spare.to_string() {
                self.spare_id = None;
            }
            if said.stage == Stage::Started && entry.is_running() {
                for lost in self.books.end_others(entry.evse, &entry.id, now) {
                    facts.push(Fact::Session {
                        entry: lost,
                        reading: None,
                    });
                }
            }
        }
        self.note(booked, facts);
        let forgotten = self.books.prune();
        if !forgotten.is_empty() {
            facts.push(Fact::Forgotten(forgotten));
        }
        Ok(match (self.version(), said.stage) {
            (Version::V16, Stage::Started) => Reply::Started {
                transaction: entry
                    .and_then(|entry| entry.id.parse().ok())
                    .unwrap_or(spare),
                accepted: true,
            },
            _ if said.token.is_some() => Reply::Token { accepted: true },
            _ => Reply::Empty,
        })
    }

    fn note(&mut self, booked: Option<Booked>, facts: &mut Vec<Fact>) {
        let Some(booked) = booked.filter(|booked| booked.changed) else {
            return;
        };
        if let Some(shown) = self.shown_of(booked.entry.evse) {
            shown.measured = booked.reading.or(shown.measured);
        }
        facts.push(Fact::Session {
            entry: booked.entry,
            reading: booked.reading,
        });
    }
}
