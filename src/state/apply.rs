//! The one place where state changes: an event is applied.

use std::sync::Arc;

use chrono::TimeDelta;

use super::SiteState;
use super::evse_state::{Control, EvseState, Override};
use super::excursion::Cause;
use super::late::Order;
use super::succession::{Succession, succeed};
use super::used_phases::UsedPhases;
use crate::domain::command::{Action, Answer, Command, Refusal};
use crate::domain::event::{Event, EventKind, PartnerHealth};
use crate::domain::evse::Evse;
use crate::domain::id::{CommandId, EvseId, SessionId};
use crate::domain::quantity::Energy;
use crate::domain::session::{PastSession, Reading, Session, SessionStatus};
use crate::domain::site::Site;
use crate::domain::time::Time;

/// First pause after a refusal or failure; it doubles with each further one.
const FIRST_BACKOFF_S: i64 = 15;
/// Longest pause after refusals: 15 minutes.
const LONGEST_BACKOFF_S: i64 = 15 * 60;

impl SiteState {
    /// Applies one event. Events are applied in the order of their numbers; a number that was
    /// applied already is passed over, so that applying a journal twice changes nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.seq <= self.last_seq {
            return;
        }
        self.last_seq = event.seq;
        let now = event.at;
        self.updated_at = self.updated_at.max(now);
        for state in self.evses.values_mut() {
            state.profiles.expire(now);
            state.defaults.expire(now);
        }
        if matches!(event.kind, EventKind::CommandIssued { .. }) {
            // What time alone has changed is not the command's doing.
            self.observe_excursions(Cause::LimitCut, None, now);
        }
        let cause = self.cause_of(&event.kind);
        let touched = self.apply_kind(&event.kind, now);
        self.observe_peak(&event.kind, now);
        self.observe_excursions(cause, touched.as_ref(), now);
    }

    /// What an excursion comes from that opens with this event.
    fn cause_of(&self, kind: &EventKind) -> Cause {
        match kind {
            // News of a session that runs bring its reading.
            EventKind::SessionSeen { session }
                if self
                    .evses
                    .get(&session.evse)
                    .and_then(EvseState::running)
                    .is_some_and(|running| running.id == session.id) =>
            {
                Cause::Disobedience
            }
            kind => Cause::of(kind),
        }
    }

    /// Applies what happened; returns the EVSE it was about, if it was about one.
    fn apply_kind(&mut self, kind: &EventKind, now: Time) -> Option<EvseId> {
        match kind {
            EventKind::SiteConfigured { site } => self.configure(site, now),
            EventKind::SiteRemoved => self.removed = true,
            EventKind::ModeSet { mode, evses } => {
                self.mode = *mode;
                self.canary.clone_from(evses);
            }
            EventKind::SessionSeen { session } => {
                self.session_seen(session, now);
                return Some(session.evse.clone());
            }
            EventKind::NeedsStated {
                session,
                evse,
                needs,
            } => {
                let is_meant = |id: &EvseId| evse.as_ref().is_none_or(|meant| meant == id);
                let found = self
                    .evses
                    .iter_mut()
                    .filter(|(id, _)| is_meant(id))
                    .map(|(_, state)| state)
                    .find(|e| e.running().is_some_and(|s| s.id == *session));
                if let Some(state) = found
                    && state.needs != Some(*needs)
                {
                    state.needs = Some(*needs);
                    self.plan_inputs += 1;
                }
            }
            EventKind::DepartureSet { departure } => {
                self.departures
                    .insert(departure.key.clone(), departure.clone());
                self.plan_inputs += 1;
            }
            EventKind::DepartureRemoved { key } => {
                self.departures.remove(key);
                self.plan_inputs += 1;
            }
            EventKind::EvseMeasured {
                evse,
                reading,
                energy,
            } => {
                if let Some(state) = self.evses.get_mut(evse)
                    && let Some(energy) = energy
                    && let Some(session) = state.session.as_mut()
                    && session.status != SessionStatus::Ended
                {
                    session.energy = session.energy.max(*energy);
                }
                self.measure(evse, *reading, now);
                return Some(evse.clone());
            }
            EventKind::SiteMetered { reading } => self.site_metered(*reading, now),
            EventKind::SignalSet { series } => {
                self.signals
                    .insert(series.key.clone(), Arc::new((**series).clone()));
                self.plan_inputs += 1;
            }
            EventKind::SignalWithdrawn { key } => {
                self.signals.remove(key);
                self.plan_inputs += 1;
            }
            EventKind::HistoryLearned { sessions } => {
                let history = Arc::make_mut(&mut self.history);
                for session in sessions {
                    history.learn(session.clone());
                }
                self.plan_inputs += 1;
            }
            EventKind::OverrideSet {
                evse,
                action,
                until,
            } => {
                if self.site.evse(evse).is_some() {
                    let state = self.evses.entry(evse.clone()).or_default();
                    state.override_ = Some(Override {
                        action: *action,
                        until: *until,
                    });
                    self.plan_inputs += 1;
                }
                return Some(evse.clone());
            }
            EventKind::OverrideReleased { evse } => {
                if let Some(state) = self.evses.get_mut(evse) {
                    state.override_ = None;
                    self.plan_inputs += 1;
                }
                return Some(evse.clone());
            }
            EventKind::PartnerSeen { partner, health } => {
                self.partners.insert(partner.clone(), *health);
            }
            EventKind::PlanStored { plan } => {
                if plan.id > self.last_plan {
                    self.last_plan = plan.id;
                    self.plan = Some(Arc::new((**plan).clone()));
                }
            }
            EventKind::CommandIssued { command } => return Some(self.issued(command)),
            EventKind::CommandAnswered { command, answer } => {
                return self.answered(*command, answer, now);
            }
            EventKind::ProfileRead {
                evse,
                session,
                profile,
                command,
            } => {
                if let (Some(described), Some(state)) =
                    (self.site.evse(evse), self.evses.get_mut(evse))
                    && state
                        .running()
                        .is_some_and(|running| running.id == *session)
                {
                    let underneath = state.underneath(described);
                    state.profiles.read(
                        described,
                        &underneath,
                        session,
                        profile.as_ref(),
                        *command,
                        now,
                    );
                }
                return Some(evse.clone());
            }
            EventKind::StationConnected { evse, booted } => {
                return self.station_connected(evse, *booted);
            }
            EventKind::EvseLimited { evse, limit, .. } => {
                let described = self.site.evse(evse)?;
                let limit = limit.map(|(unit, limit)| described.worst_case_of(unit, limit));
                let state = self.evses.entry(evse.clone()).or_default();
                if state.external_limit != limit {
                    state.external_limit = limit;
                    self.plan_inputs += 1;
                }
                return Some(evse.clone());
            }
            EventKind::Restarted => {
                for state in self.evses.values_mut() {
                    state.profiles.restarted(now);
                    state.defaults.restarted();
                }
                for health in self.partners.values_mut() {
                    *health = PartnerHealth::Stale;
                }
                self.plan_inputs += 1;
            }
            // Slot borders ask for a plan by themselves.
            EventKind::Ticked => {}
        }
        None
    }

    fn configure(&mut self, site: &Site, now: Time) {
        // The first event of a site describes it, and the state was made from that already.
        let begins = self.removed || self.last_seq == 1;
        if self.removed {
            // It begins anew: what happened while it was gone nobody has told us. Only the numbers
            // go on, so that none is used twice.
            *self = Self {
                last_plan: self.last_plan,
                last_command: self.last_command,
                last_seq: self.last_seq,
                updated_at: self.updated_at,
                plan_inputs: self.plan_inputs,
                ..Self::new(site.clone(), now)
            };
        }
        // An EVSE is what is reached at its source: under a new name it keeps what holds there.
        for evse in &self.site.evses {
            let renamed = site.evses.iter().find(|other| other.source == evse.source);
            if let Some(renamed) = renamed.filter(|renamed| renamed.id != evse.id)
                && let Some(mut state) = self.evses.remove(&evse.id)
            {
                state.move_to(&renamed.id);
                self.evses.insert(renamed.id.clone(), state);
            }
        }
        let charge = self.site.grid.demand_charge.clone();
        self.site = Arc::new(site.clone());
        self.state_peak(charge.as_ref().filter(|_| !begins), now);
        self.evses.retain(|id, _| site.evse(id).is_some());
        self.canary.retain(|id| site.evse(id).is_some());
        self.plan_inputs += 1;
    }

    fn session_seen(&mut self, session: &Session, now: Time) {
        if self.site.evse(&session.evse).is_none() {
            return;
        }
        let state = self.evses.entry(session.evse.clone()).or_default();
        let before = match succeed(state.session.as_ref(), session) {
            Succession::Update => state.session.clone(),
            Succession::Replace => None,
            Succession::Past => {
                self.learn(session, now);
                return;
            }
            Succession::Old => return,
        };
        let mut next = session.clone();
        if let Some(evse) = self.site.evse(&session.evse)
            && !is_believable(evse, session)
        {
            next.energy = before.as_ref().map_or(Energy::ZERO, |before| before.energy);
        }
        let reading = next
            .reading
            .or_else(|| derived_reading(before.as_ref(), &next));
        if let Some(before) = &before {
            // A register that jumps back never takes energy away.
            next.energy = next.energy.max(before.energy);
        } else {
            if let Some(replaced) = state.session.clone()
                && replaced.status != SessionStatus::Ended
            {
                self.learn(
                    &Session {
                        ended_at: Some(now),
                        ..replaced
                    },
                    now,
                );
            }
            let state = self.evses.entry(session.evse.clone()).or_default();
            start_over(state);
        }
        let changed = before
            .as_ref()
            .is_none_or(|b| b.status != next.status || b.needs != next.needs);
        let ended = next.status == SessionStatus::Ended;
        let state = self.evses.entry(session.evse.clone()).or_default();
        state.session = Some(next.clone());
        // Its partner speaks of it again: it may be asked again, after the pause that refusals make.
        state.resync = false;
        if changed {
            self.plan_inputs += 1;
        }
        if ended {
            start_over(self.evses.entry(session.evse.clone()).or_default());
            self.learn(&next, now);
        } else if let Some(reading) = reading {
            self.measure(&session.evse, reading, now);
        }
    }

    fn station_connected(&mut self, evse: &EvseId, booted: bool) -> Option<EvseId> {
        self.site.evse(evse)?;
        let state = self.evses.entry(evse.clone()).or_default();
        state.defaults.connected(booted);
        state.backoff_until = None;
        state.failures = 0;
        if booted {
            // Whatever it accepted may be gone; and what it could not do it may have learned.
            state.profiles.confirmed = None;
            state.control = Control::Controllable;
            // It says so again if it still holds.
            state.external_limit = None;
        }
        self.plan_inputs += 1;
        Some(evse.clone())
    }

    fn learn(&mut self, session: &Session, now: Time) {
        let needs = session.needs;
        Arc::make_mut(&mut self.history).learn(PastSession {
            id: session.id.clone(),
            evse: session.evse.clone(),
            started_at: session.started_at,
            ended_at: session.ended_at.unwrap_or(now),
            energy: session.energy,
            stated_departure: needs.departure,
            stated_energy: needs.energy,
        });
    }

    fn measure(&mut self, evse: &EvseId, reading: Reading, now: Time) {
        if let (Some(described), Some(state)) = (self.site.evse(evse), self.evses.get_mut(evse)) {
            let learned = |state: &EvseState| (state.full, state.used_phases.known());
            let before = (state.control.clone(), learned(state));
            state.measure(described, reading, now);
            if (&state.control, learned(state)) != (&before.0, before.1) {
                self.plan_inputs += 1;
            }
        }
    }

    fn issued(&mut self, command: &Command) -> EvseId {
        self.last_command = self.last_command.max(command.id);
        let state = self.evses.entry(command.evse.clone()).or_default();
        if matches!(command.action, Action::SetDefault { .. }) {
            state.defaults.issued(command);
        } else {
            state.profiles.issued(command);
        }
        if matches!(command.action, Action::SetProfile { .. }) {
            state.last_set_at = Some(command.issued_at);
        }
        command.evse.clone()
    }

    fn answered(&mut self, command: CommandId, answer: &Answer, now: Time) -> Option<EvseId> {
        let about_default = self.evses.iter_mut().find_map(|(id, state)| {
            state
                .defaults
                .answered(command, answer, now)
                .then_some((id, state))
        });
        if let Some((id, state)) = about_default {
            if let Answer::Refused {
                reason: Refusal::NotSupported,
                detail,
            } = answer
            {
                state.control = Control::Unsupported {
                    detail: detail.clone(),
                };
                self.plan_inputs += 1;
            }
            return Some(id.clone());
        }
        let site = &self.site;
        let (id, state) = self.evses.iter_mut().find_map(|(id, state)| {
            // One that is not described any more is reached in no order we know of.
            let order = site.evse(id).map_or(Order::Open, Order::of);
            state
                .profiles
                .answered(command, answer, order, now)
                .then_some((id.clone(), state))
        })?;
        match answer {
            Answer::Applied { .. } => {
                state.failures = 0;
                state.backoff_until = None;
            }
            Answer::Refused { reason, detail } => {
                back_off(state, now);
                match reason {
                    Refusal::NotSupported => {
                        state.control = Control::Unsupported {
                            detail: detail.clone(),
                        };
                        self.plan_inputs += 1;
                    }
                    Refusal::UnknownSession => state.resync = true,
                    Refusal::Rejected | Refusal::TooOften => {}
                }
            }
            Answer::NotSent { .. } => back_off(state, now),
            Answer::Accepted { .. } | Answer::Unknown { .. } => {}
        }
        Some(id)
    }

    /// Notes for every circuit whether its bound is above its limit now.
    fn observe_excursions(&mut self, cause: Cause, evse: Option<&EvseId>, now: Time) {
        let site = Arc::clone(&self.site);
        for circuit in &site.circuits {
            let excess = self.excess(circuit, now);
            let worse = self
                .excursions
                .observe(&circuit.id, excess, cause, evse, now);
            if worse {
                // The world moved: the plan must follow.
                self.plan_inputs += 1;
            }
        }
    }

    /// The session of a running EVSE, by its id.
    pub fn running_session(&self, id: &SessionId) -> Option<(&EvseId, &Session)> {
        self.evses.iter().find_map(|(evse, state)| {
            state
                .running()
                .filter(|session| session.id == *id)
                .map(|session| (evse, session))
        })
    }
}

/// A session began or ended: what was known of profiles and the driver's needs lapses.
fn start_over(state: &mut EvseState) {
    state.profiles.lapse();
    state.needs = None;
    state.reading = None;
    state.register = None;
    state.acceptance = None;
    state.used_phases = UsedPhases::default();
    state.full = false;
    state.strikes = 0;
    state.failures = 0;
    state.backoff_until = None;
    state.last_set_at = None;
    state.resync = false;
    // Whoever refused for good is asked again once per session: it may have been starting just then.
    state.control = Control::Controllable;
}

fn back_off(state: &mut EvseState, now: Time) {
    let pause = (FIRST_BACKOFF_S << i64::from(state.failures.min(6))).min(LONGEST_BACKOFF_S);
    state.failures = state.failures.saturating_add(1);
    state.backoff_until = Some(now + TimeDelta::seconds(pause));
}

/// True if the EVSE could have delivered the session's energy since it began, with room for clocks
/// that differ and a rating that is described too low by half.
fn is_believable(evse: &Evse, session: &Session) -> bool {
    const CLOCKS_APART: TimeDelta = TimeDelta::minutes(15);
    let span = (session.updated_at - session.started_at).max(TimeDelta::zero());
    session.energy <= (evse.hardware_max() * 2).over(span + CLOCKS_APART)
}

/// Mean power between two versions of a session that carry no reading of their own.
fn derived_reading(before: Option<&Session>, after: &Session) -> Option<Reading> {
    let before = before?;
    let span = after.updated_at - before.updated_at;
    if span < TimeDelta::seconds(10) || after.energy < before.energy {
        return None;
    }
    Some(Reading {
        power: (after.energy - before.energy).mean_power(span),
        at: after.updated_at,
    })
}
