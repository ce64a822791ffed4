//! 0 or at least the minimum: a flow plan whose small powers are rounded away step by step.
//!
//! Each round decides the powers below their minimum, on or off, and lets the flow place the rest
//! of the energy anew; so what is taken from one slot finds the next cheapest by itself. In a slot
//! where a limit binds, as many sessions stay on as their shares add up to, taking turns: who was
//! given less than its share so far goes first.

mod fit;
mod rounding;

use crate::flow::{Powers, Settled};
use crate::milliwatts;
use crate::model::Model;
use crate::room::Room;
use crate::work::Work;

pub(crate) use fit::{fit, refill, refit};
use rounding::Rounding;

/// Rounds of rounding; what is still open then is switched off.
const ROUNDS_MAX: usize = 24;
/// Unmet energy nobody would see, in kWh.
const NEAR_KWH: f64 = 1e-3;

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
    let best = match again {
        Some((powers, worth)) if !fresh.1.is_better_than(worth) => (powers, worth),
        _ => fresh,
    };
    rounding.rescue(room, best, bound, &budget).0
}

/// How much rounding may still cost.
struct Budget<'w> {
    work: &'w Work<'w>,
    until: u64,
    cells: u64,
}

/// Steps of a round for each slot of a window, beside the flow.
const ROUND_STEPS_PER_CELL: u64 = 10;

impl<'w> Budget<'w> {
    /// Some 50 ms, and more only where a few rounds take longer.
    fn of(model: &Model<'_>, work: &'w Work<'w>) -> Self {
        const STEPS: u64 = 6_000_000;
        const STEPS_PER_CELL: u64 = 400;
        let cells = model.cells();
        Self {
            work,
            until: work.part(STEPS.max(STEPS_PER_CELL * cells)),
            cells,
        }
    }

    /// Counts what a round looks at beside the flow.
    fn spend_round(&self) {
        self.work.spend(ROUND_STEPS_PER_CELL * self.cells);
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
