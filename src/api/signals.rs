//! `/sites/{site}/signals`: limits, prices and forecasts from outside.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::auth::{Access, Scope};
use super::body::read_json;
use super::problem::{Faults, Problem};
use super::query::Query;
use super::signal_body::{self, SignalBody};
use super::sites::{Answer, no_query};
use super::{ApiState, effect, signal_life, signal_view};
use crate::domain::event::EventKind;
use crate::domain::id::{SignalKey, SiteKey};
use crate::domain::ports::PortError;
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalSeries, SignalSlot, with_window_replaced};
use crate::domain::signal_unit::KINDS;
use crate::domain::time::Time;
use crate::state::Snapshot;

/// Most signals of one site.
const MAX_SIGNALS: usize = 1_000;
/// Priority of an operator's signal where it names none; the lowest number wins.
const OPERATORS_PRIORITY: i32 = 30;
/// Priority of a signal whose sender may do nothing but send signals.
const AGGREGATORS_PRIORITY: i32 = 40;

const READERS: [Scope; 2] = [Scope::Read, Scope::SignalsWrite];

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of_any(&api, &request, &READERS)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let kind = query.text("kind").and_then(|text| {
        let found = KINDS
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, kind)| *kind);
        if found.is_none() {
            query.fault("kind", format!("{text:?} is not a kind of signal"));
        }
        found
    });
    let state = query.text("state").map(str::to_owned);
    if state
        .as_deref()
        .is_some_and(|s| !["scheduled", "live", "expired"].contains(&s))
    {
        query.fault("state", "must be scheduled, live or expired");
    }
    let (from, to) = (query.instant("from"), query.instant("to"));
    query.close();
    faults.check()?;
    let (key, snapshot) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let reached = signal_life::Reached::new(&snapshot, now);
    let signals: Vec<Value> = snapshot
        .signals
        .values()
        .filter(|series| kind.is_none_or(|kind| series.kind == kind))
        .filter(|series| from.is_none_or(|from| series.end().is_some_and(|end| end > from)))
        .filter(|series| to.is_none_or(|to| series.slots.first().is_some_and(|s| s.start < to)))
        .filter(|series| {
            state
                .as_deref()
                .is_none_or(|state| signal_view::state(series, now) == state)
        })
        .map(|series| {
            let mut line = signal_view::line(series, &snapshot.site, now);
            line["stage"] = json!(reached.stage(series));
            line
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"site": key.site, "at": now, "signals": signals})))
}

fn stored(snapshot: &Snapshot, key: &str) -> Result<Arc<SignalSeries>, Problem> {
    SignalKey::new(key)
        .ok()
        .and_then(|key| snapshot.signals.get(&key).cloned())
        .ok_or_else(|| Problem::unknown(format!("signal {key}")))
}

pub(super) async fn get(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of_any(&api, &request, &READERS)?;
    no_query(&request)?;
    let (_, snapshot) = access.snapshot(&api, &path.0)?;
    let series = stored(&snapshot, &path.1)?;
    let mut view = signal_view::whole(&series, &snapshot.site, api.clock.now());
    view["life"] = signal_life::view(&snapshot, &series, api.clock.now());
    Ok(HttpResponse::Ok()
        .insert_header(("ETag", etag(series.revision)))
        .json(view))
}

/// True if only the effect is asked for.
pub(super) fn dry_run(request: &HttpRequest) -> Result<bool, Problem> {
    let faults = Faults::default();
    let query = Query::of(request, &faults);
    let dry = query.flag("dry_run").unwrap_or(false);
    query.close();
    faults.check()?;
    Ok(dry)
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    let dry = dry_run(&request)?;
    let key = signal_key(&path.1)?;
    let site = access.snapshot(&api, &path.0)?.0;
    let body = read_json(&request, payload).await?;
    let _alone = api.writer(&site).await;
    // Read behind the lock: the revision is compared with what is stored now.
    let (_, snapshot) = access.snapshot(&api, &path.0)?;
    let now = api.clock.now();
    let body = signal_body::read(&snapshot.site, &body, now)?;
    access.may_signal(body.kind, body.priority, body.hard)?;
    let before = snapshot.signals.get(&key).cloned();
    if_match(&request, before.as_deref())?;
    may_replace(&access, before.as_deref())?;
    if before.is_none() && snapshot.signals.len() >= MAX_SIGNALS {
        return Err(Problem::conflict(format!(
            "the site has {MAX_SIGNALS} signals; DELETE some first"
        )));
    }
    let sent = body.slots.clone();
    let slots = sent.clone();
    let series = series(&access, key, body, slots, before.as_deref(), now)?;
    let change = Change {
        site,
        snapshot,
        before,
        series,
        sent,
        now,
    };
    change.finish(&api, &access, dry).await
}

pub(super) async fn patch(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    let dry = dry_run(&request)?;
    let key = signal_key(&path.1)?;
    let (site, snapshot) = access.snapshot(&api, &path.0)?;
    stored(&snapshot, &path.1)?;
    let body = read_json(&request, payload).await?;
    let _alone = api.writer(&site).await;
    let (_, snapshot) = access.snapshot(&api, &path.0)?;
    let before = stored(&snapshot, &path.1)?;
    let now = api.clock.now();
    let body = signal_body::read(&snapshot.site, &body, now)?;
    access.may_signal(body.kind, body.priority, body.hard)?;
    if_match(&request, Some(&before))?;
    may_replace(&access, Some(&before))?;
    if body.kind != before.kind {
        return Err(Problem::fault(
            "/kind",
            "is not that of the stored signal; PUT replaces it",
        ));
    }
    if body.circuit.is_some() && body.circuit != before.circuit {
        return Err(Problem::fault(
            "/circuit",
            "is not that of the stored signal; PUT replaces it",
        ));
    }
    if body.evse.is_some() && body.evse != before.evse {
        return Err(Problem::fault(
            "/evse",
            "is not that of the stored signal; PUT replaces it",
        ));
    }
    let slots = with_window_replaced(&before.slots, &body.slots);
    if slots.len() > MAX_SIGNAL_SLOTS {
        return Err(Problem::conflict(format!(
            "the series would have {} slots; {MAX_SIGNAL_SLOTS} are allowed",
            slots.len()
        )));
    }
    let sent = body.slots.clone();
    let body = SignalBody {
        circuit: before.circuit.clone(),
        evse: before.evse.clone(),
        priority: body.priority.or(Some(before.priority)),
        hard: body.hard.or(Some(before.hard)),
        valid_until: body.valid_until.or(before.valid_until),
        ..body
    };
    let series = series(&access, key, body, slots, Some(before.as_ref()), now)?;
    let change = Change {
        site,
        snapshot,
        before: Some(before),
        series,
        sent,
        now,
    };
    change.finish(&api, &access, dry).await
}

/// A signal that is about to be set.
struct Change {
    site: SiteKey,
    snapshot: Snapshot,
    before: Option<Arc<SignalSeries>>,
    series: SignalSeries,
    /// The slots of the request.
    sent: Vec<SignalSlot>,
    now: Time,
}

impl Change {
    /// Sets the signal, or in a dry run forecasts what setting it would do.
    async fn finish(self, api: &ApiState, access: &Access, dry: bool) -> Answer {
        let Self {
            site,
            snapshot,
            before,
            series,
            sent,
            now,
        } = self;
        let before = before.as_deref();
        let mut answer = signal_view::accepted(&series, &sent, before, &snapshot.site, now);
        let key = series.key.clone();
        let event = EventKind::SignalSet {
            series: Box::new(series),
        };
        if dry {
            let Some(effect) = effect::of(api, snapshot, event).await else {
                return Err(PortError::Overloaded("the forecast".to_owned()).into());
            };
            answer["dry_run"] = json!(true);
            answer["effect"] = effect.view(access.allows(Scope::Read));
            return Ok(HttpResponse::Ok().json(answer));
        }
        api.sites.submit(&site, vec![event], Vec::new()).await?;
        let revision = answer["revision"].as_u64();
        tracing::info!(
            site.id = %site,
            signal.key = %key,
            signal.revision = revision,
            by = access.name(),
            "a signal was set"
        );
        let mut response = match before {
            Some(_) => HttpResponse::Ok(),
            None => HttpResponse::Created(),
        };
        let tag = etag(revision.unwrap_or_default());
        Ok(response.insert_header(("ETag", tag)).json(answer))
    }
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    no_query(&request)?;
    let (site, snapshot) = access.snapshot(&api, &path.0)?;
    stored(&snapshot, &path.1)?;
    let _alone = api.writer(&site).await;
    let (_, snapshot) = access.snapshot(&api, &path.0)?;
    let series = stored(&snapshot, &path.1)?;
    access.may_signal(series.kind, Some(series.priority), Some(series.hard))?;
    if_match(&request, Some(&series))?;
    may_replace(&access, Some(&series))?;
    let key = series.key.clone();
    let event = EventKind::SignalWithdrawn { key: key.clone() };
    api.sites.submit(&site, vec![event], Vec::new()).await?;
    tracing::info!(site.id = %site, signal.key = %key, by = access.name(), "a signal was withdrawn");
    Ok(HttpResponse::NoContent().finish())
}

/// The revision as an entity tag.
fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// 412 where the sender thinks that something else is stored.
fn if_match(request: &HttpRequest, stored: Option<&SignalSeries>) -> Result<(), Problem> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let names = |tags: &str, series: &SignalSeries| {
        let own = etag(series.revision);
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag == own)
    };
    let failed = |detail: String| {
        let failed = Problem::new(StatusCode::PRECONDITION_FAILED);
        Err(failed.with_detail(detail))
    };
    if let Some(tags) = header("If-Match") {
        return match stored {
            Some(series) if names(tags, series) => Ok(()),
            Some(series) => failed(format!("the stored revision is {}", series.revision)),
            None => failed("nothing is stored under this key".to_owned()),
        };
    }
    match (header("If-None-Match"), stored) {
        (Some(tags), Some(series)) if names(tags, series) => {
            failed(format!("revision {} is stored already", series.revision))
        }
        _ => Ok(()),
    }
}

/// What the service itself keeps (quotas of groups, dispatches, feeds, sources of limits) and what
/// others sent belongs to whoever sent it; an operator may replace what tokens of the API sent.
fn may_replace(access: &Access, stored: Option<&SignalSeries>) -> Result<(), Problem> {
    let Some(series) = stored else { return Ok(()) };
    let own = format!("api:{}", access.name());
    let by_api = series.source.starts_with("api:");
    if series.key.as_str().starts_with("dispatch:") {
        return Err(Problem::conflict(
            "belongs to a dispatch; DELETE the dispatch to withdraw it",
        ));
    }
    if !by_api {
        return Err(Problem::conflict(format!(
            "comes from {}; what is configured there sends it",
            series.source
        )));
    }
    if series.source == own || access.allows(Scope::Operate) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "another sender keeps a signal under this key",
    ))
}

/// Keys that the service itself gives.
const OWN_KEYS: [&str; 5] = [
    "dispatch:",
    "group:",
    "feed:",
    crate::domain::oscp::OSCP_PREFIX,
    crate::domain::limit_source::SIGNAL_PREFIX,
];

/// How a signal ranks whose sender does not say.
pub(super) fn default_priority(access: &Access) -> i32 {
    if access.allows(Scope::Operate) {
        OPERATORS_PRIORITY
    } else {
        AGGREGATORS_PRIORITY
    }
}

fn signal_key(text: &str) -> Result<SignalKey, Problem> {
    if let Some(prefix) = OWN_KEYS.iter().find(|prefix| text.starts_with(**prefix)) {
        let detail = format!("the signal's key in the path begins with {prefix:?}, which is ours");
        return Err(Problem::fault("", detail));
    }
    SignalKey::new(text)
        .map_err(|error| Problem::fault("", format!("the signal's key in the path {error}")))
}

fn series(
    access: &Access,
    key: SignalKey,
    body: SignalBody,
    slots: Vec<SignalSlot>,
    before: Option<&SignalSeries>,
    now: Time,
) -> Result<SignalSeries, Problem> {
    let stored = before.map_or(0, |before| before.revision);
    let revision = body.revision.unwrap_or(stored.saturating_add(1));
    if before.is_some() && revision < stored {
        return Err(Problem::conflict(format!(
            "revision {revision} is older than the stored revision {stored}"
        )));
    }
    let priority = default_priority(access);
    Ok(SignalSeries {
        key,
        source: format!("api:{}", access.name()),
        revision,
        kind: body.kind,
        circuit: body.circuit,
        slots,
        priority: access.priority_of(body.priority.unwrap_or(priority)),
        hard: body.hard.unwrap_or_else(|| access.is_hard_by_default()),
        issued_at: body.issued_at.unwrap_or(now),
        received_at: now,
        valid_until: body.valid_until,
        evse: body.evse,
        evses_only: false,
    })
}
