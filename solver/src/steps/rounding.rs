//! Deciding who is on and who is off, round by round.

use std::collections::BTreeMap;

use super::{Budget, NEAR_KWH, ROUNDS_MAX, Worth, drop_small};
use crate::flow::{Powers, Settled};
use crate::model::Model;
use crate::room::Room;

/// Switches tried for sessions that are short, each of which costs a flow.
const RESCUES_MAX: usize = 40;

/// A power that is neither 0 nor at least the minimum.
#[derive(Debug, Clone, Copy)]
struct Open {
    session: usize,
    slot: usize,
    power: i64,
}

pub(super) struct Rounding<'m> {
    pub(super) model: &'m Model<'m>,
    /// The room with what is decided.
    pub(super) room: Room,
    /// The flow in it.
    pub(super) settled: Settled,
}

impl Rounding<'_> {
    /// The plan from the relaxed flow alone, improved while that pays.
    pub(super) fn fresh(&mut self, room: &Room, budget: &Budget<'_>) -> (Powers, Worth) {
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

    /// Looks for switches that bring more energy to who is short, while a plan without minimums
    /// shows that there is more to be had.
    pub(super) fn rescue(
        &mut self,
        room: &Room,
        (mut best, mut worth): (Powers, Worth),
        bound: Worth,
        budget: &Budget<'_>,
    ) -> (Powers, Worth) {
        let mut tries = 0;
        'improved: while worth.unmet > bound.unmet + NEAR_KWH {
            self.reopen(room, &best, budget);
            for (session, slot) in self.openings(&best) {
                tries += 1;
                if tries > RESCUES_MAX || budget.is_spent() {
                    return (best, worth);
                }
                let before = (self.room.clone(), self.settled.clone());
                if self.force(session, slot, budget) {
                    let next = self.round(budget);
                    let next_worth = Worth::of(self.model, &next);
                    if next_worth.is_better_than(worth) {
                        (best, worth) = (next, next_worth);
                        continue 'improved;
                    }
                }
                (self.room, self.settled) = before;
            }
            break;
        }
        (best, worth)
    }

    /// Where sessions that are short could charge and do not, cheapest first.
    fn openings(&self, powers: &Powers) -> Vec<(usize, usize)> {
        let mut openings = Vec::new();
        for (session, it) in self.model.sessions.iter().enumerate() {
            let left = it.energy - powers[session].iter().sum::<i64>();
            if left >= it.min_mw && it.min_mw > 0 {
                let off = (it.from..it.to).filter(|slot| powers[session][slot - it.from] == 0);
                openings.extend(off.map(|slot| (session, slot)));
            }
        }
        let price = |slot: usize| self.model.import_price(slot);
        openings.sort_by(|a, b| price(a.1).total_cmp(&price(b.1)).then(a.cmp(b)));
        openings
    }

    /// Holds a session at its minimum in a slot; where a limit is in the way, whoever has most other
    /// slots to turn to goes off there. False where that cannot be.
    fn force(&mut self, session: usize, slot: usize, budget: &Budget<'_>) -> bool {
        let mut taken = self.taken();
        let mut changed = vec![(session, slot)];
        let min = self.model.sessions[session].min_mw;
        let circuits: Vec<usize> = self.room.upwards(self.room.circuit_of[session]).collect();
        for circuit in circuits {
            while self.room.free[circuit][slot] - taken.in_circuit[circuit][slot] < min {
                let Some(other) = self.most_flexible(session, circuit, slot) else {
                    return false;
                };
                let offset = slot - self.model.sessions[other].from;
                let low = self.room.low[other][offset];
                taken.of_session[other] -= low;
                for above in self.room.upwards(self.room.circuit_of[other]) {
                    taken.in_circuit[above][slot] -= low;
                }
                self.room.low[other][offset] = 0;
                self.room.high[other][offset] = 0;
                changed.push((other, slot));
            }
        }
        if !self.fits(&taken, session, slot) {
            return false;
        }
        self.room.low[session][slot - self.model.sessions[session].from] = min;
        self.settle(changed.into_iter(), budget);
        true
    }

    /// Who is held on below a circuit in a slot and is off in most other slots of its window.
    fn most_flexible(&self, session: usize, circuit: usize, slot: usize) -> Option<usize> {
        let is_below = |other: usize| {
            self.room
                .upwards(self.room.circuit_of[other])
                .any(|above| above == circuit)
        };
        let sessions = self.model.sessions.iter().enumerate();
        sessions
            .filter(|(other, it)| {
                *other != session
                    && (it.from..it.to).contains(&slot)
                    && self.room.low[*other][slot - it.from] > 0
                    && is_below(*other)
            })
            .max_by_key(|(other, _)| {
                let off = self.room.low[*other].iter().filter(|low| **low == 0);
                (off.count(), std::cmp::Reverse(*other))
            })
            .map(|(other, _)| other)
    }

    /// The plan that keeps on who was on before, as far as limits and needs leave room for that.
    pub(super) fn again(&mut self, room: &Room, budget: &Budget<'_>) -> Option<(Powers, Worth)> {
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
            budget.spend_round();
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
