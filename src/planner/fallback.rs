//! What holds when the solver is slow, absent, or wrong, in one place.
//!
//! The rungs, best first: the solver's plan; the last checked plan, clipped to what limits leave
//! now; a proportional share; nothing. Each is checked like any other plan, and the first that
//! passes holds. Nothing charges only where even a share breaks a promise, which is a bug.

use super::draft::Draft;
use super::frame::Frame;
use super::layout::Layout;
use super::need::{Class, Need};
use super::room::Room;
use crate::domain::plan::{Plan, PlanOrigin};
use crate::domain::quantity::{Energy, Power};

/// The last plan on the new slots, each power at most what the limits leave now; sessions it does
/// not know share the rest.
pub(super) fn clipped(
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    last: &Plan,
) -> Draft {
    let slots = frame.horizon.slots;
    let mut draft = Draft::nothing(PlanOrigin::Clipped, needs, slots);
    let mut room = Room::of(frame);
    for index in by_urgency(needs) {
        let need = &needs[index];
        let Some(planned) = last
            .evse(&need.evse.id)
            .filter(|p| p.session == need.session)
        else {
            continue;
        };
        for slot in 0..need.to {
            let at = frame.span(slot).0;
            let before = last
                .slot_at(at)
                .and_then(|old| planned.power.get(old).copied());
            let wished = before.unwrap_or(Power::ZERO).min(need.max);
            draft.rows[index].power[slot] = grant(layout, need, &mut room, slot, wished);
        }
    }
    share_rest(layout, frame, needs, &mut draft, &mut room, |need| {
        last.evse(&need.evse.id)
            .is_none_or(|planned| planned.session != need.session)
    });
    draft
}

/// In every slot each session its maximum, scaled by the tightest limit above it; what is left
/// goes to whoever leaves first.
pub(super) fn proportional(layout: &Layout<'_>, frame: &Frame, needs: &[Need<'_>]) -> Draft {
    let mut draft = Draft::nothing(PlanOrigin::ProportionalShare, needs, frame.horizon.slots);
    let mut room = Room::of(frame);
    share_rest(layout, frame, needs, &mut draft, &mut room, |_| true);
    draft
}

fn by_urgency(needs: &[Need<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..needs.len())
        .filter(|index| needs[*index].is_open())
        .collect();
    order.sort_by_key(|index| {
        let need = &needs[*index];
        (need.class != Class::Now, need.to, need.class)
    });
    order
}

/// Grants up to `wished`, and nothing where that is below the minimum.
fn grant(
    layout: &Layout<'_>,
    need: &Need<'_>,
    room: &mut Room,
    slot: usize,
    wished: Power,
) -> Power {
    let place = need.place(layout);
    let power = wished.min(room.at(place, slot));
    if power < need.min || !power.is_positive() {
        return Power::ZERO;
    }
    room.take(place, slot, power);
    power
}

fn share_rest(
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &mut Draft,
    room: &mut Room,
    takes_part: impl Fn(&Need<'_>) -> bool,
) {
    let length = frame.horizon.slot();
    let order: Vec<usize> = by_urgency(needs)
        .into_iter()
        .filter(|index| takes_part(&needs[*index]))
        .collect();
    let mut left: Vec<Energy> = needs.iter().map(|need| need.planned).collect();
    for slot in 0..frame.horizon.slots {
        let here: Vec<usize> = order
            .iter()
            .copied()
            .filter(|index| slot < needs[*index].to && left[*index].is_positive())
            .collect();
        let mut wanted = vec![Power::ZERO; layout.circuits.len()];
        for index in &here {
            for circuit in &layout.paths[needs[*index].index] {
                wanted[*circuit] += needs[*index].max;
            }
        }
        let free = room.free_in(slot);
        for index in &here {
            let need = &needs[*index];
            let share = layout.paths[need.index]
                .iter()
                .map(|circuit| {
                    need.max
                        .scaled_down(free[*circuit].watts(), wanted[*circuit].watts().max(1))
                })
                .min()
                .unwrap_or(Power::ZERO)
                .min(need.power_for(left[*index], length));
            let power = grant(layout, need, room, slot, share);
            draft.rows[*index].power[slot] = power;
        }
        // The rest, minimum powers included, to whoever leaves first.
        for index in here {
            let need = &needs[index];
            let now = draft.rows[index].power[slot];
            let wished = need.power_for(left[index], length);
            if now < wished {
                room.give_back(need.place(layout), slot, now);
                let power = grant(layout, need, room, slot, wished);
                draft.rows[index].power[slot] = power;
            }
            let given = need.energy(draft.rows[index].power[slot], length);
            left[index] = left[index].saturating_minus(given);
        }
    }
}
