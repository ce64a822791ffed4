//! Requests that something newer has overtaken and that may still come into force.
//!
//! Over OCPI two requests travel on connections of their own, and behind the platform lies a
//! queue of its own to the charger. So "a newer profile is applied" does not show that an older
//! request, whose outcome nobody told us, will not be applied after it. It counts until something
//! *later* than its last chance is shown to hold.
//!
//! What is assumed of a peer, and nothing more (see docs/safety.md):
//! - a request takes effect, if it does, within [`LATE_S`] of the moment at which we stopped
//!   waiting for it, or of the end of the time the peer asked for;
//! - of two requests where the peer took the first before the second left and told the result of
//!   the first before that of the second, the second is the one that holds;
//! - a request that was refused or told to be applied takes no effect after that.
//!
//! A station of our own hears us over one ordered connection: there, what is newer holds.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::CommandId;
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::time::Time;

/// How long after we stopped waiting a request may still take effect, in seconds: 15 minutes.
pub const LATE_S: i64 = 15 * 60;

/// Most of them kept apart per EVSE; beyond, the oldest two count as one.
pub const MAX_LATE: usize = 16;

/// Most periods of what stands for several of them.
const MAX_PERIODS: usize = 256;

/// Stands for "whatever the hardware can": 100 MA or 100 MW.
const ANYTHING: Tenths = Tenths(1_000_000_000);

/// How the peer tells us what became of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One ordered connection: what is newer is applied later (OCPP).
    Kept,
    /// Requests may overtake each other (OCPI).
    Open,
}

impl Order {
    /// How an EVSE is reached.
    pub(super) fn of(evse: &Evse) -> Self {
        match evse.source {
            EvseSource::Ocpi { .. } => Self::Open,
            EvseSource::Ocpp { .. } => Self::Kept,
        }
    }
}

/// A request, or what was found in force, that something newer has overtaken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// What it installs; `None`: nothing of ours.
    pub profile: Option<Profile>,
    /// The command, unless it was found there.
    pub command: Option<CommandId>,
    /// It does not come into force after this; `None`: it may at any time.
    pub until: Option<Time>,
}

impl Late {
    /// True if what was asked for at `since`, and holds, has put an end to it.
    pub(super) fn is_overtaken(&self, since: Time) -> bool {
        self.until.is_some_and(|until| until <= since)
    }

    /// Either of the two: what is allowed under it is what is allowed under one of them, and no
    /// more, so that keeping one more raises no bound.
    fn or(self, other: Self) -> Self {
        Self {
            profile: match (self.profile, other.profile) {
                (Some(one), Some(other)) => Some(higher(&one, &other)),
                (Some(one), None) | (None, Some(one)) => Some(anything(&one)),
                (None, None) => None,
            },
            command: None,
            until: self
                .until
                .zip(other.until)
                .map(|(one, other)| one.max(other)),
        }
    }
}

/// A profile that allows at each instant what the more generous of two allows; where no profile can
/// say that, one that allows anything.
fn higher(one: &Profile, other: &Profile) -> Profile {
    if one.unit != other.unit || one.duration_s.is_some() || other.duration_s.is_some() {
        return anything(one);
    }
    let start = one.start.min(other.start);
    let nothing = |profile: &Profile, at| profile.limit_at(at).unwrap_or(Tenths(0));
    let mut instants: Vec<Time> = one.steps().chain(other.steps()).map(|(at, _)| at).collect();
    instants.sort_unstable();
    instants.dedup();
    let mut periods: Vec<ProfilePeriod> = Vec::with_capacity(instants.len());
    for at in instants {
        let limit = nothing(one, at).max(nothing(other, at));
        let offset = u32::try_from((at - start).num_seconds()).ok();
        let is_whole = at == start + TimeDelta::seconds((at - start).num_seconds());
        match offset {
            Some(start_s) if is_whole => {
                if periods.last().is_none_or(|last| last.limit != limit) {
                    periods.push(ProfilePeriod { start_s, limit });
                }
            }
            _ => return anything(one),
        }
    }
    if periods.len() > MAX_PERIODS {
        return anything(one);
    }
    Profile {
        unit: one.unit,
        start,
        periods,
        duration_s: None,
    }
}

fn anything(profile: &Profile) -> Profile {
    Profile {
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: ANYTHING,
        }],
        duration_s: None,
        ..profile.clone()
    }
}

/// Keeps one more, within [`MAX_LATE`].
pub(super) fn keep(late: &mut Vec<Late>, one: Late) {
    late.push(one);
    if late.len() > MAX_LATE {
        let (oldest, next) = (late.remove(0), late.remove(0));
        late.insert(0, oldest.or(next));
    }
}

/// When a request of which we heard nothing more at `heard_at`, and whose result the peer promised
/// until `deadline`, can take effect for the last time.
pub(super) fn last_chance(heard_at: Time, deadline: Option<Time>) -> Time {
    deadline.map_or(heard_at, |deadline| deadline.max(heard_at)) + TimeDelta::seconds(LATE_S)
}
