//! The feeds as they are kept, and how they are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde::Serialize;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::api::ports::SecretText;
use crate::domain::feed::{Feed, FeedFormat, SECRET};
use crate::domain::id::SiteKey;
use crate::domain::ports::{PortError, RecordWrite, Records, Vault};
use crate::domain::time::Time;

const PREFIX: &str = "feed/";
const MAX_KEPT: usize = 1_000;

/// How much a source can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It was not asked yet.
    New,
    /// It said something not long ago.
    Fresh,
    /// It said something again after a time in which it did not.
    Recovered,
    /// It says nothing, but what it announced goes on.
    Stale,
    /// It says nothing and what it announced is over: something else stands in.
    Failed,
}

/// How a feed is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedHealth {
    /// When it last gave something.
    pub last_ok_at: Option<Time>,
    /// When it was last asked.
    pub last_try_at: Option<Time>,
    /// Attempts in a row that gave nothing.
    pub failures: u32,
    /// Why the last attempt gave nothing.
    pub last_error: Option<String>,
    /// Until when it is known what it says.
    pub known_until: Option<Time>,
    /// When it came back after having been stale or failed.
    pub recovered_at: Option<Time>,
    /// What was odd about its last document.
    pub notes: Vec<String>,
}

impl FeedHealth {
    /// How much it can be counted on.
    pub fn state(&self, feed: &Feed, now: Time) -> SourceState {
        let Some(ok_at) = self.last_ok_at else {
            return if self.failures == 0 {
                SourceState::New
            } else {
                SourceState::Failed
            };
        };
        let patience = TimeDelta::seconds(i64::from(feed.stale_after_s));
        let is_late = now - ok_at > patience;
        // A VTN that wants nothing says nothing; a feed that says nothing has failed.
        let may_be_silent = matches!(feed.format, FeedFormat::OpenAdr(_)) && !is_late;
        if self.known_until.is_none_or(|until| until <= now) && !may_be_silent {
            SourceState::Failed
        } else if is_late {
            SourceState::Stale
        } else if self.recovered_at.is_some_and(|at| now - at <= patience) {
            SourceState::Recovered
        } else {
            SourceState::Fresh
        }
    }
}

/// All feeds.
pub struct FeedBook {
    records: Arc<dyn Records>,
    vault: Arc<dyn Vault>,
    all: Mutex<BTreeMap<(SiteKey, String), (Feed, FeedHealth)>>,
    changed: Notify,
}

impl fmt::Debug for FeedBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedBook")
    }
}

fn context(feed: &Feed) -> String {
    format!("feed {} {}", feed.site, feed.name)
}

impl Feed {
    /// True if it cannot be asked for without its secret.
    pub fn needs_secret(&self) -> bool {
        let in_url = self.url.as_ref().is_some_and(|url| url.contains(SECRET));
        let is_vtn = matches!(self.format, FeedFormat::OpenAdr(_));
        is_vtn || in_url || self.headers.iter().any(|(_, value)| value.contains(SECRET))
    }
}

impl FeedBook {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>, vault: Arc<dyn Vault>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_KEPT).await?;
        let all = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Feed>(value).ok())
            .map(|feed| {
                (
                    (feed.site.clone(), feed.name.clone()),
                    (feed, FeedHealth::default()),
                )
            })
            .collect();
        Ok(Self {
            records,
            vault,
            all: Mutex::new(all),
            changed: Notify::new(),
        })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<(SiteKey, String), (Feed, FeedHealth)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, with how they are.
    pub fn all(&self) -> Vec<(Feed, FeedHealth)> {
        self.locked().values().cloned().collect()
    }

    /// Waits until one was added, changed or removed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The secret of a feed; `None` if it has none.
    pub fn secret(&self, feed: &Feed) -> Result<Option<Zeroizing<String>>, PortError> {
        let Some(sealed) = &feed.sealed else {
            return Ok(None);
        };
        let secret = self.vault.unseal(&context(feed), sealed)?;
        let text = String::from_utf8(secret)
            .map_err(|_| PortError::Storage("a feed's secret is not text".into()))?;
        Ok(Some(Zeroizing::new(text)))
    }

    /// Notes how an attempt went.
    pub fn note(&self, feed: &Feed, note: impl FnOnce(&mut FeedHealth)) {
        let key = (feed.site.clone(), feed.name.clone());
        if let Some((_, health)) = self.locked().get_mut(&key) {
            note(health);
        }
    }

    pub(super) fn get(&self, site: &SiteKey, name: &str) -> Option<(Feed, FeedHealth)> {
        self.locked().get(&(site.clone(), name.to_owned())).cloned()
    }

    pub(super) fn seal(&self, feed: &Feed, secret: &SecretText) -> Vec<u8> {
        self.vault.seal(&context(feed), secret.reveal().as_bytes())
    }

    pub(super) async fn put(&self, feed: Feed) -> Result<(), PortError> {
        let value =
            serde_json::to_vec(&feed).map_err(|error| PortError::Storage(error.to_string()))?;
        self.write(&feed, Some(value)).await?;
        let key = (feed.site.clone(), feed.name.clone());
        self.locked().insert(key, (feed, FeedHealth::default()));
        self.changed.notify_one();
        Ok(())
    }

    pub(super) async fn remove(&self, feed: &Feed) -> Result<(), PortError> {
        self.write(feed, None).await?;
        self.locked()
            .remove(&(feed.site.clone(), feed.name.clone()));
        self.changed.notify_one();
        Ok(())
    }

    async fn write(&self, feed: &Feed, value: Option<Vec<u8>>) -> Result<(), PortError> {
        let key = format!("{PREFIX}{}/{}", feed.site, feed.name);
        self.records.write(vec![RecordWrite { key, value }]).await
    }
}
