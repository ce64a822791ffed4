//! The default profile of an EVSE over OCPP: what holds for every session without a profile of its
//! own, and what remains when we are silent (I2). It outlives sessions, connections and us.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::lifecycle::{MAX_OUTSTANDING, Outstanding};
use crate::domain::command::{Action, Answer, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::id::CommandId;
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// First pause after a failure in seconds; it doubles with each further one.
const FIRST_PAUSE_S: i64 = 15;
/// Longest pause: 15 minutes.
const LONGEST_PAUSE_S: i64 = 15 * 60;
/// Failures in a row after which plans do not count on the default profile any more.
const FAILURES_TO_DOUBT: u8 = 2;

/// A default profile that the station took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedDefault {
    /// The profile.
    pub profile: Profile,
    /// Since when we know.
    pub at: Time,
}

/// What was asked of an EVSE's default profile and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// The station took it.
    pub confirmed: Option<ConfirmedDefault>,
    /// Sent and not settled, oldest first.
    pub outstanding: Vec<Outstanding>,
    /// Nothing is tried again before this.
    pub retry_at: Option<Time>,
    /// Failures in a row.
    pub failures: u8,
    /// When the last one was sent.
    pub last_set_at: Option<Time>,
}

impl Defaults {
    /// A command to install a default profile was issued.
    pub(super) fn issued(&mut self, command: &Command) {
        self.last_set_at = Some(command.issued_at);
        self.outstanding.push(Outstanding::new(command));
    }

    /// Something is known of a command. Returns true if it was one of these.
    pub(super) fn answered(&mut self, command: CommandId, answer: &Answer, now: Time) -> bool {
        let position = self
            .outstanding
            .iter()
            .position(|o| o.command.id == command);
        let Some(index) = position else {
            return false;
        };
        match answer {
            Answer::NotSent { .. } | Answer::Refused { .. } => {
                self.outstanding.remove(index);
                self.pause(now);
            }
            Answer::Accepted { deadline } => self.outstanding[index].deadline = Some(*deadline),
            Answer::Unknown { .. } => {
                self.outstanding[index].unknown = true;
                self.pause(now);
            }
            Answer::Applied { .. } => {
                let settled = self.outstanding.drain(..=index).next_back();
                if let Some(Action::SetDefault { profile }) = settled.map(|o| o.command.action) {
                    self.confirmed = Some(ConfirmedDefault { profile, at: now });
                }
                self.failures = 0;
                self.retry_at = None;
            }
        }
        true
    }

    /// Marks what is overdue as unknown.
    pub(super) fn expire(&mut self, now: Time) {
        for outstanding in &mut self.outstanding {
            if outstanding.deadline.is_some_and(|deadline| deadline <= now) {
                outstanding.unknown = true;
            }
        }
    }

    /// After a restart of ours nobody waits for the answers any more.
    pub(super) fn restarted(&mut self) {
        for outstanding in &mut self.outstanding {
            outstanding.unknown = true;
        }
        self.retry_at = None;
    }

    /// The station connected, perhaps after it started: what it held is then in doubt.
    pub(super) fn connected(&mut self, booted: bool) {
        self.retry_at = None;
        if booted {
            self.confirmed = None;
        }
    }

    /// What may be drawn where no session's profile holds: the highest of what is confirmed and
    /// what was sent and not refused; the hardware maximum where nothing is confirmed.
    pub fn bound(&self, evse: &Evse) -> PowerCurve {
        let ceiling = PowerCurve::constant(evse.hardware_max());
        let Some(confirmed) = &self.confirmed else {
            return ceiling;
        };
        let mut bound = evse.worst_case_between(&confirmed.profile, &ceiling, &ceiling);
        for outstanding in &self.outstanding {
            if let Action::SetDefault { profile } = &outstanding.command.action {
                let nothing = PowerCurve::zero();
                bound = bound.max(&evse.worst_case_between(profile, &nothing, &ceiling));
            }
        }
        bound
    }

    /// What may be drawn already where no session's profile holds, whichever default does: the lowest
    /// of what is confirmed and what may have come in its place.
    pub fn granted(&self, evse: &Evse) -> PowerCurve {
        let ceiling = PowerCurve::constant(evse.hardware_max());
        let confirmed = self.confirmed.as_ref().map(|it| &it.profile);
        let sent = self
            .outstanding
            .iter()
            .filter_map(|it| match &it.command.action {
                Action::SetDefault { profile } => Some(profile),
                _ => None,
            });
        confirmed
            .into_iter()
            .chain(sent)
            .map(|profile| evse.worst_case_between(profile, &ceiling, &ceiling))
            .fold(ceiling.clone(), |least, other| least.min(&other))
    }

    /// [`Defaults::bound`] at one instant.
    pub fn bound_at(&self, evse: &Evse, at: Time) -> Power {
        let ceiling = evse.hardware_max();
        let Some(confirmed) = &self.confirmed else {
            return ceiling;
        };
        let under =
            |profile: &Profile, before: Power| evse.worst_case_at(profile, before, || ceiling, at);
        let sent = self
            .outstanding
            .iter()
            .map(|open| match &open.command.action {
                Action::SetDefault { profile } => under(profile, Power::ZERO),
                _ => Power::ZERO,
            });
        sent.fold(under(&confirmed.profile, ceiling), Power::max)
    }

    /// True while the station takes what we ask.
    pub fn obey(&self) -> bool {
        self.confirmed.is_some() && self.are_willing()
    }

    /// True unless the station failed to take what we asked again and again.
    pub fn are_willing(&self) -> bool {
        self.failures < FAILURES_TO_DOUBT
    }

    /// True if a further command may be sent now.
    pub fn may_send(&self, now: Time) -> bool {
        self.outstanding.len() < MAX_OUTSTANDING
            && self.outstanding.iter().all(|o| o.unknown)
            && self.retry_at.is_none_or(|at| at <= now)
    }

    fn pause(&mut self, now: Time) {
        let pause = (FIRST_PAUSE_S << i64::from(self.failures.min(6))).min(LONGEST_PAUSE_S);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + TimeDelta::seconds(pause));
    }
}
