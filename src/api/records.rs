//! `/reports/records` and `/reports/meter-values`: each session that is over as a record to be billed
//! or filed, and the energy registers behind it. As JSON, or as CSV with `format=csv`.
//!
//! Nobody is named: sessions carry no token here, only the hash their departure is filed under, and
//! that is left out as well.

use actix_web::HttpRequest;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::ApiState;
use super::auth::{Access, Scope};
use super::chronicle::{MeterValue, Outcome};
use super::problem::Faults;
use super::query::Query;
use super::reports::Span;
use super::sites::Answer;
use super::tabular::{self, Format};
use crate::domain::evse::EvseSource;
use crate::domain::quantity::{Energy, Power};
use crate::state::SiteState;

/// How the figures of a record are made, for people.
const METHOD: &str = "energy_kwh: the session's own register at its end. cost: each step of the \
    register at the import price that held when it was read; priced_kwh is the part of the energy \
    for which a price was known and the register was followed (not through a restart of the service). \
    periods: energy between two values of the register, about five minutes apart in sessions up to \
    eight hours, ten up to sixteen.";
/// Columns of a record as CSV.
const RECORD: [&str; 13] = [
    "session",
    "native_id",
    "evse",
    "station",
    "started_at",
    "ended_at",
    "energy_kwh",
    "wanted_kwh",
    "departure",
    "highest_kw",
    "cost",
    "priced_kwh",
    "currency",
];
/// Columns of a meter value as CSV.
const METER_VALUE: [&str; 5] = ["at", "evse", "session", "energy_kwh", "power_kw"];
/// Most meter values of one answer: a month of a depot of twenty.
const MAX_METER_VALUES: usize = 200_000;

/// A record of each session that ended in a span, the oldest first.
pub(super) async fn records(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let span = Span::read(&query, api.clock.now());
    let format = Format::of(&request, &query);
    query.close();
    faults.check()?;
    let (key, state) = access.snapshot(&api, &span.site)?;
    let mut over: Vec<Outcome> = api.chronicle.read(&key, |site| {
        let ended = |it: &&Outcome| it.ended_at.is_some_and(|ended| span.holds(ended));
        site.sessions.iter().filter(ended).cloned().collect()
    });
    over.sort_by_key(|outcome| outcome.ended_at);
    let rows: Vec<Value> = over.iter().map(|it| record(&state, it)).collect();
    Ok(tabular::answer(
        format,
        &RECORD,
        &rows,
        || json!({ "site": key.site, "from": span.from, "to": span.to, "method": METHOD, "records": rows }),
    ))
}

fn record(state: &SiteState, outcome: &Outcome) -> Value {
    let evse = state.site.evse(&outcome.evse);
    let station = evse.and_then(|evse| match &evse.source {
        EvseSource::Ocpp { station, .. } => Some(station),
        EvseSource::Ocpi { .. } => None,
    });
    let values: Vec<MeterValue> = outcome.readings.values().collect();
    let highest = values.iter().filter_map(|value| value.power).max();
    let periods = values.windows(2).map(|two| {
        json!({
            "start": two[0].at,
            "end": two[1].at,
            "energy_kwh": two[1].energy.saturating_minus(two[0].energy).kilowatt_hours(),
        })
    });
    json!({
        "session": outcome.session,
        "native_id": outcome.native_id,
        "evse": outcome.evse,
        "station": station,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "energy_kwh": outcome.energy.kilowatt_hours(),
        "wanted_kwh": outcome.wanted.map(Energy::kilowatt_hours),
        "departure": outcome.departure,
        "highest_kw": highest.map(Power::kilowatts),
        "cost": outcome.priced.is_positive().then(|| outcome.cost.amount()),
        "priced_kwh": outcome.priced.kilowatt_hours(),
        "currency": state.site.currency,
        "periods": periods.collect::<Vec<_>>(),
    })
}

/// The registers of the sessions of a span, also of those that run, by EVSE and time.
pub(super) async fn meter_values(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let faults = Faults::default();
    let query = Query::of(&request, &faults);
    let span = Span::read(&query, api.clock.now());
    let only = query.text("evse").map(str::to_owned);
    let format = Format::of(&request, &query);
    query.close();
    faults.check()?;
    let (key, _) = access.snapshot(&api, &span.site)?;
    let mut found: Vec<(MeterValue, Value)> = api.chronicle.read(&key, |site| {
        let wanted = |it: &&Outcome| only.as_deref().is_none_or(|only| it.evse.as_str() == only);
        let of = |outcome: &Outcome| -> Vec<(MeterValue, Value)> {
            let values = outcome.readings.values().filter(|it| span.holds(it.at));
            values
                .map(|value| (value, meter_value(outcome, value)))
                .collect()
        };
        let sessions = site.sessions.iter().filter(wanted);
        sessions.flat_map(of).take(MAX_METER_VALUES).collect()
    });
    found.sort_by_key(|(value, _)| value.at);
    let rows: Vec<Value> = found.into_iter().map(|(_, row)| row).collect();
    Ok(tabular::answer(
        format,
        &METER_VALUE,
        &rows,
        || json!({ "site": key.site, "from": span.from, "to": span.to, "meter_values": rows }),
    ))
}

fn meter_value(outcome: &Outcome, value: MeterValue) -> Value {
    json!({
        "at": value.at,
        "evse": outcome.evse,
        "session": outcome.session,
        "energy_kwh": value.energy.kilowatt_hours(),
        "power_kw": value.power.map(Power::kilowatts),
    })
}
