//! The webhooks as they are kept; secrets are sealed on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::api::ports::SecretText;
use crate::domain::id::{SiteId, TenantId};
use crate::domain::ports::{PortError, RecordWrite, Records, Vault};
use crate::domain::time::Time;

const PREFIX: &str = "webhook/";
/// Most webhooks.
pub(super) const MAX_WEBHOOKS: usize = 100;

/// One webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// Our id of it.
    pub id: String,
    /// Its owner.
    pub tenant: TenantId,
    /// Where it is called.
    pub url: String,
    /// The kinds of notes it is told of; `None` = all.
    pub events: Option<BTreeSet<String>>,
    /// The sites it is told of; `None` = all of the tenant.
    pub sites: Option<BTreeSet<SiteId>>,
    /// When it was made.
    pub created_at: Time,
    /// Who made it.
    pub created_by: String,
    /// The secret its calls are signed with, sealed.
    sealed: Vec<u8>,
}

/// How deliveries to a webhook go.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delivery {
    /// Calls that were answered with success.
    pub delivered: u64,
    /// Notes that were given up after the last attempt.
    pub dropped: u64,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// When it last succeeded.
    pub last_ok_at: Option<Time>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// All webhooks.
pub struct WebhookBook {
    records: Arc<dyn Records>,
    vault: Arc<dyn Vault>,
    all: Mutex<BTreeMap<String, (Webhook, Delivery)>>,
    changed: Notify,
}

impl fmt::Debug for WebhookBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookBook")
    }
}

fn context(id: &str) -> String {
    format!("webhook {id}")
}

impl WebhookBook {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>, vault: Arc<dyn Vault>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_WEBHOOKS).await?;
        let all = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Webhook>(value).ok())
            .map(|hook| (hook.id.clone(), (hook, Delivery::default())))
            .collect();
        Ok(Self {
            records,
            vault,
            all: Mutex::new(all),
            changed: Notify::new(),
        })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Webhook, Delivery)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, with how deliveries go.
    pub fn all(&self) -> Vec<(Webhook, Delivery)> {
        self.locked().values().cloned().collect()
    }

    /// Waits until one was added or removed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The secret of one.
    pub fn secret(&self, hook: &Webhook) -> Result<Zeroizing<Vec<u8>>, PortError> {
        self.vault
            .unseal(&context(&hook.id), &hook.sealed)
            .map(Zeroizing::new)
    }

    /// Notes how an attempt went.
    pub fn note(&self, id: &str, note: impl FnOnce(&mut Delivery)) {
        if let Some((_, delivery)) = self.locked().get_mut(id) {
            note(delivery);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.locked().len() >= MAX_WEBHOOKS
    }

    pub(super) fn seal(&self, id: &str, secret: &SecretText) -> Vec<u8> {
        self.vault.seal(&context(id), secret.reveal().as_bytes())
    }

    pub(super) fn make(parts: NewWebhook, sealed: Vec<u8>) -> Webhook {
        let NewWebhook {
            id,
            tenant,
            url,
            events,
            sites,
            created_at,
            created_by,
        } = parts;
        Webhook {
            id,
            tenant,
            url,
            events,
            sites,
            created_at,
            created_by,
            sealed,
        }
    }

    pub(super) async fn put(&self, hook: Webhook) -> Result<(), PortError> {
        let value =
            serde_json::to_vec(&hook).map_err(|error| PortError::Storage(error.to_string()))?;
        let key = format!("{PREFIX}{}", hook.id);
        let write = RecordWrite {
            key,
            value: Some(value),
        };
        self.records.write(vec![write]).await?;
        self.locked()
            .insert(hook.id.clone(), (hook, Delivery::default()));
        self.changed.notify_one();
        Ok(())
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), PortError> {
        let key = format!("{PREFIX}{id}");
        self.records
            .write(vec![RecordWrite { key, value: None }])
            .await?;
        self.locked().remove(id);
        self.changed.notify_one();
        Ok(())
    }
}

/// A webhook before its secret is sealed.
#[derive(Clone, Debug)]
pub(super) struct NewWebhook {
    pub(super) id: String,
    pub(super) tenant: TenantId,
    pub(super) url: String,
    pub(super) events: Option<BTreeSet<String>>,
    pub(super) sites: Option<BTreeSet<SiteId>>,
    pub(super) created_at: Time,
    pub(super) created_by: String,
}
