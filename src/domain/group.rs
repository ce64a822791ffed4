//! Sites that share a limit: a feeder, a portfolio.

use serde::{Deserialize, Serialize};

use super::id::{GroupId, SignalKey, SiteId, SiteKey, TenantId};
use super::quantity::Power;

/// Most sites of one group.
pub const MAX_MEMBERS: usize = 500;

/// What begins the key of the signal that is a site's quota.
pub const QUOTA_PREFIX: &str = "group:";

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its owner.
    pub tenant: TenantId,
    /// Its name.
    pub id: GroupId,
    /// Its sites, each in one group only.
    pub sites: Vec<SiteId>,
    /// Highest import of all of them together.
    pub import_limit: Power,
}

impl Group {
    /// The key of the signal that is a site's quota; `None` if the name is too long.
    pub fn quota_key(&self) -> Option<SignalKey> {
        SignalKey::new(format!("{QUOTA_PREFIX}{}", self.id)).ok()
    }

    /// Its sites with their tenant.
    pub fn members(&self) -> impl Iterator<Item = SiteKey> + '_ {
        self.sites.iter().map(|site| SiteKey {
            tenant: self.tenant.clone(),
            site: site.clone(),
        })
    }
}
