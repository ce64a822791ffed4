//! `from`, `to` and `resolution` of a query as windows of the clock.

use chrono::TimeDelta;

use super::problem::Faults;
use super::query::Query;
use crate::domain::duration::duration;
use crate::domain::time::{Horizon, Time};

/// Most windows of one answer: 40 days of five minutes are more.
pub(super) const MAX_WINDOWS: usize = 10_000;
/// Quarters of an hour, where nobody says.
const DEFAULT_S: u32 = 900;

/// Equal windows whose borders are multiples of their length since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) length: TimeDelta,
    /// As text, such as `PT15M`.
    pub(super) resolution: String,
    pub(super) all: Vec<(Time, Time)>,
}

impl Windows {
    /// Reads the three parameters; what is absent is `span`, in quarters of an hour. `grain_s` is the
    /// length of which a window must be a multiple.
    pub(super) fn of(
        query: &Query<'_>,
        faults: &Faults,
        span: (Time, Time),
        grain_s: u32,
    ) -> Option<Self> {
        let from = query.instant("from").unwrap_or(span.0);
        let to = query.instant("to").unwrap_or(span.1);
        let text = query.text("resolution");
        let grain = i64::from(grain_s.max(1));
        let default_s = (i64::from(DEFAULT_S).max(grain) + grain - 1) / grain * grain;
        let length_s = match text.map(|text| (text, duration(text))) {
            None => Some(default_s),
            Some((text, read)) => {
                let seconds = read.map_or(0, |length| length.num_seconds());
                let fits = (60..=86_400).contains(&seconds) && seconds % grain == 0;
                if !fits {
                    let detail = format!(
                        "is {text:?}; a duration of ISO 8601 up to P1D in steps of {grain} s is \
                         needed, like PT15M"
                    );
                    faults.add("?resolution", detail);
                }
                fits.then_some(seconds)
            }
        }?;
        if to <= from {
            faults.add("?to", format!("is {to}; it must lie after from ({from})"));
            return None;
        }
        let seconds = u32::try_from(length_s).ok()?;
        let count = usize::try_from((to - from).num_seconds() / length_s + 2).ok()?;
        if count > MAX_WINDOWS {
            faults.add(
                "?resolution",
                format!("gives more than {MAX_WINDOWS} slots"),
            );
            return None;
        }
        let horizon = Horizon::containing(from, seconds, count);
        let all = (0..count)
            .map(|index| (horizon.slot_start(index), horizon.slot_start(index + 1)))
            .filter(|(start, end)| *end > from && *start < to)
            .collect();
        Some(Self {
            length: horizon.slot(),
            resolution: text.map_or_else(|| iso(length_s), str::to_owned),
            all,
        })
    }
}

fn iso(seconds: i64) -> String {
    if seconds % 60 == 0 {
        format!("PT{}M", seconds / 60)
    } else {
        format!("PT{seconds}S")
    }
}
