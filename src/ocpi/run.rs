//! The edge's own rhythm: full pulls at start, then on demand and by the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::edge::{Edge, Wanted};
use super::pull::Reach;
use crate::domain::id::PartnerId;
use crate::domain::time::Time;

/// Partners pulled at once; a slow one holds up nobody but itself.
const MAX_PULLS: usize = 16;

/// First pause after a failed pull; it doubles up to the longest.
const FIRST_PAUSE_S: i64 = 5;
/// Longest pause after failed pulls: 5 minutes.
const LONGEST_PAUSE_S: i64 = 300;

/// Between the starts of two pulls that were asked for.
const LEAST_GAP: TimeDelta = TimeDelta::seconds(10);

/// Between two full pulls at least this passes, unless one is asked for.
const FULL_EVERY: TimeDelta = TimeDelta::hours(6);

/// When a partner is pulled next.
#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Time,
    failures: u32,
    /// The start of the last pull that worked.
    since: Option<Time>,
    last_full_at: Option<Time>,
    is_full_wanted: bool,
    /// The start of the last pull, whether it worked or not.
    began_at: Option<Time>,
    /// One was asked for while one runs: when the next may begin.
    asked_at: Option<Time>,
}

impl Edge {
    /// Pulls from all registered partners: fully at start and when asked to, changes by the clock.
    /// Runs until it is dropped; a dropped pull is begun anew after the next start.
    pub async fn run(&self) {
        let mut turns: BTreeMap<PartnerId, Turn> = BTreeMap::new();
        let mut busy: BTreeMap<PartnerId, Reach> = BTreeMap::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            if let Err(error) = self.keep_deviations().await {
                tracing::warn!(%error, "what was seen of partners was not written");
            }
            let now = self.now();
            self.note_turns(&mut turns, now);
            for (partner, turn) in &mut turns {
                let is_due = turn.at <= now && !busy.contains_key(partner);
                if !is_due || busy.len() >= MAX_PULLS {
                    continue;
                }
                let reach = turn.begin(now);
                busy.insert(partner.clone(), reach);
                self.inner.pulls.fetch_add(1, Ordering::SeqCst);
                self.inner.pulling.store(busy.len(), Ordering::SeqCst);
                let (edge, partner) = (self.clone(), partner.clone());
                under_way.push(async move {
                    let result = Box::pin(edge.pull(&partner, reach)).await;
                    (partner, now, result.is_ok())
                });
            }
            let next = turns
                .iter()
                .filter(|(partner, _)| !busy.contains_key(*partner))
                .map(|(_, turn)| turn.at)
                .fold(now + TimeDelta::seconds(30), Time::min)
                // Never a busy loop, whatever the clock says.
                .max(now + TimeDelta::milliseconds(10));
            tokio::select! {
                Some((partner, began, is_ok)) = under_way.next(), if !under_way.is_empty() => {
                    let reach = busy.remove(&partner);
                    self.inner.pulling.store(busy.len(), Ordering::SeqCst);
                    if let (Some(turn), Some(reach)) = (turns.get_mut(&partner), reach) {
                        self.after(&partner, turn, reach, began, is_ok);
                    }
                    if let Err(error) = self.forget_expired_results().await {
                        tracing::warn!(%error, "expired result URLs were not removed");
                    }
                }
                () = self.inner.nudge.notified() => {}
                () = self.inner.ports.clock.sleep_until(next) => {}
            }
        }
    }

    /// Adds new partners, drops those gone, and notes the pulls asked for.
    fn note_turns(&self, turns: &mut BTreeMap<PartnerId, Turn>, now: Time) {
        let registered: BTreeSet<_> = self
            .peers()
            .iter()
            .map(|peer| peer.record())
            .filter(|record| record.is_registered())
            .map(|record| record.name.clone())
            .collect();
        turns.retain(|partner, _| registered.contains(partner));
        for partner in registered {
            turns.entry(partner).or_insert(Turn {
                at: now,
                failures: 0,
                since: None,
                last_full_at: None,
                is_full_wanted: true,
                began_at: None,
                asked_at: None,
            });
        }
        for (partner, wanted) in self.take_wanted_pulls() {
            if let Some(turn) = turns.get_mut(&partner) {
                turn.ask(wanted, now);
            }
        }
    }

    fn after(&self, partner: &PartnerId, turn: &mut Turn, reach: Reach, began: Time, is_ok: bool) {
        let now = self.now();
        if is_ok {
            turn.worked(reach, began, now + spread(self.settings().pull_interval));
        } else {
            turn.failed(reach, now);
            let asked = self.patience_s(partner).map_or(0, i64::from);
            turn.at = turn.at.max(now + TimeDelta::seconds(asked));
        }
    }
}

impl Turn {
    /// A pull begins; says what it reads.
    fn begin(&mut self, now: Time) -> Reach {
        let reach = self.reach(now);
        self.began_at = Some(now);
        self.is_full_wanted = false;
        self.asked_at = None;
        reach
    }

    /// A pull is asked for. A partner in trouble keeps its pause unless it is back, and nobody can
    /// make us pull all the time.
    fn ask(&mut self, wanted: Wanted, now: Time) {
        self.is_full_wanted |= wanted > Wanted::Changes;
        if self.failures == 0 || wanted == Wanted::EverythingNow {
            let earliest = self.began_at.map_or(now, |at| at + LEAST_GAP);
            let asked_at = earliest.max(now);
            self.at = self.at.min(asked_at);
            self.asked_at = Some(asked_at);
        }
    }

    /// The pull worked. One that was asked for while it ran stays: what this one read may be older
    /// than the question.
    fn worked(&mut self, reach: Reach, began: Time, next: Time) {
        self.failures = 0;
        self.since = Some(began);
        if reach == Reach::Full {
            self.last_full_at = Some(began);
        }
        self.at = self.asked_at.map_or(next, |asked_at| next.min(asked_at));
    }

    fn failed(&mut self, reach: Reach, now: Time) {
        let doubled = FIRST_PAUSE_S << i64::from(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.is_full_wanted |= reach == Reach::Full;
        self.at = now + spread(TimeDelta::seconds(doubled.min(LONGEST_PAUSE_S)));
    }

    fn reach(&self, now: Time) -> Reach {
        let is_old = self.last_full_at.is_none_or(|at| now - at > FULL_EVERY);
        match self.since {
            Some(since) if !self.is_full_wanted && !is_old => Reach::Since(since),
            _ => Reach::Full,
        }
    }
}

/// A pause between three quarters of `pause` and all of it, so that partners spread out.
pub(super) fn spread(pause: TimeDelta) -> TimeDelta {
    let ms = pause.num_milliseconds().max(0);
    let quarter = ms / 4;
    let cut = if quarter > 0 {
        rand::random_range(0..=quarter)
    } else {
        0
    };
    TimeDelta::milliseconds(ms - cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        chrono::DateTime::from_timestamp(1_795_000_200 + second, 0).expect("in range")
    }

    #[test]
    fn a_full_pull_asked_for_while_one_runs_follows_it_soon() {
        let mut turn = Turn {
            at: at(0),
            failures: 0,
            since: None,
            last_full_at: None,
            is_full_wanted: true,
            began_at: None,
            asked_at: None,
        };
        assert_eq!(turn.begin(at(0)), Reach::Full);
        turn.ask(Wanted::Everything, at(2));
        turn.worked(Reach::Full, at(0), at(304));
        // Ten seconds between two starts at least.
        assert_eq!(turn.at, at(10));
        assert_eq!(turn.begin(at(10)), Reach::Full);
        turn.worked(Reach::Full, at(10), at(314));
        assert_eq!(turn.at, at(314), "asked once, it is read once more");
        assert_eq!(turn.begin(at(314)), Reach::Since(at(10)));
        for second in [314, 330, 350] {
            turn.failed(Reach::Since(at(10)), at(second));
        }
        turn.ask(Wanted::Everything, at(351));
        assert!(turn.at > at(360), "in trouble it keeps its pause");
        turn.ask(Wanted::EverythingNow, at(352));
        assert_eq!(turn.at, at(352), "it is back");
    }
}
