//! What the platform may do wrong. All off by default; every fault is counted, none is random.

use chrono::TimeDelta;

/// How a platform refuses a profile at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `REJECTED`.
    Rejected,
    /// `TOO_OFTEN`.
    TooOften,
    /// `NOT_SUPPORTED`.
    NotSupported,
    /// `UNKNOWN_SESSION`.
    UnknownSession,
}

impl Refusal {
    pub(super) const fn as_wire(self) -> &'static str {
        match self {
            Self::Rejected => "REJECTED",
            Self::TooOften => "TOO_OFTEN",
            Self::NotSupported => "NOT_SUPPORTED",
            Self::UnknownSession => "UNKNOWN_SESSION",
        }
    }
}

/// Faults of a platform and its stations. `every: n` means the n-th, 2n-th, ... time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The result is never sent, though the profile is applied.
    pub lose_callback_every: Option<u32>,
    /// The result is sent twice.
    pub repeat_callback_every: Option<u32>,
    /// The profile is refused at once.
    pub refuse_every: Option<(u32, Refusal)>,
    /// The station says no later: the result is `REJECTED` and nothing is applied.
    pub reject_later_every: Option<u32>,
    /// Accepted and confirmed, but not applied.
    pub forget_profile_every: Option<u32>,
    /// The station is slower than [`super::CpoOptions::station_delay`] by this (virtual time).
    pub station_slower_by: Option<TimeDelta>,
    /// The result comes this much (virtual time) after the profile was applied.
    pub callback_later_by: Option<TimeDelta>,
    /// A push of a session is not sent at all.
    pub lose_push_every: Option<u32>,
}

/// Counts towards the n-th time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn(u32);

impl Turn {
    /// True the n-th, 2n-th, ... time it is asked.
    pub(super) fn is_due(&mut self, every: Option<u32>) -> bool {
        let Some(every) = every.filter(|every| *every > 0) else {
            return false;
        };
        self.0 = (self.0 + 1) % every;
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_every_nth_time_and_never_when_off() {
        let mut turn = Turn::default();
        let due: Vec<_> = (0..6).map(|_| turn.is_due(Some(3))).collect();
        assert_eq!(due, [false, false, true, false, false, true]);
        assert!((0..6).all(|_| !Turn::default().is_due(None)));
        assert!((0..6).all(|_| !Turn::default().is_due(Some(0))));
    }
}
