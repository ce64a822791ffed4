//! Keeps the limits of groups: a quota per site, told to the site as a limit signal; lowered
//! everywhere before raised anywhere (`dispatch::quota`).

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::watch;
use tracing::{info, warn};

use super::sites::Registry;
use crate::api::groups::{GroupBook, member};
use crate::dispatch::quota::{Member, lowerings, raises};
use crate::domain::event::EventKind;
use crate::domain::group::{Group, QUOTA_PREFIX};
use crate::domain::id::{SignalKey, SiteKey};
use crate::domain::ports::{Clock, PortError, Sites as _};
use crate::domain::quantity::Power;
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::time::Time;

/// Between two looks at the groups.
const EVERY: TimeDelta = TimeDelta::seconds(5);
/// A quota holds until it is changed: ten years.
const FOR_EVER: TimeDelta = TimeDelta::days(3650);

/// Watches the groups.
pub(super) struct GroupWatch {
    pub(super) registry: Registry,
    pub(super) book: Arc<GroupBook>,
    pub(super) clock: Arc<dyn Clock>,
}

impl GroupWatch {
    /// Runs until the service stops. Without groups nothing wakes up for nothing.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let groups = self.book.all();
            self.withdraw_orphans(&groups).await;
            for group in &groups {
                if let Err(error) = self.keep(group).await {
                    warn!(group.id = %group.id, %error, "a quota could not be set; the sites keep theirs");
                }
            }
            let next = self.clock.now() + EVERY;
            tokio::select! {
                _ = stop.changed() => return,
                () = self.book.changed() => {}
                () = self.clock.sleep_until(next), if !groups.is_empty() => {}
            }
        }
    }

    /// Lowers what must be lowered; once that is in force, raises what may be raised.
    async fn keep(&self, group: &Group) -> Result<(), PortError> {
        let lower = self.members(group);
        for (index, quota) in lowerings(group.import_limit, &values(&lower)) {
            self.set(group, &lower[index].0, quota).await?;
        }
        // Read again: a site may have raised within its old quota meanwhile.
        let raise = self.members(group);
        for (index, quota) in raises(group.import_limit, &values(&raise)) {
            self.set(group, &raise[index].0, quota).await?;
        }
        Ok(())
    }

    fn members(&self, group: &Group) -> Vec<(SiteKey, Member)> {
        let now = self.clock.now();
        group
            .members()
            .filter_map(|site| {
                let state = self.registry.snapshot(&site)?;
                Some((site, member(&state, group, now)?))
            })
            .collect()
    }

    async fn set(&self, group: &Group, site: &SiteKey, quota: Power) -> Result<(), PortError> {
        let Some(key) = group.quota_key() else {
            return Ok(());
        };
        let now = self.clock.now();
        let known = self.registry.snapshot(site);
        let revision = known
            .and_then(|state| state.signals.get(&key).map(|series| series.revision))
            .unwrap_or(0);
        let series = Box::new(quota_signal(group, key, quota, revision + 1, now));
        self.registry
            .submit(site, vec![EventKind::SignalSet { series }], Vec::new())
            .await?;
        info!(group.id = %group.id, site.id = %site, quota_kw = quota.kilowatts(), "a quota was set");
        Ok(())
    }

    /// A quota of a group that the site is not in any more holds for nobody.
    async fn withdraw_orphans(&self, groups: &[Group]) {
        for site in self.registry.keys() {
            let Some(state) = self.registry.snapshot(&site) else {
                continue;
            };
            for key in state.signals.keys() {
                let is_quota = key.as_str().starts_with(QUOTA_PREFIX);
                let is_held = groups.iter().any(|group| {
                    group.quota_key().as_ref() == Some(key) && group.members().any(|m| m == site)
                });
                if !is_quota || is_held {
                    continue;
                }
                let gone = EventKind::SignalWithdrawn { key: key.clone() };
                if let Err(error) = self.registry.submit(&site, vec![gone], Vec::new()).await {
                    warn!(site.id = %site, %error, "a quota of a group that is gone was not withdrawn");
                }
            }
        }
    }
}

fn values(members: &[(SiteKey, Member)]) -> Vec<Member> {
    members.iter().map(|(_, member)| *member).collect()
}

fn quota_signal(
    group: &Group,
    key: SignalKey,
    quota: Power,
    revision: u64,
    now: Time,
) -> SignalSeries {
    SignalSeries {
        key,
        source: format!("group {}", group.id),
        revision,
        kind: SignalKind::ImportLimit,
        circuit: None,
        slots: vec![SignalSlot {
            start: now - TimeDelta::seconds(1),
            end: now + FOR_EVER,
            value: quota.watts(),
        }],
        priority: 0,
        hard: true,
        issued_at: now,
        received_at: now,
        valid_until: None,
        evse: None,
        evses_only: false,
    }
}
