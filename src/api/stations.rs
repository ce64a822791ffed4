//! `/stations`: the chargers that connect to us over OCPP.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::ports::{SecretText, StationAdmission, StationCall, StationSetup};
use super::problem::{Faults, Problem};
use super::query::Query;
use super::sites::{Answer, no_query};
use crate::domain::id::StationId;

/// Sub-protocols that may be assumed of a station that names none.
const PROTOCOLS: [(&str, &str); 3] = [
    ("ocpp1.6", "ocpp1.6"),
    ("ocpp2.0.1", "ocpp2.0.1"),
    ("ocpp2.1", "ocpp2.1"),
];
/// Whether a station may work.
const ADMISSIONS: [(&str, StationAdmission); 3] = [
    ("accepted", StationAdmission::Accepted),
    ("pending", StationAdmission::Pending),
    ("rejected", StationAdmission::Rejected),
];
/// Longest name of an action.
const MAX_ACTION_CHARS: usize = 64;

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let state = query.text("state").map(str::to_owned);
    if let Some(state) = &state
        && !["waiting", "connected", "offline"].contains(&state.as_str())
    {
        query.fault("state", "must be waiting, connected or offline");
    }
    query.close();
    faults.check()?;
    let stations = match state.as_deref() {
        Some("waiting") => api.stations.waiting(access.tenant()).await?,
        wanted => {
            let mut all = api.stations.list(access.tenant()).await?;
            all.retain(|station| wanted.is_none_or(|wanted| station["state"] == wanted));
            all
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "stations": stations })))
}

pub(super) async fn show(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let station = api.stations.show(access.tenant(), &id(&path)?).await?;
    Ok(HttpResponse::Ok().json(station))
}

pub(super) async fn messages(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    // Operators only: messages name who charges.
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let messages = api.stations.messages(access.tenant(), &id(&path)?).await?;
    Ok(HttpResponse::Ok().json(json!({ "messages": messages })))
}

/// The files a station has uploaded: logs and diagnostics it was asked for.
pub(super) async fn uploads(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let uploads = api.stations.uploads(access.tenant(), &id(&path)?).await?;
    Ok(HttpResponse::Ok().json(json!({ "uploads": uploads })))
}

/// One of them as it came.
pub(super) async fn upload(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let (station, name) = path.into_inner();
    let id = id(&station)?;
    let content = api.stations.upload(access.tenant(), &id, name).await?;
    // Whatever a station sends, no browser shall show or run it.
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("Content-Disposition", "attachment"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(content))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let id = id(&path)?;
    let body = read_json(&request, payload).await?;
    let setup = read_setup(&body)?;
    let welcome = api
        .stations
        .set_up(access.tenant(), id.clone(), setup)
        .await?;
    tracing::info!(station.id = %id, by = access.name(), "the station was set up");
    let mut view = api.stations.show(access.tenant(), &id).await?;
    if let Some(password) = welcome.password {
        view["password"] = json!(password);
    }
    let status = if welcome.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    // The password is shown this once: nobody on the way may keep it.
    Ok(HttpResponse::build(status)
        .insert_header(("Cache-Control", "no-store"))
        .json(view))
}

pub(super) async fn remove(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let id = id(&path)?;
    api.stations.remove(access.tenant(), &id).await?;
    tracing::info!(station.id = %id, by = access.name(), "the station was removed");
    Ok(HttpResponse::NoContent().finish())
}

/// Sends any call of the standard to a station: the body is its payload. A profile set by hand is
/// outside of what is guaranteed until the sites have set theirs again, which follows at once.
pub(super) async fn call(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Operate)?;
    no_query(&request)?;
    let (station, action) = path.into_inner();
    let id = id(&station)?;
    let is_name = (1..=MAX_ACTION_CHARS).contains(&action.len())
        && action.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name {
        return Err(Problem::fault(
            "",
            "the action in the path must be a name as OCPP spells it, such as Reset",
        ));
    }
    let body = read_json(&request, payload).await?;
    if !body.is_object() {
        return Err(Problem::fault("", "an object is needed: OCPP's payload"));
    }
    tracing::info!(station.id = %id, %action, by = access.name(), "an operator's call");
    let called = api
        .stations
        .call(access.tenant(), &id, action, body)
        .await?;
    Ok(HttpResponse::Ok().json(said(called)))
}

/// Gives a connected station a new password over OCPP. The old one is right until the station has
/// shown the new one.
pub(super) async fn rotate(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let id = id(&path)?;
    let body = read_json(&request, payload).await?;
    let faults = Faults::default();
    let password = Node::root(&body, &faults).object().and_then(|object| {
        let password = object.maybe("password", read_password);
        object.close();
        password
    });
    let password = faults.give(password)?;
    let rotated = api.stations.rotate(access.tenant(), &id, password).await?;
    tracing::info!(station.id = %id, by = access.name(), taken = rotated.is_taken, "a new password");
    let mut answer = said(rotated.call);
    answer["taken"] = json!(rotated.is_taken);
    Ok(HttpResponse::Ok().json(answer))
}

fn said(called: StationCall) -> Value {
    match called {
        StationCall::Result(payload) => json!({ "status": "result", "payload": payload }),
        StationCall::Error { code, description } => json!({
            "status": "error",
            "payload": { "code": code, "description": description },
        }),
        StationCall::Timeout => json!({ "status": "timeout", "payload": null }),
    }
}

fn id(text: &str) -> Result<StationId, Problem> {
    StationId::new(text).map_err(|_| Problem::unknown("a station of this name"))
}

fn read_setup(body: &Value) -> Result<StationSetup, Problem> {
    let faults = Faults::default();
    let setup = Node::root(body, &faults).object().and_then(|object| {
        let site = object.maybe("site", Node::id);
        let password = object.maybe("password", read_password);
        let no_password = object.maybe("no_password", Node::flag);
        let allow_insecure = object.maybe("allow_insecure", Node::flag);
        let assumed = object.maybe("assume_protocol", |node| node.word(&PROTOCOLS));
        let certificate = object.maybe("client_certificate", Node::flag);
        let admission = object.maybe("admission", |node| node.word(&ADMISSIONS));
        let quirks = object.maybe("quirks", read_quirks);
        let setup = StationSetup {
            site: site?,
            password: password?,
            no_password: no_password?.unwrap_or(false),
            allow_insecure: allow_insecure?.unwrap_or(false),
            assume_protocol: assumed?.map(str::to_owned),
            client_certificate: certificate?.unwrap_or(false),
            admission: admission?.unwrap_or_default(),
            quirks: quirks?.unwrap_or_default(),
        };
        if setup.client_certificate && setup.allow_insecure {
            object.fault(
                "client_certificate",
                "is shown over TLS: not with allow_insecure",
            );
        }
        if setup.no_password && !setup.allow_insecure {
            object.fault("no_password", "is possible only with allow_insecure");
        }
        if setup.no_password && setup.password.is_some() {
            object.fault("no_password", "is given beside a password");
        }
        object.close();
        Some(setup)
    });
    faults.give(setup)
}

/// Odd ways by name; which names there are the edge knows.
fn read_quirks(node: &Node<'_>) -> Option<BTreeMap<String, bool>> {
    let Some(named) = node.value().as_object() else {
        node.fault("an object of names with true or false is needed");
        return None;
    };
    let read = named
        .iter()
        .map(|(name, has)| Some((name.clone(), has.as_bool()?)));
    let read = read.collect::<Option<_>>();
    if read.is_none() {
        node.fault("each name needs true or false");
    }
    read
}

fn read_password(node: &Node<'_>) -> Option<SecretText> {
    // The value is a secret: it is not repeated in a fault.
    let text = node.value().as_str().unwrap_or_default();
    let sound = (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound {
        node.fault("must have 16 to 64 printable ASCII characters without spaces");
    }
    sound.then(|| SecretText::new(text))
}
