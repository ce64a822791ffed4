//! History that outlives a restart: what was kept is there, once, and no more than was asked for.

use std::sync::Arc;

use chrono::TimeDelta;

use super::*;
use crate::api::tests::Shelf;
use crate::domain::event::EventKind;
use crate::domain::ports::Records as _;
use crate::domain::session::SessionStatus;
use crate::state::testing::{session, site_of};

fn start() -> Time {
    "2026-11-22T16:00:00Z".parse().expect("an instant")
}

/// A site that is heard, over lives of the service.
struct Heard {
    records: Arc<Shelf>,
    chronicle: Chronicle,
    state: SiteState,
    days: u32,
}

impl Heard {
    fn new(days: u32) -> Self {
        let records = Arc::new(Shelf::default());
        Self {
            chronicle: Chronicle::new(Policy::default()).kept_in(records.clone(), days),
            records,
            state: SiteState::new(site_of(20.0, 2), start()),
            days,
        }
    }

    fn key(&self) -> SiteKey {
        self.state.site.key()
    }

    fn happens(&mut self, at: Time, kind: EventKind) {
        let event = Event {
            seq: self.state.last_seq + 1,
            at,
            kind,
        };
        self.state.apply(&event);
        self.chronicle.hear(&self.key(), &[event], &self.state, at);
    }

    fn session(&mut self, at: Time, number: usize, status: SessionStatus) {
        let mut session = session(number, 0);
        session.status = status;
        session.updated_at = at;
        if status == SessionStatus::Ended {
            session.ended_at = Some(at);
        }
        let session = Box::new(session);
        self.happens(at, EventKind::SessionSeen { session });
    }

    /// The process ends and another one starts on the same store.
    async fn restarts(&mut self, at: Time) {
        let next = Chronicle::new(Policy::default());
        self.chronicle = next.kept_in(self.records.clone(), self.days);
        let (key, state) = (self.key(), self.state.clone());
        self.chronicle.restore(&key, &state, at).await;
    }

    async fn minutes(&self, from: Time, to: Time) -> Vec<i64> {
        let samples = self.chronicle.samples(&self.key(), from, to).await;
        let samples = samples.expect("readable");
        samples.iter().map(|sample| sample.minute).collect()
    }

    fn notes(&self) -> Vec<u64> {
        let notes = |site: &SiteChronicle| site.notes.after(0).map(|n| n.number).collect();
        self.chronicle.read(&self.key(), notes)
    }

    async fn kept(&self) -> usize {
        let all = self.records.scan("history/", 100_000).await;
        all.expect("readable").len()
    }
}

#[tokio::test]
async fn minutes_notes_and_sessions_go_on_after_a_restart_and_none_is_there_twice() {
    let mut heard = Heard::new(35);
    let mut at = start();
    for life in 0..3 {
        heard.session(at, 1, SessionStatus::Active);
        for _ in 0..100 {
            at += TimeDelta::minutes(1);
            heard.happens(at, EventKind::Restarted);
            heard.chronicle.keep(at).await.expect("kept");
        }
        if life == 0 {
            // One that nobody was told is kept.
            heard.happens(at, EventKind::Restarted);
        }
        heard.restarts(at).await;
    }
    heard.session(at, 1, SessionStatus::Ended);
    heard.chronicle.keep(at).await.expect("kept");
    heard.restarts(at).await;
    let minutes = heard.minutes(start(), at).await;
    let mut once = minutes.clone();
    once.dedup();
    assert_eq!(minutes, once);
    // Three lives of 100 minutes; each begins anew to measure with its first turn.
    assert!((290..=300).contains(&minutes.len()), "{}", minutes.len());
    let notes = heard.notes();
    let expected: Vec<u64> = (1..=*notes.last().expect("some")).collect();
    assert_eq!(notes, expected);
    let over = |site: &SiteChronicle| site.sessions.iter().cloned().collect::<Vec<_>>();
    let over = heard.chronicle.read(&heard.key(), over);
    assert_eq!(over.len(), 1, "{over:?}");
    assert!(over[0].ended_at.is_some());
}

#[tokio::test]
async fn what_is_older_than_asked_for_goes_and_what_is_younger_is_read_from_the_store() {
    let mut heard = Heard::new(3);
    let mut at = start();
    // Six days, a turn every half hour.
    for _ in 0..6 * 48 {
        at += TimeDelta::minutes(30);
        heard.happens(at, EventKind::Ticked);
        heard.chronicle.keep(at).await.expect("kept");
    }
    let minutes = heard.minutes(start(), at).await;
    let day = 24 * 60;
    // Three days, and what is left of the hour in which the third began.
    assert!(
        (3 * day..=3 * day + 60).contains(&minutes.len()),
        "{}",
        minutes.len()
    );
    assert!(
        minutes.windows(2).all(|two| two[1] == two[0] + 1),
        "without a gap"
    );
    assert!(
        heard.kept().await <= 3 * 24 + 2 + 1,
        "{}",
        heard.kept().await
    );
    // Away for a week: what has become too old meanwhile goes at the start.
    at += TimeDelta::days(7);
    heard.restarts(at).await;
    assert!(heard.minutes(start(), at).await.is_empty());
    assert!(heard.kept().await <= 1, "{}", heard.kept().await);
}
