//! A partner whose EVSEs are in use stays.

use std::sync::Arc;

use super::{Rig, site};
use crate::api::ports::Partners as _;
use crate::domain::id::{PartnerKey, TenantId};
use crate::domain::ports::{PortError, Ports};
use crate::ocpi::{Edge, Settings};
use crate::service::clock::SystemClock;
use crate::service::directory::PartnerDesk;
use crate::service::vault::{KeyVault, VaultKey};
use crate::state::testing::partner;
use crate::store::memory::MemoryStore;
use crate::store::records::StoreRecords;

#[tokio::test]
async fn a_partner_is_not_removed_while_a_site_names_it() {
    let rig = Rig::on(Arc::new(MemoryStore::new()));
    let tenant = TenantId::default_tenant();
    let ports = Ports {
        clock: Arc::new(SystemClock),
        records: Arc::new(StoreRecords::new(rig.store.clone())),
        sites: Arc::new(rig.registry.clone()),
        vault: Arc::new(KeyVault::new(&VaultKey::from_bytes([7; 32]))),
    };
    let settings = Settings::new("https://evenload.example");
    let edge = Edge::open(ports, settings, tenant.clone()).await;
    let edge = edge.expect("opened");
    edge.invite(&partner()).await.expect("invited");
    let desk = PartnerDesk::new(edge, rig.registry.clone(), rig.activity.clone());
    let key = PartnerKey {
        tenant,
        partner: partner(),
    };

    rig.registry.configure(site()).await.expect("configured");
    let refused = desk.remove(&key).await;
    let Err(PortError::Refused(why)) = refused else {
        unreachable!("{refused:?}");
    };
    assert!(why.contains("depot"), "{why}");
    desk.show(&key).await.expect("still there");

    rig.registry.remove(&site().key()).await.expect("given up");
    desk.remove(&key).await.expect("removed");
    let gone = desk.remove(&key).await;
    assert!(matches!(gone, Err(PortError::Unknown(_))), "{gone:?}");
}
