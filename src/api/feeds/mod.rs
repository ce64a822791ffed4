//! `/sites/{site}/feeds`: documents that are asked for again and again, and how they are;
//! `/connections`: every source of signals and how fresh it is.

mod alerts;
pub(in crate::api) mod body;
pub mod book;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

pub(super) use self::alerts::alerts;
pub use self::book::{FeedBook, FeedHealth, SourceState};
use super::ApiState;
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::problem::Problem;
use super::signal_view::source_state;
use super::sites::{Answer, no_query};
use crate::domain::feed::Feed;
use crate::domain::time::Time;

const MAX_FEEDS: usize = 1_000;

fn view(feed: &Feed, health: &FeedHealth, now: Time) -> Value {
    let headers: serde_json::Map<String, Value> = feed
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({
        "name": feed.name,
        "site": feed.site.site,
        "kind": feed.kind,
        "unit": feed.unit,
        "circuit": feed.circuit,
        "format": body::format_view(&feed.format),
        "url": feed.url,
        "headers": headers,
        "has_secret": feed.sealed.is_some(),
        "every_s": feed.every_s,
        "stale_after_s": feed.stale_after_s,
        "priority": feed.priority,
        "charges": feed.charges.as_ref().map(body::charges_view),
        "signal": feed.signal_key(),
        "status": {
            "state": health.state(feed, now),
            "last_ok_at": health.last_ok_at,
            "last_try_at": health.last_try_at,
            "failures": health.failures,
            "last_error": health.last_error,
            "known_until": health.known_until,
            "notes": health.notes,
        },
    })
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let feeds: Vec<Value> = api
        .feeds
        .all()
        .iter()
        .filter(|(feed, _)| feed.site == site)
        .map(|(feed, health)| view(feed, health, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "site": site.site, "feeds": feeds })))
}

pub(super) async fn get(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path.0)?;
    let found = api.feeds.get(&site, &path.1);
    let (feed, health) = found.ok_or_else(|| Problem::unknown(format!("feed {}", path.1)))?;
    Ok(HttpResponse::Ok().json(view(&feed, &health, api.clock.now())))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let (site, snapshot) = access.snapshot(&api, &path.0)?;
    let body = read_json(&request, payload).await?;
    let now = api.clock.now();
    let before = api.feeds.get(&site, &path.1).map(|(feed, _)| feed);
    if before.is_none() && api.feeds.all().len() >= MAX_FEEDS {
        return Err(Problem::conflict(format!(
            "there are {MAX_FEEDS} feeds; DELETE some first"
        )));
    }
    let (mut feed, secret) = body::read(&snapshot.site, &path.1, &body, now)?;
    feed.sealed = match secret {
        Some(secret) => Some(api.feeds.seal(&feed, &secret)),
        // It is not shown, so it need not be sent again.
        None => before.as_ref().and_then(|before| before.sealed.clone()),
    };
    if feed.needs_secret() && feed.sealed.is_none() {
        return Err(Problem::fault(
            "/secret",
            "is missing: url or headers name {secret}, or it is of a client of OpenADR",
        ));
    }
    remark(
        &request,
        format!(
            "{:?} from {}",
            feed.kind,
            feed.url.as_deref().unwrap_or("charges")
        ),
    );
    api.feeds.put(feed.clone()).await?;
    let shown = view(&feed, &FeedHealth::default(), now);
    Ok(match before {
        Some(_) => HttpResponse::Ok().json(shown),
        None => HttpResponse::Created().json(shown),
    })
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path.0)?;
    let found = api.feeds.get(&site, &path.1);
    let (feed, _) = found.ok_or_else(|| Problem::unknown(format!("feed {}", path.1)))?;
    // What it gave is withdrawn by who asks for it.
    api.feeds.remove(&feed).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Every source of signals the caller may see.
pub(super) async fn connections(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of_any(&api, &request, &[Scope::Read, Scope::SignalsWrite])?;
    no_query(&request)?;
    let now = api.clock.now();
    let mut found = Vec::new();
    for key in api.directory.list(access.tenant()) {
        let Some(state) = api
            .directory
            .snapshot(&key)
            .filter(|_| access.reaches(&key.site))
        else {
            continue;
        };
        for (feed, health) in api.feeds.all().iter().filter(|(feed, _)| feed.site == key) {
            found.push(json!({
                "site": key.site, "source": format!("feed {}", feed.name), "kind": feed.kind,
                "signal": feed.signal_key(), "state": health.state(feed, now),
                "last_ok_at": health.last_ok_at, "last_error": health.last_error,
                "known_until": health.known_until, "expected_every_s": feed.every_s,
            }));
        }
        let told = state.signals.values().filter(|series| {
            !series
                .key
                .as_str()
                .starts_with(crate::domain::feed::FEED_PREFIX)
        });
        for series in told {
            found.push(json!({
                "site": key.site, "source": series.source, "kind": series.kind,
                "signal": series.key, "state": source_state(series, now),
                "last_ok_at": series.received_at, "last_error": null,
                "known_until": series.end(), "expected_every_s": null,
            }));
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "at": now, "connections": found })))
}
