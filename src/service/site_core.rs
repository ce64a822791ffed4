//! One site's part of the circle without any I/O: events in, numbered events and commands out.
//! The service's actor and the simulator drive the same code.

use std::sync::Arc;

use crate::dispatch;
use crate::domain::command::{Action, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{Event, EventKind};
use crate::domain::policy::Policy;
use crate::domain::time::{Horizon, Time};
use crate::state::{SiteState, Snapshot};

/// What one turn of dispatch gave: events to be made durable, then commands that may leave.
#[derive(Debug, Default)]
pub struct Turn {
    /// Numbered and applied; to be journaled in this order.
    pub events: Vec<Event>,
    /// May leave once the events are durable.
    pub commands: Vec<Command>,
    /// When to look again though nothing happened.
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
        event
    }

    /// True if something a plan depends on has changed since the newest plan was started, or it is
    /// old.
    pub fn wants_plan(&self, now: Time) -> bool {
        let changed = self.planned_inputs != Some(self.state.plan_inputs);
        let old = self.plan_until.is_none_or(|until| now >= until);
        (changed || old) && self.has_something_to_plan()
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
        self.plan_until = Some(self.next_renewal(now));
        self.snapshot()
    }

    /// When a plan made now is to be renewed: at the next border of that length.
    fn next_renewal(&self, now: Time) -> Time {
        Horizon::containing(now, self.policy.replan_s, 1).end()
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
        let border = self.has_something_to_plan().then(|| self.next_renewal(now));
        let wake_at = [wanted.wake_at, border].into_iter().flatten().min();
        Turn {
            events,
            commands: wanted.commands,
            wake_at,
        }
    }
}
