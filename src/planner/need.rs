//! What every running session wants of the plan, in the plan's slots.

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::belief::{self, Belief, Trust};
use super::frame::{Frame, is_controllable};
use super::layout::Layout;
use super::room::Place;
use crate::domain::command::Action;
use crate::domain::event::OverrideAction;
use crate::domain::evse::Evse;
use crate::domain::id::SessionId;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{NeedSource, PastSession};
use crate::domain::time::{Horizon, Time};
use crate::state::demand::Demand;
use crate::state::{EvseState, SiteState};

/// A session that could wait no longer than this starts at once at full power: half an hour.
const TIGHT_S: i64 = 30 * 60;

/// The last part of a charge, in which cars take less and less: a fifth of its energy.
const TAPER_SHARE: i64 = 5;

/// By which rule a session is planned; in the order in which they are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// An operator's override: now, at the maximum, before all others.
    Now,
    /// It must leave soon: at once at full power.
    Tight,
    /// Nobody knows for certain when it leaves or what it takes: where power is worth most by what
    /// is believed, which is mostly as soon as limits allow.
    Urgent,
    /// It leaves at a known time: where energy costs least.
    Planned,
    /// It has all it asked for.
    Charged,
    /// It takes nothing though it might: the least power, so that it can go on, where nobody else
    /// wants it.
    Full,
    /// An operator's override: no charging.
    Paused,
}

/// What one session wants.
#[derive(Clone, Debug)]
pub(super) struct Need<'a> {
    pub(super) evse: &'a Evse,
    /// Index of the EVSE in the layout.
    pub(super) index: usize,
    pub(super) session: SessionId,
    pub(super) class: Class,
    /// First slot it may no longer use.
    pub(super) to: usize,
    /// The same if it is to be ready some time before it leaves.
    pub(super) to_early: usize,
    /// Energy still wanted in the vehicle.
    pub(super) wanted: Energy,
    /// Energy to be planned: what is wanted, and at least what one slot at the minimum brings.
    pub(super) planned: Energy,
    /// What it may draw beyond that where others leave room: a car takes less and less towards
    /// its end, and what it may draw must not end before it does.
    pub(super) tail: Energy,
    /// What of a worst-case power is expected to reach the vehicle: `(numerator, denominator)`.
    pub(super) share: (i64, i64),
    /// Least worst-case power.
    pub(super) min: Power,
    /// Most worst-case power.
    pub(super) max: Power,
    pub(super) departure: Time,
    /// The worst-case power that it has at present, by what was asked for last or else by what holds.
    pub(super) present: Power,
    /// Nobody's wish holds it back: an override, no time to spare, or it should have left.
    pub(super) is_firm: bool,
    /// Somebody said how much it needs.
    pub(super) is_stated: bool,
    /// What is believed of it, where that is uncertain.
    pub(super) belief: Belief,
}

impl Need<'_> {
    /// Where it takes room.
    pub(super) fn place<'l>(&self, layout: &'l Layout<'_>) -> Place<'l> {
        Place::of(layout, self.index)
    }

    /// What a worst-case power brings into the vehicle in one slot.
    pub(super) fn energy(&self, power: Power, slot: TimeDelta) -> Energy {
        let (numerator, denominator) = self.share;
        power.scaled_down(numerator, denominator).over(slot)
    }

    /// The worst-case energy that is offered where `energy` comes into the vehicle.
    pub(super) fn drawn_from(&self, energy: Energy) -> Energy {
        let (numerator, denominator) = self.evse.expected_share();
        let joules = i128::from(energy.joules()) * i128::from(denominator);
        let joules = joules / i128::from(numerator.max(1));
        Energy::from_joules(i64::try_from(joules).unwrap_or(i64::MAX))
    }

    /// What its maximum brings into the vehicle in the first `slots` slots.
    fn full_until(&self, slots: usize, slot: TimeDelta) -> Energy {
        self.energy(self.max, slot * i32::try_from(slots).unwrap_or(i32::MAX))
    }

    /// The least worst-case power that brings `energy` in one slot, within its bounds.
    pub(super) fn power_for(&self, energy: Energy, slot: TimeDelta) -> Power {
        let (numerator, denominator) = self.share;
        let mean = energy.mean_power(slot) + Power::from_watts(1);
        mean.scaled_up(denominator, numerator)
            .max(self.min)
            .min(self.max)
    }

    /// True if nobody knows for certain when it leaves or what it takes.
    pub(super) fn is_uncertain(&self) -> bool {
        !self.belief.outcomes.is_empty()
    }

    /// True if it takes part in the solver's problems.
    pub(super) fn is_open(&self) -> bool {
        self.class < Class::Charged
    }
}

/// What all beliefs of a plan rest on.
struct Beliefs<'h> {
    trust: Trust,
    history: Vec<&'h PastSession>,
    zone: Tz,
    now: Time,
}

impl Beliefs<'_> {
    /// What is believed of a session; nothing, where what is said of it is certain enough.
    fn of(&self, demand: &Demand, rate: Power) -> Belief {
        let is_believed = |source: NeedSource, trust: bool| match source {
            NeedSource::Departure => true,
            NeedSource::Preferences | NeedSource::Session => trust,
            NeedSource::Learned | NeedSource::Default => false,
        };
        let is_certain = !demand.late
            && is_believed(demand.departure_source, self.trust.departure)
            && is_believed(demand.energy_source, self.trust.energy);
        let is_silent =
            demand.energy_source == NeedSource::Default && demand.remaining == Energy::ZERO;
        if is_certain || is_silent {
            return Belief::default();
        }
        Belief::of(demand, &self.history, rate, self.zone, self.now)
    }

    /// When it will have left for all that is believed, in steps of half an hour so that it stays
    /// the same from plan to plan.
    fn last_departure(belief: &Belief, end: Time) -> Time {
        let last = belief.outcomes.iter().map(|it| it.leaves).max();
        let border = Horizon::containing(last.unwrap_or(end), 1800, 1).end();
        border.min(end)
    }
}

/// The needs of all running sessions that follow plans, in the order of their EVSEs' ids.
pub(super) fn needs<'a>(
    state: &'a SiteState,
    layout: &Layout<'a>,
    frame: &Frame,
    policy: &Policy,
    now: Time,
) -> Vec<Need<'a>> {
    let demands = state.demands(policy, now);
    let zone = state.site.time_zone;
    let history = belief::comparable(state.history.iter(), zone, now);
    let beliefs = Beliefs {
        trust: Trust::of(&history),
        history,
        zone,
        now,
    };
    let mut index = 0;
    let mut needs: Vec<Need<'a>> = demands
        .into_iter()
        .filter_map(|demand| {
            // Demands come in the order of EVSEs.
            while layout.evses.get(index)?.id != demand.evse {
                index += 1;
            }
            let evse = &layout.evses[index];
            let known = state.evses.get(&evse.id)?;
            is_controllable(state, evse).then(|| {
                let action = known.override_at(now);
                let until = known.override_.map_or(now, |o| o.until);
                let mut need = need(
                    evse,
                    index,
                    &demand,
                    action.map(|a| (a, until)),
                    &beliefs,
                    frame,
                    policy,
                );
                need.present = present(known, evse, now);
                need
            })
        })
        .collect();
    needs.sort_by(|a, b| a.evse.id.cmp(&b.evse.id));
    needs
}

fn need<'a>(
    evse: &'a Evse,
    index: usize,
    demand: &Demand,
    action: Option<(OverrideAction, Time)>,
    beliefs: &Beliefs<'_>,
    frame: &Frame,
    policy: &Policy,
) -> Need<'a> {
    let horizon = &frame.horizon;
    let now = frame.from;
    let (numerator, denominator) = evse.expected_share();
    let min = evse.min_bound();
    let taken_at_most = demand.acceptance.scaled_up(denominator, numerator);
    let max = taken_at_most.max(min).min(evse.hardware_max());
    // A stay that ends within slot 0 still has slot 0.
    let until = |at: Time| horizon.slots_before(at).clamp(1, horizon.slots.max(1));
    let share = evse.expected_share_on(demand.used_phases);
    let taper = taper(demand, max.scaled_down(share.0, share.1));
    let margin = TimeDelta::seconds(i64::from(policy.ready_margin_s)) + taper;
    let mut need = Need {
        evse,
        index,
        session: demand.session.clone(),
        class: Class::Planned,
        to: until(demand.departure),
        to_early: until(demand.departure - margin),
        wanted: demand.remaining,
        planned: demand.remaining,
        tail: Energy::ZERO,
        share,
        min,
        max,
        departure: demand.departure,
        present: Power::ZERO,
        is_firm: demand.late,
        is_stated: demand.is_stated(),
        belief: beliefs.of(demand, taken_at_most),
    };
    // Nobody said how much: no more than the stay can bring, so that nothing counts as missing
    // that nobody asked for.
    if demand.energy_source >= NeedSource::Learned {
        need.wanted = need.wanted.min(need.full_until(need.to, horizon.slot()));
    }
    if need.is_uncertain() {
        need.departure = Beliefs::last_departure(&need.belief, horizon.end());
        need.to = until(need.departure);
        need.to_early = need.to;
    }
    let one_slot = need.energy(need.min, horizon.slot());
    if need.full_until(need.to_early, horizon.slot()) < need.wanted.max(one_slot) {
        need.to_early = need.to;
    }
    need.planned = need.wanted.max(one_slot);
    need.class = class(&need, demand, taper, action.map(|(action, _)| action), now);
    need.is_firm |= matches!(need.class, Class::Now | Class::Tight);
    if need.class == Class::Tight {
        // Every minute counts: the slot in which it leaves is used as far as it goes.
        let last = demand.departure - TimeDelta::seconds(1);
        let begun = horizon.slot_at(last).map_or(need.to, |slot| slot + 1);
        need.to = need.to.max(begun);
        need.to_early = need.to;
        need.tail = tail(demand);
        // What the part of slot 0 that is over cannot bring any more. Others have plans to come that
        // make up for it; this one may leave before there is another.
        let over = (now - horizon.start).clamp(TimeDelta::zero(), horizon.slot());
        need.wanted += need.energy(need.max, over);
        need.planned = need.planned.max(need.wanted);
    }
    if let (Class::Now, Some((_, until_instant))) = (need.class, action) {
        need.to = until(until_instant);
        need.to_early = need.to;
        need.planned = need.full_until(need.to, horizon.slot());
    }
    need
}

/// What a car may draw by what was asked for last, or else by what holds; without either, by what
/// holds without a profile of ours.
fn present(known: &EvseState, evse: &Evse, now: Time) -> Power {
    let profiles = &known.profiles;
    let asked = profiles
        .outstanding
        .last()
        .and_then(|it| match &it.command.action {
            Action::SetProfile { profile } => Some(profile),
            _ => None,
        });
    let profile = asked.or(profiles.confirmed.as_ref().map(|it| &it.profile));
    let limit = profile.and_then(|it| Some(evse.worst_case_of(it.unit, it.limit_at(now)?)));
    limit.unwrap_or_else(|| known.underneath(evse).at(now))
}

/// The time that the end of a charge takes beyond what full power would need. Our assumption: the
/// last fifth of the energy takes twice as long. A car that does not taper is ready earlier.
fn taper(demand: &Demand, power: Power) -> TimeDelta {
    TimeDelta::seconds(tail(demand).joules() / power.watts().max(1))
}

/// The energy of the last part of a charge that is still to come.
fn tail(demand: &Demand) -> Energy {
    Energy::from_joules(demand.total.joules() / TAPER_SHARE).min(demand.remaining)
}

fn class(
    need: &Need<'_>,
    demand: &Demand,
    taper: TimeDelta,
    action: Option<OverrideAction>,
    now: Time,
) -> Class {
    match action {
        Some(OverrideAction::Pause) => return Class::Paused,
        Some(OverrideAction::ChargeNow) => return Class::Now,
        None => {}
    }
    if demand.full {
        return Class::Full;
    }
    if need.is_uncertain() {
        return Class::Urgent;
    }
    if !need.wanted.is_positive() {
        return Class::Charged;
    }
    let stay = demand.departure - now;
    let latest_start = need.energy(need.max, stay - TimeDelta::seconds(TIGHT_S) - taper);
    if latest_start < need.wanted {
        Class::Tight
    } else {
        Class::Planned
    }
}
