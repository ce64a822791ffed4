//! `/login`: a browser signs in with a one-time code, a name and password, or a token, and gets a
//! cookie that scripts cannot read. Its writes carry a second secret, so that no other page can
//! make them.

use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::browser::Identity;
use super::{hash, password};
use crate::api::ApiState;
use crate::api::audit::{actor, remark};
use crate::api::auth::{Grant, Scope, cookie_name, cookie_of, peer};
use crate::api::body::read_json;
use crate::api::input::Node;
use crate::api::ports::SecretText;
use crate::api::problem::{Faults, Problem};
use crate::api::sites::{Answer, no_query};
use crate::domain::ports::PortError;

/// The cookie is forgotten by the browser after this; the session behind it may end before.
const COOKIE_LIFE_S: u32 = 7 * 24 * 3600;

/// How somebody wants to sign in.
enum Way {
    Code(SecretText),
    Token(SecretText),
    Password { user: String, password: SecretText },
}

pub(in crate::api) async fn create(
    api: Data<ApiState>,
    request: HttpRequest,
    payload: Payload,
) -> Answer {
    no_query(&request)?;
    let body = read_json(&request, payload).await?;
    let way = read(&body)?;
    let now = api.clock.now();
    let from = peer(&request);
    let Some(identity) = identify(&api, way).await? else {
        api.throttle.failure(&from, now)?;
        tracing::warn!(peer = from, "a sign-in failed");
        return Err(Problem::unauthorized());
    };
    let grant = api
        .keys
        .grant_of(&identity, now)
        .ok_or_else(Problem::unauthorized)?;
    actor(&request, &grant.name);
    remark(&request, "signed in".to_owned());
    let (cookie, session) = api
        .keys
        .with_browsers(|browsers| browsers.sign_in(identity, now));
    Ok(HttpResponse::Ok()
        .insert_header(("Set-Cookie", set_cookie(&request, &cookie, COOKIE_LIFE_S)))
        .insert_header(("Cache-Control", "no-store"))
        .json(view(&grant, Some(&session.csrf_token))))
}

/// Who this browser is; 200 with `signed_in: false` where it is nobody, since that is an answer.
pub(in crate::api) async fn show(api: Data<ApiState>, request: HttpRequest) -> Answer {
    no_query(&request)?;
    let now = api.clock.now();
    let known = cookie_of(&request).and_then(|cookie| api.keys.browser(&cookie, now));
    let answer = match &known {
        Some((session, grant)) => view(grant, Some(&session.csrf_token)),
        None => json!({ "signed_in": false }),
    };
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(answer))
}

pub(in crate::api) async fn remove(api: Data<ApiState>, request: HttpRequest) -> Answer {
    no_query(&request)?;
    if let Some(cookie) = cookie_of(&request) {
        api.keys
            .with_browsers(|browsers| browsers.sign_out(&hash(&cookie)));
    }
    Ok(HttpResponse::NoContent()
        .insert_header(("Set-Cookie", set_cookie(&request, "", 0)))
        .finish())
}

async fn identify(api: &ApiState, way: Way) -> Result<Option<Identity>, Problem> {
    let now = api.clock.now();
    Ok(match way {
        Way::Code(code) => api
            .keys
            .redeem(code.reveal(), now)
            .then_some(Identity::Administrator),
        Way::Token(token) => {
            let by_id = api.keys.read(|book| {
                book.token(&hash(token.reveal()), now)
                    .map(|token| Identity::Token(token.id.clone()))
            });
            let is_admin = || api.keys.admin.grant(token.reveal(), now).is_some();
            by_id.or_else(|| is_admin().then_some(Identity::Administrator))
        }
        Way::Password { user, password } => {
            let stored = api
                .keys
                .read(|book| book.users.get(&user).map(|user| user.password_hash.clone()));
            let _alone = api.keys.password_check.acquire().await;
            web::block(move || password::is_right(password.reveal(), stored.as_deref()))
                .await
                .map_err(|_| PortError::Stopping)?
                .then_some(Identity::User(user))
        }
    })
}

fn view(grant: &Grant, csrf_token: Option<&str>) -> Value {
    let role = [
        (Scope::Admin, "admin"),
        (Scope::Operate, "operator"),
        (Scope::Read, "viewer"),
    ]
    .into_iter()
    .find(|(scope, _)| grant.allows(*scope))
    .map(|(_, role)| role);
    json!({
        "signed_in": true,
        "name": grant.name,
        "role": role,
        "scopes": grant.scopes,
        "sites": grant.sites,
        "csrf_token": csrf_token,
    })
}

fn set_cookie(request: &HttpRequest, value: &str, life_s: u32) -> String {
    let secure = if request.app_config().secure() {
        "; Secure"
    } else {
        ""
    };
    format!(
        "{}={value}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(request)
    )
}

fn read(body: &Value) -> Result<Way, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        // Secrets are not repeated in faults.
        let secret = |name| {
            object.get(name).map(|node| {
                let text = node.value().as_str().unwrap_or_default();
                if text.is_empty() || text.len() > 1_000 {
                    node.fault("must be a text of 1 to 1000 characters");
                }
                SecretText::new(text)
            })
        };
        let (code, token, password) = (secret("code"), secret("token"), secret("password"));
        let user = object.get("user").and_then(|node| node.text());
        let way = match (code, token, user, password) {
            (Some(code), None, None, None) => Some(Way::Code(code)),
            (None, Some(token), None, None) => Some(Way::Token(token)),
            (None, None, Some(user), Some(password)) => Some(Way::Password {
                user: user.to_owned(),
                password,
            }),
            _ => {
                faults.add("", "give code, or token, or user and password");
                None
            }
        };
        object.close();
        way
    });
    faults.give(read)
}
