//! Installing a profile in the way a station takes it, and remembering which way that was.

use super::dynamic::held_at;
use super::orders::{refusal, refused, settle};
use super::{Answer, Evidence, Output, Purpose, Refusal, Station};
use crate::domain::evse::{Evse, Supply};
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Install, Kind, Request, Response, Scope};
use crate::ocpp::rpc::{CallError, Priority};

/// A profile that is to be installed, before it is put as the station takes it.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub scope: Scope,
    pub profile: Profile,
    pub phases: u8,
    /// Millivolts between a phase and its return, for stations that take watts only.
    pub millivolts: i64,
    pub priority: Priority,
}

/// One way to put a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    stack_level: u32,
    pub kind: Kind,
    unit: RateUnit,
}

impl Wish {
    pub(super) fn new(evse: &Evse, scope: Scope, profile: Profile, lowers: bool) -> Self {
        let is_default = matches!(scope, Scope::Default { .. });
        let (phases, millivolts) = match evse.supply {
            Supply::Ac { phases, nominal } => (phases.clamp(1, 3), nominal.millivolts()),
            Supply::Dc => (3, 230_000),
        };
        Self {
            scope,
            profile,
            phases,
            millivolts,
            priority: if lowers || is_default {
                Priority::Safety
            } else {
                Priority::Limit
            },
        }
    }

    /// A default profile with one period for ever needs no clock, so it is put relative where the
    /// station takes that.
    fn may_be_relative(&self) -> bool {
        matches!(self.scope, Scope::Default { .. })
            && self.profile.duration_s.is_none()
            && self.profile.periods.len() == 1
    }

    /// The profile of a transaction that never falls may be put as its limit of now: whatever comes
    /// late or not at all, nobody draws more than the plan counts.
    fn may_be_dynamic(&self) -> bool {
        let mut pairs = self.profile.periods.windows(2);
        matches!(self.scope, Scope::Transaction { .. })
            && pairs.all(|pair| pair[0].limit <= pair[1].limit)
    }

    /// The profile as it goes out one way.
    pub(super) fn put(&self, way: Way, max_periods: usize) -> Install {
        let mut profile = self.profile.clone();
        if profile.unit == RateUnit::Amps && way.unit == RateUnit::Watts {
            profile.unit = RateUnit::Watts;
            for period in &mut profile.periods {
                // x A on n phases at nominal voltage; the station counts back with its own.
                let milliwatts = period.limit.0 * 100 * i64::from(self.phases) * self.millivolts;
                period.limit = Tenths(milliwatts / 1_000_000 * 10);
            }
        }
        if profile.periods.len() > max_periods {
            // What does not fit holds at its lowest.
            let tail = profile.periods.split_off(max_periods);
            if let Some(last) = profile.periods.last_mut() {
                let lowest = tail.iter().map(|period| period.limit).min();
                last.limit = last.limit.min(lowest.unwrap_or(last.limit));
            }
        }
        let phases = (self.phases != 3 && profile.unit == RateUnit::Amps).then_some(self.phases);
        Install {
            scope: self.scope.clone(),
            stack_level: way.stack_level,
            profile,
            phases,
            kind: way.kind,
        }
    }
}

impl Station {
    /// The ways to try, the likeliest first. Five at most.
    pub(super) fn ways(&self, wish: &Wish) -> Vec<Way> {
        let relative = wish.may_be_relative() && !self.caps.has(Quirk::AbsoluteOnly);
        let first = Way {
            stack_level: self.caps.stack_level(),
            kind: if relative {
                Kind::Relative
            } else {
                Kind::Absolute
            },
            unit: self.caps.unit(wish.profile.unit),
        };
        let dynamic = (self.caps.takes_dynamic() && wish.may_be_dynamic()).then_some(Way {
            kind: Kind::Dynamic,
            ..first
        });
        let mut ways: Vec<Way> = dynamic.into_iter().chain([first]).collect();
        let mut then = |way: Way| {
            if !ways.contains(&way) {
                ways.push(way);
            }
        };
        let low = Way {
            stack_level: 0,
            ..first
        };
        then(low);
        let absolute = Way {
            kind: Kind::Absolute,
            ..low
        };
        then(absolute);
        if first.unit == RateUnit::Amps {
            then(Way {
                unit: RateUnit::Watts,
                ..absolute
            });
        }
        ways
    }

    /// Installs a profile; before the station has said how it takes them, it waits for that.
    pub(super) fn install_once_known(&mut self, order: u64, wish: Wish, out: &mut Vec<Output>) {
        if self.settings_until.is_none() {
            self.install(order, wish, out);
            return;
        }
        // Of each scope only the newest.
        let (superseded, kept) = std::mem::take(&mut self.held)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, held)| held.scope == wish.scope);
        self.held = kept;
        for (number, _) in superseded {
            let detail = "superseded before it left".to_owned();
            settle(number, Answer::NotSent { detail }, out);
        }
        self.held.push((order, wish));
    }

    /// The station has said how it takes profiles, or will not.
    pub(super) fn release(&mut self, out: &mut Vec<Output>) {
        self.settings_until = None;
        for (order, wish) in std::mem::take(&mut self.held) {
            self.install(order, wish, out);
        }
    }

    /// Installs a profile in the first of its ways.
    pub(super) fn install(&mut self, order: u64, wish: Wish, out: &mut Vec<Output>) {
        if let Scope::Transaction { evse, .. } = &wish.scope
            && let Some(before) = self.told.insert(*evse, wish.clone())
        {
            self.told_before.insert(*evse, before);
        }
        if let Some(way) = self.pushes(&wish) {
            self.push(order, wish, way, out);
            return;
        }
        let ways = self.ways(&wish);
        self.install_by(order, wish, ways, 0, out);
    }

    fn install_by(
        &mut self,
        order: u64,
        wish: Wish,
        ways: Vec<Way>,
        attempt: usize,
        out: &mut Vec<Output>,
    ) {
        let Some(way) = ways.get(attempt).copied() else {
            return;
        };
        let most = match &wish.scope {
            Scope::Transaction { evse, .. } => self.tuples.get(evse).copied(),
            Scope::Default { .. } | Scope::Station => None,
        };
        let most = most.unwrap_or(usize::MAX).min(self.caps.max_periods());
        let mut install = wish.put(way, most);
        if way.kind == Kind::Dynamic {
            install.profile = held_at(&install.profile, self.now);
        }
        if let Some(shown) = self.shown_of(wish.scope.evse()) {
            let name = match wish.scope {
                Scope::Default { .. } => "default",
                Scope::Transaction { .. } => "transaction",
                Scope::Station => "station",
            };
            shown.asked = Some((name, install.profile.clone()));
        }
        if let Scope::Transaction { evse, .. } = &wish.scope {
            // It takes the place of what was there.
            self.pushed.remove(evse);
        }
        let priority = wish.priority;
        let purpose = Purpose::Install {
            order,
            wish,
            ways,
            attempt,
        };
        self.ask(Request::Install(install), purpose, priority, out);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what was asked, how, and what came of it"
    )]
    pub(super) fn install_answered(
        &mut self,
        order: u64,
        wish: Wish,
        ways: Vec<Way>,
        attempt: usize,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let place = wish.scope.evse();
        let refusal = refusal(outcome);
        if let Some(shown) = self.shown_of(place) {
            let words = refusal
                .as_ref()
                .map_or_else(|| "Accepted".to_owned(), |(detail, _)| detail.clone());
            shown.answered = Some((refusal.is_none(), words, now));
        }
        let took = ways.get(attempt).copied();
        let is_dynamic = took.is_some_and(|way| way.kind == Kind::Dynamic);
        match refusal {
            None => {
                // What it took only on a further try is how it is asked from now on.
                if let (Some(first), Some(took)) = (ways.first(), took) {
                    if took.stack_level < first.stack_level {
                        self.note_quirk(Quirk::StackZeroOnly, out);
                    }
                    if first.kind == Kind::Relative && took.kind == Kind::Absolute {
                        self.note_quirk(Quirk::AbsoluteOnly, out);
                    }
                    if first.unit != took.unit {
                        self.note_quirk(Quirk::WattsOnly, out);
                    }
                }
                if let Some(way) = took.filter(|_| is_dynamic) {
                    self.is_dynamic(&wish, way, now);
                }
                self.accepted(order, wish, now, out);
            }
            // A station that knows no transaction any more will not know it on the next try.
            Some((detail, _)) if detail.contains("TxNotFound") => {
                let reason = Refusal::UnknownSession;
                settle(order, Answer::Refused { reason, detail }, out);
            }
            Some(_) if is_dynamic => {
                self.caps.refuses_dynamic();
                out.push(Output::Learned);
                let ways = self.ways(&wish);
                self.install_by(order, wish, ways, 0, out);
            }
            Some((detail, true)) => settle(order, refused(detail, true), out),
            Some((_, false)) if attempt + 1 < ways.len() => {
                self.install_by(order, wish, ways, attempt + 1, out);
            }
            Some((detail, false)) => settle(order, refused(detail, false), out),
        }
    }

    /// A profile was accepted, one way or another.
    pub(super) fn accepted(&mut self, order: u64, wish: Wish, now: Time, out: &mut Vec<Output>) {
        let place = wish.scope.evse();
        let is_transaction = matches!(wish.scope, Scope::Transaction { .. });
        if is_transaction && self.has_priority(place) {
            let detail = "priority charging is on: something else holds".to_owned();
            settle(order, Answer::Unknown { detail }, out);
            return;
        }
        let evidence = Evidence::Result;
        settle(order, Answer::Applied { evidence }, out);
        self.note_resumption(&wish, now);
        self.note_lowering(&wish, now);
        if is_transaction && !self.caps.has(Quirk::NoComposite) {
            let request = self.composite(place, wish.profile.unit);
            let purpose = Purpose::Verify { wish };
            self.ask(request, purpose, Priority::Ordinary, out);
        }
    }
}
