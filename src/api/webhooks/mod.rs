//! `/webhooks`: what happens is told to an address, signed. The notes are those of `/events`.

pub mod book;

use std::collections::BTreeSet;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use self::book::NewWebhook;
pub use self::book::{Delivery, Webhook, WebhookBook};
use super::ApiState;
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::keys::random_text;
use super::ports::SecretText;
use super::problem::{Faults, Problem};
use super::sites::{Answer, no_query};
use crate::domain::id::SiteId;

/// What a webhook may be told of: the words of the notes.
pub const EVENTS: [&str; 31] = [
    "site_configured",
    "site_removed",
    "mode_set",
    "session_pending",
    "session_active",
    "session_ended",
    "needs_stated",
    "departure_set",
    "departure_removed",
    "signal_set",
    "signal_withdrawn",
    "signal_stage",
    "override_set",
    "override_released",
    "partner_seen",
    "plan_stored",
    "station_booted",
    "station_connected",
    "restarted",
    "profile_sent",
    "default_sent",
    "profile_cleared",
    "profile_applied",
    "profile_refused",
    "profile_not_sent",
    "profile_unanswered",
    "excursion_opened",
    "excursion_closed",
    "source_state",
    "dispatch_settled",
    "cannot_comply",
];

const MIN_SECRET_CHARS: usize = 16;
const MAX_SECRET_CHARS: usize = 128;
const MAX_SITES: usize = 1_000;

fn view(hook: &Webhook, delivery: &Delivery) -> Value {
    json!({
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "sites": hook.sites,
        "created_at": hook.created_at,
        "created_by": hook.created_by,
        "delivery": delivery,
    })
}

/// True if the caller reaches everything that the webhook is told.
fn reaches(access: &Access, hook: &Webhook) -> bool {
    hook.tenant == *access.tenant() && access.reaches_all_of(hook.sites.as_ref())
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let hooks: Vec<Value> = api
        .webhooks
        .all()
        .iter()
        .filter(|(hook, _)| reaches(&access, hook))
        .map(|(hook, delivery)| view(hook, delivery))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "webhooks": hooks })))
}

fn known(api: &ApiState, access: &Access, id: &str) -> Result<(Webhook, Delivery), Problem> {
    let mut all = api.webhooks.all().into_iter();
    all.find(|(hook, _)| hook.id == id && reaches(access, hook))
        .ok_or_else(|| Problem::unknown("a webhook of this id"))
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (hook, delivery) = known(&api, &access, &path)?;
    Ok(HttpResponse::Ok().json(view(&hook, &delivery)))
}

/// What a request says.
struct Wish {
    url: String,
    events: Option<BTreeSet<String>>,
    sites: Option<BTreeSet<SiteId>>,
    secret: Option<SecretText>,
}

pub(super) async fn post(api: Data<ApiState>, request: HttpRequest, payload: Payload) -> Answer {
    // Whoever may read what is told may have it told.
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let body = read_json(&request, payload).await?;
    let wish = read(&api, &body)?;
    if !access.reaches_all_of(wish.sites.as_ref()) {
        return Err(Problem::fault(
            "/sites",
            "must name sites that your token reaches; it does not reach all",
        ));
    }
    if api.webhooks.is_full() {
        return Err(Problem::conflict(format!(
            "there are {} webhooks; DELETE some first",
            book::MAX_WEBHOOKS
        )));
    }
    let made = wish.secret.is_none();
    let secret = wish
        .secret
        .unwrap_or_else(|| SecretText::new(format!("whs_{}", random_text())));
    let id = uuid::Uuid::new_v4().simple().to_string();
    let sealed = api.webhooks.seal(&id, &secret);
    let hook = WebhookBook::make(
        NewWebhook {
            id: id.clone(),
            tenant: access.tenant().clone(),
            url: wish.url,
            events: wish.events,
            sites: wish.sites,
            created_at: api.clock.now(),
            created_by: access.name().to_owned(),
        },
        sealed,
    );
    remark(&request, hook.url.clone());
    let mut answer = view(&hook, &Delivery::default());
    api.webhooks.put(hook).await?;
    if made {
        answer["secret"] = secret.reveal().into();
    }
    // The secret is shown this once: nobody on the way may keep it.
    Ok(HttpResponse::Created()
        .insert_header(("Location", format!("/api/v1/webhooks/{id}")))
        .insert_header(("Cache-Control", "no-store"))
        .json(answer))
}

fn read(api: &ApiState, body: &Value) -> Result<Wish, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let url = object.need("url").and_then(|node| {
            let text = node.text()?;
            match api.doors.check(text) {
                Ok(()) => Some(text.to_owned()),
                Err(why) => {
                    node.fault(why);
                    None
                }
            }
        });
        let events = object.maybe("events", |node| {
            let words = EVENTS.map(|word| (word, word));
            let nodes = node.list(EVENTS.len())?;
            if nodes.is_empty() {
                node.fault("names no event; leave it out for all");
            }
            Some(
                nodes
                    .iter()
                    .filter_map(|node| node.word(&words).map(str::to_owned))
                    .collect(),
            )
        });
        let sites = object.maybe("sites", |node| {
            let sites: BTreeSet<SiteId> =
                node.list(MAX_SITES)?.iter().filter_map(Node::id).collect();
            if sites.is_empty() {
                node.fault("names no site; leave it out for all sites");
            }
            Some(sites)
        });
        let secret = object.maybe("secret", |node| {
            let text = node.value().as_str().unwrap_or_default();
            let sound = (MIN_SECRET_CHARS..=MAX_SECRET_CHARS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !sound {
                node.fault(format!(
                    "must have {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} printable ASCII characters"
                ));
            }
            Some(SecretText::new(text))
        });
        object.close();
        Some(Wish {
            url: url?,
            events: events?,
            sites: sites?,
            secret: secret?,
        })
    });
    faults.give(read)
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (hook, _) = known(&api, &access, &path)?;
    let own = hook.created_by == access.name();
    if !own && !access.allows(Scope::Operate) {
        return Err(Problem::forbidden("another caller made this webhook"));
    }
    remark(&request, hook.url.clone());
    api.webhooks.remove(&hook.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
