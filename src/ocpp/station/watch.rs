//! Whether a car follows what its station accepted: looked at by the meter, soon after.
//!
//! "Accepted" is not "applied". A station that was told less than its car draws is asked for readings
//! at once, not at its next interval, so that one that does not obey is found out within seconds. One
//! that may go on after a limit of 0 is looked at later: some pass over the first limit after it.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::install::Wish;
use super::{Output, Purpose, Station};
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Request, Scope};
use crate::ocpp::rpc::Priority;
use crate::ocpp::version::Version;

/// How long after it may go on again it is looked whether a car draws, in seconds.
const RESUMES_S: i64 = 90;
/// Looks at a car that may go on without a reading since it may, until it is given up.
const MAX_BLIND: u8 = 5;
/// How often a car is woken in one transaction.
const MAX_WAKES: u8 = 2;
/// How long after it was told less a car is looked at first, in seconds: IEC 61851 gives it 5 s to
/// follow the pilot.
const FOLLOWS_S: i64 = 6;
/// Between two looks, in seconds. Three looks are over within 20 s of the answer: the first reading
/// may be a mean that reaches back before the lowering, the other two prove that it is not followed.
const AGAIN_S: i64 = 6;
/// Looks at one lowering.
const LOOKS: u8 = 3;

/// A car that may go on after a limit of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resumption {
    /// Since when it may.
    began: Time,
    /// When it is looked at.
    at: Time,
    /// What was done about it.
    stage: Stage,
    /// Looks without a reading since then.
    blind: u8,
}

/// What was done about a car that does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing yet.
    May,
    /// It was told once more.
    ToldAgain,
    /// It was started remotely.
    Woken,
}

/// A car that charges, by who brought it.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    token: String,
    kind: String,
    /// How often it was woken.
    wakes: u8,
}

impl Resumption {
    fn after(began: Time) -> Self {
        Self {
            began,
            at: began + TimeDelta::seconds(RESUMES_S),
            stage: Stage::May,
            blind: 0,
        }
    }

    /// When it is looked at.
    pub(super) fn at(&self) -> Time {
        self.at
    }
}

/// The cars of a station that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    by_evse: BTreeMap<u32, Look>,
    /// The station refused to send a reading when asked to: it is not asked again on this
    /// connection.
    are_refused: bool,
}

impl Looks {
    /// When somebody is to be looked at next.
    pub(super) fn next(&self) -> Option<Time> {
        self.by_evse.values().map(|look| look.next).min()
    }

    /// The car is gone.
    pub(super) fn end(&mut self, evse: u32) {
        self.by_evse.remove(&evse);
    }

    /// What the station said to our asking for a reading.
    pub(super) fn answered(&mut self, refused: bool) {
        self.are_refused |= refused;
    }

    fn take_due(&mut self, now: Time) -> Vec<(u32, Look)> {
        let due = self.by_evse.extract_if(.., |_, look| look.next <= now);
        due.collect()
    }
}

/// A car that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    /// When it was told.
    since: Time,
    /// When it is looked at next.
    next: Time,
    /// Looks that are left.
    left: u8,
}

impl Look {
    /// At one that was told less then.
    fn after(since: Time) -> Self {
        Self {
            since,
            next: since + TimeDelta::seconds(FOLLOWS_S),
            left: LOOKS,
        }
    }
}

impl Station {
    /// An accepted profile lets a car go on after a limit of 0: whether it does is looked at later.
    pub(super) fn note_resumption(&mut self, wish: &Wish, now: Time) {
        let Scope::Transaction { evse, .. } = &wish.scope else {
            return;
        };
        let limit = |wish: &Wish| wish.profile.limit_at(now).map(|limit| limit.0);
        let before = self.told_before.get(evse).and_then(limit);
        let is_on = limit(wish).is_some_and(|limit| limit > 0);
        if is_on && before == Some(0) {
            self.resumes.insert(*evse, Resumption::after(now));
            return;
        }
        // One that is looked at already stays so; what an older profile would have brought does not.
        let known = self.resumes.get(evse);
        if known.is_none_or(|known| !is_on || known.began > now) {
            self.look_at_next_rise(*evse, &wish.profile, now);
        }
    }

    /// A profile that steps up from 0 says so in no message: its car is looked at then.
    fn look_at_next_rise(&mut self, evse: u32, profile: &Profile, now: Time) {
        let mut before = profile.limit_at(now);
        let mut later = profile.steps().filter(|(at, _)| *at > now);
        let rise = later.find(|(_, limit)| {
            let was = before.replace(*limit);
            was == Some(Tenths(0)) && limit.0 > 0
        });
        match rise {
            Some((at, _)) => self.resumes.insert(evse, Resumption::after(at)),
            None => self.resumes.remove(&evse),
        };
    }

    /// A car that draws nothing though it may again is told once more, since some stations pass over
    /// the first limit after a 0. Where a reading after that still shows nothing it is woken by a remote
    /// start, since some sleep; where it draws then, its station is known as one of these.
    pub(super) fn look_whether_resumed(&mut self, now: Time, out: &mut Vec<Output>) {
        let due: Vec<u32> = self
            .resumes
            .iter()
            .filter(|(_, resumption)| resumption.at <= now)
            .map(|(evse, _)| *evse)
            .collect();
        for evse in due {
            let Some(resumption) = self.resumes.remove(&evse) else {
                continue;
            };
            let told = self.told.get(&evse);
            let Some(profile) = told.map(|wish| wish.profile.clone()) else {
                continue;
            };
            let reading = self.shown.get(&evse).and_then(|shown| shown.measured);
            let draws = reading.is_some_and(|reading| reading.power.is_positive());
            let is_seen = reading.is_some_and(|reading| reading.at > resumption.began);
            if draws || profile.limit_at(now).is_none_or(|limit| limit.0 == 0) {
                if draws && is_seen && resumption.stage == Stage::Woken {
                    self.note_quirk(Quirk::SleepsAtZero, out);
                }
                self.look_at_next_rise(evse, &profile, now);
                continue;
            }
            let next = |stage, blind| Resumption {
                stage,
                blind,
                ..Resumption::after(now)
            };
            let sleeps = self.caps.has(Quirk::SleepsAtZero);
            let resumption = match resumption.stage {
                Stage::May if !(sleeps && is_seen) => {
                    self.tell_again(evse, out);
                    Some(next(Stage::ToldAgain, 0))
                }
                Stage::May | Stage::ToldAgain if is_seen => {
                    let is_woken = self.wake(evse, out);
                    is_woken.then(|| next(Stage::Woken, 0))
                }
                stage if !is_seen && resumption.blind < MAX_BLIND => Some(Resumption {
                    began: resumption.began,
                    ..next(stage, resumption.blind + 1)
                }),
                _ => None,
            };
            match resumption {
                Some(resumption) => drop(self.resumes.insert(evse, resumption)),
                None => self.look_at_next_rise(evse, &profile, now),
            }
        }
    }

    /// Who charges at an EVSE, to wake its car up.
    pub(super) fn note_guest(&mut self, evse: u32, token: &str, kind: Option<&str>) {
        if self.guests.get(&evse).is_some_and(|it| it.token == token) {
            return;
        }
        let guest = Guest {
            token: token.to_owned(),
            kind: kind.unwrap_or("Central").to_owned(),
            wakes: 0,
        };
        self.guests.insert(evse, guest);
    }

    /// Wakes a car that sleeps since it was paused, if that may be. A station starts no second
    /// transaction: it has one at that EVSE. Not where the operator says that it does not sleep.
    fn wake(&mut self, evse: u32, out: &mut Vec<Output>) -> bool {
        let says_no = self.caps.told.get(&Quirk::SleepsAtZero) == Some(&false);
        let guest = self.guests.get_mut(&evse);
        let Some(guest) = guest.filter(|guest| !says_no && guest.wakes < MAX_WAKES) else {
            return false;
        };
        guest.wakes += 1;
        let (token, kind) = (guest.token.clone(), guest.kind.clone());
        let request = Request::Start { evse, token, kind };
        let purpose = Purpose::Aside { is_trigger: false };
        self.ask(request, purpose, Priority::Ordinary, out);
        true
    }

    /// An accepted profile allows less than the car was last seen to draw, or nobody has seen it
    /// yet: it is looked at soon; else when the profile steps down next.
    pub(super) fn note_lowering(&mut self, wish: &Wish, now: Time) {
        let Scope::Transaction { evse, .. } = &wish.scope else {
            return;
        };
        if self.draws_more(*evse, wish, None, now) {
            self.looks.by_evse.insert(*evse, Look::after(now));
        } else {
            self.look_at_next_fall(*evse, wish, now);
        }
    }

    /// A profile that steps down says so in no message: its car is looked at then.
    fn look_at_next_fall(&mut self, evse: u32, wish: &Wish, now: Time) {
        let later = wish.profile.steps().filter(|(at, _)| *at > now);
        let mut before = wish.profile.limit_at(now);
        let mut falls = later.filter(|(_, limit)| {
            let falls = before.is_some_and(|before| *limit < before);
            before = Some(*limit);
            falls
        });
        match falls.next() {
            Some((at, _)) => self.looks.by_evse.insert(evse, Look::after(at)),
            None => self.looks.by_evse.remove(&evse),
        };
    }

    /// Asks for readings of who was told less and is not yet seen to follow.
    pub(super) fn look_whether_followed(&mut self, now: Time, out: &mut Vec<Output>) {
        for (evse, look) in self.looks.take_due(now) {
            let cannot = self.looks.are_refused || self.caps.has(Quirk::NoTrigger);
            let Some(wish) = self.told.get(&evse).cloned().filter(|_| !cannot) else {
                continue;
            };
            if look.left == 0 || !self.draws_more(evse, &wish, Some(look.since), now) {
                self.look_at_next_fall(evse, &wish, now);
                continue;
            }
            let look = Look {
                next: now + TimeDelta::seconds(AGAIN_S),
                left: look.left - 1,
                ..look
            };
            self.looks.by_evse.insert(evse, look);
            let message = if self.version() == Version::V16 {
                "MeterValues"
            } else {
                "TransactionEvent"
            };
            let request = Request::Trigger {
                message,
                evse: Some(evse),
            };
            self.ask(request, Purpose::Look, Priority::Ordinary, out);
        }
    }

    /// True unless a reading, after `since` if that is given, shows the car within its profile.
    fn draws_more(&self, evse: u32, wish: &Wish, since: Option<Time>, now: Time) -> bool {
        let reading = self.shown.get(&evse).and_then(|shown| shown.measured);
        let reading = reading.filter(|it| since.is_none_or(|since| it.at > since));
        let (Some(reading), Some(limit)) = (reading, wish.profile.limit_at(now)) else {
            return true;
        };
        // 5 % and 100 W of tolerance for meters.
        let told = power_of(wish, limit).scaled_up(105, 100) + Power::from_watts(100);
        reading.power > told
    }
}

/// The power of a limit at nominal voltage.
fn power_of(wish: &Wish, limit: Tenths) -> Power {
    Power::from_watts(match wish.profile.unit {
        RateUnit::Watts => limit.0 / 10,
        // A/10 x mV / 10,000 = W
        RateUnit::Amps => limit.0 * i64::from(wish.phases) * wish.millivolts / 10_000,
    })
}
