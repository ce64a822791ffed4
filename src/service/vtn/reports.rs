//! The reports that a VTN's events ask for: made of what was measured and is planned, and posted once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{Call, Refused};
use crate::api::chronicle::Chronicle;
use crate::domain::feed::{Feed, VtnAccess};
use crate::domain::policy::Policy;
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::planner::baseline::uncontrolled;
use crate::planner::flexibility::{Flexibility, flexibility};
use crate::service::sites::Registry;
use crate::signals::openadr::report::{Due, Figure, Reporter, Schedule, Window, schedule};
use crate::state::Snapshot;

/// How we are called where the feed gives no name.
const NAMELESS: &str = "evenload";
/// Most reports that are sent in one look.
const MAX_SENT: usize = 50;
/// How long a plan for a forecast may take.
const BUDGET: Duration = Duration::from_secs(3);

/// Where figures come from.
pub(in crate::service) struct Sources {
    pub(in crate::service) registry: Registry,
    pub(in crate::service) chronicle: Arc<Chronicle>,
    pub(in crate::service) policy: Policy,
}

/// The reports of one event that the VTN has, by name.
type Known = BTreeMap<String, Posted>;

/// A report that was posted.
#[derive(Clone, Debug)]
struct Posted {
    /// The VTN's id of it.
    id: Option<String>,
    /// The first interval it was about; `None` if it was posted before we started.
    from: Option<Time>,
}

/// What was posted for a feed, by event.
#[derive(Default)]
pub(super) struct Outbox {
    known: BTreeMap<String, Known>,
}

impl Outbox {
    /// Posts what is due; gives what went wrong, and when the next report is due.
    pub(super) async fn post(
        &mut self,
        call: &Call<'_>,
        (feed, access): (&Feed, &VtnAccess),
        events: &[&Value],
        sources: &Sources,
        now: Time,
    ) -> Result<(Vec<String>, Option<Time>), Refused> {
        let salt = format!("{} {}", feed.site, feed.name);
        let reporter = Reporter {
            client: access.ven_name.as_deref().unwrap_or(NAMELESS),
            resource: feed.site.site.as_str(),
            targets: &access.targets,
            salt: &salt,
        };
        let (mut notes, mut next) = (Vec::new(), None::<Time>);
        let mut due = Vec::new();
        for event in events {
            let plan: Schedule = schedule(event, reporter, now);
            notes.extend(plan.notes);
            next = next.into_iter().chain(plan.next).min();
            due.extend(plan.due);
        }
        self.known
            .retain(|id, _| events.iter().any(|event| event["id"] == **id));
        let mut wanted = Vec::new();
        for due in due {
            if !self.known.contains_key(&due.event) {
                let known = look_up(call, &due.event, reporter.client).await?;
                self.known.insert(due.event.clone(), known);
            }
            let posted = self
                .known
                .get(&due.event)
                .and_then(|known| known.get(&due.name));
            let from = due.windows.first().map(|window| window.start);
            // A forecast is told anew for every interval, what was measured once.
            let is_old = posted.is_some_and(|posted| !due.replaces || posted.from == from);
            if !is_old {
                wanted.push(due);
            }
        }
        if wanted.len() > MAX_SENT {
            next = Some(now);
            wanted.truncate(MAX_SENT);
        }
        let Some(state) = sources
            .registry
            .snapshot(&feed.site)
            .filter(|_| !wanted.is_empty())
        else {
            return Ok((notes, next));
        };
        let envelope = envelope(&state, sources, &wanted, now).await;
        for due in wanted {
            let figures = due
                .windows
                .iter()
                .map(|window| figure(window, &state, sources, (feed, envelope.as_ref()), now));
            let body = due.body(reporter, &figures.collect::<Vec<_>>(), now);
            let known = self.known.entry(due.event.clone()).or_default();
            let id = known.get(&due.name).and_then(|posted| posted.id.clone());
            match send(call, id.as_deref(), &body).await {
                Ok(id) => {
                    let from = due.windows.first().map(|window| window.start);
                    known.insert(due.name, Posted { id, from });
                }
                Err(Refused::Token) => return Err(Refused::Token),
                Err(Refused::Other(why)) => notes.push(format!("report {}: {why}", due.name)),
            }
        }
        Ok((notes, next))
    }
}

/// The reports of ours that a VTN has of an event.
async fn look_up(call: &Call<'_>, event: &str, client: &str) -> Result<Known, Refused> {
    let query = [("eventID", event), ("clientName", client)];
    let rows = call.pages("reports", &query).await?;
    let posted = |row: &Value| {
        let name = row["reportName"].as_str()?.to_owned();
        // Not every VTN filters.
        let is_ours = row["eventID"] == event && row["clientName"] == client;
        let id = row["id"].as_str().map(str::to_owned);
        is_ours.then_some((name, Posted { id, from: None }))
    };
    Ok(rows.iter().filter_map(posted).collect())
}

/// Posts a report, or puts it in the place of one; gives its id.
async fn send(call: &Call<'_>, id: Option<&str>, body: &Value) -> Result<Option<String>, Refused> {
    let (status, answer) = match id {
        Some(id) => {
            call.write(reqwest::Method::PUT, &format!("reports/{id}"), body)
                .await?
        }
        None => call.write(reqwest::Method::POST, "reports", body).await?,
    };
    match status {
        200 | 201 => {
            let told = answer["id"].as_str().or(id);
            Ok(told.map(str::to_owned))
        }
        // It is there already.
        409 => Ok(None),
        401 => Err(Refused::Token),
        _ => {
            let why = answer["detail"].as_str().or(answer["title"].as_str());
            let why: String = why.unwrap_or("no reason given").chars().take(200).collect();
            Err(Refused::Other(format!("HTTP {status}: {why}")))
        }
    }
}

/// What could be drawn instead of the plan, if a report looks ahead.
async fn envelope(
    state: &Snapshot,
    sources: &Sources,
    wanted: &[Due],
    now: Time,
) -> Option<Flexibility> {
    let mut windows = wanted.iter().flat_map(|due| &due.windows);
    if !windows.any(|window| window.end > now) {
        return None;
    }
    let (state, policy) = (state.clone(), sources.policy.clone());
    let is_late = Arc::new(AtomicBool::new(false));
    let stop = is_late.clone();
    let planned = tokio::task::spawn_blocking(move || {
        flexibility(&state, &policy, now, &|| stop.load(Ordering::Relaxed))
    });
    tokio::pin!(planned);
    if let Ok(found) = tokio::time::timeout(BUDGET, &mut planned).await {
        return found.ok();
    }
    // Then the best that is at hand.
    is_late.store(true, Ordering::Relaxed);
    planned.await.ok()
}

fn figure(
    window: &Window,
    state: &Snapshot,
    sources: &Sources,
    (feed, envelope): (&Feed, Option<&Flexibility>),
    now: Time,
) -> Figure {
    let span = (window.start, window.end);
    let past = sources.chronicle.past(&feed.site, span, &|_| true);
    let ahead = envelope.and_then(|envelope| envelope.over(window.start, window.end));
    let root = state.site.root();
    let own = root.and_then(|root| root.import_limit);
    let limit = if window.end <= now {
        past.limit
    } else {
        root.map(|root| state.limit(root).at(window.start.max(now)))
    };
    let baseline = uncontrolled(state, &sources.policy, now, &[span]);
    Figure {
        measured: (window.end <= now).then_some(past.measured),
        peak: past.peak,
        planned: ahead.map(|mean| mean.planned),
        baseline: baseline.first().and_then(|stretch| stretch.power),
        up: ahead.map(|mean| mean.planned - mean.lowest),
        down: ahead.map(|mean| mean.highest - mean.planned),
        is_curtailed: limit
            .zip(own)
            .is_some_and(|(limit, own): (Power, Power)| limit < own),
    }
}
