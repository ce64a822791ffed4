//! Counts work that is under way, so that a simulated clock can wait until all is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A shared count of things under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    inner: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

/// One thing under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Busy {
    inner: Arc<Counts>,
}

impl Activity {
    /// Something begins.
    pub fn begin(&self) -> Busy {
        self.inner.under_way.fetch_add(1, Ordering::SeqCst);
        self.inner.begun.fetch_add(1, Ordering::SeqCst);
        Busy {
            inner: self.inner.clone(),
        }
    }

    /// True while nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.inner.under_way.load(Ordering::SeqCst) == 0
    }

    /// How many things ever began: if it stays the same between two idle looks, nothing began in
    /// between.
    pub fn begun(&self) -> u64 {
        self.inner.begun.load(Ordering::SeqCst)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.inner.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}
