//! Dynamic profiles (2.1): one limit that holds until another is said. Source: OCPP 2.1, K28.
//!
//! A station keeps the last limit for as long as it hears nothing, so only a plan that never falls is
//! told this way: its limit of now, and a higher one whenever a step is due. What comes late or not at
//! all then leaves the car with less than was planned, never with more than the bound counts.

use super::install::{Way, Wish};
use super::orders::{refusal, settle};
use super::{Answer, Output, Purpose, Refusal, Station};
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::time::Time;
use crate::ocpp::message::{Reply, Request, Response, Scope};
use crate::ocpp::rpc::{CallError, Priority};
use crate::ocpp::schedule;

/// A dynamic profile that a station holds.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    /// What is put there bit by bit.
    wish: Wish,
    way: Way,
    /// The limit it was told last.
    told: Tenths,
    /// When the next step is due.
    next: Option<Time>,
}

impl Pushed {
    fn new(wish: Wish, way: Way, told: Tenths, now: Time) -> Self {
        let next = next_step(&wish.profile, now);
        Self {
            wish,
            way,
            told,
            next,
        }
    }

    /// When the next step is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.next
    }
}

/// The first step after an instant.
fn next_step(profile: &Profile, now: Time) -> Option<Time> {
    profile.steps().map(|(at, _)| at).find(|at| *at > now)
}

/// A profile's limit at an instant as the whole of a profile; before it begins, its first.
pub(super) fn held_at(profile: &Profile, now: Time) -> Profile {
    let first = profile.periods.first().map(|period| period.limit);
    Profile {
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: profile.limit_at(now).or(first).unwrap_or_default(),
        }],
        ..profile.clone()
    }
}

impl Station {
    /// The way in which a wish may be told as a new limit of the dynamic profile that is there.
    pub(super) fn pushes(&self, wish: &Wish) -> Option<Way> {
        let Scope::Transaction { evse, .. } = &wish.scope else {
            return None;
        };
        let pushed = self.pushed.get(evse)?;
        let is_its = pushed.wish.scope == wish.scope
            && pushed.wish.profile.end() == wish.profile.end()
            && self.ways(wish).first() == Some(&pushed.way);
        is_its.then_some(pushed.way)
    }

    /// Tells a wish as a new limit.
    pub(super) fn push(&mut self, order: u64, wish: Wish, way: Way, out: &mut Vec<Output>) {
        let limit = self.limit_of(&wish, way);
        let scope = wish.scope.clone();
        let priority = wish.priority;
        let purpose = Purpose::Push { order, wish, way };
        self.ask(Request::Update { scope, limit }, purpose, priority, out);
    }

    /// The limit of a wish now, as it goes out.
    fn limit_of(&self, wish: &Wish, way: Way) -> Tenths {
        let whole = wish.put(way, usize::MAX).profile;
        held_at(&whole, self.now).periods[0].limit
    }

    /// A dynamic profile was taken.
    pub(super) fn is_dynamic(&mut self, wish: &Wish, way: Way, now: Time) {
        let told = self.limit_of(wish, way);
        let pushed = Pushed::new(wish.clone(), way, told, now);
        self.pushed.insert(wish.scope.evse(), pushed);
    }

    /// The answer to a new limit of a site.
    pub(super) fn push_answered(
        &mut self,
        order: u64,
        wish: Wish,
        way: Way,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        match refusal(outcome) {
            None => {
                self.is_dynamic(&wish, way, now);
                self.accepted(order, wish, now, out);
            }
            Some((detail, _)) if detail.contains("TxNotFound") => {
                let reason = Refusal::UnknownSession;
                settle(order, Answer::Refused { reason, detail }, out);
            }
            // It has no such profile: it gets one.
            Some(_) => {
                self.pushed.remove(&wish.scope.evse());
                self.install(order, wish, out);
            }
        }
    }

    /// Tells the limits of steps that are due.
    pub(super) fn push_what_is_due(&mut self, now: Time, out: &mut Vec<Output>) {
        let is_due = |pushed: &Pushed| pushed.next.is_some_and(|at| at <= now);
        let pushed = self.pushed.iter().filter(|(_, pushed)| is_due(pushed));
        let due: Vec<u32> = pushed.map(|(evse, _)| *evse).collect();
        for evse in due {
            let Some(limit) = self.dynamic_limit(evse) else {
                continue;
            };
            let Some(pushed) = self.pushed.get_mut(&evse) else {
                continue;
            };
            pushed.next = next_step(&pushed.wish.profile, now);
            if limit != pushed.told {
                let scope = pushed.wish.scope.clone();
                let purpose = Purpose::Raise { evse, limit };
                let request = Request::Update { scope, limit };
                self.ask(request, purpose, Priority::Limit, out);
            }
        }
    }

    /// The answer to a step. Where it is not taken, the profile is put once more.
    pub(super) fn raise_answered(
        &mut self,
        evse: u32,
        limit: Tenths,
        outcome: &Result<Response, CallError>,
        out: &mut Vec<Output>,
    ) {
        if refusal(outcome).is_none() {
            if let Some(pushed) = self.pushed.get_mut(&evse) {
                pushed.told = limit;
            }
        } else if self.pushed.remove(&evse).is_some() {
            self.tell_again(evse, out);
        }
    }

    /// The newest limit of an EVSE's dynamic profile: what was taken, and no more than what was told
    /// since.
    fn dynamic_limit(&self, evse: u32) -> Option<Tenths> {
        let pushed = self.pushed.get(&evse)?;
        let taken = self.limit_of(&pushed.wish, pushed.way);
        let told = self.told.get(&evse);
        let told = told.map(|wish| self.limit_of(wish, pushed.way));
        Some(told.map_or(taken, |told| told.min(taken)))
    }

    /// It asks for the newest limit of a dynamic profile.
    pub(super) fn pulled(&mut self, profile: i64) -> Reply {
        let mut held = self.pushed.iter();
        let evse = held
            .find(|(_, pushed)| pushed.wish.scope.profile_id() == profile)
            .map(|(evse, _)| *evse);
        let Some((evse, limit)) = evse.and_then(|evse| Some((evse, self.dynamic_limit(evse)?)))
        else {
            return Reply::Exactly(serde_json::json!({ "status": "Rejected" }));
        };
        if let Some(pushed) = self.pushed.get_mut(&evse) {
            pushed.told = limit;
        }
        Reply::Exactly(serde_json::json!({
            "status": "Accepted",
            "scheduleUpdate": { "limit": schedule::tenths(limit) },
        }))
    }
}
