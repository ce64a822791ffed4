//! `evenload health` against a service that answers, answers badly, or is not there.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::{evenload, folder, object};

/// Answers one request with this status line and body; gives its URL.
fn service(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).expect("a request");
        assert!(request[..length].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).expect("answered");
    });
    url
}

fn health(url: &str) -> (Option<i32>, Value) {
    let output = evenload(&folder())
        .args(["health", "--json", "--url", url])
        .output()
        .expect("runs");
    (output.status.code(), object(&output))
}

#[test]
fn a_ready_service_ends_with_exit_0() {
    let (code, answer) = health(&service("200 OK", r#"{"ready":true}"#));
    assert_eq!(code, Some(0), "{answer}");
    assert_eq!(answer["ready"], true);
    assert_eq!(answer["answer"]["ready"], true);
}

#[test]
fn a_service_that_is_not_ready_ends_with_exit_5() {
    let (code, answer) = health(&service(
        "503 Service Unavailable",
        r#"{"ready":false,"parts":[]}"#,
    ));
    assert_eq!(code, Some(5), "{answer}");
    assert_eq!(answer["reachable"], true);
    assert_eq!(answer["ready"], false);
    assert_eq!(answer["http_status"], 503);
}

#[test]
fn a_redirect_is_not_followed_and_not_ready() {
    let (code, answer) = health(&service("302 Found\r\nlocation: http://127.0.0.1:1/", ""));
    assert_eq!(code, Some(5), "{answer}");
}

#[test]
fn nobody_there_ends_with_exit_4() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("an address");
    let (code, answer) = health(&format!("http://{free}"));
    assert_eq!(code, Some(4), "{answer}");
    assert_eq!(answer["reachable"], false);
}

#[test]
fn without_a_url_the_configured_address_is_asked() {
    let url = service("200 OK", "{}");
    let port = url.rsplit(':').next().expect("a port");
    let output = evenload(&folder())
        .args(["health"])
        // Every address: reached by loopback.
        .env("EVENLOAD__SERVER__LISTEN", format!("0.0.0.0:{port}"))
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
