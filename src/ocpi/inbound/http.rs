//! The web server's side: headers and bytes in, headers and bytes out.

use actix_web::http::StatusCode as HttpStatus;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt as _;
use ocpi_client::client::{Exchange, Message};
use ocpi_client::headers::{RequestIds, Routing};
use ocpi_client::read::Deviations;
use ocpi_client::types::StatusCode;

use super::super::edge::Edge;
use super::super::exchange::{Direction, LoggedExchange, masked_body, masked_header};
use super::reply::Reply;
use crate::domain::time::Time;

/// Longest body of a partner's request, in bytes.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Most parts of a path.
const MAX_PATH_PARTS: usize = 12;

/// Serves everything beneath `/ocpi`. The app's data must hold an [`Edge`].
pub fn configure(config: &mut ServiceConfig) {
    config.service(web::resource("/ocpi/{path:.*}").to(serve));
}

async fn serve(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let began = edge.now();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let pairs = || {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    };
    let authorization = pairs().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let (ids, mut notes) = RequestIds::read(&pairs().collect::<Vec<_>>());
    // 401 before anything else, the body included.
    let Some(caller) = edge.authenticate(authorization.map(|(_, value)| value)) else {
        let address = request.peer_addr().map(|address| address.ip());
        let reply = match edge.inner.guesses.count(address, began) {
            Some(wait_s) => Reply::too_many(wait_s),
            None => Reply::unauthorized(),
        };
        return written(&edge, &reply, &ids);
    };
    let (routing, half) = Routing::read(&pairs().collect::<Vec<_>>());
    notes.extend(half);
    let mut deviations = Deviations::new();
    deviations.extend(notes);
    caller.peer.note_deviations(&deviations);
    let body = match read_body(payload).await {
        Ok(body) => body,
        Err(reply) => return written(&edge, &reply, &ids),
    };
    let parts = decoded(request.uri().path());
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let reply = match parts.as_slice() {
        [_, path @ ..] if parts.len() <= MAX_PATH_PARTS => {
            Box::pin(edge.answer(&caller, request.method().as_str(), path, routing, &body)).await
        }
        _ => Reply::not_found("nothing is here; begin at /ocpi/versions"),
    };
    let exchange = Exchange {
        method: request.method().to_string(),
        url: request.uri().to_string().chars().take(1024).collect(),
        request: Message {
            headers: pairs()
                .map(|(name, value)| masked_header(name, value))
                .collect(),
            body: masked_body(&body),
        },
        status: Some(reply.http),
        response: Message {
            headers: Vec::new(),
            body: masked_body(&reply.body(edge.now())),
        },
    };
    log(&edge, &caller.peer, began, exchange);
    written(&edge, &reply, &ids)
}

fn log(edge: &Edge, peer: &super::super::peer::Peer, began: Time, exchange: Exchange) {
    let duration_ms = (edge.now() - began).num_milliseconds();
    let direction = Direction::Inbound;
    peer.live().exchanges.push(LoggedExchange {
        at: began,
        direction,
        duration_ms,
        exchange,
    });
}

fn written(edge: &Edge, reply: &Reply, ids: &RequestIds) -> HttpResponse {
    let status = HttpStatus::from_u16(reply.http).unwrap_or(HttpStatus::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in ids.write() {
        response.insert_header((name, value));
    }
    for (name, value) in &reply.headers {
        response.insert_header((*name, value.as_str()));
    }
    response
        .content_type("application/json")
        .body(reply.body(edge.now()))
}

async fn read_body(mut payload: Payload) -> Result<Vec<u8>, Reply> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| {
            Reply::refused(
                400,
                StatusCode::CLIENT_ERROR,
                format!("the body broke off: {error}"),
            )
        })?;
        if body.len() + piece.len() > MAX_BODY_BYTES {
            let message = format!("the body is longer than {MAX_BODY_BYTES} bytes");
            return Err(Reply::refused(413, StatusCode::CLIENT_ERROR, message));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The parts of a path, percent-decoded one by one, so that an encoded slash stays within its
/// part. Empty parts (a doubled or trailing slash) are dropped.
fn decoded(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(percent_decoded)
        .collect()
}

fn percent_decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        if let ([high, low, after @ ..], b'%') = (tail, *first)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_slash_stays_within_its_part() {
        assert_eq!(
            decoded("/ocpi//2.2.1/a%2Fb/c%2"),
            ["ocpi", "2.2.1", "a/b", "c%2"]
        );
        assert_eq!(
            decoded("/ocpi/%C3%BC/%ff/%zz/"),
            ["ocpi", "ü", "\u{fffd}", "%zz"]
        );
    }
}
