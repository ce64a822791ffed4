//! Priority charging (2.1): a driver or an operator sets the plan aside for one transaction. Source:
//! OCPP 2.1, K21 and K22.
//!
//! While it is on the station follows another profile than ours, so the EVSE counts with its rating,
//! whatever it accepts, and the plan gives its car all that the limits leave. The others make room.

use chrono::TimeDelta;
use serde_json::Value;

use super::{Fact, Output, Station};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::time::Time;
use crate::ocpp::books::Entry;

/// More than any EVSE has: 100 MW. It counts as the EVSE's rating.
const ANYTHING: Tenths = Tenths(100_000_000 * 10);

impl Station {
    /// Priority charging of a transaction was switched. What follows for the sites goes to `facts`.
    pub(super) fn switch_priority(
        &mut self,
        transaction: &str,
        is_on: bool,
        now: Time,
        facts: &mut Vec<Fact>,
    ) {
        let Some(entry) = self.books.prioritise(transaction, is_on) else {
            return;
        };
        let evse = entry.evse;
        if let Some(shown) = self.shown_of(evse) {
            shown.has_priority = is_on;
        }
        facts.push(Fact::Session {
            entry,
            reading: None,
        });
        facts.push(Fact::Priority { evse, is_on });
        if is_on {
            facts.push(Fact::Allows {
                evse,
                transaction: transaction.to_owned(),
                profile: Profile {
                    unit: RateUnit::Watts,
                    start: now - TimeDelta::seconds(1),
                    periods: vec![ProfilePeriod {
                        start_s: 0,
                        limit: ANYTHING,
                    }],
                    duration_s: None,
                },
            });
        }
    }

    /// A transaction with priority is over.
    pub(super) fn end_priority(&mut self, ended: &Entry, facts: &mut Vec<Fact>) {
        if !ended.priority {
            return;
        }
        let evse = ended.evse;
        if let Some(shown) = self.shown_of(evse) {
            shown.has_priority = false;
        }
        facts.push(Fact::Priority { evse, is_on: false });
    }

    /// True while what an EVSE accepts does not hold.
    pub(super) fn has_priority(&self, evse: u32) -> bool {
        let running = self.books.running_on(evse);
        running.is_some_and(|entry| entry.priority)
    }

    /// An operator switched priority charging, and the station took it.
    pub(super) fn priority_was_used(
        &mut self,
        asked: &Value,
        answered: &Value,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let (Some(transaction), Some(is_on), Some("Accepted")) = (
            asked["transactionId"].as_str(),
            asked["activate"].as_bool(),
            answered["status"].as_str(),
        ) else {
            return;
        };
        let mut facts = Vec::new();
        self.switch_priority(transaction, is_on, now, &mut facts);
        if !facts.is_empty() {
            out.push(Output::Book {
                facts,
                answer: None,
            });
        }
    }
}
