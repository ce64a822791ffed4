//! What earlier sessions let expect of one that runs: how long its car stays and what it takes.
//!
//! The sessions of days of the same kind, the alike ones counting more: who came at the same time of
//! day, and, where drivers say something, who said something similar. What was said is not taken at
//! its word: where it is said again, the error of then is expected again. Those that would be over
//! by now, or full by now, drop out: that is how the time already stayed tells something.

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;

use super::expected::{is_weekend, shifted};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{NeedSource, PastSession};
use crate::domain::time::Time;
use crate::state::demand::Demand;

/// Days looked back: eight weeks.
const FARTHEST_DAYS: i64 = 56;
/// Times of day that are farther apart than this say nothing of each other: two hours.
const NEAR_S: i64 = 2 * 3600;
/// Weights are counted in sixteenths.
const FULL: i64 = 16;
/// Fewer alike sessions than this, weights considered, are too few to believe.
const FEWEST: i64 = 6;
/// A statement is believed if at most one in so many of its kind was wrong to the driver's harm.
const WRONG_ONE_IN: usize = 20;
/// Fewer statements than this prove nothing against them.
const FEWEST_STATED: usize = 20;
/// Leaving so much earlier than stated is no error.
const PUNCTUAL: TimeDelta = TimeDelta::minutes(10);

/// How far the statements of drivers may be taken at their word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trust {
    pub(super) departure: bool,
    pub(super) energy: bool,
}

impl Trust {
    /// Judged by what became of earlier statements: hardly anybody left before it, and hardly
    /// anybody took less.
    pub(super) fn of(history: &[&PastSession]) -> Self {
        let judge = |wrong: &dyn Fn(&PastSession) -> Option<bool>| {
            let known: Vec<bool> = history.iter().filter_map(|past| wrong(past)).collect();
            let wrong = known.iter().filter(|wrong| **wrong).count();
            known.len() < FEWEST_STATED || wrong * WRONG_ONE_IN <= known.len()
        };
        Self {
            departure: judge(&|past| Some(past.ended_at + PUNCTUAL < past.stated_departure?)),
            energy: judge(&|past| {
                let stated = past.stated_energy?;
                Some(past.energy < Energy::from_joules(stated.joules() / 10 * 9))
            }),
        }
    }
}

/// One way it may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) leaves: Time,
    /// What the car still takes.
    pub(super) takes: Energy,
    pub(super) weight: i64,
}

/// The ways a session may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Belief {
    pub(super) outcomes: Vec<Outcome>,
    /// Learned from sessions alike; else they are no more than a stand-in for knowing nothing.
    pub(super) is_learned: bool,
}

impl Belief {
    /// What is to be expected of a session at `now`.
    pub(super) fn of(
        demand: &Demand,
        history: &[&PastSession],
        rate: Power,
        zone: Tz,
        now: Time,
    ) -> Self {
        let session = Running::of(demand, zone);
        // From the narrowest likeness to the widest, until there is enough to believe.
        let likenesses: [fn(&Running<'_>, &PastSession, Tz) -> i64; 3] = [
            |running, past, zone| running.came_alike(past, zone) * running.said_alike(past, zone),
            |running, past, zone| running.came_alike(past, zone) * FULL,
            |_, _, _| FULL * FULL,
        ];
        for likeness in likenesses {
            let outcomes: Vec<Outcome> = history
                .iter()
                .filter_map(|past| {
                    let weight = likeness(&session, past, zone);
                    (weight > 0).then(|| session.outcome(past, weight, zone))?
                })
                .filter(|it| it.leaves > now && it.takes.is_positive())
                .collect();
            if is_enough(&outcomes) {
                return Self {
                    outcomes,
                    is_learned: true,
                };
            }
        }
        Self::unknown(demand, rate, now)
    }

    /// Where nothing is known: the longer it has stayed the longer it will, and the same for what it
    /// takes.
    fn unknown(demand: &Demand, rate: Power, now: Time) -> Self {
        let outcomes = [1, 2, 4, 8, 16].map(|quarters| {
            let span = TimeDelta::minutes(30 * quarters);
            Outcome {
                leaves: demand.stated_departure().unwrap_or(now + span).max(now),
                takes: if demand.energy_source < NeedSource::Learned {
                    demand.remaining
                } else {
                    rate.over(span)
                },
                weight: 1,
            }
        });
        Self {
            outcomes: outcomes.into(),
            is_learned: false,
        }
    }

    /// How probable it is that the car is still there at an instant and still takes something after
    /// this much, in thousandths.
    pub(super) fn chance(&self, at: Time, after: Energy) -> i64 {
        let all: i64 = self.outcomes.iter().map(|it| it.weight).sum();
        let still = self
            .outcomes
            .iter()
            .filter(|it| it.leaves > at && it.takes > after);
        still.map(|it| it.weight).sum::<i64>() * 1000 / all.max(1)
    }

    /// What it takes on average.
    pub(super) fn mean(&self) -> Energy {
        let all: i64 = self.outcomes.iter().map(|it| it.weight).sum();
        let taken = |it: &Outcome| i128::from(it.takes.joules()) * i128::from(it.weight);
        let sum: i128 = self.outcomes.iter().map(taken).sum();
        Energy::from_joules(i64::try_from(sum / i128::from(all.max(1))).unwrap_or(i64::MAX))
    }

    /// When it leaves on average; `None` where nothing is believed.
    pub(super) fn mean_departure(&self) -> Option<Time> {
        let first = self.outcomes.iter().map(|it| it.leaves).min()?;
        let all: i64 = self.outcomes.iter().map(|it| it.weight).sum();
        let after = |it: &Outcome| i128::from((it.leaves - first).num_seconds());
        let sum: i128 = self
            .outcomes
            .iter()
            .map(|it| after(it) * i128::from(it.weight))
            .sum();
        let mean = i64::try_from(sum / i128::from(all.max(1))).unwrap_or_default();
        first.checked_add_signed(TimeDelta::seconds(mean))
    }

    /// Energies that split what it takes into parts, by the share of outcomes that take less.
    pub(super) fn quantiles(&self, percents: &[i64]) -> Vec<Energy> {
        let mut sorted: Vec<(Energy, i64)> = self
            .outcomes
            .iter()
            .map(|it| (it.takes, it.weight))
            .collect();
        sorted.sort_unstable();
        let all: i64 = sorted.iter().map(|(_, weight)| weight).sum();
        percents
            .iter()
            .filter_map(|percent| {
                let mut passed = 0;
                let found = sorted.iter().find(|(_, weight)| {
                    passed += weight;
                    passed * 100 >= all * percent
                });
                found.or(sorted.last()).map(|(energy, _)| *energy)
            })
            .collect()
    }
}

/// The past sessions that a session of today can be compared with.
pub(super) fn comparable<'h>(
    history: impl Iterator<Item = &'h PastSession>,
    zone: Tz,
    now: Time,
) -> Vec<&'h PastSession> {
    let weekend = |at: Time| is_weekend(at.with_timezone(&zone).date_naive());
    let since = now - TimeDelta::days(FARTHEST_DAYS);
    history
        .filter(|past| past.started_at >= since && past.ended_at <= now)
        .filter(|past| weekend(past.started_at) == weekend(now))
        .collect()
}

/// A running session as it is compared.
struct Running<'d> {
    demand: &'d Demand,
    came: DateTime<Tz>,
}

impl<'d> Running<'d> {
    fn of(demand: &'d Demand, zone: Tz) -> Self {
        Self {
            demand,
            came: demand.started_at.with_timezone(&zone),
        }
    }

    fn came_alike(&self, past: &PastSession, zone: Tz) -> i64 {
        nearness(
            second_of_day(self.came),
            second_of_day(past.started_at.with_timezone(&zone)),
        )
    }

    /// Statements are compared only where both made them.
    fn said_alike(&self, past: &PastSession, zone: Tz) -> i64 {
        let departure = match (self.demand.stated_departure(), past.stated_departure) {
            (Some(ours), Some(theirs)) => {
                let of_day = |at: Time| second_of_day(at.with_timezone(&zone));
                nearness(of_day(ours), of_day(theirs))
            }
            (None, None) => FULL,
            _ => 0,
        };
        let energy = match (self.demand.stated_energy(), past.stated_energy) {
            (Some(ours), Some(theirs)) => {
                let (ours, theirs) = (ours.joules(), theirs.joules());
                (FULL - 2 * FULL * (ours - theirs).abs() / ours.max(theirs).max(1)).max(0)
            }
            (None, None) => FULL,
            _ => 0,
        };
        departure * energy / FULL
    }

    /// How it goes on if it goes as that one went. `None` where it cannot be told.
    fn outcome(&self, past: &PastSession, weight: i64, zone: Tz) -> Option<Outcome> {
        let leaves = match (self.demand.stated_departure(), past.stated_departure) {
            (Some(ours), Some(theirs)) => ours + (past.ended_at - theirs),
            _ => shifted(past, self.came.date_naive(), zone)?.1,
        };
        let total = match (self.demand.stated_energy(), past.stated_energy) {
            (Some(ours), Some(theirs)) if theirs.is_positive() => {
                let part = i128::from(past.energy.joules()) * i128::from(ours.joules());
                let joules = part / i128::from(theirs.joules());
                Energy::from_joules(i64::try_from(joules).unwrap_or(i64::MAX))
            }
            _ => past.energy,
        };
        let takes = total.saturating_minus(self.demand.delivered());
        Some(Outcome {
            leaves,
            takes,
            weight,
        })
    }
}

/// Enough of them, weights considered: (sum of w)^2 / (sum of w^2).
fn is_enough(outcomes: &[Outcome]) -> bool {
    let sum: i64 = outcomes.iter().map(|it| it.weight).sum();
    let squares: i64 = outcomes.iter().map(|it| it.weight * it.weight).sum();
    sum * sum >= FEWEST * squares.max(1)
}

/// How near two times of day are, from 0 to [`FULL`].
fn nearness(one: i64, other: i64) -> i64 {
    const DAY_S: i64 = 86_400;
    let apart = (one - other).abs();
    let apart = apart.min(DAY_S - apart);
    (FULL - FULL * apart / NEAR_S).max(0)
}

fn second_of_day(at: DateTime<Tz>) -> i64 {
    use chrono::Timelike as _;
    i64::from(at.num_seconds_from_midnight())
}
