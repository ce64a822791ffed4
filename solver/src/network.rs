//! A flow network with integer capacities, and the search for more flow into one node.

const NO_LEVEL: u32 = u32::MAX;

/// An arc, in the order it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArcId(u32);

/// Collects the arcs of a network.
#[derive(Debug, Default)]
pub(crate) struct NetworkBuilder {
    nodes: u32,
    ends: Vec<(u32, u32)>,
    capacity: Vec<i64>,
}

impl NetworkBuilder {
    pub(crate) fn add_node(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "validation bounds the arcs below 2^31"
    )]
    pub(crate) fn add_arc(&mut self, tail: u32, head: u32, capacity: i64) -> ArcId {
        self.ends.push((tail, head));
        self.capacity.push(capacity.max(0));
        ArcId(self.ends.len() as u32 - 1)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "validation bounds the arcs below 2^31"
    )]
    pub(crate) fn build(self) -> Network {
        let nodes = self.nodes as usize;
        let mut first = vec![0_u32; nodes + 1];
        for (tail, head) in &self.ends {
            first[*tail as usize + 1] += 1;
            first[*head as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut next = first.clone();
        let mut halves = vec![0_u32; self.ends.len() * 2];
        let mut other_end = vec![0_u32; self.ends.len() * 2];
        let mut room = vec![0_i64; self.ends.len() * 2];
        for (arc, (tail, head)) in self.ends.iter().enumerate() {
            other_end[arc * 2] = *head;
            other_end[arc * 2 + 1] = *tail;
            room[arc * 2] = self.capacity[arc];
            for (node, half) in [(*tail, arc * 2), (*head, arc * 2 + 1)] {
                halves[next[node as usize] as usize] = half as u32;
                next[node as usize] += 1;
            }
        }
        Network {
            first,
            halves,
            other_end,
            room,
            dead: vec![false; nodes],
            level: vec![NO_LEVEL; nodes],
            cursor: vec![0; nodes],
            queue: Vec::with_capacity(nodes),
            path: Vec::new(),
        }
    }
}

/// A network and the flow in it. Each arc is two halves: `2a` from tail to head, `2a + 1` back;
/// `room` of a half is how much more can go its way.
#[derive(Debug)]
pub(crate) struct Network {
    first: Vec<u32>,
    halves: Vec<u32>,
    other_end: Vec<u32>,
    room: Vec<i64>,
    /// Nodes no more flow can ever enter (see [`Self::push_into`]).
    dead: Vec<bool>,
    level: Vec<u32>,
    cursor: Vec<u32>,
    queue: Vec<u32>,
    path: Vec<u32>,
}

impl Network {
    pub(crate) fn flow(&self, arc: ArcId) -> i64 {
        self.room[arc.0 as usize * 2 + 1]
    }

    /// How much more an arc can carry.
    pub(crate) fn room(&self, arc: ArcId) -> i64 {
        self.room[arc.0 as usize * 2]
    }

    /// Gives each node the value of the first of `starts` from which a unit could reach it.
    pub(crate) fn spread_forward(&self, starts: &[(f64, u32)]) -> Vec<Option<f64>> {
        self.spread(starts, |half| self.room[half] > 0)
    }

    /// Gives each node the value of the first of `starts` that a unit in it could reach.
    pub(crate) fn spread_backward(&self, starts: &[(f64, u32)]) -> Vec<Option<f64>> {
        self.spread(starts, |half| self.room[half ^ 1] > 0)
    }

    fn spread(&self, starts: &[(f64, u32)], open: impl Fn(usize) -> bool) -> Vec<Option<f64>> {
        let mut values = vec![None; self.dead.len()];
        let mut found = Vec::new();
        for (value, start) in starts {
            if values[*start as usize].is_none() {
                values[*start as usize] = Some(*value);
                found.push(*start);
            }
            while let Some(node) = found.pop() {
                for index in self.first[node as usize]..self.first[node as usize + 1] {
                    let half = self.halves[index as usize] as usize;
                    let next = self.other_end[half];
                    if open(half) && values[next as usize].is_none() {
                        values[next as usize] = Some(*value);
                        found.push(next);
                    }
                }
            }
        }
        values
    }

    /// Sends up to `most` more flow from `source` into `target`, along shortest paths found
    /// backwards from `target` (Dinic's method), and returns how much went.
    ///
    /// When a search from `target` fails, no arc with room leads into the nodes it saw. A later
    /// path would have to enter that set to change it, and cannot; so those nodes are dead for
    /// good, and all failing searches of the network's life together see each arc once.
    pub(crate) fn push_into(&mut self, target: u32, source: u32, most: i64) -> i64 {
        let mut sent = 0;
        while sent < most && !self.dead[target as usize] {
            if !self.find_levels(target, source) {
                for seen in &self.queue {
                    self.dead[*seen as usize] = true;
                }
                break;
            }
            sent += self.fill_levels(target, source, most - sent);
        }
        sent
    }

    /// Levels = distance to `target` against the arcs with room; true when `source` is reached.
    fn find_levels(&mut self, target: u32, source: u32) -> bool {
        for seen in self.queue.drain(..) {
            self.level[seen as usize] = NO_LEVEL;
        }
        self.level[target as usize] = 0;
        self.cursor[target as usize] = self.first[target as usize];
        self.queue.push(target);
        let mut at = 0;
        while at < self.queue.len() {
            let node = self.queue[at] as usize;
            at += 1;
            for index in self.first[node]..self.first[node + 1] {
                let half = self.halves[index as usize] as usize;
                let next = self.other_end[half] as usize;
                if self.room[half ^ 1] > 0 && self.level[next] == NO_LEVEL && !self.dead[next] {
                    self.level[next] = self.level[node] + 1;
                    self.cursor[next] = self.first[next];
                    self.queue.push(self.other_end[half]);
                    if self.other_end[half] == source {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn fill_levels(&mut self, target: u32, source: u32, most: i64) -> i64 {
        let mut sent = 0;
        let mut node = target;
        self.path.clear();
        while sent < most {
            if node == source {
                let least = self
                    .path
                    .iter()
                    .map(|half| self.room[(half ^ 1) as usize])
                    .min();
                let amount = least.unwrap_or_default().min(most - sent);
                for half in self.path.drain(..) {
                    self.room[(half ^ 1) as usize] -= amount;
                    self.room[half as usize] += amount;
                }
                sent += amount;
                node = target;
            } else if let Some(half) = self.step(node) {
                self.path.push(half);
                node = self.other_end[half as usize];
            } else {
                self.level[node as usize] = NO_LEVEL - 1;
                let Some(half) = self.path.pop() else { break };
                node = self.other_end[(half ^ 1) as usize];
            }
        }
        sent
    }

    /// The next half at `node` whose opposite has room and leads one level further from the target.
    fn step(&mut self, node: u32) -> Option<u32> {
        let here = node as usize;
        while self.cursor[here] < self.first[here + 1] {
            let half = self.halves[self.cursor[here] as usize];
            let next = self.other_end[half as usize] as usize;
            if self.room[(half ^ 1) as usize] > 0 && self.level[next] == self.level[here] + 1 {
                return Some(half);
            }
            self.cursor[here] += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_is_rerouted_when_the_first_path_stands_in_the_way() {
        // a may use both slots, b only slot 0. Slot 0 filled from a first must be given back to b.
        let mut builder = NetworkBuilder::default();
        let [source, a, b, slot0, slot1] = std::array::from_fn(|_| builder.add_node());
        builder.add_arc(source, a, 5);
        builder.add_arc(source, b, 5);
        let a0 = builder.add_arc(a, slot0, 5);
        let a1 = builder.add_arc(a, slot1, 5);
        let b0 = builder.add_arc(b, slot0, 5);
        let mut network = builder.build();
        assert_eq!(network.push_into(slot0, source, 5), 5);
        assert_eq!(network.flow(a0), 5);
        assert_eq!(network.push_into(slot1, source, 9), 5);
        assert_eq!(
            (network.flow(a0), network.flow(a1), network.flow(b0)),
            (0, 5, 5)
        );
        assert_eq!(network.push_into(slot1, source, 9), 0);
    }
}
