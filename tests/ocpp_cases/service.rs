//! The service the cases are played against, and its REST API.

use std::sync::Arc;
use std::time::Duration;

use evenload::config::{Config, Secret};
use evenload::service::{Base, Running, start};
use evenload::store::memory::MemoryStore;
use serde_json::{Value, json};

const TOKEN: &str = "test-admin-token-0123456789abcdef";
/// The password of all stations.
pub(crate) const PASSWORD: &str = "0123456789ABCDEF0123";
/// Real time within which something must come to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The service.
pub(crate) struct Service {
    pub(crate) running: Running,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Service {
    /// Only tokens that were filed may charge: some that may, one of a group, a blocked and an
    /// expired one.
    pub(crate) async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.data.dir = folder.path().to_path_buf();
        config.api.admin_token = Some(Secret::new(TOKEN));
        config.ocpp.boot_quiet_s = 0;
        config.ocpp.refuse_unknown_tokens = true;
        let base = Base {
            clock: Arc::new(evenload::service::clock::SystemClock),
            store: Arc::new(MemoryStore::new()),
        };
        let service = Self {
            running: start(config, base).await.expect("starts"),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            _folder: folder,
        };
        for (token, body) in [
            ("TAG", json!({ "group": "G" })),
            ("TAG2", json!({ "group": "G" })),
            ("TAG3", json!({})),
            ("MASTER", json!({ "group": "MASTERS" })),
            ("TAG-BLOCKED", json!({ "status": "blocked" })),
            (
                "TAG-EXPIRED",
                json!({ "expires_at": "2026-01-01T00:00:00Z" }),
            ),
        ] {
            let (status, answer) = service
                .rest("PUT", &format!("/id-tokens/{token}"), &body)
                .await;
            assert_eq!(status, 201, "{answer}");
        }
        service
    }

    /// A call of the REST API.
    pub(crate) async fn rest(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.running.address);
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("answered");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Approves a station.
    pub(crate) async fn approves(&self, id: &str, admission: &str) {
        let body = json!({ "password": PASSWORD, "admission": admission });
        let (status, answer) = self.rest("PUT", &format!("/stations/{id}"), &body).await;
        assert!(status == 200 || status == 201, "{answer}");
    }

    /// A live site of 30 kW of the station's name around its EVSE 1.
    pub(crate) async fn has_depot(&self, id: &str) {
        let site = json!({
            "name": id, "time_zone": "Europe/Amsterdam", "currency": "EUR",
            "circuits": [{ "id": "site", "parent": null, "import_limit_kw": 30 }],
            "evses": [{ "id": "e1", "circuit": "site", "max_kw": 11.04, "min_kw": 4.14,
                "phases": ["L1", "L2", "L3"], "source": { "ocpp": { "station": id, "evse": 1 } } }],
            "price": { "flat_per_kwh": 0.3 },
        });
        let (status, answer) = self.rest("PUT", &format!("/sites/{id}"), &site).await;
        assert_eq!(status, 201, "{answer}");
        let live = json!({ "mode": "live" });
        let (status, answer) = self.rest("PUT", &format!("/sites/{id}/mode"), &live).await;
        assert_eq!(status, 200, "{answer}");
    }
}
