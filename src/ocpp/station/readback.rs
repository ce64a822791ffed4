//! What holds at a station by its own word, against what it was told.

use chrono::TimeDelta;

use super::install::Wish;
use super::orders::refusal;
use super::{Fact, Output, Shown, Station};
use crate::domain::profile::{Profile, RateUnit};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Request, Response, Scope};
use crate::ocpp::rpc::CallError;
use crate::ocpp::wire::MAX_EVSE;

/// For how long what holds is read, in seconds.
const COMPOSITE_S: u32 = 3600;
/// By how much what a station says it allows may be above what it was told: 0.2 A or 0.2 W of
/// rounding.
const SLACK: i64 = 2;
/// An order that nobody gave; numbers of orders begin at 1.
const NOBODYS_ORDER: u64 = 0;

impl Station {
    pub(super) fn composite(&self, evse: u32, natural: RateUnit) -> Request {
        Request::ReadComposite {
            evse,
            duration_s: COMPOSITE_S,
            unit: self.caps.unit(natural),
        }
    }

    /// What holds, read after a profile was accepted.
    pub(super) fn verified(
        &mut self,
        wish: &Wish,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let place = wish.scope.evse();
        let seen = match outcome {
            Ok(Response::Composite(profile)) => profile.clone(),
            other => {
                // A refusal to say is remembered until its firmware changes.
                if refusal(other).is_some() {
                    self.note_quirk(Quirk::NoComposite, out);
                }
                return;
            }
        };
        self.note_composite(place, &seen, now);
        let told = wish
            .profile
            .limit_at(now)
            .filter(|_| wish.profile.unit == seen.unit);
        // What a schedule says of its first seconds is what holds now, whatever its clock says.
        let holds = seen.limit_at(now).or(seen.periods.first().map(|p| p.limit));
        let (Some(told), Some(holds)) = (told, holds) else {
            return;
        };
        let differs = match holds.0 - told.0 {
            more if more > SLACK => Some("it allows more than it was told"),
            less if less < -SLACK => Some("something else holds it lower"),
            _ => None,
        };
        if let Some(shown) = self.shown_of(place) {
            shown.differs = differs.map(str::to_owned);
        }
        if let Scope::Transaction { id, .. } = &wish.scope
            && holds.0 > told.0 + SLACK
        {
            let profile = Profile {
                unit: seen.unit,
                start: now - TimeDelta::seconds(1),
                periods: vec![crate::domain::profile::ProfilePeriod {
                    start_s: 0,
                    limit: holds,
                }],
                duration_s: Some(COMPOSITE_S),
            };
            out.push(Output::Book {
                facts: vec![Fact::Allows {
                    evse: place,
                    transaction: id.clone(),
                    profile,
                }],
                answer: None,
            });
        }
    }

    pub(super) fn note_composite(&mut self, evse: u32, profile: &Profile, now: Time) {
        if let Some(shown) = self.shown_of(evse) {
            shown.composite = Some((profile.clone(), now));
        }
    }

    pub(super) fn note_quirk(&mut self, quirk: Quirk, out: &mut Vec<Output>) {
        if self.caps.quirks.insert(quirk) {
            out.push(Output::Learned);
        }
    }

    /// What is shown of an EVSE; bounded by the number of EVSEs a station may have.
    pub(super) fn shown_of(&mut self, evse: u32) -> Option<&mut Shown> {
        (evse <= MAX_EVSE).then(|| self.shown.entry(evse).or_default())
    }

    /// Whether what a car intends to draw is within what it was told (2.x, ISO 15118). If not, it
    /// is told once more: a car negotiates anew with each profile.
    pub(super) fn intended(
        &mut self,
        evse: u32,
        intended: Option<&Profile>,
        now: Time,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(wish) = self.told.get(&evse) else {
            // Nothing was told: the default profile holds it in the station itself.
            return true;
        };
        let Some(intended) = intended else {
            return false;
        };
        let told = &wish.profile;
        let fits = told.unit == intended.unit
            && told
                .steps()
                .chain(intended.steps())
                .map(|(at, _)| at.max(now))
                .all(|at| match (told.limit_at(at), intended.limit_at(at)) {
                    (Some(told), Some(intended)) => intended.0 <= told.0 + SLACK,
                    // Beyond our profile the default one holds in the station.
                    _ => true,
                });
        if !fits {
            self.tell_again(evse, out);
        }
        fits
    }

    /// Puts the profile of the running transaction once more. Nobody waits for the outcome: what
    /// it was told holds already.
    pub(super) fn tell_again(&mut self, evse: u32, out: &mut Vec<Output>) {
        if let Some(wish) = self.told.get(&evse).cloned() {
            self.install(NOBODYS_ORDER, wish, out);
        }
    }
}
