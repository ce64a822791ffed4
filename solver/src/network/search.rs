//! Filling slots: directly from who wants, then by rerouting what flows already.

use super::{GRID, Network, Step, UNBOUNDED, bits};

/// Nobody: a node that is the goal itself.
const NOBODY: u32 = u32::MAX;

/// What a search has seen, and what it found. Kept between searches for its memory.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// Sessions and nodes no more flow can ever enter (see [`Network::settle`]).
    dead_sessions: Vec<u64>,
    dead_nodes: Vec<u64>,
    seen_sessions: Vec<u64>,
    /// By circuit: the slots seen.
    seen_nodes: Vec<u64>,
    seen_classes: Vec<bool>,
    /// How a session was come to.
    session_by: Vec<By>,
    /// The session that would leave the slot, by slot and circuit.
    node_by: Vec<u32>,
    queue: Vec<Spot>,
    found: Vec<Source>,
    path: Vec<Move>,
    /// What each slot keeps.
    kept: Vec<i64>,
    kept_sum: i64,
    /// What slots hold beyond what they keep may move.
    may_move: bool,
    /// Steps so far, and how many there may be.
    pub(super) work: u64,
    pub(super) work_limit: u64,
}

#[derive(Debug, Clone, Copy)]
enum By {
    /// It would enter this slot.
    Slot(u32),
    /// It would leave its place in the class to this session.
    Class(u32),
}

#[derive(Debug, Clone, Copy)]
enum Spot {
    Session(u32),
    Node { circuit: u32, slot: u32 },
}

/// Where more flow could come from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A session that wants more.
    Session(usize),
    /// A slot that has more than it keeps.
    Slot(usize),
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Enter {
        place: usize,
        slot: usize,
    },
    Leave {
        place: usize,
        slot: usize,
    },
    /// `from` gives some of what it gets to `to`, of the same class.
    Swap {
        from: usize,
        to: usize,
    },
}

impl Search {
    pub(super) fn new(sessions: usize, circuits: usize, slots: usize) -> Self {
        let words = bits::words(sessions);
        let node_words = circuits * bits::words(slots);
        Self {
            dead_sessions: vec![0; words],
            dead_nodes: vec![0; node_words],
            seen_sessions: vec![0; words],
            seen_nodes: vec![0; node_words],
            seen_classes: Vec::new(),
            session_by: vec![By::Slot(0); sessions],
            node_by: vec![NOBODY; circuits * slots],
            queue: Vec::new(),
            found: Vec::new(),
            path: Vec::new(),
            kept: vec![0; slots],
            kept_sum: 0,
            may_move: false,
            work: 0,
            work_limit: u64::MAX,
        }
    }

    fn begin(&mut self, may_move: bool) {
        self.dead_sessions.fill(0);
        self.dead_nodes.fill(0);
        self.kept.fill(0);
        self.kept_sum = 0;
        self.may_move = may_move;
    }
}

impl Network {
    /// Fills the steps in their order, each as far as a flow allows: from sessions that want more,
    /// and with what later steps hold; never from what an earlier step has got.
    ///
    /// When a search for more into a step fails, nothing with room leads into what it saw. A later
    /// path would have to enter that set to change it, and cannot; so what it saw is dead for the
    /// rest of the filling, and all failing searches together see everything once.
    pub(crate) fn settle(&mut self, steps: &[Step]) {
        self.search.begin(true);
        for step in steps {
            let slot = step.slot;
            let most = self.free[self.node(GRID, slot)].min(step.upto);
            self.fill(slot, most);
            let kept = self.used(slot).min(step.upto);
            self.search.kept_sum += kept - self.search.kept[slot];
            self.search.kept[slot] = kept;
        }
    }

    /// Gives the sessions that want more as much as a flow allows, whatever the slot; no session
    /// gets less than it had.
    pub(super) fn saturate(&mut self) {
        self.search.begin(false);
        for slot in 0..self.slots {
            self.fill(slot, self.free[self.node(GRID, slot)]);
        }
    }

    fn fill(&mut self, slot: usize, most: i64) {
        if self.used(slot) >= most || !self.has_source_beside(slot) {
            return;
        }
        if self.open_count > 0 {
            if !self.before.is_empty() {
                self.pour(slot, most, true);
            }
            self.pour(slot, most, false);
        }
        while self.used(slot) < most
            && self.has_source_beside(slot)
            && self.search.work < self.search.work_limit
            && self.find(slot)
        {
            for index in 0..self.search.found.len() {
                self.augment(self.search.found[index], slot, most);
            }
        }
    }

    fn has_source_beside(&self, slot: usize) -> bool {
        let here = self.used(slot) - self.search.kept[slot];
        self.open_count > 0
            || (self.search.may_move && self.drawn - self.search.kept_sum - here > 0)
    }

    /// Gives to those who want more and may use the slot; `again`: no more than the plan before.
    fn pour(&mut self, slot: usize, most: i64, again: bool) {
        let row = slot * self.session_words();
        self.search.work += self.session_words() as u64;
        for word in 0..self.session_words() {
            let bits = self.room[row + word] & self.open[word];
            for place in bits::ones(word, bits) {
                let cell = self.cell(place, slot);
                let bound = if again {
                    self.before[cell].min(self.high[cell])
                } else {
                    self.high[cell]
                };
                let it = self.sessions[place];
                let amount = (bound - self.flow[cell])
                    .min(it.need - it.got)
                    .min(self.classes[it.class].left)
                    .min(most - self.used(slot))
                    .min(self.least_slack(it.circuit, slot, None));
                if amount > 0 {
                    self.draw(place, slot, amount);
                    self.gain(place, amount);
                    self.search.work += 4;
                    if self.used(slot) >= most {
                        return;
                    }
                }
            }
        }
    }

    /// The least free above, up to (and without) the first circuit the other session is below too.
    pub(super) fn least_slack(&self, circuit: usize, slot: usize, other: Option<usize>) -> i64 {
        let mut least = UNBOUNDED;
        let mut here = Some(circuit);
        while let Some(circuit) = here {
            if other.is_some_and(|other| self.is_below(other, circuit)) {
                break;
            }
            least = least.min(self.slack(circuit, slot));
            here = self.circuits[circuit].parent;
        }
        least
    }

    /// Searches backwards from the grid at a slot for somewhere more could come from.
    fn find(&mut self, slot: usize) -> bool {
        let search = &mut self.search;
        let row = GRID * bits::words(self.slots);
        if bits::get(&search.dead_nodes[row..], slot) {
            return false;
        }
        search.seen_sessions.copy_from_slice(&search.dead_sessions);
        search.seen_nodes.copy_from_slice(&search.dead_nodes);
        search.seen_classes.clear();
        search.seen_classes.resize(self.classes.len(), false);
        search.queue.clear();
        search.found.clear();
        search.work += (search.seen_sessions.len() + search.seen_nodes.len()) as u64;
        self.visit(GRID, slot, NOBODY);
        let mut at = 0;
        let mut until = usize::MAX;
        while at < self.search.queue.len().min(until) {
            match self.search.queue[at] {
                Spot::Session(place) => self.look_from(place as usize),
                Spot::Node { circuit, slot } => self.look_into(circuit as usize, slot as usize),
            }
            at += 1;
            // What is as near as the first is taken along.
            if until == usize::MAX && !self.search.found.is_empty() {
                until = self.search.queue.len();
            }
        }
        let search = &mut self.search;
        if search.found.is_empty() {
            search.dead_sessions.copy_from_slice(&search.seen_sessions);
            search.dead_nodes.copy_from_slice(&search.seen_nodes);
        }
        !search.found.is_empty()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "validation bounds circuits and slots below 2^32"
    )]
    fn visit(&mut self, circuit: usize, slot: usize, by: u32) {
        let row = circuit * self.slot_words();
        if bits::get(&self.search.seen_nodes[row..], slot) {
            return;
        }
        bits::put(&mut self.search.seen_nodes[row..], slot, true);
        let node = self.node(circuit, slot);
        self.search.node_by[node] = by;
        let more_than_kept = self.load[node] > self.search.kept[slot];
        if circuit == GRID && by != NOBODY && self.search.may_move && more_than_kept {
            self.search.found.push(Source::Slot(slot));
        }
        self.search.queue.push(Spot::Node {
            circuit: circuit as u32,
            slot: slot as u32,
        });
    }

    /// Who could enter here, and through which circuits beside.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validation bounds sessions and slots below 2^32"
    )]
    fn look_into(&mut self, circuit: usize, slot: usize) {
        let by = self.search.node_by[self.node(circuit, slot)];
        if let Some(parent) = self.circuits[circuit].parent {
            self.visit(parent, slot, by);
        }
        for index in 0..self.circuits[circuit].children.len() {
            let child = self.circuits[circuit].children[index];
            if self.slack(child, slot) > 0 {
                self.visit(child, slot, by);
            }
        }
        let (from, to) = self.circuits[circuit].own;
        let row = slot * self.session_words();
        let search = &mut self.search;
        for (word, mask) in bits::spans(from, to) {
            search.work += 1;
            let new = self.room[row + word] & mask & !search.seen_sessions[word];
            search.seen_sessions[word] |= new;
            for place in bits::ones(word, new) {
                search.session_by[place] = By::Slot(slot as u32);
                if bits::get(&self.open, place) {
                    search.found.push(Source::Session(place));
                } else {
                    search.queue.push(Spot::Session(place as u32));
                }
            }
        }
    }

    /// Which slots a session could leave, and who of its class could take less for it.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validation bounds sessions below 2^32"
    )]
    fn look_from(&mut self, place: usize) {
        let it = self.sessions[place];
        let class = &self.classes[it.class];
        if class.left != UNBOUNDED && it.got < it.need && !self.search.seen_classes[it.class] {
            self.search.seen_classes[it.class] = true;
            self.search.work += class.members.len() as u64;
            for other in class.members.iter().copied() {
                if !bits::get(&self.search.seen_sessions, other) {
                    bits::put(&mut self.search.seen_sessions, other, true);
                    self.search.session_by[other] = By::Class(place as u32);
                    self.search.queue.push(Spot::Session(other as u32));
                }
            }
        }
        let words = self.slot_words();
        for (word, mask) in bits::spans(it.from, it.to) {
            self.search.work += 1;
            let seen = self.search.seen_nodes[it.circuit * words + word];
            let new = self.used[place * words + word] & mask & !seen;
            for slot in bits::ones(word, new) {
                self.visit(it.circuit, slot, place as u32);
            }
        }
    }

    /// Moves as much as fits along the way from a source to the goal.
    fn augment(&mut self, source: Source, goal: usize, most: i64) {
        let mut amount = most - self.used(goal);
        let mut path = std::mem::take(&mut self.search.path);
        path.clear();
        let mut place = match source {
            Source::Session(place) => {
                let it = &self.sessions[place];
                let left = self.classes[it.class].left;
                amount = amount.min(it.need - it.got).min(left);
                place
            }
            Source::Slot(slot) => {
                amount = amount.min(self.used(slot) - self.search.kept[slot]);
                let place = self.search.node_by[self.node(GRID, slot)] as usize;
                path.push(Move::Leave { place, slot });
                amount = amount.min(self.above_low(place, slot));
                place
            }
        };
        loop {
            match self.search.session_by[place] {
                By::Class(to) => {
                    let from = place;
                    place = to as usize;
                    let it = &self.sessions[place];
                    amount = amount.min(it.need - it.got);
                    path.push(Move::Swap { from, to: place });
                }
                By::Slot(slot) => {
                    let slot = slot as usize;
                    let it = &self.sessions[place];
                    let cell = self.cell(place, slot);
                    amount = amount.min(self.high[cell] - self.flow[cell]);
                    path.push(Move::Enter { place, slot });
                    let by = self.search.node_by[self.node(it.circuit, slot)];
                    let leaves = (by != NOBODY).then_some(by as usize);
                    amount = amount.min(self.least_slack(it.circuit, slot, leaves));
                    let Some(leaves) = leaves else { break };
                    place = leaves;
                    amount = amount.min(self.above_low(place, slot));
                    path.push(Move::Leave { place, slot });
                }
            }
        }
        if amount > 0 {
            if let Source::Session(place) = source {
                self.gain(place, amount);
            }
            for step in &path {
                match *step {
                    Move::Enter { place, slot } => self.draw(place, slot, amount),
                    Move::Leave { place, slot } => self.draw(place, slot, -amount),
                    Move::Swap { from, to } => {
                        self.sessions[from].got -= amount;
                        self.sessions[to].got += amount;
                        self.reopen(from);
                        self.reopen(to);
                    }
                }
            }
        }
        self.search.work += 4 * path.len() as u64;
        self.search.path = path;
    }

    /// What a session could give up in a slot.
    fn above_low(&self, place: usize, slot: usize) -> i64 {
        let cell = self.cell(place, slot);
        self.flow[cell] - self.low[cell]
    }
}
