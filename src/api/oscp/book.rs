//! The capacity providers as they are kept, and what is to be sent to them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::domain::id::SiteKey;
use crate::domain::oscp::OscpLink;
use crate::domain::ports::{PortError, RecordWrite, Records, Vault};
use crate::domain::time::Time;

const PREFIX: &str = "oscp/";
/// Most providers.
pub(super) const MAX_LINKS: usize = 1_000;
/// Most messages that wait for one provider; the oldest give way.
const MAX_WAITING: usize = 100;

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The path after the provider's address.
    pub path: &'static str,
    /// The body.
    pub body: Value,
    /// The id of the request that it answers.
    pub answers: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before.
    pub due_at: Time,
}

/// How talking to a provider goes.
#[derive(Clone, Debug, Default)]
pub struct OscpHealth {
    /// When it last took something.
    pub sent_at: Option<Time>,
    /// Why it did not take the last thing.
    pub last_error: Option<String>,
    /// When our next heartbeat is due.
    pub beat_at: Option<Time>,
    /// What is to be sent, the oldest first.
    pub waiting: Vec<Parcel>,
}

type Key = (SiteKey, String);

/// All providers.
pub struct OscpBook {
    records: Arc<dyn Records>,
    vault: Arc<dyn Vault>,
    all: Mutex<BTreeMap<Key, (OscpLink, OscpHealth)>>,
    changed: Notify,
    /// Held by whoever changes a link, from reading it to storing it.
    pub alone: tokio::sync::Mutex<()>,
}

impl fmt::Debug for OscpBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OscpBook")
    }
}

fn key(link: &OscpLink) -> Key {
    (link.site.clone(), link.name.clone())
}

fn context(link: &OscpLink, what: &str) -> String {
    format!("oscp {} {} {what}", link.site, link.name)
}

impl OscpBook {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>, vault: Arc<dyn Vault>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_LINKS).await?;
        let all = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<OscpLink>(value).ok())
            .map(|link| (key(&link), (link, OscpHealth::default())))
            .collect();
        Ok(Self {
            records,
            vault,
            all: Mutex::new(all),
            changed: Notify::new(),
            alone: tokio::sync::Mutex::new(()),
        })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, (OscpLink, OscpHealth)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, with how they are.
    pub fn all(&self) -> Vec<(OscpLink, OscpHealth)> {
        self.locked().values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, site: &SiteKey, name: &str) -> Option<(OscpLink, OscpHealth)> {
        self.locked().get(&(site.clone(), name.to_owned())).cloned()
    }

    /// The one that is admitted by this hash of a token.
    pub fn admitted(&self, hash: &str) -> Option<OscpLink> {
        let all = self.locked();
        let mut links = all.values().map(|(link, _)| link);
        let found = links.find(|link| link.admits.iter().any(|it| it == hash));
        found.cloned()
    }

    /// Waits until something is to be done.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Seals a text of a link; `what` tells texts apart.
    pub fn seal(&self, link: &OscpLink, what: &str, text: &str) -> Vec<u8> {
        self.vault.seal(&context(link, what), text.as_bytes())
    }

    /// A sealed text of a link.
    pub fn unseal(
        &self,
        link: &OscpLink,
        what: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, PortError> {
        let text = self.vault.unseal(&context(link, what), sealed)?;
        let text = String::from_utf8(text)
            .map_err(|_| PortError::Storage("a provider's token is not text".into()))?;
        Ok(Zeroizing::new(text))
    }

    /// Stores a link; how it is stays.
    pub async fn store(&self, link: OscpLink) -> Result<(), PortError> {
        let value =
            serde_json::to_vec(&link).map_err(|error| PortError::Storage(error.to_string()))?;
        self.write(&link, Some(value)).await?;
        let mut all = self.locked();
        let health = all.remove(&key(&link)).map(|(_, health)| health);
        all.insert(key(&link), (link, health.unwrap_or_default()));
        drop(all);
        self.changed.notify_one();
        Ok(())
    }

    /// Gives one up.
    pub async fn remove(&self, link: &OscpLink) -> Result<(), PortError> {
        self.write(link, None).await?;
        self.locked().remove(&key(link));
        self.changed.notify_one();
        Ok(())
    }

    /// Notes how it goes.
    pub fn note(&self, link: &OscpLink, note: impl FnOnce(&mut OscpHealth)) {
        if let Some((_, health)) = self.locked().get_mut(&key(link)) {
            note(health);
        }
    }

    /// Something is to be sent.
    pub fn send(&self, link: &OscpLink, parcel: Parcel) {
        self.note(link, |health| {
            // Of heartbeats and registrations only the newest is of any use.
            if ["heartbeat", "register"].contains(&parcel.path) {
                health.waiting.retain(|it| it.path != parcel.path);
            }
            if health.waiting.len() >= MAX_WAITING {
                health.waiting.remove(0);
            }
            health.waiting.push(parcel);
        });
        self.changed.notify_one();
    }

    async fn write(&self, link: &OscpLink, value: Option<Vec<u8>>) -> Result<(), PortError> {
        let key = format!("{PREFIX}{}/{}", link.site, link.name);
        self.records.write(vec![RecordWrite { key, value }]).await
    }
}
