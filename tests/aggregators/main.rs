//! What an aggregator and a grid operator do with the real binary over real sockets: feeds that are
//! polled, webhooks that are signed, groups that share a limit, a VTN of `OpenADR`, a capacity
//! provider of `OSCP`; and what happens when all of it dies.

mod dead;
#[path = "../common/in_virtual_time.rs"]
mod in_virtual_time;
mod oscp;
mod vtn;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use evenload::domain::hmac::{hex, hmac_sha256};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOKEN: &str = "test-admin-token-0123456789abcdef";
/// The longest that anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running service, killed when dropped.
struct Service {
    child: Child,
    url: String,
    http: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenload"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .current_dir(data.path())
            .env("EVENLOAD__API__ADMIN_TOKEN", TOKEN)
            .env("EVENLOAD__OCPI__ALLOW_INSECURE", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().expect("a line").expect("text");
        let url = first.rsplit(' ').next().expect("an address").to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            child,
            url,
            http,
            _data: data,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.url.trim_end_matches('/'));
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("it answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn put(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::PUT, path, Some(body)).await;
        assert!(
            (200..300).contains(&status),
            "PUT {path}: {status} {answer}"
        );
        answer
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "GET {path}: {answer}");
        answer
    }

    async fn site(&self, name: &str, limit_kw: f64) {
        let body = json!({
            "time_zone": "Europe/Berlin", "currency": "EUR",
            "circuits": [{"id": "site", "import_limit_kw": limit_kw}],
            "evses": [{"id": "e1", "max_kw": 11.04,
                "source": {"ocpp": {"station": format!("{name}-1"), "evse": 1}}}],
            "price": {"flat_per_kwh": 0.3},
        });
        self.put(&format!("/sites/{name}"), body).await;
    }

    /// Asks again until what is answered is as it should be.
    async fn until(&self, path: &str, what: &str, found: impl Fn(&Value) -> bool) -> Value {
        let begun = tokio::time::Instant::now();
        loop {
            let answer = self.get(path).await;
            if found(&answer) {
                return answer;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "not within {DEADLINE:?}: {what}: {answer}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A server that answers every request alike and keeps what came.
#[derive(Clone)]
struct Peer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let peer = Self {
            url: format!("http://{address}"),
            answer: Arc::new(Mutex::new((status, body.to_owned()))),
            heard: Arc::default(),
        };
        let served = peer.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let peer = served.clone();
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    let mut piece = [0_u8; 4096];
                    while let Ok(count) = socket.read(&mut piece).await {
                        if count == 0 {
                            break;
                        }
                        text.extend_from_slice(&piece[..count]);
                        if is_whole(&text) {
                            break;
                        }
                    }
                    let text = String::from_utf8_lossy(&text).into_owned();
                    peer.heard.lock().expect("not poisoned").push(text);
                    let (status, body) = peer.answer.lock().expect("not poisoned").clone();
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    // A client that has gone needs no answer.
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        peer
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().expect("not poisoned") = (status, body.to_owned());
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }
}

/// True if headers and the stated length of the body are there.
fn is_whole(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(str::to_owned)
        })
        .and_then(|value| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    body.len() >= length
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real binary runs on the machine's clock"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn rfc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Hourly prices in EUR/MWh as `{"data":[{"at","eur"}]}`, from the hour that runs.
fn prices(values: &[f64]) -> String {
    let first = now().timestamp() / 3600 * 3600;
    let rows: Vec<Value> = (0..)
        .zip(values)
        .map(|(hour, value)| json!({"at": first + hour * 3600, "eur": value}))
        .collect();
    json!({ "data": rows }).to_string()
}

fn feed(url: &str) -> Value {
    json!({
        "kind": "import_price", "unit": "EUR/MWh", "format": "json",
        "json": {"rows": {"lists": ["/data"], "start": "/at", "value": "/eur"}, "times": "unix_s"},
        "resolution": "PT1H", "url": format!("{url}/prices?from={{from_unix}}&key={{secret}}"),
        "headers": {"x-token": "{secret}"}, "secret": "very-secret", "every": "PT30S",
        "charges": {"adders": [{"price_per_kwh": 0.1}], "vat_percent": 19},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_polled_and_its_prices_count_with_charges_on_top() {
    let peer = Peer::start(200, &prices(&[100.0, 50.0, -20.0])).await;
    let service = Service::start();
    service.site("depot", 50.0).await;
    service
        .put("/sites/depot/feeds/spot", feed(&peer.url))
        .await;
    let signal = service
        .until("/sites/depot/signals", "the feed's signal", |answer| {
            answer["signals"][0]["slots"] == 3
        })
        .await;
    assert_eq!(signal["signals"][0]["key"], "feed:spot");
    // (0.100 + 0.10) x 1.19
    let value = signal["signals"][0]["value_now"]
        .as_f64()
        .expect("a number");
    assert!((value - 0.238).abs() < 1e-9, "{value}");
    let shown = service.get("/sites/depot/feeds/spot").await;
    assert_eq!(shown["status"]["state"], "fresh", "{shown}");
    assert!(
        !shown.to_string().contains("very-secret"),
        "the secret is never shown"
    );
    let asked = peer.heard().remove(0);
    assert!(
        asked.contains("key=very-secret") && asked.contains("x-token: very-secret"),
        "{asked}"
    );
    assert!(!asked.contains('{'), "{asked}");
    let frame = service.get("/sites/depot/frame").await;
    assert_eq!(frame["price_quality"][0]["value"], "actual");
    assert_eq!(frame["price_per_kwh"][0]["origin"]["key"], "feed:spot");
    let last = frame["price_quality"]
        .as_array()
        .expect("a list")
        .last()
        .cloned();
    assert_eq!(
        last.expect("some")["value"],
        "flat",
        "beyond its end the site's own price"
    );
    let (status, _) = service
        .call(Method::DELETE, "/sites/depot/feeds/spot", None)
        .await;
    assert_eq!(status, 204);
    service
        .until("/sites/depot/signals", "nothing is left", |answer| {
            answer["signals"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_breaks_keeps_what_it_announced_and_says_so() {
    let peer = Peer::start(200, &prices(&[100.0, 50.0])).await;
    let service = Service::start();
    service.site("depot", 50.0).await;
    service
        .put("/sites/depot/feeds/spot", feed(&peer.url))
        .await;
    service
        .until("/sites/depot/feeds/spot", "a first answer", |feed| {
            feed["status"]["state"] == "fresh"
        })
        .await;
    // A wrong unit is wrong in every value: nothing of it is used.
    peer.answers(200, &prices(&[1e9, 1e9]));
    service
        .put("/sites/depot/feeds/spot", feed(&peer.url))
        .await;
    let broken = service
        .until("/sites/depot/feeds/spot", "the fault", |feed| {
            feed["status"]["failures"] == 1
        })
        .await;
    let said = broken["status"]["last_error"].as_str().expect("a text");
    assert!(said.contains("is the unit right"), "{said}");
    let signal = service.get("/sites/depot/signals/feed:spot").await;
    assert_eq!(
        signal["slots"].as_array().map(Vec::len),
        Some(2),
        "what was announced goes on"
    );
    peer.answers(503, "busy");
    service
        .put("/sites/depot/feeds/spot", feed(&peer.url))
        .await;
    let broken = service
        .until("/sites/depot/feeds/spot", "the fault", |feed| {
            feed["status"]["last_error"]
                .as_str()
                .is_some_and(|text| text.contains("503"))
        })
        .await;
    assert!(!broken.to_string().contains("very-secret"));
    let listed = service.get("/connections").await;
    assert_eq!(listed["connections"][0]["source"], "feed spot");
    for bad in [
        json!({"kind": "import_limit", "format": "csv", "unit": "kW", "url": "http://x/"}),
        json!({"kind": "import_price", "format": "json", "unit": "EUR/kWh", "url": "http://x/"}),
        json!({"kind": "import_price", "format": "csv", "unit": "USD/kWh", "url": "http://x/"}),
        json!({"kind": "import_price", "format": "csv", "unit": "EUR/kWh", "url": "file:///etc/passwd"}),
        json!({"kind": "import_price", "format": "csv", "unit": "EUR/kWh", "url": "http://x/{when}"}),
        json!({"kind": "import_price", "format": "static"}),
        json!({"kind": "carbon", "format": "entsoe", "url": "http://x/"}),
    ] {
        let (status, answer) = service
            .call(Method::PUT, "/sites/depot/feeds/bad", Some(bad))
            .await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["errors"][0]["pointer"].is_string(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_tariff_needs_no_address() {
    let service = Service::start();
    service.site("depot", 50.0).await;
    let tariff = json!({"kind": "import_price", "format": "static", "charges": {"factor": 0, "adders": [
        {"price_per_kwh": 0.20}, {"price_per_kwh": 0.15, "from": "07:00", "to": "20:00"}]}});
    service.put("/sites/depot/feeds/tou", tariff).await;
    let list = service
        .until("/sites/depot/signals", "the tariff", |answer| {
            answer["signals"][0]["key"] == "feed:tou"
        })
        .await;
    let value = list["signals"][0]["value_now"].as_f64().expect("a number");
    assert!(
        (value - 0.2).abs() < 1e-9 || (value - 0.35).abs() < 1e-9,
        "{value}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_signed_and_again_if_it_was_away() {
    let peer = Peer::start(500, "no").await;
    let service = Service::start();
    service.site("depot", 50.0).await;
    let wish =
        json!({"url": format!("{}/hook", peer.url), "events": ["signal_set", "signal_stage"]});
    let (status, made) = service.call(Method::POST, "/webhooks", Some(wish)).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().expect("shown once").to_owned();
    let path = format!("/webhooks/{}", made["id"].as_str().expect("an id"));
    // It begins with what happens from now on.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = rfc(now() + TimeDelta::minutes(5));
    let limit = json!({"kind": "import_limit", "unit": "kW", "start": start, "resolution": "PT15M",
        "values": [40, 40]});
    service.put("/sites/depot/signals/dso", limit).await;
    let away = service
        .until(&path, "a failure", |hook| hook["delivery"]["failures"] == 1)
        .await;
    assert!(
        away["delivery"]["last_error"]
            .as_str()
            .is_some_and(|text| text.contains("500"))
    );
    assert!(away.get("secret").is_none());
    peer.answers(204, "");
    service
        .until(&path, "a delivery", |hook| {
            hook["delivery"]["delivered"] == 1
        })
        .await;
    let call = peer.heard().pop().expect("a call");
    let (head, body) = call.split_once("\r\n\r\n").expect("a body");
    let header = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .expect("the header")
            .1
            .trim()
            .to_owned()
    };
    let signature = header("evenload-signature:");
    let (stamp, code) = signature.split_once(',').expect("two parts");
    let stamp = stamp.trim_start_matches("t=");
    let own = hmac_sha256(secret.as_bytes(), format!("{stamp}.{body}").as_bytes());
    let own = hex(&own);
    assert_eq!(code.trim_start_matches("v1="), own);
    let told: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(told["site"], "depot");
    let kinds: Vec<&str> = told["notes"]
        .as_array()
        .expect("notes")
        .iter()
        .filter_map(|note| note["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"signal_set") && kinds.contains(&"signal_stage"),
        "{kinds:?}"
    );
    for bad in [
        "http://169.254.169.254/latest",
        "ftp://x/",
        "not an address",
    ] {
        let (status, answer) = service
            .call(Method::POST, "/webhooks", Some(json!({"url": bad})))
            .await;
        assert_eq!(
            (status, answer["errors"][0]["pointer"].as_str()),
            (400, Some("/url")),
            "{bad}"
        );
    }
    let (status, _) = service.call(Method::DELETE, &path, None).await;
    assert_eq!(status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_keeps_its_sites_under_one_limit() {
    let service = Service::start();
    for site in ["a", "b"] {
        service.site(site, 50.0).await;
    }
    let group = json!({"sites": ["a", "b"], "import_limit_kw": 60});
    service.put("/groups/feeder", group).await;
    let settled = |limit: f64| {
        move |answer: &Value| {
            let quotas = answer["quotas_kw"].as_f64().unwrap_or(f64::MAX);
            answer["settled"] == true && quotas <= limit && quotas > limit - 2.0
        }
    };
    let shown = service
        .until("/groups/feeder", "quotas", settled(60.0))
        .await;
    assert_eq!(shown["members"].as_array().map(Vec::len), Some(2));
    // Other load at a site is served first; the others make room. 20 kW of it and a third and a bit
    // of what is left for the cars, by what each could take: 20 + 40 x 30 / 80 = 35 kW.
    let load = json!({"kind": "base_load", "unit": "kW", "start": rfc(now() - TimeDelta::minutes(1)),
        "resolution": "PT1H", "values": [20, 20]});
    service.put("/sites/a/signals/load", load).await;
    let moved = service
        .until("/groups/feeder", "room for the load", |answer| {
            answer["members"][0]["quota_kw"]
                .as_f64()
                .is_some_and(|quota| quota >= 34.0)
                && answer["settled"] == true
        })
        .await;
    assert!(
        moved["quotas_kw"].as_f64().expect("a number") <= 60.0,
        "{moved}"
    );
    service
        .put(
            "/groups/feeder",
            json!({"sites": ["a", "b"], "import_limit_kw": 56}),
        )
        .await;
    service
        .until("/groups/feeder", "the lower limit", settled(56.0))
        .await;
    let frame = service.get("/sites/b/frame").await;
    assert_eq!(
        frame["circuits"][0]["limit_kw"][0]["origin"]["key"], "group:feeder",
        "{frame}"
    );
    // A site is in one group only, and has to be there.
    let (status, answer) = service
        .call(
            Method::PUT,
            "/groups/other",
            Some(json!({"sites": ["b", "x"], "import_limit_kw": 5})),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["errors"].as_array().map(Vec::len),
        Some(2),
        "{answer}"
    );
    let (status, _) = service.call(Method::DELETE, "/groups/feeder", None).await;
    assert_eq!(status, 204);
    service
        .until("/sites/b/signals", "no quota is left", |answer| {
            answer["signals"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
}
