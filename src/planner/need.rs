//! What every running session wants of the plan, in the plan's slots.

use chrono::TimeDelta;

use super::frame::{Frame, is_controllable};
use super::layout::Layout;
use super::room::Place;
use crate::domain::event::OverrideAction;
use crate::domain::evse::Evse;
use crate::domain::id::SessionId;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::NeedSource;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::demand::Demand;

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
    /// Nobody knows when it leaves, or it should have left: as soon as limits allow.
    Urgent,
    /// It leaves at a known time: where energy costs least.
    Planned,
    /// It has all it asked for.
    Charged,
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
    /// Nobody's wish holds it back: an override, no time to spare, or it should have left.
    pub(super) is_firm: bool,
    /// Somebody said how much it needs.
    pub(super) is_stated: bool,
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

    /// True if it takes part in the solver's problems.
    pub(super) fn is_open(&self) -> bool {
        self.class < Class::Charged
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
                need(
                    evse,
                    index,
                    &demand,
                    action.map(|a| (a, until)),
                    frame,
                    policy,
                )
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
    frame: &Frame,
    policy: &Policy,
) -> Need<'a> {
    let horizon = &frame.horizon;
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
        is_firm: demand.late,
        is_stated: demand.is_stated(),
    };
    // Nobody said how much: no more than the stay can bring, so that nothing counts as missing
    // that nobody asked for.
    if demand.energy_source >= NeedSource::Learned {
        need.wanted = need.wanted.min(need.full_until(need.to, horizon.slot()));
    }
    let one_slot = need.energy(need.min, horizon.slot());
    if need.full_until(need.to_early, horizon.slot()) < need.wanted.max(one_slot) {
        need.to_early = need.to;
    }
    need.planned = need.wanted.max(one_slot);
    need.class = class(
        &need,
        demand,
        taper,
        action.map(|(action, _)| action),
        frame.from,
    );
    need.is_firm |= matches!(need.class, Class::Now | Class::Tight);
    if need.class == Class::Tight {
        // Every minute counts: the slot in which it leaves is used as far as it goes.
        let last = demand.departure - TimeDelta::seconds(1);
        let begun = horizon.slot_at(last).map_or(need.to, |slot| slot + 1);
        need.to = need.to.max(begun);
        need.to_early = need.to;
        need.tail = tail(demand);
    }
    if let (Class::Now, Some((_, until_instant))) = (need.class, action) {
        need.to = until(until_instant);
        need.to_early = need.to;
        need.planned = need.full_until(need.to, horizon.slot());
    }
    need
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
    if !need.wanted.is_positive() {
        return Class::Charged;
    }
    if demand.is_urgent() {
        return Class::Urgent;
    }
    let stay = demand.departure - now;
    let latest_start = need.energy(need.max, stay - TimeDelta::seconds(TIGHT_S) - taper);
    if latest_start < need.wanted {
        Class::Tight
    } else {
        Class::Planned
    }
}
