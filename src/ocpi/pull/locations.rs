//! Locations of a partner, read back.

use std::collections::{BTreeMap, BTreeSet};

use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::types::{Location, ModuleId};
use serde_json::Value;

use super::super::edge::EdgeError;
use super::super::object::{Kept, ObjectName, StoredObject, prefix};
use super::{MAX_KEPT, Pull, Pulled, complete, is_too_long};
use crate::domain::ports::RecordWrite;
use crate::domain::time::Time;

impl Pull<'_> {
    /// Keeps every location listed; those not listed any more are dropped.
    pub(super) async fn locations(&self, pulled: &mut Pulled) -> Result<(), EdgeError> {
        let mut result = Ok(());
        for limit in self.page_limits() {
            result = self.locations_by(limit, pulled).await;
            if !result.as_ref().is_err_and(is_too_long) {
                break;
            }
        }
        result
    }

    async fn locations_by(&self, limit: u32, pulled: &mut Pulled) -> Result<(), EdgeError> {
        let records = &self.edge.inner.ports.records;
        let endpoint = self.endpoint(&ModuleId::Locations)?;
        let began = self.edge.now();
        let query = PageQuery {
            limit: Some(limit),
            ..PageQuery::default()
        };
        let limits = PageLimits::default();
        let mut crawl = self
            .client
            .crawl::<Value>("get locations", &endpoint, &query, limits);
        let (mut listed, mut nameless) = (BTreeSet::new(), 0);
        while let Some(page) = self.edge.next_page(self.peer, &mut crawl).await? {
            nameless += self.take_locations(page, &mut listed).await?;
        }
        self.peer.note_deviations(crawl.pager().deviations());
        complete(crawl.end(), "locations")?;
        pulled.locations = listed.len();
        pulled.nameless += nameless;
        if nameless > 0 {
            return Ok(());
        }
        let kept = prefix(self.edge.tenant(), &self.record.name, Kept::Locations);
        let gone: Vec<_> = records
            .scan(&kept, MAX_KEPT)
            .await?
            .into_iter()
            .filter(|(key, bytes)| !listed.contains(key) && came_before(bytes, began))
            .map(|(key, _)| RecordWrite { key, value: None })
            .collect();
        if !gone.is_empty() {
            records.write(gone).await?;
        }
        Ok(())
    }

    /// Keeps a page of locations; what was pushed meanwhile and is newer stays. Gives how many
    /// could not even be named.
    async fn take_locations(
        &self,
        page: Vec<Value>,
        listed: &mut BTreeSet<String>,
    ) -> Result<usize, EdgeError> {
        let records = &self.edge.inner.ports.records;
        let key_of =
            |name: &ObjectName| name.key(self.edge.tenant(), &self.record.name, Kept::Locations);
        let mut nameless = 0;
        let mut found = BTreeMap::new();
        for body in page {
            let location = match self.understood::<Location>(&body) {
                Ok(location) => location,
                Err(Some(name)) => {
                    listed.insert(key_of(&name));
                    continue;
                }
                Err(None) => {
                    nameless += 1;
                    continue;
                }
            };
            let (country, party) = (&location.country_code, &location.party_id);
            let name = ObjectName::new(country.as_str(), party.as_str(), location.id.as_str());
            if let Some(name) = name
                && self.speaks_for(&name, "mod_locations: Location object")
            {
                found.insert(key_of(&name), (location.last_updated.as_utc(), body));
            }
        }
        let _locks = self.edge.lock_all(found.keys()).await;
        let mut writes = Vec::new();
        for (key, (updated_at, body)) in found {
            let now = self.edge.now();
            let updated_at = updated_at.min(now);
            let stored = records.get(&key).await?;
            let stored = stored.and_then(|bytes| StoredObject::from_bytes(&bytes));
            listed.insert(key.clone());
            if stored.is_none_or(|stored| stored.updated_at <= updated_at) {
                let object = StoredObject {
                    body,
                    updated_at,
                    received_at: now,
                    session: None,
                };
                writes.push(object.write(key));
            }
        }
        records.write(writes).await?;
        Ok(nameless)
    }
}

fn came_before(bytes: &[u8], instant: Time) -> bool {
    StoredObject::from_bytes(bytes).is_none_or(|stored| stored.received_at < instant)
}
