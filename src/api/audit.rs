//! Who changed what: every successful write through the API, kept in the store.
//!
//! Readings and signals are not changes of an operator and come by the second: they are in the
//! site's own journal, not here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::problem::Faults;
use super::query::Query;
use super::sites::Answer;
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;

const PREFIX: &str = "audit/";
/// Entries kept; the oldest goes when one more comes.
pub const MAX_ENTRIES: usize = 10_000;
/// Entries of one answer.
const MAX_ANSWERED: usize = 1_000;
/// Longest remark, in characters.
const MAX_REMARK_CHARS: usize = 300;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    number: u64,
    at: Time,
    /// The token or the person.
    actor: String,
    method: String,
    path: String,
    /// What was changed, for people.
    remark: Option<String>,
}

/// The changes, newest last; what was kept is read at the start.
pub struct AuditLog {
    records: Arc<dyn Records>,
    entries: Mutex<VecDeque<Entry>>,
}

impl AuditLog {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_ENTRIES).await?;
        let entries = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice(value).ok())
            .collect();
        Ok(Self {
            records,
            entries: Mutex::new(entries),
        })
    }

    /// Notes a change; durable when it returns.
    async fn note(&self, mut entry: Entry) -> Result<(), PortError> {
        let mut writes = Vec::new();
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entry.number = entries.back().map_or(1, |last| last.number + 1);
            let value = serde_json::to_vec(&entry)
                .map_err(|error| PortError::Storage(error.to_string()))?;
            writes.push(RecordWrite {
                key: key(entry.number),
                value: Some(value),
            });
            entries.push_back(entry);
            while entries.len() > MAX_ENTRIES {
                let oldest = entries.pop_front();
                writes.extend(oldest.map(|oldest| RecordWrite {
                    key: key(oldest.number),
                    value: None,
                }));
            }
        }
        self.records.write(writes).await
    }
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
        let entry = Entry {
            number: 0,
            at: api.clock.now(),
            actor,
            method: request.method().to_string(),
            path: request.path().to_owned(),
            remark: remark.map(|Remark(text)| text),
        };
        if let Err(error) = api.audit.note(entry).await {
            tracing::error!(%error, "a change could not be noted in the audit log");
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
    let of_site = |entry: &&Entry| {
        let named = site_of(&entry.path);
        let reached = named.map_or(access.reaches_all_of(None), |name| {
            access.site(name).is_ok()
        });
        reached && site.as_deref().is_none_or(|site| named == Some(site))
    };
    let entries: Vec<Entry> = {
        let all = api
            .audit
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .rev()
            .filter(of_site)
            .take(MAX_ANSWERED)
            .cloned()
            .collect()
    };
    Ok(HttpResponse::Ok().json(json!({ "entries": entries })))
}

/// The site in a path of the API.
fn site_of(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v1/sites/")?.split('/').next()
}
