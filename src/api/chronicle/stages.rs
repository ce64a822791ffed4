//! How far signals are and how fresh their sources: each change is a note.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::json;

use super::note::Notes;
use crate::api::signal_life::{Reached, Stage};
use crate::api::signal_view::source_state;
use crate::domain::event::{Event, EventKind};
use crate::domain::id::SignalKey;
use crate::domain::time::Time;
use crate::state::SiteState;

/// Without an event that moves a signal on, they are looked at so often.
const EVERY: TimeDelta = TimeDelta::seconds(10);

/// Where each signal was last seen: revision, stage, state of its source.
#[derive(Debug, Default)]
pub(super) struct Stages {
    seen: BTreeMap<SignalKey, (u64, Stage, &'static str)>,
    looked_at: Option<Time>,
}

impl Stages {
    pub(super) fn take(
        &mut self,
        events: &[Event],
        state: &SiteState,
        now: Time,
        notes: &mut Notes,
    ) {
        let moves = |event: &Event| {
            matches!(
                event.kind,
                EventKind::SignalSet { .. }
                    | EventKind::SignalWithdrawn { .. }
                    | EventKind::PlanStored { .. }
                    | EventKind::CommandAnswered { .. }
            )
        };
        let is_old = self.looked_at.is_none_or(|at| now - at >= EVERY);
        if state.signals.is_empty() && self.seen.is_empty() || !(is_old || events.iter().any(moves))
        {
            return;
        }
        self.looked_at = Some(now);
        self.seen.retain(|key, _| state.signals.contains_key(key));
        let reached = Reached::new(state, now);
        for (key, series) in &state.signals {
            let stage = reached.stage(series);
            let source = source_state(series, now);
            let before = self
                .seen
                .insert(key.clone(), (series.revision, stage, source));
            let known = before.filter(|(revision, ..)| *revision == series.revision);
            if known.is_none_or(|(_, old, _)| old != stage) {
                let detail = json!({
                    "key": key, "signal_kind": series.kind, "revision": series.revision,
                    "stage": stage,
                });
                notes.say(now, "signal_stage", detail);
            }
            // A signal that ends is no news of its source.
            let changed = known.is_some_and(|(_, _, old)| old != source);
            if changed {
                let detail = json!({
                    "key": key, "signal_kind": series.kind, "source": series.source,
                    "state": source,
                });
                notes.say(now, "source_state", detail);
            }
        }
    }
}
