//! The exact method for problems whose cost depends on the slot alone.
//!
//! Energy runs source -> session -> (session, slot) -> nested circuits at the slot -> grid at the
//! slot. The slot totals that can be reached form a polymatroid, so taking the price steps in
//! rising order and filling each as far as a flow allows gives the least cost at the most energy.
//! docs/formulation.md has the proof.

use crate::model::Model;
use crate::network::{ArcId, Network, NetworkBuilder};
use crate::room::Room;

/// Power by session and slot of its window, in mW.
pub(crate) type Powers = Vec<Vec<i64>>;

/// One step of the price of energy in a slot.
#[derive(Debug, Clone, Copy)]
struct PriceStep {
    price: f64,
    slot: usize,
    most: i64,
}

/// The most energy (weighted by priority) at the least cost.
pub(crate) fn plan(model: &Model<'_>, room: &Room) -> Powers {
    let left = room.without_low(model);
    let wanted = left
        .need
        .iter()
        .fold(0_i64, |sum, need| sum.saturating_add((*need).max(0)));
    let alike = Classes::alike(model);
    let mut powers = cheapest(model, &left, &alike);
    let planned: i64 = powers.iter().flatten().sum();
    let one_weight = model
        .sessions
        .windows(2)
        .all(|two| same(two[0].weight, two[1].weight));
    if planned < wanted && !one_weight {
        powers = cheapest(model, &left, &Classes::by_weight(model, &left));
    }
    for (power, low) in powers.iter_mut().flatten().zip(room.low.iter().flatten()) {
        *power += low;
    }
    powers
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
}

/// Sessions of equal weight, and how much each class gets; one class without limit at first.
struct Classes {
    of_session: Vec<usize>,
    most: Vec<i64>,
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
fn cheapest(model: &Model<'_>, room: &Room, classes: &Classes) -> Powers {
    let mut wiring = Wiring::new(model, room, &Direction::SessionToGrid(classes));
    for step in price_steps(model, room) {
        let grid = wiring.grid[step.slot];
        wiring.network.push_into(grid, wiring.source, step.most);
    }
    wiring.powers()
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

enum Direction<'c> {
    /// From the source through the sessions into the grid at a slot.
    SessionToGrid(&'c Classes),
    /// Every arc turned round: from the grid at any slot into a session.
    GridToSession,
}

/// A network with the meaning of its nodes.
struct Wiring {
    network: Network,
    source: u32,
    sessions: Vec<u32>,
    grid: Vec<u32>,
    /// The arc of each session and slot of its window.
    arcs: Vec<Vec<ArcId>>,
}

impl Wiring {
    fn new(model: &Model<'_>, room: &Room, direction: &Direction<'_>) -> Self {
        let turned = matches!(direction, Direction::GridToSession);
        let mut builder = NetworkBuilder::default();
        let add = |builder: &mut NetworkBuilder, tail, head, capacity| {
            let (tail, head) = if turned { (head, tail) } else { (tail, head) };
            builder.add_arc(tail, head, capacity)
        };
        let source = builder.add_node();
        let sessions: Vec<u32> = model.sessions.iter().map(|_| builder.add_node()).collect();
        let entry = circuit_nodes(model, room, &mut builder, add);
        let grid = entry[room.root].clone();
        match direction {
            Direction::SessionToGrid(classes) => {
                let class_nodes = class_nodes(classes, source, &mut builder);
                for (session, node) in sessions.iter().enumerate() {
                    let class = class_nodes[classes.of_session[session]];
                    builder.add_arc(class, *node, room.need[session]);
                }
            }
            Direction::GridToSession => {
                for (slot, node) in grid.iter().enumerate() {
                    builder.add_arc(source, *node, room.free[room.root][slot]);
                }
            }
        }
        // The first arc of a node is tried first: who leaves first goes first.
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        order.sort_by_key(|session| model.sessions[*session].to);
        let mut arcs = vec![Vec::new(); sessions.len()];
        for session in order {
            let it = &model.sessions[session];
            arcs[session] = (it.from..it.to)
                .map(|slot| {
                    let most = room.high[session][slot - it.from];
                    add(
                        &mut builder,
                        sessions[session],
                        entry[room.circuit_of[session]][slot],
                        most,
                    )
                })
                .collect();
        }
        Self {
            network: builder.build(),
            source,
            sessions,
            grid,
            arcs,
        }
    }

    fn powers(&self) -> Powers {
        let flows = |arcs: &Vec<ArcId>| arcs.iter().map(|arc| self.network.flow(*arc)).collect();
        self.arcs.iter().map(flows).collect()
    }
}

/// A node for each class that holds a bound; the source itself for one that does not.
fn class_nodes(classes: &Classes, source: u32, builder: &mut NetworkBuilder) -> Vec<u32> {
    let mut nodes = Vec::with_capacity(classes.most.len());
    for most in &classes.most {
        if *most == i64::MAX {
            nodes.push(source);
        } else {
            let node = builder.add_node();
            builder.add_arc(source, node, *most);
            nodes.push(node);
        }
    }
    nodes
}

/// The node by circuit and slot where its sessions come in: its own where its limit can bind, else
/// that of the circuit above.
fn circuit_nodes(
    model: &Model<'_>,
    room: &Room,
    builder: &mut NetworkBuilder,
    add: impl Fn(&mut NetworkBuilder, u32, u32, i64) -> ArcId,
) -> Vec<Vec<u32>> {
    let most = room.most_below(model);
    let mut entry: Vec<Vec<u32>> = vec![Vec::new(); room.parent.len()];
    for circuit in room.top_down.iter().copied() {
        entry[circuit] = match room.parent[circuit] {
            None => (0..model.slots).map(|_| builder.add_node()).collect(),
            Some(parent) => (0..model.slots)
                .map(|slot| {
                    let above = entry[parent][slot];
                    let free = room.free[circuit][slot];
                    if most[circuit][slot] <= free {
                        return above;
                    }
                    let node = builder.add_node();
                    add(builder, node, above, free);
                    node
                })
                .collect(),
        };
    }
    entry
}
