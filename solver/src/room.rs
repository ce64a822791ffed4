//! What the flow may use: a tree of limits, and the bounds of each session in each slot.

use std::collections::BTreeSet;

use crate::headroom::Headroom;
use crate::milliwatts;
use crate::model::{Model, Need, SIXTHS};
use crate::phases;

/// Limits and bounds of one flow, in mW and mW slots. The tree is that of the model, or (where
/// phases couple) one copy of it for each class of sessions on the same phases.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Parent of each circuit of the tree.
    pub(crate) parent: Vec<Option<usize>>,
    /// The tree, parents before children.
    pub(crate) top_down: Vec<usize>,
    /// The root of the tree: the grid connection.
    pub(crate) root: usize,
    /// The circuit each session draws from.
    pub(crate) circuit_of: Vec<usize>,
    /// What is free by circuit and slot.
    pub(crate) free: Vec<Vec<i64>>,
    /// Surplus at the grid by slot: as far as it reaches, energy costs the export price.
    pub(crate) surplus: Vec<i64>,
    /// What batteries and vehicles feed in at the grid beyond what may be fed in, by slot: they do
    /// so for charging to use it, so it goes before everything else.
    pub(crate) owed: Vec<i64>,
    /// Least power by session and slot of its window.
    pub(crate) low: Vec<Vec<i64>>,
    /// Most power by session and slot of its window.
    pub(crate) high: Vec<Vec<i64>>,
    /// Energy to draw by session.
    pub(crate) need: Vec<i64>,
}

impl Room {
    /// All that the model gives.
    pub(crate) fn of(model: &Model<'_>) -> Self {
        Self::within(model, &Headroom::of(model))
    }

    /// What a headroom leaves. Phase limits count where all sessions below load the same phases,
    /// as a limit on their sum.
    pub(crate) fn within(model: &Model<'_>, headroom: &Headroom) -> Self {
        let window = |it: &Need, value| vec![value; it.to.saturating_sub(it.from)];
        let parent: Vec<Option<usize>> = model.circuits.iter().map(|it| it.parent).collect();
        let mut top_down: Vec<usize> = (0..parent.len()).collect();
        top_down.sort_by_key(|circuit| model.circuits[*circuit].depth);
        Self {
            parent,
            top_down,
            root: model.root,
            circuit_of: model.sessions.iter().map(|it| it.circuit).collect(),
            free: free_with_phases(model, headroom),
            surplus: surplus(model, headroom),
            owed: owed(model, headroom),
            low: model.sessions.iter().map(|it| window(it, 0)).collect(),
            high: model
                .sessions
                .iter()
                .map(|it| window(it, it.max_mw))
                .collect(),
            need: model.sessions.iter().map(|it| it.energy).collect(),
        }
    }

    /// A room whose sessions are split into classes by the phases they load: the grid connection,
    /// and below it one copy of the whole tree for each class. `most` gives what the class may
    /// draw in a circuit and slot; together these must respect every limit.
    pub(crate) fn split_by_phases(
        model: &Model<'_>,
        headroom: &Headroom,
        most: impl Fn(u8, usize, usize) -> i64,
    ) -> Self {
        let mut room = Self::within(model, headroom);
        let grid = room.free[model.root].clone();
        let classes: BTreeSet<u8> = model.sessions.iter().map(phases::mask).collect();
        let circuits = model.circuits.len();
        (room.parent, room.free, room.top_down) = (vec![None], vec![grid], vec![0]);
        for (copy, class) in classes.iter().enumerate() {
            let first = 1 + copy * circuits;
            for (circuit, node) in model.circuits.iter().enumerate() {
                room.parent
                    .push(Some(node.parent.map_or(0, |parent| first + parent)));
                room.free.push(
                    (0..model.slots)
                        .map(|slot| most(*class, circuit, slot))
                        .collect(),
                );
            }
            let mut order: Vec<usize> = (0..circuits).collect();
            order.sort_by_key(|circuit| model.circuits[*circuit].depth);
            room.top_down
                .extend(order.into_iter().map(|circuit| first + circuit));
            for (session, it) in model.sessions.iter().enumerate() {
                if phases::mask(it) == *class {
                    room.circuit_of[session] = first + it.circuit;
                }
            }
        }
        room.root = 0;
        room
    }

    /// The circuit and all above it, upwards.
    pub(crate) fn upwards(&self, circuit: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(circuit), |here| self.parent[*here])
    }

    /// The sum of most powers below each circuit by slot.
    pub(crate) fn most_below(&self, model: &Model<'_>) -> Vec<Vec<i64>> {
        let mut most = vec![vec![0_i64; model.slots]; self.parent.len()];
        for (session, it) in model.sessions.iter().enumerate() {
            let sums = &mut most[self.circuit_of[session]][it.from..];
            for (high, sum) in self.high[session].iter().zip(sums) {
                *sum = sum.saturating_add(*high);
            }
        }
        for circuit in self.top_down.iter().rev() {
            if let Some(parent) = self.parent[*circuit] {
                let below = std::mem::take(&mut most[*circuit]);
                for (sum, below) in most[parent].iter_mut().zip(&below) {
                    *sum = sum.saturating_add(*below);
                }
                most[*circuit] = below;
            }
        }
        most
    }
}

fn free_with_phases(model: &Model<'_>, headroom: &Headroom) -> Vec<Vec<i64>> {
    let masks = phases::masks_below(model);
    let mut free = headroom.free.clone();
    for (circuit, free) in free.iter_mut().enumerate() {
        if let Some(phase_free) = &headroom.phase_free[circuit]
            && masks[circuit].is_power_of_two()
        {
            let mask = masks[circuit].trailing_zeros();
            for phase in (0..3).filter(|phase| mask & (1 << phase) != 0) {
                for (free, phase_free) in free.iter_mut().zip(&phase_free[phase]) {
                    *free =
                        (*free).min(phase_free.div_euclid(SIXTHS / i64::from(mask.count_ones())));
                }
            }
        }
        for free in free {
            *free = (*free).max(0);
        }
    }
    free
}

/// How far what is planned already is below the feed-in limit of the grid connection.
fn owed(model: &Model<'_>, headroom: &Headroom) -> Vec<i64> {
    let root = &model.circuits[model.root];
    let planned = |slot: usize| root.free_mw[slot] - headroom.free[model.root][slot];
    (0..model.slots)
        .map(|slot| (-planned(slot) - root.feed_in_mw[slot]).max(0))
        .collect()
}

/// What the base load and whatever is planned already feed in at the grid.
fn surplus(model: &Model<'_>, headroom: &Headroom) -> Vec<i64> {
    let root = &model.circuits[model.root];
    (0..model.slots)
        .map(|slot| {
            let planned = root.free_mw[slot] - headroom.free[model.root][slot];
            (-milliwatts::ceil(root.base_kw[slot]) - planned).max(0)
        })
        .collect()
}
