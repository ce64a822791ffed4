//! What OCPP 2.1 has beyond 2.0.1: mostly functions that we answer and do not offer.

use serde_json::{Value, json};

use super::fields::Fields;
use super::message::Inbound;
use super::rpc::{CallError, ErrorCode};
use super::wire;
use crate::domain::time::Time;

/// Actions of 2.1 that only we may call.
const OURS: &[&str] = &[
    "AFRRSignal",
    "AdjustPeriodicEventStream",
    "ChangeTransactionTariff",
    "ClearDERControl",
    "ClearTariffs",
    "GetDERControl",
    "GetPeriodicEventStream",
    "GetTariffs",
    "NotifyAllowedEnergyTransfer",
    "NotifyWebPaymentStarted",
    "RequestBatterySwap",
    "SetDERControl",
    "SetDefaultTariff",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
];

/// True if a station may not call this.
pub(super) fn is_ours(action: &str) -> bool {
    OURS.contains(&action)
}

/// Reads a call that 2.0.1 does not have.
pub(super) fn hear(action: &str, fields: &Fields<'_>) -> Result<Inbound, CallError> {
    let noted = |answer: Value| Ok(Inbound::Noted(answer));
    match action {
        "NotifySettlement" => {
            fields.need_text("pspRef")?;
            noted(json!({}))
        }
        "NotifyDERAlarm" => {
            fields.need_text("controlType")?;
            noted(json!({}))
        }
        "NotifyDERStartStop" => {
            fields.need_text("controlId")?;
            noted(json!({}))
        }
        "ReportDERControl" | "BatterySwap" => {
            fields.need_whole("requestId")?;
            noted(json!({}))
        }
        "NotifyPriorityCharging" => {
            fields.need_text("transactionId")?;
            noted(json!({}))
        }
        "ClosePeriodicEventStream" => {
            fields.need_whole("id")?;
            noted(json!({}))
        }
        "OpenPeriodicEventStream" => {
            fields.need_object("constantStreamData")?;
            noted(json!({ "status": "Rejected" }))
        }
        "PullDynamicScheduleUpdate" => {
            fields.need_whole("chargingProfileId")?;
            noted(json!({ "status": "Rejected" }))
        }
        "VatNumberValidation" => {
            let number = fields.need_text("vatNumber")?;
            noted(json!({ "vatNumber": number, "status": "Rejected" }))
        }
        "GetCertificateChainStatus" => {
            fields.need_list("certificateStatusRequests")?;
            let unknown = fields
                .objects("certificateStatusRequests")
                .filter_map(|asked| {
                    let hash = asked.object("certificateHashData")?;
                    let source = asked.text("source")?;
                    Some(json!({
                        "certificateHashData": {
                            "hashAlgorithm": hash.text("hashAlgorithm")?,
                            "issuerNameHash": hash.text("issuerNameHash")?,
                            "issuerKeyHash": hash.text("issuerKeyHash")?,
                            "serialNumber": hash.text("serialNumber")?,
                        },
                        "source": source,
                        "status": "Unknown",
                        "nextUpdate": wire::time(Time::UNIX_EPOCH),
                    }))
                });
            noted(json!({ "certificateStatus": unknown.take(4).collect::<Vec<_>>() }))
        }
        _ => Err(CallError::new(ErrorCode::NotImplemented, "unknown action")),
    }
}
