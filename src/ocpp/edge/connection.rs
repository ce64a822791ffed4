//! Connections taking a station's place and leaving it, and what is kept of stations.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::Edge;
use crate::domain::ports::{PortError, RecordWrite};
use crate::ocpp::books::{Books, Entry, MAX_KEPT};
use crate::ocpp::caps::Caps;
use crate::ocpp::known::{
    Errand, Known, Live, MAX_ORDERS, StationRecord, caps_key, transaction_prefix,
};
use crate::ocpp::version::Version;

impl Edge {
    /// A connection takes a station's place; the one before it, if there is one, is told to leave.
    /// Gives its generation, by which alone it can later leave itself.
    pub(in crate::ocpp) fn enter(
        &self,
        known: &Known,
        version: Version,
        reached_at: String,
    ) -> (u64, mpsc::Receiver<Errand>, Arc<Notify>) {
        let (errands, receiver) = mpsc::channel(MAX_ORDERS);
        let leave = Arc::new(Notify::new());
        let mut memory = known.memory();
        memory.connections += 1;
        let generation = memory.connections;
        let live = Live {
            generation,
            version,
            since: self.now(),
            errands,
            leave: leave.clone(),
            reached_at,
        };
        if let Some(old) = memory.live.replace(live) {
            memory.displaced += 1;
            old.leave.notify_one();
        }
        (generation, receiver, leave)
    }

    /// A connection ended. A newer one that took its place stays.
    pub(in crate::ocpp) fn leave(known: &Known, generation: u64) {
        let mut memory = known.memory();
        if memory
            .live
            .as_ref()
            .is_some_and(|live| live.generation == generation)
        {
            memory.live = None;
        }
    }

    /// Reads what was kept of a station, once.
    pub(in crate::ocpp) async fn load(&self, known: &Known) -> Result<(), PortError> {
        if known.memory().loaded {
            return Ok(());
        }
        let StationRecord { id, ways, .. } = known.record();
        let tenant = &self.inner.tenant;
        let records = &self.inner.ports.records;
        let caps = records.get(&caps_key(tenant, &id)).await?;
        let found = records
            .scan(&transaction_prefix(tenant, &id), MAX_KEPT * 2)
            .await?;
        let entries: Vec<Entry> = found
            .iter()
            .filter_map(|(key, bytes)| {
                serde_json::from_slice(bytes)
                    .inspect_err(|error| tracing::warn!(%key, %error, "a damaged transaction"))
                    .ok()
            })
            .collect();
        let mut memory = known.memory();
        memory.caps = caps
            .and_then(|bytes| serde_json::from_slice::<Caps>(&bytes).ok())
            .unwrap_or_default();
        memory.caps.told = ways;
        memory.books = Books::new(entries);
        memory.loaded = true;
        Ok(())
    }

    pub(in crate::ocpp) async fn write(
        &self,
        key: String,
        value: Option<Vec<u8>>,
    ) -> Result<(), PortError> {
        let writes = vec![RecordWrite { key, value }];
        self.inner.ports.records.write(writes).await
    }
}
