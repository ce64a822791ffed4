//! What a site's charging could do instead of its plan: how much it could shed or add in a slot, and
//! the corridor of energy within which every stated need is still met.
//!
//! Counted are the sessions that are there and follow plans, at the power their cars are expected to
//! draw (nominal voltage), within every limit of the site. `lowest` of a slot is what must be drawn
//! in it so that everything can still be delivered if the site follows its plan until then and
//! charges as late as possible afterwards; the schedule "as late as possible" is a real one under the
//! same limits, so the promise is certified, not estimated. Sessions of which nobody knows when they
//! leave count with their assumed departure; cars that are late, that have no time to spare, or that
//! an operator told to charge now are never shed.

use super::frame::Frame;
use super::layout::Layout;
use super::need::{self, Class, Need};
use super::room::Room;
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Less than this is not missing: 10 Wh, what rounding to whole watts takes.
const NOTHING: Energy = Energy::from_joules(36_000);

/// One slot of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlexibleSlot {
    /// When it begins.
    pub start: Time,
    /// When it ends.
    pub end: Time,
    /// What the plan is expected to draw.
    pub planned: Power,
    /// The least that can be drawn in this slot alone, everything else delivered afterwards.
    pub lowest: Power,
    /// The most that can be drawn in this slot alone.
    pub highest: Power,
    /// Energy delivered by the end of the slot if everybody charges as late as possible.
    pub energy_latest: Energy,
    /// Energy delivered by the end of the slot if everybody charges as early as possible.
    pub energy_earliest: Energy,
    /// How long everything can be shed from the start of this slot on, in seconds: until a need that
    /// the plan meets could not be met any more, or to the end of the horizon.
    pub shed_s: i64,
}

/// What a site's charging could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flexibility {
    /// The plan it is measured from.
    pub plan: Plan,
    /// Slot by slot.
    pub slots: Vec<FlexibleSlot>,
    /// Running sessions that follow plans.
    pub sessions: usize,
    /// Of these, how many have an assumed departure or an assumed need.
    pub assumed: usize,
}

/// Means of the envelope over a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlexibleMean {
    /// The part of the span that the envelope covers.
    pub start: Time,
    /// Its end.
    pub end: Time,
    /// See [`FlexibleSlot`].
    pub planned: Power,
    /// See [`FlexibleSlot`].
    pub lowest: Power,
    /// See [`FlexibleSlot`].
    pub highest: Power,
}

impl Flexibility {
    /// The slots that reach into `[start, end)`.
    pub fn within(&self, start: Time, end: Time) -> impl DoubleEndedIterator<Item = &FlexibleSlot> {
        let slots = self.slots.iter();
        slots.filter(move |slot| slot.start < end && start < slot.end)
    }

    /// The means over `[start, end)`, as far as the envelope goes; `None` where it does not reach.
    pub fn over(&self, start: Time, end: Time) -> Option<FlexibleMean> {
        let first = self.within(start, end).next()?;
        let last = self.within(start, end).next_back()?;
        let (from, until) = (start.max(first.start), end.min(last.end));
        let mean = |of: fn(&FlexibleSlot) -> Power| {
            let energy: Energy = self
                .within(start, end)
                .map(|slot| of(slot).over(slot.end.min(until) - slot.start.max(from)))
                .sum();
            energy.mean_power(until - from)
        };
        Some(FlexibleMean {
            start: from,
            end: until,
            planned: mean(|slot| slot.planned),
            lowest: mean(|slot| slot.lowest),
            highest: mean(|slot| slot.highest),
        })
    }
}

/// A need by expected powers.
struct Flexible<'n, 'a> {
    need: &'n Need<'a>,
    /// Never shed.
    firm: bool,
    planned: Vec<Power>,
    latest: Vec<Power>,
    earliest: Vec<Power>,
}

/// The envelope from `now` on. Deterministic like the plan it rests on.
pub fn flexibility(
    state: &SiteState,
    policy: &Policy,
    now: Time,
    should_stop: &dyn Fn() -> bool,
) -> Flexibility {
    let plan = super::plan(state, policy, now, should_stop);
    let layout = Layout::of(&state.site);
    let frame = Frame::resolve(state, policy, now);
    let needs = need::needs(state, &layout, &frame, policy, now);
    let slots = frame.horizon.slots;
    let demands = state.demands(policy, now);
    let is_assumed = |need: &Need<'_>| {
        demands.iter().any(|demand| {
            demand.evse == need.evse.id && (demand.is_urgent() || !demand.is_stated())
        })
    };
    let rows = |need: &Need<'_>| {
        plan.evse(&need.evse.id)
            .map_or_else(|| vec![Power::ZERO; slots], |planned| planned.power.clone())
    };
    let mut flexible: Vec<Flexible<'_, '_>> = needs
        .iter()
        .filter(|need| need.is_open())
        .map(|need| Flexible {
            need,
            firm: need.is_firm,
            planned: rows(need),
            latest: Vec::new(),
            earliest: Vec::new(),
        })
        .collect();
    schedule(&layout, &frame, &mut flexible);
    let sessions = needs.len();
    let assumed = needs
        .iter()
        .filter(|need| need.class != Class::Charged && is_assumed(need))
        .count();
    let slots = envelope(&layout, &frame, &flexible);
    Flexibility {
        plan,
        slots,
        sessions,
        assumed,
    }
}

/// The schedules "as early" and "as late as possible" in the room that the limits leave.
fn schedule(layout: &Layout<'_>, frame: &Frame, flexible: &mut [Flexible<'_, '_>]) {
    let slots = frame.horizon.slots;
    let length = frame.horizon.slot();
    let mut order: Vec<usize> = (0..flexible.len()).collect();
    order.sort_by_key(|index| flexible[*index].need.to);
    let mut room = Room::of(frame);
    let mut early = vec![vec![Power::ZERO; slots]; flexible.len()];
    let mut left: Vec<Energy> = flexible.iter().map(|it| goal(it, frame)).collect();
    keep_firm(layout, flexible, &mut room, &mut early);
    for (slot, index) in (0..slots).flat_map(|slot| order.iter().map(move |i| (slot, *i))) {
        if flexible[index].firm {
            continue;
        }
        let need = flexible[index].need;
        early[index][slot] = give(layout, need, &mut room, slot, length, &mut left[index]);
    }
    // From the end backwards whoever leaves last has the first choice of what comes last.
    let mut room = Room::of(frame);
    let mut late = vec![vec![Power::ZERO; slots]; flexible.len()];
    let mut left: Vec<Energy> = flexible.iter().map(|it| goal(it, frame)).collect();
    keep_firm(layout, flexible, &mut room, &mut late);
    order.sort_by_key(|index| std::cmp::Reverse(flexible[*index].need.to));
    for slot in (0..slots).rev() {
        for index in order.iter().filter(|index| !flexible[**index].firm) {
            let need = flexible[*index].need;
            late[*index][slot] = give(layout, need, &mut room, slot, length, &mut left[*index]);
        }
    }
    for ((it, early), late) in flexible.iter_mut().zip(early).zip(late) {
        it.earliest = early;
        it.latest = late;
    }
}

/// Who is never shed keeps its plan in any schedule.
fn keep_firm(
    layout: &Layout<'_>,
    flexible: &[Flexible<'_, '_>],
    room: &mut Room,
    rows: &mut [Vec<Power>],
) {
    for (it, row) in flexible.iter().zip(rows).filter(|(it, _)| it.firm) {
        row.clone_from(&it.planned);
        for (slot, power) in it.planned.iter().enumerate() {
            room.take(it.need.place(layout), slot, *power);
        }
    }
}

/// What is to be delivered: the need, or what the plan manages of it.
fn goal(it: &Flexible<'_, '_>, frame: &Frame) -> Energy {
    let given = energy_until(it.need, &it.planned, frame.horizon.slots, frame);
    it.need.wanted.min(given)
}

fn energy_until(need: &Need<'_>, power: &[Power], slots: usize, frame: &Frame) -> Energy {
    let length = frame.horizon.slot();
    power[..slots.min(power.len())]
        .iter()
        .map(|power| need.energy(*power, length))
        .sum()
}

fn give(
    layout: &Layout<'_>,
    need: &Need<'_>,
    room: &mut Room,
    slot: usize,
    length: chrono::TimeDelta,
    left: &mut Energy,
) -> Power {
    if slot >= need.to || *left <= Energy::ZERO {
        return Power::ZERO;
    }
    let place = need.place(layout);
    let power = need.power_for(*left, length).min(room.at(place, slot));
    if power < need.min || !power.is_positive() {
        return Power::ZERO;
    }
    room.take(place, slot, power);
    *left = left.saturating_minus(need.energy(power, length));
    power
}

fn envelope(
    layout: &Layout<'_>,
    frame: &Frame,
    flexible: &[Flexible<'_, '_>],
) -> Vec<FlexibleSlot> {
    let slots = frame.horizon.slots;
    let length = frame.horizon.slot();
    let mut planned_before = vec![Energy::ZERO; flexible.len()];
    let latest: Vec<Vec<Energy>> = flexible
        .iter()
        .map(|it| cumulative(it.need, &it.latest, length))
        .collect();
    let earliest: Vec<Vec<Energy>> = flexible
        .iter()
        .map(|it| cumulative(it.need, &it.earliest, length))
        .collect();
    let goals: Vec<Energy> = flexible.iter().map(|it| goal(it, frame)).collect();
    let mut found = Vec::with_capacity(slots);
    for slot in 0..slots {
        let mut room = Room::of(frame);
        let (mut planned, mut lowest, mut highest) = (Power::ZERO, Power::ZERO, Power::ZERO);
        let mut shed_until = slots;
        for (index, it) in flexible.iter().enumerate() {
            let before = planned_before[index];
            planned += expected(it.need, it.planned[slot]);
            lowest += lowest_of(it, slot, before, latest[index][slot], length);
            room.take(it.need.place(layout), slot, it.planned[slot]);
            // Who is never shed ends a full shed where it draws.
            let first = if it.firm {
                (slot..slots)
                    .find(|at| it.planned[*at].is_positive())
                    .unwrap_or(slots)
            } else {
                latest[index].partition_point(|energy| *energy <= before + NOTHING)
            };
            shed_until = shed_until.min(first.max(slot));
        }
        for (index, it) in flexible.iter().enumerate() {
            let left = goals[index].saturating_minus(planned_before[index]);
            highest += expected(it.need, most_of(layout, it, &mut room, slot, length, left));
        }
        for (before, it) in planned_before.iter_mut().zip(flexible) {
            *before += it.need.energy(it.planned[slot], length);
        }
        let (start, end) = frame.span(slot);
        let at_end = |rows: &[Vec<Energy>]| -> Energy { rows.iter().map(|row| row[slot]).sum() };
        // The plan is one of the possible schedules, also where whole minimum powers make the greedy
        // ones miss a little.
        let delivered: Energy = planned_before.iter().copied().sum();
        let (late, early) = (at_end(&latest), at_end(&earliest));
        found.push(FlexibleSlot {
            start,
            end,
            planned,
            lowest: lowest.min(planned),
            highest: highest.max(planned),
            energy_latest: late.min(delivered),
            energy_earliest: early.max(delivered),
            shed_s: (frame.span(shed_until.max(slot)).0.min(frame.horizon.end()) - start)
                .num_seconds()
                .max(0),
        });
    }
    found
}

/// Energy delivered by the end of each slot.
fn cumulative(need: &Need<'_>, row: &[Power], length: chrono::TimeDelta) -> Vec<Energy> {
    let mut sum = Energy::ZERO;
    row.iter()
        .map(|power| {
            sum += need.energy(*power, length);
            sum
        })
        .collect()
}

/// The least one session must draw in a slot after having followed its plan until then.
fn lowest_of(
    it: &Flexible<'_, '_>,
    slot: usize,
    before: Energy,
    latest: Energy,
    length: chrono::TimeDelta,
) -> Power {
    let planned = expected(it.need, it.planned[slot]);
    if it.firm {
        return planned;
    }
    let missing = latest.saturating_minus(before);
    if missing <= NOTHING {
        return Power::ZERO;
    }
    let power = it.need.power_for(missing, length);
    expected(it.need, power).min(planned)
}

/// The most one session may draw in a slot instead of its plan, in the room that all plans leave; what
/// it takes more is out of the room.
fn most_of(
    layout: &Layout<'_>,
    it: &Flexible<'_, '_>,
    room: &mut Room,
    slot: usize,
    length: chrono::TimeDelta,
    left: Energy,
) -> Power {
    let (need, planned) = (it.need, it.planned[slot]);
    if slot >= need.to || left <= NOTHING {
        return planned;
    }
    let place = need.place(layout);
    room.give_back(place, slot, planned);
    let most = need.power_for(left, length).min(room.at(place, slot));
    let most = if most < need.min {
        planned
    } else {
        most.max(planned)
    };
    room.take(place, slot, most);
    most
}

/// What a worst-case power is expected to be at the meter.
fn expected(need: &Need<'_>, power: Power) -> Power {
    let (numerator, denominator) = need.evse.expected_share();
    power.scaled_down(numerator, denominator)
}
