//! `/id-tokens`: the cards and other tokens that may charge at our own stations, or may not.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::ports::IdToken;
use super::problem::{Faults, Problem};
use super::sites::{Answer, no_query};

/// Kinds of tokens. Source: OCPP 2.0.1 `IdTokenEnumType`, without those that name nobody.
const KINDS: [(&str, &str); 6] = [
    ("ISO14443", "ISO14443"),
    ("ISO15693", "ISO15693"),
    ("Central", "Central"),
    ("KeyCode", "KeyCode"),
    ("MacAddress", "MacAddress"),
    ("eMAID", "eMAID"),
];
/// What a token may.
const STATUSES: [(&str, bool); 2] = [("accepted", false), ("blocked", true)];
/// Longest token and group. Source: OCPP 2.0.1 `idToken`.
const MAX_CHARS: usize = 36;

fn view(token: &IdToken) -> Value {
    json!({
        "id": token.id,
        "type": token.kind,
        "status": if token.blocked { "blocked" } else { "accepted" },
        "expires_at": token.expires_at,
        "group": token.group,
    })
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    // Operators only: tokens name people.
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let tokens = api.stations.id_tokens(access.tenant()).await?;
    let tokens: Vec<Value> = tokens.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({ "id_tokens": tokens })))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let id = path.into_inner();
    if !is_token(&id) {
        let detail =
            format!("the token in the path must have 1 to {MAX_CHARS} printable characters");
        return Err(Problem::fault("", detail));
    }
    let body = read_json(&request, payload).await?;
    let token = read(id, &body)?;
    let is_new = api
        .stations
        .set_id_token(access.tenant(), token.clone())
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(HttpResponse::build(status).json(view(&token)))
}

pub(super) async fn remove(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let removed = api
        .stations
        .remove_id_token(access.tenant(), path.into_inner())
        .await?;
    if !removed {
        // The text may name a person: it is not repeated.
        return Err(Problem::unknown("such a token"));
    }
    Ok(HttpResponse::NoContent().finish())
}

fn read(id: String, body: &Value) -> Result<IdToken, Problem> {
    let faults = Faults::default();
    let token = Node::root(body, &faults).object().and_then(|object| {
        let kind = object.maybe("type", |node| node.word(&KINDS));
        let blocked = object.maybe("status", |node| node.word(&STATUSES));
        let expires_at = object.maybe("expires_at", Node::instant);
        let group = object.maybe("group", |node| {
            let text = node.text()?;
            if !is_token(text) {
                node.fault(format!("must have 1 to {MAX_CHARS} printable characters"));
                return None;
            }
            Some(text.to_owned())
        });
        let token = IdToken {
            id,
            kind: kind?.unwrap_or("ISO14443").to_owned(),
            blocked: blocked?.unwrap_or(false),
            expires_at: expires_at?,
            group: group?,
        };
        object.close();
        Some(token)
    });
    faults.give(token)
}

fn is_token(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}
