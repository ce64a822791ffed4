//! What is asked of the station, and what its answers prove.

use chrono::TimeDelta;

use super::{Fact, Order, Outcome, Output, Purpose, Shown, Station, What};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::evse::{Evse, Supply};
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Install, Request, Response, Scope};
use crate::ocpp::rpc::{CallError, ErrorCode, Priority, Ticket};
use crate::ocpp::wire::MAX_EVSE;

/// For how long what holds is read, in seconds.
const COMPOSITE_S: u32 = 3600;
/// Calls of an operator after which nothing is known of the profiles a station holds.
const TOUCHES_PROFILES: &[&str] = &[
    "SetChargingProfile",
    "ClearChargingProfile",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
];
/// By how much what a station says it allows may be above what it was told: 0.2 A or 0.2 W of
/// rounding.
const SLACK: i64 = 2;

/// A profile that is to be installed, before it is put as the station takes it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub scope: Scope,
    pub profile: Profile,
    pub phases: u8,
    /// Millivolts between a phase and its return, for stations that take watts only.
    pub millivolts: i64,
    pub priority: Priority,
}

/// One way to put a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    stack_level: u32,
    relative: bool,
    unit: RateUnit,
}

impl Wish {
    fn new(evse: &Evse, scope: Scope, profile: Profile, lowers: bool) -> Self {
        let is_default = matches!(scope, Scope::Default { .. });
        let (phases, millivolts) = match evse.supply {
            Supply::Ac { phases, nominal } => (phases.clamp(1, 3), nominal.millivolts()),
            Supply::Dc => (3, 230_000),
        };
        Self {
            scope,
            profile,
            phases,
            millivolts,
            priority: if lowers || is_default {
                Priority::Safety
            } else {
                Priority::Limit
            },
        }
    }

    /// A default profile with one period for ever needs no clock, so it is put relative where the
    /// station takes that.
    fn may_be_relative(&self) -> bool {
        matches!(self.scope, Scope::Default { .. })
            && self.profile.duration_s.is_none()
            && self.profile.periods.len() == 1
    }

    /// The profile as it goes out one way.
    fn put(&self, way: Way, max_periods: usize) -> Install {
        let mut profile = self.profile.clone();
        if profile.unit == RateUnit::Amps && way.unit == RateUnit::Watts {
            profile.unit = RateUnit::Watts;
            for period in &mut profile.periods {
                // x A on n phases at nominal voltage; the station counts back with its own.
                let milliwatts = period.limit.0 * 100 * i64::from(self.phases) * self.millivolts;
                period.limit = Tenths(milliwatts / 1_000_000 * 10);
            }
        }
        if profile.periods.len() > max_periods {
            // What does not fit holds at its lowest.
            let tail = profile.periods.split_off(max_periods);
            if let Some(last) = profile.periods.last_mut() {
                let lowest = tail.iter().map(|period| period.limit).min();
                last.limit = last.limit.min(lowest.unwrap_or(last.limit));
            }
        }
        let phases = (self.phases != 3 && profile.unit == RateUnit::Amps).then_some(self.phases);
        Install {
            scope: self.scope.clone(),
            stack_level: way.stack_level,
            profile,
            phases,
            relative: way.relative,
        }
    }
}

impl Station {
    /// Takes an order. What cannot be done is settled at once.
    pub fn order(&mut self, order: Order, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        let number = order.number;
        match order.what {
            What::SetDefault {
                evse,
                number: place,
                profile,
                lowers,
            } => {
                let scope = Scope::Default { evse: place };
                let wish = Wish::new(&evse, scope, profile, lowers);
                self.install(number, wish, 0, &mut out);
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
                    self.install(number, wish, 0, &mut out);
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

    fn composite(&self, evse: u32, natural: RateUnit) -> Request {
        Request::ReadComposite {
            evse,
            duration_s: COMPOSITE_S,
            unit: self.caps.unit(natural),
        }
    }

    /// The ways to try, the likeliest first. Four at most.
    fn ways(&self, wish: &Wish) -> Vec<Way> {
        let relative = wish.may_be_relative() && !self.caps.has(Quirk::AbsoluteOnly);
        let first = Way {
            stack_level: self.caps.stack_level(),
            relative,
            unit: self.caps.unit(wish.profile.unit),
        };
        let mut ways = vec![first];
        let mut then = |way: Way| {
            if !ways.contains(&way) {
                ways.push(way);
            }
        };
        let low = Way {
            stack_level: 0,
            ..first
        };
        then(low);
        let absolute = Way {
            relative: false,
            ..low
        };
        then(absolute);
        if first.unit == RateUnit::Amps {
            then(Way {
                unit: RateUnit::Watts,
                ..absolute
            });
        }
        ways
    }

    fn install(&mut self, order: u64, wish: Wish, attempt: usize, out: &mut Vec<Output>) {
        let Some(way) = self.ways(&wish).get(attempt).copied() else {
            return;
        };
        let install = wish.put(way, self.caps.max_periods());
        if let Some(shown) = self.shown_of(wish.scope.evse()) {
            let name = match wish.scope {
                Scope::Default { .. } => "default",
                Scope::Transaction { .. } => "transaction",
                Scope::Station => "station",
            };
            shown.asked = Some((name, install.profile.clone()));
        }
        let priority = wish.priority;
        let purpose = Purpose::Install {
            order,
            wish,
            attempt,
        };
        self.ask(Request::Install(install), purpose, priority, out);
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
                attempt,
            } => self.install_answered(order, wish, attempt, &outcome, now, out),
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
                out.push(Output::Settled { order, outcome });
                if let Request::Raw { action, .. } = request
                    && TOUCHES_PROFILES.contains(&action.as_str())
                {
                    // What holds there now is the operator's doing: it is told anew.
                    out.push(Output::Book {
                        facts: vec![Fact::Connected { booted: true }],
                        answer: None,
                    });
                }
            }
            Purpose::Settings => self.settings_read(request, outcome, out),
            Purpose::SetUp { name } => self.set_up_answered(name, request, &outcome, out),
            Purpose::Aside { is_trigger } => {
                if is_trigger && refusal(&outcome).is_some_and(|(_, unsupported)| unsupported) {
                    self.note_quirk(Quirk::NoTrigger, out);
                }
            }
        }
    }

    fn install_answered(
        &mut self,
        order: u64,
        wish: Wish,
        attempt: usize,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let place = wish.scope.evse();
        let refusal = refusal(outcome);
        if let Some(shown) = self.shown_of(place) {
            let words = refusal
                .as_ref()
                .map_or_else(|| "Accepted".to_owned(), |(detail, _)| detail.clone());
            shown.answered = Some((refusal.is_none(), words, now));
        }
        let ways = self.ways(&wish);
        match refusal {
            None => {
                // What it took only on a further try is how it is asked from now on.
                if let (Some(first), Some(took)) = (ways.first(), ways.get(attempt)) {
                    if took.stack_level < first.stack_level {
                        self.note_quirk(Quirk::StackZeroOnly, out);
                    }
                    if first.relative && !took.relative {
                        self.note_quirk(Quirk::AbsoluteOnly, out);
                    }
                    if first.unit != took.unit {
                        self.note_quirk(Quirk::WattsOnly, out);
                    }
                }
                let evidence = Evidence::Result;
                settle(order, Answer::Applied { evidence }, out);
                if !self.caps.has(Quirk::NoComposite)
                    && let Scope::Transaction { .. } = wish.scope
                {
                    let request = self.composite(place, wish.profile.unit);
                    let purpose = Purpose::Verify { wish };
                    self.ask(request, purpose, Priority::Ordinary, out);
                }
            }
            // A station that knows no transaction any more will not know it on the next try.
            Some((detail, _)) if detail.contains("TxNotFound") => {
                let reason = Refusal::UnknownSession;
                settle(order, Answer::Refused { reason, detail }, out);
            }
            Some((detail, true)) => settle(order, refused(detail, true), out),
            Some((_, false)) if attempt + 1 < ways.len() => {
                self.install(order, wish, attempt + 1, out);
            }
            Some((detail, false)) => settle(order, refused(detail, false), out),
        }
    }

    /// What holds, read after a profile was accepted.
    fn verified(
        &mut self,
        wish: &Wish,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let place = wish.scope.evse();
        let seen = match outcome {
            Ok(Response::Composite(profile)) => profile.clone(),
            other => {
                // A refusal to say is remembered until its firmware changes.
                if refusal(other).is_some() {
                    self.note_quirk(Quirk::NoComposite, out);
                }
                return;
            }
        };
        self.note_composite(place, &seen, now);
        let told = wish
            .profile
            .limit_at(now)
            .filter(|_| wish.profile.unit == seen.unit);
        // What a schedule says of its first seconds is what holds now, whatever its clock says.
        let holds = seen.limit_at(now).or(seen.periods.first().map(|p| p.limit));
        let (Some(told), Some(holds)) = (told, holds) else {
            return;
        };
        let differs = match holds.0 - told.0 {
            more if more > SLACK => Some("it allows more than it was told"),
            less if less < -SLACK => Some("something else holds it lower"),
            _ => None,
        };
        if let Some(shown) = self.shown_of(place) {
            shown.differs = differs.map(str::to_owned);
        }
        if let Scope::Transaction { id, .. } = &wish.scope
            && holds.0 > told.0 + SLACK
        {
            let profile = Profile {
                unit: seen.unit,
                start: now - TimeDelta::seconds(1),
                periods: vec![crate::domain::profile::ProfilePeriod {
                    start_s: 0,
                    limit: holds,
                }],
                duration_s: Some(COMPOSITE_S),
            };
            out.push(Output::Book {
                facts: vec![Fact::Allows {
                    evse: place,
                    transaction: id.clone(),
                    profile,
                }],
                answer: None,
            });
        }
    }

    fn note_composite(&mut self, evse: u32, profile: &Profile, now: Time) {
        if let Some(shown) = self.shown_of(evse) {
            shown.composite = Some((profile.clone(), now));
        }
    }

    fn note_quirk(&mut self, quirk: Quirk, out: &mut Vec<Output>) {
        if self.caps.quirks.insert(quirk) {
            out.push(Output::Learned);
        }
    }

    /// What is shown of an EVSE; bounded by the number of EVSEs a station may have.
    pub(super) fn shown_of(&mut self, evse: u32) -> Option<&mut Shown> {
        (evse <= MAX_EVSE).then(|| self.shown.entry(evse).or_default())
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
            Purpose::Install { order, .. } | Purpose::Clear { order } => {
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
            Purpose::Verify { .. } | Purpose::SetUp { .. } | Purpose::Aside { .. } => {}
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

fn settle(order: u64, answer: Answer, out: &mut Vec<Output>) {
    out.push(Output::Settled {
        order,
        outcome: Outcome::Answer(answer),
    });
}

fn refused(detail: String, unsupported: bool) -> Answer {
    let reason = if unsupported {
        Refusal::NotSupported
    } else {
        Refusal::Rejected
    };
    Answer::Refused { reason, detail }
}

/// Why it was not done and whether it never can be; `None` if it was done.
fn refusal(outcome: &Result<Response, CallError>) -> Option<(String, bool)> {
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
