//! Sessions as RECEIVER, and charging preferences as SENDER.

use ocpi_client::read::read_one;
use ocpi_client::types::{
    ChargingPreferences, ChargingPreferencesResponse, DateTime, ProfileType, Session, StatusCode,
};
use serde_json::{Value, json};

use super::super::edge::Edge;
use super::super::intake::Incoming;
use super::super::object::StoredObject;
use super::super::translate::session::needs;
use super::locations::merge;
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::event::EventKind;
use crate::domain::id::{EvseId, SessionId, SiteId, SiteKey};

/// Most charging periods kept of a session; the oldest make room.
const MAX_PERIODS: usize = 2000;

impl Edge {
    pub(super) async fn sessions(&self, request: &Request<'_>) -> Reply {
        match request.tail {
            // As SENDER we own no sessions.
            [] if request.method == Method::Get => {
                let mut reply = Reply::data(json!([]));
                reply.headers.push(("X-Total-Count", "0".into()));
                reply.headers.push(("X-Limit", "100".into()));
                reply
            }
            [id, "charging_preferences"] if request.method == Method::Put => {
                either(self.preferences(request, id).await)
            }
            [country_code, party_id, id] => {
                either(self.session(request, country_code, party_id, id).await)
            }
            [] | [_, "charging_preferences"] => Reply::method_not_allowed(),
            _ => Reply::not_found("a session is at {country_code}/{party_id}/{session_id}"),
        }
    }

    async fn session(
        &self,
        request: &Request<'_>,
        country_code: &str,
        party_id: &str,
        id: &str,
    ) -> Result<Reply, Reply> {
        let name = request.name(country_code, party_id, id)?;
        let partner = request.caller.peer.record().name.clone();
        let key = self.session_key(&partner, &name);
        let _lock = self.lock(&key).await;
        let stored = self.stored_session(&key).await?;
        let unknown = || {
            let message = format!("session {id} is not known");
            Reply::refused(404, StatusCode::UNKNOWN_LOCATION, message)
        };
        let is_patch = match request.method {
            Method::Get => return stored.map(|s| Reply::data(s.body)).ok_or_else(unknown),
            Method::Put => false,
            Method::Patch => true,
            Method::Post | Method::Delete => return Err(Reply::method_not_allowed()),
        };
        let sent = request.json()?;
        if !sent.is_object() {
            return Err(Reply::invalid("the body must be an object"));
        }
        if !name.agrees_with(&sent, "id") {
            return Err(Reply::invalid(
                "the session's id or owner differs from the URL's",
            ));
        }
        let told = sent
            .get("last_updated")
            .and_then(|value| read_one::<DateTime>(value).ok());
        let Some(told) = told else {
            return Err(Reply::invalid("last_updated is missing or no time"));
        };
        let updated_at = told.value.as_utc().min(self.now());
        if let Some(stored) = &stored
            && updated_at < stored.updated_at
        {
            tracing::debug!(partner.id = %partner, session.id = id, "an older version was passed over");
            return Ok(Reply::done());
        }
        let is_measured = !is_patch || sent.get("charging_periods").is_some_and(has_entries);
        let body = match (is_patch, &stored) {
            (false, _) => sent,
            (true, Some(stored)) => patched(&stored.body, sent),
            (true, None) => {
                self.want_changes(&partner);
                return Err(unknown());
            }
        };
        let wire: Session = request.read(&body)?;
        request.caller.peer.note_session(&name, &wire);
        request.caller.peer.live().health.last_push_at = Some(self.now());
        let incoming = Incoming {
            partner: &partner,
            name: &name,
            body,
            wire: &wire,
            is_measured,
            with_history: false,
        };
        let taken = self.take(incoming, stored.as_ref());
        self.submit(vec![taken]).await?;
        Ok(if stored.is_some() {
            Reply::done()
        } else {
            Reply::created()
        })
    }

    /// What a driver wants, from whoever passes it on.
    async fn preferences(&self, request: &Request<'_>, id: &str) -> Result<Reply, Reply> {
        let body = request.json()?;
        let preferences: ChargingPreferences = request.read(&body)?;
        let found = self
            .session_by_id(&request.caller.peer, request.routing.from.as_ref(), id)
            .await?;
        let unknown = || {
            let message = format!("session {id} is not known");
            Reply::refused(404, StatusCode::INVALID_PARAMETERS, message)
        };
        let (name, stored) = found.ok_or_else(unknown)?;
        let answered = |response: ChargingPreferencesResponse| Ok(Reply::data(response));
        let Some((site, evse, session)) = planned(&stored, &name) else {
            return answered(ChargingPreferencesResponse::NotPossible);
        };
        let is_patient = matches!(
            preferences.profile_type,
            ProfileType::Cheap | ProfileType::Green
        );
        if is_patient && preferences.departure_time.is_none() {
            return answered(ChargingPreferencesResponse::DepartureRequired);
        }
        let site = SiteKey {
            tenant: self.tenant().clone(),
            site,
        };
        let stated = EventKind::NeedsStated {
            session,
            evse: Some(evse),
            needs: needs(&preferences),
        };
        self.tell(&site, vec![stated], Vec::new()).await?;
        answered(ChargingPreferencesResponse::Accepted)
    }
}

/// The site that plans a session and the EVSE it charges at, if one does and it is not over.
fn planned(
    stored: &StoredObject,
    name: &super::super::object::ObjectName,
) -> Option<(SiteId, EvseId, SessionId)> {
    let notes = stored.session.as_ref().filter(|notes| notes.is_live)?;
    let (site, evse) = notes.given_to.clone()?;
    Some((site, evse, name.session_id()?))
}

fn has_entries(value: &Value) -> bool {
    value.as_array().is_some_and(|entries| !entries.is_empty())
}

/// A session with a patch worked in: fields replace, charging periods are appended. A period that
/// is there already is not appended again, so that a repeated PATCH changes nothing.
fn patched(stored: &Value, mut patch: Value) -> Value {
    let mut body = stored.clone();
    let added = patch
        .as_object_mut()
        .and_then(|fields| fields.remove("charging_periods"));
    merge(&mut body, patch);
    if let (Some(fields), Some(Value::Array(added))) = (body.as_object_mut(), added) {
        let periods = fields
            .entry("charging_periods")
            .or_insert_with(|| json!([]));
        if !periods.is_array() {
            *periods = json!([]);
        }
        if let Some(periods) = periods.as_array_mut() {
            for period in added {
                if !periods.contains(&period) {
                    periods.push(period);
                }
            }
            let surplus = periods.len().saturating_sub(MAX_PERIODS);
            periods.drain(..surplus);
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_replaces_fields_appends_periods_and_cannot_rename() {
        let stored = json!({"id": "S1", "kwh": 1, "charging_periods": [{"start_date_time": "a"}]});
        let patch = json!({"id": "S2", "kwh": 2, "charging_periods": [{"start_date_time": "b"}]});
        let once = patched(&stored, patch.clone());
        assert_eq!(
            once,
            json!({"id": "S1", "kwh": 2,
                "charging_periods": [{"start_date_time": "a"}, {"start_date_time": "b"}]})
        );
        assert_eq!(patched(&once, patch), once);
    }
}
