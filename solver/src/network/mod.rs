//! The flow network of a room: who draws how much in which slot, and what is free above.
//!
//! Energy runs session -> (session, slot) -> circuit at the slot -> ... -> grid at the slot. The
//! network is kept as what it is, windows over slots under one tree of circuits, and not as a list
//! of arcs: which sessions could take more in a slot, and in which slots a session draws, are rows
//! of bits, so a search looks at 64 arcs at a time. Whatever is changed (a limit, a bound, a need),
//! the flow stays and only what no longer fits is taken out; filling it again costs what changed.

mod bits;
mod change;
mod search;
mod spread;

use crate::model::Model;
use crate::room::Room;

pub(crate) use spread::{Place, Values};

/// The circuit that is the grid connection.
const GRID: usize = 0;

/// As much as one likes.
const UNBOUNDED: i64 = i64::MAX;

/// A price step of a slot: up to this power, energy costs so much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) price: f64,
    pub(crate) slot: usize,
    /// End of the step, in mW from 0.
    pub(crate) upto: i64,
}

/// A network and the flow in it, in mW.
///
/// Inside, sessions are ordered so that those below a circuit are neighbours, who leaves first
/// coming first; circuits whose limit can never bind are left out.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    slots: usize,
    sessions: Vec<Member>,
    /// Place in `sessions` of each session of the model.
    place_of: Vec<usize>,
    circuits: Vec<Branch>,
    /// Circuit in here of each circuit of the room; `None` where it can never bind.
    branch_of: Vec<Option<usize>>,
    /// Bounds and flow by session and slot of its window, session after session.
    low: Vec<i64>,
    high: Vec<i64>,
    flow: Vec<i64>,
    /// What the plan before gave; empty without one.
    before: Vec<i64>,
    /// Limit and load by slot and circuit.
    free: Vec<i64>,
    load: Vec<i64>,
    /// Sum of the loads of the grid connection.
    drawn: i64,
    /// Classes of sessions that share an amount; one without bound at first.
    classes: Vec<Class>,
    /// By slot: the sessions that could take more.
    room: Vec<u64>,
    /// By session: the slots that could give something up.
    used: Vec<u64>,
    /// The sessions that still want energy and may have it.
    open: Vec<u64>,
    open_count: usize,
    search: search::Search,
}

/// A session.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// Its index in the model.
    session: usize,
    circuit: usize,
    from: usize,
    to: usize,
    /// Where its cells begin.
    first: usize,
    need: i64,
    got: i64,
    class: usize,
}

/// A circuit that can bind.
#[derive(Debug, Clone, Default)]
struct Branch {
    parent: Option<usize>,
    children: Vec<usize>,
    /// The sessions directly below: a range of `sessions`.
    own: (usize, usize),
    /// The sessions anywhere below.
    all: (usize, usize),
}

/// Sessions that together may draw so much more.
#[derive(Debug, Clone)]
struct Class {
    left: i64,
    members: Vec<usize>,
}

impl Network {
    /// The network of a room, each session at its least power.
    pub(crate) fn new(model: &Model<'_>, room: &Room) -> Self {
        let tree = Tree::of(model, room);
        let slots = model.slots;
        let mut cells = 0;
        let mut place_of = vec![0; model.sessions.len()];
        let mut sessions = Vec::with_capacity(tree.order.len());
        for (place, session) in tree.order.iter().copied().enumerate() {
            let it = &model.sessions[session];
            place_of[session] = place;
            sessions.push(Member {
                session,
                circuit: tree.circuit_of[session],
                from: it.from,
                to: it.to,
                first: cells,
                need: room.need[session].max(0),
                got: 0,
                class: 0,
            });
            cells += it.to - it.from;
        }
        let mut free = vec![0; slots * tree.branches.len()];
        for (circuit, branch) in tree.branch_of.iter().enumerate() {
            let Some(branch) = branch else { continue };
            for slot in 0..slots {
                free[slot * tree.branches.len() + branch] = room.free[circuit][slot].max(0);
            }
        }
        let has_before = model.sessions.iter().any(|it| !it.previous.is_empty());
        let mut network = Self {
            slots,
            place_of,
            search: search::Search::new(sessions.len(), tree.branches.len(), slots),
            low: vec![0; cells],
            high: vec![0; cells],
            flow: vec![0; cells],
            before: vec![0; if has_before { cells } else { 0 }],
            load: vec![0; free.len()],
            free,
            drawn: 0,
            classes: vec![Class {
                left: UNBOUNDED,
                members: Vec::new(),
            }],
            room: vec![0; slots * bits::words(sessions.len())],
            used: vec![0; sessions.len() * bits::words(slots)],
            open: vec![0; bits::words(sessions.len())],
            open_count: 0,
            sessions,
            circuits: tree.branches,
            branch_of: tree.branch_of,
        };
        for place in 0..network.sessions.len() {
            let member = network.sessions[place];
            for slot in member.from..member.to {
                let offset = slot - member.from;
                let cell = member.first + offset;
                network.low[cell] = room.low[member.session][offset];
                network.high[cell] = room.high[member.session][offset];
                if has_before {
                    network.before[cell] = model.sessions[member.session].previous_at(slot);
                }
                network.mark(place, slot);
                network.draw(place, slot, network.low[cell]);
            }
            network.gain(place, network.low_of(place));
        }
        network
    }

    /// Power by session and slot of its window.
    pub(crate) fn powers(&self) -> Vec<Vec<i64>> {
        let cells = |place: &usize| {
            let it = &self.sessions[*place];
            self.flow[it.first..it.first + it.to - it.from].to_vec()
        };
        self.place_of.iter().map(cells).collect()
    }

    /// What comes from the grid in a slot.
    pub(crate) fn used(&self, slot: usize) -> i64 {
        self.load[self.node(GRID, slot)]
    }

    /// What comes from the grid in all slots.
    pub(crate) fn drawn(&self) -> i64 {
        self.drawn
    }

    /// What a session has.
    pub(crate) fn got(&self, session: usize) -> i64 {
        self.sessions[self.place_of[session]].got
    }

    /// What a session wants.
    pub(crate) fn need(&self, session: usize) -> i64 {
        self.sessions[self.place_of[session]].need
    }

    /// True where the limit of a circuit of the room leaves nothing.
    pub(crate) fn is_full(&self, circuit: usize, slot: usize) -> bool {
        self.slack_of(circuit, slot) <= 0
    }

    /// What the limit of a circuit of the room leaves; no end to it where it can never bind.
    pub(crate) fn slack_of(&self, circuit: usize, slot: usize) -> i64 {
        self.branch_of[circuit].map_or(UNBOUNDED, |circuit| self.slack(circuit, slot))
    }

    /// Steps of work so far: rows looked at and powers changed.
    pub(crate) fn work(&self) -> u64 {
        self.search.work
    }

    /// Lets so many more steps be taken; beyond, slots are filled directly, without a search.
    pub(crate) fn limit_work(&mut self, more: u64) {
        self.search.work_limit = self.search.work.saturating_add(more);
    }

    fn node(&self, circuit: usize, slot: usize) -> usize {
        slot * self.circuits.len() + circuit
    }

    fn slack(&self, circuit: usize, slot: usize) -> i64 {
        let node = self.node(circuit, slot);
        self.free[node] - self.load[node]
    }

    fn cell(&self, place: usize, slot: usize) -> usize {
        let it = &self.sessions[place];
        it.first + slot - it.from
    }

    fn session_words(&self) -> usize {
        self.open.len()
    }

    fn slot_words(&self) -> usize {
        bits::words(self.slots)
    }

    fn low_of(&self, place: usize) -> i64 {
        let it = &self.sessions[place];
        self.low[it.first..it.first + it.to - it.from].iter().sum()
    }

    /// True if a session is below a circuit.
    fn is_below(&self, place: usize, circuit: usize) -> bool {
        let (from, to) = self.circuits[circuit].all;
        (from..to).contains(&place)
    }

    /// Brings the bits of a cell in line with its flow.
    #[inline]
    fn mark(&mut self, place: usize, slot: usize) {
        let cell = self.cell(place, slot);
        let flow = self.flow[cell];
        let row = slot * self.session_words();
        bits::put(&mut self.room[row..], place, flow < self.high[cell]);
        let row = place * self.slot_words();
        bits::put(&mut self.used[row..], slot, flow > self.low[cell]);
    }

    /// Changes the power of a session in a slot, and all loads above.
    #[inline]
    fn draw(&mut self, place: usize, slot: usize, more: i64) {
        if more == 0 {
            return;
        }
        let cell = self.cell(place, slot);
        self.flow[cell] += more;
        self.mark(place, slot);
        let mut circuit = self.sessions[place].circuit;
        loop {
            let node = self.node(circuit, slot);
            self.load[node] += more;
            let Some(parent) = self.circuits[circuit].parent else {
                break;
            };
            circuit = parent;
        }
        self.drawn += more;
    }

    /// Changes what a session has in sum, and whether it and its class want more.
    fn gain(&mut self, place: usize, more: i64) {
        self.sessions[place].got += more;
        let class = self.sessions[place].class;
        let left = self.classes[class].left;
        if left == UNBOUNDED || more == 0 {
            self.reopen(place);
            return;
        }
        self.classes[class].left = left - more;
        if (left <= 0) == (left - more <= 0) {
            self.reopen(place);
        } else {
            for index in 0..self.classes[class].members.len() {
                self.reopen(self.classes[class].members[index]);
            }
        }
    }

    fn reopen(&mut self, place: usize) {
        let it = &self.sessions[place];
        let open = it.got < it.need && self.classes[it.class].left > 0;
        if bits::get(&self.open, place) != open {
            bits::put(&mut self.open, place, open);
            if open {
                self.open_count += 1;
            } else {
                self.open_count -= 1;
            }
        }
    }
}

/// The circuits that can bind, and the order of sessions below them.
struct Tree {
    branches: Vec<Branch>,
    branch_of: Vec<Option<usize>>,
    /// Branch of each session.
    circuit_of: Vec<usize>,
    /// Sessions, neighbours below one circuit beside each other.
    order: Vec<usize>,
}

impl Tree {
    fn of(model: &Model<'_>, room: &Room) -> Self {
        let most = room.most_below(model);
        let mut branches = vec![Branch::default()];
        let mut branch_of: Vec<Option<usize>> = vec![None; room.parent.len()];
        // The branch at or above each circuit; parents come before children.
        let mut above = vec![GRID; room.parent.len()];
        branch_of[room.root] = Some(GRID);
        for circuit in room.top_down.iter().copied() {
            let Some(parent) = room.parent[circuit] else {
                continue;
            };
            above[circuit] = above[parent];
            let binds = most[circuit]
                .iter()
                .zip(&room.free[circuit])
                .any(|(most, free)| most > free);
            if binds {
                let branch = branches.len();
                branches[above[parent]].children.push(branch);
                branches.push(Branch {
                    parent: Some(above[parent]),
                    ..Branch::default()
                });
                branch_of[circuit] = Some(branch);
                above[circuit] = branch;
            }
        }
        let circuit_of: Vec<usize> = room.circuit_of.iter().map(|it| above[*it]).collect();
        let mut own: Vec<Vec<usize>> = vec![Vec::new(); branches.len()];
        for (session, circuit) in circuit_of.iter().enumerate() {
            own[*circuit].push(session);
        }
        let mut order = Vec::with_capacity(circuit_of.len());
        // Depth first, without recursion: trees may be deep.
        let mut ways = vec![(GRID, false)];
        while let Some((circuit, is_left)) = ways.pop() {
            if is_left {
                branches[circuit].all.1 = order.len();
                continue;
            }
            let from = order.len();
            own[circuit].sort_by_key(|session| model.sessions[*session].to);
            order.append(&mut own[circuit]);
            branches[circuit].own = (from, order.len());
            branches[circuit].all.0 = from;
            ways.push((circuit, true));
            let children = branches[circuit].children.iter().rev();
            ways.extend(children.map(|child| (*child, false)));
        }
        Self {
            branches,
            branch_of,
            circuit_of,
            order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_problem;
    use crate::work::Work;

    /// Two cars below a site, hours as slots.
    fn settled(
        prices: [f64; 2],
        limits: [f64; 2],
        cars: [(usize, usize, f64); 2],
    ) -> Vec<Vec<i64>> {
        let car = |index: usize| {
            let (from, to, kwh) = cars[index];
            serde_json::json!({"id": index.to_string(), "circuit": "site", "arrival_slot": from,
                "departure_slot": to, "energy_kwh": kwh, "max_kw": 5.0})
        };
        let json = serde_json::json!({
            "schema_version": 1, "start": "2026-11-22T16:00:00Z", "slot_minutes": 60, "slots": 2,
            "import_price_per_kwh": prices,
            "circuits": [{"id": "site", "parent": null, "import_limit_kw": limits}],
            "sessions": [car(0), car(1)]});
        let problem = parse_problem(&json.to_string()).unwrap();
        let model = Model::new(&problem);
        let work = Work::new(None, &|| false);
        crate::flow::Settled::new(&model, &Room::of(&model), &work)
            .network
            .powers()
    }

    #[test]
    fn flow_is_rerouted_when_the_first_path_stands_in_the_way() {
        // The first may use both slots, the second only slot 0. Slot 0 filled from the first must
        // be given back to the second.
        let powers = settled([0.1, 0.2], [5.0, 5.0], [(0, 2, 5.0), (0, 1, 5.0)]);
        assert_eq!(powers, [vec![0, 5_000_000], vec![5_000_000]]);
    }

    #[test]
    fn a_changed_limit_moves_what_it_must_and_brings_it_back() {
        let json = r#"{"schema_version": 1, "start": "2026-11-22T16:00:00Z", "slot_minutes": 60,
            "slots": 2, "import_price_per_kwh": [0.1, 0.2],
            "circuits": [{"id": "site", "parent": null, "import_limit_kw": 10.0}],
            "sessions": [{"id": "car", "circuit": "site", "arrival_slot": 0, "departure_slot": 2,
                "energy_kwh": 4.0, "max_kw": 5.0}]}"#;
        let problem = parse_problem(json).unwrap();
        let model = Model::new(&problem);
        let work = Work::new(None, &|| false);
        let mut settled = crate::flow::Settled::new(&model, &Room::of(&model), &work);
        assert_eq!(settled.network.powers(), [vec![4_000_000, 0]]);
        settled.network.cap(0, 1_000_000);
        settled.settle(&work);
        assert_eq!(settled.network.powers(), [vec![1_000_000, 3_000_000]]);
        settled.network.cap(0, 10_000_000);
        settled.settle(&work);
        assert_eq!(settled.network.powers(), [vec![4_000_000, 0]]);
    }
}
