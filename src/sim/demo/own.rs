//! The real service in this process, run on the demo's clock.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::ServiceUnderTest;
use crate::config::{Config, Secret};
use crate::service::vault::new_token;
use crate::service::{Base, Running, StartError, start};
use crate::sim::clock::VirtualClock;
use crate::store::memory::MemoryStore;

/// The service as the demo runs it: loopback only, its journal in memory (a day's 15,000 durable
/// writes would be mostly waiting for the disk), a folder for its key that is removed afterwards.
#[derive(Debug)]
pub struct OwnService {
    running: Running,
    token: String,
    folder: PathBuf,
}

impl OwnService {
    /// Starts it on a clock; `port` 0 = any free one.
    pub async fn start(clock: VirtualClock, port: u16) -> Result<Self, StartError> {
        let any = |_: &mut Config| ();
        Self::start_with(clock, port, any).await
    }

    /// The same with other settings.
    pub async fn start_with(
        clock: VirtualClock,
        port: u16,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let token = new_token().expose().to_owned();
        let name = format!("evenload-demo-{}", uuid::Uuid::new_v4());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).map_err(StartError::Folder)?;
        let mut config = Config::default();
        config.server.listen.set_port(port);
        config.data.dir.clone_from(&folder);
        // Hours pass in seconds, and nobody goes back to a demonstration.
        config.data.snapshot_every_minutes = 0;
        config.data.history_days = 0;
        config.ocpi.allow_insecure = true;
        // Simulated chargers may be spoken to at once.
        config.ocpp.boot_quiet_s = 0;
        config.ocpp.meter_interval_s = 300;
        config.api.admin_token = Some(Secret::new(token.clone()));
        change(&mut config);
        let base = Base {
            clock: Arc::new(clock),
            store: Arc::new(MemoryStore::new()),
        };
        let running = start(config, base).await?;
        Ok(Self {
            running,
            token,
            folder,
        })
    }

    /// The service itself.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Stops it and removes its folder.
    pub async fn stop(self) {
        self.running.stop().await;
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, "the demo's folder stays");
        }
    }
}

#[async_trait]
impl ServiceUnderTest for OwnService {
    fn base_url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    fn admin_token(&self) -> String {
        self.token.clone()
    }

    async fn is_idle(&self) -> bool {
        let running = &self.running;
        running.activity.is_idle() && running.stations.is_idle() && running.partners.is_idle()
    }

    fn begun(&self) -> u64 {
        let running = &self.running;
        running.activity.begun() + running.stations.begun() + running.partners.begun()
    }
}
