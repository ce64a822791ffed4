//! One site's part of the circle without any I/O: events in, numbered events and commands out.
//! The service's actor and the simulator drive the same code.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::dispatch;
use crate::domain::command::{Action, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{Event, EventKind};
use crate::domain::policy::Policy;
use crate::domain::time::{Horizon, Time};
use crate::state::{SiteState, Snapshot};

/// News are gathered for this long before a plan is begun for all of them: what happens together
/// arrives in several messages, and a plan for the first of them would be old at once. A tenth of a
/// second, beside the second that a profile takes to be in place.
const GATHER: TimeDelta = TimeDelta::milliseconds(100);
/// A renewal comes this long after its border, in seconds: most meters are read on the border, and
/// what holds from there on is installed already.
const RENEWAL_LAG_S: i64 = 5;

/// What one turn of dispatch gave: events to be made durable, then commands that may leave.
#[derive(Debug, Default)]
pub struct Turn {
    /// Numbered and applied; to be journaled in this order.
    pub events: Vec<Event>,
    /// May leave once the events are durable.
    pub commands: Vec<Command>,
    /// When dispatch is to be asked again though nothing happened.
    pub wake_at: Option<Time>,
}

/// Whether a command leaves what its EVSE may draw as it is, or lowers it, at every later instant.
fn lowers(state: &SiteState, command: &Command, now: Time) -> bool {
    match &command.action {
        Action::ReadProfile => true,
        Action::ClearProfile | Action::SetDefault { .. } => false,
        Action::SetProfile { profile } => {
            let (Some(evse), Some(believed)) = (
                state.site.evse(&command.evse),
                state.evses.get(&command.evse),
            ) else {
                return false;
            };
            let underneath = believed.underneath(evse);
            let after = evse.worst_case_between(profile, &PowerCurve::zero(), &underneath);
            after.is_within(&believed.bound(evse), now)
        }
    }
}

/// A site's state with the two questions that are asked of it: is a plan wanted, what goes out.
/// A clone is cheap: the way back to before a turn that could not be made durable.
#[derive(Clone, Debug)]
pub struct SiteCore {
    state: Arc<SiteState>,
    policy: Arc<Policy>,
    /// `plan_inputs` of the state that the newest plan was started for.
    planned_inputs: Option<u64>,
    /// When the first change came that the newest plan does not know.
    changed_at: Option<Time>,
    /// When the newest plan is old though nothing happened.
    plan_until: Option<Time>,
}

impl SiteCore {
    /// Begins with a state, fresh or replayed.
    pub fn new(mut state: SiteState, policy: Policy) -> Self {
        state.meter_stale_s = policy.meter_stale_s;
        Self {
            state: Arc::new(state),
            policy: Arc::new(policy),
            planned_inputs: None,
            changed_at: None,
            plan_until: None,
        }
    }

    /// The present state.
    pub fn snapshot(&self) -> Snapshot {
        self.state.clone()
    }

    /// Breaks what is believed: for the simulator's mutants.
    #[cfg(test)]
    pub(crate) fn warp(&mut self, change: impl FnOnce(&mut SiteState)) {
        change(Arc::make_mut(&mut self.state));
    }

    /// The present state, to look at.
    pub fn state(&self) -> &SiteState {
        &self.state
    }

    /// How this site is planned.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Numbers what happened, applies it and gives the event to be journaled.
    pub fn accept(&mut self, kind: EventKind, now: Time) -> Event {
        let event = Event {
            seq: self.state.last_seq + 1,
            at: now,
            kind,
        };
        Arc::make_mut(&mut self.state).apply(&event);
        if self.planned_inputs != Some(self.state.plan_inputs) {
            self.changed_at.get_or_insert(now);
        }
        event
    }

    /// True if a plan is to be begun now.
    pub fn wants_plan(&self, now: Time) -> bool {
        self.plan_due().is_some_and(|due| due <= now)
    }

    /// When a plan is to be begun: a moment after something it depends on has changed, and at the
    /// latest when the newest one is old. `None`: there is nothing to plan.
    pub fn plan_due(&self) -> Option<Time> {
        if !self.has_something_to_plan() {
            return None;
        }
        let changed = self.changed_at.map(|at| at + GATHER);
        // Never planned: at once.
        Some(changed.unwrap_or(self.plan_until.unwrap_or(Time::MIN_UTC)))
    }

    fn has_something_to_plan(&self) -> bool {
        self.state.evses.values().any(|evse| !evse.is_free())
            || self
                .state
                .plan
                .as_ref()
                .is_some_and(|plan| !plan.evses.is_empty())
    }

    /// A plan is being made for the present state; gives the state it is made for.
    pub fn plan_started(&mut self, now: Time) -> Snapshot {
        self.planned_inputs = Some(self.state.plan_inputs);
        self.changed_at = None;
        self.plan_until = Some(self.next_renewal(now));
        self.snapshot()
    }

    /// When a plan made now is to be renewed: shortly after the next border of that length.
    fn next_renewal(&self, now: Time) -> Time {
        let lag = TimeDelta::seconds(RENEWAL_LAG_S);
        Horizon::containing(now - lag, self.policy.replan_s, 1).end() + lag
    }

    /// Asks dispatch what goes out now and applies that it is issued.
    pub fn dispatch(&mut self, now: Time) -> Turn {
        let wanted = dispatch::reconcile(&self.state, &self.policy, now);
        self.issue(wanted, now)
    }

    /// As [`SiteCore::dispatch`], but nothing that could raise what an EVSE may draw: while the
    /// disk is nearly full. What is left out takes nothing from the others.
    pub fn dispatch_lowerings(&mut self, now: Time) -> Turn {
        let mut wanted = dispatch::reconcile(&self.state, &self.policy, now);
        let state = &self.state;
        wanted
            .commands
            .retain(|command| lowers(state, command, now));
        self.issue(wanted, now)
    }

    fn issue(&mut self, wanted: dispatch::Dispatch, now: Time) -> Turn {
        let events = wanted
            .commands
            .iter()
            .map(|command| {
                self.accept(
                    EventKind::CommandIssued {
                        command: command.clone(),
                    },
                    now,
                )
            })
            .collect();
        Turn {
            events,
            commands: wanted.commands,
            wake_at: wanted.wake_at,
        }
    }
}
