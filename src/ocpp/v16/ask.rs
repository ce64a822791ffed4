//! What we ask of a 1.6 station, and what its answers mean.

use serde_json::{Map, Value, json};

use crate::domain::time::Time;
use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Install, Request, Response, Scope, Setting};
use crate::ocpp::tokens::ListEntry;
use crate::ocpp::{schedule, wire};

/// Spells a request: action and payload.
pub(in crate::ocpp) fn ask(request: &Request) -> (String, Value) {
    let (action, payload) = match request {
        Request::ReadSettings => ("GetConfiguration", json!({})),
        Request::ReadVariables(names) => {
            let keys: Vec<_> = names.iter().map(|(_, key)| key).collect();
            ("GetConfiguration", json!({ "key": keys }))
        }
        Request::Set(Setting { name, value }) => {
            let change = json!({ "key": name, "value": value });
            ("ChangeConfiguration", change)
        }
        Request::Install(install) => ("SetChargingProfile", set(install)),
        Request::Clear(scope) => ("ClearChargingProfile", json!({ "id": scope.profile_id() })),
        Request::ReadComposite {
            evse,
            duration_s,
            unit,
        } => {
            let unit = wire::unit(*unit);
            let payload =
                json!({ "connectorId": evse, "duration": duration_s, "chargingRateUnit": unit });
            ("GetCompositeSchedule", payload)
        }
        Request::Trigger { message, evse } => {
            let mut payload = json!({ "requestedMessage": message });
            if let Some(evse) = evse {
                payload["connectorId"] = json!(evse);
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
                "listVersion": version,
                "updateType": if *full { "Full" } else { "Differential" },
            });
            if !entries.is_empty() {
                payload["localAuthorizationList"] = json!(entries);
            }
            ("SendLocalList", payload)
        }
        Request::ClearCache => ("ClearCache", json!({})),
        // 1.6 has no dynamic profiles; none is ever put there.
        Request::Update { scope, .. } => {
            ("ClearChargingProfile", json!({ "id": scope.profile_id() }))
        }
        Request::Start { evse, token, .. } => (
            "RemoteStartTransaction",
            json!({ "connectorId": evse, "idTag": token }),
        ),
        // 1.6 cannot be asked; what it measures tells.
        Request::TransactionStatus(_) => (
            "TriggerMessage",
            json!({ "requestedMessage": "MeterValues" }),
        ),
        Request::Raw { action, payload } => return (action.clone(), payload.clone()),
    };
    (action.to_owned(), payload)
}

fn set(install: &Install) -> Value {
    let scope = &install.scope;
    let (mut profile, schedule) = schedule::profile(install, "ChargePointMaxProfile");
    profile["chargingProfileId"] = json!(scope.profile_id());
    profile["chargingSchedule"] = schedule;
    if let Scope::Transaction { id, .. } = scope
        && let Ok(id) = id.parse::<i64>()
    {
        profile["transactionId"] = json!(id);
    }
    json!({ "connectorId": scope.evse(), "csChargingProfiles": profile })
}

fn line(entry: &ListEntry) -> Value {
    let mut line = json!({ "idTag": entry.id });
    if let Some(verdict) = &entry.verdict {
        line["idTagInfo"] = super::tag(verdict);
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
        Request::ReadComposite { .. } if status == Some("Accepted") => schedule::composite(
            fields.object("chargingSchedule").as_ref(),
            fields.time("scheduleStart"),
            now,
        ),
        Request::ListVersion => Response::ListVersion(fields.whole("listVersion").unwrap_or(-1)),
        Request::Raw { .. } => Response::Raw(Value::Object(answer.clone())),
        _ => wire::status(request, status, status.unwrap_or("no status")),
    }
}
