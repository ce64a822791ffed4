//! Counts what is under way with stations, so that a simulated clock can wait until all is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A shared count. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

/// One thing under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    counts: Arc<Counts>,
}

impl Work {
    pub(super) fn begin(&self) -> UnderWay {
        self.counts.under_way.fetch_add(1, Ordering::SeqCst);
        self.counts.begun.fetch_add(1, Ordering::SeqCst);
        UnderWay {
            counts: self.counts.clone(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.counts.under_way.load(Ordering::SeqCst) == 0
    }

    pub(super) fn begun(&self) -> u64 {
        self.counts.begun.load(Ordering::SeqCst)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.counts.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}
