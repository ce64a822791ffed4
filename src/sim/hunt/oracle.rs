//! Who is to blame: judged from what really holds, apart from `state`.
//!
//! Four questions. Is what the service believes true: may no car draw more than its bound says?
//! Was a command right when it left: did it fit beside all that really may be drawn? Does what
//! really flows stay under the limits, and if not, what outside of us made it so? Did every vehicle
//! get ready that a fair share surely serves?

use chrono::TimeDelta;

use super::excursions::{Open, Place, ROUNDING};
use super::post::{Beyond, Post};
use super::world::World;
use crate::domain::command::{Action, Command, Evidence};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::EvseSource;
use crate::domain::id::EvseId;
use crate::domain::quantity::{Current, Power};
use crate::domain::site::{ArrivalReserve, Site};
use crate::domain::time::Time;
use crate::state::EvseState;
use crate::state::evse_state::Control;

/// A circuit with the posts beneath it.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) posts: Vec<usize>,
    pub(super) limit: Option<Power>,
    pub(super) is_root: bool,
    /// Per phase, in mA.
    pub(super) phase_limit: Option<i64>,
}

/// What the oracle keeps from instant to instant.
#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) branches: Vec<Branch>,
    pub(super) open: Vec<Option<Open>>,
    pub(super) cut_at: Time,
    pub(super) rose_at: Time,
    /// When the newest reading of the site's meter was taken that the service heard.
    pub(super) site_read_at: Time,
    /// What other load was then, in watts.
    pub(super) seen_load: i64,
    /// What was believed of the EVSEs when beliefs were last held against the truth.
    believed: u64,
}

impl Oracle {
    pub(super) fn new(site: &Site, now: Time) -> Self {
        let branches: Vec<Branch> =
            site.circuits
                .iter()
                .map(|circuit| {
                    let beneath =
                        site.evses.iter().enumerate().filter(|(_, evse)| {
                            circuit.parent.is_none() || evse.circuit == circuit.id
                        });
                    Branch {
                        posts: beneath.map(|(index, _)| index).collect(),
                        limit: circuit.import_limit,
                        is_root: circuit.parent.is_none(),
                        phase_limit: circuit.phase_limit.map(Current::milliamps),
                    }
                })
                .collect();
        let long_ago = now - TimeDelta::days(1);
        Self {
            open: vec![None; branches.len() * 4],
            branches,
            cut_at: long_ago,
            rose_at: long_ago,
            site_read_at: long_ago,
            seen_load: 0,
            believed: 0,
        }
    }

    /// A cut began to hold, or became known.
    pub(super) fn limit_cut(&mut self, now: Time) {
        self.cut_at = now;
    }

    pub(super) fn load_rose(&mut self, now: Time) {
        self.rose_at = now;
    }
}

impl World<'_> {
    /// Lets energy flow to an instant.
    pub(super) fn flow(&mut self, to: Time) {
        let span = to - self.now;
        self.fair_share(span);
        for index in 0..self.posts.len() {
            self.posts[index].flow(self.now, span);
        }
        self.now = to;
    }

    /// What flows against the limits, and what the service believes against what may flow.
    pub(super) fn look(&mut self) {
        let now = self.now;
        let draws: Vec<Power> = self.posts.iter().map(|post| post.draw(now)).collect();
        let beyond: Vec<Beyond> = self.posts.iter().map(|post| post.beyond(now)).collect();
        let branches = self.oracle.branches.clone();
        for (index, branch) in branches.iter().enumerate() {
            let load = if branch.is_root { self.load } else { 0 };
            let limit = if branch.is_root {
                self.limit().at(now)
            } else {
                branch.limit.unwrap_or(Power::ZERO)
            };
            let drawn: Power = branch.posts.iter().map(|post| draws[*post]).sum();
            let over = drawn + Power::from_watts(load) - limit;
            let place = Place {
                index: index * 4,
                is_phase: false,
            };
            self.watch(place, branch, over, &beyond);
            if let Some(most) = branch.phase_limit {
                for phase in 0..3 {
                    let amps: i64 = branch
                        .posts
                        .iter()
                        .map(|post| self.on_phase(*post, phase))
                        .sum::<i64>()
                        + load * 1000 / (3 * 230);
                    let over = Power::from_watts((amps - most) * 230 / 1000);
                    let place = Place {
                        index: index * 4 + phase + 1,
                        is_phase: true,
                    };
                    self.watch(place, branch, over, &beyond);
                }
            }
        }
        let believed = self.beliefs_in_short();
        if self.moved || believed != self.oracle.believed {
            self.oracle.believed = believed;
            self.believe();
        }
        let caused = self.service.state().excursions.self_caused;
        if caused > self.report.self_caused_by_bound {
            let what = format!("{caused} times a command made a bound exceed its limit");
            self.report.self_caused_by_bound = caused;
            self.report.violated(now, "bound", what);
        }
    }

    /// What flows on a phase of the grid through a post, in mA.
    fn on_phase(&self, post: usize, phase: usize) -> i64 {
        let target = &self.posts[post];
        let (tenths, phases) = target.current(self.now);
        let used = target
            .evse
            .phases
            .iter()
            .take(usize::try_from(phases).unwrap_or(0));
        let flows = used.into_iter().any(|wired| wired.index() == phase);
        if flows { tenths * 100 } else { 0 }
    }

    /// Is what the service believes true?
    fn believe(&mut self) {
        if self.service.is_dead() {
            return;
        }
        let now = self.now;
        let (mut untrue, mut mistaken) = (None, 0);
        for post in &self.posts {
            let heard = match &post.car {
                Some(car) => car.told,
                None => post.is_station() && self.is_believed_free(post),
            };
            // What it cannot know: who does not obey, what was forgotten, whom nobody announced.
            if !heard || !post.obeys || post.lost {
                continue;
            }
            let bound = self.service.state().evse_bound(&post.evse.id);
            let cap = post.cap();
            let slack = PowerCurve::constant(Power::from_watts(2));
            if let Some(at) = cap.minus(&slack).first_above(&bound, now) {
                if self.is_believed_by_drop(post) {
                    // What a meter shows may have another cause; that is known, and counted.
                    mistaken += 1;
                    continue;
                }
                untrue = Some(format!(
                    "{} may draw {} at {at} and is believed to draw {} at most{}",
                    post.evse.id,
                    cap.at(at),
                    bound.at(at),
                    self.beliefs(&post.evse.id)
                ));
            }
        }
        self.report.mistaken_drops += mistaken;
        if let Some(what) = untrue {
            self.report.violated(now, "belief", what);
        }
    }

    /// A number that is another one when what bounds rest on is.
    fn beliefs_in_short(&self) -> u64 {
        let mut short = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |part: i64| {
            let bits = u64::from_ne_bytes(part.to_ne_bytes());
            short = (short ^ bits).wrapping_mul(0x0100_0000_01b3);
        };
        let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        for known in self.service.state().evses.values() {
            let (profiles, defaults) = (&known.profiles, &known.defaults);
            let confirmed = profiles.confirmed.as_ref();
            mix(confirmed.map_or(0, |it| it.at.timestamp_millis()));
            mix(count(profiles.outstanding.len()));
            mix(count(profiles.late.len()));
            let default = defaults.confirmed.as_ref();
            mix(default.map_or(0, |it| it.at.timestamp_millis()));
            mix(count(defaults.outstanding.len()));
            mix(i64::from(known.is_free()));
            mix(i64::from(known.control == Control::Controllable));
        }
        short
    }

    /// What the service believes to hold at an EVSE, in words.
    fn beliefs(&self, evse: &EvseId) -> String {
        let Some(known) = self.service.state().evses.get(evse) else {
            return String::new();
        };
        let profiles = &known.profiles;
        let confirmed = profiles.confirmed.iter();
        let confirmed = confirmed.map(|it| format!("{:?} by {:?}", it.command, it.evidence));
        let sent = profiles.outstanding.iter();
        let sent = sent.map(|it| format!("sent {}", it.command.id));
        let late = profiles.late.iter();
        let late = late.map(|it| format!("late {:?} until {:?}", it.command, it.until));
        let words: Vec<String> = confirmed.chain(sent).chain(late).collect();
        format!("; {}", words.join(", "))
    }

    /// What really may be drawn and what is believed, EVSE by EVSE, in words.
    fn beside(&self, branch: &Branch, at: Time) -> String {
        let posts = branch.posts.iter().map(|index| &self.posts[*index]);
        let words: Vec<String> = posts
            .map(|post| {
                let bound = self.service.state().evse_bound(&post.evse.id).at(at);
                let may = post.may().at(at);
                let coming = post.asked.iter().filter(|asked| asked.may_come).count();
                format!(
                    "{} may {may}, believed {bound}, {coming} requests may still come",
                    post.evse.id
                )
            })
            .collect();
        format!("; {}", words.join("; "))
    }

    /// Is a command right as it leaves? It must fit beside everything that really may be drawn and
    /// that the service was told of, with the promised reserve for those it was not.
    pub(super) fn judge(&mut self, post: usize, command: &Command) {
        let now = self.now;
        let target = &self.posts[post];
        let ceiling = target.ceiling();
        let next = match &command.action {
            Action::SetProfile { profile } => target.under(profile, &target.resting()),
            Action::SetDefault { profile } if target.car.is_none() => {
                target.under(profile, &ceiling)
            }
            Action::ClearProfile => ceiling,
            Action::SetDefault { .. } | Action::ReadProfile => return,
        };
        let runs = target.car.as_ref().map(|car| &car.session.id) == command.session.as_ref();
        if !runs {
            // Nobody takes it.
            return;
        }
        let before = target.reckoned();
        if next.is_within(&before, now) || target.lost {
            return;
        }
        let branches = self.oracle.branches.clone();
        for (index, branch) in branches.iter().enumerate() {
            if !branch.posts.contains(&post) {
                continue;
            }
            let sum = branch
                .posts
                .iter()
                .filter(|other| **other != post)
                .map(|other| self.reckoned_with(*other))
                .fold(next.max(&before), |sum, may| sum.plus(&may));
            let sum = sum.plus(&PowerCurve::constant(self.promised(branch)));
            let limit = if branch.is_root {
                self.known_limit()
            } else {
                PowerCurve::constant(branch.limit.unwrap_or(Power::ZERO))
            };
            // Only where the command itself adds something.
            let adds = next.zip(&before, |next, before| {
                if next > before {
                    Power::ZERO
                } else {
                    Power::from_watts(1_000_000_000)
                }
            });
            let slack = PowerCurve::constant(Power::from_watts(ROUNDING));
            if let Some(at) = sum.first_above(&limit.plus(&adds).plus(&slack), now) {
                let what = format!(
                    "command {} lets {} draw {} at {at}: {} of {} under limit {index}, {} of it kept{}",
                    command.id,
                    command.evse,
                    next.at(at),
                    sum.at(at),
                    limit.at(at),
                    self.promised(branch),
                    self.beside(branch, at)
                );
                self.report.violated(now, "command", what);
                return;
            }
            self.judge_phases(post, command, branch, &next, &before);
        }
    }

    fn judge_phases(
        &mut self,
        post: usize,
        command: &Command,
        branch: &Branch,
        next: &PowerCurve,
        before: &PowerCurve,
    ) {
        let Some(most) = branch.phase_limit else {
            return;
        };
        for phase in 0..3 {
            let part = |world: &Self, index: usize, may: &PowerCurve| {
                let target = &world.posts[index];
                let wired = target
                    .evse
                    .phases
                    .iter()
                    .any(|wired| wired.index() == phase);
                let phases = i64::try_from(target.evse.phases.len()).unwrap_or(1).max(1);
                // In mA, kept in a curve of "watts".
                may.zip(&PowerCurve::zero(), |power, _| {
                    let amps = power.watts() * 1_000_000 / (target.millivolts * phases);
                    Power::from_watts(if wired { amps } else { 0 })
                })
            };
            let own_next = part(self, post, next);
            let own_before = part(self, post, before);
            let sum = branch
                .posts
                .iter()
                .filter(|other| **other != post)
                .map(|other| part(self, *other, &self.reckoned_with(*other)))
                .fold(own_next.max(&own_before), |sum, may| sum.plus(&may));
            let adds = own_next.zip(&own_before, |next, before| {
                if next > before {
                    Power::ZERO
                } else {
                    Power::from_watts(1_000_000_000)
                }
            });
            let limit = PowerCurve::constant(Power::from_watts(most + ROUNDING * 10)).plus(&adds);
            if let Some(at) = sum.first_above(&limit, self.now) {
                let what = format!(
                    "command {} puts {} mA of {most} mA on phase {} at {at}",
                    command.id,
                    sum.at(at).watts(),
                    phase + 1
                );
                self.report.violated(self.now, "command", what);
                return;
            }
        }
    }

    /// The service believes that no session runs there.
    fn is_believed_free(&self, post: &Post) -> bool {
        let known = self.service.state().evses.get(&post.evse.id);
        known.is_none_or(EvseState::is_free)
    }

    /// What is believed there rests on a drop of its meter alone.
    fn is_believed_by_drop(&self, post: &Post) -> bool {
        let known = self.service.state().evses.get(&post.evse.id);
        let confirmed = known.and_then(|known| known.profiles.confirmed.as_ref());
        confirmed.is_some_and(|confirmed| confirmed.evidence == Evidence::MeasuredDrop)
    }

    /// What another post may draw, as far as the service was told of it.
    fn reckoned_with(&self, index: usize) -> PowerCurve {
        let post = &self.posts[index];
        if !post.obeys || post.lost {
            // It cannot know; what was installed is what it may count on.
            return PowerCurve::zero();
        }
        match (&post.car, &post.evse.source) {
            (Some(_), _) if post.is_full() => PowerCurve::zero(),
            (Some(_), _) if self.is_believed_by_drop(post) => post
                .may()
                .min(&self.service.state().evse_bound(&post.evse.id)),
            (Some(car), _) if car.told => post.may(),
            (None, EvseSource::Ocpp { .. }) if self.is_believed_free(post) => post.may(),
            _ => PowerCurve::zero(),
        }
    }

    /// What is promised to be kept for cars at EVSEs of partners of which nobody has told.
    fn promised(&self, branch: &Branch) -> Power {
        let mut free: Vec<Power> = branch
            .posts
            .iter()
            .map(|index| &self.posts[*index])
            .filter(|post| !post.is_station())
            .filter(|post| self.is_believed_free(post))
            .map(|post| post.ceiling().at(self.now))
            .collect();
        free.sort_unstable_by(|a, b| b.cmp(a));
        let count = match self.scenario.site.arrival_reserve {
            ArrivalReserve::None => 0,
            ArrivalReserve::Largest(count) => usize::try_from(count).unwrap_or(usize::MAX),
            ArrivalReserve::All => usize::MAX,
        };
        free.into_iter().take(count).sum()
    }
}

impl Oracle {
    pub(super) fn any_open(&self) -> bool {
        self.open.iter().any(Option::is_some)
    }
}
