//! `/oscp/2.0/..`: what capacity providers send.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Desk, PATH, is_limit};
use crate::api::oscp::{OUR_TOKEN, Parcel, THEIR_TOKEN, hash_of};
use crate::domain::oscp::OscpLink;
use crate::domain::ports::Clock;
use crate::domain::time::Time;
use crate::ocpi::guard::Guard;
use crate::service::vault::new_token;
use crate::signals::oscp::{Output, Refusal, Said, hear, registration};

/// Longest token that is looked at.
const MAX_TOKEN: usize = 512;
/// A forecast of 40 days of five minutes takes 2 MB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// What the routes need.
pub(crate) struct Inbound {
    pub(crate) desk: Desk,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guard: Guard,
}

/// Adds the routes.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let messages = web::resource(format!("/{PATH}/{{message}}"))
        .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
        .route(web::post().to(message))
        .route(web::put().to(message))
        .route(web::delete().to(message));
    config.service(messages);
}

/// An error as `OSCP` writes it; the second place is where one implementation looks for it.
fn refused(status: u16, message: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let plain: String = message
        .chars()
        .filter(|it| matches!(it, ' '..='~'))
        .collect();
    HttpResponse::build(status)
        .insert_header(("X-Error-Message", plain))
        .json(json!({ "message": message }))
}

/// The token of a request, in either of its two schemes.
fn token_of(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get("Authorization")?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    let token = token.trim();
    (known && !token.is_empty() && token.len() <= MAX_TOKEN).then_some(token)
}

async fn message(
    inbound: Data<Inbound>,
    request: HttpRequest,
    path: Path<String>,
    body: Bytes,
) -> HttpResponse {
    let Some(hash) = token_of(&request).map(hash_of) else {
        return refused(401, "Authorization: Token .. is needed");
    };
    let body: Value = if body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(error) => return refused(400, &format!("the body is no JSON: {error}")),
        }
    };
    let id = request.headers().get("X-Request-ID");
    let id = id
        .and_then(|id| id.to_str().ok())
        .filter(|id| id.len() <= 256);
    let said = Said {
        method: request.method().as_str().to_owned(),
        path: path.into_inner(),
        body,
    };
    let taken = inbound.take(&hash, &said, id).await;
    match taken {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(Refusal { status, message }) => refused(status, &message),
    }
}

impl Inbound {
    /// Takes a message in; when it returns, what it changes is durable.
    async fn take(&self, hash: &str, said: &Said, id: Option<&str>) -> Result<(), Refusal> {
        let book = &self.desk.book;
        let _alone = book.alone.lock().await;
        let Some(mut link) = book.admitted(hash) else {
            return Err(Refusal {
                status: 401,
                message: "this token is not known (any more)".to_owned(),
            });
        };
        let now = self.clock.now();
        let outputs = hear(&mut link, said, now)?;
        let mut parcels = Vec::new();
        for output in outputs {
            match output {
                Output::Register { token, base_url } => {
                    parcels.push(self.register(&mut link, &token, &base_url, now)?);
                }
                Output::Send {
                    path,
                    body,
                    answers,
                } => parcels.push(Parcel {
                    path,
                    body,
                    answers: id.filter(|_| answers).map(str::to_owned),
                    attempts: 0,
                    due_at: now,
                }),
                Output::Signals => {
                    let told = self.desk.tell(&link, now).await;
                    told.map_err(|error| Refusal {
                        status: 503,
                        message: error.to_string(),
                    })?;
                }
                Output::Check(of, blocks) if is_limit(of) => {
                    if let Some(mut parcel) = self.desk.beyond_us(&link, &blocks, now) {
                        parcel.answers = id.map(str::to_owned);
                        parcels.push(parcel);
                    }
                }
                Output::Check(..) => {}
            }
        }
        if said.path != "heartbeat" {
            info!(site.id = %link.site, provider = link.name, message = said.path, "a capacity provider was heard");
        }
        book.store(link.clone()).await.map_err(|error| {
            warn!(site.id = %link.site, %error, "what a capacity provider said cannot be kept");
            Refusal {
                status: 503,
                message: "nothing can be stored at the moment".to_owned(),
            }
        })?;
        for mut parcel in parcels {
            if parcel.path == "register" {
                parcel.answers = id.map(str::to_owned);
            }
            book.send(&link, parcel);
        }
        Ok(())
    }

    /// Notes the provider's token and makes the one that it shall show from now on; the one it showed is
    /// good until it has that.
    fn register(
        &self,
        link: &mut OscpLink,
        token: &str,
        base_url: &str,
        now: Time,
    ) -> Result<Parcel, Refusal> {
        if let Err(why) = self.guard.check(base_url) {
            return Err(Refusal {
                status: 400,
                message: format!("/version_url: base_url {why}"),
            });
        }
        let book = &self.desk.book;
        let ours = new_token();
        link.sealed = Some(book.seal(link, THEIR_TOKEN, token));
        link.offered = Some(book.seal(link, OUR_TOKEN, ours.expose()));
        // The newest two: the one of this request, and the new one.
        let hash = hash_of(ours.expose());
        let last = link.admits.last().cloned();
        link.admits = last.into_iter().chain([hash]).collect();
        Ok(Parcel {
            path: "register",
            body: registration("", &self.desk.base_url()),
            answers: None,
            attempts: 0,
            due_at: now,
        })
    }
}
