//! What a 1.6 station says, and how it is answered.

use serde_json::{Map, Value, json};

use crate::ocpp::fields::Fields;
use crate::ocpp::message::{Boot, Inbound, Notice, Reply, SigningRequest, Stage, Transaction};
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
                token_kind: None,
                is_open: false,
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
                token_kind: None,
                is_open: false,
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
        "DiagnosticsStatusNotification" => status(&fields, "diagnostics")?,
        "FirmwareStatusNotification" | "SignedFirmwareStatusNotification" => {
            status(&fields, "firmware")?
        }
        "LogStatusNotification" => status(&fields, "log")?,
        "SecurityEventNotification" => {
            let kind = fields.need_text("type")?;
            fields.need_text("timestamp")?;
            let more = fields.text("techInfo").unwrap_or_default();
            noted("security", &format!("{kind:.50} {more:.255}"))
        }
        "SignCertificate" => Inbound::SignCertificate(SigningRequest {
            csr: fields.need_text("csr")?.to_owned(),
            certificate_type: "ChargingStationCertificate".into(),
        }),
        known if OURS.contains(&known) => {
            return Err(CallError::new(
                ErrorCode::NotSupported,
                "only the central system may call this",
            ));
        }
        _ => return Err(CallError::new(ErrorCode::NotImplemented, "unknown action")),
    })
}

fn noted(about: &'static str, text: &str) -> Inbound {
    let text = text.trim_end().to_owned();
    Inbound::Noted(json!({}), Some(Notice { about, text }))
}

fn status(fields: &Fields<'_>, about: &'static str) -> Result<Inbound, CallError> {
    let status = fields.need_text("status")?;
    Ok(noted(about, &format!("status {status:.50}")))
}

/// Spells an answer.
pub(in crate::ocpp) fn spell(action: &str, reply: &Reply) -> Value {
    match reply {
        Reply::Boot {
            admission,
            now,
            interval_s,
        } => wire::boot(*admission, *now, *interval_s),
        Reply::Heartbeat { now } => json!({ "currentTime": wire::time(*now) }),
        Reply::Started {
            transaction,
            verdict,
        } => json!({ "transactionId": transaction, "idTagInfo": super::tag(verdict) }),
        // A tag that stops a transaction is not judged again: it ends in any case.
        Reply::Token(_) if action == "StopTransaction" => json!({}),
        Reply::Token(verdict) => json!({ "idTagInfo": super::tag(verdict) }),
        Reply::UnknownVendor => json!({ "status": "UnknownVendorId" }),
        Reply::Exactly(answer) => answer.clone(),
        Reply::NeedsTaken | Reply::Schedule { .. } | Reply::Empty => json!({}),
    }
}
