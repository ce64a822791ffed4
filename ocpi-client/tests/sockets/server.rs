//! A tiny HTTP/1.1 server: it reads whole requests and lets a function answer each of them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ocpi_client::client::{Client, Limits, default_http};
use ocpi_client::token::{Token, TokenEncoding};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The token every test client shows.
pub(crate) const TOKEN: &str = "token-of-the-test";

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What the server does with a request.
pub(crate) enum Action {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes again and again, with a pause, until the client leaves.
    Drip(Vec<u8>, Duration),
    /// Sends nothing and keeps the connection open.
    Silence,
}

/// An answer with a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Action {
    let mut text = format!(
        "HTTP/1.1 {status} Some\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("Connection: close\r\n\r\n");
    text.push_str(body);
    Action::Send(text.into_bytes())
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &serde_json::Value) -> Action {
    answer(
        status,
        &[("Content-Type", "application/json")],
        &body.to_string(),
    )
}

/// A JSON answer inside of an envelope with success.
pub(crate) fn success(data: &serde_json::Value) -> Action {
    let time = "2026-03-01T08:00:00Z";
    json(
        200,
        &serde_json::json!({"data": data, "status_code": 1000, "timestamp": time}),
    )
}

/// A running server.
pub(crate) struct Server {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server on a free port of the loopback; it lives as long as the test's runtime.
    pub(crate) async fn start(
        respond: impl Fn(&Request) -> Action + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (respond, log) = (Arc::new(respond), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, respond.clone(), log.clone()));
            }
        });
        Self { url, requests }
    }

    /// An address on this server.
    pub(crate) fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    respond: Arc<impl Fn(&Request) -> Action>,
    log: Arc<Mutex<Vec<Request>>>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    log.lock().unwrap().push(request.clone());
    match respond(&request) {
        Action::Send(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Action::Drip(bytes, pause) => {
            while stream.write_all(&bytes).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
        Action::Silence => {
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        let mut piece = [0; 4096];
        let length = stream
            .read(&mut piece)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    let mut rest = vec![0; length - body.len().min(length)];
    stream.read_exact(&mut rest).await.ok()?;
    body.extend_from_slice(&rest);
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// A client that waits long: on a busy machine a slow answer is no fault.
pub(crate) fn client() -> Client {
    client_with(Limits {
        deadline: Duration::from_secs(30),
        ..Limits::default()
    })
}

/// A client with these bounds.
pub(crate) fn client_with(limits: Limits) -> Client {
    Client::new(http(), Token::new(TOKEN).unwrap(), TokenEncoding::Base64).with_limits(limits)
}

/// The crate's own defaults for `reqwest`.
pub(crate) fn http() -> reqwest::Client {
    // Fails when another test was faster, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    default_http("ocpi-client-test").unwrap()
}
