//! The site's task with a real journal: durable before sent, replay without sending.

mod answers;
mod partners;
mod restored;
mod sites;
mod storing;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::activity::Activity;
use super::clock::SystemClock;
use super::site_actor::Outlet;
use super::sites::{Common, Registry};
use crate::api::chronicle::Chronicle;
use crate::api::metrics::Metrics;
use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::SiteKey;
use crate::domain::policy::Policy;
use crate::domain::ports::{Clock, PortError, Sites};
use crate::domain::site::{Mode, Site};
use crate::state::Snapshot;
use crate::state::testing::{partner, session, site_of};
use crate::store::Store;
use crate::store::journal::Journal;
use crate::store::memory::MemoryStore;

/// An outlet that only notes what was let go, and whether the journal had it by then.
#[derive(Debug, Default)]
struct Noted {
    released: Mutex<Vec<Command>>,
}

impl Outlet for Noted {
    fn release(&self, _site: &SiteKey, _snapshot: &Snapshot, commands: Vec<Command>) {
        self.released.lock().expect("not poisoned").extend(commands);
    }
}

struct Rig {
    store: Arc<MemoryStore>,
    registry: Registry,
    outlet: Arc<Noted>,
    activity: Activity,
    stop: watch::Sender<bool>,
}

impl Rig {
    fn on(store: Arc<MemoryStore>) -> Self {
        let outlet = Arc::new(Noted::default());
        let activity = Activity::default();
        let (stop, stopped) = watch::channel(false);
        let shared: Arc<dyn Store> = store.clone();
        let registry = Registry::new(Common {
            clock: Arc::new(SystemClock),
            journal: Journal::new(shared),
            outlet: outlet.clone(),
            policy: Policy::default(),
            activity: activity.clone(),
            metrics: Arc::new(Metrics::new("test")),
            chronicle: Arc::new(Chronicle::new(Policy::default())),
            stop: stopped,
        });
        Self {
            store,
            registry,
            outlet,
            activity,
            stop,
        }
    }

    /// Waits until nothing is under way for longer than news are gathered before a plan is begun;
    /// the real planner runs, so a deadline is needed.
    async fn settle(&self) {
        let mut quiet = 0;
        for _ in 0..2000 {
            quiet = if self.activity.is_idle() {
                quiet + 1
            } else {
                0
            };
            if quiet > 40 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the site did not settle within 10 s");
    }

    fn released(&self) -> Vec<Command> {
        self.outlet.released.lock().expect("not poisoned").clone()
    }

    async fn submit(&self, events: Vec<EventKind>) -> Result<(), PortError> {
        self.registry
            .submit(&site().key(), events, Vec::new())
            .await
    }

    async fn go_live(&self) {
        self.registry.configure(site()).await.expect("configured");
        let evses = std::collections::BTreeSet::new();
        let live = EventKind::ModeSet {
            mode: Mode::Live,
            evses,
        };
        let seen = EventKind::PartnerSeen {
            partner: partner(),
            health: PartnerHealth::Current,
        };
        self.submit(vec![live, seen]).await.expect("stored");
    }

    async fn plug_in(&self, number: usize) -> Result<(), PortError> {
        let mut session = session(number, 0);
        session.started_at = SystemClock.now();
        session.updated_at = session.started_at;
        self.submit(vec![EventKind::SessionSeen {
            session: Box::new(session),
        }])
        .await
    }
}

fn site() -> Site {
    site_of(20.0, 2)
}

fn is_profile(command: &Command) -> bool {
    matches!(command.action, Action::SetProfile { .. })
}

#[tokio::test]
async fn a_session_becomes_a_plan_and_a_profile_and_both_are_in_the_journal_before_it_leaves() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    rig.plug_in(1).await.expect("stored");
    rig.settle().await;
    let released = rig.released();
    assert_eq!(released.iter().filter(|c| is_profile(c)).count(), 1);
    let journal = Journal::new(rig.store.clone() as Arc<dyn Store>);
    let loaded = journal.load(&site().key()).await.expect("readable");
    let position = |found: &dyn Fn(&EventKind) -> bool| {
        loaded.events.iter().position(|event| found(&event.kind))
    };
    let planned = position(&|kind| matches!(kind, EventKind::PlanStored { .. }));
    let issued = position(&|kind| matches!(kind, EventKind::CommandIssued { .. }));
    assert!(
        planned.is_some() && planned < issued,
        "plan {planned:?}, command {issued:?}"
    );
}

#[tokio::test]
async fn a_restart_replays_decisions_and_neither_solves_nor_sends() {
    let store = Arc::new(MemoryStore::new());
    let rig = Rig::on(store.clone());
    rig.go_live().await;
    rig.plug_in(1).await.expect("stored");
    rig.settle().await;
    let sent = rig.released();
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    let answered = EventKind::CommandAnswered {
        command: sent[0].id,
        answer,
    };
    rig.submit(vec![answered]).await.expect("stored");
    rig.settle().await;
    let before = rig.registry.snapshot(&site().key()).expect("there");
    rig.stop.send(true).expect("running");
    rig.registry.join().await;

    let again = Rig::on(Arc::new(store.reopen().expect("readable")));
    assert_eq!(again.registry.load().await.expect("restored"), 1);
    again.settle().await;
    let after = again.registry.snapshot(&site().key()).expect("there");
    let profiles = |state: &Snapshot| {
        state
            .evses
            .values()
            .next()
            .and_then(|e| e.profiles.confirmed.clone())
            .map(|c| c.profile)
    };
    assert!(profiles(&before).is_some());
    assert_eq!(
        profiles(&after),
        profiles(&before),
        "what was confirmed is still confirmed"
    );
    assert_eq!(after.partners[&partner()], PartnerHealth::Stale);
    assert!(
        !again.released().iter().any(is_profile),
        "nothing is sent before the read-back"
    );
}
