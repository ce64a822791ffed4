//! What a partner answered reaches the site, also when it cannot be stored at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::site;
use crate::api::metrics::Metrics;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{CommandId, EvseId, PartnerKey, SiteKey, TenantId};
use crate::domain::ports::{PortError, PortFuture, RecordWrite, Sites};
use crate::service::activity::Activity;
use crate::service::clock::SystemClock;
use crate::service::outlet::{Outlets, Sender, Sending};
use crate::service::site_actor::Outlet as _;
use crate::state::SiteState;
use crate::state::testing::{amps, at, evse_id};

/// A partner that refuses nothing and answers at once.
#[derive(Debug)]
struct Willing;

impl Sender for Willing {
    fn send<'a>(&'a self, _: &'a SiteKey, _: &'a EvseSource, _: &'a Command) -> Sending<'a> {
        let deadline = at(60);
        Box::pin(std::future::ready(Answer::Accepted { deadline }))
    }
}

/// Sites that cannot store the first thing they are told; the EVSEs are `holder`'s.
#[derive(Debug, Default)]
struct Fussy {
    tried: Mutex<usize>,
    told: Mutex<Vec<EventKind>>,
    holder: Option<SiteKey>,
}

impl Sites for Fussy {
    fn submit(
        &self,
        _: &SiteKey,
        events: Vec<EventKind>,
        _: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()> {
        let mut tried = self.tried.lock().expect("not poisoned");
        *tried += 1;
        let result = if *tried == 1 {
            Err(PortError::Storage("full".into()))
        } else {
            self.told.lock().expect("not poisoned").extend(events);
            Ok(())
        };
        Box::pin(std::future::ready(result))
    }

    fn evse_at(&self, _: &TenantId, _: &EvseSource) -> Option<(SiteKey, EvseId)> {
        self.holder.clone().map(|site| (site, evse_id(1)))
    }

    fn sites_of(&self, _: &PartnerKey) -> Vec<SiteKey> {
        Vec::new()
    }
}

/// What the sites are told after one profile was let go.
async fn told(sites: Fussy) -> Vec<EventKind> {
    let sites = Arc::new(sites);
    let (_stop, stopped) = watch::channel(false);
    let outlets = Outlets::new(
        Arc::new(Willing),
        Arc::new(SystemClock),
        Activity::default(),
        Arc::new(Metrics::new("test")),
        stopped,
    );
    outlets.answer_to(sites.clone());
    let command = Command {
        id: CommandId::default().next(),
        evse: evse_id(1),
        session: None,
        native_session: Some("S1".into()),
        plan: None,
        issued_at: at(0),
        action: Action::SetProfile {
            profile: amps(0, &[(0, 60)]),
        },
    };
    let snapshot = Arc::new(SiteState::new(site(), at(0)));
    outlets.release(&site().key(), &snapshot, vec![command]);
    // It is told again after a second; 10 s for a slow machine.
    for _ in 0..1000 {
        let told = sites.told.lock().expect("not poisoned").clone();
        if !told.is_empty() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Vec::new()
}

#[tokio::test]
async fn an_answer_that_could_not_be_stored_is_told_again() {
    let told = told(Fussy::default()).await;
    let is_accepted = |event: &EventKind| {
        matches!(
            event,
            EventKind::CommandAnswered {
                answer: Answer::Accepted { .. },
                ..
            }
        )
    };
    assert!(told.len() == 1 && is_accepted(&told[0]), "{told:?}");
}

#[tokio::test]
async fn a_site_sends_nothing_to_an_evse_that_another_holds() {
    let mut other = site();
    other.id = crate::domain::id::SiteId::new("other").expect("valid");
    let told = told(Fussy {
        holder: Some(other.key()),
        ..Fussy::default()
    })
    .await;
    let is_unsent = |event: &EventKind| {
        matches!(
            event,
            EventKind::CommandAnswered {
                answer: Answer::NotSent { .. },
                ..
            }
        )
    };
    assert!(told.len() == 1 && is_unsent(&told[0]), "{told:?}");
}
