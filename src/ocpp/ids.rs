//! Ids of 1.6 transactions: unique among all stations, positive, and never given twice, restarts
//! included.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::id::TenantId;
use crate::domain::ports::{PortError, RecordWrite, Records};

/// Ids that are reserved with one write; at a restart the rest of a block is lost.
const BLOCK: i32 = 1_000;

/// Gives out ids.
#[derive(Debug)]
pub(super) struct TransactionIds {
    key: String,
    next: Mutex<Range>,
}

#[derive(Debug)]
struct Range {
    next: i32,
    until: i32,
}

impl TransactionIds {
    /// Goes on where the last process's reservation ended.
    pub(super) async fn open(records: &dyn Records, tenant: &TenantId) -> Result<Self, PortError> {
        let key = format!("transaction-ids/{tenant}");
        let stored = records.get(&key).await?;
        let next = match stored {
            None => 1,
            Some(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| PortError::Storage(format!("{key} is damaged")))?,
        };
        Ok(Self {
            key,
            next: Mutex::new(Range { next, until: next }),
        })
    }

    /// The next id; it is reserved durably before it is given.
    pub(super) async fn next(&self, records: &Arc<dyn Records>) -> Result<i32, PortError> {
        let mut range = self.next.lock().await;
        if range.next >= range.until {
            // After two thousand million transactions it begins again at 1.
            let from = if range.next > i32::MAX - BLOCK {
                1
            } else {
                range.next
            };
            let until = from + BLOCK;
            let value = Some(until.to_string().into_bytes());
            let key = self.key.clone();
            records.write(vec![RecordWrite { key, value }]).await?;
            *range = Range { next: from, until };
        }
        let id = range.next;
        range.next += 1;
        Ok(id)
    }
}
