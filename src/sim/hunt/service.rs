//! The service under test: the real state, planner, dispatch, pacing and journal, as the site's task
//! and the partners' outboxes drive them, without their sockets and threads.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::FutureExt;

use crate::dispatch::pacing::{Outbox, Outcome, Parcel};
use crate::domain::command::Command;
use crate::domain::event::EventKind;
use crate::domain::id::{EvseId, PartnerId, SiteKey};
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::site::Site;
use crate::domain::time::Time;
use crate::planner;
use crate::service::site_core::SiteCore;
use crate::state::SiteState;
use crate::store::journal::Journal;
use crate::store::memory::{MemoryStore, WriteFault};

/// Events between two snapshots: few, so that kills meet every mixture of the two.
const EVENTS_PER_SNAPSHOT: usize = 200;
/// How long a plan takes.
const PLANNING: TimeDelta = TimeDelta::milliseconds(500);

/// What a turn of the service asks of the world.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// Commands that may leave, in order.
    pub(super) commands: Vec<Command>,
    /// A plan that is being made, and when it is there.
    pub(super) plan: Option<(Time, Box<Plan>)>,
    /// When to look again.
    pub(super) wake_at: Option<Time>,
    /// The turn was not stored: who handed something in hears an error.
    pub(super) refused: bool,
    /// The store did what it must not.
    pub(super) broken: Option<String>,
}

/// One life after the other of the service.
#[derive(Debug)]
pub(super) struct Service {
    key: SiteKey,
    site: Site,
    policy: Policy,
    core: SiteCore,
    store: MemoryStore,
    journal: Journal,
    /// What nobody would hand in again, until it is stored.
    own: Vec<EventKind>,
    planning: bool,
    is_disk_full: bool,
    since_snapshot: usize,
    pub(super) outboxes: BTreeMap<PartnerId, Outbox>,
    /// Counts the lives; 0 while it is dead.
    pub(super) life: u64,
    lives: u64,
    pub(super) plans: u64,
    pub(super) events: u64,
}

impl Service {
    pub(super) fn new(site: Site, policy: Policy, now: Time) -> Self {
        let store = MemoryStore::new();
        Self {
            key: site.key(),
            core: SiteCore::new(SiteState::new(site.clone(), now), policy.clone()),
            journal: Journal::new(std::sync::Arc::new(store.clone())),
            store,
            site,
            policy,
            own: Vec::new(),
            planning: false,
            is_disk_full: false,
            since_snapshot: 0,
            outboxes: BTreeMap::new(),
            life: 1,
            lives: 1,
            plans: 0,
            events: 0,
        }
    }

    pub(super) fn state(&self) -> &SiteState {
        self.core.state()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.life == 0
    }

    /// The disk takes nothing from now on, or takes it again.
    pub(super) fn disk(&mut self, is_full: bool) {
        self.is_disk_full = is_full;
        self.store
            .fail_all_writes(is_full.then_some(WriteFault::Full));
    }

    /// One turn of the site's task.
    pub(super) fn turn(
        &mut self,
        told: &[EventKind],
        now: Time,
        change: &mut dyn FnMut(&mut SiteCore),
    ) -> Released {
        let mut released = Released::default();
        // The way back is needed where the disk may refuse, and costs a copy of the state.
        let before = self.is_disk_full.then(|| self.core.clone());
        let mut events = Vec::with_capacity(told.len() + 2);
        for kind in self.own.iter().chain(told) {
            events.push(self.core.accept(kind.clone(), now));
        }
        change(&mut self.core);
        let turn = self.core.dispatch(now);
        events.extend(turn.events);
        if !events.is_empty() {
            self.events += u64::try_from(events.len()).unwrap_or(0);
            let saved = self
                .journal
                .append(&self.key, &events, Vec::new())
                .now_or_never();
            if !matches!(saved, Some(Ok(_))) {
                let Some(before) = before else {
                    released.broken = Some("a store with room refused a turn".to_owned());
                    return released;
                };
                self.core = before;
                released.refused = true;
                released.wake_at = Some(now + TimeDelta::seconds(1));
                return released;
            }
            self.own.clear();
            self.since_snapshot += events.len();
            if self.since_snapshot >= EVENTS_PER_SNAPSHOT {
                self.snapshot(events.last().map_or(0, |event| event.seq));
            }
        }
        if !self.planning && self.core.wants_plan(now) {
            let snapshot = self.core.plan_started(now);
            let plan = planner::plan(&snapshot, self.core.policy(), now, &|| false);
            self.planning = true;
            self.plans += 1;
            released.plan = Some((now + PLANNING, Box::new(plan)));
        }
        let wake_at = turn.wake_at.unwrap_or(now + TimeDelta::hours(1));
        released.wake_at = Some(wake_at.max(now + TimeDelta::seconds(1)));
        released.commands = turn.commands;
        released
    }

    /// A plan is there.
    pub(super) fn planned(&mut self, plan: Box<Plan>) {
        self.planning = false;
        self.own
            .retain(|kind| !matches!(kind, EventKind::PlanStored { .. }));
        self.own.push(EventKind::PlanStored { plan });
    }

    fn snapshot(&mut self, seq: u64) {
        self.since_snapshot = 0;
        if let Ok(body) = serde_json::to_vec(self.core.state()) {
            // Without one the journal merely stays longer.
            let written = self.journal.write_snapshot(&self.key, seq, &body);
            let _ = written.now_or_never();
        }
    }

    /// The process is gone, from one instruction to the next.
    pub(super) fn kill(&mut self) {
        self.store.crash();
        self.outboxes.clear();
        self.own.clear();
        self.planning = false;
        self.life = 0;
    }

    /// It starts again on what it had stored. Says whether what it believes is what it believed.
    pub(super) fn restart(&mut self, now: Time) -> Result<(), String> {
        let store = self.store.reopen().map_err(|error| error.to_string())?;
        self.journal = Journal::new(std::sync::Arc::new(store.clone()));
        self.store = store;
        let loaded = self.journal.load(&self.key).now_or_never();
        let loaded = loaded
            .ok_or("the store does not answer")?
            .map_err(|error| error.to_string())?;
        let mut state = match &loaded.snapshot {
            Some(snapshot) => {
                serde_json::from_slice(&snapshot.body).map_err(|error| error.to_string())?
            }
            None => SiteState::new(self.site.clone(), now),
        };
        for event in &loaded.events {
            if loaded.snapshot.is_none() && event.seq == 1 {
                state = SiteState::new(self.site.clone(), event.at);
            }
            state.apply(event);
        }
        let same = state == *self.core.state();
        self.core = SiteCore::new(state, self.policy.clone());
        self.own = vec![EventKind::Restarted];
        self.lives += 1;
        self.life = self.lives;
        if same {
            Ok(())
        } else {
            Err("what was replayed is not what was believed".to_owned())
        }
    }

    /// Puts a command into its partner's outbox; gives those that it pushes out.
    pub(super) fn post(
        &mut self,
        partner: &PartnerId,
        command: Command,
        lowers: bool,
    ) -> Vec<Parcel> {
        let outbox = self.outboxes.entry(partner.clone()).or_default();
        outbox.push(Parcel {
            site: self.key.clone(),
            command,
            lowers,
        })
    }

    /// The commands of all partners that may leave now, and when to look again.
    pub(super) fn pump(&mut self, now: Time) -> (Vec<(PartnerId, Command)>, Option<Time>) {
        let mut leaving = Vec::new();
        for (partner, outbox) in &mut self.outboxes {
            while let Some(parcel) = outbox.next(now) {
                leaving.push((partner.clone(), parcel.command));
            }
        }
        let wake = self.outboxes.values().filter_map(Outbox::wake_at).min();
        (leaving, wake)
    }

    /// A request to a partner came to its end.
    pub(super) fn done(&mut self, partner: &PartnerId, evse: &EvseId, outcome: Outcome, now: Time) {
        if let Some(outbox) = self.outboxes.get_mut(partner) {
            outbox.done(&self.key, evse, outcome, now);
        }
    }
}
