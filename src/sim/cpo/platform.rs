//! The platform without its sockets: what it knows, what it does when, what it has to send.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;

use super::answer::Answer;
use super::book::{Book, Entry, Measured};
use super::counts::CpoCounts;
use super::delays::Delays;
use super::faults::Turn;
use super::options::{CpoOptions, PreferencesBy};
use super::quirks::Quirk;
use super::session_wire;
use crate::domain::profile::Profile;
use crate::domain::time::Time;
use crate::sim::world::{Depot, DepotEvent, DepotEventKind, FineEnergy};

/// Most lines and complaints kept; later ones are only counted.
const MAX_LINES: usize = 100_000;

/// A message to the SCSP.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outgoing {
    /// A whole Session.
    SessionPut { session: String, body: Value },
    /// What changed of a Session.
    SessionPatch { session: String, body: Value },
    /// What the driver wants.
    Preferences { session: String, body: Value },
    /// What an EVSE follows now.
    Active { session: String, body: Value },
    /// The result of a request about profiles.
    Result {
        session: String,
        url: String,
        body: Value,
    },
}

impl Outgoing {
    /// Messages of one session stay in order.
    pub(super) fn session(&self) -> &str {
        match self {
            Self::SessionPut { session, .. }
            | Self::SessionPatch { session, .. }
            | Self::Preferences { session, .. }
            | Self::Active { session, .. }
            | Self::Result { session, .. } => session,
        }
    }
}

/// Something that is due at an instant of virtual time.
#[derive(Clone, Debug)]
pub(super) enum Due {
    Start {
        session: String,
    },
    End {
        session: String,
        last: Option<Measured>,
    },
    Set {
        session: String,
        profile: Profile,
        url: String,
    },
    Clear {
        session: String,
        url: String,
    },
    Report {
        session: String,
        duration: TimeDelta,
        url: String,
    },
    Result {
        session: String,
        url: String,
        body: Value,
    },
    Active {
        session: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    pub lose_callback: Turn,
    pub repeat_callback: Turn,
    pub refuse: Turn,
    pub reject_later: Turn,
    pub forget: Turn,
    lose_push: Turn,
}

/// Depot, sessions, and what is to be done.
#[derive(Debug)]
pub(super) struct Platform {
    pub options: CpoOptions,
    pub depot: Depot,
    pub book: Book,
    pub counts: CpoCounts,
    pub delays: Delays,
    queue: BTreeMap<(Time, u64), Due>,
    next_number: u64,
    next_reading: Time,
    pub turns: Turns,
    lines: Vec<String>,
    complaints: Vec<String>,
}

impl Platform {
    pub(super) fn new(options: CpoOptions, depot: Depot) -> Self {
        Self {
            book: Book::with_history(&options.history),
            counts: CpoCounts::default(),
            delays: Delays::default(),
            queue: BTreeMap::new(),
            next_number: 0,
            next_reading: next_multiple(depot.now(), options.meter_interval),
            turns: Turns::default(),
            lines: Vec::new(),
            complaints: Vec::new(),
            options,
            depot,
        }
    }

    /// The next instant at which the platform has something to do.
    pub(super) fn next_event(&self) -> Time {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let plug = self.depot.next_plug();
        [queued, plug]
            .into_iter()
            .flatten()
            .fold(self.next_reading, Time::min)
    }

    /// Lets time pass; gives what is to be sent.
    pub(super) fn advance_to(&mut self, to: Time) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        // Bounded: every turn moves to the next event, whose work is then done.
        loop {
            let next = self.next_event();
            let step = next.min(to).max(self.depot.now());
            for event in self.depot.advance_to(step) {
                self.note_plug(event);
            }
            while let Some(entry) = self.queue.first_entry() {
                if entry.key().0 > step {
                    break;
                }
                let due = entry.remove();
                self.act(due, &mut outgoing);
            }
            if self.next_reading <= step {
                self.read_meters(&mut outgoing);
                self.next_reading = step + self.options.meter_interval;
            }
            if next > to || step >= to {
                return outgoing;
            }
        }
    }

    /// Keeps what the peer did against the text, and answers 2001.
    pub(super) fn complain(&mut self, complaint: String) -> Answer {
        let answer = Answer::bad(complaint.clone());
        self.keep_complaint(complaint);
        answer
    }

    /// Keeps what the peer did against the text.
    pub(super) fn keep_complaint(&mut self, complaint: String) {
        if self.complaints.len() < MAX_LINES {
            self.complaints.push(complaint);
        }
    }

    /// What the peer did against the text.
    pub(super) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// What happened since the last call, for people.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Adds a line for people, stamped with local time.
    pub(super) fn tell(&mut self, text: &str) {
        if self.lines.len() < MAX_LINES {
            let local = self
                .depot
                .now()
                .with_timezone(&crate::sim::recorded::TIME_ZONE);
            self.lines
                .push(format!("{}  {text}", local.format("%H:%M:%S")));
        }
    }

    /// The whole Session as it is now.
    pub(super) fn session(&self, id: &str) -> Option<Value> {
        let entry = self.book.get(id)?;
        Some(session_wire::session(&self.options, entry))
    }

    pub(super) fn enqueue(&mut self, at: Time, due: Due) {
        self.next_number += 1;
        self.queue.insert((at, self.next_number), due);
    }

    fn note_plug(&mut self, event: DepotEvent) {
        let at = event.at + self.options.push_delay;
        match event.kind {
            DepotEventKind::PluggedIn(car) => {
                let session = self.book.start(&event.evse, car, event.at);
                self.enqueue(at, Due::Start { session });
            }
            DepotEventKind::Unplugged(_) if self.options.quirks.contains(&Quirk::NeverCloses) => {}
            DepotEventKind::Unplugged(stay) => {
                if let Some((session, last)) = self.book.end(&event.evse, stay.drawn, event.at) {
                    self.enqueue(at, Due::End { session, last });
                }
            }
        }
    }

    fn read_meters(&mut self, outgoing: &mut Vec<Outgoing>) {
        let now = self.depot.now();
        let running: Vec<(String, String)> = self
            .book
            .running()
            .map(|(evse, id)| (evse.to_owned(), id.to_owned()))
            .collect();
        for (evse, id) in running {
            let drawn = self.depot.evse(&evse).and_then(|evse| evse.plugged());
            let (Some(entry), Some(stay)) = (self.book.get_mut(&id), drawn) else {
                continue;
            };
            if !entry.announced {
                continue;
            }
            let new = entry.read(now, stay.drawn);
            let body = session_wire::patch(entry, new.as_slice());
            self.push(outgoing, Outgoing::SessionPatch { session: id, body });
        }
    }

    /// Adds a push, unless a fault loses it.
    fn push(&mut self, outgoing: &mut Vec<Outgoing>, message: Outgoing) {
        let every = self.options.faults.lose_push_every;
        if self.turns.lose_push.is_due(every) {
            return;
        }
        let has = |quirk| self.options.quirks.contains(&quirk);
        let older = match &message {
            Outgoing::SessionPatch { session, .. } if has(Quirk::OldAfterNew) => {
                self.an_hour_before(session)
            }
            _ => None,
        };
        if has(Quirk::PushesTwice) {
            outgoing.push(message.clone());
        }
        outgoing.push(message);
        outgoing.extend(older);
    }

    /// The session as if it were an hour old, when nothing had been drawn.
    fn an_hour_before(&self, session: &str) -> Option<Outgoing> {
        let entry = self.book.get(session)?;
        let older = Entry {
            updated_at: entry.updated_at - TimeDelta::hours(1),
            ended_at: None,
            energy: FineEnergy::ZERO,
            measured: Vec::new(),
            ..entry.clone()
        };
        Some(Outgoing::SessionPut {
            session: session.to_owned(),
            body: session_wire::session(&self.options, &older),
        })
    }

    fn act(&mut self, due: Due, outgoing: &mut Vec<Outgoing>) {
        match due {
            Due::Start { session } => self.announce(&session, outgoing),
            Due::End { session, last } => {
                let Some(entry) = self.book.get(&session) else {
                    return;
                };
                self.delays.ended(&session);
                let body = session_wire::patch(entry, last.as_slice());
                let told = format!(
                    "{} unplugged, {:.1} kWh",
                    entry.evse,
                    entry.energy.kilowatt_hours()
                );
                self.tell(&told);
                self.push(outgoing, Outgoing::SessionPatch { session, body });
            }
            Due::Set {
                session,
                profile,
                url,
            } => self.apply(session, Some(profile), url),
            Due::Clear { session, url } => self.apply(session, None, url),
            Due::Report {
                session,
                duration,
                url,
            } => {
                self.answer_report(session, duration, url);
            }
            Due::Active { session } => {
                if let Some(body) = self.active_now(&session) {
                    outgoing.push(Outgoing::Active { session, body });
                }
            }
            Due::Result { session, url, body } => {
                outgoing.push(Outgoing::Result { session, url, body });
            }
        }
    }

    fn announce(&mut self, session: &str, outgoing: &mut Vec<Outgoing>) {
        let Some(entry) = self.book.get_mut(session) else {
            return;
        };
        entry.announced = true;
        entry.updated_at = self.depot.now().max(entry.updated_at);
        let preferences = entry.car.as_ref().map(session_wire::preferences);
        let told = format!("{} plugged in, session {session}", entry.evse);
        let body = session_wire::session(&self.options, entry);
        self.tell(&told);
        let session = session.to_owned();
        self.push(
            outgoing,
            Outgoing::SessionPut {
                session: session.clone(),
                body,
            },
        );
        if self.options.preferences == PreferencesBy::SenderEndpoint
            && let Some(body) = preferences
        {
            self.push(outgoing, Outgoing::Preferences { session, body });
        }
    }
}

/// The first multiple of `interval` since the Unix epoch that is after `now`.
fn next_multiple(now: Time, interval: TimeDelta) -> Time {
    let interval_s = interval.num_seconds().max(1);
    let next = now.timestamp().div_euclid(interval_s) + 1;
    chrono::DateTime::from_timestamp(next * interval_s, 0).unwrap_or(now)
}
