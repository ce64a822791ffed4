//! What a run found.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;

use super::post::Parked;
use crate::domain::time::Time;

/// Most violations of a site that are told in words.
const MOST_TOLD: usize = 5;

/// What made power pass a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A car that nothing limits yet.
    Arrival,
    /// The limit was cut.
    LimitCut,
    /// Other load rose.
    LoadRose,
    /// An EVSE draws what it was told not to.
    Disobedience,
    /// A lowering was asked for and is not followed: lost, refused, late, unreachable.
    Unfollowed,
    /// A charger lost its profiles.
    ProfileLost,
    /// The service was dead, suspended, or could not store.
    Away,
    /// Nothing outside explains it.
    SelfCaused,
}

/// What stood in the way of an excursion's end, the gravest that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hindrance {
    /// Nothing: the service knew, and everybody followed.
    None,
    /// Nobody draws anything there who could be told to draw less.
    NothingLeft,
    /// A lowering was asked for and not followed for more than seconds.
    Unfollowed,
    /// No meter showed it: lost, frozen, or its partner or station not reachable.
    Unmetered,
    /// The service was dead, suspended, or could not store.
    Away,
}

/// How long an excursion lasted, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// From beginning to end.
    pub whole: i64,
    /// From when on the service could know; `None`: it ended before.
    pub known: Option<i64>,
}

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// Which of the oracle's questions: `belief`, `bound`, `command`, `flow`, `slow`, `unready`, `replay`,
    /// `endless`.
    pub question: &'static str,
    /// What.
    pub what: String,
}

/// What was found at one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteReport {
    /// Its own seed.
    pub seed: u64,
    /// The first violations.
    pub told: Vec<Violation>,
    /// All violations, by question.
    pub counts: BTreeMap<&'static str, u64>,
    /// The service's own count of commands that made a bound exceed its limit.
    pub self_caused_by_bound: u64,
    /// Durations of excursions, by cause and what stood in the way of their end.
    pub excursions: BTreeMap<(Cause, Hindrance), Vec<Span>>,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// Cars that left.
    pub cars: u64,
    /// Of these had all they needed.
    pub ready: u64,
    /// Cars that said when they leave and that a fair share surely served.
    pub reachable: u64,
    /// Of these had all they needed.
    pub reachable_ready: u64,
    /// The reachable ones that were not ready, in words.
    pub short: Vec<String>,
    /// Cars that were not ready, by what made them unreachable.
    pub unreachable: BTreeMap<&'static str, u64>,
    /// Energy in mJ.
    pub energy: i64,
    /// Instants at which a drop of a meter was taken for a lowering that had not come.
    pub mistaken_drops: u64,
    /// Commands that left.
    pub commands: u64,
    /// Plans made.
    pub plans: u64,
    /// Events journaled.
    pub events: u64,
}

impl SiteReport {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            told: Vec::new(),
            counts: BTreeMap::new(),
            self_caused_by_bound: 0,
            excursions: BTreeMap::new(),
            faults: BTreeMap::new(),
            cars: 0,
            ready: 0,
            reachable: 0,
            reachable_ready: 0,
            short: Vec::new(),
            unreachable: BTreeMap::new(),
            energy: 0,
            mistaken_drops: 0,
            commands: 0,
            plans: 0,
            events: 0,
        }
    }

    /// How many there were.
    pub fn violations(&self) -> u64 {
        self.counts.values().sum::<u64>()
    }

    pub(super) fn violated(&mut self, at: Time, question: &'static str, what: String) {
        *self.counts.entry(question).or_default() += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(Violation { at, question, what });
        }
    }

    pub(super) fn excursion(
        &mut self,
        cause: Cause,
        hindrance: Hindrance,
        whole: TimeDelta,
        known: Option<TimeDelta>,
    ) {
        let spans = self.excursions.entry((cause, hindrance)).or_default();
        spans.push(Span {
            whole: whole.num_milliseconds(),
            known: known.map(|known| known.num_milliseconds()),
        });
    }

    /// A car left.
    pub(super) fn left(&mut self, car: &Parked, now: Time) {
        // A hundredth is what roundings take.
        let is_ready = car.drawn >= car.need - car.need / 100;
        self.cars += 1;
        self.ready += u64::from(is_ready);
        self.energy += car.drawn;
        let is_served = car.could_get >= car.need + car.need / 10;
        let says = car.session.needs.departure.is_some();
        let is_reachable = car.is_plain && says && is_served;
        if !is_ready && !is_reachable {
            let why = if !car.is_plain {
                "left_early"
            } else if is_served {
                "said_nothing"
            } else {
                car.hindered_by.unwrap_or("too_little_for_all")
            };
            *self.unreachable.entry(why).or_default() += 1;
        }
        self.reachable += u64::from(is_reachable);
        self.reachable_ready += u64::from(is_reachable && is_ready);
        if is_reachable && !is_ready {
            let what = format!(
                "{} at {} left with {} of {} Wh, though a fair share surely served it",
                car.session.id,
                car.session.evse,
                car.drawn / 3_600_000,
                car.need / 3_600_000,
            );
            if self.short.len() < MOST_TOLD {
                self.short.push(format!("{now}: {what}"));
            }
            self.violated(now, "unready", what);
        }
    }
}
