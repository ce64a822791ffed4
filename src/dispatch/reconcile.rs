//! Plan against confirmed profiles: which commands go out now.
//!
//! The one rule behind "lower before raise" (I1): a profile may leave only if, counted together
//! with everything that already may hold, no circuit's bound rises above its limit at any future
//! instant. Lowering never raises a bound, so it always may go; a raise is clipped to the room
//! that confirmed lowerings have made, and grows with the next confirmation.

use chrono::TimeDelta;

use super::defaults;
use super::headroom::{Headroom, room_comes_until};
use super::rank::Rank;
use super::target::{ends_at, profile_within, wanted};
use super::trim::make_room;
use crate::domain::command::{Action, Command};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CommandId, EvseId};
use crate::domain::plan::{Plan, Reason};
use crate::domain::policy::Policy;
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::session::Session;
use crate::domain::site::Mode;
use crate::domain::time::Time;
use crate::state::evse_state::{Control, EvseState};
use crate::state::lifecycle::{MAX_OUTSTANDING, Outstanding, Profiles};
use crate::state::{Fallbacks, SiteState};

/// How far ahead a difference lies, and how long the installed profile is left alone for it. What
/// is installed is safe in any case; a renewal only brings it nearer to the newest plan, and the next
/// plan may see it differently.
const PATIENCE: [Patience; 2] = [
    Patience {
        ahead_s: 3600,
        hold_s: 60 * 60,
    },
    Patience {
        ahead_s: 2 * 86_400,
        hold_s: 3 * 60 * 60,
    },
];
/// Differences nearer than this are sent after [`Policy::min_hold_s`].
const NEAR_S: i64 = 60;
/// The same, where somebody who must be served now gains by it.
const RUSHED_HOLD_S: i64 = 30;
/// Shortest profile over OCPP, where profiles end.
const SHORTEST_S: i64 = 15 * 60;
/// Longest pause between attempts at an EVSE that does not answer.
const LONGEST_RETRY_S: i64 = 15 * 60;

/// Longest pause between attempts at a lowering that a circuit needs now and that is refused.
const LONGEST_URGENT_RETRY_S: i64 = 30;

/// Shortest pause before a profile is sent again only to put an end to late requests.
const SETTLE_S: i64 = 60;

/// See [`PATIENCE`].
struct Patience {
    ahead_s: i64,
    hold_s: i64,
}

/// What dispatch wants done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// To be journaled and then sent: lowerings first.
    pub commands: Vec<Command>,
    /// When to ask again though nothing happened.
    pub wake_at: Option<Time>,
}

impl Dispatch {
    pub(super) fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// One EVSE that may be sent to, with what is wanted and what holds.
pub(super) struct Candidate<'a> {
    pub(super) evse: &'a Evse,
    pub(super) state: &'a EvseState,
    session: &'a Session,
    pub(super) bound: PowerCurve,
    /// What it may draw already, whichever profile holds.
    granted: PowerCurve,
    /// What holds where no profile of the session does.
    underneath: PowerCurve,
    pub(super) wanted: PowerCurve,
    pub(super) departure: Option<Time>,
    /// Why it is planned as it is in the first slot.
    reason: Option<Reason>,
    /// By whom the plan lets others be served first.
    pub(super) rank: Rank,
}

impl Candidate<'_> {
    /// The profile that says `allowed` on the wire. Over OCPP it ends, and the default profile
    /// holds on; but not before any profile of ours that it replaces, so that nothing rises where
    /// it ends.
    fn profile(&self, allowed: &PowerCurve, horizon_end: Time, now: Time) -> Profile {
        let profile = profile_within(self.evse, allowed, now);
        if matches!(self.evse.source, EvseSource::Ocpi { .. }) {
            return profile;
        }
        let profiles = &self.state.profiles;
        // One without an end was found there: ours has to last as well.
        let ever = now + TimeDelta::days(3650);
        let confirmed = profiles
            .confirmed
            .as_ref()
            .map(|c| c.profile.end().unwrap_or(ever));
        let sent = profiles
            .outstanding
            .iter()
            .filter_map(|o| match &o.command.action {
                Action::SetProfile { profile } => Some(profile.end().unwrap_or(ever)),
                _ => None,
            });
        let planned = self
            .departure
            .unwrap_or(horizon_end)
            .max(now + TimeDelta::seconds(SHORTEST_S));
        ends_at(profile, sent.chain(confirmed).fold(planned, Time::max))
    }

    /// What may be drawn under a profile from now on.
    fn under(&self, profile: &Profile) -> PowerCurve {
        self.evse
            .worst_case_between(profile, &PowerCurve::zero(), &self.underneath)
    }
}

/// Compares the plan with what holds and says which commands go out now.
pub fn reconcile(state: &SiteState, policy: &Policy, now: Time) -> Dispatch {
    let mut dispatch = Dispatch::default();
    let mut numbers = state.last_command;
    // What we may not send to any more gets its profiles taken back: all EVSEs in shadow, those
    // beside the named ones in canary.
    roll_back(state, policy, &mut dispatch, &mut numbers, now);
    if matches!(state.effective_mode(), Mode::Shadow | Mode::Observe) {
        return dispatch;
    }
    for deadline in state
        .evses
        .values()
        .filter_map(|e| e.profiles.next_deadline())
    {
        dispatch.wake(deadline);
    }
    let mut headroom = Headroom::of(state, now);
    let mut candidates = match &state.plan {
        Some(plan) => candidates(state, plan, now),
        None => Vec::new(),
    };
    let wishes: Vec<_> = candidates.iter().map(|c| (c.evse, &c.wanted)).collect();
    let defaults = defaults::due(state, &mut headroom, &wishes, now, &mut dispatch);
    for (evse, profile) in defaults {
        // Until its own profile holds, a session may be held to the new default.
        let ceiling = PowerCurve::constant(evse.hardware_max());
        let next = evse.worst_case_between(&profile, &ceiling, &ceiling);
        for candidate in candidates.iter_mut().filter(|it| it.evse.id == evse.id) {
            candidate.granted = candidate.granted.min(&next);
        }
        numbers = numbers.next();
        let action = Action::SetDefault { profile };
        dispatch
            .commands
            .push(defaults::command(evse, numbers, action, now));
    }
    let Some(plan) = &state.plan else {
        return dispatch;
    };
    if let Some(at) = make_room(state, &headroom, &mut candidates, now) {
        dispatch.wake(at);
    }
    // Lowerings first: they need no room, and the room they will make is not there yet.
    let (lower, mut raise): (Vec<_>, Vec<_>) = candidates
        .drain(..)
        .partition(|c| c.wanted.is_within(&c.bound, now));
    raise.sort_by(|a, b| (a.departure, &a.evse.id).cmp(&(b.departure, &b.evse.id)));
    let is_clipped = |c: &&Candidate<'_>| {
        let short = c.wanted.at(now) - permitted(state, &headroom, c).at(now);
        presses(c.reason) && short > policy.dead_band
    };
    // Whoever must be served now does not wait until others have kept their profile for a while.
    let is_rushed = raise.iter().any(|c| is_clipped(&c));
    for candidate in lower.iter().chain(&raise) {
        let is_lower = candidate.wanted.is_within(&candidate.bound, now);
        let rushed = if is_lower {
            is_rushed
        } else {
            presses(candidate.reason)
        };
        let allowed = permitted(state, &headroom, candidate);
        if differs(
            &allowed,
            &candidate.wanted,
            now,
            plan.horizon.end(),
            policy.dead_band,
        ) && let Some(until) = room_comes_until(state, plan, now)
        {
            dispatch.wake(until);
            continue;
        }
        let profile = candidate.profile(&allowed, plan.horizon.end(), now);
        if !is_due(
            state,
            &headroom,
            candidate,
            &profile,
            (policy, rushed),
            now,
            &mut dispatch,
        ) {
            continue;
        }
        let after = candidate.under(&profile);
        headroom.take(
            state,
            candidate.evse,
            &candidate.bound,
            &candidate.bound.max(&after),
        );
        numbers = numbers.next();
        dispatch.commands.push(command(
            candidate,
            numbers,
            Some(plan),
            Action::SetProfile { profile },
            now,
        ));
    }
    read_back(state, plan, &mut dispatch, &mut numbers, now);
    dispatch
}

/// The EVSEs that a profile may be sent to: a session runs, the mode allows it, it is not known
/// to be uncontrollable, and the plan speaks of this very session.
fn candidates<'a>(state: &'a SiteState, plan: &Plan, now: Time) -> Vec<Candidate<'a>> {
    let fallbacks = Fallbacks::of(state, now);
    state
        .site
        .evses
        .iter()
        .filter(|evse| state.may_send_to(&evse.id))
        .filter_map(|evse| {
            let known = state.evses.get(&evse.id)?;
            let session = known.running()?;
            if matches!(known.control, Control::Unsupported { .. }) || known.resync {
                return None;
            }
            let planned = plan
                .evse(&evse.id)
                .filter(|planned| planned.session == session.id)?;
            Some(Candidate {
                evse,
                state: known,
                session,
                bound: known.bound(evse),
                granted: known.granted(evse),
                underneath: known.underneath(evse),
                wanted: wanted(evse, plan, planned, fallbacks.get(state, evse), now),
                departure: planned.departure,
                reason: planned.reasons.first().copied(),
                rank: Rank::of(planned, evse, now),
            })
        })
        .collect()
}

/// What a new profile may allow it.
fn permits(state: &SiteState, headroom: &Headroom, candidate: &Candidate<'_>) -> PowerCurve {
    let (granted, bound) = (&candidate.granted, &candidate.bound);
    headroom.permits(state, candidate.evse, granted, bound)
}

/// What may be sent of what is wanted; nothing above the present bound while our view of the partner
/// is stale.
fn permitted(state: &SiteState, headroom: &Headroom, candidate: &Candidate<'_>) -> PowerCurve {
    let permits = permits(state, headroom, candidate);
    let wanted = candidate.wanted.min(&permits);
    if state.is_current(candidate.evse) {
        wanted
    } else {
        wanted.min(&candidate.bound)
    }
}

/// Whether a profile is worth sending now; where not yet, notes when it will be.
fn is_due(
    state: &SiteState,
    headroom: &Headroom,
    candidate: &Candidate<'_>,
    profile: &Profile,
    (policy, rushed): (&Policy, bool),
    now: Time,
    dispatch: &mut Dispatch,
) -> bool {
    let profiles = &candidate.state.profiles;
    let newest = profiles.outstanding.last();
    let next = candidate.under(profile);
    let reference = match newest.map(|o| &o.command.action) {
        Some(Action::SetProfile { profile }) => candidate.under(profile),
        Some(Action::SetDefault { .. } | Action::ClearProfile | Action::ReadProfile) => {
            candidate.bound.clone()
        }
        None => match &profiles.confirmed {
            Some(confirmed) => candidate.evse.worst_case_between(
                &confirmed.profile,
                &candidate.underneath,
                &candidate.underneath,
            ),
            None => {
                // Nothing is known to hold: the first profile goes at once, unless refused.
                return not_before(candidate.state.backoff_until, now, dispatch);
            }
        },
    };
    let lower_now = next.at(now) < reference.at(now);
    let urgent = headroom.is_exceeded_above(state, candidate.evse) && lower_now;
    let in_flight = newest.is_some_and(|o| !o.unknown);
    // One request at a time per session, except to get a site under its limit.
    if in_flight && !urgent {
        return false;
    }
    if newest.is_some() && !urgent {
        // Silence: try again; a read goes in between (see `read_back`). What was refused, or could
        // not be sent, since then waits as well.
        let again = retry_at(profiles, policy).max(candidate.state.backoff_until);
        return not_before(again, now, dispatch);
    }
    if urgent {
        // A refusal is not answered by the same again at once: the others make room meanwhile. Where
        // nobody has answered for long, a lowering may help all the same, now and then.
        let pause = match u32::from(candidate.state.failures) {
            _ if profiles.outstanding.len() >= MAX_OUTSTANDING => LONGEST_URGENT_RETRY_S,
            0 => 0,
            failures => (1 << failures.min(5)).min(LONGEST_URGENT_RETRY_S),
        };
        let again = candidate.state.last_set_at;
        let again = again.map(|at| at + TimeDelta::seconds(pause));
        return not_before(again, now, dispatch);
    }
    if !not_before(candidate.state.backoff_until, now, dispatch) {
        return false;
    }
    if !profiles.late.is_empty() {
        // What was overtaken counts until something newer than its last chance holds.
        let settles = profiles.late_until().zip(candidate.state.last_set_at);
        let settles = settles.map(|(until, last)| until.max(last + TimeDelta::seconds(SETTLE_S)));
        if settles.is_some() && not_before(settles, now, dispatch) {
            return true;
        }
    }
    // A limit that will be too low for what holds must be answered before its time.
    let shortage = headroom.first_shortage(state, candidate.evse, now);
    if let Some(short) = shortage
        && next.at(short) < reference.at(short)
    {
        return true;
    }
    let since_last = candidate.state.last_set_at.map(|at| now - at);
    let held = |seconds: i64| since_last.is_none_or(|since| since >= TimeDelta::seconds(seconds));
    let Some(apart) = first_apart(&next, &reference, now, policy.dead_band) else {
        return false;
    };
    let near = i64::from(policy.min_hold_s).min(if rushed { RUSHED_HOLD_S } else { i64::MAX });
    let steps = [Patience {
        ahead_s: NEAR_S,
        hold_s: near,
    }];
    let is_ahead = |step: &&Patience| apart - now < TimeDelta::seconds(step.ahead_s);
    let Some(step) = steps.iter().chain(&PATIENCE).find(is_ahead) else {
        return false;
    };
    if held(step.hold_s) {
        return true;
    }
    let last = candidate.state.last_set_at.unwrap_or(now);
    let comes = (apart - TimeDelta::seconds(NEAR_S)).max(last + TimeDelta::seconds(near));
    dispatch.wake(comes.min(last + TimeDelta::seconds(step.hold_s)));
    false
}

/// The first instant from `now` on at which two curves differ by more than `band`.
fn first_apart(a: &PowerCurve, b: &PowerCurve, now: Time, band: Power) -> Option<Time> {
    let band = PowerCurve::constant(band);
    let above = a.first_above(&b.plus(&band), now);
    let below = b.first_above(&a.plus(&band), now);
    above.into_iter().chain(below).min()
}

/// When what was sent last and not answered is tried again: after pauses that grow with what is open.
fn retry_at(profiles: &Profiles, policy: &Policy) -> Option<Time> {
    let newest = profiles.outstanding.last()?;
    let open = i64::try_from(profiles.outstanding.len()).unwrap_or(i64::MAX);
    let pause = (i64::from(policy.answer_deadline_s) << open.min(6)).min(LONGEST_RETRY_S);
    Some(newest.command.issued_at + TimeDelta::seconds(pause))
}

/// True if what is planned now is planned for need and not for its price.
fn presses(reason: Option<Reason>) -> bool {
    use Reason::{AsSoonAsPossible, CircuitLimit, Deadline, Override, SignalLimit};
    let needs = [
        AsSoonAsPossible,
        CircuitLimit,
        Deadline,
        Override,
        SignalLimit,
    ];
    reason.is_some_and(|reason| needs.contains(&reason))
}

/// True if `at` is not in the future; else notes to come back then.
fn not_before(at: Option<Time>, now: Time, dispatch: &mut Dispatch) -> bool {
    match at.filter(|at| *at > now) {
        Some(at) => {
            dispatch.wake(at);
            false
        }
        None => true,
    }
}

/// True if two curves differ by more than `band` somewhere in `[from, until)`.
fn differs(a: &PowerCurve, b: &PowerCurve, from: Time, until: Time, band: Power) -> bool {
    a.minus(b).lowest_within(from, until) < -band || b.minus(a).lowest_within(from, until) < -band
}

/// Asks the peer what holds where two requests in a row got no answer.
fn read_back(
    state: &SiteState,
    plan: &Plan,
    dispatch: &mut Dispatch,
    numbers: &mut CommandId,
    now: Time,
) {
    let is_unclear = |known: &EvseState| known.profiles.outstanding.len() >= 2;
    if !state.evses.values().any(is_unclear) {
        return;
    }
    for candidate in candidates(state, plan, now) {
        let profiles = &candidate.state.profiles;
        let unknown = profiles.outstanding.iter().filter(|o| o.unknown).count();
        let set_now = dispatch
            .commands
            .iter()
            .any(|c| c.evse == candidate.evse.id);
        let last = profiles.outstanding.last().map(|o| o.command.id);
        let read_since = profiles.last_read.is_some_and(|read| Some(read) > last);
        if unknown >= 2 && profiles.reading.is_none() && !set_now && !read_since {
            *numbers = numbers.next();
            dispatch.commands.push(command(
                &candidate,
                *numbers,
                None,
                Action::ReadProfile,
                now,
            ));
        }
    }
}

/// Rollback: our profiles are cleared, the smallest rise of a bound first, each only where the limit
/// bears what its car may draw without it. The others stay, with their safe last period, until room
/// is made or their session ends.
fn roll_back(
    state: &SiteState,
    policy: &Policy,
    dispatch: &mut Dispatch,
    numbers: &mut CommandId,
    now: Time,
) {
    let clearable = clearable(state, now);
    if clearable.is_empty() {
        return;
    }
    let headroom = &mut Headroom::without_reserve(state, now);
    for candidate in clearable {
        let profiles = &candidate.state.profiles;
        let is_clear = |o: &Outstanding| matches!(o.command.action, Action::ClearProfile);
        if profiles
            .outstanding
            .iter()
            .any(|o| is_clear(o) && !o.unknown)
        {
            continue;
        }
        let was_clear = profiles.outstanding.last().is_some_and(is_clear);
        let again = retry_at(profiles, policy).filter(|_| was_clear);
        if !not_before(candidate.state.backoff_until.max(again), now, dispatch) {
            continue;
        }
        let after = PowerCurve::constant(candidate.evse.hardware_max());
        if !after.is_within(&permits(state, headroom, &candidate), now) {
            continue;
        }
        headroom.take(state, candidate.evse, &candidate.bound, &after);
        *numbers = numbers.next();
        dispatch.commands.push(command(
            &candidate,
            *numbers,
            None,
            Action::ClearProfile,
            now,
        ));
    }
}

/// The EVSEs whose profile of ours a rollback leaves in place for now, because clearing it would let
/// the bound of a circuit exceed its limit.
pub fn kept_in_rollback(state: &SiteState, now: Time) -> Vec<EvseId> {
    let mut headroom = Headroom::without_reserve(state, now);
    clearable(state, now)
        .into_iter()
        .filter(|candidate| {
            let after = PowerCurve::constant(candidate.evse.hardware_max());
            let fits = after.is_within(&permits(state, &headroom, candidate), now);
            if fits {
                headroom.take(state, candidate.evse, &candidate.bound, &after);
            }
            !fits
        })
        .map(|candidate| candidate.evse.id.clone())
        .collect()
}

/// The EVSEs at which a profile of ours holds or may hold, the smallest rise by clearing it first.
fn clearable(state: &SiteState, now: Time) -> Vec<Candidate<'_>> {
    let mut ours: Vec<(Power, Candidate<'_>)> = state
        .site
        .evses
        .iter()
        .filter(|evse| !state.may_send_to(&evse.id))
        .filter_map(|evse| {
            let known = state.evses.get(&evse.id)?;
            let session = known.running()?;
            let profiles = &known.profiles;
            let sent = profiles
                .confirmed
                .as_ref()
                .is_some_and(|c| c.command.is_some())
                || profiles
                    .outstanding
                    .iter()
                    .any(|o| matches!(o.command.action, Action::SetProfile { .. }))
                || profiles.late.iter().any(|late| late.profile.is_some());
            if !sent {
                return None;
            }
            let bound = known.bound(evse);
            let rise = known.underneath(evse).at(now) - bound.at(now);
            Some((
                rise,
                Candidate {
                    evse,
                    state: known,
                    session,
                    wanted: bound.clone(),
                    granted: known.granted(evse),
                    underneath: known.underneath(evse),
                    bound,
                    departure: None,
                    reason: None,
                    rank: Rank::default(),
                },
            ))
        })
        .collect();
    ours.sort_by(|a, b| (a.0, &a.1.evse.id).cmp(&(b.0, &b.1.evse.id)));
    ours.into_iter().map(|(_, candidate)| candidate).collect()
}

fn command(
    candidate: &Candidate<'_>,
    id: CommandId,
    plan: Option<&Plan>,
    action: Action,
    now: Time,
) -> Command {
    Command {
        id,
        evse: candidate.evse.id.clone(),
        session: Some(candidate.session.id.clone()),
        native_session: Some(candidate.session.native_id.clone()),
        plan: plan.map(|plan| plan.id),
        issued_at: now,
        action,
    }
}
