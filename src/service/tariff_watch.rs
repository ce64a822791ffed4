//! The price of sites that chose a partner's tariff: made from it again and again, and told to them
//! as a signal.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use tracing::{info, warn};

use super::sites::Registry;
use crate::domain::event::EventKind;
use crate::domain::id::SiteKey;
use crate::domain::ports::{Clock, Sites as _};
use crate::domain::signal::SignalSeries;
use crate::domain::tariff_source::{AHEAD, TariffSource, agree, signal_key};
use crate::domain::time::Time;
use crate::ocpi::Edge;
use crate::state::Snapshot;

/// Between two looks at the tariff of a site.
const EVERY: TimeDelta = TimeDelta::seconds(60);

/// Prices that did not change are told again once less than this is left of them.
const LEAST_AHEAD: TimeDelta = TimeDelta::hours(36);

/// Watches the tariffs of all sites.
pub(super) struct TariffWatch {
    registry: Registry,
    edge: Edge,
    clock: Arc<dyn Clock>,
    looked: BTreeMap<SiteKey, (TariffSource, Time)>,
    /// What is wrong, to be said once and not each time.
    wrong: BTreeMap<SiteKey, String>,
}

impl TariffWatch {
    pub(super) fn new(registry: Registry, edge: Edge, clock: Arc<dyn Clock>) -> Self {
        Self {
            registry,
            edge,
            clock,
            looked: BTreeMap::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// Looks at the tariff of every site that chose one; says whether there is any.
    pub(super) async fn look(&mut self) -> bool {
        let mut has_tariffs = false;
        for site in self.registry.keys() {
            let Some(state) = self.registry.snapshot(&site) else {
                continue;
            };
            let known = signal_key().and_then(|key| state.signals.get(&key).cloned());
            let Some(source) = &state.site.tariff_price else {
                self.withdraw(&site, known.as_deref()).await;
                continue;
            };
            has_tariffs = true;
            let now = self.clock.now();
            let is_looked = self
                .looked
                .get(&site)
                .is_some_and(|(before, at)| before == source && now < *at + EVERY);
            if !is_looked {
                self.looked.insert(site.clone(), (source.clone(), now));
                self.renew(&site, &state, source, known.as_deref(), now)
                    .await;
            }
        }
        has_tariffs
    }

    async fn renew(
        &mut self,
        site: &SiteKey,
        state: &Snapshot,
        source: &TariffSource,
        known: Option<&SignalSeries>,
        now: Time,
    ) {
        let span = (now, now + AHEAD);
        let signal = match self.edge.tariff_price(source, &state.site, span).await {
            Ok(spans) => source.signal(&spans, now).ok_or_else(String::new),
            Err(why) => Err(why),
        };
        let signal = match signal {
            Ok(signal) if !signal.slots.is_empty() => signal,
            Ok(_) => return self.gives_nothing(site, "does not apply now", known).await,
            Err(why) => return self.gives_nothing(site, &why, known).await,
        };
        self.wrong.remove(site);
        let is_same = known.is_some_and(|known| {
            let lasts = known.end() >= Some(now + LEAST_AHEAD) || known.end() == signal.end();
            known.source == signal.source && lasts && agree(known, &signal, now)
        });
        if is_same {
            return;
        }
        let slots = signal.slots.len();
        let set = EventKind::SignalSet {
            series: Box::new(signal),
        };
        match self.registry.submit(site, vec![set], Vec::new()).await {
            Ok(()) => info!(site.id = %site, tariff.id = source.tariff_id, slots,
                "the price of a tariff was read"),
            Err(error) => warn!(site.id = %site, %error, "the price of a tariff was not taken in"),
        }
    }

    /// Without the tariff there is no price of it: the next source counts.
    async fn gives_nothing(&mut self, site: &SiteKey, why: &str, known: Option<&SignalSeries>) {
        if self.wrong.get(site).is_none_or(|before| before != why) {
            warn!(site.id = %site, why, "a tariff gives no price; the site's next price holds");
            self.wrong.insert(site.clone(), why.to_owned());
        }
        self.withdraw(site, known).await;
    }

    async fn withdraw(&self, site: &SiteKey, known: Option<&SignalSeries>) {
        let Some(known) = known else { return };
        let gone = EventKind::SignalWithdrawn {
            key: known.key.clone(),
        };
        if let Err(error) = self.registry.submit(site, vec![gone], Vec::new()).await {
            warn!(site.id = %site, %error, "the price of a tariff was not withdrawn");
        }
    }
}
