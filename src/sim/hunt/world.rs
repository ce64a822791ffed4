//! One site in a world that misbehaves, in virtual time.
//!
//! Between two events every power is constant, so that what flows is known exactly. Everything that
//! chance decides comes from the seed; nothing reads a clock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveTime, TimeDelta};

use super::chance::Chance;
use super::oracle::Oracle;
use super::peers;
use super::post::{Asked, Post};
use super::report::SiteReport;
use super::scenario::Scenario;
use super::service::Service;
use super::share::Shares;
use super::site::{self, PARTNERS};
use super::spoil::Spoil;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::{CommandId, PartnerId, SessionId};
use crate::domain::quantity::Power;
use crate::domain::signal::SignalKind;
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
    /// An EVSE's meter is read.
    Meter(usize),
    /// The site's meter is read; in its turn.
    SiteMeter(bool),
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fault that may hold at the same time as any other"
)]
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
    pub(super) queue: BTreeMap<(Time, u64), Due>,
    pub(super) next_number: u64,
    pub(super) wake_at: Option<Time>,
    /// A wake-up is due then already.
    pub(super) wake_due: Option<Time>,
    /// Other load, in watts.
    pub(super) load: i64,
    /// What it was before, and until when.
    load_before: (i64, Time),
    /// Per partner: not reachable; tells no results.
    pub(super) down: [bool; 2],
    pub(super) silent: [bool; 2],
    /// Per partner: when it is read back because a turn was refused.
    pub(super) pull_due: [Time; 2],
    /// How many faults of one kind overlap.
    pub(super) layers: BTreeMap<String, i32>,
    pub(super) site_meter: bool,
    /// What the site's meter told last, and when.
    pub(super) site_read: (Power, Time),
    pub(super) site_read_soon: bool,
    /// Something other than meters changed since the oracle looked.
    pub(super) moved: bool,
    pub(super) shares: Shares,
    pub(super) stalled: bool,
    pub(super) disk_full: bool,
    /// Told while the process is suspended.
    pub(super) pent: Vec<EventKind>,
    pub(super) sessions: u64,
    pub(super) revision: u64,
    /// The grid operator's limit in truth: value and its end.
    pub(super) cut: Option<(Power, Time)>,
    /// The same as the service was told: from, value, end.
    pub(super) told_cut: Option<(Time, Power, Time)>,
    /// Per post: when the last request to it is done, and when the last one took effect.
    pub(super) busy_until: Vec<Time>,
    pub(super) applied_at: Vec<Time>,
    /// Until when something that went wrong may hinder a post.
    pub(super) trouble: Vec<Time>,
    /// Calls that a station dropped with its connection.
    pub(super) unheard: BTreeSet<CommandId>,
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
            wake_due: None,
            load: 0,
            load_before: (0, now),
            down: [false; 2],
            silent: [false; 2],
            pull_due: [now; 2],
            layers: BTreeMap::new(),
            site_meter: true,
            site_read: (Power::ZERO, now),
            site_read_soon: false,
            moved: true,
            shares: Shares::default(),
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
            unheard: BTreeSet::new(),
            report: SiteReport::new(seed),
            trace: None,
            spoil,
        };
        let evses = BTreeSet::new();
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
        world.at(now, Due::SiteMeter(true));
        for post in 0..count {
            // None on the same second as another, but by chance.
            let first = world.seconds("meter", 0, 59);
            world.after(first, Due::Meter(post));
        }
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
        self.close_all();
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
            self.moved |= !matches!(
                due,
                Due::Meter(_) | Due::SiteMeter(_) | Due::Wake(_) | Due::Tell(_) | Due::Load(_)
            );
            self.happen(due, &mut told);
        }
        self.turns(told);
        self.look();
        self.mind_site_meter();
        self.moved = false;
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
                let answer = if self.unheard.remove(&id) {
                    peers::unknown()
                } else {
                    answer
                };
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
            Due::Meter(post) => self.read_meter(post, told),
            Due::SiteMeter(in_turn) => self.read_site_meter(in_turn),
            Due::Load(watts) => {
                if watts > self.load {
                    self.oracle.load_rose(self.now);
                }
                self.load_before = (self.load, self.now);
                self.load = watts;
            }
            Due::Planned(life, plan) => {
                if life == self.service.life {
                    self.service.planned(plan);
                    self.wake_at = Some(self.now);
                }
            }
            Due::Wake(life) => {
                self.wake_due = self.wake_due.filter(|due| *due > self.now);
                if life == self.service.life {
                    match self.wake_at {
                        Some(at) if at <= self.now => told.push(EventKind::Ticked),
                        Some(at) if self.wake_due.is_none() => {
                            self.wake_due = Some(at);
                            self.at(at, Due::Wake(life));
                        }
                        _ => {}
                    }
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
    pub(super) fn hear(&mut self, kind: EventKind, told: &mut Vec<EventKind>) {
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
            if let Some(at) = released.wake_at
                && self.wake_due.is_none_or(|due| at < due || due <= self.now)
            {
                self.wake_due = Some(at);
                self.at(at, Due::Wake(before));
            }
            if let Some((at, plan)) = released.plan {
                self.at(at, Due::Planned(before, plan));
            }
            if let Some(what) = released.broken {
                self.report.violated(self.now, "replay", what);
                return;
            }
            if released.refused {
                self.refused(told);
                return;
            }
            for kind in &told {
                self.heard(kind);
                self.note(|| format!("told {}", in_short(kind)));
            }
            told = Vec::new();
            for command in released.commands {
                told.extend(self.release(command));
            }
            told.extend(self.pump());
        }
    }

    /// The service took something in, and it is on disk.
    fn heard(&mut self, kind: &EventKind) {
        match kind {
            EventKind::SessionSeen { session } => {
                let post = self
                    .posts
                    .iter_mut()
                    .find(|post| post.evse.id == session.evse);
                if let Some(post) = post
                    && let Some(car) = &mut post.car
                    && car.session.id == session.id
                {
                    self.moved |= !car.told;
                    car.told = true;
                    if session.updated_at > post.read_at[1] {
                        post.read_at = [post.read_at[1], session.updated_at];
                    }
                }
            }
            EventKind::EvseMeasured { evse, reading, .. } => {
                let mut posts = self.posts.iter_mut();
                if let Some(post) = posts.find(|post| post.evse.id == *evse) {
                    post.read_at = [post.read_at[1], reading.at];
                }
            }
            EventKind::SiteMetered { reading } => {
                self.oracle.site_read_at = reading.at;
                self.oracle.seen_load = self.load_at(reading.at);
            }
            EventKind::SignalSet { series } if series.kind == SignalKind::ImportLimit => {
                let slot = series.slots.first();
                self.told_cut =
                    slot.map(|slot| (slot.start, Power::from_watts(slot.value), slot.end));
                self.oracle.limit_cut(self.now);
                self.moved = true;
            }
            EventKind::StationConnected { evse, booted: true } => {
                for post in self.posts.iter_mut().filter(|post| post.evse.id == *evse) {
                    post.lost = false;
                    self.moved = true;
                }
            }
            EventKind::CommandAnswered { command, answer } => self.settled(*command, answer),
            _ => {}
        }
    }

    pub(super) fn partner_index(&self, post: usize) -> Option<usize> {
        let partner = self.posts[post].partner()?;
        PARTNERS.iter().position(|name| *name == partner.as_str())
    }

    /// Other load at an instant of the last minute, in watts.
    fn load_at(&self, at: Time) -> i64 {
        let (before, since) = self.load_before;
        if since > at { before } else { self.load }
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

/// What was told, in short.
fn in_short(kind: &EventKind) -> String {
    match kind {
        EventKind::SessionSeen { session } => {
            let power = session.reading.map(|reading| reading.power);
            let (id, evse, status) = (&session.id, &session.evse, session.status);
            format!(
                "session {id} at {evse} {status:?}, {} so far, {power:?}",
                session.energy
            )
        }
        EventKind::PlanStored { plan } => format!("plan {}", plan.id),
        other => format!("{other:?}"),
    }
}
