//! What a unit of power could reach, and where it could come from, at the flow as it is.

use super::{GRID, Member, Network, UNBOUNDED};

/// Where a unit is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// With a session, by index of the model.
    Session(usize),
    /// At the grid in a slot.
    Grid(usize),
}

/// A value for every circuit and slot.
#[derive(Debug)]
pub(crate) struct Values {
    by_node: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Copy)]
enum Spot {
    Session(usize),
    Node(usize, usize),
}

/// The walk itself.
struct Walk {
    value: f64,
    sessions: Vec<bool>,
    values: Values,
    queue: Vec<Spot>,
}

impl Walk {
    fn new(network: &Network) -> Self {
        Self {
            value: 0.0,
            sessions: vec![false; network.sessions.len()],
            values: Values {
                by_node: vec![None; network.load.len()],
            },
            queue: Vec::new(),
        }
    }

    fn session(&mut self, place: usize) {
        if !self.sessions[place] {
            self.sessions[place] = true;
            self.queue.push(Spot::Session(place));
        }
    }

    fn node(&mut self, network: &Network, circuit: usize, slot: usize) {
        let value = &mut self.values.by_node[network.node(circuit, slot)];
        if value.is_none() {
            *value = Some(self.value);
            self.queue.push(Spot::Node(circuit, slot));
        }
    }
}

impl Network {
    /// Gives each circuit and slot the value of the first of `starts` from which a unit could reach
    /// it.
    pub(crate) fn spread_forward(&self, starts: &[(f64, Place)]) -> Values {
        self.spread(starts, true)
    }

    /// Gives each circuit and slot the value of the first of `starts` that a unit in it could reach.
    pub(crate) fn spread_backward(&self, starts: &[(f64, Place)]) -> Values {
        self.spread(starts, false)
    }

    /// The value of a circuit of the room in a slot; `None` too where its limit can never bind.
    pub(crate) fn value(&self, values: &Values, circuit: usize, slot: usize) -> Option<f64> {
        let branch = self.branch_of[circuit]?;
        values.by_node[self.node(branch, slot)]
    }

    /// The value of what is above a circuit of the room in a slot; `None` too above the grid.
    pub(crate) fn value_above(&self, values: &Values, circuit: usize, slot: usize) -> Option<f64> {
        let branch = self.branch_of[circuit]?;
        values.by_node[self.node(self.circuits[branch].parent?, slot)]
    }

    fn spread(&self, starts: &[(f64, Place)], forward: bool) -> Values {
        let mut walk = Walk::new(self);
        for (value, start) in starts {
            walk.value = *value;
            match *start {
                Place::Session(session) => walk.session(self.place_of[session]),
                Place::Grid(slot) => walk.node(self, GRID, slot),
            }
            while let Some(spot) = walk.queue.pop() {
                match spot {
                    Spot::Session(place) => {
                        self.spread_session(&mut walk, place, forward);
                    }
                    Spot::Node(circuit, slot) => {
                        self.spread_node(&mut walk, circuit, slot, forward);
                    }
                }
            }
        }
        walk.values
    }

    /// Forward: into the slots with room. Backward: from the slots it draws in.
    fn spread_session(&self, walk: &mut Walk, place: usize, forward: bool) {
        let it = &self.sessions[place];
        for slot in it.from..it.to {
            let cell = self.cell(place, slot);
            let open = if forward {
                self.flow[cell] < self.high[cell]
            } else {
                self.flow[cell] > self.low[cell]
            };
            if open {
                walk.node(self, it.circuit, slot);
            }
        }
        let class = &self.classes[it.class];
        if class.left == UNBOUNDED {
            return;
        }
        // Within a class one may get what the other gives up.
        let gives = |it: &Member| it.got > 0;
        let takes = |it: &Member| it.got < it.need;
        let leads = if forward { gives(it) } else { takes(it) };
        if leads {
            for other in class.members.iter().copied() {
                let other_it = &self.sessions[other];
                if (forward && takes(other_it)) || (!forward && gives(other_it)) {
                    walk.session(other);
                }
            }
        }
    }

    fn spread_node(&self, walk: &mut Walk, circuit: usize, slot: usize, forward: bool) {
        let branch = &self.circuits[circuit];
        let up = |circuit: usize| self.slack(circuit, slot) > 0;
        let down = |circuit: usize| self.load[self.node(circuit, slot)] > 0;
        if let Some(parent) = branch.parent
            && (if forward { up(circuit) } else { down(circuit) })
        {
            walk.node(self, parent, slot);
        }
        for child in branch.children.iter().copied() {
            if if forward { down(child) } else { up(child) } {
                walk.node(self, child, slot);
            }
        }
        for place in branch.own.0..branch.own.1 {
            let it = &self.sessions[place];
            if walk.sessions[place] || !(it.from..it.to).contains(&slot) {
                continue;
            }
            let cell = self.cell(place, slot);
            let open = if forward {
                self.flow[cell] > self.low[cell]
            } else {
                self.flow[cell] < self.high[cell]
            };
            if open {
                walk.session(place);
            }
        }
    }
}
