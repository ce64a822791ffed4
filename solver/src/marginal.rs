//! What one more kWh of a limit would be worth: the right-hand derivative of the flow's cost.
//!
//! A unit let through a circuit comes from where it saves most (a session that is short, or a slot
//! that charges now) and goes where it costs least. Both are searches through the arcs with room,
//! dearest sources first one way, cheapest sinks first the other.

use crate::flow::Settled;
use crate::model::Model;
use crate::network::{Place, Values};
use crate::room::Room;

/// Times the dearest slot that a kWh not delivered counts, for these prices alone. Our choice.
const SHORTFALL_FACTOR: f64 = 10.0;
/// What it counts at least, per kWh.
const SHORTFALL_LEAST: f64 = 1.0;

/// What a kWh of weight 1 not delivered counts, per kWh.
pub(crate) fn shortfall_price(model: &Model<'_>) -> f64 {
    let dearest = (0..model.slots)
        .map(|slot| model.import_price(slot).abs())
        .fold(0.0, f64::max);
    (SHORTFALL_FACTOR * dearest).max(SHORTFALL_LEAST)
}

/// Worth of one more kWh of limit, by circuit of the room and slot, at a flow's plan.
pub(crate) fn shadow_prices(model: &Model<'_>, room: &Room, settled: &Settled) -> Vec<Vec<f64>> {
    let network = &settled.network;
    let saves = saves(model, room, settled);
    let costs = costs(model, room, settled);
    let mut shadow = vec![vec![0.0; model.slots]; room.parent.len()];
    for (circuit, shadow) in shadow.iter_mut().enumerate() {
        for (slot, shadow) in shadow.iter_mut().enumerate() {
            if !network.is_full(circuit, slot) {
                continue;
            }
            let cost = if circuit == room.root {
                Some(model.import_price(slot))
            } else {
                network.value_above(&costs, circuit, slot)
            };
            if let (Some(save), Some(cost)) = (network.value(&saves, circuit, slot), cost) {
                *shadow = (save - cost).max(0.0);
            }
        }
    }
    shadow
}

/// The most a unit entering each node would save; `None` where no unit can come from.
pub(crate) fn saves(model: &Model<'_>, room: &Room, settled: &Settled) -> Values {
    let price = shortfall_price(model);
    let network = &settled.network;
    let mut sources = Vec::new();
    for (session, it) in model.sessions.iter().enumerate() {
        if network.got(session) < network.need(session) {
            sources.push((price * it.weight, Place::Session(session)));
        }
    }
    for slot in 0..model.slots {
        let used = network.used(slot);
        if used > 0 {
            let saved = if used > room.surplus[slot] {
                model.import_price(slot)
            } else {
                model.export_price(slot)
            };
            sources.push((saved, Place::Grid(slot)));
        }
    }
    // Sorting keeps the order of equals.
    sources.sort_by(|a, b| b.0.total_cmp(&a.0));
    network.spread_forward(&sources)
}

/// The least it costs to let a unit out of each node; `None` where it cannot get out.
fn costs(model: &Model<'_>, room: &Room, settled: &Settled) -> Values {
    let network = &settled.network;
    let mut sinks = Vec::new();
    for slot in 0..model.slots {
        let used = network.used(slot);
        let node = Place::Grid(slot);
        if used < room.surplus[slot].min(room.free[room.root][slot]) {
            sinks.push((model.export_price(slot), node));
        } else if used < room.free[room.root][slot] {
            sinks.push((model.import_price(slot), node));
        }
    }
    // Where there is no room, a heavier session can still take a lighter one's place.
    let price = shortfall_price(model);
    for (session, it) in model.sessions.iter().enumerate() {
        if network.got(session) > 0 {
            sinks.push((price * it.weight, Place::Session(session)));
        }
    }
    sinks.sort_by(|a, b| a.0.total_cmp(&b.0));
    network.spread_backward(&sinks)
}
