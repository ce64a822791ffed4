//! The platform and evenload's own OCPI edge, over real sockets, with the service's ports in
//! memory: two readings of the same text must agree.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::*;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{CommandId, EvseId, PartnerId, PartnerKey, SiteId, SiteKey, TenantId};
use crate::domain::ports::{PortError, PortFuture, Ports, RecordWrite, Records, Sites, Vault};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::session::{Session, SessionStatus};
use crate::ocpi::{CheckStatus, Edge, Reach, Settings, configure};
use crate::sim::clock::VirtualClock;

/// The service's ports in memory.
#[derive(Debug, Default)]
struct Memory {
    records: Mutex<BTreeMap<String, Vec<u8>>>,
    told: Mutex<Vec<EventKind>>,
}

impl Memory {
    fn put(&self, writes: Vec<RecordWrite>) {
        let mut records = self.records.lock().expect("not poisoned");
        for RecordWrite { key, value } in writes {
            match value {
                Some(value) => records.insert(key, value),
                None => records.remove(&key),
            };
        }
    }

    fn sessions(&self) -> Vec<Session> {
        let told = self.told.lock().expect("not poisoned");
        told.iter()
            .filter_map(|event| match event {
                EventKind::SessionSeen { session } => Some((**session).clone()),
                _ => None,
            })
            .collect()
    }
}

impl Records for Memory {
    fn get(&self, key: &str) -> PortFuture<'_, Option<Vec<u8>>> {
        let found = self.records.lock().expect("not poisoned").get(key).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn scan(&self, prefix: &str, limit: usize) -> PortFuture<'_, Vec<(String, Vec<u8>)>> {
        let records = self.records.lock().expect("not poisoned");
        let found = records.iter().filter(|(key, _)| key.starts_with(prefix));
        let found = found.take(limit).map(|(k, v)| (k.clone(), v.clone()));
        let found: Vec<_> = found.collect();
        Box::pin(async move { Ok(found) })
    }

    fn write(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        self.put(writes);
        Box::pin(async { Ok(()) })
    }
}

impl Sites for Memory {
    fn submit(
        &self,
        _: &SiteKey,
        events: Vec<EventKind>,
        records: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()> {
        self.put(records);
        self.told.lock().expect("not poisoned").extend(events);
        Box::pin(async { Ok(()) })
    }

    fn evse_at(&self, _: &TenantId, source: &EvseSource) -> Option<(SiteKey, EvseId)> {
        let EvseSource::Ocpi { evse_uid, .. } = source else {
            return None;
        };
        Some((site(), EvseId::new(evse_uid).ok()?))
    }

    fn sites_of(&self, _: &PartnerKey) -> Vec<SiteKey> {
        vec![site()]
    }
}

#[derive(Debug)]
struct OpenVault;

impl Vault for OpenVault {
    fn seal(&self, _: &str, secret: &[u8]) -> Vec<u8> {
        secret.to_vec()
    }

    fn unseal(&self, _: &str, sealed: &[u8]) -> Result<Vec<u8>, PortError> {
        Ok(sealed.to_vec())
    }
}

fn site() -> SiteKey {
    SiteKey {
        tenant: TenantId::default_tenant(),
        site: SiteId::new("depot").expect("valid"),
    }
}

fn partner() -> PartnerId {
    PartnerId::new("cpo").expect("valid")
}

struct Both {
    cpo: Cpo,
    edge: Edge,
    memory: Arc<Memory>,
    clock: VirtualClock,
}

impl Both {
    async fn start(options: CpoOptions) -> Self {
        let memory = Arc::new(Memory::default());
        let clock = VirtualClock::new(start());
        let ports = Ports {
            clock: Arc::new(clock.clone()),
            records: memory.clone(),
            sites: memory.clone(),
            vault: Arc::new(OpenVault),
        };
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut settings = Settings::new(format!("http://{address}"));
        settings.allow_insecure = true;
        let tenant = TenantId::default_tenant();
        let edge = Edge::open(ports, settings, tenant).await.expect("opens");
        let data = Data::new(edge.clone());
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).configure(configure))
                .workers(1)
                .disable_signals()
                .listen(listener)
                .expect("listens");
        tokio::spawn(server.run());
        Self {
            cpo: cpo(options),
            edge,
            memory,
            clock,
        }
    }

    async fn registered(options: CpoOptions) -> Self {
        let both = Self::start(options).await;
        let rows = both
            .edge
            .register(&partner(), &both.cpo.versions_url(), &both.cpo.token_a())
            .await
            .expect("registers");
        assert!(
            rows.iter().all(|row| row.status == CheckStatus::Ok),
            "{rows:?}"
        );
        assert!(both.cpo.is_registered());
        both
    }

    async fn advance(&self, to: Time) {
        loop {
            let next = self.cpo.next_event().min(to);
            let due = self.cpo.advance_to(next);
            self.clock.advance_to(next);
            self.cpo.send(due);
            settled(&self.cpo).await;
            if next == to {
                return;
            }
        }
    }

    async fn sends(&self, action: Action) -> Answer {
        let command = Command {
            id: CommandId(1),
            evse: EvseId::new("e1").expect("valid"),
            session: self.memory.sessions().last().map(|s| s.id.clone()),
            native_session: Some("S1".into()),
            plan: None,
            issued_at: second(100),
            action,
        };
        let source = EvseSource::Ocpi {
            partner: partner(),
            location_id: "depot".into(),
            evse_uid: "e1".into(),
        };
        Box::pin(self.edge.send(&site(), &source, &command)).await
    }

    fn answers(&self) -> Vec<Answer> {
        let told = self.memory.told.lock().expect("not poisoned");
        told.iter()
            .filter_map(|event| match event {
                EventKind::CommandAnswered { answer, .. } => Some(answer.clone()),
                _ => None,
            })
            .collect()
    }
}

#[actix_web::test]
async fn evenload_registers_and_nobody_complains() {
    let both = Both::registered(CpoOptions::default()).await;
    assert_eq!(both.cpo.version().as_deref(), Some("2.3.0"));
    assert_eq!(both.cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn the_platform_registers_at_evenload_with_an_invitation() {
    let both = Both::start(CpoOptions::default()).await;
    let invitation = both.edge.invite(&partner()).await.expect("invites");
    let token = invitation.token_a.reveal();
    let rows = both.cpo.register_at(&invitation.versions_url, token).await;
    assert_eq!(rows.expect("registers").len(), 3);
    both.advance(second(70)).await;
    assert_eq!(both.memory.sessions().len(), 1);
    assert_eq!(both.cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn evenload_hears_of_a_session_its_readings_its_needs_and_its_end() {
    let both = Both::registered(CpoOptions::default()).await;
    both.advance(second(3700)).await;
    let sessions = both.memory.sessions();
    let first = &sessions[0];
    assert_eq!(
        (first.native_id.as_str(), first.status),
        ("S1", SessionStatus::Active)
    );
    assert_eq!(first.needs.departure, Some(second(3600)));
    assert_eq!(first.needs.energy, Some(Energy::from_kilowatt_hours(50.0)));
    let reading = sessions[1].reading.expect("measured");
    assert_eq!(reading.power, Power::from_watts(7_360));
    let last = sessions.last().expect("some");
    assert_eq!(
        (last.status, last.ended_at),
        (SessionStatus::Ended, Some(second(3600)))
    );
    assert_eq!(both.cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn forwarded_preferences_reach_evenload() {
    let both = Both::registered(CpoOptions {
        preferences: PreferencesBy::SenderEndpoint,
        ..CpoOptions::default()
    })
    .await;
    both.advance(second(70)).await;
    let told = both.memory.told.lock().expect("not poisoned");
    let stated = told.iter().find_map(|event| match event {
        EventKind::NeedsStated { needs, .. } => needs.departure,
        _ => None,
    });
    assert_eq!(stated, Some(second(3600)));
    drop(told);
    assert_eq!(both.cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_profile_of_evenload_is_followed_and_confirmed() {
    let both = Both::registered(CpoOptions::default()).await;
    both.advance(second(100)).await;
    let profile = Profile {
        unit: RateUnit::Amps,
        start: second(100),
        periods: vec![
            ProfilePeriod {
                start_s: 0,
                limit: Tenths(100),
            },
            ProfilePeriod {
                start_s: 600,
                limit: Tenths(125),
            },
        ],
        duration_s: None,
    };
    let answer = both.sends(Action::SetProfile { profile }).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    both.advance(second(101)).await;
    assert_eq!(both.cpo.with_depot(Depot::power), Power::from_watts(2_300));
    assert!(
        matches!(both.answers()[..], [Answer::Applied { .. }]),
        "{:?}",
        both.answers()
    );
    let answer = both.sends(Action::ReadProfile).await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    both.advance(second(110)).await;
    let told = both.memory.told.lock().expect("not poisoned").clone();
    let read = told.iter().find_map(|event| match event {
        EventKind::ProfileRead { profile, .. } => profile.clone(),
        _ => None,
    });
    let read = read.expect("read back");
    let limits: Vec<_> = read.periods.iter().map(|p| p.limit).collect();
    assert_eq!(limits, [Tenths(100), Tenths(125)]);
    both.sends(Action::ClearProfile).await;
    both.advance(second(120)).await;
    assert_eq!(both.cpo.with_depot(Depot::power), Power::from_watts(7_360));
    assert_eq!(both.cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn evenload_pulls_locations_sessions_and_history() {
    let recording = crate::sim::recorded::Recording::embedded().expect("sound");
    let both = Both::registered(CpoOptions {
        history: recording
            .between(second(-7 * 86_400), second(-86_400))
            .to_vec(),
        page_limit: 50,
        ..CpoOptions::default()
    })
    .await;
    let pulled = Box::pin(both.edge.pull(&partner(), Reach::Full)).await;
    let pulled = pulled.expect("pulls");
    assert_eq!(both.cpo.complaints(), Vec::<String>::new(), "{pulled:?}");
    let told = both.memory.told.lock().expect("not poisoned");
    let past: usize = told
        .iter()
        .map(|event| match event {
            EventKind::HistoryLearned { sessions } => sessions.len(),
            _ => 0,
        })
        .sum();
    assert!(past > 200, "{past} of {pulled:?}");
}
