//! One partner's outbox: what waits, what is under way, and how fast it goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;

use crate::domain::command::{Action, Command};
use crate::domain::id::{EvseId, SiteKey};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Most requests under way at one partner.
pub const MAX_IN_FLIGHT: usize = 4;
/// Most commands that wait for one partner; the oldest raise is dropped beyond (and answered as
/// not sent, so that dispatch makes a fresh one later).
pub const MAX_WAITING: usize = 10_000;
/// First pause after a partner said "too often"; it doubles up to [`LONGEST_PAUSE_S`].
const FIRST_PAUSE_S: i64 = 1;
/// Longest pause after "too often" or failed connections: 5 minutes.
const LONGEST_PAUSE_S: i64 = 300;

/// A command on its way to a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The site it belongs to.
    pub site: SiteKey,
    /// The command.
    pub command: Command,
    /// It lowers (or reads): it goes before every raise of all sites of the partner.
    pub lowers: bool,
}

/// How a request went, for the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The partner answered.
    Fine,
    /// The partner asked for patience; perhaps for this many seconds.
    TooOften(Option<u32>),
    /// The partner is not there: nothing leaves for this many seconds, and what waits loses nothing
    /// by it. [`Outbox::go_on`] ends it early.
    Absent(u32),
    /// This request was not answered, or not in a way that says anything: the EVSE rests, the
    /// others of the partner go on.
    Failed,
}

/// One partner's outbox. Lowerings go before raisings across all its sites.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    lowerings: VecDeque<Parcel>,
    raisings: VecDeque<Parcel>,
    in_flight: BTreeSet<(SiteKey, EvseId)>,
    paused_until: Option<Time>,
    pauses: u32,
    /// Until then the partner is taken to be absent.
    absent_until: Option<Time>,
    /// EVSEs whose last requests failed; at most as many as the partner has.
    resting: BTreeMap<(SiteKey, EvseId), Rest>,
}

/// An EVSE is left alone for a while.
#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    /// `None`: over, another try may go.
    until: Option<Time>,
}

impl Outbox {
    /// Puts a command in. A waiting command for the same EVSE is superseded; it and what had to
    /// be dropped are given back to be answered as not sent.
    pub fn push(&mut self, parcel: Parcel) -> Vec<Parcel> {
        let mut dropped = Vec::new();
        let same = |waiting: &Parcel| {
            waiting.site == parcel.site
                && waiting.command.evse == parcel.command.evse
                && is_read(&waiting.command) == is_read(&parcel.command)
        };
        for queue in [&mut self.lowerings, &mut self.raisings] {
            if let Some(index) = queue.iter().position(same) {
                dropped.extend(queue.remove(index));
            }
        }
        if parcel.lowers {
            self.lowerings.push_back(parcel);
        } else {
            self.raisings.push_back(parcel);
        }
        if self.lowerings.len() + self.raisings.len() > MAX_WAITING {
            dropped.extend(
                self.raisings
                    .pop_front()
                    .or_else(|| self.lowerings.pop_back()),
            );
        }
        dropped
    }

    /// The next command that may go now; it counts as under way until [`Outbox::done`].
    pub fn next(&mut self, now: Time) -> Option<Parcel> {
        for rest in self.resting.values_mut() {
            rest.until = rest.until.filter(|until| now < *until);
        }
        // A pause that is over is forgotten: nobody must wake for it again.
        self.paused_until = self.paused_until.filter(|until| now < *until);
        self.absent_until = self.absent_until.filter(|until| now < *until);
        let pauses = self.paused_until.is_some() || self.absent_until.is_some();
        if self.in_flight.len() >= MAX_IN_FLIGHT || pauses {
            return None;
        }
        let (busy, resting) = (&self.in_flight, &self.resting);
        let free = |parcel: &Parcel| {
            let place = (parcel.site.clone(), parcel.command.evse.clone());
            let rests = resting.get(&place).is_some_and(|rest| rest.until.is_some());
            !rests && !busy.contains(&place)
        };
        let parcel = match self.lowerings.iter().position(free) {
            Some(index) => self.lowerings.remove(index),
            None => self
                .raisings
                .iter()
                .position(free)
                .and_then(|index| self.raisings.remove(index)),
        }?;
        self.in_flight
            .insert((parcel.site.clone(), parcel.command.evse.clone()));
        Some(parcel)
    }

    /// A request under way came to its end.
    pub fn done(&mut self, site: &SiteKey, evse: &EvseId, outcome: Outcome, now: Time) {
        let place = (site.clone(), evse.clone());
        self.in_flight.remove(&place);
        let asked = match outcome {
            Outcome::Fine => {
                self.resting.remove(&place);
                self.pauses = 0;
                self.paused_until = None;
                self.absent_until = None;
                return;
            }
            Outcome::Absent(seconds) => {
                let until = now + TimeDelta::seconds(i64::from(seconds).min(LONGEST_PAUSE_S));
                self.absent_until = Some(until);
                return;
            }
            Outcome::TooOften(asked) => asked.map_or(0, i64::from),
            Outcome::Failed => {
                let failures = self.resting.get(&place).map_or(0, |rest| rest.failures);
                let rest = Rest {
                    failures: failures.saturating_add(1),
                    until: Some(now + TimeDelta::seconds(growing_s(failures))),
                };
                self.resting.insert(place, rest);
                return;
            }
        };
        let own = growing_s(self.pauses);
        self.pauses = self.pauses.saturating_add(1);
        // What the partner asks for is obeyed up to 15 minutes.
        self.paused_until = Some(now + TimeDelta::seconds(own.max(asked.min(900))));
    }

    /// True while something waits for an absent partner.
    pub fn waits_for_absent(&self) -> bool {
        self.absent_until.is_some() && self.waiting() > 0
    }

    /// The partner may be there again.
    pub fn go_on(&mut self) {
        self.absent_until = None;
    }

    /// When a pause ends, or the rest of an EVSE for which something waits.
    pub fn wake_at(&self) -> Option<Time> {
        let mut waiting = self.lowerings.iter().chain(&self.raisings).peekable();
        waiting.peek()?;
        self.paused_until.max(self.absent_until).or_else(|| {
            let rest = |parcel: &Parcel| {
                let place = (parcel.site.clone(), parcel.command.evse.clone());
                self.resting.get(&place).and_then(|rest| rest.until)
            };
            waiting.filter_map(rest).min()
        })
    }

    /// Number of commands waiting.
    pub fn waiting(&self) -> usize {
        self.lowerings.len() + self.raisings.len()
    }

    /// True if nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight.is_empty()
    }
}

/// True if the command takes power away now (or only asks).
pub fn lowers(state: &SiteState, command: &Command) -> bool {
    let Action::SetProfile { profile } = &command.action else {
        return true;
    };
    let (Some(evse), Some(known)) = (
        state.site.evse(&command.evse),
        state.evses.get(&command.evse),
    ) else {
        return true;
    };
    let now = command.issued_at;
    let next = profile
        .limit_at(now)
        .map(|limit| evse.worst_case_of(profile.unit, limit));
    let confirmed = known.profiles.confirmed.as_ref().map(|confirmed| {
        evse.worst_case(&confirmed.profile, evse.hardware_max())
            .at(now)
    });
    next <= Some(confirmed.unwrap_or_else(|| evse.hardware_max()))
}

/// A pause that doubles with each before it.
fn growing_s(before: u32) -> i64 {
    (FIRST_PAUSE_S << i64::from(before.min(9))).min(LONGEST_PAUSE_S)
}

fn is_read(command: &Command) -> bool {
    matches!(command.action, Action::ReadProfile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::CommandId;
    use crate::state::testing::{at, evse_id, site_of};

    fn parcel(number: usize) -> Parcel {
        Parcel {
            site: site_of(20.0, 1).key(),
            command: Command {
                id: CommandId::default(),
                evse: evse_id(number),
                session: None,
                native_session: None,
                plan: None,
                issued_at: at(0),
                action: Action::ClearProfile,
            },
            lowers: true,
        }
    }

    fn goes(outbox: &mut Outbox, second: i64) -> Option<EvseId> {
        outbox.next(at(second)).map(|parcel| parcel.command.evse)
    }

    #[test]
    fn evses_that_fail_rest_alone_and_the_others_of_the_partner_go_on() {
        let site = site_of(20.0, 1).key();
        let mut outbox = Outbox::default();
        for failure in 0..3 {
            for bad in 1..=4 {
                outbox.push(parcel(bad));
                assert_eq!(goes(&mut outbox, failure * 10), Some(evse_id(bad)));
            }
            for bad in 1..=4 {
                outbox.done(&site, &evse_id(bad), Outcome::Failed, at(failure * 10));
            }
        }
        outbox.push(parcel(1));
        outbox.push(parcel(5));
        assert_eq!(goes(&mut outbox, 20), Some(evse_id(5)));
        assert_eq!(goes(&mut outbox, 20), None);
        // 1, 2, then 4 s.
        assert_eq!(outbox.wake_at(), Some(at(24)));
        assert_eq!(goes(&mut outbox, 24), Some(evse_id(1)));
        assert_eq!(outbox.wake_at(), None, "nothing waits");
    }

    #[test]
    fn a_partner_that_asks_for_patience_gets_it_for_all_its_evses() {
        let site = site_of(20.0, 1).key();
        let mut outbox = Outbox::default();
        outbox.push(parcel(1));
        assert_eq!(goes(&mut outbox, 0), Some(evse_id(1)));
        outbox.done(&site, &evse_id(1), Outcome::TooOften(Some(30)), at(0));
        outbox.push(parcel(2));
        assert_eq!(goes(&mut outbox, 29), None);
        assert_eq!(outbox.wake_at(), Some(at(30)));
        assert_eq!(goes(&mut outbox, 30), Some(evse_id(2)));
    }

    #[test]
    fn what_waits_for_an_absent_partner_loses_nothing_and_lowerings_go_first_when_it_is_back() {
        let site = site_of(20.0, 1).key();
        let mut outbox = Outbox::default();
        outbox.push(parcel(1));
        assert_eq!(goes(&mut outbox, 0), Some(evse_id(1)));
        outbox.done(&site, &evse_id(1), Outcome::Absent(300), at(0));
        outbox.push(Parcel {
            lowers: false,
            ..parcel(2)
        });
        outbox.push(parcel(1));
        assert!(outbox.waits_for_absent());
        assert_eq!(
            (goes(&mut outbox, 299), outbox.wake_at()),
            (None, Some(at(300)))
        );
        outbox.go_on();
        assert_eq!(goes(&mut outbox, 20), Some(evse_id(1)), "it does not rest");
        assert_eq!(goes(&mut outbox, 20), Some(evse_id(2)));
    }
}
