//! What we believe about one EVSE now.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::defaults::Defaults;
use super::late::Order;
use super::lifecycle::Profiles;
use super::used_phases::UsedPhases;
use crate::domain::curve::PowerCurve;
use crate::domain::event::OverrideAction;
use crate::domain::evse::{Evse, EvseSource, Supply};
use crate::domain::id::EvseId;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{Needs, Reading, Session, SessionStatus};
use crate::domain::time::Time;

/// Readings above the bound, one after the other, until an EVSE counts as disobedient.
pub const STRIKES_TO_DISOBEDIENCE: u8 = 2;

/// A reading of an EVSE and one of the site's meter this far apart do not belong together.
const MOST_APART: TimeDelta = TimeDelta::seconds(30);
/// A car that draws no more than this takes nothing: what electronics need.
const TAKES_NOTHING: Power = Power::from_watts(50);

/// A register that stands still while this much should have passed contradicts its reading: some
/// count in tenths of a kilowatt-hour.
const MISSING_ENERGY: Energy = Energy::from_joules(1_080_000);

/// Whether an EVSE follows profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// As far as we know.
    #[default]
    Controllable,
    /// The peer says it cannot be controlled: it counts at its hardware maximum.
    Unsupported {
        /// The peer's words.
        detail: String,
    },
    /// It draws more than its confirmed profile: it counts at its hardware maximum.
    Disobedient {
        /// Since when.
        since: Time,
    },
}

/// An operator's override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What it does meanwhile.
    pub action: OverrideAction,
    /// Until when.
    pub until: Time,
}

/// What we believe about one EVSE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvseState {
    /// The session that runs on it, or the last one (then ended).
    pub session: Option<Session>,
    /// What the driver said about this session apart from the session object.
    pub needs: Option<Needs>,
    /// Profiles sent and applied.
    pub profiles: Profiles,
    /// What holds where no session's profile does; OCPP only.
    #[serde(default)]
    pub defaults: Defaults,
    /// Whether it obeys.
    pub control: Control,
    /// The newest reading of its power.
    pub reading: Option<Reading>,
    /// Nothing that it may draw by had changed since the reading before that one.
    #[serde(default)]
    pub steady: bool,
    /// What its energy register stood at last, and since when it stands there.
    #[serde(default)]
    pub register: Option<(Energy, Time)>,
    /// The most the car takes, as its readings show: it took less than it might have. `None` while
    /// it took all it was allowed.
    #[serde(default)]
    pub acceptance: Option<Power>,
    /// What something beside us lets it draw at most (OCPP `NotifyChargingLimit`): plans count on
    /// no more. No proof of anything, so bounds do not fall by it.
    #[serde(default)]
    pub external_limit: Option<Power>,
    /// How many phases the car uses; `acceptance` is what it would take on all.
    #[serde(default)]
    pub used_phases: UsedPhases,
    /// The car took nothing since the reading before, though it might have all that time: it is
    /// full, or waits by itself.
    #[serde(default)]
    pub full: bool,
    /// Readings above the bound in a row.
    pub strikes: u8,
    /// Refusals and failures in a row: the back-off doubles with each.
    pub failures: u8,
    /// Nothing but a needed lowering is sent before this.
    pub backoff_until: Option<Time>,
    /// When the last profile was issued.
    pub last_set_at: Option<Time>,
    /// The peer said that it does not know the session: nothing is sent until it speaks of it again.
    pub resync: bool,
    /// An operator's override.
    pub override_: Option<Override>,
}

impl EvseState {
    /// The EVSE is called differently from now on; what holds there goes on.
    pub(super) fn move_to(&mut self, evse: &EvseId) {
        if let Some(session) = &mut self.session {
            session.evse = evse.clone();
        }
        let profiles = &mut self.profiles;
        for sent in profiles.outstanding.iter_mut().chain(&mut profiles.reading) {
            sent.command.evse = evse.clone();
        }
    }

    /// The session that runs, if one does.
    pub fn running(&self) -> Option<&Session> {
        self.session
            .as_ref()
            .filter(|session| session.status != SessionStatus::Ended)
    }

    /// True while no session runs.
    pub fn is_free(&self) -> bool {
        self.running().is_none()
    }

    /// The override that holds now.
    pub fn override_at(&self, now: Time) -> Option<OverrideAction> {
        self.override_.filter(|o| now < o.until).map(|o| o.action)
    }

    /// What the EVSE may draw at each future instant (I1).
    ///
    /// A free EVSE over OCPI counts 0: nothing can be installed there, and the site's arrival
    /// reserve stands for it. Over OCPP it counts its default profile, and its hardware maximum as
    /// long as none is confirmed. What a reading shows beyond that counts as well, from the first
    /// such reading on.
    pub fn bound(&self, evse: &Evse) -> PowerCurve {
        let shown = PowerCurve::constant(self.drawn_beyond(evse));
        self.allowed(evse).max(&shown)
    }

    fn allowed(&self, evse: &Evse) -> PowerCurve {
        match (self.is_free(), &evse.source, &self.control) {
            (true, EvseSource::Ocpi { .. }, _) => PowerCurve::zero(),
            (_, _, Control::Unsupported { .. } | Control::Disobedient { .. }) => {
                PowerCurve::constant(evse.hardware_max())
            }
            (true, EvseSource::Ocpp { .. }, Control::Controllable) => self.underneath(evse),
            (false, _, Control::Controllable) => self.profiles.bound(evse, &self.underneath(evse)),
        }
    }

    /// What its newest reading shows, if that is above all it may draw by.
    pub fn shown_beyond(&self) -> Option<Power> {
        let reading = self.reading.filter(|_| self.strikes > 0 && !self.is_free());
        reading.map(|reading| reading.power.at_least_zero())
    }

    fn drawn_beyond(&self, evse: &Evse) -> Power {
        let shown = self.shown_beyond().unwrap_or(Power::ZERO);
        shown.min(evse.hardware_max())
    }

    /// [`EvseState::bound`] at one instant: the same rule without the curve, for every event.
    pub fn bound_at(&self, evse: &Evse, at: Time) -> Power {
        self.allowed_at(evse, at).max(self.drawn_beyond(evse))
    }

    fn allowed_at(&self, evse: &Evse, at: Time) -> Power {
        let underneath = || match evse.source {
            EvseSource::Ocpi { .. } => evse.hardware_max(),
            EvseSource::Ocpp { .. } => self.defaults.bound_at(evse, at),
        };
        match (self.is_free(), &evse.source, &self.control) {
            (true, EvseSource::Ocpi { .. }, _) => Power::ZERO,
            (_, _, Control::Unsupported { .. } | Control::Disobedient { .. }) => {
                evse.hardware_max()
            }
            (true, EvseSource::Ocpp { .. }, Control::Controllable) => underneath(),
            (false, _, Control::Controllable) => self.profiles.bound_at(evse, underneath(), at),
        }
    }

    /// What holds where no profile of a session does.
    pub fn underneath(&self, evse: &Evse) -> PowerCurve {
        match evse.source {
            EvseSource::Ocpi { .. } => PowerCurve::constant(evse.hardware_max()),
            EvseSource::Ocpp { .. } => self.defaults.bound(evse),
        }
    }

    /// What the EVSE may draw already, whichever profile holds: up to here a new profile raises
    /// nothing; beyond, it needs room under the limits even where the bound is higher, because the
    /// bound may rest on what is not in force (see [`Profiles::granted`]).
    pub fn granted(&self, evse: &Evse) -> PowerCurve {
        let underneath = self.granted_underneath(evse);
        if self.is_free() {
            return underneath;
        }
        self.profiles.granted(evse, &underneath)
    }

    /// The same where no profile of a session holds.
    pub fn granted_underneath(&self, evse: &Evse) -> PowerCurve {
        match evse.source {
            EvseSource::Ocpi { .. } => PowerCurve::constant(evse.hardware_max()),
            EvseSource::Ocpp { .. } => self.defaults.granted(evse),
        }
    }

    /// True for a free EVSE whose default profile we can lower, so that plans need not leave it
    /// anything: dispatch makes the room before it hands it out.
    pub fn yields(&self) -> bool {
        self.is_free() && self.control == Control::Controllable && self.defaults.obey()
    }

    /// Takes in a reading: evidence for what was sent, and a strike where it is above the bound.
    pub(super) fn measure(&mut self, evse: &Evse, reading: Reading, now: Time) {
        if self.reading.is_some_and(|before| before.at > reading.at) || !is_plausible(evse, reading)
        {
            return;
        }
        let before = self.reading.replace(reading);
        // A first reading may be a mean since the session began.
        let began = self.running().map(|session| session.started_at);
        let since = before.map(|before| before.at).or(began);
        let since = since.unwrap_or(reading.at).min(reading.at);
        let stands_still = self.stands_still(reading);
        self.steady = self.is_steady(evse, since, reading.at) && !stands_still;
        if self.is_free() {
            return;
        }
        let bound = self.profiles.bound(evse, &self.underneath(evse));
        self.learn_acceptance(evse, &bound, before, reading);
        let order = Order::of(evse);
        self.profiles.measured(evse, before, reading, order, now);
        // A reading may be a mean since the one before it: what was allowed at any time since then
        // is no disobedience, and of a profile newer than that it says nothing yet.
        let default = self.defaults.confirmed.as_ref().map(|it| it.at);
        let confirmed = self.profiles.confirmed.as_ref().map(|it| it.at).or(default);
        let since = before.map(|before| before.at);
        let confirmed_before =
            confirmed.is_some_and(|it| since.map_or(it < reading.at, |since| it <= since));
        let since = since.or(confirmed).unwrap_or(reading.at);
        let allowed = bound.highest_within(since.min(reading.at), reading.at);
        // 5 % and 100 W of tolerance for meters.
        let tolerated = allowed.scaled_up(105, 100) + Power::from_watts(100);
        if reading.power > tolerated && confirmed_before {
            self.strikes = self.strikes.saturating_add(1).min(STRIKES_TO_DISOBEDIENCE);
            if self.strikes == STRIKES_TO_DISOBEDIENCE && self.control == Control::Controllable {
                self.control = Control::Disobedient { since: now };
            }
        } else if reading.power <= allowed {
            self.strikes = self.strikes.saturating_sub(1);
            if self.strikes == 0 && matches!(self.control, Control::Disobedient { .. }) {
                self.control = Control::Controllable;
            }
        }
    }

    /// True if the energy register, which once counted, stands still against what a reading shows:
    /// a meter that is frozen, or a car that began a moment ago. Such a reading may be above what
    /// is drawn, so no other load is reckoned from it.
    fn stands_still(&mut self, reading: Reading) -> bool {
        let Some(energy) = self.running().map(|session| session.energy) else {
            return false;
        };
        match self.register {
            Some((stood, since)) if energy <= stood => {
                let missing = reading.power.at_least_zero().over(reading.at - since);
                stood > Energy::ZERO && missing >= MISSING_ENERGY
            }
            _ => {
                self.register = Some((energy, reading.at));
                false
            }
        }
    }

    /// What it draws at `at`, if its newest reading shows it: taken about then, and by nothing else
    /// than it may draw by now.
    pub(super) fn draws(&self, evse: &Evse, at: Time) -> Option<Power> {
        let reading = self.reading.filter(|_| self.steady)?;
        let (from, until) = (at.min(reading.at), at.max(reading.at));
        let shows = until - from <= MOST_APART && self.is_steady(evse, from, until);
        shows.then_some(reading.power)
    }

    /// What it drew about `at` at most, as far as its newest reading tells, however old: nothing
    /// that was sent since lets it draw more. A car goes on as it did; what it *may* draw is more,
    /// and the difference would hide as much of other load.
    pub(super) fn drew(&self, evse: &Evse, at: Time) -> Option<Power> {
        let reading = self.reading.filter(|_| self.steady)?;
        let (from, until) = (at.min(reading.at), at.max(reading.at));
        self.is_constant(evse, from, until)
            .then_some(reading.power.at_least_zero())
    }

    /// True if what it may draw did not change in `[from, until]`, as far as we know, and will not.
    fn is_steady(&self, evse: &Evse, from: Time, until: Time) -> bool {
        self.is_unchanged_since(from) && self.is_constant(evse, from, until)
    }

    /// True if nothing new was shown to hold since `from`, and what may hold allows the same all
    /// the time. What was asked for and not answered may have lowered it.
    fn is_constant(&self, evse: &Evse, from: Time, until: Time) -> bool {
        let underneath = self.underneath(evse);
        let bound = self.profiles.bound(evse, &underneath);
        let confirmed = self.profiles.confirmed.as_ref();
        let (since, held) = confirmed.map_or((None, underneath.clone()), |it| {
            let held = evse.worst_case_between(&it.profile, &underneath, &underneath);
            (Some(it.at), held)
        });
        since.is_none_or(|since| since <= from)
            && bound.highest_within(from, until) == held.lowest_within(from, until)
    }

    /// True if the same profile has held since `from`, as far as we know.
    fn is_unchanged_since(&self, from: Time) -> bool {
        let profiles = &self.profiles;
        let changed = profiles.confirmed.as_ref().is_some_and(|it| it.at > from);
        profiles.outstanding.is_empty() && profiles.late.is_empty() && !changed
    }

    /// Learns what the car takes at most: it draws clearly less than its profile has allowed since
    /// the reading before. A later, higher reading corrects a wrong lesson.
    fn learn_acceptance(
        &mut self,
        evse: &Evse,
        bound: &PowerCurve,
        before: Option<Reading>,
        reading: Reading,
    ) {
        let Some(before) = before else { return };
        if !self.is_unchanged_since(before.at) {
            // A mean over two profiles says what the car took, not what it left.
            if reading.power > TAKES_NOTHING {
                self.full = false;
            }
            if self.acceptance.is_some_and(|known| reading.power > known) {
                self.acceptance = None;
            }
            return;
        }
        let allowed = bound
            .lowest_within(before.at, reading.at)
            .min(bound.at(reading.at));
        if reading.power > TAKES_NOTHING {
            self.full = false;
        } else if allowed >= evse.min_bound() && allowed > TAKES_NOTHING {
            self.full = true;
        }
        let (numerator, denominator) = evse.expected_share();
        let offered = allowed.scaled_down(numerator, denominator).min(evse.max);
        let of = match evse.supply {
            Supply::Ac { phases, .. } => phases,
            Supply::Dc => 1,
        };
        self.used_phases.read(of, offered, reading);
        if self.used_phases.is_unsettled() {
            return;
        }
        let taken = self.used_phases.on_all(of, reading.power);
        let is_below = taken < offered.scaled_down(9, 10);
        let known = self.acceptance.unwrap_or(Power::ZERO);
        if is_below && taken.is_positive() {
            self.acceptance = Some(taken);
        } else if taken > known {
            self.acceptance = None;
        }
    }
}

/// A reading that no connector could have made, such as watts taken for kilowatts or a meter wired
/// backwards, says nothing. A rating that is described too low by half still leaves room for
/// disobedience to be seen.
pub(super) fn is_plausible(evse: &Evse, reading: Reading) -> bool {
    reading.power >= Power::ZERO && reading.power <= evse.hardware_max() * 2
}
