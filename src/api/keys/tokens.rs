//! `/tokens`: tokens for programs, with what they may do, where, and until when.

use std::collections::BTreeSet;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::book::{MAX_KEPT, StoredToken, key_of_token};
use super::browser::Identity;
use super::{hash, random_text};
use crate::api::ApiState;
use crate::api::audit::remark;
use crate::api::auth::{Access, Scope, SignalRights};
use crate::api::body::read_json;
use crate::api::input::Node;
use crate::api::problem::{Faults, Problem};
use crate::api::sites::{Answer, no_query};
use crate::domain::id::SiteId;
use crate::domain::ports::RecordWrite;
use crate::domain::signal::SignalKind;
use crate::domain::signal_unit::KINDS;
use crate::domain::time::Time;

/// How long a token holds where nobody says.
const DEFAULT_LIFE: TimeDelta = TimeDelta::days(90);
/// The longest a token may hold.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(732);
/// Longest name of a token.
const MAX_NAME_CHARS: usize = 60;
/// Most sites of one token.
const MAX_SITES: usize = 1_000;

const SCOPES: [(&str, Scope); 4] = [
    ("read", Scope::Read),
    ("signals:write", Scope::SignalsWrite),
    ("operate", Scope::Operate),
    ("admin", Scope::Admin),
];

/// A token as somebody wants it.
struct Wish {
    name: String,
    scopes: BTreeSet<Scope>,
    sites: Option<BTreeSet<SiteId>>,
    signals: Option<SignalRights>,
    expires_at: Time,
}

fn view(token: &StoredToken, now: Time) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "sites": token.sites,
        "signals": token.signals.as_ref().map(|rights| json!({
            "kinds": rights.kinds, "min_priority": rights.min_priority, "hard": rights.hard,
            "dispatch": rights.dispatch,
        })),
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "expired": !token.is_valid(now),
    })
}

pub(in crate::api) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let now = api.clock.now();
    let tokens: Vec<_> = api
        .keys
        .read(|book| book.tokens.values().map(|token| view(token, now)).collect());
    Ok(HttpResponse::Ok().json(json!({ "tokens": tokens })))
}

pub(in crate::api) async fn create(
    api: Data<ApiState>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let body = read_json(&request, payload).await?;
    let now = api.clock.now();
    let wish = read(&body, now)?;
    // What a token opens must not reach beyond who made it.
    if !access.reaches_all_of(wish.sites.as_ref()) {
        return Err(Problem::forbidden(
            "the token would reach sites that yours does not reach",
        ));
    }
    if api.keys.read(|book| book.tokens.len()) >= MAX_KEPT {
        return Err(Problem::conflict(format!(
            "there are {MAX_KEPT} tokens; DELETE some first"
        )));
    }
    let secret = format!("evl_{}", random_text());
    let token = StoredToken {
        id: uuid::Uuid::new_v4().simple().to_string(),
        name: wish.name,
        hash: hash(&secret),
        scopes: wish.scopes,
        sites: wish.sites,
        signals: wish.signals,
        created_at: now,
        created_by: access.name().to_owned(),
        expires_at: wish.expires_at,
    };
    let mut answer = view(&token, now);
    answer["token"] = secret.into();
    remark(&request, format!("{} ({:?})", token.name, token.scopes));
    let write = token.write()?;
    api.keys.change(write, |book| book.put_token(token)).await?;
    // The token is shown this once: nobody on the way may keep it.
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(answer))
}

pub(in crate::api) async fn revoke(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let id = path.into_inner();
    let Some(name) = api
        .keys
        .read(|book| book.tokens.get(&id).map(|token| token.name.clone()))
    else {
        return Err(Problem::unknown("a token of this id"));
    };
    remark(&request, name);
    let write = RecordWrite {
        key: key_of_token(&id),
        value: None,
    };
    api.keys
        .change(write, |book| book.remove_token(&id))
        .await?;
    api.keys
        .with_browsers(|browsers| browsers.end(&Identity::Token(id)));
    Ok(HttpResponse::NoContent().finish())
}

fn read(body: &Value, now: Time) -> Result<Wish, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let name = object.need("name").and_then(|node| read_name(&node));
        let scopes = object.need("scopes").and_then(|node| {
            let scopes: BTreeSet<_> = node
                .list(SCOPES.len())?
                .iter()
                .filter_map(|node| node.word(&SCOPES))
                .collect();
            if scopes.is_empty() {
                node.fault("names no scope");
            }
            Some(scopes)
        });
        let sites = object.maybe("sites", |node| {
            let sites: BTreeSet<SiteId> =
                node.list(MAX_SITES)?.iter().filter_map(Node::id).collect();
            if sites.is_empty() {
                node.fault("names no site; leave it out for all sites");
            }
            Some(sites)
        });
        let signals = object.maybe("signals", read_rights);
        let expires_at = object.maybe("expires_at", |node| {
            let at = node.instant()?;
            if at <= now {
                node.fault(format!("is over; it is {now} now"));
            } else if at > now + LONGEST_LIFE {
                node.fault("is more than two years away");
            }
            Some(at)
        });
        object.close();
        Some(Wish {
            name: name?,
            scopes: scopes?,
            sites: sites?,
            signals: signals?,
            expires_at: expires_at?.unwrap_or(now + DEFAULT_LIFE),
        })
    });
    faults.give(read)
}

fn read_rights(node: &Node<'_>) -> Option<SignalRights> {
    let object = node.object()?;
    let kinds = object.maybe("kinds", |node| {
        let kinds: BTreeSet<SignalKind> = node
            .list(KINDS.len())?
            .iter()
            .filter_map(|node| node.word(&KINDS))
            .collect();
        if kinds.is_empty() {
            node.fault("names no kind; leave it out for all kinds");
        }
        Some(kinds)
    });
    let min_priority = object.maybe("min_priority", |node| {
        node.whole(0..=1_000).and_then(|n| i32::try_from(n).ok())
    });
    let hard = object.maybe("hard", Node::flag);
    let dispatch = object.maybe("dispatch", Node::flag);
    object.close();
    Some(SignalRights {
        kinds: kinds?,
        min_priority: min_priority?,
        hard: hard?.unwrap_or(true),
        dispatch: dispatch?.unwrap_or(true),
    })
}

fn read_name(node: &Node<'_>) -> Option<String> {
    let text = node.text()?.trim();
    let sound =
        (1..=MAX_NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !sound {
        node.fault(format!("must have 1 to {MAX_NAME_CHARS} characters"));
    }
    sound.then(|| text.to_owned())
}
