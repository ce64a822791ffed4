//! 0 or at least the minimum: a flow plan whose small powers are rounded away step by step.
//!
//! Each round decides the powers below their minimum, on or off, and lets the flow place the rest
//! of the energy anew; so what is taken from one slot finds the next cheapest by itself. In a slot
//! where a limit binds, as many sessions stay on as their shares add up to, taking turns: who was
//! given less than its share so far goes first.

use std::collections::BTreeMap;

use crate::flow::{Powers, Settled};
use crate::headroom::{Headroom, Tap};
use crate::milliwatts;
use crate::model::Model;
use crate::room::Room;

/// Rounds of rounding; what is still open then is switched off.
const ROUNDS_MAX: usize = 24;

/// The flow plan, with every power 0 or at least its minimum; `settled` is the flow of the room.
pub(crate) fn plan(
    model: &Model<'_>,
    room: &Room,
    settled: Settled,
    should_stop: &dyn Fn() -> bool,
) -> Powers {
    let mut rounding = Rounding {
        model,
        room: room.clone(),
        settled,
    };
    let powers = rounding.settled.network.powers();
    if model.sessions.iter().all(|it| it.min_mw == 0) {
        return powers;
    }
    let mut budget = Budget::of(model, should_stop);
    let mut best = rounding.round(powers, &mut budget);
    let mut worth = Worth::of(model, &best);
    while !budget.is_spent() {
        rounding.reopen(room, &best);
        let powers = rounding.settled.network.powers();
        let next = rounding.round(powers, &mut budget);
        let next_worth = Worth::of(model, &next);
        if !next_worth.is_better_than(worth) {
            break;
        }
        (best, worth) = (next, next_worth);
    }
    best
}

/// How many flows rounding may still cost.
struct Budget<'s> {
    flows: usize,
    should_stop: &'s dyn Fn() -> bool,
}

impl<'s> Budget<'s> {
    /// Fewer flows the larger each is, so that rounding stays near 0.1 s for 100 sessions.
    fn of(model: &Model<'_>, should_stop: &'s dyn Fn() -> bool) -> Self {
        const ARCS_MAX: usize = 150_000;
        let arcs: usize = model.sessions.iter().map(|it| it.to - it.from).sum();
        Self {
            flows: (ARCS_MAX / arcs.max(1)).clamp(8, 200),
            should_stop,
        }
    }

    fn is_spent(&self) -> bool {
        self.flows == 0 || (self.should_stop)()
    }
}

/// How good a plan is: less unmet first, then less cost.
#[derive(Debug, Clone, Copy)]
struct Worth {
    unmet: f64,
    cost: f64,
}

impl Worth {
    fn of(model: &Model<'_>, powers: &Powers) -> Self {
        let mut worth = Self {
            unmet: 0.0,
            cost: 0.0,
        };
        for (it, powers) in model.sessions.iter().zip(powers) {
            let drawn: i64 = powers.iter().sum();
            worth.unmet += it.weight * milliwatts::to_kw((it.energy - drawn).max(0));
            for (slot, power) in (it.from..it.to).zip(powers) {
                worth.cost += model.import_price(slot) * milliwatts::to_kw(*power);
            }
        }
        worth
    }

    fn is_better_than(self, other: Self) -> bool {
        const NOISE: f64 = 1e-6;
        self.unmet < other.unmet - NOISE
            || (self.unmet < other.unmet + NOISE && self.cost < other.cost - NOISE)
    }
}

/// Drops every power below its minimum.
fn drop_small(model: &Model<'_>, powers: &mut Powers) {
    for (it, powers) in model.sessions.iter().zip(powers) {
        for power in powers
            .iter_mut()
            .filter(|power| **power > 0 && **power < it.min_mw)
        {
            *power = 0;
        }
    }
}

/// Lowers whatever breaks a limit, and takes all that is planned out of the headroom.
pub(crate) fn fit(model: &Model<'_>, headroom: &mut Headroom, powers: &mut Powers) {
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        for (offset, power) in powers[session]
            .iter_mut()
            .enumerate()
            .filter(|(_, mw)| **mw > 0)
        {
            let slot = it.from + offset;
            let fitting = headroom.up(model, tap, slot).clamp(0, *power);
            *power = if fitting < it.min_mw { 0 } else { fitting };
            headroom.take(model, tap, slot, *power);
        }
    }
}

/// Like [`fit`], for powers the headroom already counts.
pub(crate) fn refit(model: &Model<'_>, headroom: &mut Headroom, powers: &mut Powers) {
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        for (offset, power) in powers[session]
            .iter_mut()
            .enumerate()
            .filter(|(_, mw)| **mw > 0)
        {
            let slot = it.from + offset;
            let over = -headroom.up(model, tap, slot);
            if over > 0 {
                let fitting = (*power - over).max(0);
                let fitting = if fitting < it.min_mw { 0 } else { fitting };
                headroom.take(model, tap, slot, fitting - *power);
                *power = fitting;
            }
        }
    }
}

/// Gives each session that misses more than `least_kwh` what it still needs, where there is room
/// for it, cheapest slots first.
pub(crate) fn refill(
    model: &Model<'_>,
    headroom: &mut Headroom,
    powers: &mut Powers,
    least_kwh: f64,
) {
    let least = milliwatts::nearest(least_kwh / model.hours);
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        let mut left = it.energy - powers[session].iter().sum::<i64>();
        if left <= least || it.stores {
            continue;
        }
        let mut slots: Vec<usize> = (it.from..it.to).collect();
        slots.sort_by(|a, b| model.import_price(*a).total_cmp(&model.import_price(*b)));
        for slot in slots {
            let now = powers[session][slot - it.from];
            let more = headroom.up(model, tap, slot).min(it.max_mw - now).min(left);
            if more > 0 && now + more >= it.min_mw {
                headroom.take(model, tap, slot, more);
                powers[session][slot - it.from] += more;
                left -= more;
            }
        }
    }
}

/// A power that is neither 0 nor at least the minimum.
#[derive(Debug, Clone, Copy)]
struct Open {
    session: usize,
    slot: usize,
    power: i64,
}

struct Rounding<'m> {
    model: &'m Model<'m>,
    /// The room with what is decided.
    room: Room,
    /// The flow in it.
    settled: Settled,
}

impl Rounding<'_> {
    /// Rounds away small powers, on top of the decisions the room holds already.
    fn round(&mut self, mut powers: Powers, budget: &mut Budget<'_>) -> Powers {
        for _ in 0..ROUNDS_MAX {
            let open = self.open(&powers);
            if open.is_empty() || budget.is_spent() {
                break;
            }
            self.decide(&powers, &open);
            self.settle(open.iter().map(|it| (it.session, it.slot)));
            powers = self.settled.network.powers();
            budget.flows -= 1;
        }
        drop_small(self.model, &mut powers);
        powers
    }

    /// What is on stays on; what is off may come on again.
    fn reopen(&mut self, room: &Room, powers: &Powers) {
        let mut changed = Vec::new();
        for (session, it) in self.model.sessions.iter().enumerate() {
            for (offset, power) in powers[session].iter().enumerate() {
                let low = if *power > 0 { it.min_mw } else { 0 };
                let high = room.high[session][offset];
                let (old_low, old_high) = (
                    &mut self.room.low[session][offset],
                    &mut self.room.high[session][offset],
                );
                if (*old_low, *old_high) != (low, high) {
                    (*old_low, *old_high) = (low, high);
                    changed.push((session, it.from + offset));
                }
            }
        }
        self.settle(changed.into_iter());
    }

    /// Brings the flow in line with what was decided about these sessions and slots.
    fn settle(&mut self, changed: impl Iterator<Item = (usize, usize)> + Clone) {
        let network = &mut self.settled.network;
        for (session, slot) in changed.clone() {
            let offset = slot - self.model.sessions[session].from;
            let low = self.room.low[session][offset];
            let high = self.room.high[session][offset];
            network.bound(session, slot, low, high);
        }
        for (session, slot) in changed {
            network.lift(session, slot);
        }
        self.settled.settle();
    }

    /// The open powers, slot by slot.
    fn open(&self, powers: &Powers) -> Vec<Open> {
        let mut open = Vec::new();
        for (session, it) in self.model.sessions.iter().enumerate() {
            for (offset, power) in powers[session].iter().enumerate() {
                if *power > 0 && *power < it.min_mw {
                    open.push(Open {
                        session,
                        slot: it.from + offset,
                        power: *power,
                    });
                }
            }
        }
        open.sort_by_key(|it| (it.slot, it.session));
        open
    }

    fn decide(&mut self, powers: &Powers, open: &[Open]) {
        let loads = self.loads(powers);
        let mut taken = self.taken();
        let mut owed = vec![0_i64; self.model.sessions.len()];
        let mut carried: BTreeMap<usize, i64> = BTreeMap::new();
        for slot in open.chunk_by(|a, b| a.slot == b.slot) {
            let mut groups: BTreeMap<Option<usize>, Vec<Open>> = BTreeMap::new();
            for it in slot {
                owed[it.session] += it.power;
                groups
                    .entry(self.binding(&loads, *it))
                    .or_default()
                    .push(*it);
            }
            for (circuit, mut group) in groups {
                group.sort_by_key(|it| (std::cmp::Reverse(owed[it.session]), it.session));
                let mut share = match circuit {
                    None => i64::MAX,
                    Some(circuit) => {
                        let carried = carried.entry(circuit).or_default();
                        *carried += group.iter().map(|it| it.power).sum::<i64>();
                        *carried
                    }
                };
                for it in group {
                    let min = self.model.sessions[it.session].min_mw;
                    // Half a minimum more than the share is as near as half a minimum less.
                    let on = share >= min / 2 && self.switch_on(&mut taken, it);
                    if on {
                        owed[it.session] -= min;
                        share -= min;
                        if let Some(carried) = circuit.and_then(|it| carried.get_mut(&it)) {
                            *carried -= min;
                        }
                    } else {
                        self.switch_off(it);
                    }
                }
            }
        }
    }

    /// Holds a session at its minimum or more, if its need and all limits leave room for that.
    fn switch_on(&mut self, taken: &mut Taken, it: Open) -> bool {
        let need = &self.model.sessions[it.session];
        let min = need.min_mw;
        let offset = it.slot - need.from;
        let fits = self.room.high[it.session][offset] >= min
            && self.room.need[it.session] - taken.of_session[it.session] >= min
            && self
                .room
                .upwards(self.room.circuit_of[it.session])
                .all(|circuit| {
                    self.room.free[circuit][it.slot] - taken.in_circuit[circuit][it.slot] >= min
                });
        if fits {
            self.room.low[it.session][offset] = min;
            taken.of_session[it.session] += min;
            for circuit in self.room.upwards(self.room.circuit_of[it.session]) {
                taken.in_circuit[circuit][it.slot] += min;
            }
        }
        fits
    }

    fn switch_off(&mut self, it: Open) {
        let offset = it.slot - self.model.sessions[it.session].from;
        self.room.high[it.session][offset] = 0;
    }

    /// The deepest circuit that is full and so forces the session below its minimum.
    fn binding(&self, loads: &[Vec<i64>], it: Open) -> Option<usize> {
        let missing = self.model.sessions[it.session].min_mw - it.power;
        self.room
            .upwards(self.room.circuit_of[it.session])
            .find(|circuit| self.room.free[*circuit][it.slot] - loads[*circuit][it.slot] < missing)
    }

    fn loads(&self, powers: &Powers) -> Vec<Vec<i64>> {
        let mut loads = vec![vec![0_i64; self.model.slots]; self.room.parent.len()];
        for (session, it) in self.model.sessions.iter().enumerate() {
            for circuit in self.room.upwards(self.room.circuit_of[session]) {
                for (load, power) in loads[circuit][it.from..].iter_mut().zip(&powers[session]) {
                    *load += power;
                }
            }
        }
        loads
    }

    fn taken(&self) -> Taken {
        Taken {
            of_session: self.room.low.iter().map(|low| low.iter().sum()).collect(),
            in_circuit: self.loads(&self.room.low),
        }
    }
}

/// What sessions held at their minimum take already.
struct Taken {
    of_session: Vec<i64>,
    in_circuit: Vec<Vec<i64>>,
}
