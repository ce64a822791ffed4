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
    let noted = |answer: Value| Ok(Inbound::Noted(answer, None));
    match action {
        "NotifyPriorityCharging" => Ok(Inbound::Priority {
            transaction: fields.need_text("transactionId")?.to_owned(),
            is_on: fields.flag("activated").unwrap_or(false),
        }),
        "OpenPeriodicEventStream" => {
            fields.need_object("constantStreamData")?;
            noted(json!({ "status": "Rejected" }))
        }
        "PullDynamicScheduleUpdate" => Ok(Inbound::Pull {
            profile: fields.need_whole("chargingProfileId")?,
        }),
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
