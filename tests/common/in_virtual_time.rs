//! The whole service on a clock of the test's: real sockets, time that is not waited for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenload::config::{Config, Secret};
use evenload::domain::ports::Clock as _;
use evenload::service::{Base, Running, start};
use evenload::sim::clock::VirtualClock;
use evenload::sim::station::Fleet;
use evenload::store::memory::MemoryStore;
use serde_json::Value;
use tokio::time::Instant;

const TOKEN: &str = "test-admin-token-0123456789abcdef";
/// Real time that everybody may take until nothing is under way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
/// Real time without any movement after which nothing is waited for.
const STILL: Duration = Duration::from_secs(1);

/// Starts the service on a clock and a store; `port` 0 = any free one.
pub(crate) async fn serve(
    clock: &VirtualClock,
    store: &MemoryStore,
    folder: &Path,
    port: u16,
) -> Running {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut config = Config::default();
    config.server.listen.set_port(port);
    config.data.dir = folder.to_path_buf();
    config.api.admin_token = Some(Secret::new(TOKEN));
    config.ocpi.allow_insecure = true;
    config.ocpp.boot_quiet_s = 0;
    config.ocpp.meter_interval_s = 60;
    let base = Base {
        clock: Arc::new(clock.clone()),
        store: Arc::new(store.clone()),
    };
    start(config, base).await.expect("starts")
}

/// One call of the REST API that must succeed.
pub(crate) async fn call(service: &Running, method: &str, path: &str, body: &Value) -> Value {
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://{}/api/v1{path}", service.address);
    let mut request = http
        .request(method.parse().expect("a method"), url)
        .bearer_auth(TOKEN);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.expect("answered");
    let status = answer.status();
    let body = answer.json().await.unwrap_or(Value::Null);
    assert!(status.is_success(), "{path}: {status} {body}");
    body
}

/// Waits until nothing is under way on either side, or for [`STILL`] until anything moves: somebody
/// waits for an answer that never comes, and time has to go on.
pub(crate) async fn settle(service: &Running, fleet: &Fleet, clock: &VirtualClock) {
    let settled = async {
        let mut before = None;
        let mut moved = Instant::now();
        loop {
            let idle = fleet.in_flight() == 0
                && clock.woken() == 0
                && service.activity.is_idle()
                && service.stations.is_idle();
            let begun = (
                idle,
                fleet.begun(),
                service.activity.begun(),
                service.stations.begun(),
            );
            if before != Some(begun) {
                before = Some(begun);
                moved = Instant::now();
            } else if idle || moved.elapsed() > STILL {
                return;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    assert!(
        settled.is_ok(),
        "something is still under way at {}",
        clock.now()
    );
}
