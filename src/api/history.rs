//! `/sites/{site}/history` and `/sites/{site}/journal`: what was, as far as it is kept.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::json;

use super::ApiState;
use super::auth::{Access, Scope};
use super::chronicle::{Note, Sample};
use super::problem::Faults;
use super::query::Query;
use super::sites::Answer;
use crate::domain::id::EvseId;
use crate::domain::quantity::{Power, Price};

/// Notes of one answer.
const MAX_NOTES: usize = 1_000;

/// One sample per minute, as lists of equal length: a day is some 60 kB.
pub(super) async fn powers(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let now = api.clock.now();
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let from = query.instant("from").unwrap_or(now - TimeDelta::days(1));
    let to = query.instant("to").unwrap_or(now);
    query.close();
    faults.check()?;
    let (key, _) = access.snapshot(&api, &path)?;
    let samples: Vec<Sample> = api.chronicle.samples(&key, from, to).await?;
    let kilowatts = |of: fn(&Sample) -> i64| -> Vec<f64> {
        let watts = samples.iter().map(of);
        watts.map(|w| Power::from_watts(w).kilowatts()).collect()
    };
    let limits: Vec<_> = samples
        .iter()
        .map(|sample| sample.limit_w.map(|w| Power::from_watts(w).kilowatts()))
        .collect();
    let prices: Vec<_> = samples
        .iter()
        .map(|sample| sample.price_micros.map(|p| Price::from_micros(p).per_kwh()))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site,
        "at": now,
        "resolution_s": 60,
        "start": samples.iter().map(Sample::at).collect::<Vec<_>>(),
        "evses_kw": kilowatts(|sample| sample.evses_w),
        "uncontrolled_kw": kilowatts(|sample| sample.uncontrolled_w),
        "planned_kw": kilowatts(|sample| sample.planned_w),
        "limit_kw": limits,
        "price_per_kwh": prices,
    })))
}

/// The last notes, newest first.
pub(super) async fn journal(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let kind = query.text("kind").map(str::to_owned);
    let evse = query.text("evse").map(str::to_owned);
    query.close();
    faults.check()?;
    let (key, _) = access.snapshot(&api, &path)?;
    let wanted = |note: &&Note| {
        kind.as_deref().is_none_or(|kind| note.kind == kind)
            && evse
                .as_deref()
                .is_none_or(|evse| note.evse.as_ref().map(EvseId::as_str) == Some(evse))
    };
    let notes: Vec<Note> = api.chronicle.read(&key, |site| {
        site.notes
            .after(0)
            .rev()
            .filter(wanted)
            .take(MAX_NOTES)
            .cloned()
            .collect()
    });
    Ok(HttpResponse::Ok().json(json!({
        "site": key.site, "at": api.clock.now(), "notes": notes,
    })))
}
