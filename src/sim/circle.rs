//! One site's circle without sockets, tasks and store: the real state, planner and dispatch
//! against the simulated depot, in virtual time. Fast and deterministic: same input, same result.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::methods::MethodResult;
use super::world::{Depot, DepotEvent, DepotEventKind, FineEnergy, Layer};
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::id::{CommandId, EvseId, SessionId};
use crate::domain::policy::Policy;
use crate::domain::profile::Profile;
use crate::domain::session::{Needs, Reading, Session, SessionStatus};
use crate::domain::site::Site;
use crate::domain::time::Time;
use crate::planner;
use crate::service::site_core::SiteCore;
use crate::state::SiteState;

/// Turns of one instant; more would mean that a turn provokes itself.
const MAX_TURNS: usize = 100;

/// How the world between site and cars behaves.
#[derive(Clone, Debug)]
pub struct CircleOptions {
    /// From a car's plugging in or out until the site hears of it.
    pub push_delay: TimeDelta,
    /// From a command until the EVSE follows it and has said so.
    pub station_delay: TimeDelta,
    /// Between two readings of a session; on multiples since the Unix epoch.
    pub meter_interval: TimeDelta,
    /// What drivers say, by the id of their car's stay.
    pub needs: BTreeMap<String, Needs>,
}

impl Default for CircleOptions {
    fn default() -> Self {
        Self {
            push_delay: TimeDelta::seconds(1),
            station_delay: TimeDelta::seconds(1),
            meter_interval: TimeDelta::minutes(5),
            needs: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug)]
enum Due {
    /// The site hears of something.
    Told(EventKind),
    /// The EVSE follows a command.
    Follow(Command),
}

/// A session, the last reading of its meter, and whether the site has heard of it.
#[derive(Clone, Debug)]
struct Running {
    session: Session,
    read_at: Time,
    drawn: FineEnergy,
}

/// A site's circle around a depot.
#[derive(Debug)]
pub struct Circle {
    core: SiteCore,
    depot: Depot,
    options: CircleOptions,
    running: BTreeMap<EvseId, Running>,
    queue: BTreeMap<(Time, u64), Due>,
    next_number: u64,
    next_reading: Time,
    wake_at: Time,
    /// Profiles sent, cleared ones included.
    pushes: u64,
    plans: u64,
}

impl Circle {
    /// A site of which nothing is known but its description, around a depot. The depot's EVSEs are
    /// the site's, by name.
    pub fn new(site: Site, policy: Policy, depot: Depot, options: CircleOptions) -> Self {
        let now = depot.now();
        let interval_s = options.meter_interval.num_seconds().max(1);
        let next = (now.timestamp().div_euclid(interval_s) + 1) * interval_s;
        Self {
            core: SiteCore::new(SiteState::new(site, now), policy),
            running: BTreeMap::new(),
            queue: BTreeMap::new(),
            next_number: 0,
            next_reading: chrono::DateTime::from_timestamp(next, 0).unwrap_or(now),
            wake_at: now,
            pushes: 0,
            plans: 0,
            depot,
            options,
        }
    }

    /// Tells the site something at an instant, not before now.
    pub fn tell(&mut self, at: Time, kind: EventKind) {
        self.enqueue(at.max(self.depot.now()), Due::Told(kind));
    }

    /// What the site believes.
    pub fn state(&self) -> &SiteState {
        self.core.state()
    }

    /// The depot.
    pub fn depot(&self) -> &Depot {
        &self.depot
    }

    /// Profiles sent so far, cleared ones included.
    pub fn pushes(&self) -> u64 {
        self.pushes
    }

    /// Plans made so far.
    pub fn plans(&self) -> u64 {
        self.plans
    }

    /// What the meters measured.
    pub fn result(&self, currency: &str) -> MethodResult {
        MethodResult::measured(&self.depot, currency)
    }

    /// Lets time pass. `should_stop` cuts plans off that take too long.
    pub fn run_until(&mut self, end: Time, should_stop: &dyn Fn() -> bool) {
        // Bounded: every turn moves time to an event, or does what is due at this instant.
        loop {
            let next = self.next_event().min(end).max(self.depot.now());
            let events = self.depot.advance_to(next);
            for event in events {
                self.note_plug(event);
            }
            let mut told = self.take_due(next);
            if self.next_reading <= next {
                told.extend(self.read_meters(next));
                self.next_reading = next + self.options.meter_interval;
            }
            if self.wake_at <= next {
                told.push(EventKind::Ticked);
            }
            self.turns(told, should_stop);
            if next >= end {
                return;
            }
        }
    }

    fn next_event(&self) -> Time {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let events = [queued, self.depot.next_plug(), Some(self.wake_at)];
        let events = events.into_iter().flatten();
        events.fold(self.next_reading, Time::min)
    }

    /// Does what is due, and gives what the site hears.
    fn take_due(&mut self, now: Time) -> Vec<EventKind> {
        let mut told = Vec::new();
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Due::Told(kind) => told.push(kind),
                Due::Follow(command) => told.push(self.follow(&command)),
            }
        }
        told
    }

    /// Turns of the site's task until nothing more leaves.
    fn turns(&mut self, told: Vec<EventKind>, should_stop: &dyn Fn() -> bool) {
        let now = self.depot.now();
        let mut told = told;
        for _ in 0..MAX_TURNS {
            for kind in std::mem::take(&mut told) {
                self.core.accept(kind, now);
            }
            if self.core.wants_plan(now) {
                let snapshot = self.core.plan_started(now);
                let plan = planner::plan(&snapshot, self.core.policy(), now, should_stop);
                self.plans += 1;
                let plan = Box::new(plan);
                self.core.accept(EventKind::PlanStored { plan }, now);
            }
            let turn = self.core.dispatch(now);
            let wake_at = turn.wake_at.unwrap_or(now + TimeDelta::hours(1));
            self.wake_at = wake_at.max(now + TimeDelta::seconds(1));
            if let Some(due) = self.core.plan_due() {
                self.wake_at = self.wake_at.min(due);
            }
            for command in turn.commands {
                told.push(self.send(command, now));
            }
            if told.is_empty() {
                return;
            }
        }
    }

    /// A command leaves; it is taken at once and followed later.
    fn send(&mut self, command: Command, now: Time) -> EventKind {
        self.pushes += u64::from(!matches!(command.action, Action::ReadProfile));
        let (id, station_delay) = (command.id, self.options.station_delay);
        self.enqueue(now + station_delay, Due::Follow(command));
        let deadline = now + TimeDelta::seconds(30);
        answered(id, Answer::Accepted { deadline })
    }

    /// The EVSE follows, if the command's session still runs.
    fn follow(&mut self, command: &Command) -> EventKind {
        if let Action::SetDefault { profile } = &command.action {
            let evse = command.evse.as_str();
            self.depot
                .set_profile(evse, Layer::Default, Some(profile.clone()));
            let evidence = Evidence::Result;
            return answered(command.id, Answer::Applied { evidence });
        }
        let running = self.running.get(&command.evse).map(|r| &r.session.id);
        let session = match (&command.session, running) {
            (Some(asked), Some(running)) if asked == running => asked.clone(),
            _ => {
                let reason = Refusal::UnknownSession;
                let detail = "the session is over".to_owned();
                return answered(command.id, Answer::Refused { reason, detail });
            }
        };
        let evse = command.evse.as_str();
        match &command.action {
            Action::SetProfile { profile } => {
                self.depot
                    .set_profile(evse, Layer::Session, Some(profile.clone()));
            }
            // Done above: it belongs to no session.
            Action::SetDefault { .. } => {}
            Action::ClearProfile => {
                self.depot.set_profile(evse, Layer::Session, None);
            }
            Action::ReadProfile => {
                return EventKind::ProfileRead {
                    evse: command.evse.clone(),
                    session,
                    profile: self.installed(evse),
                    command: Some(command.id),
                };
            }
        }
        let evidence = Evidence::Result;
        answered(command.id, Answer::Applied { evidence })
    }

    fn installed(&self, evse: &str) -> Option<Profile> {
        self.depot.evse(evse)?.profile(Layer::Session).cloned()
    }

    fn note_plug(&mut self, event: DepotEvent) {
        let Ok(evse) = EvseId::new(&event.evse) else {
            return;
        };
        let told_at = event.at + self.options.push_delay;
        let session = match event.kind {
            DepotEventKind::PluggedIn(car) => {
                let Ok(id) = SessionId::new(&car.id) else {
                    return;
                };
                let session = Session {
                    id,
                    native_id: car.id.clone(),
                    evse: evse.clone(),
                    status: SessionStatus::Active,
                    started_at: event.at,
                    ended_at: None,
                    energy: FineEnergy::ZERO.energy(),
                    reading: None,
                    keys: Vec::new(),
                    needs: self.options.needs.get(&car.id).copied().unwrap_or_default(),
                    updated_at: told_at,
                };
                let running = Running {
                    session: session.clone(),
                    read_at: event.at,
                    drawn: FineEnergy::ZERO,
                };
                self.running.insert(evse, running);
                session
            }
            DepotEventKind::Unplugged(stay) => {
                let Some(mut running) = self.running.remove(&evse) else {
                    return;
                };
                running.session.status = SessionStatus::Ended;
                running.session.ended_at = Some(event.at);
                running.session.energy = stay.drawn.energy();
                running.session.updated_at = told_at;
                running.session
            }
        };
        let (evse, id, ended) = (
            session.evse.clone(),
            session.id.clone(),
            session.ended_at.is_some(),
        );
        let session = Box::new(session);
        self.enqueue(told_at, Due::Told(EventKind::SessionSeen { session }));
        if !ended {
            self.note_default(told_at, evse, id);
        }
    }

    /// Where a default profile was installed beforehand, it is known to hold as a session begins.
    fn note_default(&mut self, at: Time, evse: EvseId, session: SessionId) {
        let installed = self.depot.evse(evse.as_str());
        if let Some(profile) = installed.and_then(|evse| evse.profile(Layer::Default)) {
            let read = EventKind::ProfileRead {
                profile: Some(profile.clone()),
                evse,
                session,
                command: None,
            };
            self.enqueue(at, Due::Told(read));
        }
    }

    /// Readings of all sessions the site has heard of.
    fn read_meters(&mut self, now: Time) -> Vec<EventKind> {
        let push_delay = self.options.push_delay;
        let mut told = Vec::new();
        for (evse, running) in &mut self.running {
            let Some(stay) = self.depot.evse(evse.as_str()).and_then(|e| e.plugged()) else {
                continue;
            };
            if now <= running.read_at || running.session.started_at + push_delay > now {
                continue;
            }
            let power = (stay.drawn - running.drawn)
                .energy()
                .mean_power(now - running.read_at);
            running.session.reading = Some(Reading { power, at: now });
            running.session.energy = stay.drawn.energy();
            running.session.updated_at = now;
            (running.read_at, running.drawn) = (now, stay.drawn);
            let session = Box::new(running.session.clone());
            told.push(EventKind::SessionSeen { session });
        }
        told
    }

    fn enqueue(&mut self, at: Time, due: Due) {
        self.next_number += 1;
        self.queue.insert((at, self.next_number), due);
    }
}

fn answered(command: CommandId, answer: Answer) -> EventKind {
    EventKind::CommandAnswered { command, answer }
}
