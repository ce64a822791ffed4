//! `/groups`: sites that share a limit. A quota per site keeps it (see `service::group_watch`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::ApiState;
use super::audit::remark;
use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::problem::{Faults, Problem};
use super::site_body::kilowatts;
use super::sites::{Answer, no_query};
use crate::dispatch::quota::Member;
use crate::domain::event::EventKind;
use crate::domain::group::{Group, MAX_MEMBERS};
use crate::domain::id::{GroupId, SiteId, SiteKey, TenantId};
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::limits::UNLIMITED;

const PREFIX: &str = "group/";
/// Most groups.
const MAX_GROUPS: usize = 1_000;

/// The groups as they are kept.
pub struct GroupBook {
    records: Arc<dyn Records>,
    all: Mutex<BTreeMap<(TenantId, GroupId), Group>>,
    changed: Notify,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for GroupBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupBook")
    }
}

impl GroupBook {
    /// What was kept.
    pub async fn open(records: Arc<dyn Records>) -> Result<Self, PortError> {
        let kept = records.scan(PREFIX, MAX_GROUPS).await?;
        let all = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice::<Group>(value).ok())
            .map(|group| ((group.tenant.clone(), group.id.clone()), group))
            .collect();
        Ok(Self {
            records,
            all: Mutex::new(all),
            changed: Notify::new(),
            changing: tokio::sync::Mutex::new(()),
        })
    }

    /// All groups.
    pub fn all(&self) -> Vec<Group> {
        self.locked().values().cloned().collect()
    }

    /// Waits until a group was added, changed or removed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn get(&self, tenant: &TenantId, id: &GroupId) -> Option<Group> {
        self.locked().get(&(tenant.clone(), id.clone())).cloned()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<(TenantId, GroupId), Group>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, group: Group) -> Result<(), PortError> {
        let value =
            serde_json::to_vec(&group).map_err(|error| PortError::Storage(error.to_string()))?;
        self.write(&group, Some(value)).await?;
        let key = (group.tenant.clone(), group.id.clone());
        self.locked().insert(key, group);
        self.changed.notify_one();
        Ok(())
    }

    async fn remove(&self, group: &Group) -> Result<(), PortError> {
        self.write(group, None).await?;
        self.locked()
            .remove(&(group.tenant.clone(), group.id.clone()));
        self.changed.notify_one();
        Ok(())
    }

    async fn write(&self, group: &Group, value: Option<Vec<u8>>) -> Result<(), PortError> {
        let key = format!("{PREFIX}{}/{}", group.tenant, group.id);
        self.records.write(vec![RecordWrite { key, value }]).await
    }
}

/// A site as its group sees it.
pub fn member(state: &SiteState, group: &Group, now: Time) -> Option<Member> {
    let root = state.site.root()?;
    let quota = group
        .quota_key()
        .and_then(|key| state.signals.get(&key))
        .and_then(|series| series.slots.last())
        .map(|slot| Power::from_watts(slot.value));
    let own = root.import_limit.unwrap_or(UNLIMITED);
    let uncontrolled = state.uncontrolled(root, now).highest_from(now);
    let running: Power = state
        .site
        .evses
        .iter()
        .filter(|evse| {
            state
                .evses
                .get(&evse.id)
                .is_some_and(|known| !known.is_free())
        })
        .map(crate::domain::evse::Evse::hardware_max)
        .sum();
    Some(Member {
        quota,
        own,
        bound: state.circuit_bound(root, now).total().highest_from(now),
        wanted: uncontrolled + running + state.reserve(root),
        uncontrolled,
    })
}

fn view(api: &ApiState, group: &Group, now: Time) -> Value {
    let known: Vec<(SiteKey, Option<Member>, Power)> = group
        .members()
        .map(|key| {
            let state = api.directory.snapshot(&key);
            let member = state.as_deref().and_then(|state| member(state, group, now));
            let measured = state.as_deref().map_or(Power::ZERO, measured);
            (key, member, measured)
        })
        .collect();
    let sum = |of: fn(&Member) -> Power| -> Power {
        known
            .iter()
            .filter_map(|(_, member, _)| member.as_ref().map(of))
            .sum()
    };
    let quotas = sum(|member| member.quota.unwrap_or(member.own));
    let bound = sum(|member| member.bound);
    let held = sum(|member| member.quota.unwrap_or(member.own).max(member.bound));
    let sites: Vec<Value> = known
        .iter()
        .map(|(key, member, measured)| {
            let kw = |of: fn(&Member) -> Power| {
                member
                    .as_ref()
                    .map(of)
                    .filter(|power| *power < UNLIMITED)
                    .map(Power::kilowatts)
            };
            json!({
                "site": key.site,
                "quota_kw": member.and_then(|member| member.quota).map(Power::kilowatts),
                "own_limit_kw": kw(|member| member.own),
                "bound_kw": kw(|member| member.bound),
                "wanted_kw": kw(|member| member.wanted),
                "measured_kw": measured.kilowatts(),
            })
        })
        .collect();
    json!({
        "id": group.id,
        "sites": group.sites,
        "import_limit_kw": group.import_limit.kilowatts(),
        "at": now,
        "quotas_kw": (quotas < UNLIMITED).then(|| quotas.kilowatts()),
        "bound_kw": bound.kilowatts(),
        "headroom_kw": (held < UNLIMITED).then(|| (group.import_limit - held).kilowatts()),
        // Every site has its quota and has come down to it.
        "settled": held <= group.import_limit,
        "members": sites,
    })
}

/// What the meters show of a site.
fn measured(state: &SiteState) -> Power {
    let evses: Power = state
        .evses
        .values()
        .filter(|evse| !evse.is_free())
        .filter_map(|evse| evse.reading)
        .map(|reading| reading.power)
        .sum();
    evses + state.meter.map_or(Power::ZERO, |meter| meter.uncontrolled)
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let now = api.clock.now();
    let groups: Vec<Value> = api
        .groups
        .all()
        .iter()
        .filter(|group| group.tenant == *access.tenant() && reaches(&access, group))
        .map(|group| view(&api, group, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "groups": groups })))
}

/// True if the caller reaches every site of the group.
fn reaches(access: &Access, group: &Group) -> bool {
    group.sites.iter().all(|site| access.reaches(site))
}

fn known(api: &ApiState, access: &Access, id: &str) -> Result<Group, Problem> {
    GroupId::new(id)
        .ok()
        .and_then(|id| api.groups.get(access.tenant(), &id))
        .filter(|group| reaches(access, group))
        .ok_or_else(|| Problem::unknown(format!("group {id}")))
}

pub(super) async fn get(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let group = known(&api, &access, &path)?;
    Ok(HttpResponse::Ok().json(view(&api, &group, api.clock.now())))
}

pub(super) async fn put(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let id = GroupId::new(path.as_str())
        .map_err(|error| Problem::fault("", format!("the group's name in the path {error}")))?;
    let body = read_json(&request, payload).await?;
    let _alone = api.groups.changing.lock().await;
    let group = read(&api, &access, id, &body)?;
    let before = api.groups.get(access.tenant(), &group.id);
    if before.is_none() && api.groups.all().len() >= MAX_GROUPS {
        return Err(Problem::conflict(format!(
            "there are {MAX_GROUPS} groups; DELETE some first"
        )));
    }
    let limit = group.import_limit;
    remark(
        &request,
        format!("{} sites under {limit}", group.sites.len()),
    );
    api.groups.put(group.clone()).await?;
    let view = view(&api, &group, api.clock.now());
    Ok(match before {
        Some(_) => HttpResponse::Ok().json(view),
        None => HttpResponse::Created().json(view),
    })
}

fn read(api: &ApiState, access: &Access, id: GroupId, body: &Value) -> Result<Group, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let sites = object.need("sites").and_then(|node| {
            let nodes = node.list(MAX_MEMBERS)?;
            if nodes.is_empty() {
                node.fault("is empty; 1 or more sites are needed");
            }
            let mut sites: Vec<SiteId> = Vec::new();
            for node in &nodes {
                let Some(site) = node.id::<SiteId>() else {
                    continue;
                };
                if access.snapshot(api, site.as_str()).is_err() {
                    node.fault(format!("{site} is not a site"));
                } else if sites.contains(&site) {
                    node.fault(format!("{site} is there twice"));
                } else if let Some(other) = other_group(api, access, &id, &site) {
                    node.fault(format!("{site} is in group {other} already"));
                } else {
                    sites.push(site);
                }
            }
            Some(sites)
        });
        let import_limit = object
            .need("import_limit_kw")
            .and_then(|node| kilowatts(&node));
        object.close();
        Some(Group {
            tenant: access.tenant().clone(),
            id,
            sites: sites?,
            import_limit: import_limit?,
        })
    });
    let group = faults.give(read)?;
    if group.quota_key().is_none() {
        return Err(Problem::fault(
            "",
            "the group's name in the path is too long",
        ));
    }
    Ok(group)
}

fn other_group(api: &ApiState, access: &Access, id: &GroupId, site: &SiteId) -> Option<GroupId> {
    let all = api.groups.all();
    let mut others = all
        .into_iter()
        .filter(|group| group.tenant == *access.tenant() && group.id != *id);
    others
        .find(|group| group.sites.contains(site))
        .map(|group| group.id)
}

pub(super) async fn delete(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let _alone = api.groups.changing.lock().await;
    let group = known(&api, &access, &path)?;
    api.groups.remove(&group).await?;
    // The watch withdraws what is left; this only makes it sooner.
    if let Some(key) = group.quota_key() {
        for site in group.members() {
            let known = api.directory.snapshot(&site);
            if known.is_some_and(|state| state.signals.contains_key(&key)) {
                let gone = EventKind::SignalWithdrawn { key: key.clone() };
                api.sites.submit(&site, vec![gone], Vec::new()).await?;
            }
        }
    }
    Ok(HttpResponse::NoContent().finish())
}
