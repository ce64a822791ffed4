//! Requests of the platform to the SCSP.

use serde_json::Value;

use super::server::encode_token;

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
pub(super) struct Http(reqwest::Client);

impl Http {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        // The provider is only needed by https; a second installation changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .map(Self)
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
        let mut request = self
            .0
            .request(method, url)
            .header("Authorization", format!("Token {}", encode_token(token)))
            .header("X-Request-ID", uuid::Uuid::new_v4().to_string())
            .header("X-Correlation-ID", uuid::Uuid::new_v4().to_string());
        for (who, party) in [("to", &routing.to), ("from", &routing.from)] {
            if let Some((country, party)) = party {
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
