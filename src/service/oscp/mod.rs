//! Capacity providers (`OSCP` 2.0): their messages in (`inbound`), ours out (`outbound`), and what their
//! forecasts come to as signals. What a message means is `signals::oscp`.

mod inbound;
mod outbound;

use std::sync::Arc;

use tracing::{info, warn};

pub(super) use self::inbound::{Inbound, configure};
pub(super) use self::outbound::Outbound;
use super::sites::Registry;
use crate::api::oscp::{OscpBook, Parcel};
use crate::domain::event::EventKind;
use crate::domain::id::{SignalKey, SiteKey};
use crate::domain::oscp::{OSCP_PREFIX, OscpBlock, OscpForecast, OscpLink};
use crate::domain::ports::{PortError, Sites as _};
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::domain::time::Time;
use crate::signals::oscp::{OscpSeries, compliance_error, series};

/// The rank of a grid operator's signals.
const PRIORITY: i32 = 10;

/// The path beneath our public address.
const PATH: &str = "oscp/2.0";

/// What both directions need.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) registry: Registry,
    pub(super) book: Arc<OscpBook>,
    pub(super) public_url: String,
}

impl Desk {
    /// Where providers reach us.
    fn base_url(&self) -> String {
        format!("{}/{PATH}", self.public_url.trim_end_matches('/'))
    }

    /// Tells the site what a link's forecasts come to, where that is news.
    async fn tell(&self, link: &OscpLink, now: Time) -> Result<(), PortError> {
        let Some(state) = self.registry.snapshot(&link.site) else {
            return Ok(());
        };
        let mut events = Vec::new();
        for found in series(link, now) {
            let Ok(key) = SignalKey::new(format!("{OSCP_PREFIX}{}:{}", link.name, found.suffix))
            else {
                continue;
            };
            let known = state.signals.get(&key).map(AsRef::as_ref);
            if found.slots.is_empty() {
                events.extend(known.map(|_| EventKind::SignalWithdrawn { key }));
            } else if known.is_none_or(|known| is_news(known, link, &found)) {
                let series = Box::new(signal(key, link, found, known, now));
                events.push(EventKind::SignalSet { series });
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        info!(site.id = %link.site, provider = link.name, signals = events.len(), "a capacity provider says something new");
        self.registry.submit(&link.site, events, Vec::new()).await
    }

    /// What of a forecast cannot be kept, whatever is charged: load that nobody controls is above it.
    fn beyond_us(&self, link: &OscpLink, blocks: &[OscpBlock], now: Time) -> Option<Parcel> {
        let state = self.registry.snapshot(&link.site)?;
        let circuit = match &link.circuit {
            Some(id) => state.site.circuit(id)?,
            None => state.site.root()?,
        };
        let load = state.uncontrolled(circuit, now);
        let highest = |block: &OscpBlock| {
            let start = block.start.max(now);
            let steps = load
                .steps()
                .iter()
                .filter(|(at, _)| *at > start && *at < block.end);
            steps
                .map(|(_, power)| *power)
                .fold(load.at(start), Ord::max)
        };
        let to_come = blocks.iter().filter(|block| block.end > now);
        let beyond: Vec<OscpBlock> = to_come
            .filter(|block| highest(block) > block.capacity)
            .copied()
            .collect();
        let worst = beyond.iter().map(highest).max()?;
        let message = format!("load that is not controlled is expected at up to {worst}");
        Some(Parcel {
            path: "group_capacity_compliance_error",
            body: compliance_error(&message, &beyond),
            answers: None,
            attempts: 0,
            due_at: now,
        })
    }

    /// What providers that are gone have said is of no meaning.
    async fn withdraw_orphans(&self) {
        let links = self.book.all();
        for site in self.registry.keys() {
            let Some(state) = self.registry.snapshot(&site) else {
                continue;
            };
            let is_known = |name: &str| {
                let mut all = links.iter();
                all.any(|(link, _)| link.site == site && link.name == name)
            };
            let gone: Vec<EventKind> = state
                .signals
                .keys()
                .filter(|key| {
                    let rest = key.as_str().strip_prefix(OSCP_PREFIX);
                    let name = rest.and_then(|rest| rest.split_once(':'));
                    name.is_some_and(|(name, _)| !is_known(name))
                })
                .map(|key| EventKind::SignalWithdrawn { key: key.clone() })
                .collect();
            if !gone.is_empty() {
                self.withdraw(&site, gone).await;
            }
        }
    }

    async fn withdraw(&self, site: &SiteKey, gone: Vec<EventKind>) {
        if let Err(error) = self.registry.submit(site, gone, Vec::new()).await {
            warn!(site.id = %site, %error, "what a capacity provider that is gone said was not withdrawn");
        }
    }
}

/// True if a series is not what is known of it already.
fn is_news(known: &SignalSeries, link: &OscpLink, found: &OscpSeries) -> bool {
    known.slots != found.slots
        || known.circuit != link.circuit
        || known.valid_until != link.offline_at
}

fn signal(
    key: SignalKey,
    link: &OscpLink,
    found: OscpSeries,
    known: Option<&SignalSeries>,
    now: Time,
) -> SignalSeries {
    SignalSeries {
        key,
        source: format!("oscp {}", link.name),
        revision: known.map_or(1, |known| known.revision + 1),
        kind: found.kind,
        circuit: link.circuit.clone(),
        slots: found.slots,
        priority: PRIORITY,
        hard: found.kind != SignalKind::PowerTarget,
        issued_at: now,
        received_at: now,
        valid_until: link.offline_at,
        evse: None,
        evses_only: false,
    }
}

/// Which forecasts can be beyond us.
fn is_limit(of: OscpForecast) -> bool {
    of == OscpForecast::Consumption
}
