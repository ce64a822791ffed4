//! The ports in memory.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::domain::event::EventKind;
use crate::domain::evse::EvseSource;
use crate::domain::id::{EvseId, PartnerKey, SiteKey, TenantId};
use crate::domain::ports::{
    Clock, PortError, PortFuture, Ports, RecordWrite, Records, Sites, Vault,
};
use crate::domain::time::Time;

/// A clock that tests move.
#[derive(Debug)]
pub(super) struct FakeClock(pub(super) Mutex<Time>);

impl Clock for FakeClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, at: Time) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Real time goes on a little, so that what runs over sockets comes to its turn.
        Box::pin(async move {
            while self.now() < at {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
    }
}

/// Everything that is kept, and everything that sites were told, in order.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) records: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) told: Mutex<Vec<(SiteKey, EventKind)>>,
    pub(super) places: Mutex<BTreeMap<EvseSource, (SiteKey, EvseId)>>,
    /// Writes fail while this is set.
    pub(super) is_full: Mutex<bool>,
}

impl Memory {
    fn put(&self, writes: Vec<RecordWrite>) -> Result<(), PortError> {
        if *self.is_full.lock().unwrap() {
            return Err(PortError::Storage("the disk is full".into()));
        }
        let mut records = self.records.lock().unwrap();
        for RecordWrite { key, value } in writes {
            match value {
                Some(value) => records.insert(key, value),
                None => records.remove(&key),
            };
        }
        Ok(())
    }

    /// What sites were told since the last time.
    pub(super) fn take_told(&self) -> Vec<(SiteKey, EventKind)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

impl Records for Memory {
    fn get(&self, key: &str) -> PortFuture<'_, Option<Vec<u8>>> {
        let found = self.records.lock().unwrap().get(key).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn scan(&self, prefix: &str, limit: usize) -> PortFuture<'_, Vec<(String, Vec<u8>)>> {
        let records = self.records.lock().unwrap();
        let found = records
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Box::pin(async move { Ok(found) })
    }

    fn write(&self, writes: Vec<RecordWrite>) -> PortFuture<'_, ()> {
        let result = self.put(writes);
        Box::pin(async move { result })
    }
}

impl Sites for Memory {
    fn submit(
        &self,
        site: &SiteKey,
        events: Vec<EventKind>,
        records: Vec<RecordWrite>,
    ) -> PortFuture<'_, ()> {
        let result = self.put(records);
        if result.is_ok() {
            let mut told = self.told.lock().unwrap();
            told.extend(events.into_iter().map(|event| (site.clone(), event)));
        }
        Box::pin(async move { result })
    }

    fn evse_at(&self, _: &TenantId, source: &EvseSource) -> Option<(SiteKey, EvseId)> {
        self.places.lock().unwrap().get(source).cloned()
    }

    fn sites_of(&self, partner: &PartnerKey) -> Vec<SiteKey> {
        let places = self.places.lock().unwrap();
        let mut sites: Vec<_> = places
            .iter()
            .filter(|(source, _)| {
                matches!(source, EvseSource::Ocpi { partner: at, .. } if *at == partner.partner)
            })
            .map(|(_, (site, _))| site.clone())
            .collect();
        sites.dedup();
        sites
    }
}

/// Turns bits over: enough to see whether something was sealed at all.
#[derive(Debug)]
struct FakeVault;

impl Vault for FakeVault {
    fn seal(&self, context: &str, secret: &[u8]) -> Vec<u8> {
        let mut sealed: Vec<u8> = secret.iter().map(|byte| !byte).collect();
        sealed.extend(context.bytes());
        sealed
    }

    fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, PortError> {
        sealed
            .strip_suffix(context.as_bytes())
            .map(|secret| secret.iter().map(|byte| !byte).collect())
            .ok_or_else(|| PortError::Unknown("secret".into()))
    }
}

/// The ports over one memory, at half past the year's end.
pub(super) fn ports(memory: &Arc<Memory>, clock: &Arc<FakeClock>) -> Ports {
    Ports {
        clock: clock.clone(),
        records: memory.clone(),
        sites: memory.clone(),
        vault: Arc::new(FakeVault),
    }
}
