//! What really flows against the limits: what made it pass one, what stood in the way of its end, and
//! from when on the service could know.

use chrono::TimeDelta;

use super::oracle::Branch;
use super::post::Beyond;
use super::report::{Cause, Hindrance};
use super::world::World;
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// How long a cut or a jump of other load, once it holds and is known, explains an excursion.
const GRACE_S: i64 = 60;
/// An excursion that is known and that nothing hinders is answered within this time.
const ANSWERED_S: i64 = 30;
/// Slack of one watt per EVSE for roundings.
pub(super) const ROUNDING: i64 = 8;

/// A limit that flows are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its number among the limits of a site.
    pub(super) index: usize,
    /// One phase of a circuit.
    pub(super) is_phase: bool,
}

/// An excursion that is under way.
#[derive(Clone, Debug)]
pub(super) struct Open {
    cause: Cause,
    since: Time,
    /// From when on the service could know.
    known_at: Option<Time>,
    worst: Power,
    hindrance: Hindrance,
}

impl World<'_> {
    /// Opens, keeps or closes the excursion of one limit.
    pub(super) fn watch(&mut self, place: Place, branch: &Branch, over: Power, beyond: &[Beyond]) {
        let slack = Power::from_watts(ROUNDING);
        if over <= slack {
            if let Some(open) = self.oracle.open[place.index].take() {
                self.closed(place, &open);
            }
            return;
        }
        let mut open = match self.oracle.open[place.index].take() {
            Some(open) => open,
            None => self.opened(place, branch, over, beyond),
        };
        open.worst = open.worst.max(over);
        open.hindrance = open
            .hindrance
            .max(self.hindrance(place, &open, branch, beyond));
        if open.known_at.is_none() && self.is_known(place, &open, branch, beyond) {
            open.known_at = Some(self.now);
        }
        self.oracle.open[place.index] = Some(open);
    }

    /// The run is over: what is open ends here.
    pub(super) fn close_all(&mut self) {
        for index in 0..self.oracle.open.len() {
            if let Some(open) = self.oracle.open[index].take() {
                let is_phase = index % 4 > 0;
                self.closed(Place { index, is_phase }, &open);
            }
        }
    }

    fn closed(&mut self, place: Place, open: &Open) {
        let now = self.now;
        let answered = open.known_at.map(|at| now - at);
        self.note(|| {
            let whole = now - open.since;
            format!(
                "under the limit again after {whole}, {answered:?} of it known, up to {}: {:?}, {:?}",
                open.worst, open.cause, open.hindrance
            )
        });
        self.report
            .excursion(open.cause, open.hindrance, now - open.since, answered);
        let is_free = open.hindrance == Hindrance::None;
        if let Some(lasted) = answered.filter(|it| is_free && it.num_seconds() >= ANSWERED_S) {
            let what = format!(
                "{:?} of {} at limit {} took {lasted} though nothing stood in the way",
                open.cause, open.worst, place.index
            );
            self.report.violated(now, "slow", what);
        }
    }

    fn opened(&mut self, place: Place, branch: &Branch, over: Power, beyond: &[Beyond]) -> Open {
        let cause = self.cause(branch, over, beyond);
        self.note(|| format!("over limit {} by {over}: {cause:?}", place.index));
        let draws: Vec<Power> = self.posts.iter().map(|it| it.draw(self.now)).collect();
        let (load, limit, known) = (self.load, self.limit(), self.known_limit());
        let now = self.now;
        self.note(|| {
            let (limit, known) = (limit.at(now), known.at(now));
            format!("draws {draws:?}, other load {load}, limit {limit}, told {known}")
        });
        if cause == Cause::SelfCaused {
            let what = format!(
                "{over} over limit {} and nothing outside explains it",
                place.index
            );
            self.report.violated(self.now, "flow", what);
        }
        Open {
            cause,
            since: self.now,
            known_at: None,
            worst: over,
            hindrance: Hindrance::None,
        }
    }

    fn cause(&self, branch: &Branch, over: Power, beyond: &[Beyond]) -> Cause {
        let now = self.now;
        let slack = Power::from_watts(ROUNDING);
        let sum = |part: fn(&Beyond) -> Power| -> Power {
            branch.posts.iter().map(|post| part(&beyond[*post])).sum()
        };
        let reasons = [
            (Cause::Disobedience, sum(|it| it.disobeyed)),
            (Cause::Arrival, sum(|it| it.unbounded)),
            (Cause::ProfileLost, sum(|it| it.lost)),
            (Cause::Unfollowed, sum(|it| it.unfollowed)),
        ];
        let explained: Power = reasons.iter().map(|(_, power)| *power).sum();
        let recently = |at: Time| now - at <= TimeDelta::seconds(GRACE_S);
        let largest = reasons
            .into_iter()
            .filter(|(_, power)| power.is_positive())
            .max_by_key(|(_, power)| *power);
        let untold_cut = self.known_limit().at(now) - self.limit().at(now);
        let unseen_load = Power::from_watts(self.load - self.oracle.seen_load);
        if branch.is_root && (recently(self.oracle.cut_at) || over <= untold_cut) {
            Cause::LimitCut
        } else if branch.is_root && (recently(self.oracle.rose_at) || over <= unseen_load) {
            Cause::LoadRose
        } else if let Some((cause, _)) = largest.filter(|_| explained + slack >= over) {
            cause
        } else if self.is_away() {
            // Nobody could see or answer what changed meanwhile.
            Cause::Away
        } else if let Some((cause, _)) = largest.filter(|_| self.oracle.any_open()) {
            cause
        } else if self.oracle.any_open() {
            Cause::LimitCut
        } else if self.load_above_all(branch) {
            Cause::LoadRose
        } else {
            Cause::SelfCaused
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.service.is_dead() || self.stalled || self.disk_full
    }

    /// Other load alone is above the limit.
    fn load_above_all(&self, branch: &Branch) -> bool {
        branch.is_root && Power::from_watts(self.load) > self.limit().at(self.now)
    }

    /// What stands in the way of its end just now.
    fn hindrance(
        &self,
        place: Place,
        open: &Open,
        branch: &Branch,
        beyond: &[Beyond],
    ) -> Hindrance {
        let now = self.now;
        let draws = |post: &usize| self.posts[*post].draw(now).is_positive();
        let answers = |post: &usize| {
            let target = &self.posts[*post];
            let car = target.car.as_ref();
            let may_be_told = car.is_some_and(|car| car.told && !car.uncontrolled);
            target.obeys && !target.lost && may_be_told
        };
        let follows = |post: &usize| !beyond[*post].unfollowed.is_positive();
        if self.is_away() {
            Hindrance::Away
        } else if branch.is_root && !self.site_meter
            || open.known_at.is_none() && self.is_unmetered(place, open, branch, beyond)
        {
            Hindrance::Unmetered
        } else if !branch.posts.iter().all(follows) {
            Hindrance::Unfollowed
        } else if !branch.posts.iter().any(|post| draws(post) && answers(post)) {
            Hindrance::NothingLeft
        } else {
            Hindrance::None
        }
    }

    /// No meter shows what happens there.
    fn is_unmetered(&self, place: Place, open: &Open, branch: &Branch, beyond: &[Beyond]) -> bool {
        match open.cause {
            Cause::Disobedience | Cause::LoadRose if branch.is_root && !place.is_phase => {
                !self.site_meter
            }
            Cause::Disobedience => branch.posts.iter().any(|post| {
                beyond[*post].disobeyed.is_positive()
                    && (self.posts[*post].frozen || self.is_unheard(*post))
            }),
            Cause::LoadRose => !self.site_meter,
            _ => false,
        }
    }

    /// The service was told enough to know by now.
    fn is_known(&self, place: Place, open: &Open, branch: &Branch, beyond: &[Beyond]) -> bool {
        if self.service.is_dead() || self.stalled {
            return false;
        }
        let now = self.now;
        let seen_by_site = self.oracle.site_read_at >= open.since;
        let concerned = |part: fn(&Beyond) -> Power| {
            let posts = branch.posts.iter();
            posts.filter(move |post| part(&beyond[**post]).is_positive())
        };
        let read_twice = |post: &usize| self.posts[*post].read_at[0] >= open.since;
        let is_told = |post: &usize| {
            let car = self.posts[*post].car.as_ref();
            car.is_none_or(|car| car.told)
        };
        match open.cause {
            Cause::LimitCut => {
                let cut = self.cut.filter(|(_, end)| *end > now);
                cut.is_none_or(|(cut, _)| {
                    self.told_cut
                        .is_some_and(|(from, told, end)| from <= now && now < end && told <= cut)
                })
            }
            Cause::Disobedience if place.is_phase || !branch.is_root => {
                concerned(|it| it.disobeyed).all(read_twice)
            }
            Cause::Disobedience | Cause::LoadRose => seen_by_site,
            Cause::Arrival => concerned(|it| it.unbounded).all(is_told),
            Cause::ProfileLost => concerned(|it| it.lost).next().is_none() || seen_by_site,
            Cause::Unfollowed | Cause::Away | Cause::SelfCaused => true,
        }
    }
}
