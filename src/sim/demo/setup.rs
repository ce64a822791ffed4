//! What an operator does before the first car comes.

use reqwest::Method;
use serde_json::{Value, json};

use super::rest::Rest;
use super::{Demo, DemoError, DemoLine};
use crate::domain::time::Time;
use crate::sim::cpo::Cpo;
use crate::sim::recorded::{CURRENCY, TIME_ZONE, day_bounds};

/// The partner's name at the service.
const PARTNER: &str = "simulated-cpo";

/// The site's name at the service.
pub(super) const SITE: &str = "depot";

/// Registers the service with the CPO; gives the rows of its answer.
pub(super) async fn register(rest: &Rest, cpo: &Cpo) -> Result<Vec<DemoLine>, DemoError> {
    let body = json!({
        "name": PARTNER,
        "versions_url": cpo.versions_url(),
        "token_a": cpo.token_a(),
    });
    let answer = rest.call(Method::POST, "/partners", &body).await?;
    let rows = rows(&answer).map(|row| DemoLine::Step {
        name: text(&row["name"]),
        ok: row["ok"].as_bool().unwrap_or(true),
        detail: text(&row["detail"]),
    });
    Ok(rows.collect())
}

/// Describes the site, with the limit and an EVSE for each of the CPO's; then goes live.
pub(super) async fn configure(
    demo: &Demo,
    rest: &Rest,
    cpo: &Cpo,
) -> Result<Vec<DemoLine>, DemoError> {
    let site = site(demo, cpo);
    let evses = site["evses"].as_array().map_or(0, Vec::len);
    let mut lines = Vec::new();
    let mut step = |name: &str, detail: String| {
        lines.push(DemoLine::Step {
            name: name.into(),
            ok: true,
            detail,
        });
    };
    let path = format!("/sites/{SITE}");
    rest.call(Method::PUT, &path, &site).await?;
    step(
        "PUT /sites/depot",
        format!("{evses} EVSEs under {}", demo.options.limit),
    );
    let slots = publish_prices(demo, rest, SITE, demo.start).await?;
    step(
        "PUT /sites/depot/signals/day-ahead",
        format!("{slots} hours of recorded prices"),
    );
    let live = json!({ "mode": "live" });
    rest.call(Method::PUT, &format!("{path}/mode"), &live)
        .await?;
    step("PUT /sites/depot/mode", "live".into());
    Ok(lines)
}

/// Sends the prices that are public at `now`: those of the day, and from 13:00 on of the next.
pub(super) async fn publish_prices(
    demo: &Demo,
    rest: &Rest,
    site: &str,
    now: Time,
) -> Result<usize, DemoError> {
    let slots = public_prices(demo, now);
    let count = slots.len();
    let body = json!({
        "kind": "import_price",
        "unit": format!("{CURRENCY}/kWh"),
        "slots": slots,
    });
    let path = format!("/sites/{site}/signals/day-ahead");
    rest.call(Method::PUT, &path, &body).await?;
    Ok(count)
}

/// When the next day's prices become public: 13:00 local time.
pub(super) fn next_publication(now: Time) -> Time {
    let day = now.with_timezone(&TIME_ZONE).date_naive();
    let at = |day| day_bounds(day).0 + chrono::TimeDelta::hours(13);
    let today = at(day);
    if now < today {
        today
    } else {
        at(day.succ_opt().unwrap_or(day))
    }
}

fn public_prices(demo: &Demo, now: Time) -> Vec<Value> {
    let day = now.with_timezone(&TIME_ZONE).date_naive();
    let (start, end) = day_bounds(day);
    let end = if now < start + chrono::TimeDelta::hours(13) {
        end
    } else {
        day_bounds(day.succ_opt().unwrap_or(day)).1
    };
    let prices = demo.recording.prices();
    prices
        .within(start, end)
        .iter()
        .map(|(at, price)| {
            let until = prices.next_change(*at).unwrap_or(end);
            json!({ "start": at, "end": until, "value": price.per_kwh() })
        })
        .collect()
}

fn site(demo: &Demo, cpo: &Cpo) -> Value {
    let location = crate::sim::cpo::CpoOptions::default().location_id;
    let evses: Vec<Value> = cpo.with_depot(|depot| {
        depot
            .evses()
            .iter()
            .map(|evse| {
                json!({
                    "id": evse.id,
                    "circuit": "site",
                    "max_kw": evse.max_power().kilowatts(),
                    "phases": evse.wiring,
                    "voltage_v": evse.voltage.volts(),
                    "source": { "ocpi": {
                        "partner": PARTNER,
                        "location_id": location,
                        "evse_uid": evse.id,
                    } },
                })
            })
            .collect()
    });
    json!({
        "name": "Simulated depot",
        "time_zone": TIME_ZONE.name(),
        "currency": CURRENCY,
        "circuits": [{
            "id": "site",
            "parent": null,
            "import_limit_kw": demo.options.limit.kilowatts(),
        }],
        "evses": evses,
        "arrival_reserve": "largest:1",
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

/// The rows of an answer: a list, or the first list in an object.
fn rows(answer: &Value) -> impl Iterator<Item = &Value> {
    let list = answer.as_array().or_else(|| {
        let mut members = answer.as_object()?.values();
        members.find_map(Value::as_array)
    });
    list.into_iter().flatten()
}
