//! The life cycle of profiles at one EVSE: sent, pending, applied, refused, unknown.
//!
//! ```text
//! issued --NotSent--> forgotten              (surely never arrived)
//!        --Refused--> forgotten              (surely not applied)
//!        --Accepted-> pending --deadline--> unknown   (old and new both count)
//!        --Unknown--> unknown --read back--> applied | still unknown
//!        --Applied--> confirmed; everything issued before it is superseded
//! ```
//! Invariants I1 and I5 rest on this file: until something *shows* that a lower profile is
//! applied, the higher one before it counts as well.

use serde::{Deserialize, Serialize};

use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::id::{CommandId, SessionId};
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// Most unanswered profiles kept per EVSE; dispatch sends nothing more while so many are open.
pub const MAX_OUTSTANDING: usize = 8;

/// A profile that is shown to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The profile.
    pub profile: Profile,
    /// The session it lapses with.
    pub session: Option<SessionId>,
    /// The command that set it, unless it was found there.
    pub command: Option<CommandId>,
    /// What shows it.
    pub evidence: Evidence,
    /// Since when we know.
    pub at: Time,
}

/// A command that left, or may have left, and is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding {
    /// The command.
    pub command: Command,
    /// When silence becomes "unknown"; `None` while not even the synchronous answer is in.
    pub deadline: Option<Time>,
    /// The peer's answer was lost, or its time is up.
    pub unknown: bool,
}

/// What holds at one EVSE, as far as we know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// Shown to be applied.
    pub confirmed: Option<Confirmed>,
    /// Sent and not settled, oldest first.
    pub outstanding: Vec<Outstanding>,
    /// A read that is under way.
    pub reading: Option<Outstanding>,
    /// The newest read ever asked for.
    pub last_read: Option<CommandId>,
}

impl Profiles {
    /// Everything lapses with the session.
    pub fn lapse(&mut self) {
        *self = Self::default();
    }

    /// A command was issued.
    pub fn issued(&mut self, command: &Command) {
        let outstanding = Outstanding {
            command: command.clone(),
            deadline: None,
            unknown: false,
        };
        match command.action {
            Action::ReadProfile => {
                self.last_read = Some(command.id);
                self.reading = Some(outstanding);
            }
            Action::SetProfile { .. } | Action::ClearProfile => self.outstanding.push(outstanding),
            // A default profile outlives sessions: see `state::defaults`.
            Action::SetDefault { .. } => {}
        }
    }

    /// Something is known of a command. Returns true if it was one of ours that was open.
    pub fn answered(&mut self, command: CommandId, answer: &Answer, now: Time) -> bool {
        if let Some(reading) = self.reading.as_mut().filter(|r| r.command.id == command) {
            match answer {
                Answer::Accepted { deadline } => reading.deadline = Some(*deadline),
                Answer::NotSent { .. }
                | Answer::Refused { .. }
                | Answer::Unknown { .. }
                | Answer::Applied { .. } => self.reading = None,
            }
            return true;
        }
        let Some(index) = self
            .outstanding
            .iter()
            .position(|o| o.command.id == command)
        else {
            return false;
        };
        match answer {
            Answer::NotSent { .. } | Answer::Refused { .. } => {
                self.outstanding.remove(index);
            }
            Answer::Accepted { deadline } => self.outstanding[index].deadline = Some(*deadline),
            Answer::Unknown { .. } => self.outstanding[index].unknown = true,
            Answer::Applied { evidence } => self.confirm(index, *evidence, now),
        }
        true
    }

    /// The outstanding command at `index` is applied; what was issued before it is superseded.
    fn confirm(&mut self, index: usize, evidence: Evidence, now: Time) {
        let settled = self.outstanding.drain(..=index).next_back();
        let Some(Outstanding { command, .. }) = settled else {
            return;
        };
        self.confirmed = match command.action {
            Action::SetProfile { profile } => Some(Confirmed {
                profile,
                session: command.session,
                command: Some(command.id),
                evidence,
                at: now,
            }),
            Action::SetDefault { .. } | Action::ClearProfile | Action::ReadProfile => None,
        };
    }

    /// The peer said which limits hold now; `None`: none of ours. `underneath` is what holds where
    /// no profile does.
    pub fn read(
        &mut self,
        evse: &Evse,
        underneath: &PowerCurve,
        session: &SessionId,
        active: Option<&Profile>,
        asked_by: Option<CommandId>,
        now: Time,
    ) {
        if self
            .reading
            .as_ref()
            .is_some_and(|r| Some(r.command.id) == asked_by)
        {
            self.reading = None;
        }
        let Some(active) = active.filter(|profile| profile.is_well_formed()) else {
            // Nothing of ours holds there: what was confirmed is gone.
            self.confirmed = None;
            return;
        };
        let laid = |profile: &Profile| evse.worst_case_between(profile, underneath, underneath);
        let seen = laid(active);
        let until = active.end();
        let fits = |profile: &Profile| {
            let allowed = laid(profile);
            match until {
                Some(end) => allowed.minus(&seen).lowest_within(now, end) >= Power::ZERO,
                None => seen.is_within(&allowed, now),
            }
        };
        // The newest outstanding profile that the active one stays within is applied.
        let applied = self.outstanding.iter().rposition(
            |o| matches!(&o.command.action, Action::SetProfile { profile } if fits(profile)),
        );
        if let Some(index) = applied {
            self.confirm(index, Evidence::ActiveProfile, now);
            return;
        }
        let still_holds = self.confirmed.as_ref().is_some_and(|c| fits(&c.profile));
        if !still_holds {
            // It allows more than what we believed, or we believed nothing: believe what is seen.
            self.confirmed = Some(Confirmed {
                profile: active.clone(),
                session: Some(session.clone()),
                command: None,
                evidence: Evidence::ActiveProfile,
                at: now,
            });
        }
    }

    /// A meter reading: a drop from above a sent limit to below it shows that it is applied.
    pub fn measured(&mut self, evse: &Evse, before: Option<Reading>, reading: Reading, now: Time) {
        let Some(before) = before else { return };
        let applied = self.outstanding.iter().rposition(|o| {
            let Action::SetProfile { profile } = &o.command.action else {
                return false;
            };
            let Some(limit) = profile.limit_at(reading.at) else {
                return false;
            };
            let allowed = evse.worst_case_of(profile.unit, limit);
            let was_above = profile
                .limit_at(before.at)
                .map_or(allowed, |limit| evse.worst_case_of(profile.unit, limit))
                .max(allowed);
            // The drop must have come after the command, and it must not be a car that stopped.
            reading.at > o.command.issued_at
                && before.power > was_above
                && reading.power <= allowed
                && (reading.power.is_positive() || !allowed.is_positive())
        });
        if let Some(index) = applied {
            self.confirm(index, Evidence::MeasuredDrop, now);
        }
    }

    /// Marks what is overdue as unknown. Returns true if anything changed.
    pub fn expire(&mut self, now: Time) -> bool {
        let mut changed = false;
        for outstanding in &mut self.outstanding {
            if !outstanding.unknown && outstanding.deadline.is_some_and(|deadline| deadline <= now)
            {
                outstanding.unknown = true;
                changed = true;
            }
        }
        if self
            .reading
            .as_ref()
            .is_some_and(|r| r.deadline.is_some_and(|d| d <= now))
        {
            self.reading = None;
            changed = true;
        }
        changed
    }

    /// After a restart nobody waits for the answers any more.
    pub fn restarted(&mut self) {
        for outstanding in &mut self.outstanding {
            outstanding.unknown = true;
        }
        self.reading = None;
    }

    /// The earliest deadline that still runs.
    pub fn next_deadline(&self) -> Option<Time> {
        self.outstanding
            .iter()
            .filter(|o| !o.unknown)
            .chain(self.reading.as_ref())
            .filter_map(|o| o.deadline)
            .min()
    }

    /// What the EVSE may draw at each instant while a session runs on it: the highest of what is
    /// confirmed and what was sent and not refused; where nothing is confirmed, what lies
    /// `underneath` (its hardware maximum, or over OCPP its default profile).
    pub fn bound(&self, evse: &Evse, underneath: &PowerCurve) -> PowerCurve {
        let mut bound = match &self.confirmed {
            Some(confirmed) => evse.worst_case_between(&confirmed.profile, underneath, underneath),
            None => underneath.clone(),
        };
        for outstanding in &self.outstanding {
            match &outstanding.command.action {
                Action::SetProfile { profile } => {
                    // Before its start a sent profile says nothing: what holds already holds on.
                    let nothing = PowerCurve::zero();
                    let sent = evse.worst_case_between(profile, &nothing, underneath);
                    bound = bound.max(&sent);
                }
                Action::ClearProfile => bound = bound.max(underneath),
                Action::SetDefault { .. } | Action::ReadProfile => {}
            }
        }
        bound
    }
}
