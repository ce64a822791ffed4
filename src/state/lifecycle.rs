//! The life cycle of profiles at one EVSE: sent, pending, applied, refused, unknown.
//!
//! ```text
//! issued --NotSent--> forgotten              (surely never arrived)
//!        --Refused--> forgotten              (surely not applied)
//!        --Accepted-> pending --deadline--> unknown   (old and new both count)
//!        --Unknown--> unknown --read back--> applied | still unknown
//!        --Applied--> confirmed; what was issued before it and has no result yet is late:
//!                     it counts until it cannot come into force any more (`state::late`)
//! ```
//! Invariants I1 and I5 rest on this file: until something *shows* that a lower profile is
//! applied, the higher one before it counts as well. What a peer says of its own accord, or when
//! asked, about the limits that hold is weighed in `state::evidence`.

use serde::{Deserialize, Serialize};

use super::late::{Late, Order, keep, last_chance};
use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::id::{CommandId, SessionId};
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// Most unanswered profiles kept in order per EVSE; the oldest beyond are kept as late ones.
pub const MAX_OUTSTANDING: usize = 8;

/// A car that follows a limit takes at least this share of what it allows at the highest voltage:
/// three quarters.
const FOLLOWED: (i64, i64) = (3, 4);

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
    /// When the peer took the command, if it said so beforehand.
    #[serde(default)]
    pub taken_at: Option<Time>,
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
    /// When the peer took it, if it said so.
    #[serde(default)]
    pub taken_at: Option<Time>,
    /// It does not come into force after this; `None` while nothing was heard of it.
    #[serde(default)]
    pub until: Option<Time>,
}

impl Outstanding {
    /// A command of which nothing is known yet.
    pub(super) fn new(command: &Command) -> Self {
        Self {
            command: command.clone(),
            deadline: None,
            unknown: false,
            taken_at: None,
            until: None,
        }
    }

    /// The peer took it at `now` and will say more until `deadline`.
    pub(super) fn taken(&mut self, deadline: Time, now: Time) {
        self.deadline = Some(deadline);
        self.taken_at = Some(now);
        self.until = Some(last_chance(now, Some(deadline)));
    }

    /// Nobody waits for its answer any more.
    pub(super) fn given_up(&mut self, now: Time) {
        self.unknown = true;
        self.until
            .get_or_insert_with(|| last_chance(now, self.deadline));
    }

    /// The same as one that something newer has overtaken.
    pub(super) fn overtaken(self) -> Late {
        let profile = match self.command.action {
            Action::SetProfile { profile } | Action::SetDefault { profile } => Some(profile),
            Action::ClearProfile | Action::ReadProfile => None,
        };
        Late {
            profile,
            command: Some(self.command.id),
            until: self.until,
        }
    }
}

/// What holds at one EVSE, as far as we know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// Shown to be applied.
    pub confirmed: Option<Confirmed>,
    /// Sent after what is confirmed and not settled, oldest first.
    pub outstanding: Vec<Outstanding>,
    /// Overtaken by what is confirmed, and may come into force all the same.
    #[serde(default)]
    pub late: Vec<Late>,
    /// A read that is under way.
    pub reading: Option<Outstanding>,
    /// The newest read ever asked for.
    pub last_read: Option<CommandId>,
    /// When that was.
    #[serde(default)]
    pub last_read_at: Option<Time>,
}

impl Profiles {
    /// Everything lapses with the session.
    pub fn lapse(&mut self) {
        *self = Self::default();
    }

    /// A command was issued.
    pub fn issued(&mut self, command: &Command) {
        let outstanding = Outstanding::new(command);
        match command.action {
            Action::ReadProfile => {
                self.last_read = Some(command.id);
                self.last_read_at = Some(command.issued_at);
                self.reading = Some(outstanding);
            }
            Action::SetProfile { .. } | Action::ClearProfile => {
                if self.outstanding.len() >= MAX_OUTSTANDING {
                    let oldest = self.outstanding.remove(0);
                    keep(&mut self.late, oldest.overtaken());
                }
                self.outstanding.push(outstanding);
            }
            // A default profile outlives sessions: see `state::defaults`.
            Action::SetDefault { .. } => {}
        }
    }

    /// Something is known of a command. Returns true if it was one of ours that was open.
    pub fn answered(
        &mut self,
        command: CommandId,
        answer: &Answer,
        order: Order,
        now: Time,
    ) -> bool {
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
        let is_it = |late: &Late| late.command == Some(command);
        if let Some(index) = self.late.iter().position(is_it) {
            match answer {
                Answer::NotSent { .. } | Answer::Refused { .. } => {
                    self.late.remove(index);
                }
                Answer::Accepted { deadline } => {
                    self.late[index].until = Some(last_chance(now, Some(*deadline)));
                }
                Answer::Unknown { .. } => {
                    let until = &mut self.late[index].until;
                    until.get_or_insert_with(|| last_chance(now, None));
                }
                // It took effect, before or after what is confirmed: nobody knows.
                Answer::Applied { .. } => self.late[index].until = Some(now),
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
            Answer::Accepted { deadline } => self.outstanding[index].taken(*deadline, now),
            Answer::Unknown { .. } => self.outstanding[index].given_up(now),
            Answer::Applied { evidence } => self.confirm(index, *evidence, order, now),
        }
        true
    }

    /// The outstanding command at `index` is applied. What was issued before it, and may be applied
    /// after it, becomes late.
    pub(super) fn confirm(&mut self, index: usize, evidence: Evidence, order: Order, now: Time) {
        let mut settled = self.outstanding.drain(..=index);
        let Some(Outstanding {
            command, taken_at, ..
        }) = settled.next_back()
        else {
            return;
        };
        let before: Vec<Late> = settled.map(Outstanding::overtaken).collect();
        let since = command.issued_at;
        let replaced = self.confirmed.take().filter(|confirmed| {
            // Taken before this one left, and its result is in: the peer did one after the other.
            let in_turn = confirmed.taken_at.is_some_and(|taken| taken <= since);
            confirmed.at > since && !in_turn
        });
        let found = replaced.map(|confirmed| Late {
            profile: Some(confirmed.profile),
            command: confirmed.command,
            until: Some(confirmed.at),
        });
        match order {
            Order::Kept => self.late.clear(),
            Order::Open => {
                self.late.retain(|late| !late.is_overtaken(since));
                for late in before.into_iter().chain(found) {
                    if !late.is_overtaken(since) {
                        keep(&mut self.late, late);
                    }
                }
            }
        }
        self.confirmed = match command.action {
            Action::SetProfile { profile } => Some(Confirmed {
                profile,
                session: command.session,
                command: Some(command.id),
                evidence,
                at: now,
                taken_at,
            }),
            Action::SetDefault { .. } | Action::ClearProfile | Action::ReadProfile => None,
        };
    }

    /// A meter reading: a drop from above a sent limit to below it shows that it is applied.
    pub fn measured(
        &mut self,
        evse: &Evse,
        before: Option<Reading>,
        reading: Reading,
        order: Order,
        now: Time,
    ) {
        let Some(before) = before else { return };
        let allowed_by = |profile: &Profile, at: Time| {
            let limit = profile.limit_at(at)?;
            Some(evse.worst_case_of(profile.unit, limit))
        };
        // A reading may be a mean since the one before it: whatever asked for less meanwhile may be
        // why it fell.
        let lowest_by = |profile: &Profile| {
            let curve = evse.worst_case(profile, evse.hardware_max());
            curve.lowest_within(before.at, reading.at)
        };
        let believed = self.confirmed.as_ref().map(|it| lowest_by(&it.profile));
        let applied = self.outstanding.iter().rposition(|o| {
            let Action::SetProfile { profile } = &o.command.action else {
                return false;
            };
            let Some(allowed) = allowed_by(profile, reading.at) else {
                return false;
            };
            let was_above = allowed_by(profile, before.at)
                .unwrap_or(allowed)
                .max(allowed);
            // The drop must have come after the command and to about what it allows: a car that
            // stops or takes less by itself shows nothing. And what held before must not ask for it
            // as well.
            reading.at > o.command.issued_at
                && before.power > was_above
                && reading.power <= allowed
                && reading.power * FOLLOWED.1 >= allowed * FOLLOWED.0
                && reading.power.is_positive()
                && believed.is_none_or(|believed| believed > allowed)
        });
        let Some(index) = applied else { return };
        // An older one that asks for less as well may be what was followed.
        let asks = |late: &Late| {
            let lowest = late.profile.as_ref().map(lowest_by);
            lowest.is_some_and(|lowest| lowest < before.power)
        };
        let older = self.outstanding[..index].iter();
        let older = older.map(|o| o.clone().overtaken());
        let open: Vec<Late> = older
            .chain(self.late.iter().cloned())
            .filter(asks)
            .collect();
        self.confirm_one_of(index, open, Evidence::MeasuredDrop, order, now);
    }

    /// The outstanding command at `index` is applied, or one of those in `open`, which would show
    /// the same: nobody knows which. So none of them is settled, the one at `index` neither, which
    /// may still be on its way; only what is asked for from now on puts an end to them.
    pub(super) fn confirm_one_of(
        &mut self,
        index: usize,
        mut open: Vec<Late>,
        evidence: Evidence,
        order: Order,
        now: Time,
    ) {
        if let Some(itself) = self.outstanding.get(index).filter(|_| !open.is_empty()) {
            open.push(itself.clone().overtaken());
        }
        self.confirm(index, evidence, order, now);
        for late in open {
            self.late
                .retain(|other| late.command.is_none() || other.command != late.command);
            let until = late.until.map(|until| until.max(now));
            keep(&mut self.late, Late { until, ..late });
        }
    }

    /// Marks what is overdue as unknown. Returns true if anything changed.
    pub fn expire(&mut self, now: Time) -> bool {
        let mut changed = false;
        for outstanding in &mut self.outstanding {
            if !outstanding.unknown && outstanding.deadline.is_some_and(|deadline| deadline <= now)
            {
                outstanding.given_up(now);
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
    pub fn restarted(&mut self, now: Time) {
        for outstanding in &mut self.outstanding {
            outstanding.given_up(now);
        }
        for late in &mut self.late {
            late.until.get_or_insert_with(|| last_chance(now, None));
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
        // Before its start a sent profile says nothing: what holds already holds on.
        let nothing = PowerCurve::zero();
        self.sent(evse, &nothing, underneath)
            .fold(self.held(evse, underneath), |most, other| most.max(&other))
    }

    /// What the EVSE may draw already, whichever of the profiles that may hold does: the lowest of
    /// what is confirmed and what may have come in its place. What stays below raises nothing, even
    /// where we do not know what holds.
    pub fn granted(&self, evse: &Evse, underneath: &PowerCurve) -> PowerCurve {
        let anything = PowerCurve::constant(evse.hardware_max());
        self.sent(evse, &anything, underneath)
            .fold(self.held(evse, underneath), |least, other| {
                least.min(&other)
            })
    }

    /// What is allowed by what is confirmed.
    fn held(&self, evse: &Evse, underneath: &PowerCurve) -> PowerCurve {
        match &self.confirmed {
            Some(confirmed) => evse.worst_case_between(&confirmed.profile, underneath, underneath),
            None => underneath.clone(),
        }
    }

    /// What is allowed by each request that may hold in its place, `before` its start as said.
    fn sent<'a>(
        &'a self,
        evse: &'a Evse,
        before: &'a PowerCurve,
        underneath: &'a PowerCurve,
    ) -> impl Iterator<Item = PowerCurve> + 'a {
        let sent = self
            .outstanding
            .iter()
            .filter_map(|open| match &open.command.action {
                Action::SetProfile { profile } => Some(Some(profile)),
                Action::ClearProfile => Some(None),
                Action::SetDefault { .. } | Action::ReadProfile => None,
            });
        let late = self.late.iter().map(|late| late.profile.as_ref());
        sent.chain(late).map(move |profile| match profile {
            Some(profile) => evse.worst_case_between(profile, before, underneath),
            None => underneath.clone(),
        })
    }

    /// [`Profiles::bound`] at one instant, where `underneath` holds then.
    pub fn bound_at(&self, evse: &Evse, underneath: Power, at: Time) -> Power {
        let under = |profile: &Profile, before: Power| {
            evse.worst_case_at(profile, before, || underneath, at)
        };
        let confirmed = self.confirmed.as_ref();
        let confirmed = confirmed.map_or(underneath, |it| under(&it.profile, underneath));
        let sent = self
            .outstanding
            .iter()
            .map(|open| match &open.command.action {
                Action::SetProfile { profile } => under(profile, Power::ZERO),
                Action::ClearProfile => underneath,
                Action::SetDefault { .. } | Action::ReadProfile => Power::ZERO,
            });
        let late = self.late.iter().map(|late| match &late.profile {
            Some(profile) => under(profile, Power::ZERO),
            None => underneath,
        });
        sent.chain(late).fold(confirmed, Power::max)
    }

    /// When the last of the late requests cannot come into force any more, so that a newer profile
    /// puts an end to all of them; `None` while one of them has no such time.
    pub fn late_until(&self) -> Option<Time> {
        let all: Option<Vec<Time>> = self.late.iter().map(|late| late.until).collect();
        all?.into_iter().max()
    }
}
