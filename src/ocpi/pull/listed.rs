//! Objects of a partner that are kept as they are - locations, tariffs, a hub's clients - read back.

use std::collections::{BTreeMap, BTreeSet};

use ocpi_client::client::Crawl;
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::read::FromOcpi;
use ocpi_client::types::{ClientInfo, DateTime, Location, ModuleId, Tariff};
use serde_json::Value;

use super::super::edge::EdgeError;
use super::super::object::{Kept, ObjectName, StoredObject, prefix};
use super::{MAX_KEPT, Pull, Pulled, complete, is_too_long};
use crate::domain::ports::RecordWrite;
use crate::domain::time::Time;

/// A kind of object that is kept as it is.
pub(super) trait Listed: FromOcpi {
    const KEPT: Kept;
    const SECTION: &'static str;
    /// What it is called in messages.
    const WHAT: &'static str;

    fn module() -> ModuleId;
    fn name(&self) -> Option<ObjectName>;
    fn last_updated(&self) -> DateTime;
}

impl Listed for Location {
    const KEPT: Kept = Kept::Locations;
    const SECTION: &'static str = "mod_locations: Location object";
    const WHAT: &'static str = "locations";

    fn module() -> ModuleId {
        ModuleId::Locations
    }

    fn name(&self) -> Option<ObjectName> {
        let (country, party) = (&self.country_code, &self.party_id);
        ObjectName::new(country.as_str(), party.as_str(), self.id.as_str())
    }

    fn last_updated(&self) -> DateTime {
        self.last_updated
    }
}

impl Listed for Tariff {
    const KEPT: Kept = Kept::Tariffs;
    const SECTION: &'static str = "mod_tariffs: Tariff object";
    const WHAT: &'static str = "tariffs";

    fn module() -> ModuleId {
        ModuleId::Tariffs
    }

    fn name(&self) -> Option<ObjectName> {
        let (country, party) = (&self.country_code, &self.party_id);
        ObjectName::new(country.as_str(), party.as_str(), self.id.as_str())
    }

    fn last_updated(&self) -> DateTime {
        self.last_updated
    }
}

impl Listed for ClientInfo {
    const KEPT: Kept = Kept::HubClients;
    const SECTION: &'static str = "mod_hub_client_info: ClientInfo object";
    const WHAT: &'static str = "hub clients";

    fn module() -> ModuleId {
        ModuleId::HubClientInfo
    }

    fn name(&self) -> Option<ObjectName> {
        ObjectName::of_party(self.country_code.as_str(), self.party_id.as_str())
    }

    fn last_updated(&self) -> DateTime {
        self.last_updated
    }
}

impl Pull<'_> {
    /// Keeps every object listed; those not listed any more are dropped.
    pub(super) async fn listed<T: Listed>(&self, pulled: &mut Pulled) -> Result<usize, EdgeError> {
        let mut result = Ok(0);
        for limit in self.page_limits() {
            result = self.listed_by::<T>(limit, pulled).await;
            if !result.as_ref().is_err_and(is_too_long) {
                break;
            }
        }
        result
    }

    async fn listed_by<T: Listed>(
        &self,
        limit: u32,
        pulled: &mut Pulled,
    ) -> Result<usize, EdgeError> {
        let records = &self.edge.inner.ports.records;
        let endpoint = self.endpoint(&T::module())?;
        let began = self.edge.now();
        let mut crawl = self.crawl_of::<T>(&endpoint, limit);
        let (mut listed, mut nameless) = (BTreeSet::new(), 0);
        while let Some(page) = self.edge.next_page(self.peer, &mut crawl).await? {
            nameless += self.take_listed::<T>(page, &mut listed).await?;
        }
        self.peer.note_deviations(crawl.pager().deviations());
        complete(crawl.end(), T::WHAT)?;
        pulled.nameless += nameless;
        if nameless > 0 {
            return Ok(listed.len());
        }
        let kept = prefix(self.edge.tenant(), &self.record.name, T::KEPT);
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
        Ok(listed.len())
    }

    /// A hub's clients are a configuration module: they are asked for without routing headers.
    fn crawl_of<T: Listed>(&self, endpoint: &url::Url, limit: u32) -> Crawl<'_, Value> {
        let query = PageQuery {
            limit: Some(limit),
            ..PageQuery::default()
        };
        let limits = PageLimits::default();
        if T::module() == ModuleId::HubClientInfo {
            self.client
                .crawl_configuration("get hub clients", endpoint, &query, limits)
        } else {
            self.client.crawl("get a list", endpoint, &query, limits)
        }
    }

    /// Keeps a page of objects; what was pushed meanwhile and is newer stays. Gives how many could
    /// not even be named.
    async fn take_listed<T: Listed>(
        &self,
        page: Vec<Value>,
        listed: &mut BTreeSet<String>,
    ) -> Result<usize, EdgeError> {
        let records = &self.edge.inner.ports.records;
        let key_of = |name: &ObjectName| name.key(self.edge.tenant(), &self.record.name, T::KEPT);
        let mut nameless = 0;
        let mut found = BTreeMap::new();
        for body in page {
            let object = match self.understood::<T>(&body) {
                Ok(object) => object,
                Err(Some(name)) => {
                    listed.insert(key_of(&name));
                    continue;
                }
                Err(None) => {
                    nameless += 1;
                    continue;
                }
            };
            if let Some(name) = object.name()
                && self.speaks_for(&name, T::SECTION)
            {
                found.insert(key_of(&name), (object.last_updated().as_utc(), body));
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
