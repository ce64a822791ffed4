//! What is asked of the station, and what its answers prove.

use super::install::Wish;
use super::{Answer, Evidence, Fact, Order, Outcome, Output, Purpose, Refusal, Station, What};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Admission, Request, Response, Scope};
use crate::ocpp::rpc::{CallError, ErrorCode, Priority, Ticket};

/// Calls of an operator after which nothing is known of the profiles a station holds.
const TOUCHES_PROFILES: &[&str] = &[
    "SetChargingProfile",
    "ClearChargingProfile",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
];

impl Station {
    /// Takes an order. What cannot be done is settled at once.
    pub fn order(&mut self, order: Order, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        self.now = now;
        let number = order.number;
        if self.terms.admission != Admission::Accepted && !matches!(order.what, What::Call { .. }) {
            let detail = "the station is not admitted yet".to_owned();
            settle(number, Answer::NotSent { detail }, &mut out);
            return out;
        }
        match order.what {
            What::SetDefault {
                evse,
                number: place,
                profile,
                lowers,
            } => {
                let scope = Scope::Default { evse: place };
                let wish = Wish::new(&evse, scope, profile, lowers);
                self.install_once_known(number, wish, &mut out);
            }
            What::SetProfile {
                evse,
                number: place,
                transaction,
                profile,
                lowers,
            } => {
                if self.is_over(&transaction) {
                    let reason = Refusal::UnknownSession;
                    let detail = "the transaction is over".to_owned();
                    settle(number, Answer::Refused { reason, detail }, &mut out);
                } else {
                    let scope = Scope::Transaction {
                        evse: place,
                        id: transaction,
                    };
                    let wish = Wish::new(&evse, scope, profile, lowers);
                    self.install_once_known(number, wish, &mut out);
                }
            }
            What::Clear {
                number: place,
                transaction,
            } => {
                let scope = Scope::Transaction {
                    evse: place,
                    id: transaction,
                };
                let purpose = Purpose::Clear { order: number };
                self.ask(Request::Clear(scope), purpose, Priority::Limit, &mut out);
            }
            What::Read {
                evse,
                number: place,
                transaction,
            } => {
                if self.caps.has(Quirk::NoComposite) {
                    let reason = Refusal::Rejected;
                    let detail = "it does not say what holds".to_owned();
                    settle(number, Answer::Refused { reason, detail }, &mut out);
                } else {
                    let request = self.composite(place, evse.unit());
                    let purpose = Purpose::Read {
                        order: number,
                        number: place,
                        transaction,
                    };
                    self.ask(request, purpose, Priority::Limit, &mut out);
                }
            }
            What::Call { action, payload } => {
                let request = Request::Raw { action, payload };
                let purpose = Purpose::Operator { order: number };
                self.ask(request, purpose, Priority::Operator, &mut out);
            }
        }
        self.pump(now, &mut out);
        out
    }

    fn is_over(&self, transaction: &str) -> bool {
        self.books
            .get(transaction)
            .is_none_or(|entry| !entry.is_running())
    }

    /// An answer of the station to a call of ours.
    pub(super) fn answered(
        &mut self,
        request: &Request,
        purpose: Purpose,
        outcome: Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        match purpose {
            Purpose::Install {
                order,
                wish,
                ways,
                attempt,
            } => self.install_answered(order, wish, ways, attempt, &outcome, now, out),
            Purpose::Push { order, wish, way } => {
                self.push_answered(order, wish, way, &outcome, now, out);
            }
            Purpose::Raise { evse, limit } => self.raise_answered(evse, limit, &outcome, out),
            Purpose::Clear { order } => {
                let answer = match refusal(&outcome) {
                    None => Answer::Applied {
                        evidence: Evidence::Result,
                    },
                    Some((detail, unsupported)) => refused(detail, unsupported),
                };
                settle(order, answer, out);
            }
            Purpose::Read {
                order,
                number,
                transaction,
            } => match outcome {
                Ok(Response::Composite(profile)) => {
                    self.note_composite(number, &profile, now);
                    out.push(Output::Book {
                        facts: vec![Fact::Allows {
                            evse: number,
                            transaction,
                            profile,
                        }],
                        answer: None,
                    });
                    let evidence = Evidence::ActiveProfile;
                    settle(order, Answer::Applied { evidence }, out);
                }
                other => {
                    let (detail, unsupported) = refusal(&other).unwrap_or_default();
                    if unsupported {
                        self.note_quirk(Quirk::NoComposite, out);
                    }
                    settle(order, refused(detail, false), out);
                }
            },
            Purpose::Verify { wish } => self.verified(&wish, &outcome, now, out),
            Purpose::Operator { order } => {
                let outcome = match outcome {
                    Ok(Response::Raw(payload)) => Outcome::Result(payload),
                    Ok(_) => Outcome::Result(serde_json::Value::Null),
                    Err(error) => Outcome::Error(error),
                };
                let answered = match &outcome {
                    Outcome::Result(payload) => payload.clone(),
                    _ => serde_json::Value::Null,
                };
                out.push(Output::Settled { order, outcome });
                if let Request::Raw { action, payload } = request
                    && TOUCHES_PROFILES.contains(&action.as_str())
                {
                    self.pushed.clear();
                    // What holds there now is the operator's doing: it is told anew.
                    out.push(Output::Book {
                        facts: vec![Fact::Connected { booted: true }],
                        answer: None,
                    });
                    if action == "UsePriorityCharging" {
                        self.priority_was_used(payload, &answered, now, out);
                    }
                }
            }
            Purpose::Settings => self.settings_read(request, outcome, out),
            Purpose::LocalList { sends } => self.list_answered(sends, &outcome, now, out),
            Purpose::Runs { transaction } => {
                self.said_whether_runs(&transaction, &outcome, now, out);
            }
            Purpose::SetUp { name } => self.set_up_answered(name, request, &outcome, out),
            Purpose::Look => self.looks.answered(refusal(&outcome).is_some()),
            Purpose::Aside { is_trigger } => {
                if is_trigger && refusal(&outcome).is_some_and(|(_, unsupported)| unsupported) {
                    self.note_quirk(Quirk::NoTrigger, out);
                }
            }
        }
    }

    /// A call of ours got no answer: it may or may not be done.
    pub(super) fn timed_out(&mut self, ticket: Ticket, out: &mut Vec<Output>) {
        let Some((request, purpose)) = self.calls.remove(&ticket) else {
            return;
        };
        let unknown = || Answer::Unknown {
            detail: "no answer".into(),
        };
        match purpose {
            Purpose::Install { order, .. }
            | Purpose::Push { order, .. }
            | Purpose::Clear { order } => {
                settle(order, unknown(), out);
            }
            Purpose::Read { order, .. } => settle(order, refused("no answer".into(), false), out),
            Purpose::Operator { order } => out.push(Output::Settled {
                order,
                outcome: Outcome::Timeout,
            }),
            Purpose::Settings => {
                let silence = CallError::new(ErrorCode::GenericError, "no answer");
                self.settings_read(&request, Err(silence), out);
            }
            // Some restart instead of answering: never again.
            Purpose::SetUp { name } => {
                self.caps.refused.insert(name);
                out.push(Output::Learned);
            }
            Purpose::Verify { .. }
            | Purpose::Raise { .. }
            | Purpose::Aside { .. }
            | Purpose::Look
            | Purpose::LocalList { .. }
            | Purpose::Runs { .. } => {}
        }
    }

    /// A call of ours surely did not leave.
    pub(super) fn not_sent(&mut self, ticket: Ticket, why: &str, out: &mut Vec<Output>) {
        let Some((_, purpose)) = self.calls.remove(&ticket) else {
            return;
        };
        match purpose {
            // An earlier way of the same profile was refused: nothing of it holds.
            Purpose::Install { order, .. }
            | Purpose::Push { order, .. }
            | Purpose::Clear { order }
            | Purpose::Read { order, .. } => settle(
                order,
                Answer::NotSent {
                    detail: why.to_owned(),
                },
                out,
            ),
            Purpose::Operator { order } => out.push(Output::Settled {
                order,
                outcome: Outcome::NotSent,
            }),
            _ => {}
        }
    }
}

pub(super) fn settle(order: u64, answer: Answer, out: &mut Vec<Output>) {
    out.push(Output::Settled {
        order,
        outcome: Outcome::Answer(answer),
    });
}

pub(super) fn refused(detail: String, unsupported: bool) -> Answer {
    let reason = if unsupported {
        Refusal::NotSupported
    } else {
        Refusal::Rejected
    };
    Answer::Refused { reason, detail }
}

/// Why it was not done and whether it never can be; `None` if it was done.
pub(super) fn refusal(outcome: &Result<Response, CallError>) -> Option<(String, bool)> {
    match outcome {
        Ok(Response::Refused {
            status,
            unsupported,
        }) => Some((status.clone(), *unsupported)),
        Ok(_) => None,
        Err(error) => {
            let never = matches!(
                error.code,
                ErrorCode::NotSupported | ErrorCode::NotImplemented
            );
            Some((error.to_string(), never))
        }
    }
}
