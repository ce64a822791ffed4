//! One site's part of the circle without any I/O: events in, numbered events and commands out.
//! The service's actor and the simulator drive the same code.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::dispatch;
use crate::domain::command::{Action, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::event::{Event, EventKind};
use crate::domain::id::CommandId;
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::quantity::Power;
use crate::domain::time::{Horizon, Time};
use crate::state::{EvseState, SiteState, Snapshot};

/// News are gathered for this long before a plan is begun for all of them: what happens together
/// arrives in several messages, and a plan for the first of them would be old at once. A tenth of a
/// second, beside the second that a profile takes to be in place.
const GATHER: TimeDelta = TimeDelta::milliseconds(100);
/// A renewal comes this long after its border, in seconds: most meters are read on the border, and
/// what holds from there on is installed already.
const RENEWAL_LAG_S: i64 = 5;

/// While nothing that dispatch depends on has changed it is asked again after this, in seconds: what
/// time alone changes without a wake-up of its own, such as differences that come nearer, may wait
/// so long. At a site with many meters most turns are readings that show nothing new.
const QUIET_S: i64 = 60;

/// Other load that moves by less stirs nothing: less than a dead band is worth.
const JITTER: Power = Power::from_watts(200);

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

/// When the first vehicle should have all it needs, before it leaves: whether it has is looked at
/// then, and not when the plan is old. What it drew may lie below what was planned.
fn first_settled(plan: &Plan) -> Option<Time> {
    let ends = plan.evses.iter().filter_map(|planned| {
        let last = planned.power.iter().rposition(|it| it.is_positive())?;
        let end = plan.horizon.starts().nth(last + 1)?;
        let stays = planned.departure.is_none_or(|departure| end < departure);
        (stays && end > plan.made_at).then_some(end)
    });
    ends.min()
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
    /// Set while all that dispatch depends on is as it was when it had nothing to say.
    quiet: Option<Quiet>,
}

/// Dispatch has nothing to say.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    /// Load that we did not control then.
    uncontrolled: Option<Power>,
    /// Not asked before this.
    until: Time,
    /// When it wanted to be asked again though nothing happens.
    wake_at: Option<Time>,
}

impl Quiet {
    /// Other load is about what it was. Where it makes a bound exceed its limit an excursion opens,
    /// and that stirs by itself.
    fn bears(&self, uncontrolled: Option<Power>) -> bool {
        match (self.uncontrolled, uncontrolled) {
            (Some(then), Some(now)) => now - then <= JITTER && then - now <= JITTER,
            (then, now) => then == now,
        }
    }
}

/// What a reading may change of all that dispatch depends on: if these are the same, so is all of it.
#[derive(PartialEq)]
struct Stirrable {
    plan_inputs: u64,
    is_free: bool,
    confirmed: Option<(Option<CommandId>, Time)>,
    open: (usize, usize),
    is_unknown: bool,
    beyond: Option<Power>,
}

impl Stirrable {
    /// `None`: what happens is no mere reading.
    fn of(state: &SiteState, kind: &EventKind) -> Option<Self> {
        let evse = match kind {
            EventKind::SiteMetered { .. } => None,
            EventKind::EvseMeasured { evse, .. } => Some(evse),
            EventKind::SessionSeen { session } => Some(&session.evse),
            _ => return None,
        };
        let known = evse.and_then(|id| state.evses.get(id));
        let profiles = known.map(|known| &known.profiles);
        let confirmed = profiles.and_then(|it| it.confirmed.as_ref());
        Some(Self {
            plan_inputs: state.plan_inputs,
            is_free: known.is_none_or(EvseState::is_free),
            confirmed: confirmed.map(|it| (it.command, it.at)),
            open: profiles.map_or((0, 0), |it| (it.outstanding.len(), it.late.len())),
            is_unknown: known.is_some_and(|known| known.resync),
            beyond: known.and_then(EvseState::shown_beyond),
        })
    }
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
            quiet: None,
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
        self.quiet = None;
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
        let before = Stirrable::of(&self.state, &event.kind);
        Arc::make_mut(&mut self.state).apply(&event);
        let is_stirred = before.is_none() || before != Stirrable::of(&self.state, &event.kind);
        let load = self.state.metered_uncontrolled(now);
        self.quiet = self.quiet.filter(|quiet| !is_stirred && quiet.bears(load));
        if self.planned_inputs != Some(self.state.plan_inputs) {
            self.changed_at.get_or_insert(now);
        }
        if let EventKind::PlanStored { plan } = &event.kind {
            let settled = first_settled(plan).map(|at| at + TimeDelta::seconds(RENEWAL_LAG_S));
            self.plan_until = self.plan_until.into_iter().chain(settled).min();
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
        let quiet = self.quiet.filter(|quiet| now < quiet.until);
        let mut turn = match quiet {
            Some(quiet) => Turn {
                wake_at: quiet.wake_at,
                ..Turn::default()
            },
            None => self.ask_dispatch(now),
        };
        // What time alone changes outside of us.
        let moves = self.state.next_change_by_time(now);
        turn.wake_at = turn.wake_at.into_iter().chain(moves).min();
        turn
    }

    fn ask_dispatch(&mut self, now: Time) -> Turn {
        let wanted = dispatch::reconcile(&self.state, &self.policy, now);
        let is_silent = wanted.commands.is_empty();
        let turn = self.issue(wanted, now);
        let wake_at = turn.wake_at;
        let moves = self.state.next_change_by_time(now);
        let times = wake_at.into_iter().chain(moves);
        let until = times.fold(now + TimeDelta::seconds(QUIET_S), Time::min);
        self.quiet = is_silent.then_some(Quiet {
            uncontrolled: self.state.metered_uncontrolled(now),
            until,
            wake_at,
        });
        turn
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::{Answer, Refusal};
    use crate::domain::session::Reading;
    use crate::state::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};

    /// A site with a car of which dispatch has nothing to say.
    fn quiet() -> SiteCore {
        let mut core = SiteCore::new(live(site_of(50.0, 1)), Policy::default());
        let session = Box::new(session(1, 0));
        core.accept(EventKind::SessionSeen { session }, at(0));
        core.dispatch(at(0));
        assert!(core.quiet.is_some());
        core
    }

    fn site_metered(core: &mut SiteCore, second: i64, watts: i64) {
        let reading = Reading {
            power: Power::from_watts(watts),
            at: at(second),
        };
        core.accept(EventKind::SiteMetered { reading }, at(second));
    }

    fn measured(core: &mut SiteCore, second: i64, kilowatts: f64) {
        let reading = Reading {
            power: kw(kilowatts),
            at: at(second),
        };
        let kind = EventKind::EvseMeasured {
            evse: evse_id(1),
            reading,
            energy: None,
        };
        core.accept(kind, at(second));
    }

    #[test]
    fn readings_that_show_nothing_new_stir_nothing() {
        let mut core = quiet();
        measured(&mut core, 10, 11.0);
        measured(&mut core, 20, 11.1);
        assert!(core.quiet.is_some());
        let turn = core.dispatch(at(20));
        assert!(turn.events.is_empty());
    }

    #[test]
    fn a_session_that_its_partner_speaks_of_again_stirs() {
        let mut core = quiet();
        core.warp(|state| {
            let command = issue(state, 1, 1, amps(1, &[(0, 60)]));
            let answer = Answer::Refused {
                reason: Refusal::UnknownSession,
                detail: String::new(),
            };
            happen(state, 2, EventKind::CommandAnswered { command, answer });
        });
        core.dispatch(at(3));
        assert!(core.quiet.is_some(), "it is not asked for again");
        let mut seen = session(1, 0);
        seen.updated_at = at(5);
        let session = Box::new(seen);
        core.accept(EventKind::SessionSeen { session }, at(5));
        assert!(core.quiet.is_none());
    }

    #[test]
    fn a_car_that_turns_out_to_use_one_phase_is_planned_anew() {
        let mut core = quiet();
        let offered = core.state.evse_bound(&evse_id(1)).at(at(0));
        let a_third = offered.kilowatts() / 3.0;
        core.plan_started(at(5));
        measured(&mut core, 10, a_third);
        measured(&mut core, 20, a_third);
        core.dispatch(at(20));
        let renewal = core.plan_due().expect("a car is there");
        assert!(renewal > at(90), "{renewal}");
        measured(&mut core, 81, a_third);
        assert_eq!(core.plan_due(), Some(at(81) + GATHER));
    }

    #[test]
    fn other_load_stirs_by_what_is_worth_it_and_an_overshoot_at_once() {
        // Without a car all that the site's meter shows is other load.
        let mut core = SiteCore::new(live(site_of(50.0, 1)), Policy::default());
        core.dispatch(at(0));
        site_metered(&mut core, 5, 11_000);
        assert!(core.quiet.is_none(), "the first reading");
        core.dispatch(at(5));
        site_metered(&mut core, 10, 11_150);
        assert!(core.quiet.is_some(), "150 W");
        site_metered(&mut core, 15, 11_250);
        assert!(core.quiet.is_none(), "250 W since dispatch was asked");
        core.dispatch(at(15));
        site_metered(&mut core, 20, 49_950);
        core.dispatch(at(20));
        site_metered(&mut core, 25, 50_050);
        assert!(core.quiet.is_none(), "100 W more, above the limit");
    }

    #[test]
    fn a_meter_gone_silent_wakes() {
        let mut core = quiet();
        site_metered(&mut core, 5, 11_000);
        let stale = i64::from(Policy::default().meter_stale_s);
        let wake = core.dispatch(at(5)).wake_at.expect("to look again");
        assert!(wake <= at(5 + stale) + TimeDelta::milliseconds(1));
    }

    #[test]
    fn a_plan_is_looked_at_when_a_vehicle_should_have_all_it_needs() {
        let mut core = quiet();
        core.plan_started(at(10));
        let renewal = core.plan_due().expect("a car is there");
        // Charged after its second slot of 100 s.
        let planned = crate::domain::plan::PlannedEvse {
            evse: evse_id(1),
            session: session(1, 0).id,
            power: vec![kw(5.0), kw(5.0), kw(0.0), kw(0.0)],
            reasons: Vec::new(),
            unmet: crate::domain::quantity::Energy::ZERO,
            ready_at: None,
            departure: Some(at(400)),
            needed: crate::domain::quantity::Energy::ZERO,
            limited_by: Vec::new(),
        };
        let plan = |departure: i64| {
            Box::new(Plan {
                id: crate::domain::id::PlanId(1),
                parent: None,
                made_at: at(0),
                input_digest: String::new(),
                horizon: Horizon {
                    start: at(0),
                    slot_s: 100,
                    slots: 4,
                },
                origin: crate::domain::plan::PlanOrigin::Optimal,
                evses: vec![crate::domain::plan::PlannedEvse {
                    departure: Some(at(departure)),
                    ..planned.clone()
                }],
                circuits: Vec::new(),
                prices: Vec::new(),
                cost: crate::domain::quantity::Money::ZERO,
                peak_target: None,
            })
        };
        assert!(renewal > at(205), "{renewal}");
        let mut leaves = core.clone();
        leaves.accept(EventKind::PlanStored { plan: plan(200) }, at(1));
        assert_eq!(leaves.plan_due(), Some(renewal), "it is gone by then");
        core.accept(EventKind::PlanStored { plan: plan(400) }, at(1));
        assert_eq!(core.plan_due(), Some(at(205)));
    }
}
