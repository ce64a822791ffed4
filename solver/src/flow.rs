//! The exact method for problems whose cost depends on the slot alone.
//!
//! Energy runs session -> (session, slot) -> nested circuits at the slot -> grid at the slot. The
//! slot totals that can be reached form a polymatroid, so taking the price steps in rising order
//! and filling each as far as a flow allows gives the least cost at the most energy.
//! docs/formulation.md has the proof.

use crate::model::Model;
use crate::network::{Network, Step};
use crate::room::Room;
use crate::work::Work;

/// Power by session and slot of its window, in mW.
pub(crate) type Powers = Vec<Vec<i64>>;

/// Steps of building a network, for each slot of a window.
const BUILD_STEPS_PER_CELL: u64 = 20;

/// A flow that has found its place. It can be changed and settled again, at the cost of the change.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) network: Network,
    steps: Vec<Step>,
    wanted: i64,
    weights: Weights,
}

/// Classes of equal weight, heaviest first.
#[derive(Debug, Clone)]
struct Weights {
    class_of: Vec<usize>,
    count: usize,
}

impl Settled {
    /// The most energy (weighted by priority) at the least cost.
    pub(crate) fn new(model: &Model<'_>, room: &Room, work: &Work<'_>) -> Self {
        let wanted = room
            .need
            .iter()
            .fold(0_i64, |sum, need| sum.saturating_add((*need).max(0)));
        let mut settled = Self {
            network: Network::new(model, room),
            steps: price_steps(model, room),
            wanted,
            weights: Weights::of(model),
        };
        settled.network.start_from_before();
        work.spend(BUILD_STEPS_PER_CELL * model.cells());
        settled.settle(work);
        settled
    }

    /// Finds the best flow again after the network was changed.
    pub(crate) fn settle(&mut self, work: &Work<'_>) {
        self.settle_alike(work);
        if self.is_weighed() {
            let before = self.begin(work);
            self.settle_by_weight();
            self.end(work, before);
        }
    }

    /// The most energy at the least cost, whoever gets it.
    pub(crate) fn settle_alike(&mut self, work: &Work<'_>) {
        let before = self.begin(work);
        self.network.free_classes();
        self.network.settle(&self.steps);
        self.end(work, before);
    }

    fn begin(&mut self, work: &Work<'_>) -> u64 {
        self.network.limit_work(work.left());
        self.network.work()
    }

    fn end(&self, work: &Work<'_>, before: u64) {
        work.spend(self.network.work() - before);
    }

    /// True where sessions of different weight compete for energy.
    pub(crate) fn is_weighed(&self) -> bool {
        self.network.drawn() < self.wanted && self.weights.count > 1
    }

    /// Heavier classes come first; holding each class to what it gets then, while the slots are
    /// filled in the order of prices, forces exactly these amounts.
    fn settle_by_weight(&mut self) {
        let Weights { class_of, count } = &self.weights;
        self.network.clear();
        self.network.hold_classes(class_of, *count);
        for class in 0..*count {
            self.network.saturate_class(class);
        }
        self.network.settle(&self.steps);
    }
}

/// Equal but for binary noise.
pub(crate) fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

impl Weights {
    fn of(model: &Model<'_>) -> Self {
        let mut order: Vec<usize> = (0..model.sessions.len()).collect();
        order.sort_by(|a, b| {
            model.sessions[*b]
                .weight
                .total_cmp(&model.sessions[*a].weight)
        });
        let mut class_of = vec![0; order.len()];
        let mut count = 0;
        let mut last_weight = f64::NAN;
        for session in order {
            let weight = model.sessions[session].weight;
            if !same(weight, last_weight) {
                count += 1;
                last_weight = weight;
            }
            class_of[session] = count - 1;
        }
        Self { class_of, count }
    }
}

/// The price steps in rising order; earlier slots first where prices are equal.
fn price_steps(model: &Model<'_>, room: &Room) -> Vec<Step> {
    let mut steps = Vec::with_capacity(model.slots);
    for slot in 0..model.slots {
        let owed = room.owed[slot].max(0);
        let surplus = room.surplus[slot].max(owed);
        let (export, import) = (model.export_price(slot), model.import_price(slot));
        if owed > 0 {
            let price = f64::NEG_INFINITY;
            let upto = owed;
            steps.push(Step { price, slot, upto });
        }
        if surplus > owed {
            let (price, upto) = (export, surplus);
            steps.push(Step { price, slot, upto });
        }
        let (price, upto) = (import, i64::MAX);
        steps.push(Step { price, slot, upto });
    }
    steps.sort_by(|a, b| a.price.total_cmp(&b.price).then(a.slot.cmp(&b.slot)));
    steps
}
