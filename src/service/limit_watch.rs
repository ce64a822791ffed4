//! The limits of circuits with a `limit_source`: read again and again, and told to their sites as
//! signals. One that goes silent is not told any more, grows too old, and the fail-safe holds. The
//! prices of tariffs keep the same rhythm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::sites::Registry;
use super::tariff_watch::TariffWatch;
use crate::domain::event::EventKind;
use crate::domain::id::{CircuitId, SiteKey};
use crate::domain::limit_source::{HttpDocument, LimitSource, SIGNAL_PREFIX, signal_key};
use crate::domain::ports::{Clock, Sites as _};
use crate::domain::signal::SignalSeries;
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::ocpi::Edge;
use crate::state::Snapshot;

/// Between two looks at all sources.
const EVERY: TimeDelta = TimeDelta::seconds(15);
/// How long one poll may take.
const POLL_DEADLINE: Duration = Duration::from_secs(10);
/// Longest document.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;
/// A limit that did not change is told again when this share of its age has passed.
const RENEW_AFTER: i32 = 4;

/// Watches the limit sources of all sites.
pub(super) struct LimitWatch {
    registry: Registry,
    edge: Edge,
    clock: Arc<dyn Clock>,
    /// A site was set up or changed.
    changed: Arc<Notify>,
    tariffs: TariffWatch,
    http: reqwest::Client,
    polled: BTreeMap<(SiteKey, CircuitId), Time>,
    /// What is wrong, to be said once and not each time.
    wrong: BTreeMap<(SiteKey, CircuitId), String>,
}

impl LimitWatch {
    pub(super) fn new(
        registry: Registry,
        edge: Edge,
        clock: Arc<dyn Clock>,
        changed: Arc<Notify>,
    ) -> Self {
        // The operator chose these addresses, mostly in the site's own network: no guard here, but
        // no redirects and no proxy either.
        let http = reqwest::Client::builder()
            .timeout(POLL_DEADLINE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        let tariffs = TariffWatch::new(registry.clone(), edge.clone(), clock.clone());
        Self {
            registry,
            edge,
            clock,
            changed,
            tariffs,
            http,
            polled: BTreeMap::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// Runs until the service stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let has_limits = self.look().await;
            let has_sources = self.tariffs.look().await || has_limits;
            let (clock, changed) = (self.clock.clone(), self.changed.clone());
            let next = clock.now() + EVERY;
            tokio::select! {
                _ = stop.changed() => return,
                () = changed.notified() => {}
                // Without sources nothing wakes up for nothing.
                () = clock.sleep_until(next), if has_sources => {}
            }
        }
    }

    /// Looks at every source once; says whether there is any.
    async fn look(&mut self) -> bool {
        let mut has_sources = false;
        for site in self.registry.keys() {
            let Some(state) = self.registry.snapshot(&site) else {
                continue;
            };
            self.withdraw_orphans(&site, &state).await;
            for circuit in &state.site.circuits {
                let Some(source) = &circuit.limit_source else {
                    continue;
                };
                has_sources = true;
                let known = signal_key(&circuit.id).and_then(|key| state.signals.get(&key));
                let known = known.cloned();
                let result = self.read(&site, circuit, source, known.as_deref()).await;
                self.tell(&site, circuit, result).await;
            }
        }
        has_sources
    }

    /// What came from a source that its circuit does not have any more is of no meaning.
    async fn withdraw_orphans(&self, site: &SiteKey, state: &Snapshot) {
        for key in state.signals.keys() {
            let Some(circuit) = key.as_str().strip_prefix(SIGNAL_PREFIX) else {
                continue;
            };
            let is_there = state
                .site
                .circuits
                .iter()
                .any(|known| known.id.as_str() == circuit && known.limit_source.is_some());
            if !is_there {
                let gone = EventKind::SignalWithdrawn { key: key.clone() };
                if let Err(error) = self.registry.submit(site, vec![gone], Vec::new()).await {
                    warn!(site.id = %site, %error, "a limit that has no source was not withdrawn");
                }
            }
        }
    }

    /// The signal of a source, if there is anything to tell.
    async fn read(
        &mut self,
        site: &SiteKey,
        circuit: &Circuit,
        source: &Value,
        known: Option<&SignalSeries>,
    ) -> Result<Option<SignalSeries>, String> {
        let source = LimitSource::read(source)?;
        let found = if let LimitSource::HttpJson(document) = &source {
            self.poll(site, circuit, document).await?
        } else {
            let kept = self.edge.limit_document(&source).await;
            let kept = kept.map_err(|error| error.to_string())?;
            Some(kept.ok_or("the partner has not told of this location")?)
        };
        let Some((document, read_at)) = found else {
            return Ok(None);
        };
        let name = match &source {
            LimitSource::HttpJson(http) => format!("http_json {}", host(&http.url)),
            LimitSource::OcpiJsonPointer(field) => format!("ocpi {} location", field.partner),
            LimitSource::OcpiCustomModule(told) => format!("ocpi {} sitelimits", told.partner),
        };
        let max_age_s = source.max_age_s();
        let signal = source
            .find(&document)?
            .signal(&circuit.id, &name, read_at, max_age_s);
        Ok(signal.filter(|signal| is_news(signal, known, max_age_s)))
    }

    /// Polls a document if it is time.
    async fn poll(
        &mut self,
        site: &SiteKey,
        circuit: &Circuit,
        document: &HttpDocument,
    ) -> Result<Option<(Value, Time)>, String> {
        let now = self.clock.now();
        let key = (site.clone(), circuit.id.clone());
        if self
            .polled
            .get(&key)
            .is_some_and(|at| now < *at + document.poll())
        {
            return Ok(None);
        }
        self.polled.insert(key, now);
        let body = fetch(&self.http, &document.url).await?;
        let json = serde_json::from_slice(&body).map_err(|error| format!("no JSON: {error}"))?;
        Ok(Some((json, now)))
    }

    async fn tell(
        &mut self,
        site: &SiteKey,
        circuit: &Circuit,
        result: Result<Option<SignalSeries>, String>,
    ) {
        let key = (site.clone(), circuit.id.clone());
        match result {
            Ok(None) => {}
            Ok(Some(series)) => {
                self.wrong.remove(&key);
                let (slots, source) = (series.slots.len(), series.source.clone());
                let set = EventKind::SignalSet {
                    series: Box::new(series),
                };
                if let Err(error) = self.registry.submit(site, vec![set], Vec::new()).await {
                    warn!(site.id = %site, circuit.id = %circuit.id, %error, "a limit was not taken in");
                } else {
                    info!(site.id = %site, circuit.id = %circuit.id, source, slots, "a limit was read");
                }
            }
            Err(detail) => {
                if self.wrong.get(&key) != Some(&detail) {
                    warn!(site.id = %site, circuit.id = %circuit.id, detail, "a limit source gives nothing; the fail-safe limit holds once what it gave is too old");
                    self.wrong.insert(key, detail);
                }
            }
        }
    }
}

/// Whether a signal says something new, or is old enough to be renewed.
fn is_news(signal: &SignalSeries, known: Option<&SignalSeries>, max_age_s: u32) -> bool {
    let Some(known) = known else {
        return true;
    };
    let values = |series: &SignalSeries| -> Vec<i64> {
        series.slots.iter().map(|slot| slot.value).collect()
    };
    let renew = TimeDelta::seconds(i64::from(max_age_s)) / RENEW_AFTER;
    values(known) != values(signal)
        || starts(known) != starts(signal)
        || signal.received_at >= known.received_at + renew
}

/// Where slots begin that do not merely begin when they were read.
fn starts(series: &SignalSeries) -> Vec<Time> {
    let fixed = series.slots.iter().map(|slot| slot.start);
    fixed.skip(1).collect()
}

fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str);
    host.unwrap_or("?").to_owned()
}

async fn fetch(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let mut response = http.get(url).send().await.map_err(told)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("HTTP {status}"));
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(told)? {
        if body.len() + piece.len() > MAX_DOCUMENT_BYTES {
            return Err(format!("longer than {MAX_DOCUMENT_BYTES} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
