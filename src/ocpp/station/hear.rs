//! What the station says.

use serde_json::{Map, Value};

use super::{Fact, Output, Pending, Remark, Station};
use crate::domain::key::hashed_key;
use crate::domain::time::Time;
use crate::ocpp::books::{Booked, Entry};
use crate::ocpp::message::{Admission, Inbound, Notice, Reply, Stage, Transaction};
use crate::ocpp::rpc::{CallError, ErrorCode};
use crate::ocpp::tokens::Verdict;
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
            Version::V201 | Version::V21 => {
                v201::hear(&action, payload, version == Version::V21, now)
            }
        };
        let inbound = match heard {
            Ok(inbound) => inbound,
            Err(error) => {
                out.push(Output::Send(self.connection.refuse(&id, &error)));
                return;
            }
        };
        let booted = matches!(inbound, Inbound::Boot(_));
        // B02.FR.09, B03.FR.07: who is not accepted may only say that it has started.
        if version.is_two() && !booted && self.terms.admission != Admission::Accepted {
            let code = ErrorCode::SecurityError;
            let error = CallError::new(code, "the station is not accepted yet");
            out.push(Output::Send(self.connection.refuse(&id, &error)));
            return;
        }
        // Whoever speaks of anything else before it says that it started has been here before.
        let returns = !booted && !self.greeted;
        let mut facts = Vec::new();
        if returns {
            self.greet_again(now, out);
            facts.push(Self::connected(false));
        }
        match self.take(inbound, now, &mut facts, out) {
            Ok(reply) => {
                if booted && self.terms.admission == Admission::Accepted {
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
            Inbound::Authorize { token } => Reply::Token(self.terms.tokens.judge(&token, now)),
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
                if let Some(most) = needs.max_periods {
                    self.tuples.insert(needs.evse, most);
                }
                // The car waits for a profile, and the plan may have nothing new to say.
                self.tell_again(needs.evse, out);
                let booked = self.books.wish(needs.evse, needs.departure, needs.energy);
                self.note(booked, facts);
                Reply::NeedsTaken
            }
            Inbound::Limit(limit) => {
                // The highest that is still to come: what is lower for an hour must not make a car
                // look unready for the night.
                let to_come = limit.schedule.as_ref().and_then(|schedule| {
                    let later = schedule.steps().filter(|(at, _)| *at > now);
                    let later = later.map(|(_, limit)| limit);
                    let highest = later.chain(schedule.limit_at(now)).max()?;
                    Some((schedule.unit, highest))
                });
                facts.push(Fact::Limited {
                    evse: limit.evse,
                    limit: to_come,
                    source: limit.source.clone(),
                });
                if let Some(shown) = self.shown_of(limit.evse.unwrap_or(0)) {
                    shown.external = limit.schedule.is_some().then_some(limit);
                }
                Reply::Empty
            }
            Inbound::EvSchedule { evse, schedule } => Reply::Schedule {
                fits: self.intended(evse, schedule.as_ref(), now, out),
            },
            Inbound::Profiles(report) => {
                out.push(Output::Remark(Remark::Profiles(report)));
                Reply::Empty
            }
            Inbound::SignCertificate(request) => {
                // An operator has it signed and sends CertificateSigned.
                out.push(Output::Remark(Remark::Signing(request)));
                Reply::Exactly(serde_json::json!({ "status": "Accepted" }))
            }
            Inbound::Priority { transaction, is_on } => {
                self.switch_priority(&transaction, is_on, now, facts);
                let word = if is_on { "on" } else { "off" };
                let text = format!("{word} for transaction {transaction:.64}");
                let about = "priority charging";
                out.push(Output::Remark(Remark::Notice(Notice { about, text })));
                Reply::Empty
            }
            Inbound::Pull { profile } => self.pulled(profile),
            Inbound::DataTransfer => Reply::UnknownVendor,
            Inbound::Noted(answer, notice) => {
                out.extend(notice.map(|notice| Output::Remark(Remark::Notice(notice))));
                Reply::Exactly(answer)
            }
        })
    }

    fn transaction(
        &mut self,
        said: &Transaction,
        now: Time,
        facts: &mut Vec<Fact>,
    ) -> Result<Reply, CallError> {
        let spare = self.spare_id.unwrap_or_default();
        let known = said.id.as_deref().and_then(|id| self.books.get(id));
        let ran = known.is_some_and(Entry::is_running);
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
                    self.end_priority(&lost, facts);
                    facts.push(Fact::Session {
                        entry: lost,
                        reading: None,
                    });
                }
            }
        }
        if let Some(entry) = entry.as_ref().filter(|entry| !entry.is_running()) {
            if ran {
                self.end_priority(entry, facts);
            }
            self.told.remove(&entry.evse);
            self.pushed.remove(&entry.evse);
            self.resumes.remove(&entry.evse);
            self.guests.remove(&entry.evse);
            self.looks.end(entry.evse);
            self.tuples.remove(&entry.evse);
        }
        if let Some(entry) = entry.as_ref().filter(|entry| entry.is_running())
            && let Some(token) = &said.token
        {
            self.note_guest(entry.evse, token, said.token_kind.as_deref());
        }
        self.note(booked, facts);
        let forgotten = self.books.prune();
        if !forgotten.is_empty() {
            facts.push(Fact::Forgotten(forgotten));
        }
        let judged = said.token.as_deref();
        let verdict = judged
            .map(|token| self.terms.tokens.judge(token, now))
            .or(said.is_open.then(Verdict::default));
        Ok(match (self.version(), said.stage, verdict) {
            (Version::V16, Stage::Started, verdict) => Reply::Started {
                transaction: entry
                    .and_then(|entry| entry.id.parse().ok())
                    .unwrap_or(spare),
                verdict: verdict.unwrap_or_default(),
            },
            (_, _, Some(verdict)) => Reply::Token(verdict),
            (_, _, None) => Reply::Empty,
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
