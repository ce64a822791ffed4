//! The exact method for problems whose cost depends on the slot alone.
//!
//! Energy runs source -> session -> (session, slot) -> nested circuits at the slot -> grid at the
//! slot. The slot totals that can be reached form a polymatroid, so taking the price steps in
//! rising order and filling each as far as a flow allows gives the least cost at the most energy.
//! docs/formulation.md has the proof.

use crate::model::Model;
use crate::room::Room;
use crate::wiring::{Direction, Wiring};

/// Power by session and slot of its window, in mW.
pub(crate) type Powers = Vec<Vec<i64>>;

/// One step of the price of energy in a slot.
#[derive(Debug, Clone, Copy)]
struct PriceStep {
    price: f64,
    slot: usize,
    most: i64,
}

/// A flow that has found its place, for questions about it.
pub(crate) struct Settled {
    pub(crate) wiring: Wiring,
    /// What comes from the grid by slot, in mW.
    pub(crate) used: Vec<i64>,
}

/// The most energy (weighted by priority) at the least cost.
pub(crate) fn plan(model: &Model<'_>, room: &Room) -> Powers {
    let mut powers = settle(model, &room.without_low(model)).wiring.powers();
    for (power, low) in powers.iter_mut().flatten().zip(room.low.iter().flatten()) {
        *power += low;
    }
    powers
}

/// The flow of a room without least powers.
pub(crate) fn settle(model: &Model<'_>, left: &Room) -> Settled {
    let wanted = left
        .need
        .iter()
        .fold(0_i64, |sum, need| sum.saturating_add((*need).max(0)));
    let alike = Classes::alike(model);
    let mut settled = cheapest(model, left, &alike);
    let planned: i64 = settled.used.iter().sum();
    let one_weight = model
        .sessions
        .windows(2)
        .all(|two| same(two[0].weight, two[1].weight));
    if planned < wanted && !one_weight {
        settled = cheapest(model, left, &Classes::by_weight(model, left));
    }
    settled
}

/// Equal but for binary noise.
pub(crate) fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

/// Sessions of equal weight, and how much each class gets; one class without limit at first.
pub(crate) struct Classes {
    pub(crate) of_session: Vec<usize>,
    pub(crate) most: Vec<i64>,
}

impl Classes {
    fn alike(model: &Model<'_>) -> Self {
        Self {
            of_session: vec![0; model.sessions.len()],
            most: vec![i64::MAX],
        }
    }

    /// How much each class gets when heavier ones come first. Holding each class to that amount
    /// while the sum is driven to its maximum forces exactly these amounts.
    fn by_weight(model: &Model<'_>, room: &Room) -> Self {
        let mut order: Vec<usize> = (0..model.sessions.len()).collect();
        order.sort_by(|a, b| {
            model.sessions[*b]
                .weight
                .total_cmp(&model.sessions[*a].weight)
        });
        let mut classes = Self {
            of_session: vec![0; order.len()],
            most: Vec::new(),
        };
        let mut wiring = Wiring::new(model, room, &Direction::GridToSession);
        let mut last_weight = f64::NAN;
        for session in order {
            let weight = model.sessions[session].weight;
            if !same(weight, last_weight) {
                classes.most.push(0);
                last_weight = weight;
            }
            let class = classes.most.len() - 1;
            let need = room.need[session].max(0);
            let node = wiring.sessions[session];
            let got = wiring.network.push_into(node, wiring.source, need);
            classes.of_session[session] = class;
            classes.most[class] += got;
        }
        classes
    }
}

/// Fills the price steps in rising order; earlier slots first where prices are equal.
fn cheapest(model: &Model<'_>, room: &Room, classes: &Classes) -> Settled {
    let mut wiring = Wiring::new(model, room, &Direction::SessionToGrid(classes));
    let mut used = vec![0; model.slots];
    for step in price_steps(model, room) {
        let grid = wiring.grid[step.slot];
        used[step.slot] += wiring.network.push_into(grid, wiring.source, step.most);
    }
    Settled { wiring, used }
}

fn price_steps(model: &Model<'_>, room: &Room) -> Vec<PriceStep> {
    let mut steps = Vec::with_capacity(model.slots);
    for slot in 0..model.slots {
        let free = room.free[room.root][slot].max(0);
        let owed = room.owed[slot].min(free);
        let surplus = room.surplus[slot].clamp(owed, free);
        let (export, import) = (model.export_price(slot), model.import_price(slot));
        let parts = [
            (f64::NEG_INFINITY, owed),
            (export, surplus - owed),
            (import, free - surplus),
        ];
        let parts = parts.into_iter().filter(|(_, most)| *most > 0);
        steps.extend(parts.map(|(price, most)| PriceStep { price, slot, most }));
    }
    steps.sort_by(|a, b| a.price.total_cmp(&b.price).then(a.slot.cmp(&b.slot)));
    steps
}
