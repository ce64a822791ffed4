//! Requests of the platform to the SCSP.

use serde_json::Value;

use super::quirks::{Quirk, Quirks};
use super::serve::encode_token;

/// Who is asked and who asks, for functional modules.
#[derive(Clone, Debug, Default)]
pub(super) struct Routing {
    pub to: Option<(String, String)>,
    pub from: Option<(String, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub http: u16,
    /// OCPI's status code; 0 where the body is not an envelope.
    pub status_code: u64,
    pub message: String,
    pub data: Value,
}

impl Reply {
    /// True for HTTP 2xx and OCPI 1xxx.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.http) && (1000..2000).contains(&self.status_code)
    }
}

/// The platform's HTTP client.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    quirks: Quirks,
}

impl Http {
    pub(super) fn new(quirks: Quirks) -> Result<Self, reqwest::Error> {
        // The provider is only needed by https; a second installation changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()?;
        Ok(Self { client, quirks })
    }

    /// Sends one request and reads the envelope.
    pub(super) async fn call(
        &self,
        method: reqwest::Method,
        url: &str,
        token: &str,
        routing: &Routing,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let has = |quirk| self.quirks.contains(&quirk);
        let token = if has(Quirk::RawToken) {
            token.to_owned()
        } else {
            encode_token(token)
        };
        let request = self.client.request(method, url);
        let mut request = request.header("Authorization", format!("Token {token}"));
        if !has(Quirk::NoMessageIds) {
            request = request
                .header("X-Request-ID", uuid::Uuid::new_v4().to_string())
                .header("X-Correlation-ID", uuid::Uuid::new_v4().to_string());
        }
        for (who, party) in [("to", &routing.to), ("from", &routing.from)] {
            if let Some((country, party)) = party
                && !has(Quirk::NoRoutingHeaders)
            {
                request = request
                    .header(format!("OCPI-{who}-country-code"), country)
                    .header(format!("OCPI-{who}-party-id"), party);
            }
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| error.to_string())?;
        let http = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|error| error.to_string())?;
        let envelope: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Reply {
            http,
            status_code: envelope["status_code"].as_u64().unwrap_or_default(),
            message: envelope["status_message"]
                .as_str()
                .unwrap_or_default()
                .into(),
            data: envelope["data"].clone(),
        })
    }
}
