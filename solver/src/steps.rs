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
use crate::work::Work;

/// Rounds of rounding; what is still open then is switched off.
const ROUNDS_MAX: usize = 24;

/// The flow plan, with every power 0 or at least its minimum; `settled` is the flow of the room.
///
/// Where there is a plan before, its decisions are tried first. What comes of them is kept if it is
/// as near to what no plan can beat as a plan from nothing usually is; else both are made and the
/// better one is taken.
pub(crate) fn plan(model: &Model<'_>, room: &Room, settled: Settled, work: &Work<'_>) -> Powers {
    let relaxed = settled.network.powers();
    if model.sessions.iter().all(|it| it.min_mw == 0) {
        return relaxed;
    }
    let bound = Worth::of(model, &relaxed);
    let mut rounding = Rounding {
        model,
        room: room.clone(),
        settled,
    };
    let budget = Budget::of(model, work);
    let again = rounding.again(room, &budget);
    if let Some((powers, worth)) = &again
        && worth.is_near(bound)
    {
        return powers.clone();
    }
    let fresh = rounding.fresh(room, &budget);
    match again {
        Some((powers, worth)) if !fresh.1.is_better_than(worth) => powers,
        _ => fresh.0,
    }
}

/// How much rounding may still cost.
struct Budget<'w> {
    work: &'w Work<'w>,
    until: u64,
}

impl<'w> Budget<'w> {
    /// Some 50 ms, and more only where a few rounds take longer.
    fn of(model: &Model<'_>, work: &'w Work<'w>) -> Self {
        const STEPS: u64 = 20_000_000;
        const STEPS_PER_CELL: u64 = 200;
        let cells: usize = model.sessions.iter().map(|it| it.to - it.from).sum();
        Self {
            work,
            until: work.part(STEPS.max(STEPS_PER_CELL * cells as u64)),
        }
    }

    fn is_spent(&self) -> bool {
        self.work.spent() >= self.until || self.work.is_over()
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

    /// True for a plan that leaves no more unmet than the bound and costs next to nothing more.
    fn is_near(self, bound: Self) -> bool {
        /// What a plan from nothing usually costs above the bound.
        const NEAR: f64 = 5e-4;
        const NEAR_KWH: f64 = 1e-3;
        self.unmet <= bound.unmet + NEAR_KWH && self.cost <= bound.cost + NEAR * bound.cost.abs()
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
    /// The plan from the relaxed flow alone, improved while that pays.
    fn fresh(&mut self, room: &Room, budget: &Budget<'_>) -> (Powers, Worth) {
        if self.room.low != room.low || self.room.high != room.high {
            // What was decided for the plan before goes.
            let nothing: Powers = room.low.iter().map(|it| vec![0; it.len()]).collect();
            self.reopen(room, &nothing, budget);
        }
        let mut best = self.round(budget);
        let mut worth = Worth::of(self.model, &best);
        while !budget.is_spent() {
            self.reopen(room, &best, budget);
            let next = self.round(budget);
            let next_worth = Worth::of(self.model, &next);
            if !next_worth.is_better_than(worth) {
                break;
            }
            (best, worth) = (next, next_worth);
        }
        (best, worth)
    }

    /// The plan that keeps on who was on before, as far as limits and needs leave room for that.
    fn again(&mut self, room: &Room, budget: &Budget<'_>) -> Option<(Powers, Worth)> {
        let mut taken = self.taken();
        let mut kept: Powers = Vec::with_capacity(self.model.sessions.len());
        let mut any = false;
        for (session, it) in self.model.sessions.iter().enumerate() {
            let mut row = vec![0; it.to - it.from];
            for (offset, power) in row.iter_mut().enumerate() {
                let slot = it.from + offset;
                let was_on = it.min_mw > 0 && it.previous_at(slot) >= it.min_mw;
                if was_on && self.fits(&taken, session, slot) {
                    self.take_minimum(&mut taken, session, slot);
                    *power = it.min_mw;
                    any = true;
                }
            }
            kept.push(row);
        }
        if !any {
            return None;
        }
        self.reopen(room, &kept, budget);
        let powers = self.round(budget);
        let worth = Worth::of(self.model, &powers);
        Some((powers, worth))
    }

    /// Rounds away small powers, on top of the decisions the room holds already.
    fn round(&mut self, budget: &Budget<'_>) -> Powers {
        let mut powers = self.settled.network.powers();
        for _ in 0..ROUNDS_MAX {
            let open = self.open(&powers);
            if open.is_empty() || budget.is_spent() {
                break;
            }
            self.decide(&open);
            self.settle(open.iter().map(|it| (it.session, it.slot)), budget);
            powers = self.settled.network.powers();
        }
        drop_small(self.model, &mut powers);
        powers
    }

    /// What is on stays on; what is off may come on again.
    fn reopen(&mut self, room: &Room, powers: &Powers, budget: &Budget<'_>) {
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
        self.settle(changed.into_iter(), budget);
    }

    /// Brings the flow in line with what was decided about these sessions and slots.
    fn settle(
        &mut self,
        changed: impl Iterator<Item = (usize, usize)> + Clone,
        budget: &Budget<'_>,
    ) {
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
        self.settled.settle(budget.work);
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

    fn decide(&mut self, open: &[Open]) {
        let mut taken = self.taken();
        let mut owed = vec![0_i64; self.model.sessions.len()];
        let mut carried: BTreeMap<usize, i64> = BTreeMap::new();
        for slot in open.chunk_by(|a, b| a.slot == b.slot) {
            let mut groups: BTreeMap<Option<usize>, Vec<Open>> = BTreeMap::new();
            for it in slot {
                owed[it.session] += it.power;
                groups.entry(self.binding(*it)).or_default().push(*it);
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
        let fits = self.fits(taken, it.session, it.slot);
        if fits {
            let need = &self.model.sessions[it.session];
            self.room.low[it.session][it.slot - need.from] = need.min_mw;
            self.take_minimum(taken, it.session, it.slot);
        }
        fits
    }

    /// True if need and limits leave room for one more minimum.
    fn fits(&self, taken: &Taken, session: usize, slot: usize) -> bool {
        let need = &self.model.sessions[session];
        let min = need.min_mw;
        self.room.high[session][slot - need.from] >= min
            && self.room.need[session] - taken.of_session[session] >= min
            && self
                .room
                .upwards(self.room.circuit_of[session])
                .all(|circuit| {
                    self.room.free[circuit][slot] - taken.in_circuit[circuit][slot] >= min
                })
    }

    fn take_minimum(&self, taken: &mut Taken, session: usize, slot: usize) {
        let min = self.model.sessions[session].min_mw;
        taken.of_session[session] += min;
        for circuit in self.room.upwards(self.room.circuit_of[session]) {
            taken.in_circuit[circuit][slot] += min;
        }
    }

    fn switch_off(&mut self, it: Open) {
        let offset = it.slot - self.model.sessions[it.session].from;
        self.room.high[it.session][offset] = 0;
    }

    /// The deepest circuit that is full and so forces the session below its minimum.
    fn binding(&self, it: Open) -> Option<usize> {
        let missing = self.model.sessions[it.session].min_mw - it.power;
        self.room
            .upwards(self.room.circuit_of[it.session])
            .find(|circuit| self.settled.network.slack_of(*circuit, it.slot) < missing)
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
