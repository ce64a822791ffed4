//! One station on one connection, without I/O: what it says goes in, what is to be sent, booked and
//! told comes out.
//!
//! A session's walk: boot, fail-safe default profile, transaction, its own profile, readings, end.
//! Nothing is answered before what it says is booked (I6); nothing is sent while the station has not
//! been greeted.

mod boot;
mod dynamic;
mod hear;
mod install;
mod local_list;
mod orders;
mod priority;
mod readback;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use super::books::{Books, Entry};
use super::caps::Caps;
use super::message::{
    Admission, ExternalLimit, Install, Notice, ProfileReport, Reply, Request, SigningRequest,
};
use super::rpc::{Call, CallError, Connection, Heard, Priority, Ticket};
use super::tokens::TokenBook;
use super::version::Version;
use super::{v16, v201};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::evse::Evse;
use crate::domain::id::TenantId;
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// How often a station says that it lives, in seconds.
const HEARTBEAT_S: u32 = 300;
/// How long a station that connects may take to say that it has started, before it is asked, in
/// seconds.
const SAYS_BOOT_S: i64 = 10;

/// What a station does not decide itself.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whose it is: tokens are hashed under the tenant.
    pub tenant: TenantId,
    /// How long after its boot was answered nothing is asked of it, in seconds: some stations drop
    /// the connection when spoken to at once.
    pub quiet_s: i64,
    /// How often it reads its meters, in seconds.
    pub sample_s: u32,
    /// Whether it may work.
    pub admission: Admission,
    /// Who may charge.
    pub tokens: Arc<TokenBook>,
}

/// What happened at a station, for the sites.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// It is there, perhaps after it has just started.
    Connected {
        /// It has just started.
        booted: bool,
    },
    /// A transaction appeared or changed.
    Session {
        /// The transaction.
        entry: Entry,
        /// A reading about now.
        reading: Option<Reading>,
    },
    /// What the station says it allows now is more than it was told.
    Allows {
        /// The EVSE.
        evse: u32,
        /// The transaction.
        transaction: String,
        /// What it says.
        profile: Profile,
    },
    /// Something beside us limits the station, or does so no more.
    Limited {
        /// The EVSE; `None` = each of its EVSEs.
        evse: Option<u32>,
        /// What it allows at most from now on; `None` = lifted.
        limit: Option<(RateUnit, Tenths)>,
        /// Who set it.
        source: String,
    },
    /// The plan is set aside for the car at an EVSE, or no longer.
    Priority {
        /// The EVSE.
        evse: u32,
        /// It is.
        is_on: bool,
    },
    /// Transactions so old that they are forgotten.
    Forgotten(Vec<String>),
}

/// Something to be looked at by people; it is kept in memory only.
#[derive(Clone, Debug, PartialEq)]
pub enum Remark {
    /// What the station said.
    Notice(Notice),
    /// A certificate it wants signed.
    Signing(SigningRequest),
    /// Profiles it holds.
    Profiles(ProfileReport),
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Of a command of a site.
    Answer(Answer),
    /// Of an operator's call: the payload.
    Result(Value),
    /// Of an operator's call: refused.
    Error(CallError),
    /// Of an operator's call: nothing was heard.
    Timeout,
    /// Of an operator's call: it did not leave.
    NotSent,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this.
    Send(String),
    /// Make this durable; then send the answer of [`Station::booked`].
    Book {
        /// What happened.
        facts: Vec<Fact>,
        /// What is answered afterwards; `None` for what is not answered.
        answer: Option<Pending>,
    },
    /// An order came to its end.
    Settled {
        /// Which.
        order: u64,
        /// How.
        outcome: Outcome,
    },
    /// What the station can do was learned: keep it.
    Learned,
    /// For people.
    Remark(Remark),
    /// The connection is of no use any more.
    Close(&'static str),
}

/// A call of the station that is answered once it is booked.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    id: String,
    action: String,
    reply: Reply,
}

/// Something that is wanted of a station.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The giver's number of it.
    pub number: u64,
    /// What is wanted.
    pub what: What,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Install the profile that holds where no session's does.
    SetDefault {
        /// The EVSE as the site knows it, and its number at the station.
        evse: Box<Evse>,
        /// Its number at the station.
        number: u32,
        /// The profile.
        profile: Profile,
        /// It takes power away.
        lowers: bool,
    },
    /// Install a transaction's profile.
    SetProfile {
        /// The EVSE as the site knows it.
        evse: Box<Evse>,
        /// Its number at the station.
        number: u32,
        /// The transaction.
        transaction: String,
        /// The profile.
        profile: Profile,
        /// It takes power away.
        lowers: bool,
    },
    /// Remove a transaction's profile.
    Clear {
        /// The EVSE's number.
        number: u32,
        /// The transaction.
        transaction: String,
    },
    /// Say what holds.
    Read {
        /// The EVSE as the site knows it.
        evse: Box<Evse>,
        /// Its number at the station.
        number: u32,
        /// The transaction.
        transaction: String,
    },
    /// Whatever an operator wants.
    Call {
        /// The action.
        action: String,
        /// Its payload.
        payload: Value,
    },
}

/// Why we called, to know what to do with the answer.
#[derive(Clone, Debug)]
enum Purpose {
    /// A profile, in one of the ways a station may take it.
    Install {
        order: u64,
        wish: install::Wish,
        ways: Vec<install::Way>,
        attempt: usize,
    },
    /// A new limit in a dynamic profile, for a site.
    Push {
        order: u64,
        wish: install::Wish,
        way: install::Way,
    },
    /// A step of what a dynamic profile is put through.
    Raise { evse: u32, limit: Tenths },
    /// Removing a profile.
    Clear { order: u64 },
    /// Reading what holds, for a site.
    Read {
        order: u64,
        number: u32,
        transaction: String,
    },
    /// Reading what holds, to see whether an accepted profile does.
    Verify { wish: install::Wish },
    /// An operator's call.
    Operator { order: u64 },
    /// Reading its settings.
    Settings,
    /// Setting it up.
    SetUp { name: String },
    /// Asking it to say something, or tidying; nothing depends on it.
    Aside { is_trigger: bool },
    /// Reading or changing its local list of tokens.
    LocalList { sends: Option<i64> },
    /// Asking for a reading now.
    Look,

    /// Asking whether a transaction still runs.
    Runs { transaction: String },
}

/// The state of what was asked, accepted and read back at one EVSE, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The newest profile asked for, with its scope's name.
    pub asked: Option<(&'static str, Profile)>,
    /// Whether it was accepted, and when; the station's words otherwise.
    pub answered: Option<(bool, String, Time)>,
    /// The limit now by its composite schedule, in tenths, with when it was read.
    pub composite: Option<(Profile, Time)>,
    /// The newest reading.
    pub measured: Option<Reading>,
    /// Why these differ, if they do.
    pub differs: Option<String>,
    /// The connector's state as spelled by the station.
    pub status: Option<String>,
    /// A limit of someone else.
    pub external: Option<ExternalLimit>,
    /// Priority charging is on: what it accepts does not hold.
    pub has_priority: bool,
}

/// One station on one connection.
#[derive(Debug)]
pub struct Station {
    terms: Terms,
    connection: Connection,
    caps: Caps,
    books: Books,
    /// The newest instant that we were told.
    now: Time,
    /// The id for the next 1.6 transaction that starts.
    spare_id: Option<i32>,
    calls: BTreeMap<Ticket, (Request, Purpose)>,
    next_ticket: u64,
    connected_at: Time,
    /// It was greeted on this connection: it said that it started, or is known from before.
    greeted: bool,
    asked_to_boot: bool,
    quiet_until: Option<Time>,
    shown: BTreeMap<u32, Shown>,
    /// The profiles of transactions as they were put last, by EVSE, to be held against what cars
    /// intend and to be sent again.
    told: BTreeMap<u32, install::Wish>,
    /// The version of its local list of tokens, once it has said so; `None` = it keeps none.
    list_version: Option<i64>,
    /// The transactions are still to be asked for.
    asks_what_runs: bool,
    /// What each EVSE was told before that.
    told_before: BTreeMap<u32, install::Wish>,
    /// Dynamic profiles it holds, by EVSE.
    pushed: BTreeMap<u32, dynamic::Pushed>,
    /// When an EVSE that was told to go on after a limit of 0 is looked at: some pass over the
    /// first limit after it.
    resumes: BTreeMap<u32, watch::Resumption>,
    /// Who charges where, to wake a car up. In memory only, while it charges.
    guests: BTreeMap<u32, watch::Guest>,
    /// EVSEs that were told less than they draw, and are not yet seen to follow.
    looks: watch::Looks,
    /// Most periods that the car at an EVSE takes.
    tuples: BTreeMap<u32, usize>,
    /// Profiles that wait until the station has said how it takes them, and until when they do.
    held: Vec<(u64, install::Wish)>,
    settings_until: Option<Time>,
}

impl Station {
    /// A station that has just connected, with what was kept of it. `prefix` begins our message ids.
    pub fn new(
        terms: Terms,
        version: Version,
        prefix: impl Into<String>,
        caps: Caps,
        books: Books,
        now: Time,
    ) -> Self {
        Self {
            terms,
            connection: Connection::new(version, prefix),
            caps,
            books,
            now,
            spare_id: None,
            calls: BTreeMap::new(),
            next_ticket: 0,
            connected_at: now,
            greeted: false,
            asked_to_boot: false,
            quiet_until: None,
            shown: BTreeMap::new(),
            told: BTreeMap::new(),
            list_version: None,
            asks_what_runs: version.is_two(),
            told_before: BTreeMap::new(),
            pushed: BTreeMap::new(),
            resumes: BTreeMap::new(),
            guests: BTreeMap::new(),
            looks: watch::Looks::default(),
            tuples: BTreeMap::new(),
            held: Vec::new(),
            settings_until: None,
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.connection.version()
    }

    /// What it can do.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Its transactions.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Whether it may work.
    pub fn admission(&self) -> Admission {
        self.terms.admission
    }

    /// What is shown of its EVSEs.
    pub fn shown(&self) -> &BTreeMap<u32, Shown> {
        &self.shown
    }

    /// True if it must be given an id before the next message is taken in.
    pub fn needs_id(&self) -> bool {
        self.version() == Version::V16 && self.spare_id.is_none()
    }

    /// Gives it the id for the next 1.6 transaction.
    pub fn give_id(&mut self, id: i32) {
        self.spare_id = Some(id);
    }

    /// What it said could not be made durable: it is as if it had not been said, so that its
    /// repetition counts.
    pub fn forget_unbooked(&mut self, books: Books) {
        self.books = books;
    }

    /// True while a call of ours waits or is under way.
    pub fn is_busy(&self) -> bool {
        self.connection.is_busy()
    }

    /// Takes in one message.
    pub fn receive(&mut self, text: &str, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        self.now = now;
        match self.connection.receive(text) {
            Heard::Call {
                id,
                action,
                payload,
            } => self.heard_call(id, action, &payload, now, &mut out),
            // Periodic event streams: we opened none.
            Heard::Said { .. } => {}
            Heard::Answered { ticket, outcome } => {
                if let Some((request, purpose)) = self.calls.remove(&ticket) {
                    let outcome = outcome.map(|payload| match self.version() {
                        Version::V16 => v16::understand(&request, &payload, now),
                        Version::V201 | Version::V21 => v201::understand(&request, &payload, now),
                    });
                    self.answered(&request, purpose, outcome, now, &mut out);
                }
            }
            Heard::TimedOut { ticket } => self.timed_out(ticket, &mut out),
            Heard::Bad { detail, reply } => {
                tracing::debug!(%detail, "an unusable message");
                out.extend(reply.map(Output::Send));
            }
        }
        self.pump(now, &mut out);
        out
    }

    /// What was to be booked is durable, or could not be made so: answers the station.
    pub fn booked(&self, pending: &Pending, stored: Result<(), String>) -> String {
        let Pending { id, action, reply } = pending;
        match stored {
            Ok(()) => self.connection.answer(id, &self.spell(action, reply)),
            // It sends it again later.
            Err(detail) => {
                let code = super::rpc::ErrorCode::InternalError;
                self.connection.refuse(id, &CallError::new(code, detail))
            }
        }
    }

    /// Time went by.
    pub fn on_time(&mut self, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        self.now = now;
        if let Some(Heard::TimedOut { ticket }) = self.connection.on_time(now) {
            self.timed_out(ticket, &mut out);
        }
        if self.quiet_until.is_some_and(|until| until <= now) {
            self.quiet_until = None;
        }
        if !self.greeted && now >= self.connected_at + TimeDelta::seconds(SAYS_BOOT_S) {
            self.greet_again(now, &mut out);
        }
        if self.settings_until.is_some_and(|until| until <= now) {
            self.release(&mut out);
        }
        self.push_what_is_due(now, &mut out);
        self.look_whether_resumed(now, &mut out);
        self.look_whether_followed(now, &mut out);
        if self.connection.is_dead() {
            out.push(Output::Close("three calls in a row had no answer"));
        }
        self.pump(now, &mut out);
        out
    }

    /// When to call [`Station::on_time`] next.
    pub fn next_timeout(&self) -> Option<Time> {
        let greeting = (!self.greeted).then(|| self.connected_at + TimeDelta::seconds(SAYS_BOOT_S));
        [
            self.connection.next_timeout(),
            self.quiet_until,
            greeting,
            self.settings_until,
            self.resumes.values().map(watch::Resumption::at).min(),
            self.pushed.values().filter_map(dynamic::Pushed::next).min(),
            self.looks.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The connection ended: what was ordered and not answered.
    pub fn close(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        let (under_way, mut waiting) = self.connection.close();
        if let Some(ticket) = under_way {
            self.timed_out(ticket, &mut out);
        }
        // What followed from that does not leave either.
        waiting.extend(self.connection.close().1);
        let ended = "the connection ended before it left";
        for ticket in waiting {
            self.not_sent(ticket, ended, &mut out);
        }
        for (order, _) in std::mem::take(&mut self.held) {
            let detail = ended.to_owned();
            orders::settle(order, Answer::NotSent { detail }, &mut out);
        }
        out
    }

    fn spell(&self, action: &str, reply: &Reply) -> Value {
        match self.version() {
            Version::V16 => v16::spell(action, reply),
            Version::V201 | Version::V21 => v201::spell(reply),
        }
    }

    /// Puts a request in the queue.
    fn ask(
        &mut self,
        request: Request,
        purpose: Purpose,
        priority: Priority,
        out: &mut Vec<Output>,
    ) {
        let (action, payload) = match self.version() {
            Version::V16 => v16::ask(&request),
            Version::V201 | Version::V21 => v201::ask(&request),
        };
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let key = match &request {
            Request::Install(Install { scope, .. }) => Some(format!("{}", scope.profile_id())),
            // A step must not push out what a site waits for.
            Request::Update { scope, .. } if matches!(purpose, Purpose::Push { .. }) => {
                Some(format!("{}", scope.profile_id()))
            }
            Request::ReadComposite { evse, .. } => Some(format!("read {evse}")),
            _ => None,
        };
        self.calls.insert(ticket, (request, purpose));
        let dropped = self.connection.call(Call {
            ticket,
            action,
            payload,
            priority,
            key,
        });
        for ticket in dropped {
            self.not_sent(ticket, "superseded before it left", out);
        }
    }

    /// Sends what may be sent.
    fn pump(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.greeted || self.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        if let Some((_, text)) = self.connection.poll_send(now) {
            out.push(Output::Send(text));
        }
    }
}
