//! Events worth a line, in the order in which they happened.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shelf::CHUNK;
use crate::domain::command::{Action, Answer, Command};
use crate::domain::event::{Event, EventKind};
use crate::domain::id::{CircuitId, CommandId, EvseId, SessionId};
use crate::domain::quantity::Energy;
use crate::domain::session::SessionStatus;
use crate::domain::time::Time;
use crate::state::SiteState;

/// Notes kept per site: a busy day of a large depot.
const MAX_NOTES: usize = 10_000;
/// Commands whose answers are waited for.
const MAX_OPEN_COMMANDS: usize = 2_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::api) struct Note {
    /// Counted up from 1 over the life of the site.
    pub(in crate::api) number: u64,
    pub(in crate::api) at: Time,
    /// A stable word for programs.
    pub(in crate::api) kind: Cow<'static, str>,
    pub(in crate::api) evse: Option<EvseId>,
    /// What belongs to this kind.
    pub(in crate::api) detail: Value,
}

/// The last notes of a site.
#[derive(Debug, Default)]
pub(in crate::api) struct Notes {
    all: VecDeque<Note>,
    last: u64,
    /// The newest that is kept.
    saved_to: u64,
    /// Which session was seen at an EVSE in which state, so that each change is noted once.
    seen: BTreeMap<EvseId, (SessionId, SessionStatus)>,
    commands: VecDeque<(CommandId, EvseId)>,
    open_excursions: Vec<(CircuitId, Time)>,
}

impl Notes {
    /// Newest number given.
    pub(in crate::api) fn last(&self) -> u64 {
        self.last
    }

    /// The oldest number that is still here.
    pub(in crate::api) fn first(&self) -> u64 {
        self.all.front().map_or(self.last + 1, |note| note.number)
    }

    /// Those after a number, oldest first.
    pub(in crate::api) fn after(&self, number: u64) -> impl DoubleEndedIterator<Item = &Note> {
        let from = self.all.partition_point(|note| note.number <= number);
        self.all.range(from..)
    }

    /// Notes something that is not an event.
    pub(super) fn say(&mut self, at: Time, kind: &'static str, detail: Value) {
        self.push(at, kind, None, detail);
    }

    fn push(&mut self, at: Time, kind: &'static str, evse: Option<EvseId>, detail: Value) {
        self.last += 1;
        if self.all.len() >= MAX_NOTES {
            self.all.pop_front();
        }
        self.all.push_back(Note {
            number: self.last,
            at,
            kind: Cow::Borrowed(kind),
            evse,
            detail,
        });
    }

    /// Takes over what was kept, chunk by chunk, oldest first.
    pub(super) fn resume(&mut self, kept: Vec<Note>) {
        for note in kept {
            if self.all.len() >= MAX_NOTES {
                self.all.pop_front();
            }
            self.last = self.last.max(note.number);
            self.all.push_back(note);
        }
        self.saved_to = self.last;
    }

    /// The chunks with notes that are not kept yet, whole.
    pub(super) fn unsaved(&self) -> BTreeMap<u64, Vec<Note>> {
        let mut chunks: BTreeMap<u64, Vec<Note>> = BTreeMap::new();
        if self.last > self.saved_to {
            let first = (self.saved_to + 1) / CHUNK * CHUNK;
            for note in self.after(first.saturating_sub(1)) {
                let chunk = chunks.entry(note.number / CHUNK).or_default();
                chunk.push(note.clone());
            }
        }
        chunks
    }

    /// All up to a number are kept.
    pub(super) fn saved_to(&mut self, number: u64) {
        self.saved_to = number;
    }

    /// Notes an event, if it is worth a line.
    pub(super) fn take(&mut self, event: &Event, state: &SiteState) {
        let at = event.at;
        match &event.kind {
            EventKind::SiteConfigured { .. } => self.push(at, "site_configured", None, json!({})),
            EventKind::SiteRemoved => self.push(at, "site_removed", None, json!({})),
            EventKind::ModeSet { mode, evses } => {
                self.push(at, "mode_set", None, json!({"mode": mode, "evses": evses}));
            }
            EventKind::SessionSeen { session } => {
                let now = (session.id.clone(), session.status);
                if self.seen.get(&session.evse) == Some(&now) {
                    return;
                }
                self.seen.insert(session.evse.clone(), now);
                let kind = match session.status {
                    SessionStatus::Pending => "session_pending",
                    SessionStatus::Active => "session_active",
                    SessionStatus::Ended => "session_ended",
                };
                let detail = json!({
                    "session": session.id, "energy_kwh": session.energy.kilowatt_hours(),
                });
                self.push(at, kind, Some(session.evse.clone()), detail);
            }
            EventKind::NeedsStated {
                session,
                evse,
                needs,
            } => {
                let anywhere = || state.running_session(session).map(|(evse, _)| evse.clone());
                let evse = evse.clone().or_else(anywhere);
                let energy = needs.energy.map(Energy::kilowatt_hours);
                let detail = json!({"departure": needs.departure, "energy_kwh": energy});
                self.push(at, "needs_stated", evse, detail);
            }
            EventKind::DepartureSet { departure } => {
                let energy = departure.energy.map(Energy::kilowatt_hours);
                let detail = json!({
                    "key": departure.key, "departure": departure.departure, "energy_kwh": energy,
                });
                self.push(at, "departure_set", None, detail);
            }
            EventKind::DepartureRemoved { key } => {
                self.push(at, "departure_removed", None, json!({"key": key}));
            }
            EventKind::SignalSet { series } => {
                let detail = json!({
                    "key": series.key, "signal_kind": series.kind, "revision": series.revision,
                    "source": series.source,
                });
                self.push(at, "signal_set", None, detail);
            }
            EventKind::SignalWithdrawn { key } => {
                self.push(at, "signal_withdrawn", None, json!({"key": key}));
            }
            EventKind::OverrideSet {
                evse,
                action,
                until,
            } => {
                let detail = json!({"action": action, "until": until});
                self.push(at, "override_set", Some(evse.clone()), detail);
            }
            EventKind::OverrideReleased { evse } => {
                self.push(at, "override_released", Some(evse.clone()), json!({}));
            }
            EventKind::PartnerSeen { partner, health } => {
                let detail = json!({"partner": partner, "health": health});
                self.push(at, "partner_seen", None, detail);
            }
            EventKind::PlanStored { plan } => {
                let detail = json!({
                    "plan_id": plan.id, "origin": plan.origin, "cost": plan.cost.amount(),
                    "vehicles": plan.evses.len(),
                });
                self.push(at, "plan_stored", None, detail);
            }
            EventKind::CommandIssued { command } => self.issued(at, command),
            EventKind::CommandAnswered { command, answer } => self.answered(at, *command, answer),
            EventKind::StationConnected { evse, booted } => {
                let kind = if *booted {
                    "station_booted"
                } else {
                    "station_connected"
                };
                self.push(at, kind, Some(evse.clone()), json!({}));
            }
            EventKind::EvseLimited {
                evse,
                limit,
                source,
            } => {
                let detail = json!({ "source": source, "limit": limit });
                self.push(at, "external_limit", Some(evse.clone()), detail);
            }
            EventKind::Restarted => self.push(at, "restarted", None, json!({})),
            EventKind::EvseMeasured { .. }
            | EventKind::SiteMetered { .. }
            | EventKind::HistoryLearned { .. }
            | EventKind::ProfileRead { .. }
            | EventKind::Ticked => {}
        }
    }

    fn issued(&mut self, at: Time, command: &Command) {
        let (kind, periods) = match &command.action {
            Action::SetProfile { profile } => ("profile_sent", Some(profile.periods.len())),
            Action::SetDefault { profile } => ("default_sent", Some(profile.periods.len())),
            Action::ClearProfile => ("profile_cleared", None),
            Action::ReadProfile => return,
        };
        if self.commands.len() >= MAX_OPEN_COMMANDS {
            self.commands.pop_front();
        }
        self.commands.push_back((command.id, command.evse.clone()));
        let detail = json!({
            "command": command.id, "plan_id": command.plan, "periods": periods,
        });
        self.push(at, kind, Some(command.evse.clone()), detail);
    }

    fn answered(&mut self, at: Time, command: CommandId, answer: &Answer) {
        let (kind, detail) = match answer {
            // Nothing is proven yet.
            Answer::Accepted { .. } => return,
            Answer::Applied { evidence } => ("profile_applied", json!({"evidence": evidence})),
            Answer::Refused { reason, detail } => (
                "profile_refused",
                json!({"reason": reason, "detail": detail}),
            ),
            Answer::NotSent { detail } => ("profile_not_sent", json!({"detail": detail})),
            Answer::Unknown { detail } => ("profile_unanswered", json!({"detail": detail})),
        };
        let Some(index) = self.commands.iter().position(|(id, _)| *id == command) else {
            return;
        };
        let evse = self.commands.remove(index).map(|(_, evse)| evse);
        let mut detail = detail;
        detail["command"] = json!(command);
        self.push(at, kind, evse, detail);
    }

    /// Notes excursions that opened and closed since the turn before.
    pub(super) fn take_excursions(&mut self, state: &SiteState, now: Time) {
        let open = &state.excursions.open;
        let before = std::mem::take(&mut self.open_excursions);
        for excursion in open {
            let key = (excursion.circuit.clone(), excursion.opened_at);
            if !before.contains(&key) {
                let detail = json!({
                    "circuit": excursion.circuit, "cause": excursion.cause,
                    "worst_kw": excursion.worst.kilowatts(),
                });
                self.push(now, "excursion_opened", excursion.evse.clone(), detail);
            }
            self.open_excursions.push(key);
        }
        for (circuit, opened_at) in before {
            if open
                .iter()
                .any(|e| e.circuit == circuit && e.opened_at == opened_at)
            {
                continue;
            }
            let detail = json!({
                "circuit": circuit, "duration_s": (now - opened_at).num_seconds(),
            });
            self.push(now, "excursion_closed", None, detail);
        }
    }
}
