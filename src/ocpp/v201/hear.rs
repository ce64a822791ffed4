//! What a 2.x station says, and how it is answered.

use serde_json::{Map, Value, json};

use super::noted;
use crate::domain::quantity::Energy;
use crate::domain::time::Time;
use crate::ocpp::fields::Fields;
use crate::ocpp::message::{
    Boot, EvNeeds, ExternalLimit, Inbound, ProfileReport, Reply, Setting, SigningRequest, Stage,
    Transaction,
};
use crate::ocpp::meter;
use crate::ocpp::rpc::{CallError, ErrorCode};
use crate::ocpp::{schedule, v21, wire};

/// Actions that only we may call.
const OURS: &[&str] = &[
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ClearCache",
    "ClearChargingProfile",
    "ClearDisplayMessage",
    "ClearVariableMonitoring",
    "CostUpdated",
    "CustomerInformation",
    "DeleteCertificate",
    "GetBaseReport",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "GetLog",
    "GetMonitoringReport",
    "GetReport",
    "GetTransactionStatus",
    "GetVariables",
    "InstallCertificate",
    "PublishFirmware",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "UnpublishFirmware",
    "UpdateFirmware",
];

/// Most profiles that are read of one report.
const MAX_PROFILES: usize = 32;

/// Reads a call.
pub(in crate::ocpp) fn hear(
    action: &str,
    payload: &Map<String, Value>,
    is_21: bool,
    now: Time,
) -> Result<Inbound, CallError> {
    let fields = Fields::of(payload);
    if let Some(noted) = noted::hear(action, payload, is_21) {
        return noted;
    }
    Ok(match action {
        "BootNotification" => {
            fields.need_text("reason")?;
            let station = fields.need_object("chargingStation")?;
            Inbound::Boot(Boot {
                vendor: station.need_text("vendorName")?.to_owned(),
                model: station.need_text("model")?.to_owned(),
                serial: station.text("serialNumber").map(str::to_owned),
                firmware: station.text("firmwareVersion").map(str::to_owned),
            })
        }
        "Heartbeat" => Inbound::Heartbeat,
        "StatusNotification" => Inbound::Status {
            evse: wire::connector(&fields, "evseId")?,
            status: fields.need_text("connectorStatus")?.to_owned(),
            error: None,
        },
        "Authorize" => {
            let token = fields.need_object("idToken")?;
            Inbound::Authorize {
                token: token.need_text("idToken")?.to_owned(),
            }
        }
        "TransactionEvent" => Inbound::Transaction(transaction(&fields)?),
        "MeterValues" => {
            fields.need_list("meterValue")?;
            Inbound::Meter {
                evse: wire::connector(&fields, "evseId")?,
                transaction: None,
                samples: meter::read(&fields, "meterValue"),
            }
        }
        "NotifyReport" => {
            fields.need_whole("requestId")?;
            Inbound::Report {
                settings: settings(&fields),
                more: fields.flag("tbc").unwrap_or(false),
            }
        }
        "NotifyEVChargingNeeds" => Inbound::Needs(needs(&fields)?),
        "NotifyEVChargingSchedule" => {
            let intended = fields.need_object("chargingSchedule")?;
            let start = intended.time("startSchedule").or(fields.time("timeBase"));
            Inbound::EvSchedule {
                evse: wire::connector(&fields, "evseId")?,
                schedule: schedule::read_schedule(&intended, start.unwrap_or(now)),
            }
        }
        "NotifyChargingLimit" => {
            let limit = fields.need_object("chargingLimit")?;
            Inbound::Limit(ExternalLimit {
                evse: fields.whole("evseId").and_then(|id| u32::try_from(id).ok()),
                source: limit.need_text("chargingLimitSource")?.to_owned(),
                schedule: fields.objects("chargingSchedule").find_map(|schedule| {
                    let start = schedule.time("startSchedule").unwrap_or(now);
                    schedule::read_schedule(&schedule, start)
                }),
            })
        }
        "ClearedChargingLimit" => Inbound::Limit(ExternalLimit {
            source: fields.need_text("chargingLimitSource")?.to_owned(),
            evse: fields.whole("evseId").and_then(|id| u32::try_from(id).ok()),
            schedule: None,
        }),
        "DataTransfer" => {
            fields.need_text("vendorId")?;
            Inbound::DataTransfer
        }
        "SignCertificate" => Inbound::SignCertificate(SigningRequest {
            csr: fields.need_text("csr")?.to_owned(),
            certificate_type: fields
                .text("certificateType")
                .unwrap_or("ChargingStationCertificate")
                .to_owned(),
        }),
        "NotifyEvent" => noted::event(&fields)?,
        "ReportChargingProfiles" => {
            let profiles = fields.need_list("chargingProfile")?;
            Inbound::Profiles(ProfileReport {
                request_id: fields.need_whole("requestId")?,
                source: fields
                    .text("chargingLimitSource")
                    .unwrap_or_default()
                    .to_owned(),
                evse: wire::connector(&fields, "evseId")?,
                profiles: profiles.iter().take(MAX_PROFILES).cloned().collect(),
            })
        }
        "GetCertificateStatus" => {
            fields.need_object("ocspRequestData")?;
            Inbound::Noted(json!({ "status": "Failed" }), None)
        }
        "Get15118EVCertificate" => {
            fields.need_text("exiRequest")?;
            Inbound::Noted(json!({ "status": "Failed", "exiResponse": "" }), None)
        }
        known if OURS.contains(&known) || (is_21 && v21::is_ours(known)) => {
            return Err(CallError::new(
                ErrorCode::NotSupported,
                "only the charging station management system may call this",
            ));
        }
        other if is_21 => v21::hear(other, &fields)?,
        _ => return Err(CallError::new(ErrorCode::NotImplemented, "unknown action")),
    })
}

fn transaction(fields: &Fields<'_>) -> Result<Transaction, CallError> {
    let stage = match fields.need_text("eventType")? {
        "Started" => Stage::Started,
        "Updated" => Stage::Updated,
        "Ended" => Stage::Ended,
        other => {
            return Err(CallError::new(
                ErrorCode::PropertyConstraintViolation,
                format!("eventType is {other:.20}; Started, Updated or Ended"),
            ));
        }
    };
    fields.need_text("triggerReason")?;
    let info = fields.need_object("transactionInfo")?;
    let id = info.need_text("transactionId")?;
    if id.is_empty() || id.chars().count() > 64 {
        return Err(CallError::new(
            ErrorCode::PropertyConstraintViolation,
            "transactionId must have 1 to 36 characters",
        ));
    }
    let samples = meter::read(fields, "meterValue");
    Ok(Transaction {
        stage,
        id: Some(id.to_owned()),
        evse: fields
            .object("evse")
            .and_then(|evse| u32::try_from(evse.whole("id")?).ok())
            .filter(|evse| *evse <= wire::MAX_EVSE),
        at: fields.need_time("timestamp")?,
        is_open: fields
            .object("idToken")
            .is_some_and(|token| token.text("type") == Some("NoAuthorization")),
        token: fields
            .object("idToken")
            .and_then(|token| token.text("idToken"))
            .map(str::to_owned),
        token_kind: fields
            .object("idToken")
            .and_then(|token| token.text("type"))
            .map(str::to_owned),
        register: samples.iter().rev().find_map(|sample| sample.register),
        offline: fields.flag("offline").unwrap_or(false),
        seq_no: Some(fields.need_whole("seqNo")?),
        reason: info.text("stoppedReason").map(str::to_owned),
        samples,
    })
}

/// The actual values of the variables in a part of a report.
fn settings(fields: &Fields<'_>) -> Vec<Setting> {
    let entries = fields.objects("reportData").filter_map(|entry| {
        let component = entry.object("component")?;
        // A variable of one EVSE is not a setting of the station.
        if component.object("evse").is_some() {
            return None;
        }
        let variable = entry.object("variable")?;
        let value = entry
            .objects("variableAttribute")
            .find(|attribute| attribute.text("type").is_none_or(|kind| kind == "Actual"))
            .and_then(|attribute| attribute.text("value"))?;
        let name = match variable.text("instance") {
            Some(instance) => format!(
                "{}.{}[{instance}]",
                component.text("name")?,
                variable.text("name")?
            ),
            None => format!("{}.{}", component.text("name")?, variable.text("name")?),
        };
        Some(Setting {
            name,
            value: value.to_owned(),
        })
    });
    entries.take(wire::MAX_SETTINGS).collect()
}

fn needs(fields: &Fields<'_>) -> Result<EvNeeds, CallError> {
    let needs = fields.need_object("chargingNeeds")?;
    needs.need_text("requestedEnergyTransfer")?;
    let ac = needs
        .object("acChargingParameters")
        .and_then(|ac| ac.number("energyAmount"));
    // ISO 15118-20: what it wants, whether or not it may give some of it back.
    let v2x = needs
        .object("v2xChargingParameters")
        .and_then(|v2x| v2x.number("evTargetEnergyRequest"));
    let dc = needs.object("dcChargingParameters").and_then(|dc| {
        dc.number("energyAmount").or_else(|| {
            // Nothing asked for, but what it has and what full is.
            let missing = dc.number("fullSoC").unwrap_or(100.0) - dc.number("stateOfCharge")?;
            Some(dc.number("evEnergyCapacity")? * missing / 100.0)
        })
    });
    Ok(EvNeeds {
        evse: wire::connector(fields, "evseId")?,
        departure: needs.time("departureTime"),
        max_periods: fields
            .whole("maxScheduleTuples")
            .and_then(|most| usize::try_from(most).ok())
            .filter(|most| *most > 0),
        energy: ac
            .or(dc)
            .or(v2x)
            .filter(|wh| (0.0..1e7).contains(wh))
            .map(|wh| Energy::from_kilowatt_hours(wh / 1000.0)),
    })
}

/// Spells an answer.
pub(in crate::ocpp) fn spell(reply: &Reply) -> Value {
    match reply {
        Reply::Boot {
            admission,
            now,
            interval_s,
        } => wire::boot(*admission, *now, *interval_s),
        Reply::Heartbeat { now } => json!({ "currentTime": wire::time(*now) }),
        Reply::Token(verdict) | Reply::Started { verdict, .. } => {
            json!({ "idTokenInfo": super::token_info(verdict) })
        }
        Reply::NeedsTaken => json!({ "status": "Processing" }),
        Reply::Schedule { fits } => {
            json!({ "status": if *fits { "Accepted" } else { "Rejected" } })
        }
        Reply::UnknownVendor => json!({ "status": "UnknownVendorId" }),
        Reply::Exactly(answer) => answer.clone(),
        Reply::Empty => json!({}),
    }
}
