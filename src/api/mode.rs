//! `/sites/{site}/mode`: what evenload may do at a site.

use std::collections::BTreeSet;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::ApiState;
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::problem::{Faults, Problem};
use super::sites::{Answer, no_query};
use crate::dispatch::kept_in_rollback;
use crate::domain::event::EventKind;
use crate::domain::id::EvseId;
use crate::domain::site::{MAX_EVSES, Mode, Site};
use crate::domain::time::Time;
use crate::state::SiteState;

const MODES: [(&str, Mode); 4] = [
    ("observe", Mode::Observe),
    ("shadow", Mode::Shadow),
    ("canary", Mode::Canary),
    ("live", Mode::Live),
];

fn view(state: &SiteState, now: Time) -> Value {
    let kept: Vec<EvseId> = kept_in_rollback(state, now);
    let hint = if state.mode != state.effective_mode() {
        Some(
            "no import limit is known for the root circuit: the site is only observed until one is",
        )
    } else if kept.is_empty() {
        None
    } else {
        Some(
            "our profiles at the EVSEs of kept_profiles stay for now: without them the cars there \
             may draw more than a limit bears; each is cleared when there is room or its session ends",
        )
    };
    json!({
        "mode": state.mode,
        "effective_mode": state.effective_mode(),
        "evses": state.canary,
        "kept_profiles": kept,
        "hint": hint,
    })
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (_, state) = access.snapshot(&api, &path)?;
    Ok(HttpResponse::Ok().json(view(&state, api.clock.now())))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let body = read_json(&request, payload).await?;
    let (mode, evses) = read(&state.site, &body)?;
    remark(&request, format!("{mode:?} {evses:?}"));
    let event = EventKind::ModeSet { mode, evses };
    api.sites.submit(&key, vec![event], Vec::new()).await?;
    tracing::info!(site.id = %key, by = access.name(), ?mode, "the mode was set");
    let (_, state) = access.snapshot(&api, &path)?;
    Ok(HttpResponse::Ok().json(view(&state, api.clock.now())))
}

fn read(site: &Site, body: &Value) -> Result<(Mode, BTreeSet<EvseId>), Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let mode = object.need("mode").and_then(|node| node.word(&MODES));
        let named = object.get("evses");
        let mut evses = BTreeSet::new();
        for node in named
            .iter()
            .filter_map(|node| node.list(MAX_EVSES))
            .flatten()
        {
            let Some(id) = node.id::<EvseId>() else {
                continue;
            };
            if site.evse(&id).is_none() {
                node.fault(format!("{id} is not an EVSE of this site"));
            }
            evses.insert(id);
        }
        match (mode, named.is_some(), evses.is_empty()) {
            (Some(Mode::Canary), _, true) => {
                object.fault("evses", "must name at least one EVSE for canary");
            }
            (Some(mode), true, false) if mode != Mode::Canary => {
                object.fault("evses", "is for canary only");
            }
            _ => {}
        }
        object.close();
        Some((mode?, evses))
    });
    faults.give(read)
}
