//! What we ask of a 2.x station, and what its answers mean.

use serde_json::{Map, Value, json};

use crate::domain::time::Time;
use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Install, Request, Response, Scope, Setting};
use crate::ocpp::tokens::ListEntry;
use crate::ocpp::{schedule, wire};

/// The request id of the one report we ask for at boot.
const REPORT_ID: i64 = 1;
/// The id of a start that only wakes up: no transaction is expected from it.
const START_ID: i64 = 1;

/// Spells a request: action and payload.
pub(in crate::ocpp) fn ask(request: &Request) -> (String, Value) {
    let (action, payload) = match request {
        Request::ReadSettings => (
            "GetBaseReport",
            json!({ "requestId": REPORT_ID, "reportBase": "FullInventory" }),
        ),
        Request::ReadVariables(names) => {
            let data: Vec<_> = names
                .iter()
                .map(|(component, variable)| {
                    json!({ "component": { "name": component }, "variable": { "name": variable } })
                })
                .collect();
            ("GetVariables", json!({ "getVariableData": data }))
        }
        Request::Set(Setting { name, value }) => {
            let (component, variable) = name.split_once('.').unwrap_or((name, ""));
            let entry = json!({
                "component": { "name": component },
                "variable": { "name": variable },
                "attributeValue": value,
            });
            ("SetVariables", json!({ "setVariableData": [entry] }))
        }
        Request::Install(install) => ("SetChargingProfile", set(install)),
        Request::Update { scope, limit } => (
            "UpdateDynamicSchedule",
            json!({
                "chargingProfileId": scope.profile_id(),
                "scheduleUpdate": { "limit": schedule::tenths(*limit) },
            }),
        ),
        Request::Clear(scope) => (
            "ClearChargingProfile",
            json!({ "chargingProfileId": scope.profile_id() }),
        ),
        Request::ReadComposite {
            evse,
            duration_s,
            unit,
        } => {
            let unit = wire::unit(*unit);
            let payload =
                json!({ "evseId": evse, "duration": duration_s, "chargingRateUnit": unit });
            ("GetCompositeSchedule", payload)
        }
        Request::Trigger { message, evse } => {
            let mut payload = json!({ "requestedMessage": message });
            if let Some(evse) = evse {
                payload["evse"] = json!({ "id": evse });
                if *message == "StatusNotification" {
                    // The connector must be named there.
                    payload["evse"]["connectorId"] = json!(1);
                }
            }
            ("TriggerMessage", payload)
        }
        Request::ListVersion => ("GetLocalListVersion", json!({})),
        Request::SendList {
            version,
            full,
            entries,
        } => {
            let entries: Vec<_> = entries.iter().map(line).collect();
            let mut payload = json!({
                "versionNumber": version,
                "updateType": if *full { "Full" } else { "Differential" },
            });
            if !entries.is_empty() {
                payload["localAuthorizationList"] = json!(entries);
            }
            ("SendLocalList", payload)
        }
        Request::ClearCache => ("ClearCache", json!({})),
        Request::Start { evse, token, kind } => (
            "RequestStartTransaction",
            json!({
                "remoteStartId": START_ID,
                "evseId": evse,
                "idToken": { "idToken": token, "type": kind },
            }),
        ),
        Request::TransactionStatus(id) => ("GetTransactionStatus", json!({ "transactionId": id })),
        Request::Raw { action, payload } => return (action.clone(), payload.clone()),
    };
    (action.to_owned(), payload)
}

fn set(install: &Install) -> Value {
    let scope = &install.scope;
    let (mut profile, mut schedule) = schedule::profile(install, "ChargingStationMaxProfile");
    profile["id"] = json!(scope.profile_id());
    schedule["id"] = json!(scope.profile_id());
    profile["chargingSchedule"] = json!([schedule]);
    if let Scope::Transaction { id, .. } = scope {
        profile["transactionId"] = json!(id);
    }
    json!({ "evseId": scope.evse(), "chargingProfile": profile })
}

fn line(entry: &ListEntry) -> Value {
    let mut line = json!({ "idToken": { "idToken": entry.id, "type": entry.kind } });
    if let Some(verdict) = &entry.verdict {
        line["idTokenInfo"] = super::token_info(verdict);
    }
    line
}

/// Reads the answer to a request.
pub(in crate::ocpp) fn understand(
    request: &Request,
    answer: &Map<String, Value>,
    now: Time,
) -> Response {
    let fields = Fields::of(answer);
    let status = fields.text("status");
    let shown = || {
        let status = status.unwrap_or("no status");
        let info = fields.object("statusInfo");
        match info.and_then(|info| info.text("reasonCode")) {
            Some(reason) => format!("{status} ({reason})"),
            None => status.to_owned(),
        }
    };
    match request {
        Request::ReadSettings => match status {
            Some("Accepted") => Response::SettingsFollow,
            Some("EmptyResultSet") => Response::Settings(Vec::new()),
            _ => wire::refused(&shown(), false),
        },
        Request::ReadVariables(_) => {
            let settings = fields.objects("getVariableResult").filter_map(|entry| {
                let component = entry.object("component")?;
                let variable = entry.object("variable")?;
                Some(Setting {
                    name: format!("{}.{}", component.text("name")?, variable.text("name")?),
                    value: entry.text("attributeValue")?.to_owned(),
                })
            });
            Response::Settings(settings.take(wire::MAX_SETTINGS).collect())
        }
        Request::Set(_) => {
            let result = fields.objects("setVariableResult").next();
            let status = result.and_then(|result| result.text("attributeStatus"));
            wire::status(request, status, status.unwrap_or("no status"))
        }
        Request::ReadComposite { .. } if status == Some("Accepted") => {
            let schedule = fields.object("schedule");
            let start = schedule.as_ref().and_then(|s| s.time("scheduleStart"));
            schedule::composite(schedule.as_ref(), start, now)
        }
        Request::ListVersion => Response::ListVersion(fields.whole("versionNumber").unwrap_or(-1)),
        Request::TransactionStatus(_) => Response::TransactionStatus {
            ongoing: fields.flag("ongoingIndicator"),
            queued: fields.flag("messagesInQueue").unwrap_or(false),
        },
        Request::Raw { .. } => Response::Raw(Value::Object(answer.clone())),
        _ => wire::status(request, status, &shown()),
    }
}
