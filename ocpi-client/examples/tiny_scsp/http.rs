//! As little of HTTP/1.1 as the example needs: one request per connection.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longest request, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What it is answered.
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let found = all.find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Answers whoever connects.
pub(crate) async fn listen(
    listener: TcpListener,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let Some(request) = read(&mut stream).await else {
                return;
            };
            let Answer { http, body } = answer(&request);
            let body = body.to_string();
            let echoed = ["X-Request-ID", "X-Correlation-ID"].map(|name| {
                let value = request.header(name).unwrap_or_default();
                format!("{name}: {value}\r\n")
            });
            let head = format!(
                "HTTP/1.1 {http} OCPI\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 {}Connection: close\r\n\r\n",
                body.len(),
                echoed.concat(),
            );
            // Whoever has gone needs no answer.
            let _ = stream.write_all((head + &body).as_bytes()).await;
        });
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let mut request = Request {
        method: first.next()?,
        path: first.next()?,
        headers: headers.collect(),
        body: bytes.split_off(end + 4),
    };
    let length: usize = request
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .ok()?;
    while request.body.len() < length {
        more(stream, &mut request.body).await?;
    }
    Some(request)
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let length = stream.read(&mut piece).await.ok()?;
    bytes.extend_from_slice(&piece[..length]);
    (length > 0 && bytes.len() <= MAX_BYTES).then_some(())
}
