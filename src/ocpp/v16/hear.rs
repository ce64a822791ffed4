//! What a 1.6 station says, and how it is answered.

use serde_json::{Map, Value, json};

use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Boot, Inbound, Reply, Stage, Transaction};
use crate::ocpp::meter;
use crate::ocpp::rpc::{CallError, ErrorCode};
use crate::ocpp::wire;

/// Actions that only we may call.
const OURS: &[&str] = &[
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "InstallCertificate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
];

/// Reads a call.
pub(in crate::ocpp) fn hear(
    action: &str,
    payload: &Map<String, Value>,
) -> Result<Inbound, CallError> {
    let fields = Fields::of(payload);
    Ok(match action {
        "BootNotification" => Inbound::Boot(Boot {
            vendor: fields.need_text("chargePointVendor")?.to_owned(),
            model: fields.need_text("chargePointModel")?.to_owned(),
            serial: fields
                .text("chargePointSerialNumber")
                .or(fields.text("chargeBoxSerialNumber"))
                .map(str::to_owned),
            firmware: fields.text("firmwareVersion").map(str::to_owned),
        }),
        "Heartbeat" => Inbound::Heartbeat,
        "StatusNotification" => Inbound::Status {
            evse: wire::connector(&fields, "connectorId")?,
            error: Some(fields.need_text("errorCode")?)
                .filter(|code| *code != "NoError")
                .map(str::to_owned),
            status: fields.need_text("status")?.to_owned(),
        },
        "Authorize" => Inbound::Authorize {
            token: fields.need_text("idTag")?.to_owned(),
        },
        "StartTransaction" => {
            fields.need_whole("meterStart")?;
            Inbound::Transaction(Transaction {
                stage: Stage::Started,
                id: None,
                evse: Some(wire::connector(&fields, "connectorId")?),
                token: Some(fields.need_text("idTag")?.to_owned()),
                at: fields.need_time("timestamp")?,
                register: meter::watt_hours(payload.get("meterStart")),
                samples: Vec::new(),
                offline: false,
                seq_no: None,
                reason: None,
            })
        }
        "StopTransaction" => {
            let id = fields.need_whole("transactionId")?;
            fields.need_whole("meterStop")?;
            Inbound::Transaction(Transaction {
                stage: Stage::Ended,
                id: Some(id.to_string()),
                evse: None,
                token: fields.text("idTag").map(str::to_owned),
                at: fields.need_time("timestamp")?,
                register: meter::watt_hours(payload.get("meterStop")),
                samples: meter::read(&fields, "transactionData"),
                offline: false,
                seq_no: None,
                reason: fields.text("reason").map(str::to_owned),
            })
        }
        "MeterValues" => {
            fields.need_list("meterValue")?;
            Inbound::Meter {
                evse: wire::connector(&fields, "connectorId")?,
                transaction: fields.whole("transactionId").map(|id| id.to_string()),
                samples: meter::read(&fields, "meterValue"),
            }
        }
        "DataTransfer" => {
            fields.need_text("vendorId")?;
            Inbound::DataTransfer
        }
        "DiagnosticsStatusNotification"
        | "FirmwareStatusNotification"
        | "LogStatusNotification"
        | "SignedFirmwareStatusNotification" => {
            fields.need_text("status")?;
            Inbound::Noted(json!({}))
        }
        "SecurityEventNotification" => {
            fields.need_text("type")?;
            fields.need_text("timestamp")?;
            Inbound::Noted(json!({}))
        }
        "SignCertificate" => {
            fields.need_text("csr")?;
            // We have no certificate authority to sign with.
            Inbound::Noted(json!({ "status": "Rejected" }))
        }
        known if OURS.contains(&known) => {
            return Err(CallError::new(
                ErrorCode::NotSupported,
                "only the central system may call this",
            ));
        }
        _ => return Err(CallError::new(ErrorCode::NotImplemented, "unknown action")),
    })
}

/// Spells an answer.
pub(in crate::ocpp) fn spell(action: &str, reply: &Reply) -> Value {
    let tag = |accepted: bool| json!({ "status": if accepted { "Accepted" } else { "Invalid" } });
    match reply {
        Reply::Boot {
            admission,
            now,
            interval_s,
        } => wire::boot(*admission, *now, *interval_s),
        Reply::Heartbeat { now } => json!({ "currentTime": wire::time(*now) }),
        Reply::Started {
            transaction,
            accepted,
        } => json!({ "transactionId": transaction, "idTagInfo": tag(*accepted) }),
        // A tag that stops a transaction is not judged again: it ends in any case.
        Reply::Token { .. } if action == "StopTransaction" => json!({}),
        Reply::Token { accepted } => json!({ "idTagInfo": tag(*accepted) }),
        Reply::UnknownVendor => json!({ "status": "UnknownVendorId" }),
        Reply::Exactly(answer) => answer.clone(),
        Reply::NeedsTaken | Reply::ScheduleTaken | Reply::Empty => json!({}),
    }
}
