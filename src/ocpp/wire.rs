//! Spellings that the versions share.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::fields::Fields;
use super::message::{Admission, Request, Response};
use super::rpc::{CallError, ErrorCode};
use crate::domain::profile::RateUnit;
use crate::domain::time::Time;

/// Most settings kept of one station.
pub(super) const MAX_SETTINGS: usize = 1_000;
/// Highest EVSE or connector number that is taken.
pub(super) const MAX_EVSE: u32 = 1_000;

/// An instant as it goes out: whole seconds, `Z`.
pub(super) fn time(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn unit(unit: RateUnit) -> &'static str {
    match unit {
        RateUnit::Amps => "A",
        RateUnit::Watts => "W",
    }
}

/// An EVSE or connector number.
pub(super) fn connector(fields: &Fields<'_>, name: &str) -> Result<u32, CallError> {
    let number = fields.need_whole(name)?;
    u32::try_from(number)
        .ok()
        .filter(|n| *n <= MAX_EVSE)
        .ok_or_else(|| {
            CallError::new(
                ErrorCode::PropertyConstraintViolation,
                format!("{name} is {number}; 0 to {MAX_EVSE}"),
            )
        })
}

pub(super) fn boot(admission: Admission, now: Time, interval_s: u32) -> Value {
    let status = match admission {
        Admission::Accepted => "Accepted",
        Admission::Pending => "Pending",
        Admission::Rejected => "Rejected",
    };
    json!({ "status": status, "currentTime": time(now), "interval": interval_s })
}

pub(super) fn refused(status: &str, unsupported: bool) -> Response {
    Response::Refused {
        status: status.to_owned(),
        unsupported,
    }
}

/// What a status means as the answer to a request; `shown` is the status with the station's reason.
pub(super) fn status(request: &Request, status: Option<&str>, shown: &str) -> Response {
    match status {
        Some("Accepted" | "RebootRequired") => Response::Accepted,
        // What is not there need not be removed.
        Some("Unknown") if matches!(request, Request::Clear(_)) => Response::Accepted,
        Some("NotSupported" | "NotImplemented") => refused(shown, true),
        _ => refused(shown, false),
    }
}
