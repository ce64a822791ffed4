//! Messages of 2.x that need no more than an answer; what people may want to know of them is kept.

use serde_json::{Map, Value, json};

use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Inbound, Notice};
use crate::ocpp::rpc::CallError;
use crate::ocpp::wire;

/// A field that must be there, and its type.
#[derive(Clone, Copy)]
enum Need {
    Text(&'static str),
    Whole(&'static str),
}

use Need::{Text, Whole};

/// A message that is only answered.
struct Noted {
    action: &'static str,
    needs: Need,
    /// What it is about, where it is kept to be looked at.
    about: Option<&'static str>,
    /// The fields that are kept.
    shows: &'static [&'static str],
}

const fn silent(action: &'static str, needs: Need) -> Noted {
    Noted {
        action,
        needs,
        about: None,
        shows: &[],
    }
}

const fn shown(
    action: &'static str,
    needs: Need,
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
        Text("type"),
        "security",
        &["type", "techInfo"],
    ),
    shown("LogStatusNotification", Text("status"), "log", &["status"]),
    shown(
        "FirmwareStatusNotification",
        Text("status"),
        "firmware",
        &["status"],
    ),
    shown(
        "PublishFirmwareStatusNotification",
        Text("status"),
        "published firmware",
        &["status"],
    ),
    shown(
        "ReservationStatusUpdate",
        Whole("reservationId"),
        "reservation",
        &["reservationId", "reservationUpdateStatus"],
    ),
    silent("NotifyMonitoringReport", Whole("requestId")),
    // Names people: nothing of it is kept.
    silent("NotifyCustomerInformation", Text("data")),
    silent("NotifyDisplayMessages", Whole("requestId")),
];

/// Messages of 2.1 alone.
const NEW: &[Noted] = &[
    silent("NotifySettlement", Text("pspRef")),
    shown(
        "NotifyDERAlarm",
        Text("controlType"),
        "der",
        &["controlType", "gridEventFault", "alarmEnded", "extraInfo"],
    ),
    shown(
        "NotifyDERStartStop",
        Text("controlId"),
        "der",
        &["controlId", "started"],
    ),
    shown(
        "ReportDERControl",
        Whole("requestId"),
        "der",
        &[
            "requestId",
            "curve",
            "enterService",
            "fixedPFAbsorb",
            "fixedPFInject",
            "fixedVar",
            "freqDroop",
            "gradient",
            "limitMaxDischarge",
        ],
    ),
    silent("BatterySwap", Whole("requestId")),
    silent("ClosePeriodicEventStream", Whole("id")),
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
    let fields = Fields::of(payload);
    let needed = match noted.needs {
        Text(name) => fields.need_text(name).map(drop),
        Whole(name) => fields.need_whole(name).map(drop),
    };
    if let Err(error) = needed {
        return Some(Err(error));
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
