//! Whether a partner is asked at all. One EVSE or endpoint that fails says nothing about the others
//! behind the same partner, so failures only raise a doubt; a probe that concerns no EVSE settles it.
//!
//! ```text
//!                 3 different things fail in a row,
//!                 3 connections in a row, or 401/403
//!        closed ───────────────────────────────────> doubtful ── probe answered ──> closed
//!          ^                                            │  ^
//!          │ any answer                    probe failed │  │ pause over, or the partner calls us
//!          └──────────────────── open <─────────────────┘  │
//!                                 └────────────────────────┘
//! ```
//!
//! While it is open nothing leaves but probes; what waits stays in the partner's outbox, lowerings
//! first.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::domain::time::Time;

/// So many different things must fail, or so many connections, before the partner is doubted.
const DOUBT_AFTER: usize = 3;

/// First pause after a probe that failed; it doubles with each further one.
const FIRST_PAUSE_S: i64 = 2;

/// Longest pause, and the pause for a partner that does not let us in: 5 minutes.
const LONGEST_PAUSE_S: i64 = 300;

/// Between two probes at least, whatever happens: a partner whose EVSEs all fail while it answers
/// probes is not asked twice for each of them.
const BETWEEN_PROBES: TimeDelta = TimeDelta::seconds(10);

/// How something failed that was asked of a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// There was no connection: nothing behind the partner can be reached this way.
    NoConnection,
    /// A connection, but no answer, or one of something in between.
    NoAnswer,
    /// It does not let us in (HTTP 401, 403).
    Locked,
}

/// What may be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Ask.
    Go,
    /// Probe first.
    Probe,
    /// Nothing before this instant.
    Wait {
        /// When the next probe may go.
        until: Time,
        /// What the last one met.
        why: String,
    },
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Doubtful,
    Open {
        until: Time,
        why: String,
        locked: bool,
    },
}

/// The breaker of one partner.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// The different things that failed since the last answer.
    missed: BTreeSet<String>,
    /// Connections that failed since the last answer.
    unconnected: usize,
    /// Probes that failed in a row.
    failed_probes: u32,
    last_probe: Option<Time>,
    /// It called us since it was doubted.
    was_heard: bool,
}

impl Breaker {
    /// What may be done now.
    pub(super) fn gate(&self, now: Time) -> Gate {
        match &self.state {
            State::Closed => Gate::Go,
            State::Open { until, why, .. } if now < *until => Gate::Wait {
                until: *until,
                why: why.clone(),
            },
            State::Doubtful | State::Open { .. } => Gate::Probe,
        }
    }

    /// Until when nothing leaves, if so.
    pub(super) fn holds_until(&self, now: Time) -> Option<Time> {
        match self.gate(now) {
            Gate::Wait { until, .. } => Some(until),
            Gate::Go | Gate::Probe => None,
        }
    }

    /// The partner answered, if only with a no.
    pub(super) fn answered(&mut self) {
        self.state = State::Closed;
        self.missed.clear();
        self.unconnected = 0;
        self.failed_probes = 0;
        self.was_heard = false;
    }

    /// Something failed; `what` names it, so that one thing counts once however often it fails.
    pub(super) fn missed(&mut self, what: &str, miss: Miss, now: Time) {
        if !matches!(self.state, State::Closed) {
            return;
        }
        // Bounded by `DOUBT_AFTER` while probes may go, and by this while they may not.
        if self.missed.len() < 64 {
            self.missed.insert(what.to_owned());
        }
        self.unconnected += usize::from(miss == Miss::NoConnection);
        let is_bad = miss == Miss::Locked
            || self.unconnected >= DOUBT_AFTER
            || self.missed.len() >= DOUBT_AFTER;
        let may_probe = self.last_probe.is_none_or(|at| now >= at + BETWEEN_PROBES);
        if is_bad && may_probe {
            self.state = State::Doubtful;
        }
    }

    /// A probe begins.
    pub(super) fn probing(&mut self, now: Time) {
        self.last_probe = Some(now);
    }

    /// A probe failed. `spread` draws the pause from one given, so that partners which went down
    /// together are not asked together.
    pub(super) fn probe_failed(
        &mut self,
        miss: Miss,
        why: String,
        now: Time,
        spread: impl FnOnce(TimeDelta) -> TimeDelta,
    ) {
        let locked = miss == Miss::Locked;
        let pause_s = if locked {
            LONGEST_PAUSE_S
        } else {
            (FIRST_PAUSE_S << self.failed_probes.min(10)).min(LONGEST_PAUSE_S)
        };
        self.failed_probes = self.failed_probes.saturating_add(1);
        self.was_heard = false;
        self.state = State::Open {
            until: now + spread(TimeDelta::seconds(pause_s)),
            why,
            locked,
        };
    }

    /// The partner called us; true if it was given up before: it is there again, most likely. One
    /// that does not let us in is left alone all the same.
    pub(super) fn heard(&mut self, now: Time) -> bool {
        let may_probe = self.last_probe.is_none_or(|at| now >= at + BETWEEN_PROBES);
        let is_back = match self.state {
            State::Closed | State::Open { locked: true, .. } => false,
            State::Open { locked: false, .. } => may_probe,
            State::Doubtful => !self.was_heard,
        };
        if is_back {
            self.state = State::Doubtful;
            self.was_heard = true;
        }
        is_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        chrono::DateTime::from_timestamp(1_795_000_200 + second, 0).expect("in range")
    }

    fn fails(breaker: &mut Breaker, second: i64) {
        assert_eq!(breaker.gate(at(second)), Gate::Probe);
        breaker.probing(at(second));
        breaker.probe_failed(Miss::NoAnswer, "silent".into(), at(second), |pause| pause);
    }

    #[test]
    fn one_thing_that_fails_for_ever_never_raises_a_doubt() {
        let mut breaker = Breaker::default();
        for second in 0..100 {
            breaker.missed("/profiles/S1", Miss::NoAnswer, at(second));
            breaker.missed("/sessions", Miss::NoAnswer, at(second));
            assert_eq!(breaker.gate(at(second)), Gate::Go);
        }
    }

    #[test]
    fn three_things_that_fail_in_a_row_call_for_a_probe_and_an_answer_in_between_does_not() {
        let mut breaker = Breaker::default();
        breaker.missed("a", Miss::NoAnswer, at(0));
        breaker.missed("b", Miss::NoAnswer, at(0));
        breaker.answered();
        breaker.missed("c", Miss::NoAnswer, at(0));
        breaker.missed("d", Miss::NoAnswer, at(0));
        assert_eq!(breaker.gate(at(0)), Gate::Go);
        breaker.missed("e", Miss::NoAnswer, at(0));
        assert_eq!(breaker.gate(at(0)), Gate::Probe);
        breaker.probing(at(0));
        breaker.answered();
        for (second, gate) in [(1, Gate::Go), (9, Gate::Go), (10, Gate::Probe)] {
            for what in ["a", "b", "c"] {
                breaker.missed(what, Miss::NoAnswer, at(second));
            }
            assert_eq!(breaker.gate(at(second)), gate, "{second}");
        }
    }

    #[test]
    fn one_that_is_only_doubted_is_back_too_when_it_calls_us_but_once() {
        let mut breaker = Breaker::default();
        assert!(!breaker.heard(at(0)), "it was never away");
        for _ in 0..3 {
            breaker.missed("/sessions", Miss::NoConnection, at(0));
        }
        assert_eq!(breaker.gate(at(0)), Gate::Probe);
        assert!(breaker.heard(at(1)));
        assert!(
            !breaker.heard(at(2)),
            "whoever pushes is not read back each time"
        );
        breaker.answered();
        assert!(!breaker.heard(at(3)));
    }

    #[test]
    fn connections_count_each_and_a_locked_door_at_once() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            breaker.missed("a", Miss::NoConnection, at(0));
            assert_eq!(breaker.gate(at(0)), Gate::Go);
        }
        breaker.missed("a", Miss::NoConnection, at(0));
        assert_eq!(breaker.gate(at(0)), Gate::Probe);
        let mut locked = Breaker::default();
        locked.missed("a", Miss::Locked, at(0));
        assert_eq!(locked.gate(at(0)), Gate::Probe);
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_an_answer_ends_them() {
        let mut breaker = Breaker::default();
        breaker.missed("a", Miss::Locked, at(0));
        let mut second = 0;
        for pause in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            fails(&mut breaker, second);
            assert_eq!(breaker.holds_until(at(second)), Some(at(second + pause)));
            second += pause;
        }
        breaker.answered();
        assert_eq!(breaker.gate(at(second)), Gate::Go);
    }

    #[test]
    fn a_partner_that_calls_us_is_probed_again_soon_but_not_one_that_locked_us_out() {
        let mut breaker = Breaker::default();
        breaker.missed("a", Miss::Locked, at(0));
        for second in [0, 2, 6, 14, 30, 62] {
            fails(&mut breaker, second);
        }
        assert!(!breaker.heard(at(63)));
        assert_eq!(
            breaker.holds_until(at(63)),
            Some(at(126)),
            "probed a second ago"
        );
        assert!(breaker.heard(at(72)));
        assert!(!breaker.heard(at(72)), "once");
        assert_eq!(breaker.gate(at(72)), Gate::Probe);
        breaker.probing(at(72));
        breaker.probe_failed(Miss::Locked, "401".into(), at(72), |pause| pause);
        assert!(!breaker.heard(at(100)));
        assert_eq!(breaker.holds_until(at(100)), Some(at(372)));
    }
}
