//! `/dispatches`: asking a site for less or more power, and the proof of what came of it.

mod body;
pub mod book;
mod offer;
mod view;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::book::DispatchBook;
use self::offer::{Sender, offer, signal_key};
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::flexibility::overloaded;
use super::problem::{Faults, Problem};
use super::query::Query;
use super::signals::{default_priority, dry_run};
use super::sites::{Answer, no_query};
use super::tabular::{self, Format};
use super::{ApiState, effect};
use crate::domain::dispatch::{Dispatch, Verdict};
use crate::domain::event::EventKind;
use crate::domain::hmac::hex;
use crate::domain::id::DispatchId;

const READERS: [Scope; 2] = [Scope::Read, Scope::SignalsWrite];
/// Dispatches of one answer.
const MAX_LISTED: usize = 1_000;

pub(super) async fn post(api: Data<ApiState>, request: HttpRequest, payload: Payload) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    let dry = dry_run(&request)?;
    let raw = read_json(&request, payload).await?;
    let now = api.clock.now();
    let request_hash = hex(&Sha256::digest(raw.to_string().as_bytes()));
    // The same request again gets the same answer, also when its time is over meanwhile.
    let id = idempotency_key(&request)?;
    let stated = raw
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| DispatchId::new(id).ok());
    let id = stated.or(id);
    if let Some(known) = id
        .as_ref()
        .and_then(|id| api.dispatches.get(access.tenant(), id))
    {
        return again(&access, &known, &request_hash, now);
    }
    let body = body::read(&raw, now)?;
    let id = match (body.id.clone(), id) {
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => DispatchId::new(uuid::Uuid::new_v4().to_string())
            .map_err(|error| Problem::fault("/id", error.to_string()))?,
    };
    access.may_dispatch(body.hard)?;
    let (site, _) = access
        .snapshot(&api, body.site.as_str())
        .map_err(|_| Problem::unknown(format!("site {}", body.site)))?;
    let key = signal_key(&id)
        .ok_or_else(|| Problem::fault("/id", "is too long; 1 to 119 characters are allowed"))?;
    let _alone = api.writer(&site).await;
    if let Some(known) = api.dispatches.get(access.tenant(), &id) {
        return again(&access, &known, &request_hash, now);
    }
    if api.dispatches.is_full() {
        return Err(Problem::conflict(format!(
            "{} dispatches are open; wait until some are over",
            book::MAX_OPEN
        )));
    }
    let (_, snapshot) = access.snapshot(&api, body.site.as_str())?;
    let sender = Sender {
        source: format!("api:{}", access.name()),
        priority: access.priority_of(default_priority(&access)),
    };
    let source = sender.source.clone();
    let (policy, asked) = (api.policy.clone(), body.clone());
    let made = effect::aside(&api, move |stop| {
        offer(&snapshot, &policy, now, &asked, &sender, key, stop)
    });
    let made = made.await.ok_or_else(overloaded)?;
    let dispatch = Dispatch {
        id,
        site: site.clone(),
        source,
        received_at: now,
        start: body.start,
        end: body.end,
        ask: body.ask,
        hard: body.hard,
        verdict: made.verdict,
        reason: made.reason,
        frozen: made.frozen,
        baseline_hash: made.baseline_hash,
        request_hash,
        slots: made.slots,
        after: made.after,
        withdrawn_at: None,
        closed_at: None,
    };
    let mut answer = view::whole(&dispatch, now);
    if dry {
        answer["dry_run"] = json!(true);
        return Ok(HttpResponse::Ok().json(answer));
    }
    let record = DispatchBook::record(&dispatch)?;
    let events = if dispatch.verdict == Verdict::Rejected {
        Vec::new()
    } else {
        vec![EventKind::SignalSet {
            series: Box::new(made.target),
        }]
    };
    // What makes it followed and what proves it are one write.
    api.sites.submit(&site, events, vec![record]).await?;
    let gone = api.dispatches.note(dispatch.clone());
    api.dispatches.write(gone).await?;
    if dispatch.verdict != Verdict::Accepted {
        let detail = json!({"dispatch": dispatch.id, "reason": dispatch.reason});
        api.chronicle.say(&site, now, "cannot_comply", detail);
    }
    remark(
        &request,
        format!("{} at {site}: {:?}", dispatch.id, dispatch.verdict),
    );
    tracing::info!(
        site.id = %site,
        dispatch.id = %dispatch.id,
        verdict = ?dispatch.verdict,
        by = access.name(),
        "a dispatch came in"
    );
    Ok(accepted(answer, &dispatch.id))
}

fn accepted(answer: Value, id: &DispatchId) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header(("Location", format!("/api/v1/dispatches/{id}")))
        .json(answer)
}

/// The answer to a request that came before.
fn again(
    access: &Access,
    known: &Dispatch,
    request_hash: &str,
    now: crate::domain::time::Time,
) -> Answer {
    if !access.reaches(&known.site.site) {
        return Err(Problem::conflict("this id is taken"));
    }
    if known.request_hash != request_hash {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail("this id came before with another body; a new dispatch needs a new id"));
    }
    Ok(accepted(view::whole(known, now), &known.id))
}

/// The header `Idempotency-Key`, which names a dispatch whose body names none.
fn idempotency_key(request: &HttpRequest) -> Result<Option<DispatchId>, Problem> {
    let Some(value) = request.headers().get("Idempotency-Key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    DispatchId::new(text)
        .map(Some)
        .map_err(|error| Problem::fault("", format!("the header Idempotency-Key {error}")))
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of_any(&api, &request, &READERS)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let site = query.text("site").map(str::to_owned);
    query.close();
    faults.check()?;
    let now = api.clock.now();
    let dispatches: Vec<Value> = api
        .dispatches
        .list(access.tenant())
        .iter()
        .filter(|dispatch| access.reaches(&dispatch.site.site))
        .filter(|dispatch| {
            site.as_deref()
                .is_none_or(|site| dispatch.site.site.as_str() == site)
        })
        .take(MAX_LISTED)
        .map(|dispatch| view::line(dispatch, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "at": now, "dispatches": dispatches })))
}

/// A dispatch that the caller may see, or 404.
fn known(api: &ApiState, access: &Access, id: &str) -> Result<Dispatch, Problem> {
    DispatchId::new(id)
        .ok()
        .and_then(|id| api.dispatches.get(access.tenant(), &id))
        .filter(|dispatch| access.reaches(&dispatch.site.site))
        .ok_or_else(|| Problem::unknown(format!("dispatch {id}")))
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of_any(&api, &request, &READERS)?;
    no_query(&request)?;
    let dispatch = known(&api, &access, &path)?;
    Ok(HttpResponse::Ok().json(view::whole(&dispatch, api.clock.now())))
}

pub(super) async fn settlement(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of_any(&api, &request, &READERS)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let format = Format::of(&request, &query);
    query.close();
    faults.check()?;
    let dispatch = known(&api, &access, &path)?;
    let now = api.clock.now();
    // What can be settled now is settled now.
    api.dispatches.settle(&api.chronicle, now).await?;
    let dispatch = api
        .dispatches
        .get(access.tenant(), &dispatch.id)
        .unwrap_or(dispatch);
    if format == Format::Csv {
        let mut response = HttpResponse::Ok();
        response.insert_header(("Vary", "Accept"));
        return Ok(tabular::csv(&mut response, view::csv(&dispatch)));
    }
    Ok(HttpResponse::Ok()
        .insert_header(("Vary", "Accept"))
        .json(view::settlement(&dispatch, now)))
}

/// Takes a dispatch back; what was measured until then stays.
pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    no_query(&request)?;
    let id = known(&api, &access, &path)?.id;
    let now = api.clock.now();
    let site = known(&api, &access, id.as_str())?.site;
    let _alone = api.writer(&site).await;
    let mut dispatch = known(&api, &access, id.as_str())?;
    if now >= dispatch.end || !dispatch.is_open() || dispatch.verdict == Verdict::Withdrawn {
        return Err(Problem::conflict(
            "it is over, refused or withdrawn already",
        ));
    }
    dispatch.verdict = Verdict::Withdrawn;
    dispatch.withdrawn_at = Some(now);
    let record = DispatchBook::record(&dispatch)?;
    let events = signal_key(&id).map(|key| EventKind::SignalWithdrawn { key });
    let events = events.into_iter().collect();
    api.sites.submit(&site, events, vec![record]).await?;
    api.dispatches.note(dispatch);
    remark(&request, format!("{id} at {site} withdrawn"));
    tracing::info!(site.id = %site, dispatch.id = %id, by = access.name(), "a dispatch was withdrawn");
    Ok(HttpResponse::NoContent().finish())
}
