//! `/sites/{site}/departures`: when vehicles leave and what they need, as the operator filed it.

use std::collections::BTreeSet;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::{BodyType, body_type, parse_json, read_bytes, read_json};
use super::departure_body::{MAX_DEPARTURES, csv_to_json, key_of, read_all, read_one};
use super::problem::{Faults, Problem};
use super::query::Query;
use super::sites::{Answer, no_query};
use super::{ApiState, effect};
use crate::domain::event::EventKind;
use crate::domain::id::DepartureKey;
use crate::domain::quantity::Energy;
use crate::domain::session::Departure;
use crate::state::SiteState;

fn view(departure: &Departure) -> Value {
    json!({
        "key": departure.key,
        "departure": departure.departure,
        "energy_kwh": departure.energy.map(Energy::kilowatt_hours),
    })
}

/// The stored departure of a key in the path: as it was filed, or as the list shows it (hashed).
fn stored<'a>(state: &'a SiteState, text: &str) -> Result<&'a Departure, Problem> {
    let shown = || DepartureKey::new(text).ok();
    [key_of(&state.site, text), shown()]
        .into_iter()
        .flatten()
        .find_map(|key| state.departures.get(&key))
        // The text may name a person: it is not repeated.
        .ok_or_else(|| Problem::unknown("a departure under this key"))
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let departures: Vec<_> = state.departures.values().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"site": key.site, "departures": departures})))
}

pub(super) async fn get(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (_, state) = access.snapshot(&api, &path.0)?;
    Ok(HttpResponse::Ok().json(view(stored(&state, &path.1)?)))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    let dry = super::signals::dry_run(&request)?;
    let (key, state) = access.snapshot(&api, &path.0)?;
    let body = read_json(&request, payload).await?;
    let read = read_one(&state.site, &path.1, &body, api.clock.now())?;
    let is_new = !state.departures.contains_key(&read.departure.key);
    if is_new && state.departures.len() >= MAX_DEPARTURES {
        return Err(Problem::conflict(format!(
            "the site has {MAX_DEPARTURES} departures; DELETE some first"
        )));
    }
    let mut answer = view(&read.departure);
    answer["warnings"] = json!(read.warnings);
    let event = EventKind::DepartureSet {
        departure: read.departure,
    };
    if dry {
        let effect = effect::of(&api, state, event).await;
        answer["dry_run"] = json!(true);
        answer["effect"] = json!(effect.map(|effect| effect.view(true)));
        return Ok(HttpResponse::Ok().json(answer));
    }
    api.sites.submit(&key, vec![event], Vec::new()).await?;
    let mut response = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(response.json(answer))
}

/// The whole table at once: what is not in it is withdrawn, unless `keep_others` is asked for.
pub(super) async fn put_all(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let keep_others = query.flag("keep_others").unwrap_or(false);
    query.close();
    faults.check()?;
    let (key, _) = access.snapshot(&api, &path)?;
    let kind = body_type(&request)?;
    let bytes = read_bytes(&request, payload).await?;
    let body = match kind {
        BodyType::Json => parse_json(&bytes)?,
        BodyType::Csv => csv_to_json(&bytes)?,
    };
    let _alone = api.writer(&key).await;
    let (_, state) = access.snapshot(&api, &path)?;
    let read = read_all(&state.site, &body, api.clock.now())?;
    let kept: BTreeSet<_> = read.iter().map(|body| body.departure.key.clone()).collect();
    let removed: Vec<_> = state
        .departures
        .keys()
        .filter(|key| !keep_others && !kept.contains(*key))
        .collect();
    let after = state.departures.len() - removed.len() + kept.len();
    if keep_others && after > MAX_DEPARTURES {
        return Err(Problem::conflict(format!(
            "the site would have more than {MAX_DEPARTURES} departures; DELETE some first"
        )));
    }
    remark(&request, format!("{} departures", kept.len()));
    let replaced = kept
        .iter()
        .filter(|key| state.departures.contains_key(*key))
        .count();
    let answer = json!({
        "accepted": read.len(),
        "new": read.len() - replaced,
        "replaced": replaced,
        "removed": removed.len(),
        "warnings": warnings(&read),
    });
    let removals = removed
        .into_iter()
        .map(|key| EventKind::DepartureRemoved { key: key.clone() });
    let additions = read.into_iter().map(|body| EventKind::DepartureSet {
        departure: body.departure,
    });
    let events: Vec<_> = removals.chain(additions).collect();
    if !events.is_empty() {
        api.sites.submit(&key, events, Vec::new()).await?;
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// Each warning once, with the rows it is about.
fn warnings(read: &[super::departure_body::DepartureBody]) -> Vec<String> {
    let mut warnings: Vec<(String, usize)> = Vec::new();
    for text in read.iter().flat_map(|body| &body.warnings) {
        match warnings.iter_mut().find(|(known, _)| known == text) {
            Some((_, count)) => *count += 1,
            None => warnings.push((text.clone(), 1)),
        }
    }
    warnings
        .into_iter()
        .map(|(text, count)| format!("{count} rows: {text}"))
        .collect()
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path.0)?;
    let event = EventKind::DepartureRemoved {
        key: stored(&state, &path.1)?.key.clone(),
    };
    api.sites.submit(&key, vec![event], Vec::new()).await?;
    Ok(HttpResponse::NoContent().finish())
}
