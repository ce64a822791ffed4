//! Calls to servers that an administrator named: bounded answers, tokens by client credentials, and why
//! something failed without its address, which may hold a secret.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use url::Url;

use crate::domain::time::Time;

/// Longest answer.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// A token is renewed so long before its end.
const EARLY: TimeDelta = TimeDelta::seconds(60);
/// What a token without an end is believed to last.
const USUAL_LIFE_S: i64 = 300;

/// A client of `OAuth` 2, as it asks for a token.
pub(super) struct Credentials<'c> {
    pub(super) token_url: Url,
    pub(super) client: &'c str,
    pub(super) secret: &'c str,
    pub(super) scope: Option<&'c str>,
}

impl Credentials<'_> {
    /// A token, and until when it is used.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        now: Time,
    ) -> Result<(String, Time), String> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client),
            ("client_secret", self.secret),
        ];
        if let Some(scope) = self.scope {
            form.push(("scope", scope));
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = http
            .post(self.token_url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body);
        let (status, answer) = json(request).await?;
        let token = answer["access_token"].as_str().filter(|_| status == 200);
        let Some(token) = token else {
            let why = answer["error"].as_str().unwrap_or("no access_token");
            return Err(format!("no token: HTTP {status}, {why}"));
        };
        let life = answer["expires_in"].as_i64().unwrap_or(USUAL_LIFE_S);
        let life = TimeDelta::seconds(life.clamp(0, 86_400)) - EARLY;
        Ok((token.to_owned(), now + life.max(TimeDelta::zero())))
    }
}

/// A client that follows no redirects and uses no proxy.
pub(super) fn client() -> reqwest::ClientBuilder {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .user_agent(concat!("evenload/", env!("CARGO_PKG_VERSION")))
        .timeout(DEADLINE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

/// Status and body of an answer.
pub(super) async fn bytes(request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let mut response = request.send().await.map_err(told)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(told)? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(format!("an answer is longer than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

/// Status and JSON of an answer; null where it is none.
pub(super) async fn json(request: reqwest::RequestBuilder) -> Result<(u16, Value), String> {
    let (status, body) = bytes(request).await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
