//! What really holds at one EVSE: its car, its installed profiles, what it does of its own will.
//!
//! Written apart from `state` and its arithmetic: a limit of `x` A lets a car draw `x` times the
//! *real* voltage times its phases.

use chrono::TimeDelta;

use super::meters::Meter;
use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CommandId, PartnerId};
use crate::domain::profile::{Profile, RateUnit};
use crate::domain::quantity::Power;
use crate::domain::session::Session;
use crate::domain::time::Time;

/// Within this time a request takes effect, unless something goes wrong with it.
const FOLLOWS_S: i64 = 6;
/// Below 6 A a car draws nothing.
const LEAST_TENTHS: i64 = 60;

/// A car at an EVSE.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true of a car whatever the others are"
)]
pub(super) struct Parked {
    /// Its session as the peer knows it.
    pub(super) session: Session,
    /// When it leaves.
    pub(super) leaves_at: Time,
    /// When it came.
    pub(super) came_at: Time,
    /// What it needs, in mJ.
    pub(super) need: i64,
    /// What it has drawn, in mJ.
    pub(super) drawn: i64,
    /// Most current it takes per phase, in tenths of an ampere.
    pub(super) most_tenths: i64,
    /// Phases it uses.
    pub(super) phases: i64,
    /// The service has heard of it.
    pub(super) told: bool,
    /// The peer never says that it left.
    pub(super) never_closed: bool,
    /// The peer said that it cannot be controlled.
    pub(super) uncontrolled: bool,
    /// It told when it leaves, and keeps to it.
    pub(super) is_plain: bool,
    /// Energy that a fair share surely leaves it, were it not hindered; see `oracle`.
    pub(super) could_get: i64,
    /// What stood in its way last.
    pub(super) hindered_by: Option<&'static str>,
    /// What its meter said last, and when.
    pub(super) read: (i64, Time),
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: CommandId,
    /// `None`: take the profile away.
    pub(super) profile: Option<Profile>,
    /// It will be, or may still be, applied.
    pub(super) may_come: bool,
    /// It is about the default profile.
    pub(super) is_default: bool,
    pub(super) issued_at: Time,
}

/// An EVSE in the world.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fault that may hold at the same time as any other"
)]
pub(super) struct Post {
    pub(super) evse: Evse,
    /// Real voltage, mV.
    pub(super) millivolts: i64,
    pub(super) car: Option<Parked>,
    pub(super) profile: Option<Profile>,
    pub(super) default: Option<Profile>,
    pub(super) obeys: bool,
    pub(super) online: bool,
    /// It lost its profiles and the service has not heard.
    pub(super) lost: bool,
    pub(super) frozen: bool,
    pub(super) asked: Vec<Asked>,
    /// The newest profile that was asked for and does not hold yet, and when it was asked for.
    pub(super) owed: Option<(CommandId, Profile, Time)>,
    /// The newest profile that took effect.
    pub(super) newest: Option<(CommandId, Profile)>,
    /// The newest profile that the service was told to be applied.
    pub(super) told_profile: Option<Profile>,
    pub(super) meter: Meter,
    /// When the last two readings were taken that the service heard, the older first.
    pub(super) read_at: [Time; 2],
}

impl Post {
    pub(super) fn new(evse: Evse, millivolts: i64, meter: Meter) -> Self {
        Self {
            evse,
            millivolts,
            car: None,
            profile: None,
            default: None,
            obeys: true,
            online: true,
            lost: false,
            frozen: false,
            asked: Vec::new(),
            owed: None,
            newest: None,
            told_profile: None,
            meter,
            read_at: [Time::MIN_UTC; 2],
        }
    }

    /// The partner that holds it; `None`: a station of our own.
    pub(super) fn partner(&self) -> Option<&PartnerId> {
        match &self.evse.source {
            EvseSource::Ocpi { partner, .. } => Some(partner),
            EvseSource::Ocpp { .. } => None,
        }
    }

    pub(super) fn is_station(&self) -> bool {
        self.partner().is_none()
    }

    /// Phases of the EVSE.
    fn phases(&self) -> i64 {
        i64::try_from(self.evse.phases.len().clamp(1, 3)).unwrap_or(3)
    }

    /// Its rating per phase, in tenths of an ampere.
    fn rating(&self) -> i64 {
        self.evse.max.watts() * 10 / (230 * self.phases())
    }

    /// What so many tenths of an ampere are on some phases.
    fn power(&self, tenths: i64, phases: i64) -> Power {
        Power::from_watts(tenths * self.millivolts * phases / 10_000)
    }

    fn tenths_of(&self, profile: &Profile, limit: i64) -> i64 {
        let tenths = match profile.unit {
            RateUnit::Amps => limit,
            RateUnit::Watts => limit * 1000 / (self.millivolts * self.phases()).max(1),
        };
        let tenths = tenths.min(self.rating());
        if tenths < LEAST_TENTHS { 0 } else { tenths }
    }

    /// What any car may draw under a profile from `now` on; `after` its end.
    pub(super) fn under(&self, profile: &Profile, after: &PowerCurve) -> PowerCurve {
        let end = profile.end();
        let mut steps: Vec<(Time, Power)> = profile
            .steps()
            .filter(|(at, _)| end.is_none_or(|end| *at < end))
            .map(|(at, limit)| {
                (
                    at,
                    self.power(self.tenths_of(profile, limit.0), self.phases()),
                )
            })
            .collect();
        if let Some(end) = end {
            steps.push((end, after.at(end)));
            steps.extend(after.steps().iter().copied().filter(|(at, _)| *at > end));
        }
        let before = steps.first().map_or(Power::ZERO, |(_, power)| *power);
        PowerCurve::new(before, steps)
    }

    pub(super) fn ceiling(&self) -> PowerCurve {
        PowerCurve::constant(self.power(self.rating(), self.phases()))
    }

    pub(super) fn resting(&self) -> PowerCurve {
        let ceiling = self.ceiling();
        match &self.default {
            Some(default) => self.under(default, &ceiling),
            None => ceiling,
        }
    }

    /// What a car may draw here at each instant, whoever it is.
    pub(super) fn cap(&self) -> PowerCurve {
        if !self.obeys {
            return self.ceiling();
        }
        let resting = self.resting();
        match &self.profile {
            Some(profile) => self.under(profile, &resting),
            None => resting,
        }
    }

    /// The car that is there draws no more.
    pub(super) fn is_full(&self) -> bool {
        self.car.as_ref().is_some_and(|car| car.drawn >= car.need)
    }

    /// What may be drawn here under what is installed and what may still arrive.
    pub(super) fn may(&self) -> PowerCurve {
        self.with(|asked| asked.may_come)
    }

    /// What the service has to reckon with here as far as requests go: also those that were lost,
    /// which it cannot know, and the last of which it was told that it holds, though an older one
    /// may have come in its place.
    pub(super) fn reckoned(&self) -> PowerCurve {
        let reckoned = self.with(|_| true);
        match &self.told_profile {
            Some(profile) if self.obeys => reckoned.max(&self.under(profile, &self.resting())),
            _ => reckoned,
        }
    }

    /// The highest of what is installed and of some requests; a session's profile lies above any
    /// default one.
    fn with(&self, counts: impl Fn(&Asked) -> bool) -> PowerCurve {
        if !self.obeys {
            return self.ceiling();
        }
        let ceiling = self.ceiling();
        let asked = || self.asked.iter().filter(|asked| counts(asked));
        let resting = asked()
            .filter(|asked| asked.is_default)
            .filter_map(|asked| asked.profile.as_ref())
            .fold(self.resting(), |resting, profile| {
                resting.max(&self.under(profile, &ceiling))
            });
        let over = |profile: &Option<Profile>| match profile {
            Some(profile) => self.under(profile, &resting),
            None => resting.clone(),
        };
        asked()
            .filter(|asked| !asked.is_default)
            .fold(over(&self.profile), |may, asked| {
                may.max(&over(&asked.profile))
            })
    }

    /// Tenths of an ampere that flow on each of its phases now, and on how many.
    pub(super) fn current(&self, now: Time) -> (i64, i64) {
        let Some(car) = self.car.as_ref().filter(|car| car.drawn < car.need) else {
            return (0, 1);
        };
        let tenths = if self.obeys {
            let of = |profile: &Option<Profile>| {
                let profile = profile.as_ref()?;
                Some(self.tenths_of(profile, profile.limit_at(now)?.0))
            };
            of(&self.profile)
                .or_else(|| of(&self.default))
                .unwrap_or(self.rating())
        } else {
            self.rating()
        };
        (tenths.min(car.most_tenths), car.phases.min(self.phases()))
    }

    /// What flows now.
    pub(super) fn draw(&self, now: Time) -> Power {
        let (tenths, phases) = self.current(now);
        self.power(tenths, phases)
    }

    /// When something changes here by itself after `now`.
    pub(super) fn next_change(&self, now: Time) -> Option<Time> {
        let car = self.car.as_ref()?;
        let draw = self.draw(now).watts();
        let full = (draw > 0).then(|| {
            let ms = (car.need - car.drawn + draw - 1) / draw;
            now + TimeDelta::milliseconds(ms)
        });
        let step = [&self.profile, &self.default]
            .into_iter()
            .flatten()
            .flat_map(|profile| profile.steps().map(|(at, _)| at).chain(profile.end()))
            .filter(|at| *at > now)
            .min();
        full.into_iter().chain(step).min()
    }

    /// Lets energy flow for so long.
    pub(super) fn flow(&mut self, now: Time, span: TimeDelta) {
        let draw = self.draw(now).watts();
        if let Some(car) = &mut self.car {
            car.drawn += draw * span.num_milliseconds();
        }
    }

    /// What is drawn beyond what was asked for or would hold, were nothing lost and all obeyed.
    pub(super) fn beyond(&self, now: Time) -> Beyond {
        let draw = self.draw(now);
        let Some(car) = &self.car else {
            return Beyond::default();
        };
        let allowed = |profile: &Profile| {
            let limit = profile.limit_at(now)?.0;
            Some(self.power(self.tenths_of(profile, limit), self.phases()))
        };
        if !self.obeys {
            let cap = self.profile.as_ref().and_then(allowed);
            return Beyond {
                disobeyed: (draw - cap.unwrap_or(Power::ZERO)).at_least_zero(),
                ..Beyond::default()
            };
        }
        if self.lost {
            return Beyond {
                lost: draw,
                ..Beyond::default()
            };
        }
        // What is asked for takes a moment.
        let owed = self.owed.as_ref();
        let owed = owed.filter(|(_, _, since)| now - *since > TimeDelta::seconds(FOLLOWS_S));
        let owed = owed.and_then(|(_, profile, _)| allowed(profile));
        let unfollowed = owed.map_or(Power::ZERO, |owed| (draw - owed).at_least_zero());
        let is_unbounded = self.profile.is_none() && (!car.told || self.default.is_none());
        Beyond {
            unbounded: if is_unbounded {
                draw - unfollowed
            } else {
                Power::ZERO
            },
            unfollowed,
            ..Beyond::default()
        }
    }
}

/// Power that is drawn for a reason nobody here controls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beyond {
    /// It does not obey.
    pub(super) disobeyed: Power,
    /// It lost its profiles.
    pub(super) lost: Power,
    /// A car that nothing limits yet.
    pub(super) unbounded: Power,
    /// A lowering was asked for and is not followed.
    pub(super) unfollowed: Power,
}
