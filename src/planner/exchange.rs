//! Where someone must go short, it is whoever leaves last: there may be power for it yet, while who
//! leaves first has no other chance.

use super::draft::Draft;
use super::frame::Frame;
use super::layout::{Layout, PhaseShare};
use super::need::{Class, Need};
use crate::domain::quantity::{Energy, Power};

/// Only the slots before the next plans are worth the work: two hours.
const NEAR_S: i64 = 2 * 3600;
/// Less than this is not missing: 10 Wh.
const NOTHING_MISSING: Energy = Energy::from_joules(36_000);

/// Gives who leaves first what it is short of, in the place of who leaves later.
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
            serve_first(
                layout,
                frame,
                needs,
                draft,
                *first,
                &order[rank + 1..],
                slot,
            );
        }
    }
}

/// Lets `first` charge in `slot` in place of those behind it, the last of them first.
fn serve_first(
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &mut Draft,
    first: usize,
    behind: &[usize],
    slot: usize,
) {
    let need = &needs[first];
    let power = &draft.rows[first].power;
    if slot >= need.to || power[slot] >= need.max {
        return;
    }
    let length = frame.horizon.slot();
    let given: Energy = power.iter().map(|power| need.energy(*power, length)).sum();
    let mut missing = need.wanted.saturating_minus(given);
    if missing <= NOTHING_MISSING {
        return;
    }
    for second in behind.iter().rev() {
        let other = &needs[*second];
        if draft.rows[*second].power[slot].is_positive()
            && need.to < other.to
            && are_alike(layout, need, other)
        {
            let taken = give_way(frame, needs, draft, (first, *second), slot, missing);
            missing = missing.saturating_minus(taken);
        }
        if draft.rows[first].power[slot] >= need.max {
            return;
        }
    }
}

/// True if a watt of the one is a watt of the other, under every limit and in every battery.
fn are_alike(layout: &Layout<'_>, one: &Need<'_>, other: &Need<'_>) -> bool {
    layout.paths[one.index] == layout.paths[other.index]
        && one.share == other.share
        && PhaseShare::of(one.evse) == PhaseShare::of(other.evse)
}

/// Gives `first`, if it is short, what `second` has in `slot`; returns the energy it gains.
fn give_way(
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &mut Draft,
    (first, second): (usize, usize),
    slot: usize,
    missing: Energy,
) -> Energy {
    if missing <= NOTHING_MISSING {
        return Energy::ZERO;
    }
    let need = &needs[first];
    let length = frame.horizon.slot();
    let rows = &mut draft.rows;
    let before = rows[first].power[slot];
    let wished = need.power_for(need.energy(before, length) + missing, length);
    let amount = rows[second].power[slot].min(wished.saturating_minus(before));
    let left = rows[second].power[slot] - amount;
    let holds = left == Power::ZERO || left >= needs[second].min;
    if !amount.is_positive() || !holds || before + amount < need.min {
        return Energy::ZERO;
    }
    rows[first].power[slot] = before + amount;
    rows[second].power[slot] = left;
    need.energy(before + amount, length) - need.energy(before, length)
}
