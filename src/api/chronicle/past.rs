//! What a span of the past was, for reports to others.

use chrono::TimeDelta;

use super::Chronicle;
use crate::domain::dispatch::Measured;
use crate::domain::id::{EvseId, SiteKey};
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// A register that was not read for longer than this around a border is an estimate.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// A span of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// What the EVSEs drew.
    pub measured: Measured,
    /// Their highest minute; `None` where no minute is known.
    pub peak: Option<Power>,
    /// The lowest limit of the root; `None` where none is known.
    pub limit: Option<Power>,
}

impl Chronicle {
    /// What is remembered of `[from, to)` at the EVSEs that count; the peak is that of all of them.
    pub fn past(
        &self,
        site: &SiteKey,
        (from, to): (Time, Time),
        counts: &dyn Fn(&EvseId) -> bool,
    ) -> Past {
        self.read(site, |chronicle| {
            let within = || {
                let samples = chronicle.power.samples();
                samples.filter(|it| it.at().is_some_and(|at| at >= from && at < to))
            };
            Past {
                measured: chronicle.registers.of(counts, from, to, PATIENCE),
                peak: within().map(|it| Power::from_watts(it.evses_w)).max(),
                limit: within()
                    .filter_map(|it| it.limit_w)
                    .min()
                    .map(Power::from_watts),
            }
        })
    }
}
