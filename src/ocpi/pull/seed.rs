//! Kept sessions for a site that was set up after they came.

use ocpi_client::read::read_one;
use ocpi_client::types::Session;

use super::super::edge::{Edge, EdgeError};
use super::super::intake::{Incoming, Taken};
use super::super::object::StoredObject;
use super::super::translate::session;
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::id::{PartnerId, SiteKey};
use crate::domain::session::SessionStatus;

impl Edge {
    /// Tells a site, configured after they came, of the kept sessions of its EVSEs; returns how
    /// many.
    pub async fn seed(&self, site: &SiteKey) -> Result<usize, EdgeError> {
        /// Sessions of one write.
        const BATCH: usize = 200;
        let mut count = 0;
        for peer in self.peers() {
            let partner = peer.record().name.clone();
            let keys: Vec<_> = self
                .kept_sessions(&partner)
                .await?
                .into_iter()
                .filter(|(_, stored)| {
                    let wire = read_one::<Session>(&stored.body).ok();
                    let place = wire.and_then(|read| self.place_of(&partner, &read.value));
                    place.is_some_and(|(at, _)| at == *site)
                })
                .map(|(key, _)| key)
                .collect();
            for batch in keys.chunks(BATCH) {
                let _locks = self.lock_all(batch).await;
                let mut taken = Vec::new();
                for key in batch {
                    let stored = self.stored_session(key).await?;
                    taken.extend(stored.and_then(|stored| self.seeded(&partner, &stored)));
                }
                count += taken.len();
                self.submit(taken).await?;
            }
        }
        Ok(count)
    }

    /// Tells a site that names a partner for the first time how fresh our view of that is, as all
    /// its other sites were told, and reads the partner back soon: its EVSEs may be new to us.
    pub async fn introduce(&self, site: &SiteKey, partner: &PartnerId) -> Result<(), EdgeError> {
        let Ok(peer) = self.peer(partner) else {
            return Ok(());
        };
        self.want_pull(partner);
        let seen = |health| EventKind::PartnerSeen {
            partner: partner.clone(),
            health,
        };
        if peer.live().is_current {
            let current = seen(PartnerHealth::Current);
            self.tell(site, vec![current], Vec::new()).await?;
            // A pull may have failed meanwhile, and said so before us.
            if !peer.live().is_current {
                let stale = seen(PartnerHealth::Stale);
                self.tell(site, vec![stale], Vec::new()).await?;
            }
        }
        Ok(())
    }

    fn seeded(&self, partner: &PartnerId, stored: &StoredObject) -> Option<Taken> {
        let wire = read_one::<Session>(&stored.body).ok()?.value;
        let name = session::name(&wire)?;
        let is_over = session::status(&wire) == Some(SessionStatus::Ended);
        // One that the partner stopped listing without ending it must not come to life again.
        if !is_over && !stored.is_live() {
            return None;
        }
        let incoming = Incoming {
            partner,
            name: &name,
            body: stored.body.clone(),
            wire: &wire,
            is_measured: false,
            with_history: is_over,
        };
        let mut taken = self.take(incoming, Some(stored));
        if let Some((_, events)) = taken.given.as_mut().filter(|_| is_over) {
            // Only history: it never ran here.
            events.retain(|event| matches!(event, EventKind::HistoryLearned { .. }));
        }
        Some(taken)
    }
}
