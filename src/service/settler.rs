//! Settles dispatches: what meters show of each slot is noted when the slot is over.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::api::chronicle::Chronicle;
use crate::api::dispatches::DispatchBook;
use crate::domain::ports::Clock;

/// After a note that could not be stored it is tried again.
const RETRY: TimeDelta = TimeDelta::seconds(30);

/// Runs until the service stops. Without open dispatches nothing wakes up for nothing.
pub(super) async fn run(
    book: Arc<DispatchBook>,
    chronicle: Arc<Chronicle>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let now = clock.now();
        let mut next = book.next_look(now);
        match book.settle(&chronicle, now).await {
            Ok(0) => {}
            Ok(count) => {
                debug!(dispatches = count, "dispatches were settled");
                next = book.next_look(now);
            }
            Err(error) => {
                warn!(%error, "what meters show of a dispatch could not be noted");
                next = Some(now + RETRY);
            }
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = book.changed() => {}
            () = clock.sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}
