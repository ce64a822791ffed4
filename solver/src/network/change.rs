//! Changing a network that carries a flow: what no longer fits is taken out, the rest stays.

use super::{Class, GRID, Network, UNBOUNDED};

impl Network {
    /// Takes out everything above the least powers.
    pub(crate) fn clear(&mut self) {
        for place in 0..self.sessions.len() {
            let it = self.sessions[place];
            for slot in it.from..it.to {
                let cell = self.cell(place, slot);
                let above = self.flow[cell] - self.low[cell];
                self.withdraw(place, slot, above);
            }
        }
    }

    /// Starts from the plan before, as far as it fits.
    pub(crate) fn start_from_before(&mut self) {
        if self.before.is_empty() {
            return;
        }
        for place in 0..self.sessions.len() {
            let it = self.sessions[place];
            for slot in it.from..it.to {
                let cell = self.cell(place, slot);
                let it = self.sessions[place];
                let more = (self.before[cell].min(self.high[cell]) - self.flow[cell])
                    .min(it.need - it.got)
                    .min(self.least_slack(it.circuit, slot, None));
                if more > 0 {
                    self.draw(place, slot, more);
                    self.gain(place, more);
                }
            }
        }
    }

    /// Sets the bounds of a session in a slot; what is above the upper one is taken out. A flow
    /// below the lower one is for [`Self::lift`] to mend.
    pub(crate) fn bound(&mut self, session: usize, slot: usize, low: i64, high: i64) {
        let place = self.place_of[session];
        let cell = self.cell(place, slot);
        self.low[cell] = low;
        self.high[cell] = high;
        let over = self.flow[cell] - high;
        self.withdraw(place, slot, over);
        self.mark(place, slot);
    }

    /// Raises a session in a slot to its least power. Whatever is in the way gives way; the caller
    /// has seen to it that the least powers together fit every limit and every need.
    pub(crate) fn lift(&mut self, session: usize, slot: usize) {
        let place = self.place_of[session];
        let cell = self.cell(place, slot);
        let missing = self.low[cell] - self.flow[cell];
        if missing <= 0 {
            return;
        }
        let it = self.sessions[place];
        self.give_up(place, missing - (it.need - it.got));
        let mut here = Some(it.circuit);
        while let Some(circuit) = here {
            let over = missing - self.slack(circuit, slot);
            self.make_room(circuit, slot, over);
            here = self.circuits[circuit].parent;
        }
        self.draw(place, slot, missing);
        self.gain(place, missing);
    }

    /// Sets the limit of the grid connection; what is above is taken out.
    pub(crate) fn cap(&mut self, slot: usize, free: i64) {
        let node = self.node(GRID, slot);
        self.free[node] = free.max(0);
        self.make_room(GRID, slot, -self.slack(GRID, slot));
    }

    /// Puts sessions into classes that draw no more than they have now in sum.
    pub(crate) fn hold_classes(&mut self, class_of: &[usize], count: usize) {
        let none = Class {
            left: 0,
            members: Vec::new(),
        };
        let mut classes = vec![none; count];
        for (place, it) in self.sessions.iter_mut().enumerate() {
            it.class = class_of[it.session];
            classes[it.class].members.push(place);
        }
        self.classes = classes;
        for place in 0..self.sessions.len() {
            self.reopen(place);
        }
    }

    /// Gives the sessions of one class as much as a flow allows, whatever the slot; no other session
    /// gets less than it had.
    pub(crate) fn saturate_class(&mut self, class: usize) {
        let members = self.classes[class].members.clone();
        self.classes[class].left = UNBOUNDED;
        for place in &members {
            self.reopen(*place);
        }
        self.saturate();
        self.classes[class].left = 0;
        for place in &members {
            self.reopen(*place);
        }
    }

    /// Lets all sessions want what they need.
    pub(crate) fn free_classes(&mut self) {
        self.classes = vec![Class {
            left: UNBOUNDED,
            members: Vec::new(),
        }];
        for place in 0..self.sessions.len() {
            self.sessions[place].class = 0;
            self.reopen(place);
        }
    }

    fn withdraw(&mut self, place: usize, slot: usize, amount: i64) {
        if amount > 0 {
            self.draw(place, slot, -amount);
            self.gain(place, -amount);
        }
    }

    /// Takes so much from a session, from its last slots first.
    fn give_up(&mut self, place: usize, mut amount: i64) {
        let it = self.sessions[place];
        for slot in (it.from..it.to).rev() {
            if amount <= 0 {
                break;
            }
            let cell = self.cell(place, slot);
            let part = (self.flow[cell] - self.low[cell]).clamp(0, amount);
            self.withdraw(place, slot, part);
            amount -= part;
        }
    }

    /// Takes so much out of a circuit in a slot, from who leaves last first.
    fn make_room(&mut self, circuit: usize, slot: usize, mut amount: i64) {
        let (from, to) = self.circuits[circuit].all;
        for place in (from..to).rev() {
            if amount <= 0 {
                break;
            }
            let it = self.sessions[place];
            if (it.from..it.to).contains(&slot) {
                let cell = self.cell(place, slot);
                let part = (self.flow[cell] - self.low[cell]).clamp(0, amount);
                self.withdraw(place, slot, part);
                amount -= part;
            }
        }
    }
}
