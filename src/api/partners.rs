//! `/partners`: the platforms we speak OCPI with.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::ports::{CheckRow, PartnerChange, Registration, SecretText};
use super::problem::{Faults, Problem};
use super::site_body::peer_id;
use super::sites::{Answer, no_query};
use crate::domain::id::{PartnerId, PartnerKey};
use crate::domain::ports::PortError;
use crate::domain::profile::RateUnit;
use crate::domain::unit_choice::{MAX_UNIT_CHOICES, UnitChoice};

/// Longest address of a list of versions.
const MAX_URL_CHARS: usize = 255;
/// Longest token (OCPI 2.2.1: `string(64)`).
const MAX_TOKEN_CHARS: usize = 64;

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let partners = api.partners.list(access.tenant()).await?;
    Ok(HttpResponse::Ok().json(json!({ "partners": partners })))
}

pub(super) async fn show(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let partner = api.partners.show(&access.partner(&path)?).await?;
    Ok(HttpResponse::Ok().json(partner))
}

/// Changes how a partner is treated.
pub(super) async fn change(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let key = access.partner(&path)?;
    let body = read_json(&request, payload).await?;
    let faults = Faults::default();
    let change = Node::root(&body, &faults).object().and_then(|object| {
        let trust_sync_accept = object.maybe("trust_sync_accept", Node::flag);
        let site_limits = object.maybe("site_limits", Node::flag);
        let profile_units = object.maybe("profile_units", unit_choices);
        object.close();
        Some(PartnerChange {
            trust_sync_accept: trust_sync_accept?,
            site_limits: site_limits?,
            profile_units: profile_units?,
        })
    });
    let change = faults.give(change)?;
    tracing::info!(partner.id = %key, by = access.name(), ?change, "the partner is changed");
    api.partners.change(&key, change).await?;
    Ok(HttpResponse::Ok().json(api.partners.show(&key).await?))
}

/// Units for all EVSEs of a partner or for single ones.
fn unit_choices(node: &Node<'_>) -> Option<Vec<UnitChoice>> {
    let units = [("A", RateUnit::Amps), ("W", RateUnit::Watts)];
    let read = |node: &Node<'_>| {
        let object = node.object()?;
        let unit = object.need("unit").and_then(|node| node.word(&units));
        let location_id = object.maybe("location_id", peer_id);
        let evse_uid = object.maybe("evse_uid", peer_id);
        object.close();
        let (location_id, evse_uid) = (location_id?, evse_uid?);
        if location_id.is_some() != evse_uid.is_some() {
            node.fault("names an EVSE by location_id and evse_uid, or by neither all of them");
            return None;
        }
        Some(UnitChoice {
            location_id,
            evse_uid,
            unit: unit?,
        })
    };
    let choices: Vec<_> = node.list(MAX_UNIT_CHOICES)?.iter().map(read).collect();
    choices.into_iter().collect()
}

pub(super) async fn exchanges(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    // Operators only: even masked, exchanges show more of drivers than a plan does.
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let exchanges = api.partners.exchanges(&access.partner(&path)?).await?;
    Ok(HttpResponse::Ok().json(json!({ "exchanges": exchanges })))
}

pub(super) async fn register(
    api: Data<ApiState>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let body = read_json(&request, payload).await?;
    let wish = read_registration(&body)?;
    let key = PartnerKey {
        tenant: access.tenant().clone(),
        partner: wish.name.clone(),
    };
    refuse_registered(&api, &key).await?;
    let name = wish.name.clone();
    let rows = api.partners.register(access.tenant(), wish).await?;
    tracing::info!(partner.id = %key, by = access.name(), ok = passed(&rows), "registration");
    // What is tried once the registration stands may fail without undoing it.
    let stands = api.partners.show(&key).await;
    if stands.is_ok_and(|partner| partner.status == "registered") {
        return Ok(HttpResponse::Created().json(json!({
            "name": name, "ok": passed(&rows), "result": "registered", "checks": rows,
        })));
    }
    checked(&name, "registered", &rows, StatusCode::CREATED)
}

pub(super) async fn invite(api: Data<ApiState>, request: HttpRequest, payload: Payload) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let body = read_json(&request, payload).await?;
    let faults = Faults::default();
    let name = Node::root(&body, &faults).object().and_then(|object| {
        let name = object.need("name").and_then(|node| node.id::<PartnerId>());
        object.close();
        name
    });
    let name = faults.give(name)?;
    let key = PartnerKey {
        tenant: access.tenant().clone(),
        partner: name.clone(),
    };
    refuse_registered(&api, &key).await?;
    let invitation = api.partners.invite(access.tenant(), name).await?;
    tracing::info!(partner.id = %key, by = access.name(), "invitation");
    // The token is shown this once: nobody on the way may keep it.
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(invitation))
}

/// 409 where a name is in use by a partner that is registered.
async fn refuse_registered(api: &ApiState, key: &PartnerKey) -> Result<(), Problem> {
    match api.partners.show(key).await {
        Ok(partner) if partner.status == "registered" => Err(Problem::conflict(format!(
            "{} is registered; rotate its tokens, or DELETE it first",
            key.partner
        ))),
        Ok(_) | Err(PortError::Unknown(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn test(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let key = access.partner(&path)?;
    let rows = api.partners.test(&key).await?;
    // A test that finds a fault did its work: always 200.
    Ok(HttpResponse::Ok().json(json!({
        "name": key.partner, "ok": passed(&rows), "checks": rows,
    })))
}

pub(super) async fn rotate(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let key = access.partner(&path)?;
    let rows = api.partners.rotate(&key).await?;
    tracing::info!(partner.id = %key, by = access.name(), ok = passed(&rows), "tokens rotated");
    checked(&key.partner, "rotated", &rows, StatusCode::OK)
}

pub(super) async fn remove(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let key = access.partner(&path)?;
    api.partners.remove(&key).await?;
    tracing::info!(partner.id = %key, by = access.name(), "the partner was removed");
    Ok(HttpResponse::NoContent().finish())
}

fn passed(rows: &[CheckRow]) -> bool {
    rows.iter().all(|row| row.ok)
}

/// The check list: `done` with the given status if all rows passed, else a 502 that lists them.
fn checked(name: &PartnerId, done: &str, rows: &[CheckRow], status: StatusCode) -> Answer {
    if passed(rows) {
        return Ok(HttpResponse::build(status).json(json!({
            "name": name, "ok": true, "result": done, "checks": rows,
        })));
    }
    let failed = rows.iter().find(|row| !row.ok);
    let detail = failed.map_or_else(String::new, |row| format!("{}: {}", row.name, row.detail));
    Err(Problem::new(StatusCode::BAD_GATEWAY)
        .with_detail(format!("{name} was not {done}; {detail}"))
        .with("checks", json!(rows)))
}

fn read_registration(body: &Value) -> Result<Registration, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let name = object.need("name").and_then(|node| node.id());
        let versions_url = object.need("versions_url").and_then(|node| read_url(&node));
        let token_a = object.need("token_a").and_then(|node| read_token(&node));
        object.close();
        Some(Registration {
            name: name?,
            versions_url: versions_url?,
            token_a: token_a?,
        })
    });
    faults.give(read)
}

fn read_url(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let sound = text.chars().count() <= MAX_URL_CHARS
        && url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
    if !sound {
        node.fault(format!(
            "must be an http(s) address of at most {MAX_URL_CHARS} characters, without user name \
             and password"
        ));
    }
    sound.then(|| text.to_owned())
}

fn read_token(node: &Node<'_>) -> Option<SecretText> {
    // The value is a secret: it is not repeated in a fault.
    let text = node.value().as_str().unwrap_or_default();
    let sound =
        (1..=MAX_TOKEN_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !sound {
        node.fault("must have 1 to 64 printable ASCII characters without spaces");
    }
    sound.then(|| SecretText::new(text))
}
