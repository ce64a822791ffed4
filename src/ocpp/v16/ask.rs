//! What we ask of a 1.6 station, and what its answers mean.

use serde_json::{Map, Value, json};

use crate::domain::time::Time;
use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Install, Request, Response, Scope, Setting};
use crate::ocpp::wire;

/// Spells a request: action and payload.
pub(in crate::ocpp) fn ask(request: &Request) -> (String, Value) {
    let (action, payload) = match request {
        Request::ReadSettings => ("GetConfiguration", json!({})),
        Request::ReadVariables(names) => {
            let keys: Vec<_> = names.iter().map(|(_, key)| key).collect();
            ("GetConfiguration", json!({ "key": keys }))
        }
        Request::Set(Setting { name, value }) => (
            "ChangeConfiguration",
            json!({ "key": name, "value": value }),
        ),
        Request::Install(install) => ("SetChargingProfile", set(install)),
        Request::Clear(scope) => ("ClearChargingProfile", json!({ "id": scope.profile_id() })),
        Request::ReadComposite {
            evse,
            duration_s,
            unit,
        } => (
            "GetCompositeSchedule",
            json!({
                "connectorId": evse,
                "duration": duration_s,
                "chargingRateUnit": wire::unit(*unit),
            }),
        ),
        Request::Trigger { message, evse } => {
            let mut payload = json!({ "requestedMessage": message });
            if let Some(evse) = evse {
                payload["connectorId"] = json!(evse);
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
        Scope::Station => "ChargePointMaxProfile",
    };
    let mut profile = json!({
        "chargingProfileId": scope.profile_id(),
        "stackLevel": install.stack_level,
        "chargingProfilePurpose": purpose,
        "chargingSchedule": wire::schedule(install),
    });
    wire::kind_and_validity(install, &mut profile);
    if let Scope::Transaction { id, .. } = scope
        && let Ok(id) = id.parse::<i64>()
    {
        profile["transactionId"] = json!(id);
    }
    json!({ "connectorId": scope.evse(), "csChargingProfiles": profile })
}

/// Reads the answer to a request.
pub(in crate::ocpp) fn understand(
    request: &Request,
    answer: &Map<String, Value>,
    now: Time,
) -> Response {
    let fields = Fields::of(answer);
    match request {
        Request::ReadSettings | Request::ReadVariables(_) => {
            let settings = fields.objects("configurationKey").filter_map(|entry| {
                Some(Setting {
                    name: entry.text("key")?.to_owned(),
                    value: entry.text("value").unwrap_or_default().to_owned(),
                })
            });
            Response::Settings(settings.take(wire::MAX_SETTINGS).collect())
        }
        Request::ReadComposite { evse, .. } => match fields.text("status") {
            Some("Accepted") => fields
                .object("chargingSchedule")
                .and_then(|schedule| {
                    let start = fields.time("scheduleStart").unwrap_or(now);
                    wire::read_schedule(&schedule, start)
                })
                .map_or_else(
                    || wire::refused(&format!("no schedule for connector {evse}"), false),
                    Response::Composite,
                ),
            status => wire::refused(status.unwrap_or("no status"), false),
        },
        Request::Raw { .. } => Response::Raw(Value::Object(answer.clone())),
        Request::Set(_) | Request::Install(_) | Request::Clear(_) | Request::Trigger { .. } => {
            match fields.text("status") {
                Some("Accepted" | "RebootRequired") => Response::Accepted,
                // What is not there need not be removed.
                Some("Unknown") if matches!(request, Request::Clear(_)) => Response::Accepted,
                Some(status @ ("NotSupported" | "NotImplemented")) => wire::refused(status, true),
                status => wire::refused(status.unwrap_or("no status"), false),
            }
        }
    }
}
