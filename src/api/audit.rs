//! Who changed what: every successful write through the API, kept in the store.
//!
//! Readings and signals are not changes of an operator and come by the second: they are in the
//! site's own journal, not here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::problem::Faults;
use super::query::Query;
use super::sites::Answer;
use crate::domain::audit::{AuditEnds, AuditEntry};
use crate::domain::ports::{PortError, RecordWrite, Records};

const PREFIX: &str = "audit/";
/// Where the chain begins and ends.
const ENDS: &str = "audit-ends";
/// Entries kept; the oldest goes when one more comes.
pub const MAX_ENTRIES: usize = 10_000;
/// Entries of one answer.
const MAX_ANSWERED: usize = 1_000;
/// Longest id of a request that is kept, in characters.
const MAX_ID_CHARS: usize = 128;
/// Longest remark, in characters.
const MAX_REMARK_CHARS: usize = 300;

/// The changes, newest last; what was kept is read at the start.
pub struct AuditLog {
    records: Arc<dyn Records>,
    kept: Mutex<Kept>,
    /// One note at a time: the chain has one end.
    writer: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    entries: VecDeque<AuditEntry>,
    ends: AuditEnds,
}

impl AuditLog {
    /// What was kept. A chain that does not hold is told, and goes on: who changed something must
    /// not be able to stop what comes after from being noted.
    pub async fn open(records: Arc<dyn Records>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_ENTRIES).await?;
        let entries: VecDeque<AuditEntry> = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice(value).ok())
            .collect();
        let ends = match records.get(ENDS).await? {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            // Entries of a version that kept no chain: it begins behind them.
            None => AuditEnds {
                last: entries.back().map_or(0, |entry| entry.number),
                first: entries.back().map_or(0, |entry| entry.number + 1),
                ..AuditEnds::default()
            },
        };
        if let Err(fault) = ends.check(entries.iter()) {
            tracing::error!(%fault, "the audit is not as it was written");
        }
        Ok(Self {
            records,
            kept: Mutex::new(Kept { entries, ends }),
            writer: tokio::sync::Mutex::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change; durable when it returns.
    async fn note(&self, entry: AuditEntry) -> Result<(), PortError> {
        let _alone = self.writer.lock().await;
        let (entry, ends, oldest) = {
            let kept = self.kept();
            let entry = entry.after(&kept.ends);
            let ends = kept.ends.with(&entry);
            let is_full = kept.entries.len() >= MAX_ENTRIES;
            let oldest = kept.entries.front().filter(|_| is_full).cloned();
            (entry, ends, oldest)
        };
        let mut writes = vec![write(key(entry.number), &entry)?];
        let ends = match &oldest {
            None => ends,
            Some(oldest) => {
                writes.push(RecordWrite {
                    key: key(oldest.number),
                    value: None,
                });
                ends.without(oldest)
            }
        };
        writes.push(write(ENDS.to_owned(), &ends)?);
        self.records.write(writes).await?;
        let mut kept = self.kept();
        if oldest.is_some() {
            kept.entries.pop_front();
        }
        kept.entries.push_back(entry);
        kept.ends = ends;
        Ok(())
    }
}

fn write(key: String, value: &impl Serialize) -> Result<RecordWrite, PortError> {
    let value = serde_json::to_vec(value).map_err(|error| PortError::Storage(error.to_string()))?;
    Ok(RecordWrite {
        key,
        value: Some(value),
    })
}

/// Sorted by number as text.
fn key(number: u64) -> String {
    format!("{PREFIX}{number:020}")
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog")
    }
}

#[derive(Clone)]
struct Actor(String);

#[derive(Clone)]
struct Remark(String);

/// Says who makes a request.
pub(super) fn actor(request: &HttpRequest, name: &str) {
    request.extensions_mut().insert(Actor(name.to_owned()));
}

/// Says what a request changes.
pub(super) fn remark(request: &HttpRequest, text: impl Into<String>) {
    let text: String = text.into();
    let short = text.chars().take(MAX_REMARK_CHARS).collect();
    request.extensions_mut().insert(Remark(short));
}

/// Notes each successful write, before its answer leaves.
pub(super) async fn note_writes(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let answer = next.call(request).await?;
    let request = answer.request();
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if only_reads || !answer.status().is_success() || is_noise(request) {
        return Ok(answer);
    }
    let actor = request.extensions().get::<Actor>().cloned();
    let remark = request.extensions().get::<Remark>().cloned();
    if let (Some(api), Some(Actor(actor))) = (request.app_data::<Data<ApiState>>(), actor) {
        let request_id = request
            .headers()
            .get("X-Request-ID")
            .and_then(|id| id.to_str().ok())
            .map(|id| id.chars().take(MAX_ID_CHARS).collect());
        let entry = AuditEntry {
            number: 0,
            at: api.clock.now(),
            actor,
            method: request.method().to_string(),
            path: request.path().to_owned(),
            remark: remark.map(|Remark(text)| text),
            request_id,
            chain: String::new(),
        };
        let audit = api.audit.clone();
        // On its own, so that a client that leaves now does not take its entry with it.
        let noted = tokio::spawn(async move { audit.note(entry).await }).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::error!(?noted, "a change could not be noted in the audit log");
        }
    }
    Ok(answer)
}

/// Questions that are asked with a write's method, readings, and signals.
fn is_noise(request: &HttpRequest) -> bool {
    let path = request.path();
    request.query_string().contains("dry_run")
        || path.ends_with("/meter")
        || path.contains("/signals/")
        || (path.starts_with("/api/v1/partners/") && path.ends_with("/test"))
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let site = query.text("site").map(str::to_owned);
    query.close();
    faults.check()?;
    let of_site = |entry: &&AuditEntry| {
        let named = site_of(&entry.path);
        let reached = named.map_or(access.reaches_all_of(None), |name| {
            access.site(name).is_ok()
        });
        reached && site.as_deref().is_none_or(|site| named == Some(site))
    };
    let kept = api.audit.kept();
    let all = kept.entries.iter().rev();
    let entries: Vec<&AuditEntry> = all.filter(of_site).take(MAX_ANSWERED).collect();
    let fault = kept.ends.check(kept.entries.iter()).err();
    Ok(HttpResponse::Ok().json(json!({
        "entries": entries,
        "intact": fault.is_none(),
        "fault": fault.map(|fault| fault.to_string()),
        "chain": kept.ends.chain,
    })))
}

/// The site in a path of the API.
fn site_of(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v1/sites/")?.split('/').next()
}
