//! Bodies of requests, whatever they are for: bounded in length and time, and never read on for
//! nobody.
//!
//! The web server reads what is left of a chunked body for as long as somebody sends, so that the
//! connection can be used again. Here an unread body is held until the answer has left; the server
//! then closes the connection instead.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::UPGRADE;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::Sleep;

/// Longest body of any request, in bytes; each route has its own, smaller bound.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// A body that is not whole after this is given up.
const DEADLINE: Duration = Duration::from_secs(10);
/// What a station was asked to upload may be longer...
const MAX_UPLOAD_BYTES: usize = crate::ocpp::MAX_UPLOAD_BYTES;
/// ... and take longer: over a slow line.
const UPLOAD_DEADLINE: Duration = Duration::from_mins(10);

/// Serves a request whose body is bounded. Connections that become something else (an upgrade) are
/// left alone.
pub(super) async fn bounded(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if request.headers().contains_key(UPGRADE) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let payload = std::mem::replace(request.parts_mut().1, Payload::None);
    let is_upload = request.path().starts_with(crate::ocpp::UPLOADS);
    let held = Held::new(payload, is_upload);
    request.set_payload(Payload::Stream {
        payload: Box::pin(held.clone()),
    });
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| {
        BoxBody::new(Answer {
            body: BoxBody::new(body),
            _held: held,
        })
    }))
}

/// A request's body, shared by who reads it and the answer.
#[derive(Clone)]
struct Held(Rc<RefCell<Reading>>);

struct Reading {
    payload: Payload,
    /// Runs from the first time that somebody waits for the body.
    deadline: Option<Pin<Box<Sleep>>>,
    bytes: usize,
    is_upload: bool,
}

impl Held {
    fn new(payload: Payload, is_upload: bool) -> Self {
        Self(Rc::new(RefCell::new(Reading {
            payload,
            deadline: None,
            bytes: 0,
            is_upload,
        })))
    }
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut reading = self.0.borrow_mut();
        let Reading {
            payload,
            deadline,
            bytes,
            is_upload,
        } = &mut *reading;
        let (most, patience) = if *is_upload {
            (MAX_UPLOAD_BYTES, UPLOAD_DEADLINE)
        } else {
            (MAX_BYTES, DEADLINE)
        };
        let piece = match Pin::new(payload).poll_next(context) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let deadline =
                    deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                let error = || io::Error::new(io::ErrorKind::TimedOut, "the body took too long");
                return match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(PayloadError::Io(error())))),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        if let Some(Ok(piece)) = &piece {
            *bytes = bytes.saturating_add(piece.len());
            if *bytes > most {
                return Poll::Ready(Some(Err(PayloadError::Overflow)));
            }
        }
        Poll::Ready(piece)
    }
}

/// An answer that keeps the body it answers to until it has left.
struct Answer {
    body: BoxBody,
    _held: Held,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpResponse, HttpServer, web};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::service::clock::Stopwatch;

    /// A server that lets nobody in at `/closed`, and reads and counts at `/open`.
    fn served() -> SocketAddr {
        let open = |body: Bytes| async move { HttpResponse::Ok().body(body.len().to_string()) };
        let closed = |_: web::Payload| async { HttpResponse::Unauthorized().body("no token") };
        let server = HttpServer::new(move || {
            App::new()
                .wrap(from_fn(bounded))
                .route("/open", web::post().to(open))
                .route("/closed", web::post().to(closed))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a free port");
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        address
    }

    fn head(path: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    }

    #[actix_web::test]
    async fn a_body_that_nobody_wants_is_not_read_on() {
        let mut peer = TcpStream::connect(served()).await.expect("connected");
        let sent = peer.write_all(head("/closed").as_bytes()).await;
        sent.expect("the head is taken");
        let chunk = [b"2000\r\n".as_slice(), &[b'x'; 0x2000], b"\r\n"].concat();
        // The server may swallow what is under way for a second, so that its answer arrives.
        let began = Stopwatch::start();
        let is_open = async |peer: &mut TcpStream| {
            let written = tokio::time::timeout(DEADLINE, peer.write_all(&chunk)).await;
            matches!(written, Ok(Ok(())))
        };
        while is_open(&mut peer).await {
            assert!(began.elapsed() < DEADLINE, "it is read on and on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[actix_web::test]
    async fn a_body_that_is_read_leaves_its_connection_open() {
        let mut peer = TcpStream::connect(served()).await.expect("connected");
        for _ in 0..2 {
            let request = head("/open") + "3\r\nabc\r\n0\r\n\r\n";
            let sent = peer.write_all(request.as_bytes()).await;
            sent.expect("still open");
            let mut answer = vec![0; 1024];
            let length = peer.read(&mut answer).await.expect("answered");
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n3"),
                "{answer}"
            );
        }
    }

    #[actix_web::test]
    async fn a_body_that_does_not_come_to_its_end_is_given_up() {
        let began = Stopwatch::start();
        let mut peer = TcpStream::connect(served()).await.expect("connected");
        let request = head("/open") + "3\r\nab";
        let sent = peer.write_all(request.as_bytes()).await;
        sent.expect("taken");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE * 3, peer.read_to_end(&mut answer)).await;
        let read = read.expect("given up in time");
        read.expect("answered");
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
        assert!(began.elapsed() >= DEADLINE);
    }
}
