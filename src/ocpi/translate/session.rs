//! A partner's session as the domain knows it.

use chrono::TimeDelta;
use ocpi_client::plausibility::Units;
use ocpi_client::read::{Deviation, read_one};
use ocpi_client::types::{
    CdrDimensionType, ChargingPreferences, Session as Wire, SessionStatus as WireStatus,
};

use super::super::object::ObjectName;
use crate::domain::id::{EvseId, TenantId};
use crate::domain::key::hashed_key;
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::{Needs, PastSession, Reading, Session, SessionStatus};
use crate::domain::time::Time;

/// What a session does not say itself.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Whose session it is.
    pub tenant: &'a TenantId,
    /// The EVSE it belongs to.
    pub evse: &'a EvseId,
    /// Now, by our clock: no stamp is taken as later.
    pub now: Time,
    /// With which stamp its latest measured period came.
    pub measured_at: Option<Time>,
}

/// Identifier of the deviation noted for a `last_updated` in the future.
pub(in crate::ocpi) const STAMP_AHEAD: &str = "session.last_updated_ahead";

/// How far a stamp may be ahead before it is noted: what clocks that are kept differ by.
const USUAL_SKEW: TimeDelta = TimeDelta::seconds(30);

/// That a session was changed in the future, if it says so.
pub(in crate::ocpi) fn stamped_ahead(wire: &Wire, now: Time) -> Option<Deviation> {
    let ahead = wire.last_updated.as_utc() - now;
    (ahead > USUAL_SKEW).then(|| {
        let detail = format!(
            "{} s ahead of our clock; counted as now",
            ahead.num_seconds()
        );
        let section = "mod_sessions: Session object";
        Deviation::new(STAMP_AHEAD, "$.last_updated", section, detail)
    })
}

/// The name of a session.
pub(in crate::ocpi) fn name(wire: &Wire) -> Option<ObjectName> {
    ObjectName::new(
        wire.country_code.as_str(),
        wire.party_id.as_str(),
        wire.id.as_str(),
    )
}

/// Where a session stands; `None` for a reservation, which is no session here. A state that the
/// specification does not have counts as active: it may draw.
pub fn status(wire: &Wire) -> Option<SessionStatus> {
    match wire.status {
        WireStatus::Active | WireStatus::Other(_) => Some(SessionStatus::Active),
        WireStatus::Pending => Some(SessionStatus::Pending),
        WireStatus::Completed | WireStatus::Invalid => Some(SessionStatus::Ended),
        WireStatus::Reservation => None,
    }
}

/// The session of the domain; `None` for reservations and ids nobody could use.
pub fn session(wire: &Wire, context: &Context<'_>) -> Option<Session> {
    let status = status(wire)?;
    let updated_at = wire.last_updated.as_utc().min(context.now);
    let ended_at = (status == SessionStatus::Ended).then(|| {
        wire.end_date_time
            .map_or(updated_at, |end| end.as_utc().min(context.now))
    });
    Some(Session {
        id: name(wire)?.session_id()?,
        native_id: wire.id.as_str().to_owned(),
        evse: context.evse.clone(),
        status,
        started_at: wire.start_date_time.as_utc().min(context.now),
        ended_at,
        energy: Energy::from_kilowatt_hours(wire.kwh).at_least_zero(),
        reading: power(wire).map(|power| Reading {
            power,
            at: context.measured_at.unwrap_or(updated_at).min(context.now),
        }),
        keys: keys(wire, context.tenant),
        needs: wire
            .extra
            .0
            .get("charging_preferences")
            .and_then(|value| read_one::<ChargingPreferences>(value).ok())
            .map(|read| needs(&read.value))
            .unwrap_or_default(),
        updated_at,
    })
}

/// What a driver asked for.
pub fn needs(preferences: &ChargingPreferences) -> Needs {
    let energy = preferences
        .energy_need
        .filter(|kwh| kwh.is_finite() && *kwh > 0.0);
    Needs {
        departure: preferences
            .departure_time
            .map(ocpi_client::types::DateTime::as_utc),
        energy: energy.map(Energy::from_kilowatt_hours),
        discharge_allowed: preferences.discharge_allowed.unwrap_or(false),
    }
}

/// A completed session as history; `None` if it is not over, was invalid or makes no sense.
pub fn past(wire: &Wire, evse: &EvseId) -> Option<PastSession> {
    if wire.status != WireStatus::Completed {
        return None;
    }
    let started_at = wire.start_date_time.as_utc();
    let ended_at = wire.end_date_time.unwrap_or(wire.last_updated).as_utc();
    (ended_at > started_at).then_some(())?;
    Some(PastSession {
        stated_departure: None,
        stated_energy: None,
        id: name(wire)?.session_id()?,
        evse: evse.clone(),
        started_at,
        ended_at,
        energy: Energy::from_kilowatt_hours(wire.kwh).at_least_zero(),
    })
}

/// The mean power of the latest period, if it says one. Negative: towards the grid.
fn power(wire: &Wire) -> Option<Power> {
    let latest = wire
        .charging_periods
        .iter()
        .max_by_key(|period| period.start_date_time)?;
    let kilowatts = latest
        .volume(&CdrDimensionType::Power)
        .filter(|kw| kw.is_finite())?;
    let is_watts = Units::of(wire).power_in_w;
    Some(Power::from_kilowatts(if is_watts {
        kilowatts / 1000.0
    } else {
        kilowatts
    }))
}

/// What a departure for this session may be filed under.
fn keys(wire: &Wire, tenant: &TenantId) -> Vec<crate::domain::id::DepartureKey> {
    let Some(token) = &wire.cdr_token else {
        return Vec::new();
    };
    let mut keys: Vec<_> = [Some(&token.uid), token.contract_id.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|id| hashed_key(tenant, id.as_str()))
        .collect();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wire(changes: &Value) -> Wire {
        let mut body = json!({
            "country_code": "NL", "party_id": "CPO", "id": "S-1",
            "start_date_time": "2026-11-22T15:00:00Z", "kwh": 1.5,
            "cdr_token": {"country_code": "NL", "party_id": "EMP", "uid": "0123AB",
                "type": "RFID", "contract_id": "NL-EMP-1"},
            "auth_method": "WHITELIST", "location_id": "LOC", "evse_uid": "E1",
            "connector_id": "1", "currency": "EUR", "status": "ACTIVE",
            "last_updated": "2026-11-22T16:00:00Z",
        });
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    fn lowered(changes: &Value) -> Option<Session> {
        let context = Context {
            tenant: &TenantId::default_tenant(),
            evse: &EvseId::new("e1").unwrap(),
            now: "2026-11-22T16:00:30Z".parse().unwrap(),
            measured_at: None,
        };
        session(&wire(changes), &context)
    }

    #[test]
    fn a_session_keeps_its_spelling_for_the_partner_and_its_own_id_for_us() {
        let session = lowered(&json!({})).unwrap();
        assert_eq!(session.id.as_str(), "nl*cpo*s-1");
        assert_eq!(session.native_id, "S-1");
        // 1.5 kWh x 3,600,000 J
        assert_eq!(session.energy, Energy::from_joules(5_400_000));
        assert_eq!(session.reading, None);
        assert_eq!(session.keys.len(), 2);
        let shown = format!("{session:?}");
        assert!(
            !shown.contains("0123AB") && !shown.contains("NL-EMP-1"),
            "{shown}"
        );
    }

    #[test]
    fn the_latest_period_gives_the_power() {
        let periods = json!({"charging_periods": [
            {"start_date_time": "2026-11-22T15:45:00Z",
                "dimensions": [{"type": "POWER", "volume": 7.36}]},
            {"start_date_time": "2026-11-22T15:30:00Z",
                "dimensions": [{"type": "POWER", "volume": 11.0}]},
        ]});
        let reading = lowered(&periods).unwrap().reading.unwrap();
        assert_eq!(reading.power, Power::from_watts(7360));
        assert_eq!(reading.at, "2026-11-22T16:00:00Z".parse::<Time>().unwrap());
    }

    #[test]
    fn an_old_power_is_not_taken_for_the_present_one() {
        let periods = json!({"charging_periods": [
            {"start_date_time": "2026-11-22T15:30:00Z",
                "dimensions": [{"type": "POWER", "volume": 11.0}]},
            {"start_date_time": "2026-11-22T15:45:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 0.1}]},
        ]});
        assert_eq!(lowered(&periods).unwrap().reading, None);
    }

    #[test]
    fn a_reservation_is_no_session_and_an_unknown_state_may_draw() {
        assert_eq!(lowered(&json!({"status": "RESERVATION"})), None);
        assert_eq!(lowered(&json!({"status": "RESERVED"})), None);
        let odd = lowered(&json!({"status": "SUSPENDED"})).unwrap();
        assert_eq!(odd.status, SessionStatus::Active);
        let invalid = lowered(&json!({"status": "INVALID"})).unwrap();
        assert_eq!(invalid.status, SessionStatus::Ended);
        assert_eq!(invalid.ended_at, Some(invalid.updated_at));
    }

    #[test]
    fn a_stamp_of_the_future_is_taken_as_now() {
        let session = lowered(&json!({"last_updated": "2027-01-01T00:00:00Z"})).unwrap();
        assert_eq!(
            session.updated_at,
            "2026-11-22T16:00:30Z".parse::<Time>().unwrap()
        );
    }

    #[test]
    fn needs_come_from_the_extension_field_and_nothing_said_is_nothing() {
        let said = lowered(&json!({"charging_preferences": {"profile_type": "CHEAP",
            "departure_time": "2026-11-23T06:00:00Z", "energy_need": 20}}))
        .unwrap();
        assert_eq!(said.needs.energy, Some(Energy::from_kilowatt_hours(20.0)));
        assert_eq!(
            said.needs.departure,
            Some("2026-11-23T06:00:00Z".parse().unwrap())
        );
        assert_eq!(lowered(&json!({})).unwrap().needs, Needs::default());
        let zero = lowered(&json!({"charging_preferences": {"energy_need": 0}})).unwrap();
        assert_eq!(zero.needs.energy, None);
    }

    #[test]
    fn a_completed_session_is_history_and_an_invalid_one_is_not() {
        let evse = EvseId::new("e1").unwrap();
        let done = wire(&json!({"status": "COMPLETED", "end_date_time": "2026-11-22T15:50:00Z"}));
        let past = past(&done, &evse).unwrap();
        assert_eq!((past.ended_at - past.started_at).num_minutes(), 50);
        assert!(super::past(&wire(&json!({"status": "INVALID"})), &evse).is_none());
        assert!(super::past(&wire(&json!({})), &evse).is_none());
    }
}
