//! The store as the port through which the edges keep their records.

use std::sync::Arc;

use crate::domain::ports::{PortFuture, RecordWrite, Records};

use super::Store;
use super::batch::{Batch, Flush};

/// The records of the edges in a store.
#[derive(Clone, Debug)]
pub struct StoreRecords {
    store: Arc<dyn Store>,
}

impl StoreRecords {
    /// The records of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

impl Records for StoreRecords {
    fn get(&self, key: &str) -> PortFuture<'_, Option<Vec<u8>>> {
        let key = key.to_owned();
        Box::pin(async move { Ok(self.store.get(&key).await?.map(|record| record.value)) })
    }

    fn scan(&self, prefix: &str, limit: usize) -> PortFuture<'_, Vec<(String, Vec<u8>)>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            let mut found = Vec::new();
            let mut after: Option<String> = None;
            while found.len() < limit {
                let page = self
                    .store
                    .scan(&prefix, after.as_deref(), limit - found.len())
                    .await?;
                let Some(last) = page.last() else {
                    break;
                };
                after = Some(last.key.clone());
                found.extend(page.into_iter().map(|record| (record.key, record.value)));
            }
            Ok(found)
        })
    }

    fn write(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.store.commit_durable(batch_of(writes)).await?;
            Ok(())
        })
    }

    fn write_later(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let batch = batch_of(writes).flush(Flush::Telemetry);
            self.store.commit(batch).await?;
            Ok(())
        })
    }
}

/// Where the results of our requests are waited for: without its record no lowering can leave.
const RESULTS: &str = "result/";

fn batch_of(writes: Vec<RecordWrite>) -> Batch {
    let are_results = writes.iter().all(|write| write.key.starts_with(RESULTS));
    let batch = writes
        .into_iter()
        .fold(Batch::new(), |batch, write| match write.value {
            Some(value) => batch.put(write.key, value),
            None => batch.del(write.key),
        });
    if are_results {
        batch.essential()
    } else {
        batch
    }
}
