//! What a peer's word about the limits that hold at an EVSE proves, and for how long.
//!
//! The active profile (OCPI) or composite schedule (OCPP) shows a window of time: what one of our
//! profiles says beyond that window it does not show. It tells two profiles apart only where they
//! differ within the window, and it says nothing of a request that may come into force after it was
//! made.

use super::late::{Late, Order};
use super::lifecycle::{Confirmed, Outstanding, Profiles};
use crate::domain::command::{Action, Evidence};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::id::{CommandId, SessionId};
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// What was seen to hold, where and when.
struct Seen<'a> {
    evse: &'a Evse,
    /// What holds where no profile does.
    underneath: &'a PowerCurve,
    /// What may be drawn under the limits that were seen.
    limits: PowerCurve,
    /// The window: `[from, until)`, or for ever.
    from: Time,
    until: Option<Time>,
}

impl Seen<'_> {
    /// The lowest of a curve within the window.
    fn lowest(&self, curve: &PowerCurve) -> Power {
        match self.until {
            Some(until) => curve.lowest_within(self.from, until),
            None => curve.lowest_from(self.from),
        }
    }

    /// What was seen is nowhere above this: it may be what holds there.
    fn fits(&self, allowed: &PowerCurve) -> bool {
        self.lowest(&allowed.minus(&self.limits)) >= Power::ZERO
    }

    /// Somewhere in the window what was seen is nearer to `one` than to `other`: that is where the
    /// two are told apart.
    fn is_nearer(&self, one: &PowerCurve, other: &PowerCurve) -> bool {
        let apart = |from: &PowerCurve| {
            let distance = |a: Power, b: Power| if a > b { a - b } else { b - a };
            self.limits.zip(from, distance)
        };
        self.lowest(&apart(one).minus(&apart(other))) < Power::ZERO
    }

    /// `other` may be what holds just as well as `one`.
    fn leaves_open(&self, one: &PowerCurve, other: &PowerCurve) -> bool {
        self.fits(other) && !self.is_nearer(one, other)
    }

    fn under(&self, profile: &Profile) -> PowerCurve {
        self.evse
            .worst_case_between(profile, self.underneath, self.underneath)
    }

    fn sent(&self, outstanding: &Outstanding) -> PowerCurve {
        match &outstanding.command.action {
            Action::SetProfile { profile } => self.under(profile),
            _ => self.underneath.clone(),
        }
    }

    fn of(&self, late: &Late) -> PowerCurve {
        let profile = late.profile.as_ref();
        profile.map_or_else(|| self.underneath.clone(), |profile| self.under(profile))
    }
}

impl Profiles {
    /// The peer said which limits hold; `None`: none of ours. `underneath` is what holds where no
    /// profile does.
    pub fn read(
        &mut self,
        evse: &Evse,
        underneath: &PowerCurve,
        session: &SessionId,
        active: Option<&Profile>,
        asked_by: Option<CommandId>,
        now: Time,
    ) {
        let asked = self
            .reading
            .take_if(|reading| Some(reading.command.id) == asked_by);
        let Some(active) = active.filter(|profile| profile.is_well_formed()) else {
            // Nothing of ours holds there: what was confirmed is gone.
            self.confirmed = None;
            return;
        };
        // What was said unasked is as old as it says itself.
        let as_of = asked.map_or(active.start.min(now), |asked| asked.command.issued_at);
        let order = Order::of(evse);
        let seen = Seen {
            evse,
            underneath,
            limits: evse.worst_case_between(active, underneath, underneath),
            from: now,
            until: active.end(),
        };
        let is_sent = |o: &Outstanding| matches!(o.command.action, Action::SetProfile { .. });
        let newest = self
            .outstanding
            .iter()
            .rposition(|o| is_sent(o) && seen.fits(&seen.sent(o)));
        let believed = self.believed(&seen);
        if let Some(index) = newest {
            let applied = seen.sent(&self.outstanding[index]);
            // Where it shows nothing that what held before does not allow as well, nothing is shown.
            if seen.is_nearer(&applied, &believed) {
                let open = self.left_open(&seen, &applied, index);
                self.confirm_one_of(index, open, Evidence::ActiveProfile, order, now);
            }
        } else if self.confirmed.is_none() || !seen.fits(&believed) {
            // It allows more than what we believed, or we believed nothing: believe what is seen.
            self.confirmed = Some(Confirmed {
                profile: active.clone(),
                session: Some(session.clone()),
                command: None,
                evidence: Evidence::ActiveProfile,
                at: now,
                taken_at: None,
            });
        }
        self.rule_out(&seen, as_of);
    }

    /// What may be drawn under what is confirmed.
    fn believed(&self, seen: &Seen<'_>) -> PowerCurve {
        let confirmed = self.confirmed.as_ref();
        confirmed.map_or_else(
            || seen.underneath.clone(),
            |confirmed| seen.under(&confirmed.profile),
        )
    }

    /// The requests before the one at `index` that may be what was seen just as well.
    fn left_open(&self, seen: &Seen<'_>, applied: &PowerCurve, index: usize) -> Vec<Late> {
        let before = self.outstanding[..index]
            .iter()
            .map(|o| (seen.sent(o), o.clone().overtaken()));
        let late = self.late.iter().map(|late| (seen.of(late), late.clone()));
        before
            .chain(late)
            .filter(|(allowed, _)| seen.leaves_open(applied, allowed))
            .map(|(_, late)| late)
            .collect()
    }

    /// What had its last chance before the peer looked, and is not what the peer saw, never came.
    fn rule_out(&mut self, seen: &Seen<'_>, as_of: Time) {
        let believed = self.believed(seen);
        let is_out = |until: Option<Time>, allowed: &PowerCurve| {
            until.is_some_and(|until| until <= as_of) && !seen.leaves_open(&believed, allowed)
        };
        self.outstanding.retain(|o| !is_out(o.until, &seen.sent(o)));
        self.late.retain(|late| !is_out(late.until, &seen.of(late)));
    }
}
