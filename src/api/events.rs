//! `/events`: server-sent events of one site.
//!
//! `note` is one thing that happened, with its number as id; `state` says that something is new and
//! gives the few figures that change by the second, at most twice a second; `resync` says that notes
//! were missed (after a pause longer than is remembered, or a restart) and everything should be read
//! anew. A watcher has no queue here: it reads what it has not seen when it is ready.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::ApiState;
use super::auth::{Access, Scope};
use super::chronicle::Note;
use super::problem::{Faults, Problem};
use super::query::Query;
use super::sites::Answer;
use crate::domain::id::SiteKey;
use crate::domain::ports::PortError;
use crate::domain::quantity::Power;
use crate::state::limits::UNLIMITED;

/// Most watchers at a time; each holds a connection.
pub(super) const MAX_WATCHERS: usize = 256;
/// Least time between two messages to one watcher.
const PACE: Duration = Duration::from_millis(500);
/// A comment is sent after this much silence, so that proxies keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most notes in one message; more is a resync.
const MAX_NOTES: usize = 200;

struct Watcher {
    api: Data<ApiState>,
    request: HttpRequest,
    key: SiteKey,
    turns: watch::Receiver<u64>,
    last_note: u64,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn stream(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let site = query.text("site").map(str::to_owned);
    if site.is_none() {
        query.fault("site", "is missing");
    }
    query.close();
    faults.check()?;
    let (key, _) = access.snapshot(&api, &site.unwrap_or_default())?;
    let permit = api
        .watchers
        .clone()
        .try_acquire_owned()
        .map_err(|_| Problem::from(PortError::Overloaded("the list of watchers".into())))?;
    let seen = request
        .headers()
        .get("Last-Event-ID")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let newest = api.chronicle.read(&key, |site| site.notes.last());
    let watcher = Watcher {
        turns: api.chronicle.follow(&key),
        api: api.clone(),
        request,
        key,
        last_note: seen.unwrap_or(newest),
        begun: false,
        _permit: permit,
    };
    let messages = stream::unfold(watcher, |mut watcher| async move {
        let message = watcher.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(message)), watcher))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(messages))
}

impl Watcher {
    /// The next message; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            self.turns.mark_unchanged();
            return Some(format!("retry: 2000\n\n{}", self.news()?));
        }
        tokio::time::sleep(PACE).await;
        match tokio::time::timeout(KEEP_ALIVE, self.turns.changed()).await {
            // The service stops.
            Ok(Err(_)) => return None,
            Ok(Ok(())) => {}
            Err(_) => {
                self.still_allowed()?;
                return Some(": still here\n\n".to_owned());
            }
        }
        self.still_allowed()?;
        self.news()
    }

    /// Whether the watcher's token or session still opens this site.
    fn still_allowed(&self) -> Option<()> {
        let access = Access::again(&self.api, &self.request, Scope::Read)?;
        access.reaches(&self.key.site).then_some(())
    }

    fn news(&mut self) -> Option<String> {
        let state = state(&self.api, &self.key)?;
        let mut messages = Vec::new();
        let (notes, newest, missed) = self.api.chronicle.read(&self.key, |site| {
            let newest = site.notes.last();
            let missed = self.last_note > newest
                || self.last_note + 1 < site.notes.first()
                || newest - self.last_note > MAX_NOTES as u64;
            let notes: Vec<Note> = if missed {
                Vec::new()
            } else {
                site.notes.after(self.last_note).cloned().collect()
            };
            (notes, newest, missed)
        });
        self.last_note = newest;
        if missed {
            messages.push(format!("id: {newest}\nevent: resync\ndata: {{}}\n\n"));
        }
        for note in notes {
            let data = serde_json::to_string(&note).ok()?;
            messages.push(format!(
                "id: {}\nevent: note\ndata: {data}\n\n",
                note.number
            ));
        }
        messages.push(format!("event: state\ndata: {state}\n\n"));
        Some(messages.concat())
    }
}

/// The few figures that change by the second.
fn state(api: &ApiState, key: &SiteKey) -> Option<Value> {
    let state = api.directory.snapshot(key)?;
    let now = api.clock.now();
    let power: Power = state
        .evses
        .values()
        .filter(|evse| !evse.is_free())
        .filter_map(|evse| evse.reading)
        .map(|reading| reading.power)
        .sum();
    let limit = state
        .site
        .root()
        .map(|root| state.limit(root).at(now))
        .filter(|limit| *limit < UNLIMITED);
    Some(json!({
        "at": now,
        "seq": state.last_seq,
        "plan_id": state.last_plan,
        "mode": state.effective_mode(),
        "evses_kw": power.kilowatts(),
        "uncontrolled_kw": state.meter.map(|meter| meter.uncontrolled.kilowatts()),
        "limit_kw": limit.map(Power::kilowatts),
        "sessions_active": super::site_view::sessions_active(&state),
        "excursions_open": state.excursions.open.len(),
    }))
}
