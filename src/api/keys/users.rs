//! `/users`: people who sign in with a password.

use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::book::{MAX_KEPT, StoredUser, key_of_user};
use super::browser::Identity;
use super::{Role, password};
use crate::api::ApiState;
use crate::api::audit::remark;
use crate::api::auth::{Access, Scope};
use crate::api::body::read_json;
use crate::api::input::Node;
use crate::api::ports::SecretText;
use crate::api::problem::{Faults, Problem};
use crate::api::sites::{Answer, no_query};
use crate::domain::ports::{PortError, RecordWrite};

/// Longest name of a person.
const MAX_NAME_CHARS: usize = 64;

fn view(user: &StoredUser) -> Value {
    json!({ "name": user.name, "role": user.role, "changed_at": user.changed_at })
}

pub(in crate::api) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let users: Vec<_> = api
        .keys
        .read(|book| book.users.values().map(view).collect());
    Ok(HttpResponse::Ok().json(json!({ "users": users })))
}

pub(in crate::api) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    if !access.reaches_all_of(None) {
        return Err(Problem::forbidden(
            "people reach all sites; your token does not",
        ));
    }
    let name = path.into_inner();
    check_name(&name)?;
    let body = read_json(&request, payload).await?;
    let (role, password) = read(&body)?;
    let known = api.keys.read(|book| book.users.get(&name).cloned());
    let password_hash = match (&password, &known) {
        (Some(password), _) => hashed(&api, password.clone()).await?,
        (None, Some(user)) => user.password_hash.clone(),
        (None, None) => return Err(Problem::fault("/password", "is missing")),
    };
    if known.is_none() && api.keys.read(|book| book.users.len()) >= MAX_KEPT {
        return Err(Problem::conflict(format!("there are {MAX_KEPT} people")));
    }
    let user = StoredUser {
        name: name.clone(),
        role,
        password_hash,
        changed_at: api.clock.now(),
    };
    remark(&request, format!("{name} as {role:?}"));
    let answer = view(&user);
    let write = user.write()?;
    api.keys
        .change(write, |book| {
            book.users.insert(user.name.clone(), user);
        })
        .await?;
    if password.is_some() {
        api.keys
            .with_browsers(|browsers| browsers.end(&Identity::User(name)));
    }
    let mut response = match known {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::Created(),
    };
    Ok(response.json(answer))
}

pub(in crate::api) async fn remove(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let name = path.into_inner();
    if !api.keys.read(|book| book.users.contains_key(&name)) {
        return Err(Problem::unknown("a person of this name"));
    }
    remark(&request, name.clone());
    let write = RecordWrite {
        key: key_of_user(&name),
        value: None,
    };
    api.keys
        .change(write, |book| {
            book.users.remove(&name);
        })
        .await?;
    api.keys
        .with_browsers(|browsers| browsers.end(&Identity::User(name)));
    Ok(HttpResponse::NoContent().finish())
}

async fn hashed(api: &ApiState, secret: SecretText) -> Result<String, Problem> {
    let _alone = api.keys.password_check.acquire().await;
    let hash = web::block(move || password::hash(secret.reveal()))
        .await
        .map_err(|_| PortError::Stopping)??;
    Ok(hash)
}

fn check_name(name: &str) -> Result<(), Problem> {
    let sound = (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._-@+".contains(c));
    if sound {
        Ok(())
    } else {
        Err(Problem::fault(
            "",
            "the name in the path must have 1 to 64 letters, digits or . _ - @ +",
        ))
    }
}

fn read(body: &Value) -> Result<(Role, Option<SecretText>), Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let role = object.need("role").and_then(|node| node.word(&Role::WORDS));
        let password = object.maybe("password", |node| {
            // A secret: it is not repeated in a fault.
            let text = node.value().as_str().unwrap_or_default();
            let range = password::MIN_CHARS..=password::MAX_CHARS;
            if range.contains(&text.chars().count()) {
                return Some(SecretText::new(text));
            }
            node.fault(format!(
                "must have {} to {} characters",
                password::MIN_CHARS,
                password::MAX_CHARS
            ));
            None
        });
        object.close();
        Some((role?, password?))
    });
    faults.give(read)
}
