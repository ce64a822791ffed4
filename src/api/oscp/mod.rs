//! `/sites/{site}/oscp`: the capacity providers (`OSCP` 2.0) that say what a site may draw.

mod alerts;
pub mod book;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(super) use self::alerts::alerts;
pub use self::book::{OscpBook, OscpHealth, Parcel};
use super::ApiState;
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::feeds::body::{read_headers, read_url, short};
use super::input::Node;
use super::keys::random_text;
use super::ports::SecretText;
use super::problem::{Faults, Problem};
use super::sites::{Answer, no_query};
use crate::domain::hmac::hex;
use crate::domain::id::{CircuitId, SiteKey};
use crate::domain::oscp::{OscpAuth, OscpBlock, OscpForecast, OscpLink, OscpStage};
use crate::domain::quantity::{Energy, Power};
use crate::domain::signal_unit::MAX_KW;
use crate::domain::site::Site;
use crate::domain::time::Time;

/// Most blocks of a wish.
const MAX_BLOCKS: usize = 1_000;
/// The texts of a link that are sealed.
pub const THEIR_TOKEN: &str = "theirs";
/// See [`THEIR_TOKEN`].
pub const OUR_TOKEN: &str = "ours";

/// What of a token is kept.
pub fn hash_of(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn view(link: &OscpLink, health: &OscpHealth, now: Time) -> Value {
    let headers: serde_json::Map<String, Value> = link
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let blocks: serde_json::Map<String, Value> = link
        .forecasts
        .iter()
        .filter_map(|(of, blocks)| {
            let name = serde_json::to_value(of).ok()?.as_str()?.to_owned();
            let block = |block: &OscpBlock| {
                json!({"start": block.start, "end": block.end,
                    "capacity_kw": block.capacity.kilowatts()})
            };
            Some((name, blocks.iter().map(block).collect()))
        })
        .collect();
    json!({
        "name": link.name,
        "site": link.site.site,
        "group_id": link.group,
        "circuit": link.circuit,
        "auth": link.auth,
        "headers": headers,
        "base_url": link.base_url,
        "forecasts": blocks,
        "status": {
            "stage": link.stage,
            "holds": link.holds(now),
            "offline_at": link.offline_at,
            "heard_at": link.heard_at,
            "sent_at": health.sent_at,
            "last_error": health.last_error,
            "waiting": health.waiting.len(),
            "heartbeat_s": link.heartbeat_s,
            "wants_measurements": link.wants_measurements,
            "reported_kwh": link.reported.kilowatt_hours(),
            "reported_to": link.reported_to,
        },
    })
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    let links: Vec<Value> = api
        .oscp
        .all()
        .iter()
        .filter(|(link, _)| link.site == site)
        .map(|(link, health)| view(link, health, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "site": site.site, "providers": links })))
}

fn known(api: &ApiState, site: &SiteKey, name: &str) -> Result<(OscpLink, OscpHealth), Problem> {
    let found = api.oscp.get(site, name);
    found.ok_or_else(|| Problem::unknown(format!("capacity provider {name}")))
}

pub(super) async fn get(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path.0)?;
    let (link, health) = known(&api, &site, &path.1)?;
    Ok(HttpResponse::Ok().json(view(&link, &health, api.clock.now())))
}

/// What a request says.
struct Wish {
    group: String,
    circuit: Option<CircuitId>,
    auth: OscpAuth,
    headers: Vec<(String, String)>,
    base_url: Option<String>,
    secret: Option<SecretText>,
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
    let name = name_of(&path.1)?;
    let wish = read(&api, &snapshot.site, &body)?;
    let _alone = api.oscp.alone.lock().await;
    let before = api.oscp.get(&site, &name);
    if before.is_none() && api.oscp.all().len() >= book::MAX_LINKS {
        return Err(Problem::conflict(format!(
            "there are {} capacity providers; DELETE some first",
            book::MAX_LINKS
        )));
    }
    let now = api.clock.now();
    // A token of its own each time: whoever had the last one registers again.
    let token = random_text();
    let mut link = OscpLink {
        site,
        name,
        group: wish.group,
        circuit: wish.circuit,
        auth: wish.auth,
        headers: wish.headers,
        created_at: now,
        admits: vec![hash_of(&token)],
        sealed: None,
        offered: None,
        base_url: wish.base_url,
        stage: OscpStage::Invited,
        offline_at: None,
        heartbeat_s: None,
        intermittent: false,
        wants_measurements: false,
        heard_at: None,
        forecasts: std::collections::BTreeMap::new(),
        reported: Energy::ZERO,
        reported_to: None,
    };
    if let Some(secret) = &wish.secret {
        link.sealed = Some(api.oscp.seal(&link, THEIR_TOKEN, secret.reveal()));
    }
    if let Some((before, _)) = &before {
        // What was announced goes on, and a register only grows.
        link.forecasts.clone_from(&before.forecasts);
        link.reported = before.reported;
        link.reported_to = before.reported_to;
    }
    remark(&request, format!("group {}", link.group));
    api.oscp.store(link.clone()).await?;
    let mut shown = view(&link, &OscpHealth::default(), now);
    // Shown this once.
    shown["token"] = token.into();
    let mut answer = match before {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::Created(),
    };
    let answer = answer.insert_header(("Cache-Control", "no-store"));
    Ok(answer.json(shown))
}

fn name_of(text: &str) -> Result<String, Problem> {
    let fits = (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits {
        return Ok(text.to_owned());
    }
    Err(Problem::fault(
        "",
        "the provider's name in the path needs 1 to 40 letters, digits, '-', '_' or '.'",
    ))
}

fn read(api: &ApiState, site: &Site, body: &Value) -> Result<Wish, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let group = object.need("group_id").and_then(|node| short(&node));
        let circuit = object.maybe("circuit", |node| {
            let id: CircuitId = node.id()?;
            if site.circuit(&id).is_none() {
                node.fault(format!("is {id}, which the site does not have"));
            }
            Some(id)
        });
        let headers = object.maybe("headers", read_headers);
        let oauth = object.maybe("oauth", |node| {
            let object = node.object()?;
            let token_url = object.need("token_url").and_then(|node| read_url(&node));
            let client_id = object.need("client_id").and_then(|node| short(&node));
            let scope = object.maybe("scope", short);
            object.close();
            Some(OscpAuth::OAuth {
                token_url: token_url?,
                client_id: client_id?,
                scope: scope?,
            })
        });
        let base_url = object.maybe("base_url", |node| {
            let text = node.text()?.trim_end_matches('/');
            if let Err(why) = api.doors.check(text) {
                node.fault(why);
            }
            Some(text.to_owned())
        });
        let secret = object.maybe("secret", |node| node.text().map(SecretText::new));
        let is_oauth = matches!(oauth, Some(Some(_)));
        if is_oauth && matches!(base_url, Some(None)) {
            object.fault("base_url", "is missing: with OAuth nobody registers");
        }
        if is_oauth != matches!(secret, Some(Some(_))) {
            object.fault(
                "secret",
                "belongs to the client of OAuth, and it has to be there",
            );
        }
        object.close();
        Some(Wish {
            group: group?,
            circuit: circuit?,
            auth: oauth?.unwrap_or(OscpAuth::Token),
            headers: headers?.unwrap_or_default(),
            base_url: base_url?,
            secret: secret?,
        })
    });
    faults.give(read)
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path.0)?;
    let _alone = api.oscp.alone.lock().await;
    let (link, _) = known(&api, &site, &path.1)?;
    // What it said is withdrawn by who talks to it.
    api.oscp.remove(&link).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Asks a provider for another capacity (`adjust_group_capacity_forecast`).
pub(super) async fn adjust(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let (site, _) = access.snapshot(&api, &path.0)?;
    let body = read_json(&request, payload).await?;
    let (link, _) = known(&api, &site, &path.1)?;
    let (of, blocks) = read_wish(&body)?;
    if link.base_url.is_none() {
        return Err(Problem::conflict(
            "the provider has not registered: nobody knows where to ask",
        ));
    }
    let blocks: Vec<Value> = blocks
        .iter()
        .map(|block| {
            json!({"capacity": block.capacity.kilowatts(), "phase": "ALL", "unit": "KW",
                "start_time": block.start, "end_time": block.end})
        })
        .collect();
    let parcel = Parcel {
        path: "adjust_group_capacity_forecast",
        body: json!({"group_id": link.group, "type": of, "forecasted_blocks": blocks}),
        answers: None,
        attempts: 0,
        due_at: api.clock.now(),
    };
    api.oscp.send(&link, parcel);
    Ok(HttpResponse::Accepted().json(json!({ "asked": blocks.len() })))
}

fn read_wish(body: &Value) -> Result<(OscpForecast, Vec<OscpBlock>), Problem> {
    const TYPES: [(&str, OscpForecast); 4] = [
        ("CONSUMPTION", OscpForecast::Consumption),
        ("GENERATION", OscpForecast::Generation),
        ("FALLBACK_CONSUMPTION", OscpForecast::FallbackConsumption),
        ("FALLBACK_GENERATION", OscpForecast::FallbackGeneration),
    ];
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let of = object.need("type").and_then(|node| node.word(&TYPES));
        let blocks = object.need("blocks").and_then(|node| {
            let nodes = node.list(MAX_BLOCKS)?;
            if nodes.is_empty() {
                node.fault("asks for nothing");
            }
            let blocks: Vec<Option<OscpBlock>> = nodes.iter().map(read_block).collect();
            blocks.into_iter().collect::<Option<Vec<OscpBlock>>>()
        });
        object.close();
        Some((of?, blocks?))
    });
    faults.give(read)
}

fn read_block(node: &Node<'_>) -> Option<OscpBlock> {
    let object = node.object()?;
    let start = object.need("start").and_then(|node| node.instant());
    let end = object.need("end").and_then(|node| node.instant());
    let capacity = object
        .need("capacity_kw")
        .and_then(|node| node.number(&(0.0..=MAX_KW)));
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        object.fault("end", "is not after start");
    }
    object.close();
    Some(OscpBlock {
        start: start?,
        end: end?,
        capacity: Power::from_kilowatts(capacity?),
    })
}
