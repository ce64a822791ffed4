//! The last step in whole watts: what rounding to 0-or-minimum left open is put where there is
//! room for it.

use super::draft::Draft;
use super::frame::Frame;
use super::layout::Layout;
use super::need::{Class, Need};
use super::room::Room;
use crate::domain::quantity::{Energy, Power};

/// Enough for a car to begin again: 1 kW.
const LEAST: Power = Power::from_watts(1_000);

/// How long a charge may take beyond what its energy needs at full power: half an hour.
const FINISH: chrono::TimeDelta = chrono::TimeDelta::minutes(30);

/// Gives every need that is short more power where limits leave room: who leaves first goes first,
/// cheapest slots first. A little more than is needed does no harm: a car that is full stops.
/// Wishes are kept at first; then a need that somebody stated comes before them.
pub(super) fn top_up(layout: &Layout<'_>, frame: &Frame, needs: &[Need<'_>], draft: &mut Draft) {
    if !frame.wishes.is_empty() {
        let room = Room::of_wishes(frame);
        fill(layout, frame, needs, draft, room, |_| true, |_| true);
        let room = Room::of(frame);
        let asked = |need: &Need<'_>| need.is_stated || need.is_firm;
        let has_tail = |need: &Need<'_>| need.is_firm;
        return fill(layout, frame, needs, draft, room, asked, has_tail);
    }
    fill(
        layout,
        frame,
        needs,
        draft,
        Room::of(frame),
        |_| true,
        |_| true,
    );
}

fn fill(
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &mut Draft,
    mut room: Room,
    takes_part: impl Fn(&Need<'_>) -> bool,
    has_tail: impl Fn(&Need<'_>) -> bool,
) {
    for (need, row) in needs.iter().zip(&draft.rows) {
        for (slot, power) in row.power.iter().enumerate() {
            room.take(need.place(layout), slot, *power);
        }
    }
    let mut order: Vec<usize> = (0..needs.len())
        .filter(|index| needs[*index].is_open() && takes_part(&needs[*index]))
        .collect();
    order.sort_by_key(|index| (needs[*index].class, needs[*index].to));
    let mut slots: Vec<usize> = (0..frame.horizon.slots).collect();
    slots.sort_by_key(|slot| frame.reckoned(*slot));
    let by_time: Vec<usize> = (0..frame.horizon.slots).collect();
    // Everybody's need comes before anybody's tail.
    order.retain(|index| !needs[*index].is_uncertain());
    let turns = order.iter().map(|index| (*index, Energy::ZERO));
    let tails = order
        .iter()
        .filter(|index| has_tail(&needs[**index]))
        .map(|index| (*index, needs[*index].tail));
    for (index, tail) in turns.chain(tails) {
        let need = &needs[index];
        let missing = missing(frame, need, tail, &draft.rows[index].power);
        let planned = need.class == Class::Planned;
        let slots = if planned { &slots } else { &by_time };
        raise(
            layout,
            frame,
            need,
            &mut draft.rows[index].power,
            &mut room,
            slots,
            missing,
        );
    }
    // A car takes less and less at its end and so longer than planned: who leaves soon may go on
    // until then.
    for index in order.into_iter().filter(|index| has_tail(&needs[*index])) {
        let need = &needs[index];
        if need.class == Class::Tight {
            linger(layout, need, &mut draft.rows[index].power, &mut room);
        }
    }
}

/// At least the least power in every slot of its stay, where there is room.
fn linger(layout: &Layout<'_>, need: &Need<'_>, power: &mut [Power], room: &mut Room) {
    let place = need.place(layout);
    for (slot, power) in power.iter_mut().enumerate().take(need.to) {
        if *power < need.min && room.at(place, slot) >= need.min {
            room.give_back(place, slot, *power);
            room.take(place, slot, need.min);
            *power = need.min;
        }
    }
}

/// Cars take less and less at the end: a car that may wait and whose charge is about to end goes on at
/// the least power for a while, where there is room and nobody wishes less. It takes what it still
/// needs and stops by itself.
pub(super) fn finish(layout: &Layout<'_>, frame: &Frame, needs: &[Need<'_>], draft: &mut Draft) {
    if frame.wishes.hold_back() {
        return;
    }
    let mut room = Room::of_wishes(frame);
    for (need, row) in needs.iter().zip(&draft.rows) {
        for (slot, power) in row.power.iter().enumerate() {
            room.take(need.place(layout), slot, *power);
        }
    }
    let slots = frame.horizon.slots_before(frame.horizon.start + FINISH);
    for (need, row) in needs.iter().zip(&mut draft.rows) {
        let last = row.power.iter().rposition(|power| power.is_positive());
        let ends_soon = |last: &usize| need.class == Class::Planned && *last < slots;
        let Some(last) = last.filter(ends_soon) else {
            continue;
        };
        let place = need.place(layout);
        for slot in last + 1..(last + 1 + slots).min(need.to) {
            if room.at(place, slot) < need.min {
                break;
            }
            room.take(place, slot, need.min);
            row.power[slot] = need.min;
        }
    }
}

/// The least power for those that take nothing at present, where it is left throughout their stay.
pub(super) fn keep_alive(
    layout: &Layout<'_>,
    frame: &Frame,
    needs: &[Need<'_>],
    draft: &mut Draft,
) {
    let mut room = Room::of(frame);
    for (need, row) in needs.iter().zip(&draft.rows) {
        for (slot, power) in row.power.iter().enumerate() {
            room.take(need.place(layout), slot, *power);
        }
    }
    for (need, row) in needs.iter().zip(&mut draft.rows) {
        if need.class != Class::Full {
            continue;
        }
        let place = need.place(layout);
        let least = need.min.max(LEAST).min(need.max);
        let stay = 0..need.to.min(row.power.len());
        if stay.clone().all(|slot| room.at(place, slot) >= least) {
            for slot in stay {
                row.power[slot] = least;
                room.take(place, slot, least);
            }
        }
    }
}

fn missing(frame: &Frame, need: &Need<'_>, tail: Energy, power: &[Power]) -> Energy {
    let slot = frame.horizon.slot();
    let given: Energy = power.iter().map(|power| need.energy(*power, slot)).sum();
    (need.wanted.max(need.planned) + tail).saturating_minus(given)
}

fn raise(
    layout: &Layout<'_>,
    frame: &Frame,
    need: &Need<'_>,
    power: &mut [Power],
    room: &mut Room,
    slots: &[usize],
    mut missing: Energy,
) {
    let length = frame.horizon.slot();
    let place = need.place(layout);
    // A watt over a slot is what rounding takes in each of them.
    let grain = Power::from_watts(2).over(length);
    for slot in slots.iter().copied().filter(|slot| *slot < need.to) {
        if missing <= grain {
            return;
        }
        let now = power[slot];
        let before = need.energy(now, length);
        let wished = need.power_for(before + missing, length);
        let next = wished.min(now + room.at(place, slot));
        if next <= now || next < need.min {
            continue;
        }
        room.give_back(place, slot, now);
        if next > room.at(place, slot) {
            // The parts of a power on the phases are each rounded up: together they may miss.
            room.take(place, slot, now);
            continue;
        }
        room.take(place, slot, next);
        power[slot] = next;
        missing = missing.saturating_minus(need.energy(next, length) - before);
    }
}
