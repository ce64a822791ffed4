//! A store that came from a backup believes what was true when the backup was made. What chargers
//! were told since then is not in it: nothing that it takes for confirmed is, until it is sent or
//! read anew.

use tracing::warn;

use super::sites::Registry;
use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::ports::{PortError, RecordWrite, Records, Sites as _};
use crate::state::SiteState;
use crate::store::sled_store::RESTORED;

/// Makes every site of a restored store distrust what it believes of its chargers, once. Durable
/// when it returns; broken off, it happens again at the next start.
pub(super) async fn distrust(registry: &Registry, records: &dyn Records) -> Result<(), PortError> {
    if records.get(RESTORED).await?.is_none() {
        return Ok(());
    }
    warn!(
        "this store was restored from a backup: no profile counts as confirmed until it was sent or read again"
    );
    for key in registry.keys() {
        let Some(state) = registry.snapshot(&key) else {
            continue;
        };
        let events = doubts(&state);
        if !events.is_empty() {
            registry.submit(&key, events, Vec::new()).await?;
        }
    }
    let done = RecordWrite {
        key: RESTORED.to_owned(),
        value: None,
    };
    records.write(vec![done]).await
}

/// What takes every belief about chargers back.
fn doubts(state: &SiteState) -> Vec<EventKind> {
    let of_evse = |evse: &crate::domain::evse::Evse| match &evse.source {
        EvseSource::Ocpp { .. } => Some(EventKind::StationConnected {
            evse: evse.id.clone(),
            booted: true,
        }),
        EvseSource::Ocpi { .. } => {
            let running = state.evses.get(&evse.id)?.running()?;
            Some(EventKind::ProfileRead {
                evse: evse.id.clone(),
                session: running.id.clone(),
                profile: None,
                command: None,
            })
        }
    };
    state.site.evses.iter().filter_map(of_evse).collect()
}
