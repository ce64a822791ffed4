//! The network of a room: which node is which session, and which circuit in which slot.

use crate::flow::{Classes, Powers};
use crate::model::Model;
use crate::network::{ArcId, Network, NetworkBuilder};
use crate::room::Room;

pub(crate) enum Direction<'c> {
    /// From the source through the sessions into the grid at a slot.
    SessionToGrid(&'c Classes),
    /// Every arc turned round: from the grid at any slot into a session.
    GridToSession,
}

/// A network with the meaning of its nodes.
pub(crate) struct Wiring {
    pub(crate) network: Network,
    pub(crate) source: u32,
    pub(crate) sessions: Vec<u32>,
    pub(crate) grid: Vec<u32>,
    /// The node by circuit and slot; a circuit whose limit cannot bind shares that above it.
    pub(crate) entry: Vec<Vec<u32>>,
    /// The arc of the limit by circuit and slot, where it has a node of its own.
    pub(crate) limit_arcs: Vec<Vec<Option<ArcId>>>,
    /// The arc into each session; none when the network is turned round.
    pub(crate) need_arcs: Vec<ArcId>,
    /// The arcs of each session and slot of its window.
    arcs: Vec<Vec<Arc>>,
}

impl Wiring {
    pub(crate) fn new(model: &Model<'_>, room: &Room, direction: &Direction<'_>) -> Self {
        let turned = matches!(direction, Direction::GridToSession);
        let mut builder = NetworkBuilder::default();
        let add = |builder: &mut NetworkBuilder, tail, head, capacity| {
            let (tail, head) = if turned { (head, tail) } else { (tail, head) };
            builder.add_arc(tail, head, capacity)
        };
        let source = builder.add_node();
        let sessions: Vec<u32> = model.sessions.iter().map(|_| builder.add_node()).collect();
        let (entry, limit_arcs) = circuit_nodes(model, room, &mut builder, add);
        let mut need_arcs = Vec::new();
        let grid = entry[room.root].clone();
        match direction {
            Direction::SessionToGrid(classes) => {
                let class_nodes = class_nodes(classes, source, &mut builder);
                for (session, node) in sessions.iter().enumerate() {
                    let class = class_nodes[classes.of_session[session]];
                    need_arcs.push(builder.add_arc(class, *node, room.need[session]));
                }
            }
            Direction::GridToSession => {
                for (slot, node) in grid.iter().enumerate() {
                    builder.add_arc(source, *node, room.free[room.root][slot]);
                }
            }
        }
        // The first arc of a node is tried first: what the previous plan had, then who leaves first.
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        order.sort_by_key(|session| model.sessions[*session].to);
        let mut arcs: Vec<Vec<Arc>> = vec![Vec::new(); sessions.len()];
        for session in order.iter().copied() {
            let it = &model.sessions[session];
            let heads = &entry[room.circuit_of[session]][it.from..it.to];
            for (offset, head) in heads.iter().enumerate() {
                let most = room.high[session][offset];
                let again = it.previous_at(it.from + offset).min(most);
                let kept = (again > 0).then(|| add(&mut builder, sessions[session], *head, again));
                arcs[session].push(Arc { kept, more: None });
            }
        }
        for session in order {
            let it = &model.sessions[session];
            for (slot, arc) in (it.from..it.to).zip(&mut arcs[session]) {
                let most = room.high[session][slot - it.from];
                let more = most - it.previous_at(slot).min(most);
                let head = entry[room.circuit_of[session]][slot];
                arc.more = (more > 0).then(|| add(&mut builder, sessions[session], head, more));
            }
        }
        Self {
            network: builder.build(),
            source,
            sessions,
            grid,
            entry,
            limit_arcs,
            need_arcs,
            arcs,
        }
    }

    pub(crate) fn powers(&self) -> Powers {
        let flow = |arc: Option<ArcId>| arc.map_or(0, |arc| self.network.flow(arc));
        let power = |arc: &Arc| flow(arc.kept) + flow(arc.more);
        self.arcs
            .iter()
            .map(|arcs| arcs.iter().map(power).collect())
            .collect()
    }
}

/// What a session may draw in a slot: as much as in the previous plan, and more than that.
#[derive(Debug, Clone, Copy)]
struct Arc {
    kept: Option<ArcId>,
    more: Option<ArcId>,
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

/// What a circuit is in every slot: a node, and the arc that carries its limit.
type Nodes = (Vec<Vec<u32>>, Vec<Vec<Option<ArcId>>>);

/// The node by circuit and slot where its sessions come in: its own where its limit can bind, else
/// that of the circuit above.
fn circuit_nodes(
    model: &Model<'_>,
    room: &Room,
    builder: &mut NetworkBuilder,
    add: impl Fn(&mut NetworkBuilder, u32, u32, i64) -> ArcId,
) -> Nodes {
    let most = room.most_below(model);
    let mut entry: Vec<Vec<u32>> = vec![Vec::new(); room.parent.len()];
    let mut arcs: Vec<Vec<Option<ArcId>>> = vec![Vec::new(); room.parent.len()];
    for circuit in room.top_down.iter().copied() {
        let Some(parent) = room.parent[circuit] else {
            entry[circuit] = (0..model.slots).map(|_| builder.add_node()).collect();
            continue;
        };
        for slot in 0..model.slots {
            let above = entry[parent][slot];
            let free = room.free[circuit][slot];
            let own = (most[circuit][slot] > free).then(|| builder.add_node());
            arcs[circuit].push(own.map(|node| add(builder, node, above, free)));
            entry[circuit].push(own.unwrap_or(above));
        }
    }
    (entry, arcs)
}
