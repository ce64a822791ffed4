//! Which site holds an EVSE, and when a site may go.

use std::sync::Arc;

use super::{Rig, is_profile, site};
use crate::domain::command::{Answer, Evidence};
use crate::domain::event::{Event, EventKind};
use crate::domain::id::{SiteId, TenantId};
use crate::domain::ports::{PortError, Sites, Taken};
use crate::domain::session::SessionStatus;
use crate::domain::site::Site;
use crate::state::EvseState;
use crate::state::testing::{at, evse_id, session, site_of};
use crate::store::Store;
use crate::store::journal::Journal;
use crate::store::memory::MemoryStore;

fn named(name: &str) -> Site {
    Site {
        id: SiteId::new(name).expect("valid"),
        ..site()
    }
}

fn holder(rig: &Rig) -> String {
    let source = &site().evses[1].source;
    let (key, _) = rig
        .registry
        .evse_at(&TenantId::default_tenant(), source)
        .expect("somebody holds it");
    key.site.to_string()
}

#[tokio::test]
async fn a_site_that_names_the_evse_of_another_is_refused_and_takes_nothing() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    // Alphabetically first, with one EVSE of its own and one of the depot's.
    let mut thief = named("aaa");
    thief.evses[0].source = site_of(20.0, 3).evses[2].source.clone();
    let refused = rig.registry.configure(thief.clone()).await;
    let taken = Taken {
        index: 1,
        evse: evse_id(2),
        site: site().id,
    };
    assert_eq!(refused, Err(PortError::Taken(vec![taken])));
    assert_eq!(holder(&rig), "depot");
    assert_eq!(rig.registry.keys(), [site().key()]);
    // A change of a site that is there is refused alike.
    let shared = thief.evses.pop().expect("two");
    rig.registry
        .configure(thief.clone())
        .await
        .expect("its own");
    thief.evses.push(shared);
    let refused = rig.registry.configure(thief.clone()).await;
    assert!(matches!(refused, Err(PortError::Taken(_))), "{refused:?}");
    // Given up by the one, it is free for the other.
    rig.registry
        .configure(site_of(20.0, 1))
        .await
        .expect("smaller");
    rig.registry.configure(thief).await.expect("free now");
    assert_eq!(holder(&rig), "aaa");
}

#[tokio::test]
async fn of_two_sites_set_up_at_once_with_the_same_evses_one_is_refused() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    let (one, other) = tokio::join!(
        rig.registry.configure(named("one")),
        rig.registry.configure(named("other")),
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(rig.registry.keys().len(), 1);
}

#[tokio::test]
async fn two_sites_of_an_old_store_with_the_same_evses_leave_them_to_the_one_that_was_first() {
    let store = Arc::new(MemoryStore::new());
    let journal = Journal::new(store.clone() as Arc<dyn Store>);
    for (name, second) in [("depot", 0), ("aaa", 10)] {
        let site = named(name);
        let event = Event {
            seq: 1,
            at: at(second),
            kind: EventKind::SiteConfigured {
                site: Box::new(site.clone()),
            },
        };
        let written = journal.append(&site.key(), &[event], Vec::new()).await;
        written.expect("stored");
    }
    let rig = Rig::on(store);
    assert_eq!(rig.registry.load().await.expect("restored"), 2);
    assert_eq!(holder(&rig), "depot");
    // Another site's change does not turn it round.
    let mut third = named("third");
    third.evses.clear();
    rig.registry.configure(third).await.expect("free");
    assert_eq!(holder(&rig), "depot");
}

#[tokio::test]
async fn a_site_goes_on_when_the_thread_that_served_its_set_up_is_gone() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    let registry = rig.registry.clone();
    // As an HTTP worker does: a runtime of its own, on one thread.
    let worker = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(registry.configure(site()))
    });
    let set_up = tokio::task::spawn_blocking(move || worker.join().expect("no panic"));
    assert_eq!(set_up.await.expect("no panic"), Ok(true));
    rig.plug_in(1).await.expect("its task still runs");
}

#[tokio::test]
async fn a_site_is_not_given_up_while_a_profile_of_ours_may_be_installed() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.go_live().await;
    rig.plug_in(1).await.expect("stored");
    rig.settle().await;
    let refusal = async || match rig.registry.remove(&site().key()).await {
        Err(PortError::Refused(why)) => why,
        other => unreachable!("{other:?}"),
    };
    let why = refusal().await;
    assert!(why.contains("e1 (a command is not answered)"), "{why}");
    let sent = rig.released().into_iter().find(is_profile).expect("sent");
    let answer = Answer::Applied {
        evidence: Evidence::Result,
    };
    let answered = EventKind::CommandAnswered {
        command: sent.id,
        answer,
    };
    rig.submit(vec![answered]).await.expect("stored");
    let why = refusal().await;
    assert!(why.contains("e1 (a profile is installed)"), "{why}");
    // Profiles lapse with their session.
    let state = rig.registry.snapshot(&site().key()).expect("there");
    let mut over = state.evses[&evse_id(1)].session.clone().expect("runs");
    over.status = SessionStatus::Ended;
    over.updated_at += chrono::TimeDelta::seconds(1);
    over.ended_at = Some(over.updated_at);
    let ended = EventKind::SessionSeen {
        session: Box::new(over),
    };
    rig.submit(vec![ended]).await.expect("stored");
    assert_eq!(rig.registry.remove(&site().key()).await, Ok(true));
    assert_eq!(rig.registry.remove(&site().key()).await, Ok(false));
}

#[tokio::test]
async fn a_site_set_up_again_does_not_bring_its_old_sessions_back_to_life() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    rig.registry.configure(site()).await.expect("configured");
    let seen = EventKind::SessionSeen {
        session: Box::new(session(1, 0)),
    };
    rig.submit(vec![seen]).await.expect("stored");
    let before = rig.registry.snapshot(&site().key()).expect("there");
    assert!(!before.evses[&evse_id(1)].is_free());
    assert_eq!(rig.registry.remove(&site().key()).await, Ok(true));
    assert_eq!(rig.registry.configure(site()).await, Ok(true));
    let after = rig.registry.snapshot(&site().key()).expect("there");
    assert!(after.evses.values().all(EvseState::is_free));
    assert!(after.last_seq > before.last_seq, "its journal goes on");
}
