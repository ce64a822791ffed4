//! The dispatches as they are kept, and their settling: what meters show is noted slot by slot and
//! durable from then on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::Notify;

use crate::api::chronicle::Chronicle;
use crate::domain::dispatch::{Dispatch, DispatchSlot, Measured, Verdict};
use crate::domain::id::{DispatchId, TenantId};
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;

const PREFIX: &str = "dispatch/";
/// Dispatches kept; the oldest that is closed goes when one more comes.
pub const MAX_DISPATCHES: usize = 10_000;
/// Most dispatches that are open at a time.
pub(super) const MAX_OPEN: usize = 200;
/// Meters that were not read for longer make an estimate: a slot.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// A slot is settled this long after its end though a meter was not read since.
const LATEST: TimeDelta = TimeDelta::minutes(20);
/// How often open dispatches are looked at.
const EVERY: TimeDelta = TimeDelta::seconds(60);

type Key = (TenantId, DispatchId);

/// All dispatches.
pub struct DispatchBook {
    records: Arc<dyn Records>,
    all: Mutex<BTreeMap<Key, Dispatch>>,
    changed: Notify,
}

impl fmt::Debug for DispatchBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DispatchBook")
    }
}

impl DispatchBook {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_DISPATCHES).await?;
        let all = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Dispatch>(value).ok())
            .map(|dispatch| (key(&dispatch), dispatch))
            .collect();
        Ok(Self {
            records,
            all: Mutex::new(all),
            changed: Notify::new(),
        })
    }

    /// One of them.
    pub(super) fn get(&self, tenant: &TenantId, id: &DispatchId) -> Option<Dispatch> {
        self.locked().get(&(tenant.clone(), id.clone())).cloned()
    }

    /// All of a tenant, the newest first.
    pub(super) fn list(&self, tenant: &TenantId) -> Vec<Dispatch> {
        let mut all: Vec<_> = self
            .locked()
            .values()
            .filter(|dispatch| dispatch.site.tenant == *tenant)
            .cloned()
            .collect();
        all.sort_by_key(|dispatch| std::cmp::Reverse(dispatch.received_at));
        all
    }

    /// True if no further one can be followed.
    pub(super) fn is_full(&self) -> bool {
        self.locked().values().filter(|d| d.is_open()).count() >= MAX_OPEN
    }

    /// The record of a dispatch, to be written together with what belongs to it.
    pub(super) fn record(dispatch: &Dispatch) -> Result<RecordWrite, PortError> {
        let value =
            serde_json::to_vec(dispatch).map_err(|error| PortError::Storage(error.to_string()))?;
        Ok(RecordWrite {
            key: record_key(dispatch),
            value: Some(value),
        })
    }

    /// Notes a dispatch whose record was written; gives the records of those that must go for it.
    pub(super) fn note(&self, dispatch: Dispatch) -> Vec<RecordWrite> {
        let mut all = self.locked();
        all.insert(key(&dispatch), dispatch);
        let mut gone = Vec::new();
        while all.len() > MAX_DISPATCHES {
            let oldest = all
                .values()
                .filter(|dispatch| !dispatch.is_open())
                .min_by_key(|dispatch| dispatch.received_at)
                .map(|dispatch| (key(dispatch), record_key(dispatch)));
            let Some((key, record)) = oldest else { break };
            all.remove(&key);
            gone.push(RecordWrite {
                key: record,
                value: None,
            });
        }
        drop(all);
        self.changed.notify_one();
        gone
    }

    /// Writes records that nothing waits for.
    pub(super) async fn write(&self, records: Vec<RecordWrite>) -> Result<(), PortError> {
        if records.is_empty() {
            return Ok(());
        }
        self.records.write(records).await
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Dispatch>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a dispatch was added or changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When to look again; `None` while nothing is open.
    pub fn next_look(&self, now: Time) -> Option<Time> {
        let all = self.locked();
        let open = all.values().filter(|dispatch| dispatch.is_open());
        let due = open.flat_map(|dispatch| {
            let unsettled = dispatch.slots.iter().chain(&dispatch.after);
            unsettled
                .filter(|slot| slot.measured.is_none())
                .map(|s| s.end)
        });
        due.min().map(|end| end.max(now) + EVERY)
    }

    /// Settles what can be settled now; what was settled is durable when it returns.
    pub async fn settle(&self, chronicle: &Chronicle, now: Time) -> Result<usize, PortError> {
        let open: Vec<Dispatch> = {
            let all = self.locked();
            all.values().filter(|d| d.is_open()).cloned().collect()
        };
        let mut changed = Vec::new();
        for mut dispatch in open {
            if settle_one(&mut dispatch, chronicle, now) {
                changed.push(dispatch);
            }
        }
        let records: Result<Vec<_>, _> = changed.iter().map(Self::record).collect();
        self.write(records?).await?;
        let count = changed.len();
        let mut all = self.locked();
        for dispatch in changed {
            // One that was withdrawn meanwhile stays withdrawn.
            let slots = dispatch.slots.iter().filter(|slot| slot.measured.is_some());
            let detail = json!({
                "dispatch": dispatch.id, "slots_measured": slots.count(),
                "slots": dispatch.slots.len(), "closed": dispatch.closed_at.is_some(),
            });
            chronicle.say(&dispatch.site, now, "dispatch_settled", detail);
            if let Some(known) = all.get_mut(&key(&dispatch)) {
                known.slots = dispatch.slots;
                known.after = dispatch.after;
                known.closed_at = dispatch.closed_at;
            }
        }
        Ok(count)
    }
}

fn key(dispatch: &Dispatch) -> Key {
    (dispatch.site.tenant.clone(), dispatch.id.clone())
}

fn record_key(dispatch: &Dispatch) -> String {
    format!("{PREFIX}{}/{}", dispatch.site.tenant, dispatch.id)
}

fn settle_one(dispatch: &mut Dispatch, chronicle: &Chronicle, now: Time) -> bool {
    let mut changed = false;
    let withdrawn_at = dispatch.withdrawn_at;
    chronicle.read(&dispatch.site, |site| {
        for slot in dispatch.slots.iter_mut().chain(&mut dispatch.after) {
            if slot.measured.is_some() || slot.end > now {
                continue;
            }
            let is_read = site.registers.reach(slot.end);
            if is_read || now >= slot.end + LATEST {
                slot.measured = Some(site.registers.between(slot.start, slot.end, PATIENCE));
                changed = true;
            }
        }
    });
    let is_over = withdrawn_at.is_some_and(|at| {
        // What comes after a withdrawal is not its doing.
        dispatch
            .slots
            .iter()
            .all(|slot| slot.measured.is_some() || slot.start >= at)
    });
    if dispatch.is_measured() || (dispatch.verdict == Verdict::Withdrawn && is_over) {
        dispatch.closed_at = Some(now);
        changed = true;
    }
    changed
}

/// Sums over the settled slots.
pub(super) fn measured_total(slots: &[DispatchSlot]) -> Option<Measured> {
    let settled: Vec<Measured> = slots.iter().filter_map(|slot| slot.measured).collect();
    Some(Measured {
        energy: settled.iter().map(|measured| measured.energy).sum(),
        quality: settled.iter().map(|measured| measured.quality).max()?,
    })
}
