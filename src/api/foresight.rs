//! Alerts about what is not there yet or not there any more: a vehicle that should be plugged in, a
//! charger that is gone, prices that end.

use chrono::TimeDelta;
use serde_json::Value;

use super::alerts::{Alert, Severity};
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::quantity::{Energy, Power};
use crate::domain::session::Departure;
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::state::SiteState;

/// A vehicle is missed this long before it would have to charge without a pause.
const NOTICE: TimeDelta = TimeDelta::minutes(30);
/// Prices that end sooner are late: day-ahead prices come in the early afternoon for the next day.
const PRICE_AHEAD: TimeDelta = TimeDelta::hours(6);
/// Prices that ended longer ago are not a feed that is late but one that was given up.
const PRICE_GONE: TimeDelta = TimeDelta::days(2);

/// Everything of this kind; `stations` as the API shows them.
pub(super) fn alerts(state: &SiteState, stations: &[Value], now: Time) -> Vec<Alert> {
    let mut alerts = missing_vehicles(state, now);
    alerts.extend(lost_stations(state, stations, now));
    alerts.extend(ending_prices(state, now));
    alerts
}

/// Departures of which no vehicle is plugged in, though it would have to be soon.
fn missing_vehicles(state: &SiteState, now: Time) -> Vec<Alert> {
    let waiting = state.departures.values().filter(|d| !is_here(state, d));
    let late = waiting.filter_map(|departure| {
        let (at, energy) = (departure.departure?, departure.energy?);
        let needed = time_for(energy, fastest(state, departure)?)?;
        (now < at && now >= at - needed - NOTICE).then(|| Alert {
            severity: Severity::Warning,
            kind: "vehicle_missing",
            subject: departure.key.as_str().chars().take(16).collect(),
            since: None,
            text: format!(
                "Nobody is plugged in for the departure at {}; it needs {energy}, {} minutes at \
                 full power.",
                at.format("%FT%RZ"),
                needed.num_minutes()
            ),
            action: "Plug it in, or move or withdraw the departure.",
        })
    });
    late.collect()
}

fn is_here(state: &SiteState, departure: &Departure) -> bool {
    state.evses.iter().any(|(id, evse)| {
        evse.running().is_some_and(|session| {
            id.as_str() == departure.key.as_str() || session.keys.contains(&departure.key)
        })
    })
}

/// The power it can count on: of the EVSE it is filed for, else of the strongest.
fn fastest(state: &SiteState, departure: &Departure) -> Option<Power> {
    let own = |evse: &&Evse| evse.id.as_str() == departure.key.as_str();
    let evses = &state.site.evses;
    let named = evses.iter().find(own).map(|evse| evse.max);
    named.or_else(|| evses.iter().map(|evse| evse.max).max())
}

fn time_for(energy: Energy, power: Power) -> Option<TimeDelta> {
    let watts = power.watts();
    (watts > 0).then(|| TimeDelta::seconds(energy.joules() / watts))
}

/// Chargers of the site that are not connected, with the power that stays reserved for them.
fn lost_stations(state: &SiteState, stations: &[Value], now: Time) -> Vec<Alert> {
    let lost = stations
        .iter()
        .filter(|station| station["state"] != "connected");
    let of_site = lost.filter_map(|station| {
        let id = station["id"].as_str()?;
        let evses: Vec<&Evse> = state
            .site
            .evses
            .iter()
            .filter(|evse| match &evse.source {
                EvseSource::Ocpp { station, .. } => station.as_str() == id,
                EvseSource::Ocpi { .. } => false,
            })
            .collect();
        if evses.is_empty() {
            return None;
        }
        let reserved: Power = evses
            .iter()
            .filter_map(|evse| Some(state.evses.get(&evse.id)?.bound(evse).at(now)))
            .sum();
        Some(Alert {
            severity: Severity::Warning,
            kind: "station_offline",
            subject: id.to_owned(),
            since: None,
            text: format!("Charger {id} is not connected; {reserved} stay reserved for it."),
            action: "Check its power and network. Meanwhile its last profile and then its fallback \
                     hold.",
        })
    });
    of_site.collect()
}

/// Prices that came and will end soon.
fn ending_prices(state: &SiteState, now: Time) -> Vec<Alert> {
    let prices = state
        .signals
        .values()
        .filter(|signal| signal.kind == SignalKind::ImportPrice);
    let end = prices
        .filter_map(|signal| signal.slots.last())
        .map(|slot| slot.end)
        .max();
    let late = end.filter(|end| now + PRICE_AHEAD > *end && now < *end + PRICE_GONE);
    late.into_iter()
        .map(|end| Alert {
            severity: Severity::Warning,
            kind: "price_late",
            subject: state.site.id.to_string(),
            since: None,
            text: format!(
                "Prices are known until {}; then those of the day before are assumed.",
                end.format("%FT%RZ")
            ),
            action: "Check whatever sends the prices.",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::event::EventKind;
    use crate::domain::id::{DepartureKey, StationId};
    use crate::state::testing::{at, happen, kw, live, session, site_of};

    fn kinds(alerts: &[Alert]) -> Vec<&'static str> {
        alerts.iter().map(|alert| alert.kind).collect()
    }

    /// A site whose first EVSE has a departure in two hours, for 11.04 kWh: an hour at full power.
    fn leaving() -> SiteState {
        let mut state = live(site_of(50.0, 2));
        let departure = Departure {
            key: DepartureKey::new("e1").expect("valid"),
            departure: Some(at(7_200)),
            energy: Some(Energy::from_joules(11_040 * 3_600)),
        };
        happen(&mut state, 0, EventKind::DepartureSet { departure });
        state
    }

    #[test]
    fn a_vehicle_is_missed_half_an_hour_before_it_would_have_to_charge() {
        let state = leaving();
        assert!(alerts(&state, &[], at(1_799)).is_empty());
        assert_eq!(kinds(&alerts(&state, &[], at(1_800))), ["vehicle_missing"]);
        assert!(alerts(&state, &[], at(7_200)).is_empty(), "it is over");
    }

    #[test]
    fn a_vehicle_that_is_there_is_not_missed() {
        let mut state = leaving();
        let session = session(1, 600);
        happen(
            &mut state,
            600,
            EventKind::SessionSeen {
                session: Box::new(session),
            },
        );
        assert!(alerts(&state, &[], at(5_000)).is_empty());
    }

    #[test]
    fn a_charger_that_is_gone_is_told_with_what_stays_reserved() {
        let mut site = site_of(50.0, 1);
        site.evses[0].source = EvseSource::Ocpp {
            station: StationId::new("CP-1").expect("valid"),
            evse: 1,
        };
        let mut state = live(site);
        let session = session(1, 0);
        happen(
            &mut state,
            0,
            EventKind::SessionSeen {
                session: Box::new(session),
            },
        );
        let stations = [
            json!({"id": "CP-1", "state": "offline"}),
            json!({"id": "CP-2", "state": "offline"}),
        ];
        let alerts = alerts(&state, &stations, at(10));
        assert_eq!(kinds(&alerts), ["station_offline"]);
        // Nothing is confirmed: it counts with its rating at the highest voltage.
        let rating = state.site.evses[0].hardware_max();
        assert!(rating > kw(11.04));
        assert!(
            alerts[0].text.contains(&rating.to_string()),
            "{}",
            alerts[0].text
        );
    }
}
