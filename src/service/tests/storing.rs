//! What could not be stored did not happen.

use std::sync::Arc;
use std::time::Duration;

use super::{Rig, site};
use crate::domain::command::{Answer, Evidence};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::ports::{PortError, RecordWrite, Records as _};
use crate::state::testing::partner;
use crate::store::Store;
use crate::store::journal::Journal;
use crate::store::memory::{MemoryStore, WriteFault};
use crate::store::records::StoreRecords;

async fn journaled(rig: &Rig, found: impl Fn(&EventKind) -> bool) -> usize {
    let journal = Journal::new(rig.store.clone() as Arc<dyn Store>);
    let loaded = journal.load(&site().key()).await.expect("without gaps");
    assert_eq!(loaded.last_seq(), loaded.events.len() as u64);
    loaded
        .events
        .iter()
        .filter(|event| found(&event.kind))
        .count()
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged_not_sent_and_not_kept() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    let before = rig.registry.snapshot(&site().key()).expect("there");
    rig.store.fail_all_writes(Some(WriteFault::Full));
    let refused = rig.plug_in(1).await;
    assert!(matches!(refused, Err(PortError::Storage(_))), "{refused:?}");
    rig.settle().await;
    assert!(rig.released().is_empty());
    let after = rig.registry.snapshot(&site().key()).expect("there");
    assert_eq!(*after, *before, "nothing of it took effect");
    // The disk has room again: what was refused is not stored behind the back of who heard no.
    rig.store.fail_all_writes(None);
    rig.submit(vec![EventKind::Ticked]).await.expect("stored");
    let is_session = |kind: &EventKind| matches!(kind, EventKind::SessionSeen { .. });
    assert_eq!(journaled(&rig, is_session).await, 0);
    // Told again, it happens as if for the first time.
    rig.plug_in(1).await.expect("stored");
    rig.settle().await;
    assert_eq!(journaled(&rig, is_session).await, 1);
    assert_eq!(rig.released().len(), 1);
}

#[tokio::test]
async fn a_plan_made_while_nothing_could_be_stored_is_stored_later() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    rig.plug_in(1).await.expect("stored");
    // The plan is under way or made; from here on nothing is stored for a moment.
    rig.store.fail_all_writes(Some(WriteFault::Full));
    rig.settle().await;
    rig.store.fail_all_writes(None);
    rig.submit(vec![EventKind::Ticked]).await.expect("stored");
    rig.settle().await;
    let is_plan = |kind: &EventKind| matches!(kind, EventKind::PlanStored { .. });
    assert_eq!(journaled(&rig, is_plan).await, 1);
    assert_eq!(rig.released().len(), 1);
}

#[tokio::test]
async fn that_we_were_restarted_is_not_forgotten_over_a_full_disk() {
    let store = Arc::new(MemoryStore::new());
    let rig = Rig::on(store.clone());
    rig.go_live().await;
    rig.stop.send(true).expect("running");
    rig.registry.join().await;

    let again = Rig::on(Arc::new(store.reopen().expect("readable")));
    again.store.fail_all_writes(Some(WriteFault::Full));
    again.registry.load().await.expect("restored");
    again.settle().await;
    again.store.fail_all_writes(None);
    // The site tries again by itself within a second; 10 s for a slow machine.
    for _ in 0..1000 {
        let state = again.registry.snapshot(&site().key()).expect("there");
        if state.partners[&partner()] == PartnerHealth::Stale {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let is_restart = |kind: &EventKind| matches!(kind, EventKind::Restarted);
    assert_eq!(journaled(&again, is_restart).await, 1);
}

#[tokio::test]
async fn on_a_disk_that_is_nearly_full_sites_go_on_lowering_and_nothing_else_is_taken() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    rig.store.be_nearly_full(true);
    // A car that comes counts with all its EVSE can: its first profile is a lowering.
    rig.plug_in(1).await.expect("what happens is taken in");
    rig.settle().await;
    let lowered = rig.released();
    assert_eq!(lowered.len(), 1);
    let other = RecordWrite {
        key: "token/default/x".to_owned(),
        value: Some(b"{}".to_vec()),
    };
    let records = StoreRecords::new(rig.store.clone() as Arc<dyn Store>);
    assert!(records.write(vec![other.clone()]).await.is_err());
    // Shown to be applied, with room for more: the raise waits until there is room on the disk.
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    let command = lowered[0].id;
    let applied = EventKind::CommandAnswered { command, answer };
    rig.submit(vec![applied]).await.expect("taken in");
    rig.settle().await;
    let state = rig.registry.snapshot(&site().key()).expect("there");
    let evse = lowered[0].evse.clone();
    let held = state.evse_bound(&evse);
    rig.submit(vec![EventKind::Ticked]).await.expect("taken in");
    rig.settle().await;
    let state = rig.registry.snapshot(&site().key()).expect("there");
    assert!(state.evse_bound(&evse).is_within(&held, state.updated_at));
    rig.store.be_nearly_full(false);
    records.write(vec![other]).await.expect("stored");
}

#[tokio::test]
async fn a_service_that_is_killed_again_and_again_does_not_replay_more_and_more() {
    let mut store = Arc::new(MemoryStore::new());
    let journal = |store: &Arc<MemoryStore>| Journal::new(store.clone() as Arc<dyn Store>);
    let rig = Rig::on(store.clone());
    rig.go_live().await;
    for _ in 0..12 {
        store.crash();
        store = Arc::new(store.reopen().expect("readable"));
        let rig = Rig::on(store.clone());
        rig.registry.load().await.expect("restored");
        // Far less than a snapshot is due for, in each life.
        for _ in 0..40 {
            rig.submit(vec![EventKind::Ticked]).await.expect("stored");
        }
    }
    let loaded = journal(&store).load(&site().key()).await.expect("no gaps");
    assert!(loaded.last_seq() > 480, "{}", loaded.last_seq());
    assert!(
        loaded.events.len() <= 250,
        "{} are replayed",
        loaded.events.len()
    );
}
