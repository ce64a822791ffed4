//! Makes what a platform says wrong, as its quirks have it: the last thing before it leaves.

use chrono::{FixedOffset, TimeDelta};
use serde_json::{Value, json};

use super::answer::{Answer, Request, date_time, read_date_time};
use super::quirks::{Quirk, Quirks};

/// How far ahead a platform's clock is.
const AHEAD: TimeDelta = TimeDelta::hours(2);

/// Longer than anyone takes, in bytes.
const LONG_BYTES: usize = 3 << 20;

/// Deeper than anyone takes.
const DEEP: usize = 10_000;

/// A Session, or what changed of one.
pub(super) fn session(quirks: &Quirks, mut body: Value) -> Value {
    let has = |quirk: Quirk| quirks.contains(&quirk);
    if has(Quirk::ClockAhead) {
        change(&mut body, "last_updated", |text| {
            let told = read_date_time(text.as_str()?)?;
            Some(json!(date_time(told + AHEAD)))
        });
    }
    if has(Quirk::LowerCaseIds) {
        for field in ["country_code", "party_id", "id", "location_id", "evse_uid"] {
            change(&mut body, field, |text| {
                Some(json!(text.as_str()?.to_lowercase()))
            });
        }
    }
    if has(Quirk::EmptyConnectorId) {
        change(&mut body, "connector_id", |_| Some(json!("")));
    }
    if has(Quirk::UnknownEnums) {
        change(&mut body, "auth_method", |_| Some(json!("APP")));
        change(&mut body, "status", |text| {
            let text = text.as_str()?;
            let (first, rest) = text.split_at_checked(1)?;
            Some(json!(format!("{first}{}", rest.to_lowercase())))
        });
    }
    if has(Quirk::NumbersAsText) {
        change(&mut body, "kwh", |number| Some(json!(number.to_string())));
    }
    if let Some(periods) = body.get_mut("charging_periods") {
        spoil_periods(quirks, periods);
    }
    if let Value::Object(fields) = &mut body {
        if has(Quirk::BareCdrToken)
            && let Some(Value::Object(token)) = fields.get_mut("cdr_token")
        {
            token.remove("country_code");
            token.remove("party_id");
        }
        if has(Quirk::PrivateFields) {
            fields.insert("_id".into(), json!("5f1e"));
            fields.insert("__v".into(), json!(3));
        }
        if has(Quirk::NullForLists) {
            fields.entry("end_date_time").or_insert(Value::Null);
            let periods = fields.entry("charging_periods").or_insert(Value::Null);
            if periods == &json!([]) {
                *periods = Value::Null;
            }
        }
    }
    if has(Quirk::TimesWithOffset) {
        shift_times(&mut body);
    }
    body
}

fn spoil_periods(quirks: &Quirks, periods: &mut Value) {
    let factor = |dimension: &Value| match dimension["type"].as_str() {
        Some("ENERGY") if quirks.contains(&Quirk::EnergyInWh) => 1000.0,
        Some("POWER") if quirks.contains(&Quirk::PowerInW) => 1000.0,
        _ => 1.0,
    };
    let all = periods.as_array_mut().into_iter().flatten();
    let lists = all.filter_map(|period| period["dimensions"].as_array_mut());
    for dimension in lists.flatten() {
        let volume = dimension["volume"].as_f64().unwrap_or_default() * factor(dimension);
        dimension["volume"] = if quirks.contains(&Quirk::NumbersAsText) {
            json!(volume.to_string())
        } else {
            json!(volume)
        };
    }
    if quirks.contains(&Quirk::SingleForList)
        && let Some([only]) = periods.as_array().map(Vec::as_slice)
    {
        *periods = only.clone();
    }
}

/// Every time at one hour east of Greenwich.
fn shift_times(value: &mut Value) {
    let east = FixedOffset::east_opt(3600);
    match value {
        Value::String(text) => {
            if let (Some(at), Some(east)) = (read_date_time(text), east) {
                *text = at.with_timezone(&east).to_rfc3339();
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(shift_times),
        Value::Object(fields) => fields.values_mut().for_each(shift_times),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces a field that is there; `None` leaves it.
fn change(body: &mut Value, field: &str, with: impl FnOnce(&Value) -> Option<Value>) {
    if let Some(value) = body.get_mut(field)
        && let Some(new) = with(value)
    {
        *value = new;
    }
}

/// What a result says.
pub(super) fn result(quirks: &Quirks, mut body: Value) -> Value {
    let is_profile = body.get("profile").is_some();
    if quirks.contains(&Quirk::WrongResults) && !is_profile {
        body["profile"] = Value::Null;
    }
    if quirks.contains(&Quirk::WrappedResults) {
        body = json!({"data": body, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"});
    }
    body
}

/// Whether a request is about profiles.
pub(super) fn is_about_profiles(request: &Request) -> bool {
    request.path.iter().any(|part| part == "chargingprofiles")
}

fn is_list(request: &Request) -> bool {
    let lists = ["sessions", "locations", "tariffs"];
    let last = request.path.last();
    request.method == "GET" && last.is_some_and(|last| lists.contains(&last.as_str()))
}

/// The answer to a request.
pub(super) fn answer(quirks: &Quirks, request: &Request, url: &str, answer: Answer) -> Answer {
    if is_about_profiles(request) {
        quirks.iter().copied().fold(answer, about_profile)
    } else if is_list(request) {
        quirks
            .iter()
            .fold(answer, |answer, quirk| list(quirks, *quirk, url, answer))
    } else {
        answer
    }
}

fn about_profile(answer: Answer, quirk: Quirk) -> Answer {
    let mut changed = answer;
    match quirk {
        Quirk::AnswersInList => changed.data = changed.data.map(|data| json!([data])),
        Quirk::NoTimeout => {
            if let Some(Value::Object(fields)) = &mut changed.data {
                fields.remove("timeout");
            }
        }
        Quirk::LowerCaseResult => {
            if let Some(data) = &mut changed.data {
                change(data, "result", |text| {
                    Some(json!(text.as_str()?.to_lowercase()))
                });
            }
        }
        Quirk::OwnSchema => {
            changed = Answer::fault(422, 2001, "field required: min_charge_rate");
        }
        Quirk::RetriesInAges => {
            changed = Answer::fault(429, 2000, "later");
            changed.headers.push(("Retry-After", "1000000000".into()));
        }
        Quirk::FailsInside => changed = Answer::fault(200, 3000, "something broke"),
        _ => {}
    }
    changed
}

fn list(quirks: &Quirks, quirk: Quirk, url: &str, mut answer: Answer) -> Answer {
    let next = |url: &str| ("Link", format!("<{url}>; rel=\"next\""));
    match quirk {
        Quirk::EmptyLink if !answer.headers.iter().any(|(name, _)| *name == "Link") => {
            answer.headers.push(("Link", String::new()));
        }
        Quirk::BadObjects => {
            if let Some(Value::Array(entries)) = &mut answer.data {
                entries.insert(0, json!("not an object"));
                entries.push(json!({"kwh": 3}));
            }
        }
        Quirk::SamePageForEver | Quirk::LinkElsewhere => {
            answer.headers.retain(|(name, _)| *name != "Link");
            let elsewhere = "http://127.0.0.1:9/ocpi/2.2.1/sessions?offset=100";
            answer.headers.push(match quirk {
                Quirk::LinkElsewhere => next(elsewhere),
                _ => next(url),
            });
        }
        Quirk::TooHighTotal => {
            answer.headers.retain(|(name, _)| *name != "X-Total-Count");
            answer.headers.push(("X-Total-Count", "7777".into()));
        }
        Quirk::RedirectsLists => {
            answer = Answer::fault(301, 2000, "moved");
            answer.headers.push(("Location", format!("{url}/")));
        }
        Quirk::LineToLine => {
            if let Some(data) = &mut answer.data {
                line_to_line(data);
            }
        }
        _ => {}
    }
    if let Some(Value::Array(entries)) = &mut answer.data {
        for entry in entries.iter_mut().filter(|entry| entry["kwh"].is_number()) {
            *entry = session(quirks, entry.take());
        }
    }
    answer
}

fn line_to_line(value: &mut Value) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(line_to_line),
        Value::Object(fields) => {
            let is_three = fields.get("power_type") == Some(&json!("AC_3_PHASE"));
            if is_three && fields.contains_key("max_voltage") {
                fields.insert("max_voltage".into(), json!(400));
                fields.remove("max_electric_power");
            }
            fields.values_mut().for_each(line_to_line);
        }
        _ => {}
    }
}

/// The bytes of an answer: HTTP status, content type, body.
pub(super) fn bytes(
    quirks: &Quirks,
    request: &Request,
    status: u16,
    body: String,
) -> (u16, &'static str, Vec<u8>) {
    const JSON: &str = "application/json";
    const HTML: &str = "text/html";
    let html = b"<html><body>Something went wrong</body></html>".to_vec();
    let has = |quirk: Quirk| quirks.contains(&quirk);
    if is_list(request) && has(Quirk::HtmlLists) {
        return (200, HTML, html);
    }
    if !is_about_profiles(request) {
        return (status, JSON, body.into_bytes());
    }
    let first: Option<&Quirk> = quirks.iter().find(|quirk| {
        let bodies = [
            Quirk::ServerError,
            Quirk::EmptyAnswers,
            Quirk::TruncatedAnswers,
            Quirk::DeepAnswers,
            Quirk::LongAnswers,
            Quirk::NotUtf8,
        ];
        bodies.contains(quirk)
    });
    match first {
        Some(Quirk::ServerError) => (500, HTML, html),
        Some(Quirk::EmptyAnswers) => (200, JSON, Vec::new()),
        Some(Quirk::TruncatedAnswers) => (200, JSON, body.as_bytes()[..body.len() / 2].to_vec()),
        Some(Quirk::DeepAnswers) => (200, JSON, "[".repeat(DEEP).into_bytes()),
        Some(Quirk::LongAnswers) => {
            let long = format!("{{\"data\": \"{}\"}}", "x".repeat(LONG_BYTES));
            (200, JSON, long.into_bytes())
        }
        Some(Quirk::NotUtf8) => (
            200,
            JSON,
            [b"{\"data\": \"", &[0xff, 0xfe][..], b"\"}"].concat(),
        ),
        _ => (status, JSON, body.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sound() -> Value {
        json!({"country_code": "NL", "party_id": "SIM", "id": "S1", "kwh": 1.5,
            "connector_id": "1", "status": "ACTIVE", "auth_method": "WHITELIST",
            "cdr_token": {"country_code": "NL", "party_id": "SIM", "uid": "C"},
            "charging_periods": [{"start_date_time": "2026-01-01T00:00:00Z", "dimensions": [
                {"type": "ENERGY", "volume": 1.5}, {"type": "POWER", "volume": 7.4}]}],
            "last_updated": "2026-01-01T00:05:00Z"})
    }

    fn spoiled(quirk: Quirk) -> Value {
        session(&Quirks::from([quirk]), sound())
    }

    #[test]
    fn a_platform_without_quirks_is_left_as_it_is() {
        assert_eq!(session(&Quirks::new(), sound()), sound());
        let result_body = json!({"result": "ACCEPTED"});
        assert_eq!(result(&Quirks::new(), result_body.clone()), result_body);
    }

    #[test]
    fn each_quirk_of_sessions_changes_what_it_names() {
        assert_eq!(spoiled(Quirk::LowerCaseIds)["country_code"], "nl");
        assert_eq!(
            spoiled(Quirk::EnergyInWh)["charging_periods"][0]["dimensions"][0]["volume"],
            1500.0
        );
        assert_eq!(
            spoiled(Quirk::PowerInW)["charging_periods"][0]["dimensions"][1]["volume"],
            7400.0
        );
        assert_eq!(spoiled(Quirk::NumbersAsText)["kwh"], "1.5");
        assert_eq!(
            spoiled(Quirk::SingleForList)["charging_periods"]["dimensions"][0]["volume"],
            1.5
        );
        assert_eq!(spoiled(Quirk::UnknownEnums)["status"], "Active");
        assert_eq!(
            spoiled(Quirk::ClockAhead)["last_updated"],
            "2026-01-01T02:05:00Z"
        );
        assert_eq!(
            spoiled(Quirk::TimesWithOffset)["last_updated"],
            "2026-01-01T01:05:00+01:00"
        );
        let sessions = [
            Quirk::LowerCaseIds,
            Quirk::EmptyConnectorId,
            Quirk::BareCdrToken,
            Quirk::PrivateFields,
            Quirk::TimesWithOffset,
            Quirk::NumbersAsText,
            Quirk::NullForLists,
            Quirk::SingleForList,
            Quirk::EnergyInWh,
            Quirk::PowerInW,
            Quirk::UnknownEnums,
            Quirk::ClockAhead,
        ];
        for quirk in sessions {
            assert_ne!(spoiled(quirk), sound(), "{quirk:?}");
        }
    }

    #[test]
    fn every_quirk_is_listed_once() {
        let listed: BTreeSet<_> = Quirk::ALL.iter().collect();
        assert_eq!(listed.len(), Quirk::ALL.len());
    }
}
