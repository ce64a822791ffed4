//! What a partner's operator should change when something with it failed.

use ocpi_client::error::{Error, TransportKind};
use ocpi_client::types::StatusClass;

use super::edge::EdgeError;
use super::translate::{session, tariff};

/// What to change so that this does not happen again.
pub(super) fn for_error(error: &EdgeError) -> Option<String> {
    let advice = match error {
        EdgeError::Exchange(error) => return Some(for_exchange(error)),
        EdgeError::Address(_) => {
            "publish https addresses on the host of your versions URL, reachable from the internet"
        }
        EdgeError::NoEndpoint { .. } => "publish this endpoint in your version details",
        EdgeError::NotRegistered(_) => "complete the registration: POST credentials",
        EdgeError::Incomplete(_) => {
            "make the list end: the last page has no Link header, and every page its own offset"
        }
        EdgeError::Token(_) => "give a token of 1 to 64 printable ASCII characters without blanks",
        EdgeError::UnknownPartner(_)
        | EdgeError::Taken(_)
        | EdgeError::TooMany
        | EdgeError::Port(_)
        | EdgeError::Http(_) => return None,
    };
    Some(advice.into())
}

/// What a partner should change for a deviation that only we look for.
pub(super) fn for_deviation(id: &str) -> Option<&'static str> {
    Some(match id {
        session::STAMP_AHEAD => "Set the clock of your platform by NTP, and stamp changes in UTC.",
        tariff::NOT_BY_TIME => {
            "Nothing, if the tariff is meant so; where it is to steer charging, restrict prices by \
             time, date and day only."
        }
        tariff::ELEMENT_UNREADABLE => "Write restrictions and prices as specified.",
        tariff::TAX_RATE_MISSING => "Name the rate in `vat`, or say N/A in `tax_included`.",
        _ => return None,
    })
}

/// The same for one exchange.
pub(super) fn for_exchange(error: &Error) -> String {
    match error {
        Error::Address { .. } => "publish a usable absolute address".into(),
        Error::Transport { kind, .. } => match kind {
            TransportKind::Connect => {
                "make the address reachable from here: name, port, firewall, and a certificate \
                 that public authorities vouch for"
            }
            TransportKind::Deadline => "answer within the deadline; 10 s is ours by default",
            TransportKind::Interrupted => "keep the connection open until the answer is complete",
            TransportKind::Request => "publish an address that an HTTP client takes",
        }
        .into(),
        Error::TooLarge { .. } => {
            "send smaller pages: obey `limit`, and name your own in X-Limit".into()
        }
        Error::Http { status, .. } => for_status(*status).into(),
        Error::NotJson { .. } => {
            "answer with JSON in OCPI's envelope, uncompressed, also for errors".into()
        }
        Error::Ocpi { code, .. } => match code.class() {
            StatusClass::Client => {
                "see the message: if our request is as specified, take it; else tell us"
            }
            StatusClass::Hub => "see to it that the hub reaches the party behind it",
            StatusClass::Server | StatusClass::Success | StatusClass::Unknown => {
                "see your log at this instant: it is an error of your platform"
            }
        }
        .into(),
        Error::MissingData { .. } => "send `data` beside status_code 1000".into(),
        Error::Unreadable { reason, .. } => {
            let advice = reason.deviation.advice();
            advice.unwrap_or("send the object as specified").into()
        }
    }
}

fn for_status(status: u16) -> &'static str {
    match status {
        301 | 302 | 303 | 307 | 308 => "publish the final address: redirects are not followed",
        401 | 403 => {
            "take our token, Base64 as specified or as it is; if it was lost, register again with \
             a new token A"
        }
        404 => "serve this address, or publish the right one in your version details",
        405 => "allow this method here, as specified",
        408 | 425 | 429 => "allow more requests, or say in Retry-After when to come again",
        400..=499 => "see the message: our request is as specified, its refusal is not",
        _ => "see your log at this instant: it is an error of your platform",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_door_and_a_missing_page_are_told_apart() {
        let http = |status| {
            for_exchange(&Error::Http {
                operation: "get",
                status,
                code: None,
                message: None,
            })
        };
        assert!(http(401).contains("token A"));
        assert!(http(404).contains("version details"));
        assert!(http(302).contains("redirects"));
        assert!(http(503).contains("your log"));
    }
}
