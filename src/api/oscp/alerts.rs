//! Alerts about capacity providers that are not heard.

use super::book::OscpBook;
use crate::api::alerts::{Alert, Severity};
use crate::domain::id::SiteKey;
use crate::domain::oscp::{OscpLink, OscpStage};
use crate::domain::time::Time;

/// The providers of a site that were heard and are not any more.
pub(in crate::api) fn alerts(book: &OscpBook, site: &SiteKey, now: Time) -> Vec<Alert> {
    book.all()
        .iter()
        .filter(|(link, _)| link.site == *site)
        .filter(|(link, _)| link.stage != OscpStage::Invited && !link.holds(now))
        .map(|(link, _)| alert(link))
        .collect()
}

fn alert(link: &OscpLink) -> Alert {
    let why = match link.stage {
        OscpStage::Unregistered => "has taken its registration back",
        _ => "is offline",
    };
    Alert {
        // What may be drawn is not known any more.
        severity: Severity::Critical,
        kind: "source_failed",
        subject: link.name.clone(),
        since: link.offline_at,
        text: format!(
            "The capacity provider {} {why}; its fallback or the circuit's fail-safe holds.",
            link.name
        ),
        action: "Ask the provider; its limits hold again after a handshake.",
    }
}
