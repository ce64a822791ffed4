//! Locations as RECEIVER, down to EVSEs and connectors.

use ocpi_client::read::read_one;
use ocpi_client::types::{Connector, DateTime, Evse, Location, StatusCode};
use serde_json::{Map, Value, json};

use super::super::edge::Edge;
use super::super::object::{Kept, StoredObject};
use super::reply::{Reply, either};
use super::{Method, Request};

/// Most EVSEs of a location and connectors of an EVSE that may be added one by one.
const MAX_CHILDREN: usize = 5000;

impl Edge {
    pub(super) async fn locations(&self, request: &Request<'_>) -> Reply {
        match request.tail {
            [country_code, party_id, id, within @ ..] if within.len() <= 2 => either(
                self.location(request, [country_code, party_id, id], within)
                    .await,
            ),
            _ => Reply::not_found(
                "a location is at {country_code}/{party_id}/{location_id}[/{evse_uid}[/{connector_id}]]",
            ),
        }
    }

    async fn location(
        &self,
        request: &Request<'_>,
        [country_code, party_id, id]: [&str; 3],
        within: &[&str],
    ) -> Result<Reply, Reply> {
        let name = request.name(country_code, party_id, id)?;
        let key = name.key(
            self.tenant(),
            &request.caller.peer.record().name,
            Kept::Locations,
        );
        let records = &self.inner.ports.records;
        let _lock = self.lock(&key).await;
        let stored = records
            .get(&key)
            .await?
            .and_then(|bytes| StoredObject::from_bytes(&bytes));
        if request.method == Method::Get {
            return stored
                .and_then(|stored| find(&stored.body, within).cloned())
                .map(Reply::data)
                .ok_or_else(|| unknown_location(id));
        }
        if !matches!(request.method, Method::Put | Method::Patch) {
            return Err(Reply::method_not_allowed());
        }
        let body = request.json()?;
        if !body.is_object() {
            return Err(Reply::invalid("the body must be an object"));
        }
        let now = self.now();
        let told = body
            .get("last_updated")
            .and_then(|value| read_one::<DateTime>(value).ok());
        let told = told.map(|read| read.value.as_utc());
        if request.method == Method::Patch && told.is_none() {
            return Err(Reply::invalid("a PATCH needs last_updated"));
        }
        let is_new = stored.is_none();
        let (object, is_created) = match within {
            [] if request.method == Method::Put => {
                if !name.agrees_with(&body, "id") {
                    return Err(Reply::invalid(
                        "the location's id or owner differs from the URL's",
                    ));
                }
                let location: Location = request.read(&body)?;
                let updated_at = location.last_updated.as_utc().min(now);
                if stored.is_some_and(|stored| updated_at < stored.updated_at) {
                    return Ok(Reply::done());
                }
                (
                    StoredObject {
                        body,
                        updated_at,
                        received_at: now,
                        session: None,
                    },
                    is_new,
                )
            }
            _ => {
                let mut object = stored.ok_or_else(|| unknown_location(id))?;
                let updated_at = told.unwrap_or(now).min(now);
                if within.is_empty() && updated_at < object.updated_at {
                    return Ok(Reply::done());
                }
                let is_created = change(request, &mut object.body, within, body)?;
                object.updated_at = object.updated_at.max(updated_at);
                object.received_at = now;
                bump(&mut object.body, told);
                (object, is_created)
            }
        };
        records.write(vec![object.write(key)]).await?;
        Ok(if is_created {
            Reply::created()
        } else {
            Reply::done()
        })
    }
}

/// Works a change into a location; true if something was added.
fn change(
    request: &Request<'_>,
    location: &mut Value,
    within: &[&str],
    body: Value,
) -> Result<bool, Reply> {
    if request.method == Method::Put {
        match within {
            [_] => drop(request.read::<Evse>(&body)?),
            _ => drop(request.read::<Connector>(&body)?),
        }
        let own = within.last().copied().unwrap_or_default();
        let id_field = if within.len() == 1 { "uid" } else { "id" };
        let told = body
            .get(id_field)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !told.eq_ignore_ascii_case(own) {
            return Err(Reply::invalid(format!("{id_field} differs from the URL's")));
        }
        let (parents, list, id_field) = match within {
            [uid, _] => (&[*uid][..], "connectors", id_field),
            _ => (&[][..], "evses", id_field),
        };
        let parent = find_mut(location, parents).ok_or_else(unknown_part)?;
        return put_child(parent, list, id_field, own, body);
    }
    let target = find_mut(location, within).ok_or_else(unknown_part)?;
    merge(target, body);
    Ok(false)
}

fn put_child(
    parent: &mut Value,
    list: &str,
    id_field: &str,
    id: &str,
    child: Value,
) -> Result<bool, Reply> {
    let parent = parent.as_object_mut().ok_or_else(unknown_part)?;
    let children = parent.entry(list).or_insert_with(|| json!([]));
    if !children.is_array() {
        *children = json!([]);
    }
    let children = children.as_array_mut().ok_or_else(unknown_part)?;
    if let Some(old) = children.iter_mut().find(|old| has_id(old, id_field, id)) {
        *old = child;
        return Ok(false);
    }
    if children.len() >= MAX_CHILDREN {
        return Err(Reply::invalid(format!("more than {MAX_CHILDREN} {list}")));
    }
    children.push(child);
    Ok(true)
}

/// The location itself, an EVSE of it or a connector of that.
fn find<'v>(location: &'v Value, within: &[&str]) -> Option<&'v Value> {
    let steps = [("evses", "uid"), ("connectors", "id")];
    within
        .iter()
        .zip(steps)
        .try_fold(location, |parent, (id, (list, id_field))| {
            parent
                .get(list)?
                .as_array()?
                .iter()
                .find(|child| has_id(child, id_field, id))
        })
}

fn find_mut<'v>(location: &'v mut Value, within: &[&str]) -> Option<&'v mut Value> {
    let steps = [("evses", "uid"), ("connectors", "id")];
    within
        .iter()
        .zip(steps)
        .try_fold(location, |parent, (id, (list, id_field))| {
            parent
                .get_mut(list)?
                .as_array_mut()?
                .iter_mut()
                .find(|child| has_id(child, id_field, id))
        })
}

fn has_id(value: &Value, field: &str, id: &str) -> bool {
    value
        .get(field)
        .and_then(Value::as_str)
        .is_some_and(|own| own.eq_ignore_ascii_case(id))
}

/// Replaces the fields that the patch has.
pub(super) fn merge(target: &mut Value, patch: Value) {
    if let (Some(target), Value::Object(patch)) = (target.as_object_mut(), patch) {
        for (field, value) in patch {
            let is_name = ["country_code", "party_id", "id", "uid"].contains(&field.as_str());
            if !is_name {
                target.insert(field, value);
            }
        }
    }
}

/// A change of a part is a change of the whole.
fn bump(location: &mut Value, told: Option<crate::domain::time::Time>) {
    let Some(told) = told else { return };
    let known = location
        .get("last_updated")
        .and_then(|value| read_one::<DateTime>(value).ok());
    if known.is_none_or(|known| known.value.as_utc() < told)
        && let Some(fields) = location.as_object_mut()
    {
        let fields: &mut Map<String, Value> = fields;
        fields.insert(
            "last_updated".into(),
            DateTime::from(told).to_string().into(),
        );
    }
}

fn unknown_location(id: &str) -> Reply {
    Reply::refused(
        404,
        StatusCode::UNKNOWN_LOCATION,
        format!("location {id} is not known"),
    )
}

fn unknown_part() -> Reply {
    Reply::refused(
        404,
        StatusCode::UNKNOWN_LOCATION,
        "this EVSE or connector is not known",
    )
}
