//! `POST /sites/{site}/meter`: the power at the grid connection, EVs included.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::problem::{Faults, Problem};
use super::signal_body::MAX_CLOCK_LEAD;
use super::sites::{Answer, no_query};
use crate::domain::event::EventKind;
use crate::domain::quantity::Power;
use crate::domain::session::Reading;
use crate::domain::signal_unit::MAX_KW;
use crate::domain::time::Time;

/// Readings older than this say nothing about now.
const MAX_AGE: TimeDelta = TimeDelta::hours(1);

pub(super) async fn post(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::SignalsWrite)?;
    no_query(&request)?;
    let (key, _) = access.snapshot(&api, &path)?;
    let body = read_json(&request, payload).await?;
    let (reading, mut warnings) = read(&body, api.clock.now())?;
    let event = EventKind::SiteMetered { reading };
    api.sites.submit(&key, vec![event], Vec::new()).await?;
    let (_, state) = access.snapshot(&api, &path)?;
    let meter = state.meter;
    if meter.is_some_and(|meter| meter.reading.at > reading.at) {
        warnings.push("a newer reading is known already; this one has no effect".to_owned());
    }
    Ok(HttpResponse::Ok().json(json!({
        "uncontrolled_kw": meter.map(|meter| meter.uncontrolled.kilowatts()),
        "newest_at": meter.map(|meter| meter.reading.at),
        "warnings": warnings,
    })))
}

fn read(body: &Value, now: Time) -> Result<(Reading, Vec<String>), Problem> {
    let faults = Faults::default();
    let mut warnings = Vec::new();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let at = object.need("at").and_then(|node| {
            let at = node.instant()?;
            if at > now + MAX_CLOCK_LEAD {
                node.fault(format!(
                    "lies more than 5 minutes ahead of our clock ({now})"
                ));
            } else if at < now - MAX_AGE {
                node.fault(format!("is more than an hour old; it is {now} now"));
            }
            Some(at)
        });
        let power = object
            .need("power_kw")
            .and_then(|node| node.number(&(-MAX_KW..=MAX_KW)));
        if let Some(node) = object.get("phases_a") {
            let phases = node.list(3).unwrap_or_default();
            if phases.len() != 3 {
                node.fault("must have three numbers, L1 to L3");
            }
            for phase in phases {
                phase.number(&(-1e6..=1e6));
            }
            warnings.push("phases_a is checked but not used yet".to_owned());
        }
        object.close();
        Some(Reading {
            power: Power::from_kilowatts(power?),
            at: at?,
        })
    });
    faults.give(read).map(|reading| (reading, warnings))
}
