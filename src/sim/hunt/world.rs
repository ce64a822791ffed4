//! One site in a world that misbehaves, in virtual time.
//!
//! Between two events every power is constant, so that what flows is known exactly. Everything that
//! chance decides comes from the seed; nothing reads a clock.

use std::collections::BTreeMap;

use chrono::{NaiveTime, TimeDelta};

use super::chance::Chance;
use super::oracle::Oracle;
use super::post::{Asked, Parked, Post};
use super::report::SiteReport;
use super::scenario::Scenario;
use super::service::Service;
use super::site::{self, PARTNERS};
use super::spoil::Spoil;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::{CommandId, PartnerId, SessionId, SignalKey};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{Needs, Reading, Session, SessionStatus};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::{Mode, Site};
use crate::domain::time::Time;

/// Turns of one instant; more would mean that a turn provokes itself.
const MAX_TURNS: usize = 100;
/// Events of one day; more would mean that the world provokes itself.
const MAX_STEPS_PER_DAY: u64 = 1_000_000;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// A new day: its faults are drawn.
    Day,
    /// A car comes.
    Arrive(usize, Coming),
    /// A car goes.
    Leave(usize, SessionId),
    /// A peer tells the service something; lost while it is dead.
    Tell(EventKind),
    /// The service's own request came to its end: in the life in which it was made.
    Landed {
        life: u64,
        post: usize,
        id: CommandId,
        answer: Answer,
    },
    /// The peer tells a result; it tries again while it is not taken.
    Result(CommandId, Answer),
    /// A request takes effect.
    Apply(usize, Command),
    /// What holds is looked up and told.
    ReadOut(usize, Command),
    /// All meters are read.
    Meters,
    /// Other load takes a new value, in watts; told by the site's meter.
    Load(i64),
    /// A plan is there, in the life in which it was begun.
    Planned(u64, Box<crate::domain::plan::Plan>),
    /// The site's task wakes.
    Wake(u64),
    /// A pause of a partner's outbox ends.
    Pumped(u64),
    /// Everything installed at an EVSE is forgotten.
    Forget(usize),
    /// Something breaks, or is whole again.
    Switch(Switch, bool),
    /// A limit of the grid operator holds from now on in truth.
    Cut(Power, Time),
    /// The process dies.
    Kill,
    /// It starts again.
    Start,
    /// A partner's sessions are read back.
    Pulled(u64, usize),
}

/// What can be broken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Disobedient(usize),
    Offline(usize),
    Frozen(usize),
    Down(usize),
    Silent(usize),
    SiteMeter,
    Disk,
    Stall,
}

/// A car on its way.
#[derive(Clone, Debug)]
pub(super) struct Coming {
    pub(super) stay: TimeDelta,
    pub(super) need: i64,
    pub(super) most_tenths: i64,
    pub(super) phases: i64,
    pub(super) tells: bool,
}

/// The world of one site.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) now: Time,
    pub(super) end: Time,
    pub(super) site: Site,
    pub(super) posts: Vec<Post>,
    pub(super) service: Service,
    pub(super) oracle: Oracle,
    pub(super) chances: BTreeMap<&'static str, Chance>,
    pub(super) seed: u64,
    queue: BTreeMap<(Time, u64), Due>,
    next_number: u64,
    wake_at: Option<Time>,
    /// Other load, in watts.
    pub(super) load: i64,
    /// Per partner: not reachable; tells no results.
    pub(super) down: [bool; 2],
    pub(super) silent: [bool; 2],
    /// How many faults of one kind overlap.
    layers: BTreeMap<String, i32>,
    site_meter: bool,
    pub(super) stalled: bool,
    pub(super) disk_full: bool,
    /// Told while the process is suspended.
    pent: Vec<EventKind>,
    sessions: u64,
    revision: u64,
    /// The grid operator's limit in truth: value and its end.
    pub(super) cut: Option<(Power, Time)>,
    /// The same as the service was told: from, value, end.
    pub(super) told_cut: Option<(Time, Power, Time)>,
    /// Per post: when the last request to it is done, and when the last one took effect.
    pub(super) busy_until: Vec<Time>,
    pub(super) applied_at: Vec<Time>,
    /// Until when something that went wrong may hinder a post.
    pub(super) trouble: Vec<Time>,
    pub(super) report: SiteReport,
    pub(super) trace: Option<Vec<String>>,
    pub(super) spoil: Spoil,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64, days: u32, spoil: Spoil) -> Option<Self> {
        let (site, posts) = site::make(scenario, seed)?;
        let now = scenario.start.and_time(NaiveTime::MIN).and_utc();
        let count = posts.len();
        let service = Service::new(site.clone(), scenario.policy.clone(), now);
        let mut world = Self {
            scenario,
            now,
            end: now + TimeDelta::days(i64::from(days)),
            oracle: Oracle::new(&site, now),
            site,
            posts,
            service,
            chances: BTreeMap::new(),
            seed,
            queue: BTreeMap::new(),
            next_number: 0,
            wake_at: None,
            load: 0,
            down: [false; 2],
            silent: [false; 2],
            layers: BTreeMap::new(),
            site_meter: true,
            stalled: false,
            disk_full: false,
            pent: Vec::new(),
            sessions: 0,
            revision: 0,
            cut: None,
            told_cut: None,
            busy_until: vec![now; count],
            applied_at: vec![now; count],
            trouble: vec![now; count],
            report: SiteReport::new(seed),
            trace: None,
            spoil,
        };
        let evses = std::collections::BTreeSet::new();
        let mode = Mode::Live;
        let mut first = vec![EventKind::ModeSet { mode, evses }];
        for partner in PARTNERS {
            first.push(EventKind::PartnerSeen {
                partner: PartnerId::new(partner).ok()?,
                health: PartnerHealth::Current,
            });
        }
        for kind in first {
            world.at(now, Due::Tell(kind));
        }
        world.at(now, Due::Day);
        world.at(now, Due::Meters);
        Some(world)
    }

    /// A draw from the stream of a name.
    pub(super) fn chance(&mut self, name: &'static str) -> &mut Chance {
        let seed = self.seed;
        self.chances
            .entry(name)
            .or_insert_with(|| Chance::of(seed, name))
    }

    /// Whether a fault happens on this occasion.
    pub(super) fn fault(&mut self, kind: &'static str) -> bool {
        let rate = self.scenario.faults.rate(kind);
        let happens = self.chance(kind).happens(rate);
        if happens {
            *self.report.faults.entry(kind).or_default() += 1;
        }
        happens
    }

    pub(super) fn seconds(&mut self, name: &'static str, low: i64, high: i64) -> TimeDelta {
        let ms = self.chance(name).between(low * 1000, high * 1000);
        TimeDelta::milliseconds(ms)
    }

    pub(super) fn at(&mut self, at: Time, due: Due) {
        self.next_number += 1;
        self.queue.insert((at.max(self.now), self.next_number), due);
    }

    pub(super) fn after(&mut self, span: TimeDelta, due: Due) {
        self.at(self.now + span, due);
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.now.format("%FT%T%.3fZ"), line()));
        }
    }

    /// Plays to the end; gives what was found.
    pub(super) fn play(mut self) -> (SiteReport, Vec<String>) {
        let days = (self.end - self.now).num_days().max(1);
        let most = MAX_STEPS_PER_DAY.saturating_mul(u64::try_from(days).unwrap_or(1));
        let mut steps = 0;
        while self.now < self.end && steps < most {
            steps += 1;
            self.step();
            if self.trace.is_some() && self.report.violations() > 0 {
                break;
            }
        }
        if steps >= most {
            self.report
                .violated(self.now, "endless", "the world provokes itself".to_owned());
        }
        self.report.plans = self.service.plans;
        self.report.events = self.service.events;
        self.oracle.finish(self.now, &mut self.report);
        (self.report, self.trace.unwrap_or_default())
    }

    fn step(&mut self) {
        let queued = self.queue.keys().next().map_or(self.end, |(at, _)| *at);
        let steps = self
            .posts
            .iter()
            .filter_map(|post| post.next_change(self.now));
        let cut_ends = self.cut.map(|(_, end)| end).filter(|end| *end > self.now);
        let next = steps
            .chain(cut_ends)
            .fold(queued.min(self.end), Time::min)
            .max(self.now);
        if next > self.now {
            self.flow(next);
        }
        let mut told = Vec::new();
        // Bounded: what is due is taken out; what follows from it comes later.
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let due = entry.remove();
            self.happen(due, &mut told);
        }
        self.turns(told);
        self.look();
    }

    fn happen(&mut self, due: Due, told: &mut Vec<EventKind>) {
        match due {
            Due::Day => self.day(),
            Due::Arrive(post, coming) => self.arrive(post, &coming),
            Due::Leave(post, session) => self.leave(post, &session),
            Due::Tell(kind) => self.hear(kind, told),
            Due::Landed {
                life,
                post,
                id,
                answer,
            } => {
                if life == self.service.life {
                    self.landed(post, &answer);
                    let command = id;
                    told.push(EventKind::CommandAnswered { command, answer });
                }
            }
            Due::Result(command, answer) => {
                if self.service.is_dead() {
                    // The partner tries again for a while.
                    self.after(TimeDelta::seconds(20), Due::Result(command, answer));
                } else {
                    self.hear(EventKind::CommandAnswered { command, answer }, told);
                }
            }
            Due::Apply(post, command) => self.apply(post, &command),
            Due::ReadOut(post, command) => {
                if let Some(kind) = self.read_out(post, &command) {
                    self.hear(kind, told);
                }
            }
            Due::Meters => {
                self.read_meters(told);
                let interval = i64::from(self.scenario.site.meter_interval_s);
                self.after(TimeDelta::seconds(interval), Due::Meters);
            }
            Due::Load(watts) => {
                if watts > self.load {
                    self.oracle.load_rose(self.now);
                }
                self.load = watts;
                let delay = self.seconds("load_told", 1, 10);
                if self.site_meter {
                    let reading = self.site_reading();
                    let reading = Reading {
                        at: self.now + delay,
                        ..reading
                    };
                    self.after(delay, Due::Tell(EventKind::SiteMetered { reading }));
                }
            }
            Due::Planned(life, plan) => {
                if life == self.service.life {
                    self.service.planned(plan);
                    self.wake_at = Some(self.now);
                }
            }
            Due::Wake(life) => {
                if life == self.service.life && self.wake_at.is_some_and(|at| at <= self.now) {
                    told.push(EventKind::Ticked);
                }
            }
            Due::Pumped(life) => {
                if life == self.service.life {
                    told.extend(self.pump());
                }
            }
            Due::Forget(post) => self.forget(post),
            Due::Switch(switch, is_on) => self.switch(switch, is_on, told),
            Due::Cut(limit, until) => {
                self.cut = Some((limit, until));
                self.oracle.limit_cut(self.now);
            }
            Due::Kill => self.kill(),
            Due::Start => self.start(),
            Due::Pulled(life, partner) => {
                if life == self.service.life {
                    self.pulled(partner, told);
                }
            }
        }
    }

    /// The service hears something, if it runs.
    fn hear(&mut self, kind: EventKind, told: &mut Vec<EventKind>) {
        if self.service.is_dead() {
            return;
        }
        if self.stalled {
            self.pent.push(kind);
        } else {
            told.push(kind);
        }
    }

    /// Turns of the site's task until nothing more leaves.
    fn turns(&mut self, mut told: Vec<EventKind>) {
        if self.service.is_dead() || self.stalled {
            return;
        }
        for _ in 0..MAX_TURNS {
            let due = self.wake_at.is_some_and(|at| at <= self.now);
            if told.is_empty() && !due {
                return;
            }
            let mut spoil = self.spoil.clone();
            for kind in &mut told {
                spoil.told(kind);
            }
            self.spoil = spoil.clone();
            let before = self.service.life;
            let released = self
                .service
                .turn(&told, self.now, &mut |core| spoil.believed(core));
            self.spoil = spoil;
            self.wake_at = released.wake_at;
            if let Some(at) = released.wake_at {
                self.at(at, Due::Wake(before));
            }
            if let Some((at, plan)) = released.plan {
                self.at(at, Due::Planned(before, plan));
            }
            if released.refused {
                self.refused(told);
                return;
            }
            for kind in &told {
                self.heard(kind);
            }
            told = Vec::new();
            for command in released.commands {
                told.extend(self.release(command));
            }
            told.extend(self.pump());
        }
    }

    /// A turn was not stored: answers are told again; the rest comes with the next message.
    fn refused(&mut self, told: Vec<EventKind>) {
        let life = self.service.life;
        for kind in told {
            if let EventKind::CommandAnswered { .. } = kind {
                self.after(TimeDelta::seconds(1), Due::Tell(kind));
            }
        }
        self.after(TimeDelta::seconds(60), Due::Pulled(life, 0));
        self.after(TimeDelta::seconds(60), Due::Pulled(life, 1));
    }

    /// The service took something in, and it is on disk.
    fn heard(&mut self, kind: &EventKind) {
        match kind {
            EventKind::SessionSeen { session } => {
                let post = self
                    .posts
                    .iter_mut()
                    .find(|post| post.evse.id == session.evse);
                if let Some(car) = post.and_then(|post| post.car.as_mut())
                    && car.session.id == session.id
                {
                    car.told = true;
                }
            }
            EventKind::SignalSet { series } if series.kind == SignalKind::ImportLimit => {
                let slot = series.slots.first();
                self.told_cut =
                    slot.map(|slot| (slot.start, Power::from_watts(slot.value), slot.end));
                self.oracle.limit_cut(self.now);
            }
            EventKind::StationConnected { evse, booted: true } => {
                for post in self.posts.iter_mut().filter(|post| post.evse.id == *evse) {
                    post.lost = false;
                }
            }
            EventKind::CommandAnswered { command, answer } => self.settled(*command, answer),
            _ => {}
        }
    }

    fn kill(&mut self) {
        if self.service.is_dead() {
            return;
        }
        self.note(|| "killed".to_owned());
        self.service.kill();
        self.pent.clear();
        self.wake_at = None;
        self.unsent();
        let pause = self.seconds("down_for", 1, 300);
        self.after(pause, Due::Start);
    }

    fn start(&mut self) {
        if !self.service.is_dead() {
            return;
        }
        self.service.disk(self.disk_full);
        match self.service.restart(self.now) {
            Err(why) if self.spoil.is_off() => self.report.violated(self.now, "replay", why),
            Ok(()) | Err(_) => {}
        }
        self.note(|| "started again".to_owned());
        let life = self.service.life;
        self.wake_at = Some(self.now);
        self.at(self.now, Due::Wake(life));
        for partner in 0..PARTNERS.len() {
            let pause = self.seconds("pull", 2, 10);
            self.after(pause, Due::Pulled(life, partner));
        }
        for index in 0..self.posts.len() {
            if self.posts[index].is_station() && self.posts[index].online {
                let evse = self.posts[index].evse.id.clone();
                let booted = self.posts[index].lost;
                let kind = EventKind::StationConnected { evse, booted };
                let pause = self.seconds("pull", 2, 10);
                self.after(pause, Due::Tell(kind));
                self.retell(index, pause);
            }
        }
    }

    /// A partner's sessions are read back whole.
    fn pulled(&mut self, partner: usize, told: &mut Vec<EventKind>) {
        if self.down[partner] {
            let life = self.service.life;
            self.after(TimeDelta::seconds(60), Due::Pulled(life, partner));
            return;
        }
        let name = PARTNERS[partner];
        for post in &self.posts {
            if post.partner().is_some_and(|holder| holder.as_str() == name)
                && let Some(car) = &post.car
            {
                let mut session = car.session.clone();
                session.updated_at = self.now;
                session.energy = Energy::from_joules(car.drawn / 1000);
                told.push(EventKind::SessionSeen {
                    session: Box::new(session),
                });
            }
        }
        if let Ok(partner) = PartnerId::new(name) {
            let health = PartnerHealth::Current;
            told.push(EventKind::PartnerSeen { partner, health });
        }
        if self.stalled {
            self.pent.append(told);
        }
    }

    /// A station tells its session again.
    fn retell(&mut self, index: usize, pause: TimeDelta) {
        if let Some(car) = &self.posts[index].car {
            let mut session = car.session.clone();
            session.updated_at = self.now + pause;
            let session = Box::new(session);
            self.after(pause, Due::Tell(EventKind::SessionSeen { session }));
        }
    }

    fn arrive(&mut self, index: usize, coming: &Coming) {
        if self.posts[index].car.is_some() {
            return;
        }
        self.sessions += 1;
        let native_id = format!("S{}", self.sessions);
        let Ok(id) = SessionId::new(format!("nl*hun*{native_id}")) else {
            return;
        };
        let leaves_told = self.now + coming.stay;
        let early = self.fault("leaves_early");
        let late = self.fault("leaves_late");
        let leaves_at = if early {
            self.now + coming.stay / 2
        } else if late {
            leaves_told + self.seconds("leaves_late", 1800, 6 * 3600)
        } else {
            leaves_told
        };
        let needs = if coming.tells {
            Needs {
                departure: Some(leaves_told),
                energy: Some(Energy::from_joules(coming.need / 1000)),
                discharge_allowed: false,
            }
        } else {
            Needs::default()
        };
        let session = Session {
            id: id.clone(),
            native_id,
            evse: self.posts[index].evse.id.clone(),
            status: SessionStatus::Active,
            started_at: self.now,
            ended_at: None,
            energy: Energy::ZERO,
            reading: None,
            keys: Vec::new(),
            needs,
            updated_at: self.now,
        };
        let never_closed = self.fault("never_closed");
        self.posts[index].profile = None;
        // A default profile may be gone, and the service may not know; a session's is gone anyhow.
        self.posts[index].lost &= self.posts[index].is_station();
        self.posts[index].car = Some(Parked {
            session: session.clone(),
            leaves_at,
            came_at: self.now,
            need: coming.need,
            drawn: 0,
            most_tenths: coming.most_tenths,
            phases: coming.phases,
            told: false,
            never_closed,
            is_plain: !early,
            hindered: TimeDelta::zero(),
            could_get: 0,
            read: (0, self.now),
        });
        self.note(|| format!("{} plugged in at {}", id, session.evse));
        self.at(leaves_at, Due::Leave(index, id));
        let delay = if self.fault("told_late") {
            self.seconds("told_late", 60, 900)
        } else {
            self.seconds("told", 0, 3)
        };
        self.tell_session(index, session, delay);
    }

    /// A peer tells of a session: perhaps twice, perhaps an older version after it.
    fn tell_session(&mut self, index: usize, session: Session, delay: TimeDelta) {
        let partner = self.partner_index(index);
        if partner.is_some_and(|partner| self.down[partner]) || !self.posts[index].online {
            // It is told when they are read back, or when the station is there again.
            return;
        }
        let tell = |session: Session| {
            Due::Tell(EventKind::SessionSeen {
                session: Box::new(session),
            })
        };
        if self.fault("told_twice") {
            let again = delay + self.seconds("told_twice", 0, 60);
            self.after(again, tell(session.clone()));
        }
        if self.fault("out_of_order") {
            let mut older = session.clone();
            older.updated_at -= TimeDelta::seconds(1);
            older.energy = Energy::ZERO;
            let after = delay + TimeDelta::milliseconds(500);
            self.after(after, tell(older));
        }
        self.after(delay, tell(session));
    }

    fn leave(&mut self, index: usize, id: &SessionId) {
        let is_there = |car: &Parked| car.session.id == *id;
        let Some(car) = self.posts[index].car.take_if(|car| is_there(car)) else {
            return;
        };
        self.note(|| format!("{id} unplugged"));
        let post = &mut self.posts[index];
        post.profile = None;
        post.owed = None;
        post.asked.retain(|asked| asked.is_default);
        self.report.left(&car, self.now);
        if !car.never_closed {
            let mut session = car.session;
            session.status = SessionStatus::Ended;
            session.ended_at = Some(self.now);
            session.energy = Energy::from_joules(car.drawn / 1000);
            session.updated_at = self.now;
            let delay = self.seconds("told", 0, 3);
            self.tell_session(index, session, delay);
        }
    }

    /// Everything that is measured.
    fn read_meters(&mut self, told: &mut Vec<EventKind>) {
        for index in 0..self.posts.len() {
            if self.posts[index].car.is_none() {
                continue;
            }
            let lost = self.fault("reading_lost");
            let negative = self.fault("reading_negative");
            let absurd = self.fault("reading_absurd");
            let now = self.now;
            let partner = self.partner_index(index);
            let unheard =
                partner.is_some_and(|partner| self.down[partner]) || !self.posts[index].online;
            let post = &mut self.posts[index];
            let (frozen, is_station, evse) = (post.frozen, post.is_station(), post.evse.id.clone());
            let Some(car) = post.car.as_mut().filter(|car| car.told) else {
                continue;
            };
            if lost || unheard || now <= car.read.1 {
                continue;
            }
            if !frozen {
                let span = (now - car.read.1).num_milliseconds().max(1);
                let mean = (car.drawn - car.read.0) / span;
                car.read = (car.drawn, now);
                car.session.reading = Some(Reading {
                    power: Power::from_watts(mean),
                    at: now,
                });
            }
            let Some(mut reading) = car.session.reading else {
                continue;
            };
            if frozen {
                reading.at = now;
            } else if negative {
                reading.power = Power::from_watts(-reading.power.watts());
            } else if absurd {
                reading.power = reading.power * 1000;
            }
            car.session.energy = Energy::from_joules(car.read.0 / 1000);
            car.session.updated_at = now;
            let kind = if is_station {
                EventKind::EvseMeasured {
                    evse,
                    reading,
                    energy: Some(car.session.energy),
                }
            } else {
                let mut session = car.session.clone();
                session.reading = Some(reading);
                EventKind::SessionSeen {
                    session: Box::new(session),
                }
            };
            self.hear(kind, told);
        }
        if self.site_meter {
            let reading = self.site_reading();
            self.hear(EventKind::SiteMetered { reading }, told);
        }
    }

    fn site_reading(&self) -> Reading {
        let evs: Power = self.posts.iter().map(|post| post.draw(self.now)).sum();
        Reading {
            power: evs + Power::from_watts(self.load),
            at: self.now,
        }
    }

    pub(super) fn partner_index(&self, post: usize) -> Option<usize> {
        let partner = self.posts[post].partner()?;
        PARTNERS.iter().position(|name| *name == partner.as_str())
    }

    fn switch(&mut self, switch: Switch, is_on: bool, told: &mut Vec<EventKind>) {
        // Two of a kind may overlap: the last to end ends it.
        let layer = self.layers.entry(format!("{switch:?}")).or_default();
        *layer += if is_on { 1 } else { -1 };
        let holds = *layer > 0;
        self.note(|| format!("{switch:?} {is_on}"));
        match switch {
            Switch::Disobedient(post) => self.posts[post].obeys = !holds,
            Switch::Offline(post) => {
                self.posts[post].online = !holds;
                if !holds {
                    let evse = self.posts[post].evse.id.clone();
                    let booted = self.posts[post].lost;
                    self.hear(EventKind::StationConnected { evse, booted }, told);
                    self.retell(post, TimeDelta::seconds(1));
                }
            }
            Switch::Frozen(post) => self.posts[post].frozen = holds,
            Switch::Down(partner) => {
                self.down[partner] = holds;
                let health = if holds {
                    PartnerHealth::Stale
                } else {
                    let life = self.service.life;
                    self.after(TimeDelta::seconds(5), Due::Pulled(life, partner));
                    return;
                };
                if let Ok(partner) = PartnerId::new(PARTNERS[partner]) {
                    let kind = EventKind::PartnerSeen { partner, health };
                    self.after(TimeDelta::seconds(30), Due::Tell(kind));
                }
            }
            Switch::Silent(partner) => self.silent[partner] = holds,
            Switch::SiteMeter => self.site_meter = !holds,
            Switch::Disk => {
                self.disk_full = holds;
                if !self.service.is_dead() {
                    self.service.disk(holds);
                }
            }
            Switch::Stall => {
                self.stalled = holds;
                if !holds {
                    told.append(&mut self.pent);
                    self.wake_at = self.wake_at.or(Some(self.now));
                }
            }
        }
    }

    /// The limit of the grid in truth, from now on.
    pub(super) fn limit(&self) -> PowerCurve {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        match self.cut {
            Some((limit, end)) if end > self.now => PowerCurve::new(own.min(limit), [(end, own)]),
            _ => PowerCurve::constant(own),
        }
    }

    /// The same as far as the service was told.
    pub(super) fn known_limit(&self) -> PowerCurve {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        match self.told_cut {
            Some((from, limit, end)) => PowerCurve::new(own, [(from, own.min(limit)), (end, own)]),
            None => PowerCurve::constant(own),
        }
    }

    /// The faults and cars of a day.
    fn day(&mut self) {
        self.after(TimeDelta::days(1), Due::Day);
        let hours = |world: &mut Self, name| world.seconds(name, 0, 86_399);
        for post in 0..self.posts.len() {
            let station = self.posts[post].is_station();
            for (kind, switch, longest) in [
                ("disobedient", Switch::Disobedient(post), 4 * 3600),
                ("reading_frozen", Switch::Frozen(post), 6 * 3600),
                ("offline", Switch::Offline(post), 2 * 3600),
            ] {
                if self.fault(kind) && (kind != "offline" || station) {
                    let from = hours(self, kind);
                    let span = self.seconds(kind, 60, longest);
                    self.after(from, Due::Switch(switch, true));
                    self.after(from + span, Due::Switch(switch, false));
                }
            }
            if self.fault("reboot") {
                let at = hours(self, "reboot");
                self.after(at, Due::Switch(Switch::Offline(post), true));
                let span = self.seconds("reboot", 20, 180);
                if self.fault("profiles_lost") {
                    self.after(at + span / 2, Due::Forget(post));
                }
                self.after(at + span, Due::Switch(Switch::Offline(post), false));
            }
            self.cars(post);
        }
        for partner in 0..PARTNERS.len() {
            if self.fault("partner_down") {
                let from = hours(self, "partner_down");
                let span = self.seconds("partner_down", 60, 2 * 3600);
                self.after(from, Due::Switch(Switch::Down(partner), true));
                self.after(from + span, Due::Switch(Switch::Down(partner), false));
            }
            if self.fault("silent") {
                self.after(
                    TimeDelta::zero(),
                    Due::Switch(Switch::Silent(partner), true),
                );
                let whole = TimeDelta::days(1);
                self.after(whole, Due::Switch(Switch::Silent(partner), false));
            }
        }
        for (kind, switch, longest) in [
            ("site_meter_lost", Switch::SiteMeter, 6 * 3600),
            ("disk_full", Switch::Disk, 1800),
            ("stall", Switch::Stall, 900),
        ] {
            if self.fault(kind) {
                let from = hours(self, kind);
                let span = self.seconds(kind, 30, longest);
                self.after(from, Due::Switch(switch, true));
                self.after(from + span, Due::Switch(switch, false));
            }
        }
        if self.fault("kill") {
            let at = hours(self, "kill");
            self.after(at, Due::Kill);
        }
        self.loads();
        if self.fault("limit_cut") {
            self.cut_limit();
        }
        if self.fault("limit_absurd") {
            let at = hours(self, "limit_absurd");
            let from = self.now + at;
            let kind = self.series("trader", from, TimeDelta::hours(2), 1_000_000_000_000);
            self.after(at, Due::Tell(kind));
        }
    }

    fn loads(&mut self) {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let highest = own.watts() * i64::from(self.scenario.site.base_load_percent) / 100;
        for hour in 0..24 {
            // Day and night, with something on top.
            let day = if (7..20).contains(&hour) {
                highest * 6 / 10
            } else {
                highest * 3 / 10
            };
            let watts = day + self.chance("load").between(-highest / 10, highest / 10);
            let at = TimeDelta::hours(hour) + self.seconds("load", 0, 3599);
            self.after(at, Due::Load(watts.max(0)));
        }
        if self.fault("load_jump") {
            let at = self.seconds("load_jump", 0, 80_000);
            self.after(at, Due::Load(highest));
        }
    }

    fn cut_limit(&mut self) {
        let own = self.site.circuits[0].import_limit.unwrap_or(Power::ZERO);
        let share = self.chance("limit_cut").between(30, 90);
        let limit = own.scaled_down(share, 100);
        let from = self.seconds("limit_cut", 0, 70_000);
        let span = self.seconds("limit_cut", 900, 3 * 3600);
        let lead = self.seconds("limit_cut", -3600, 3600);
        let start = self.now + from;
        let lead = lead.max(TimeDelta::zero());
        let told = if self.fault("cut_told_late") {
            from + self.seconds("cut_told_late", 1, 600)
        } else {
            (from - lead).max(TimeDelta::zero())
        };
        let kind = self.series("dso", start, span, limit.watts());
        self.after(from, Due::Cut(limit, start + span));
        self.after(told, Due::Tell(kind));
    }

    fn series(&mut self, source: &str, start: Time, span: TimeDelta, value: i64) -> EventKind {
        self.revision += 1;
        let key = SignalKey::new(format!("limit-{source}"));
        let slot = SignalSlot {
            start,
            end: start + span,
            value,
        };
        match key {
            Ok(key) => EventKind::SignalSet {
                series: Box::new(SignalSeries {
                    key,
                    source: source.to_owned(),
                    revision: self.revision,
                    kind: if source == "dso" {
                        SignalKind::ImportLimit
                    } else {
                        SignalKind::ImportFallback
                    },
                    circuit: None,
                    evse: None,
                    evses_only: false,
                    slots: vec![slot],
                    priority: 10,
                    hard: true,
                    issued_at: self.now,
                    received_at: self.now,
                    valid_until: None,
                }),
            },
            Err(_) => EventKind::Ticked,
        }
    }

    fn cars(&mut self, post: usize) {
        let shape = self.scenario.cars.clone();
        let pick = |world: &mut Self, name, pair: [u32; 2]| {
            world
                .chance(name)
                .between(i64::from(pair[0]), i64::from(pair[1]))
        };
        let count = pick(self, "cars", shape.per_evse);
        for _ in 0..count {
            let at = self.chance("arrival").between(0, 86_399_000);
            let at = if self.chance("burst").percent(shape.burst_percent) {
                // All bursts of a day meet at the same two seconds of each quarter of it.
                let quarter = at / 21_600_000 * 21_600_000 + 7_200_000;
                quarter + self.chance("burst").between(0, 2000)
            } else {
                at
            };
            let stay = TimeDelta::minutes(pick(self, "stay", shape.stay_min));
            let evse = &self.posts[post].evse;
            let phases = i64::try_from(evse.phases.len()).unwrap_or(1);
            let amps = evse.max.watts() / (230 * phases.max(1));
            let phases = if phases == 3 && self.chance("phases").percent(20) {
                1
            } else {
                phases
            };
            let most = self.chance("most").between(16, amps.max(16)).min(amps) * 10;
            let full = most * 230 * phases / 10 * stay.num_milliseconds();
            let need = full / 100 * pick(self, "need", shape.need_percent);
            let tells = self.chance("tells").percent(shape.told_percent);
            let coming = Coming {
                stay,
                need,
                most_tenths: most,
                phases,
                tells,
            };
            self.after(TimeDelta::milliseconds(at), Due::Arrive(post, coming));
        }
    }

    /// The requests that will still take effect.
    pub(super) fn coming(&self) -> Vec<CommandId> {
        let applied = self.queue.values().filter_map(|due| match due {
            Due::Apply(_, command) => Some(command.id),
            _ => None,
        });
        applied.collect()
    }

    pub(super) fn asked(&mut self, post: usize, command: &Command) {
        let (profile, is_default) = match &command.action {
            Action::SetProfile { profile } => (Some(profile.clone()), false),
            Action::SetDefault { profile } => (Some(profile.clone()), true),
            Action::ClearProfile => (None, false),
            Action::ReadProfile => return,
        };
        self.posts[post].asked.push(Asked {
            id: command.id,
            profile,
            may_come: true,
            is_default,
            issued_at: self.now,
        });
    }
}
