//! Whether a partner is there: asked for its versions, which concern no EVSE.

use super::breaker::{Gate, Miss};
use super::edge::Edge;
use super::peer::{Peer, miss};
use super::run::spread;
use crate::domain::id::PartnerId;

impl Edge {
    /// Whether something may be asked of a partner now; if not, why. Where that is in doubt one
    /// probe settles it for all who wait.
    pub(super) async fn admitted(&self, peer: &Peer) -> Result<(), String> {
        let waits = |until, why| Err(format!("paused until {until:?} after: {why}"));
        match peer.live().breaker.gate(self.now()) {
            Gate::Go => return Ok(()),
            Gate::Wait { until, why } => return waits(until, why),
            Gate::Probe => {}
        }
        let _one_at_a_time = peer.probing.lock().await;
        match peer.live().breaker.gate(self.now()) {
            Gate::Go => return Ok(()),
            Gate::Wait { until, why } => return waits(until, why),
            Gate::Probe => {}
        }
        self.probe_once(peer).await
    }

    async fn probe_once(&self, peer: &Peer) -> Result<(), String> {
        let record = peer.record();
        let versions_url = record.versions_url.as_deref().unwrap_or_default();
        let (Ok(url), Ok(client)) = (
            self.checked(&record, versions_url),
            self.client_for(&record, None),
        ) else {
            // Nothing to probe with: what was to be asked shows it.
            return Ok(());
        };
        peer.live().breaker.probing(self.now());
        let client = client.closing();
        let result = self.call(peer, client.get_versions(&url)).await;
        let Err((error, miss)) = result.map_err(|error| {
            let miss = miss(&error);
            (error, miss)
        }) else {
            return Ok(());
        };
        // A no to this question is an answer.
        let Some(miss) = miss else { return Ok(()) };
        let why = error.to_string();
        let said = format!("no answer to a probe: {why}");
        let now = self.now();
        tracing::warn!(partner.id = %record.name, %error, locked = miss == Miss::Locked,
            "partner is not there; what waits for it stays in its outbox");
        peer.live().breaker.probe_failed(miss, why, now, spread);
        Err(said)
    }

    /// How many seconds nothing is asked of a partner, since it is not there.
    pub fn silence_s(&self, partner: &PartnerId) -> Option<u32> {
        let now = self.now();
        let until = self.peer(partner).ok()?.live().breaker.holds_until(now)?;
        let left_ms = (until - now).num_milliseconds();
        u32::try_from((left_ms + 999) / 1000)
            .ok()
            .filter(|s| *s > 0)
    }
}
