//! The service's REST API as an operator uses it.

use reqwest::Method;
use serde_json::Value;

use super::{DemoError, ServiceUnderTest};

/// A client with the admin token.
#[derive(Debug)]
pub(super) struct Rest {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Rest {
    pub(super) fn new(service: &dyn ServiceUnderTest) -> Result<Self, DemoError> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .map_err(|error| DemoError::Call {
                call: "HTTP client".into(),
                detail: error.to_string(),
            })?;
        Ok(Self {
            http,
            base: format!("{}/api/v1", service.base_url().trim_end_matches('/')),
            token: service.admin_token(),
        })
    }

    /// Sends one call; gives the body of a 2xx answer.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, DemoError> {
        let call = format!("{method} {path}");
        let failed = |detail: String| DemoError::Call {
            call: call.clone(),
            detail,
        };
        let response = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .json(body)
            .send()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if status.is_success() {
            Ok(serde_json::from_str(&text).unwrap_or_default())
        } else {
            Err(failed(format!("HTTP {status}: {text}")))
        }
    }
}
