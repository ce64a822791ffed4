//! The task that owns one site: its inbox, its journal, its planner.
//!
//! A turn: take what is in the inbox, apply it, ask dispatch, make all of it durable in one
//! write, answer who submitted, and only then let commands leave (I6). What could not be made
//! durable did not happen: the state goes back to before the turn, and who submitted hears so.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{Instrument, debug, error, info, warn};

use super::activity::{Activity, Busy};
use super::clock::Stopwatch;
use super::site_core::SiteCore;
use super::sites::StoreHealth;
use crate::api::chronicle::Chronicle;
use crate::api::metrics::Metrics;
use crate::domain::command::Command;
use crate::domain::event::{Event, EventKind};
use crate::domain::id::SiteKey;
use crate::domain::plan::{Plan, PlanOrigin};
use crate::domain::ports::{Clock, PortError, RecordWrite};
use crate::domain::time::Time;
use crate::planner;
use crate::state::Snapshot;
use crate::store::StoreError;
use crate::store::journal::Journal;

/// Submissions that wait for one site; beyond, submitters are told to come again.
pub const INBOX: usize = 1024;
/// Submissions taken in one turn, so that one flush serves them all.
const TURN: usize = 256;
/// Events between two snapshots of the state, and so the most that a start replays per site. A replay
/// is what a start waits for: some tenths of a millisecond an event, at every site. A busy site of 100
/// EVSEs has about one event a second and a state of some 200 kB: a snapshot every three minutes.
const EVENTS_PER_SNAPSHOT: u64 = 200;
/// After a turn that could not be stored it is tried again, in seconds.
const RETRY_S: i64 = 1;
/// The longest a plan may take before its best answer so far is used. The planner limits its work by
/// counting it; this net outside is for machines far slower than any it was measured on.
const PLAN_BUDGET: Duration = Duration::from_secs(10);

/// What an edge hands in.
#[derive(Debug)]
pub struct Submission {
    /// What happened.
    pub events: Vec<EventKind>,
    /// Records that belong to it.
    pub records: Vec<RecordWrite>,
    /// Answered when all of it is durable and applied, or when it is neither. Without one nobody
    /// would hand it in again: it is kept until it is durable.
    pub reply: Option<oneshot::Sender<Result<(), PortError>>>,
    /// Counts until the turn is over.
    pub busy: Busy,
}

/// Where commands go after they are durable.
pub trait Outlet: Send + Sync + 'static {
    /// Hands over the commands of one turn; must not block.
    fn release(&self, site: &SiteKey, snapshot: &Snapshot, commands: Vec<Command>);
}

/// The task of one site.
pub struct SiteActor {
    /// Site and tenant.
    pub key: SiteKey,
    /// State and questions.
    pub core: SiteCore,
    /// Events that its start replayed: they count towards the next snapshot.
    pub replayed: u64,
    /// Where submissions come from.
    pub inbox: mpsc::Receiver<Submission>,
    /// Who reads the state.
    pub published: watch::Sender<Snapshot>,
    /// Where events are kept.
    pub journal: Journal,
    /// Where commands go.
    pub outlet: Arc<dyn Outlet>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Work under way.
    pub activity: Activity,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who tells people what happened.
    pub chronicle: Arc<Chronicle>,
    /// Whether the store takes what is written.
    pub store_health: Arc<StoreHealth>,
    /// Becomes true when the service stops.
    pub stop: watch::Receiver<bool>,
}

impl std::fmt::Debug for SiteActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteActor")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

type Planning = JoinHandle<(Plan, Duration)>;

impl SiteActor {
    /// Runs until the service stops.
    pub async fn run(mut self) {
        let span = tracing::info_span!("site", site.id = %self.key);
        async move {
            let mut own = Own {
                since_snapshot: self.replayed,
                ..Own::default()
            };
            let mut planning: Option<(Planning, Busy)> = None;
            let mut tick_at = self.clock.now();
            // A first turn: a replayed state may want something.
            loop {
                let mut submissions = Vec::new();
                let mut planned = None;
                // One plan at a time, and none while nothing can be stored.
                let may_plan = planning.is_none() && !own.is_failing;
                let plan_at = self.core.plan_due().filter(|_| may_plan);
                let wake_at = plan_at.map_or(tick_at, |due| due.min(tick_at));
                tokio::select! {
                    biased;
                    _ = self.stop.changed() => break,
                    count = self.inbox.recv_many(&mut submissions, TURN) => {
                        if count == 0 { break; }
                    }
                    made = finished(&mut planning) => planned = Some(made),
                    () = self.clock.sleep_until(wake_at) => {}
                }
                let busy = self.activity.begin();
                let now = self.clock.now();
                own.take(&mut submissions);
                if let Some(made) = planned {
                    planning = None;
                    own.plan = self.plan_made(made).or(own.plan);
                }
                let before = self.core.clone();
                let mut wanted = Unsaved::default();
                if tick_at <= now {
                    wanted.events.push(self.core.accept(EventKind::Ticked, now));
                }
                self.take_in(&own, &submissions, &mut wanted, now);
                let nearly_full = self.journal.store().accepts_writes().err();
                let turn = match &nearly_full {
                    None => self.core.dispatch(now),
                    Some(_) => self.core.dispatch_lowerings(now),
                };
                wanted.events.extend(turn.events);
                let saved = self.save(&wanted, &mut own).await;
                if saved.is_ok() {
                    tell_nearly_full(nearly_full.as_ref(), &mut own);
                }
                if saved.is_ok() {
                    own.settled();
                    if !turn.commands.is_empty() {
                        self.outlet
                            .release(&self.key, &self.core.snapshot(), turn.commands);
                    }
                    if planning.is_none() && self.core.wants_plan(now) {
                        planning = Some((self.start_plan(), self.activity.begin()));
                    }
                    // At least a second on, so that a wake-up that changes nothing cannot spin.
                    tick_at = turn
                        .wake_at
                        .unwrap_or(now + TimeDelta::hours(1))
                        .max(now + TimeDelta::seconds(1));
                } else {
                    // Nothing of this turn happened. The commands never left, so that their
                    // numbers are free again.
                    self.core = before;
                    tick_at = now + TimeDelta::seconds(RETRY_S);
                    wanted = Unsaved::default();
                }
                self.chronicle
                    .hear(&self.key, &wanted.events, self.core.state(), now);
                self.published.send_replace(self.core.snapshot());
                self.chronicle.tell(&self.key);
                answer(submissions, &saved);
                drop(busy);
            }
            debug!("site stopped");
        }
        .instrument(span)
        .await;
    }

    /// Applies our own events, then what was submitted.
    fn take_in(&mut self, own: &Own, submissions: &[Submission], unsaved: &mut Unsaved, now: Time) {
        let submitted = submissions.iter().flat_map(|it| &it.events);
        for kind in own.events.iter().chain(submitted).chain(&own.plan) {
            unsaved.events.push(self.core.accept(kind.clone(), now));
        }
        let records = submissions.iter().flat_map(|it| &it.records);
        unsaved.records.extend(records.cloned());
    }

    /// Writes the events and records of a turn, all or none.
    async fn save(&mut self, unsaved: &Unsaved, own: &mut Own) -> Result<(), PortError> {
        let Unsaved { events, records } = unsaved;
        if events.is_empty() && records.is_empty() {
            return Ok(());
        }
        let saved = self
            .journal
            .append(&self.key, events, records.clone())
            .await;
        self.store_health
            .note(saved.as_ref().err().map(ToString::to_string));
        match &saved {
            Ok(_) if own.is_failing => info!("events are stored again"),
            Err(error) if !own.is_failing => {
                error!(%error, "events could not be stored; nothing is taken in and nothing is sent until they can");
            }
            _ => {}
        }
        own.is_failing = saved.is_err();
        saved?;
        let last = events.last().map_or(0, |event| event.seq);
        own.since_snapshot += len(events);
        if own.since_snapshot >= EVENTS_PER_SNAPSHOT && last > 0 {
            own.since_snapshot = 0;
            self.write_snapshot(last).await;
        }
        Ok(())
    }

    async fn write_snapshot(&self, seq: u64) {
        match serde_json::to_vec(self.core.state()) {
            Ok(body) => {
                if let Err(error) = self.journal.write_snapshot(&self.key, seq, &body).await {
                    warn!(%error, "a snapshot could not be written; the journal stays longer");
                }
            }
            Err(error) => warn!(%error, "a snapshot could not be made"),
        }
    }

    fn start_plan(&mut self) -> Planning {
        let now = self.clock.now();
        let snapshot = self.core.plan_started(now);
        let policy = self.core.policy().clone();
        tokio::task::spawn_blocking(move || {
            let watch = Stopwatch::start();
            let plan = planner::plan(&snapshot, &policy, now, &|| watch.elapsed() > PLAN_BUDGET);
            (plan, watch.elapsed())
        })
    }

    /// The event of a plan that was made.
    fn plan_made(
        &self,
        made: Result<(Plan, Duration), tokio::task::JoinError>,
    ) -> Option<EventKind> {
        let (plan, took) = match made {
            Ok(made) => made,
            Err(error) => {
                // The planner has its own fallbacks; that it panicked is our bug. What is
                // installed goes on, and the next slot border tries again.
                error!(%error, "planning failed; the last plan goes on");
                self.metrics.solved("failed", 0.0);
                return None;
            }
        };
        self.metrics
            .solved(origin_name(plan.origin), took.as_secs_f64());
        info!(plan.id = %plan.id, origin = ?plan.origin, evses = plan.evses.len(), solve_ms = took.as_millis(), "plan made");
        Some(EventKind::PlanStored {
            plan: Box::new(plan),
        })
    }
}

/// Says once that only lowerings leave, and once that all is well again.
fn tell_nearly_full(why: Option<&StoreError>, own: &mut Own) {
    match why {
        Some(error) if !own.only_lowers => {
            error!(%error, "limits are only lowered, and nothing is raised, until there is room");
        }
        None if own.only_lowers => info!("there is room again; limits are raised as well"),
        _ => {}
    }
    own.only_lowers = why.is_some();
}

/// Tells who submitted that it is durable, or why not.
fn answer(submissions: Vec<Submission>, saved: &Result<(), PortError>) {
    for submission in submissions {
        if let Some(reply) = submission.reply {
            // Who does not wait any more does not need the answer.
            let _ = reply.send(saved.clone());
        }
    }
}

/// How a plan came about, as the metrics name it.
fn origin_name(origin: PlanOrigin) -> &'static str {
    match origin {
        PlanOrigin::Optimal => "optimal",
        PlanOrigin::TimeLimit => "time_limit",
        PlanOrigin::Clipped => "clipped",
        PlanOrigin::ProportionalShare => "proportional_share",
    }
}

/// What happened in a turn and is not on disk yet.
#[derive(Debug, Default)]
struct Unsaved {
    events: Vec<Event>,
    records: Vec<RecordWrite>,
}

/// What the task itself keeps from turn to turn.
#[derive(Debug, Default)]
struct Own {
    /// Events that nobody will hand in again, until they are durable: one, that we were restarted.
    events: Vec<EventKind>,
    /// The newest plan, until it is durable.
    plan: Option<EventKind>,
    since_snapshot: u64,
    /// The last turn could not be stored.
    is_failing: bool,
    /// The disk is nearly full: only lowerings leave.
    only_lowers: bool,
}

impl Own {
    /// Takes over what nobody waits for.
    fn take(&mut self, submissions: &mut Vec<Submission>) {
        submissions.retain_mut(|submission| {
            let is_awaited = submission.reply.is_some();
            if !is_awaited {
                self.events.append(&mut submission.events);
            }
            is_awaited
        });
    }

    /// All of it is durable.
    fn settled(&mut self) {
        self.events.clear();
        self.plan = None;
    }
}

fn len(events: &[Event]) -> u64 {
    u64::try_from(events.len()).unwrap_or(u64::MAX)
}

/// The result of the plan under way; never, if none is.
async fn finished(
    planning: &mut Option<(Planning, Busy)>,
) -> Result<(Plan, Duration), tokio::task::JoinError> {
    match planning {
        Some((handle, _)) => handle.await,
        None => std::future::pending().await,
    }
}
