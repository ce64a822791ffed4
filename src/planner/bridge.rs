//! Less power rather than a pause.
//!
//! Within an hour of one price the solver takes the earliest slots, so cars would charge at full
//! power, pause, and begin again with the next hour. A car that charges, pauses and goes on soon
//! after is held at the least power in between instead, with energy from its own slots that cost
//! hardly less, waiting considered: those after the pause, the last first, or else those before it,
//! from the end of its charge down to the least power. Every car gets what it got, and no limit is
//! passed.

use chrono::TimeDelta;

use super::draft::Draft;
use super::frame::Frame;
use super::layout::Layout;
use super::need::{Class, Need};
use super::room::Room;
use crate::domain::policy::Policy;
use crate::domain::quantity::Power;

/// A pause is worth half an hour's waiting for every kWh that fills it.
const LOSS_ONE_IN: i64 = 2;
/// Longer pauses are kept: two hours.
const LONGEST: TimeDelta = TimeDelta::hours(2);

/// Holds cars that may wait through their pauses, who leaves first coming first.
pub(super) fn bridge(
    layout: &Layout<'_>,
    frame: &Frame,
    policy: &Policy,
    needs: &[Need<'_>],
    draft: &mut Draft,
) {
    if frame.wishes.hold_back() {
        // Nobody is held on where less is wished for.
        return;
    }
    let ranks = ranks(frame, policy);
    let loss = policy.waiting_price.micros() / LOSS_ONE_IN;
    let mut room = Room::of_wishes(frame);
    for (need, row) in needs.iter().zip(&draft.rows) {
        for (slot, power) in row.power.iter().enumerate() {
            room.take(need.place(layout), slot, *power);
        }
    }
    let longest = frame.horizon.slots_before(frame.horizon.start + LONGEST);
    let mut order: Vec<usize> = (0..needs.len())
        .filter(|index| needs[*index].class == Class::Planned)
        .collect();
    order.sort_by_key(|index| (needs[*index].to, *index));
    for index in order {
        let need = &needs[index];
        let place = need.place(layout);
        let row = &mut draft.rows[index].power;
        let mut from = 0;
        while let Some((start, end)) = next_pause(need.present, row, from) {
            from = end;
            let fits = (start..end).all(|slot| room.at(place, slot) >= need.min);
            if end - start > longest || !fits {
                continue;
            }
            if let Some(held) = hold(&ranks, loss, need.min, row, (start, end)) {
                for (slot, (before, after)) in row.iter().zip(&held).enumerate() {
                    room.give_back(place, slot, *before);
                    room.take(place, slot, *after);
                }
                *row = held;
            }
        }
    }
}

/// The first pause at or after a slot: it charges before it - or now - and after it.
fn next_pause(present: Power, row: &[Power], from: usize) -> Option<(usize, usize)> {
    let is_on = |slot: usize| row[slot].is_positive();
    let charges_before = |slot: usize| match slot.checked_sub(1) {
        Some(before) => is_on(before),
        None => present.is_positive(),
    };
    let start = (from..row.len()).find(|slot| !is_on(*slot) && charges_before(*slot))?;
    let end = (start..row.len()).find(|slot| is_on(*slot))?;
    Some((start, end))
}

/// The row with a pause at the least power; `None` where it has not enough elsewhere that costs no
/// less.
fn hold(
    ranks: &[i64],
    loss: i64,
    min: Power,
    row: &[Power],
    (start, end): (usize, usize),
) -> Option<Vec<Power>> {
    let mut held = row.to_vec();
    for slot in start..end {
        let mut wanted = min;
        let is_no_cheaper = |other: &usize| ranks[*other] + loss >= ranks[slot];
        // After the pause a whole slot may go, if it is the last; what was before stays on.
        let after = (end..held.len()).rev();
        let before = (0..start).rev();
        for other in after.chain(before).filter(is_no_cheaper) {
            let is_last = other >= end && held[other + 1..].iter().all(|it| !it.is_positive());
            let spare = if is_last && other > end && held[other] <= wanted {
                held[other]
            } else {
                (held[other] - min).at_least_zero()
            };
            let part = spare.min(wanted);
            held[other] -= part;
            wanted -= part;
            if !wanted.is_positive() {
                break;
            }
        }
        if wanted.is_positive() {
            return None;
        }
        held[slot] = min;
    }
    Some(held)
}

/// What counts where a session may wait: price and waiting by slot, in millionths of the currency per
/// kWh.
fn ranks(frame: &Frame, policy: &Policy) -> Vec<i64> {
    let horizon = &frame.horizon;
    let waited = |slot: usize| (horizon.slot_start(slot) - horizon.start).num_seconds();
    let waiting = policy.waiting_price.micros();
    let rank = |slot: usize| {
        let waiting = waiting.saturating_mul(waited(slot)) / 3600;
        frame.reckoned(slot).micros().saturating_add(waiting)
    };
    (0..horizon.slots).map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kilowatts: &[i64]) -> Vec<Power> {
        kilowatts
            .iter()
            .map(|kw| Power::from_watts(kw * 1000))
            .collect()
    }

    const MIN: Power = Power::from_watts(1000);

    #[test]
    fn a_pause_is_filled_with_what_comes_last_and_then_with_what_is_above_the_least_before_it() {
        let before = row(&[6, 6, 0, 0, 3, 1]);
        assert_eq!(next_pause(Power::ZERO, &before, 0), Some((2, 4)));
        let after = hold(&[10; 6], 0, MIN, &before, (2, 4));
        assert_eq!(after, Some(row(&[6, 6, 1, 1, 2, 0])));
        let before = row(&[6, 6, 0, 0, 1]);
        let after = hold(&[10; 5], 0, MIN, &before, (2, 4));
        assert_eq!(after, Some(row(&[6, 4, 1, 1, 1])));
    }

    #[test]
    fn a_dear_pause_is_kept() {
        let before = row(&[2, 0, 2]);
        assert_eq!(hold(&[10, 13, 10], 2, MIN, &before, (1, 2)), None);
        let after = hold(&[10, 12, 10], 2, MIN, &before, (1, 2));
        assert_eq!(after, Some(row(&[2, 1, 1])));
    }

    #[test]
    fn who_has_too_little_pauses() {
        let before = row(&[1, 0, 0, 1]);
        assert_eq!(hold(&[10; 4], 0, MIN, &before, (1, 3)), None);
    }

    #[test]
    fn a_car_that_charges_now_pauses_too_where_its_plan_begins_later() {
        assert_eq!(next_pause(MIN, &row(&[0, 0, 3]), 0), Some((0, 2)));
        assert_eq!(next_pause(Power::ZERO, &row(&[0, 0, 3]), 0), None);
    }
}
