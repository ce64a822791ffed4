//! Who leaves first charges first.
//!
//! Where the cost depends on the slot alone, many plans cost the same and differ only in who gets
//! which slot. They are not equally good: whoever leaves first has no other chance, should more
//! cars come than expected. So two sessions that share all their limits change places wherever the
//! one that leaves later charges before the one that leaves earlier. Slot totals, energies and cost
//! stay what they were.

use super::draft::Draft;
use super::frame::Frame;
use super::layout::{Layout, PhaseShare};
use super::need::{Class, Need};
use crate::domain::quantity::Power;

/// Only the slots before the next plans are worth the work: two hours.
const NEAR_S: i64 = 2 * 3600;

/// Changes places among the sessions that may wait.
pub(super) fn exchange(layout: &Layout<'_>, frame: &Frame, needs: &[Need<'_>], draft: &mut Draft) {
    let mut order: Vec<usize> = (0..needs.len())
        .filter(|index| needs[*index].class == Class::Planned)
        .collect();
    order.sort_by_key(|index| (needs[*index].to, *index));
    let near = frame
        .horizon
        .slots_before(frame.horizon.start + chrono::TimeDelta::seconds(NEAR_S));
    for slot in 0..near {
        for (rank, first) in order.iter().enumerate() {
            for second in order[rank + 1..].iter().rev() {
                if are_alike(layout, &needs[*first], &needs[*second])
                    && needs[*first].to < needs[*second].to
                {
                    change_places(needs, draft, (*first, *second), slot);
                }
            }
        }
    }
}

/// True if a watt of the one is a watt of the other, under every limit and in every battery.
fn are_alike(layout: &Layout<'_>, one: &Need<'_>, other: &Need<'_>) -> bool {
    layout.paths[one.index] == layout.paths[other.index]
        && one.evse.expected_share() == other.evse.expected_share()
        && PhaseShare::of(one.evse) == PhaseShare::of(other.evse)
}

/// Gives `first` what `second` has in `slot`, for what `first` has later.
fn change_places(
    needs: &[Need<'_>],
    draft: &mut Draft,
    (first, second): (usize, usize),
    slot: usize,
) {
    for later in (slot + 1..needs[first].to).rev() {
        let power = |row: usize, at: usize| draft.rows[row].power[at];
        let amount = power(second, slot)
            .min(needs[first].max - power(first, slot))
            .min(power(first, later))
            .min(needs[second].max - power(second, later));
        let after = [
            (first, slot, power(first, slot) + amount),
            (second, later, power(second, later) + amount),
            (second, slot, power(second, slot) - amount),
            (first, later, power(first, later) - amount),
        ];
        let holds = |(row, _, power): &(usize, usize, Power)| {
            *power == Power::ZERO || *power >= needs[*row].min
        };
        if amount.is_positive() && after.iter().all(holds) {
            for (row, at, power) in after {
                draft.rows[row].power[at] = power;
            }
        }
        if !draft.rows[second].power[slot].is_positive() {
            return;
        }
    }
}
