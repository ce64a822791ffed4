//! `/sites` and `/sites/{site}`.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::auth::{Access, Scope};
use super::body::read_json;
use super::ports::Configured;
use super::problem::{Faults, Problem};
use super::query::Query;
use super::{ApiState, site_body, site_change, site_view};
use crate::domain::id::SiteId;
use crate::domain::site::Mode;

/// What a handler answers.
pub(super) type Answer = Result<HttpResponse, Problem>;

/// Refuses query parameters where a call has none.
pub(super) fn no_query(request: &HttpRequest) -> Result<(), Problem> {
    let faults = Faults::default();
    Query::of(request, &faults).close();
    faults.check()
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let sites: Vec<Value> = api
        .directory
        .list(access.tenant())
        .iter()
        .filter(|key| access.reaches(&key.site))
        .filter_map(|key| api.directory.snapshot(key))
        .map(|state| site_view::line(&state))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "sites": sites })))
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (_, state) = access.snapshot(&api, &path)?;
    Ok(HttpResponse::Ok().json(site_view::view(&state, api.clock.now())))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    if let Err(error) = SiteId::new(path.as_str()) {
        return Err(Problem::fault(
            "",
            format!("the site's name in the path {error}"),
        ));
    }
    if !is_plain(&path) {
        return Err(Problem::fault(
            "",
            "the site's name in the path must not be \".\" or \"..\", nor hold invisible characters",
        ));
    }
    let key = access.site(&path)?;
    let body = read_json(&request, payload).await?;
    let site = site_body::read(&key, &body)?;
    let _alone = api.writer(&key).await;
    if let Some(before) = api.directory.snapshot(&key) {
        site_change::check(&before, &site)?;
    }
    let configured = api.directory.configure(site).await?;
    tracing::info!(site.id = %key, by = access.name(), "the site was set up");
    let state = api
        .directory
        .snapshot(&key)
        .ok_or_else(|| Problem::unknown(format!("site {}", key.site)))?;
    let mut answer = match configured {
        Configured::Created => HttpResponse::Created(),
        Configured::Replaced => HttpResponse::Ok(),
    };
    Ok(answer.json(site_view::view(&state, api.clock.now())))
}

/// Whether a new name can be written in a path and read by people as it is.
fn is_plain(name: &str) -> bool {
    // Zero width, marks of direction, byte order mark: two names may look alike.
    let is_invisible = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    name != "." && name != ".." && !name.contains(is_invisible)
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let _alone = api.writer(&access.site(&path)?).await;
    let (key, state) = access.snapshot(&api, &path)?;
    if matches!(state.mode, Mode::Live | Mode::Canary) {
        return Err(Problem::conflict(
            "the site is live: set its mode to shadow first, so that our profiles are taken back",
        ));
    }
    api.directory.remove(&key).await?;
    tracing::info!(site.id = %key, by = access.name(), "the site was removed");
    Ok(HttpResponse::NoContent().finish())
}
