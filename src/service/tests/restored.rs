//! A store that came from a backup: what chargers were told since is not in it.

use std::sync::Arc;

use super::{Rig, site};
use crate::domain::command::{Answer, Evidence};
use crate::domain::event::EventKind;
use crate::domain::ports::Records as _;
use crate::service::restored::distrust;
use crate::store::memory::MemoryStore;
use crate::store::records::StoreRecords;
use crate::store::sled_store::RESTORED;
use crate::store::{Batch, Store};

#[tokio::test]
async fn what_was_confirmed_before_a_restore_counts_for_nothing_until_it_is_shown_again() {
    let store = Arc::new(MemoryStore::new());
    let rig = Rig::on(store.clone());
    rig.go_live().await;
    rig.plug_in(1).await.expect("stored");
    rig.settle().await;
    let command = rig.released()[0].clone();
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    let applied = EventKind::CommandAnswered {
        command: command.id,
        answer,
    };
    rig.submit(vec![applied]).await.expect("stored");
    rig.settle().await;
    let state = rig.registry.snapshot(&site().key()).expect("there");
    let is_confirmed = |state: &crate::state::Snapshot| {
        let evse = state.evses.get(&command.evse);
        evse.is_some_and(|evse| evse.profiles.confirmed.is_some())
    };
    assert!(is_confirmed(&state));
    rig.stop.send(true).expect("running");
    rig.registry.join().await;

    let restored = Arc::new(store.reopen().expect("readable"));
    let records = StoreRecords::new(restored.clone() as Arc<dyn Store>);
    let again = Rig::on(restored.clone());
    again.registry.load().await.expect("restored");
    // Without the notice of a restore a restart believes what it knew.
    distrust(&again.registry, &records).await.expect("stored");
    again.settle().await;
    let state = again.registry.snapshot(&site().key()).expect("there");
    assert!(is_confirmed(&state));

    let notice = Batch::new().put(RESTORED, "{}");
    restored.commit(notice).await.expect("stored");
    distrust(&again.registry, &records).await.expect("stored");
    let state = again.registry.snapshot(&site().key()).expect("there");
    assert!(!is_confirmed(&state));
    let evse = state.site.evse(&command.evse).expect("there");
    let bound = state.evse_bound(&command.evse);
    assert_eq!(bound.at(state.updated_at), evse.hardware_max());
    let left = records.get(RESTORED).await.expect("readable");
    assert_eq!(left, None, "once is enough");
}
