//! `POST /sites/{site}/evses/{evse}/override`: charge now, pause, release; and what it costs whom.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::problem::{Faults, Problem};
use super::sites::Answer;
use super::{ApiState, effect};
use crate::domain::event::{EventKind, OverrideAction};
use crate::domain::id::EvseId;
use crate::domain::time::Time;

/// Longest override: a week; what is meant to last is a setting, not an override.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// What may be asked; `None` releases.
const ACTIONS: [(&str, Option<OverrideAction>); 3] = [
    ("charge_now", Some(OverrideAction::ChargeNow)),
    ("pause", Some(OverrideAction::Pause)),
    ("release", None),
];

pub(super) async fn post(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    let dry = super::signals::dry_run(&request)?;
    let (key, state) = access.snapshot(&api, &path.0)?;
    let evse = EvseId::new(&path.1)
        .ok()
        .filter(|id| state.site.evse(id).is_some())
        .ok_or_else(|| Problem::unknown(format!("EVSE {}", path.1)))?;
    let body = read_json(&request, payload).await?;
    let event = read(&evse, &body, api.clock.now())?;
    if dry {
        let effect = effect::of(&api, state, event).await;
        return Ok(HttpResponse::Ok().json(json!({
            "evse": evse,
            "dry_run": true,
            "effect": effect.map(|effect| effect.view(true)),
        })));
    }
    remark(&request, format!("{evse}: {}", told(&event)));
    tracing::info!(site.id = %key, evse.id = %evse, by = access.name(), ?event, "override");
    api.sites
        .submit(&key, vec![event.clone()], Vec::new())
        .await?;
    // Compared with the state before it; it holds already while we reckon.
    let effect = effect::of(&api, state, event).await;
    let (_, state) = access.snapshot(&api, &path.0)?;
    let believed = state.evses.get(&evse);
    let override_ = believed.and_then(|believed| believed.override_);
    Ok(HttpResponse::Ok().json(json!({
        "evse": evse,
        "action": override_.map_or(json!("release"), |o| json!(o.action)),
        "until": override_.map(|o| o.until),
        "session": believed.and_then(|b| b.running()).map(|session| &session.id),
        "effect": effect.map(|effect| effect.view(true)),
    })))
}

/// An override in a few words, for the audit.
fn told(event: &EventKind) -> String {
    match event {
        EventKind::OverrideSet { action, until, .. } => format!("{action:?} until {until}"),
        _ => "released".to_owned(),
    }
}

fn read(evse: &EvseId, body: &Value, now: Time) -> Result<EventKind, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let action = object.need("action").and_then(|node| node.word(&ACTIONS));
        let until_node = object.get("until");
        let until = until_node.as_ref().and_then(|node| {
            let at = node.instant()?;
            if at <= now {
                node.fault(format!("is over; it is {now} now"));
            } else if at > now + LONGEST {
                node.fault("is more than 7 days away");
            }
            Some(at)
        });
        if matches!(action, Some(Some(_))) && until_node.is_none() {
            object.fault("until", "is missing");
        }
        object.close();
        Some(match action? {
            Some(action) => EventKind::OverrideSet {
                evse: evse.clone(),
                action,
                until: until?,
            },
            None => EventKind::OverrideReleased { evse: evse.clone() },
        })
    });
    faults.give(read)
}
