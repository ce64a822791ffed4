//! What goes wrong on the way, and how it is told.

use std::time::Duration;

use ocpi_client::client::Limits;
use ocpi_client::error::{Culprit, Error, TransportKind};
use ocpi_client::read::id;
use serde_json::json;

use crate::server::{Action, Server, answer, client, client_with, json, success};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn short() -> Limits {
    Limits {
        deadline: Duration::from_millis(300),
        ..Limits::default()
    }
}

fn transport_kind(error: &Error) -> Option<TransportKind> {
    match error {
        Error::Transport { kind, .. } => Some(*kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_left_at_the_deadline() {
    let server = Server::start(|_| Action::Silence).await;
    let error = client_with(short())
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportKind::Deadline));
    assert!(error.is_retryable());
    assert_eq!(error.culprit(), Culprit::Network);
}

#[tokio::test]
async fn a_peer_that_drips_headers_is_left_at_the_deadline() {
    let drip = || {
        Action::Drip(
            b"HTTP/1.1 200 OK\r\nX-A: b\r\n".to_vec(),
            Duration::from_millis(20),
        )
    };
    let server = Server::start(move |_| drip()).await;
    let error = client_with(short())
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_peer_that_drips_its_body_is_left_at_the_deadline() {
    // Every piece is a whole response head and a byte: the body of 100 bytes never ends in time.
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n [".to_vec();
        Action::Drip(head, Duration::from_millis(20))
    })
    .await;
    let error = client_with(short())
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportKind::Deadline));
}

#[tokio::test]
async fn a_closed_port_is_a_connection_that_cannot_be_made() {
    let server = Server::start(|_| Action::Silence).await;
    let mut nobody = server.url.clone();
    nobody.set_port(Some(1)).unwrap();
    let reply = client().get_versions(&nobody).await;
    assert_eq!(reply.exchange.status, None);
    let error = reply.into_result().unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportKind::Connect));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_body_is_interrupted() {
    let partial = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":".to_vec();
    let server = Server::start(move |_| Action::Send(partial.clone())).await;
    let reply = client().get_versions(&server.url).await;
    assert_eq!(reply.exchange.response.body.as_deref(), Some("{\"data\":"));
    let error = reply.into_result().unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportKind::Interrupted));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_while_it_streams() {
    let server = Server::start(|_| {
        // No length is given, so that only counting can find it.
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        Action::Send([head, vec![b' '; 300_000]].concat())
    })
    .await;
    let limits = Limits {
        max_body_bytes: 100_000,
        ..Limits::default()
    };
    let error = client_with(limits)
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 100_000,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.culprit(), Culprit::Peer);
}

#[tokio::test]
async fn a_body_without_end_is_left_at_the_size_limit_not_the_deadline() {
    let server = Server::start(|_| {
        let piece = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        Action::Drip([piece, vec![b' '; 65_536]].concat(), Duration::ZERO)
    })
    .await;
    let error = client()
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn an_html_error_page_is_quoted_and_blamed_on_the_peer() {
    let html = "<html><body>Bad Gateway</body></html>";
    let server = Server::start(move |_| answer(502, &[("Content-Type", "text/html")], html)).await;
    let error = client()
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert_eq!(error.http_status(), Some(502));
    assert_eq!(error.culprit(), Culprit::Peer);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("Bad Gateway"), "{error}");
}

#[tokio::test]
async fn compression_is_not_asked_for_and_refused_when_it_comes() {
    let gzip = [JSON, ("Content-Encoding", "gzip")];
    let server = Server::start(move |_| answer(200, &gzip, "not really")).await;
    let error = client()
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert!(matches!(error, Error::NotJson { .. }), "{error}");
    assert!(error.to_string().contains("gzip"), "{error}");
    assert_eq!(server.only_request().header("accept-encoding"), None);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start(|_| answer(302, &[("Location", "/elsewhere")], "")).await;
    let error = client()
        .get_versions(&server.at("/versions"))
        .await
        .into_result()
        .unwrap_err();
    assert_eq!(error.http_status(), Some(302));
    assert_eq!(server.only_request().target, "/versions");
}

#[tokio::test]
async fn http_200_with_an_ocpi_error_is_an_error() {
    let refusal = json!({
        "status_code": 2001, "status_message": "no", "timestamp": "2026-03-01T08:00:00Z"
    });
    let server = Server::start(move |_| json(200, &refusal)).await;
    let reply = client().get_versions(&server.url).await;
    assert_eq!(reply.exchange.status, Some(200));
    let error = reply.into_result().unwrap_err();
    assert_eq!(error.status_code().map(|code| code.0), Some(2001));
    assert_eq!(error.culprit(), Culprit::Us);
}

#[tokio::test]
async fn an_unreadable_object_is_an_error_and_a_deviation() {
    let server = Server::start(|_| success(&json!({"version": "2.3.0", "endpoints": 5}))).await;
    let reply = client().get_details(&server.url).await;
    assert!(reply.result.unwrap().endpoints.is_empty());
    assert!(reply.deviations.has(id::WRONG_TYPE));
    let server = Server::start(|_| success(&json!("2.3.0"))).await;
    let reply = client().get_details(&server.url).await;
    assert!(matches!(reply.result, Err(Error::Unreadable { .. })));
    assert_eq!(reply.deviations.as_slice()[0].path, "$.data");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_an_interruption() {
    let server = Server::start(|_| Action::Send(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    let error = client()
        .get_versions(&server.url)
        .await
        .into_result()
        .unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportKind::Interrupted));
}
