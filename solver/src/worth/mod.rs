//! Energy where it is worth most: the linear program for wants that are not certain.
//!
//! Where it is certain when a session ends and what it takes, only the price of a slot counts, and
//! [`crate::solve`] is exact. Where it is not, a kWh of one session is worth less the later it comes
//! (the car may be gone) and the less it is likely to be needed. Then
//!
//! ```text
//! maximise    sum over i, k, t of  worth[i,k,t] x[i,k,t]  -  sum over i, t of  strain[i,t](x[i,.,t])
//! subject to  sum over t of x[i,k,t] <= energy[i,k]            every part k of a want i
//!             sum over k of x[i,k,t] <= most[i,t]              every want in every slot
//!             sum of x below c at t  <= free[c,t]              every circuit, a tree
//!             x >= 0
//! ```
//!
//! `strain` makes much at once worth less: it rises with the share of `most` in quarters, the first
//! of which is free, each further one dearer than the one before by the same amount.
//!
//! It is a network with costs: source -> part -> want in slot -> circuit in slot -> ... -> sink. It
//! is solved in whole units by cheapest augmenting paths, so its optimum is exact, and the same
//! input gives the same answer everywhere. Slots may differ in length: energies are per slot.

mod cheapest;
#[cfg(test)]
mod tests;

use self::cheapest::{ArcId, Network, NodeId};

/// Wants that compete for energy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Number of slots.
    pub slots: usize,
    /// The tree of limits; a parent stands before its children.
    pub circuits: Vec<Supply>,
    /// Who wants.
    pub wants: Vec<Want>,
}

/// What a circuit can carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Index of the circuit above; `None` for the grid connection.
    pub parent: Option<usize>,
    /// Most energy by slot.
    pub free: Vec<u32>,
}

/// One who wants energy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Index of the circuit.
    pub circuit: usize,
    /// Most energy by slot.
    pub most: Vec<u32>,
    /// By how much each further quarter of `most` is worth less, by slot; where it is absent, nothing.
    pub strain: Vec<i32>,
    /// Parts that are not worth the same.
    pub parts: Vec<Part>,
}

/// A part of a want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How much of it there is.
    pub energy: u32,
    /// What a unit is worth, by slot; where it is not above 0, none is given.
    pub worth: Vec<i32>,
}

/// The energies of most worth, by want and slot. `work` bounds the number of augmentations; what was
/// found until then is given.
pub fn most_worth(problem: &Wants, work: usize) -> Vec<Vec<u32>> {
    let slots = problem.slots;
    let mut network = Network::default();
    let source = network.node();
    let sink = network.node();
    let supplies: Vec<Vec<NodeId>> = problem
        .circuits
        .iter()
        .map(|_| (0..slots).map(|_| network.node()).collect())
        .collect();
    for (circuit, nodes) in problem.circuits.iter().zip(&supplies) {
        for (slot, node) in nodes.iter().enumerate() {
            let above = circuit
                .parent
                .and_then(|parent| supplies.get(parent))
                .map_or(sink, |parent| parent[slot]);
            let free = circuit.free.get(slot).copied().unwrap_or(0);
            network.arc(*node, above, free, 0);
        }
    }
    let places: Vec<Vec<Vec<ArcId>>> = problem
        .wants
        .iter()
        .map(|want| {
            let Some(supply) = supplies.get(want.circuit) else {
                return vec![Vec::new(); slots];
            };
            let parts: Vec<NodeId> = want
                .parts
                .iter()
                .map(|part| {
                    let node = network.node();
                    network.arc(source, node, part.energy, 0);
                    node
                })
                .collect();
            (0..slots)
                .map(|slot| {
                    let most = want.most.get(slot).copied().unwrap_or(0);
                    let useful = |part: &Part| part.worth.get(slot).is_some_and(|worth| *worth > 0);
                    if most == 0 || !want.parts.iter().any(useful) {
                        return Vec::new();
                    }
                    let place = network.node();
                    for (part, node) in want.parts.iter().zip(&parts).filter(|(p, _)| useful(p)) {
                        network.arc(*node, place, u32::MAX, -i64::from(part.worth[slot]));
                    }
                    let strain = want.strain.get(slot).copied().unwrap_or(0);
                    if strain == 0 {
                        return vec![network.arc(place, supply[slot], most, 0)];
                    }
                    (0..4)
                        .map(|quarter| {
                            let room = most / 4 + u32::from(quarter < most % 4);
                            let cost = i64::from(strain) * i64::from(quarter);
                            network.arc(place, supply[slot], room, cost)
                        })
                        .collect()
                })
                .collect()
        })
        .collect();
    network.fill(source, sink, work);
    places
        .into_iter()
        .map(|places| {
            let flow = |arcs: Vec<ArcId>| arcs.into_iter().map(|arc| network.flow(arc)).sum();
            places.into_iter().map(flow).collect()
        })
        .collect()
}
