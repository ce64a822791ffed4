//! Flows of least cost by successive cheapest paths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A node of a [`Network`].
pub(super) type NodeId = usize;
/// An arc of a [`Network`].
pub(super) type ArcId = usize;

/// Farther than any path: costs are sums of a few 32-bit numbers.
const FAR: i64 = i64::MAX / 4;

/// Arcs come in pairs: an arc and, right behind it, the way back.
#[derive(Clone, Copy, Debug)]
struct Arc {
    to: NodeId,
    room: u32,
    cost: i64,
}

/// A network without cycles, each arc with a capacity and a cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    arcs: Vec<Arc>,
    out: Vec<Vec<ArcId>>,
}

impl Network {
    pub(super) fn node(&mut self) -> NodeId {
        self.out.push(Vec::new());
        self.out.len() - 1
    }

    pub(super) fn arc(&mut self, from: NodeId, to: NodeId, room: u32, cost: i64) -> ArcId {
        let id = self.arcs.len();
        self.arcs.push(Arc { to, room, cost });
        self.arcs.push(Arc {
            to: from,
            room: 0,
            cost: -cost,
        });
        self.out[from].push(id);
        self.out[to].push(id + 1);
        id
    }

    /// What flows through an arc.
    pub(super) fn flow(&self, arc: ArcId) -> u32 {
        self.arcs[arc + 1].room
    }

    /// Sends flow from `source` to `sink` as long as more of it lowers the cost, along `most` paths
    /// at most.
    pub(super) fn fill(&mut self, source: NodeId, sink: NodeId, most: usize) {
        // Reduced costs `cost + level[from] - level[to]` are never negative where there is room.
        let mut level = self.first_levels(source);
        for _ in 0..most {
            let (distance, before) = self.distances(source, sink, &level);
            let reached = distance[sink];
            // The true length of the path; the source's level is 0 throughout.
            if reached >= FAR || reached + level[sink] >= 0 {
                return;
            }
            for (level, distance) in level.iter_mut().zip(&distance) {
                *level += (*distance).min(reached);
            }
            self.send(source, sink, &before);
        }
    }

    /// The lengths of the cheapest paths, by relaxing until nothing moves: the network has no
    /// cycles and few layers.
    fn first_levels(&self, source: NodeId) -> Vec<i64> {
        let mut level = vec![FAR; self.out.len()];
        level[source] = 0;
        let mut layer = vec![source];
        // Bounded: no path is longer than the number of nodes.
        for _ in 0..self.out.len() {
            let mut next = Vec::new();
            for node in layer {
                for id in &self.out[node] {
                    let arc = &self.arcs[*id];
                    if arc.room > 0 && level[node] + arc.cost < level[arc.to] {
                        level[arc.to] = level[node] + arc.cost;
                        next.push(arc.to);
                    }
                }
            }
            next.sort_unstable();
            next.dedup();
            if next.is_empty() {
                break;
            }
            layer = next;
        }
        for level in &mut level {
            // Nobody comes there, and nobody ever will.
            if *level == FAR {
                *level = 0;
            }
        }
        level
    }

    /// Reduced distances from the source as far as the sink, and by which arc each node is reached.
    fn distances(&self, source: NodeId, sink: NodeId, level: &[i64]) -> (Vec<i64>, Vec<ArcId>) {
        let mut distance = vec![FAR; self.out.len()];
        let mut before = vec![usize::MAX; self.out.len()];
        let mut queue = BinaryHeap::new();
        distance[source] = 0;
        queue.push(Reverse((0, source)));
        while let Some(Reverse((reached, node))) = queue.pop() {
            if reached > distance[node] {
                continue;
            }
            if node == sink {
                break;
            }
            for id in &self.out[node] {
                let arc = &self.arcs[*id];
                if arc.room == 0 {
                    continue;
                }
                let there = reached + arc.cost + level[node] - level[arc.to];
                if there < distance[arc.to] {
                    distance[arc.to] = there;
                    before[arc.to] = *id;
                    queue.push(Reverse((there, arc.to)));
                }
            }
        }
        (distance, before)
    }

    fn send(&mut self, source: NodeId, sink: NodeId, before: &[ArcId]) {
        let mut amount = u32::MAX;
        let mut node = sink;
        while node != source {
            let id = before[node];
            amount = amount.min(self.arcs[id].room);
            node = self.arcs[id ^ 1].to;
        }
        let mut node = sink;
        while node != source {
            let id = before[node];
            // An arc without a limit keeps none.
            if self.arcs[id].room != u32::MAX {
                self.arcs[id].room -= amount;
            }
            let back = &mut self.arcs[id ^ 1].room;
            *back = back.saturating_add(amount);
            node = self.arcs[id ^ 1].to;
        }
    }
}
