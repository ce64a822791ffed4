//! How much work a plan may take, counted in steps that are the same on every machine.

use std::cell::Cell;

/// Counts work, and knows when it is enough.
pub(crate) struct Work<'s> {
    limit: u64,
    spent: Cell<u64>,
    was_refused: Cell<bool>,
    should_stop: &'s dyn Fn() -> bool,
}

impl<'s> Work<'s> {
    /// Work up to `limit`; `should_stop` is the net outside of it.
    pub(crate) fn new(limit: Option<u64>, should_stop: &'s dyn Fn() -> bool) -> Self {
        Self {
            limit: limit.unwrap_or(u64::MAX),
            spent: Cell::new(0),
            was_refused: Cell::new(false),
            should_stop,
        }
    }

    /// True once the limit is reached or the caller says stop.
    pub(crate) fn is_over(&self) -> bool {
        self.left() == 0 || (self.should_stop)()
    }

    /// True where so much work can still be done; remembers where not.
    pub(crate) fn affords(&self, steps: u64) -> bool {
        let affords = self.left() >= steps;
        if !affords {
            self.was_refused.set(true);
        }
        affords
    }

    /// True where the plan is not what it would be with more work.
    pub(crate) fn has_cut_off(&self) -> bool {
        self.was_refused.get() || self.is_over()
    }

    pub(crate) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.spent.get())
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent.get()
    }

    pub(crate) fn spend(&self, steps: u64) {
        self.spent.set(self.spent.get().saturating_add(steps));
    }

    /// A part of this work with a limit of its own, never more than what is left.
    pub(crate) fn part(&self, limit: u64) -> u64 {
        self.spent.get().saturating_add(limit.min(self.left()))
    }
}
