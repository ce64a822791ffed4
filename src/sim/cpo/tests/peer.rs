//! A small SCSP that keeps what it is sent.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Cpo;

/// A request that the SCSP was sent.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub method: String,
    pub path: String,
    pub token: String,
    pub body: Value,
}

/// What the SCSP was answered.
pub(super) struct Reply {
    pub http: u16,
    pub body: Value,
    pub next_page: Option<String>,
}

#[derive(Default)]
struct Kept {
    seen: Mutex<Vec<Seen>>,
    called_back: Mutex<Option<u16>>,
    missing: &'static str,
}

pub(super) struct Scsp {
    address: String,
    kept: Arc<Kept>,
    http: reqwest::Client,
}

impl Scsp {
    pub(super) fn start() -> Self {
        Self::without("")
    }

    /// An SCSP that does not offer a module.
    pub(super) fn without(missing: &'static str) -> Self {
        let kept = Arc::new(Kept {
            missing,
            ..Kept::default()
        });
        let data = web::Data::from(Arc::clone(&kept));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port");
        let address = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            address,
            kept,
            http,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub(super) fn encoded_url(&self, path: &str) -> String {
        url::form_urlencoded::byte_serialize(self.url(path).as_bytes()).collect()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.kept.seen.lock().expect("not poisoned").clone()
    }

    /// The bodies of the results, in order.
    pub(super) fn results(&self) -> Vec<Value> {
        let seen = self.seen().into_iter();
        seen.filter(|r| r.path.starts_with("/results"))
            .map(|r| r.body)
            .collect()
    }

    /// The HTTP status of the platform's versions while its POST was open.
    pub(super) fn called_back(&self) -> Option<u16> {
        *self.kept.called_back.lock().expect("not poisoned")
    }

    pub(super) async fn get(&self, url: &str, token: &str) -> Reply {
        self.send("GET", url, token, None).await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        url: &str,
        token: &str,
        body: Option<Value>,
    ) -> Reply {
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, url)
            .header("Authorization", format!("Token {}", STANDARD.encode(token)))
            .header("X-Request-ID", "r1")
            .header("X-Correlation-ID", "c1");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.headers()["x-request-id"], "r1");
        let link = response.headers().get("link");
        let next_page = link
            .and_then(|link| link.to_str().ok()?.strip_prefix('<')?.split_once('>'))
            .map(|(url, _)| url.to_owned());
        Reply {
            http: response.status().as_u16(),
            next_page,
            body: response.json().await.expect("an envelope"),
        }
    }

    pub(super) async fn posts_credentials(&self, cpo: &Cpo, token: &str) -> Reply {
        let body = json!({
            "token": "token-b",
            "url": self.url("/ocpi/versions"),
            "roles": [{
                "role": "SCSP", "country_code": "NL", "party_id": "EVL",
                "business_details": {"name": "test"},
            }],
        });
        let url = cpo.versions_url().replace("versions", "2.3.0/credentials");
        self.send("POST", &url, token, Some(body)).await
    }

    /// Registers; gives the token for requests to the platform.
    pub(super) async fn registers_at(&self, cpo: &Cpo) -> String {
        let reply = self.posts_credentials(cpo, &cpo.token_a()).await;
        assert_eq!(reply.body["status_code"], 1000, "{}", reply.body);
        reply.body["data"]["token"]
            .as_str()
            .expect("a token")
            .into()
    }
}

async fn serve(http: HttpRequest, body: web::Bytes, kept: web::Data<Kept>) -> HttpResponse {
    let header = http.headers().get("Authorization");
    let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Token "));
    let token = STANDARD
        .decode(token.unwrap_or_default())
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let seen = Seen {
        method: http.method().to_string(),
        path: http.path().to_owned(),
        token: String::from_utf8(token).unwrap_or_default(),
        body: body.clone(),
    };
    kept.seen.lock().expect("not poisoned").push(seen);
    let base = format!("http://{}/ocpi", http.connection_info().host());
    let data = match http.path() {
        "/ocpi/versions" => json!([
            { "version": "2.2.1", "url": format!("{base}/2.2.1") },
            { "version": "2.3.0", "url": format!("{base}/2.3.0") },
        ]),
        path if path.ends_with("/credentials") => {
            call_back(&kept, &body).await;
            json!({
                "token": "token-c",
                "url": format!("{base}/versions"),
                "roles": [{ "role": "SCSP", "country_code": "NL", "party_id": "EVL" }],
            })
        }
        "/ocpi/2.3.0" | "/ocpi/2.2.1" => {
            let modules = [
                ("credentials", "SENDER"),
                ("sessions", "RECEIVER"),
                ("sessions", "SENDER"),
                ("chargingprofiles", "SENDER"),
            ];
            let here = format!("{base}/{}", &http.path()[6..]);
            let endpoints: Vec<_> = modules
                .iter()
                .filter(|(module, _)| *module != kept.missing)
                .map(|(module, role)| {
                    json!({"identifier": module, "role": role, "url": format!("{here}/{module}")})
                })
                .collect();
            json!({ "version": &http.path()[6..], "endpoints": endpoints })
        }
        _ => Value::Null,
    };
    HttpResponse::Ok().json(json!({
        "data": data, "status_code": 1000, "timestamp": "2019-10-02T06:00:00Z",
    }))
}

/// What an SCSP does during a registration: asks for the versions with the new token.
async fn call_back(kept: &Kept, credentials: &Value) {
    let token = credentials["token"].as_str().expect("a token");
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
        .get(credentials["url"].as_str().expect("a url"))
        .header("Authorization", format!("Token {}", STANDARD.encode(token)))
        .send()
        .await
        .expect("an answer");
    *kept.called_back.lock().expect("not poisoned") = Some(response.status().as_u16());
}
