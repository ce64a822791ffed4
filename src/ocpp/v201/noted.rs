//! Messages of 2.x that need no more than an answer; what people may want to know of them is kept.

use serde_json::{Map, Value, json};

use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Inbound, Notice};
use crate::ocpp::rpc::{CallError, ErrorCode};
use crate::ocpp::wire;

/// A message that is only answered.
struct Noted {
    action: &'static str,
    /// A field that must be there.
    needs: &'static str,
    /// What it is about, where it is kept to be looked at.
    about: Option<&'static str>,
    /// The fields that are kept.
    shows: &'static [&'static str],
}

const fn silent(action: &'static str, needs: &'static str) -> Noted {
    Noted {
        action,
        needs,
        about: None,
        shows: &[],
    }
}

const fn shown(
    action: &'static str,
    needs: &'static str,
    about: &'static str,
    shows: &'static [&'static str],
) -> Noted {
    Noted {
        action,
        needs,
        about: Some(about),
        shows,
    }
}

/// Messages of 2.0.1 and 2.1.
const BOTH: &[Noted] = &[
    shown(
        "SecurityEventNotification",
        "type",
        "security",
        &["type", "techInfo"],
    ),
    shown("LogStatusNotification", "status", "log", &["status"]),
    shown(
        "FirmwareStatusNotification",
        "status",
        "firmware",
        &["status"],
    ),
    shown(
        "PublishFirmwareStatusNotification",
        "status",
        "published firmware",
        &["status"],
    ),
    shown(
        "ReservationStatusUpdate",
        "reservationId",
        "reservation",
        &["reservationId", "reservationUpdateStatus"],
    ),
    silent("NotifyMonitoringReport", "requestId"),
    // Names people: nothing of it is kept.
    silent("NotifyCustomerInformation", "data"),
    silent("NotifyDisplayMessages", "requestId"),
];

/// Messages of 2.1 alone.
const NEW: &[Noted] = &[
    silent("NotifySettlement", "pspRef"),
    shown(
        "NotifyDERAlarm",
        "controlType",
        "der",
        &["controlType", "gridEventFault", "alarmEnded", "extraInfo"],
    ),
    shown(
        "NotifyDERStartStop",
        "controlId",
        "der",
        &["controlId", "started"],
    ),
    shown("ReportDERControl", "requestId", "der", &["requestId"]),
    silent("BatterySwap", "requestId"),
    silent("ClosePeriodicEventStream", "id"),
];

/// Reads a message of this kind; `None` if it is of another.
pub(super) fn hear(
    action: &str,
    payload: &Map<String, Value>,
    is_21: bool,
) -> Option<Result<Inbound, CallError>> {
    let new = if is_21 { NEW } else { &[] };
    let noted = BOTH
        .iter()
        .chain(new)
        .find(|noted| noted.action == action)?;
    if !payload.contains_key(noted.needs) {
        let detail = format!("{} is missing", noted.needs);
        let code = ErrorCode::OccurrenceConstraintViolation;
        return Some(Err(CallError::new(code, detail)));
    }
    let notice = noted.about.map(|about| Notice {
        about,
        text: words(payload, noted.shows),
    });
    Some(Ok(Inbound::Noted(json!({}), notice)))
}

/// The named fields as one line.
fn words(payload: &Map<String, Value>, names: &[&str]) -> String {
    let words = names.iter().filter_map(|name| {
        let value = payload.get(*name)?;
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Some(format!("{name} {text:.100}"))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Reads events of the device model: a connector's state is taken like a status message, which 2.1
/// gives up for this; the rest is only answered.
pub(super) fn event(fields: &Fields<'_>) -> Result<Inbound, CallError> {
    fields.need_list("eventData")?;
    let state = fields.objects("eventData").find_map(|event| {
        let component = event.object("component")?;
        let variable = event.object("variable")?;
        let is_state = component.text("name") == Some("Connector")
            && variable.text("name") == Some("AvailabilityState");
        let evse = component.object("evse")?.whole("id")?;
        let evse = u32::try_from(evse).ok().filter(|n| *n <= wire::MAX_EVSE)?;
        is_state.then_some(Inbound::Status {
            evse,
            status: event.text("actualValue")?.to_owned(),
            error: None,
        })
    });
    Ok(state.unwrap_or(Inbound::Noted(json!({}), None)))
}
