//! What we ask of a 2.x station, and what its answers mean.

use serde_json::{Map, Value, json};

use crate::domain::time::Time;
use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Install, Request, Response, Scope, Setting};
use crate::ocpp::wire;

/// The request id of the one report we ask for at boot.
const REPORT_ID: i64 = 1;

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
        Request::Clear(scope) => (
            "ClearChargingProfile",
            json!({ "chargingProfileId": scope.profile_id() }),
        ),
        Request::ReadComposite {
            evse,
            duration_s,
            unit,
        } => (
            "GetCompositeSchedule",
            json!({
                "evseId": evse,
                "duration": duration_s,
                "chargingRateUnit": wire::unit(*unit),
            }),
        ),
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
        Request::Raw { action, payload } => return (action.clone(), payload.clone()),
    };
    (action.to_owned(), payload)
}

fn set(install: &Install) -> Value {
    let Install { scope, .. } = install;
    let purpose = match scope {
        Scope::Default { .. } => "TxDefaultProfile",
        Scope::Transaction { .. } => "TxProfile",
        Scope::Station => "ChargingStationMaxProfile",
    };
    let mut schedule = wire::schedule(install);
    schedule["id"] = json!(scope.profile_id());
    let mut profile = json!({
        "id": scope.profile_id(),
        "stackLevel": install.stack_level,
        "chargingProfilePurpose": purpose,
        "chargingSchedule": [schedule],
    });
    wire::kind_and_validity(install, &mut profile);
    if let Scope::Transaction { id, .. } = scope {
        profile["transactionId"] = json!(id);
    }
    json!({ "evseId": scope.evse(), "chargingProfile": profile })
}

/// Reads the answer to a request.
pub(in crate::ocpp) fn understand(
    request: &Request,
    answer: &Map<String, Value>,
    now: Time,
) -> Response {
    let fields = Fields::of(answer);
    let status = || {
        let status = fields.text("status").unwrap_or("no status");
        let reason = fields
            .object("statusInfo")
            .and_then(|info| info.text("reasonCode"));
        match reason {
            Some(reason) => format!("{status} ({reason})"),
            None => status.to_owned(),
        }
    };
    match request {
        Request::ReadSettings => match fields.text("status") {
            Some("Accepted") => Response::SettingsFollow,
            Some("EmptyResultSet") => Response::Settings(Vec::new()),
            _ => wire::refused(&status(), false),
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
            match result.and_then(|result| result.text("attributeStatus")) {
                Some("Accepted" | "RebootRequired") => Response::Accepted,
                status => wire::refused(status.unwrap_or("no status"), false),
            }
        }
        Request::ReadComposite { evse, .. } => match fields.text("status") {
            Some("Accepted") => fields
                .object("schedule")
                .and_then(|schedule| {
                    let start = schedule.time("scheduleStart").unwrap_or(now);
                    wire::read_schedule(&schedule, start)
                })
                .map_or_else(
                    || wire::refused(&format!("no schedule for EVSE {evse}"), false),
                    Response::Composite,
                ),
            _ => wire::refused(&status(), false),
        },
        Request::Raw { .. } => Response::Raw(Value::Object(answer.clone())),
        Request::Install(_) | Request::Clear(_) | Request::Trigger { .. } => {
            match fields.text("status") {
                Some("Accepted") => Response::Accepted,
                // What is not there need not be removed.
                Some("Unknown") if matches!(request, Request::Clear(_)) => Response::Accepted,
                Some("NotImplemented" | "NotSupported") => wire::refused(&status(), true),
                _ => wire::refused(&status(), false),
            }
        }
    }
}
