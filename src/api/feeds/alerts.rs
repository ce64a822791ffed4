//! Alerts about sources of signals that say nothing any more.

use super::book::{FeedBook, FeedHealth, SourceState};
use crate::api::alerts::{Alert, Severity};
use crate::domain::feed::{Feed, FeedFormat};
use crate::domain::id::SiteKey;
use crate::domain::signal_unit::is_limit;
use crate::domain::time::Time;

/// The feeds of a site that give nothing, and what holds instead.
pub(in crate::api) fn alerts(book: &FeedBook, site: &SiteKey, now: Time) -> Vec<Alert> {
    book.all()
        .iter()
        .filter(|(feed, _)| feed.site == *site)
        .filter_map(|(feed, health)| alert(feed, health, now))
        .collect()
}

fn alert(feed: &Feed, health: &FeedHealth, now: Time) -> Option<Alert> {
    let (kind, holds) = match health.state(feed, now) {
        SourceState::New | SourceState::Fresh | SourceState::Recovered => return None,
        SourceState::Stale => {
            let until = health.known_until.filter(|until| *until > now);
            let until =
                until.map_or_else(String::new, |at| format!(" until {}", at.format("%FT%RZ")));
            ("source_stale", format!("what it announced holds{until}"))
        }
        SourceState::Failed if is_limit(feed.kind) => (
            "source_failed",
            "the fallback series or the circuit's fail-safe holds".to_owned(),
        ),
        SourceState::Failed => ("source_failed", "what stands in for it is used".to_owned()),
    };
    let what = match feed.format {
        FeedFormat::OpenAdr(_) => "VTN",
        _ => "feed",
    };
    let why = health.last_error.as_deref().unwrap_or("it ended");
    Some(Alert {
        // A limit that is not known any more is the grid's; a price is only money.
        severity: if is_limit(feed.kind) && kind == "source_failed" {
            Severity::Critical
        } else {
            Severity::Warning
        },
        kind,
        subject: feed.name.clone(),
        since: health.last_ok_at,
        text: format!("The {what} {} says nothing ({why}); {holds}.", feed.name),
        action: "Is its address reachable from here, and its secret still right?",
    })
}
