//! Where durable commands leave: one task per partner with its outbox, for all its sites.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::TimeDelta;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::activity::{Activity, Busy};
use super::site_actor::Outlet;
use crate::api::metrics::Metrics;
use crate::dispatch::pacing::{Outbox, Outcome, Parcel, lowers};
use crate::domain::command::{Action, Answer, Command, Refusal};
use crate::domain::event::EventKind;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CommandId, EvseId, PartnerKey, SiteKey};
use crate::domain::ports::{Clock, PortError, Sites};
use crate::domain::profile::RateUnit;
use crate::ocpi::Edge;
use crate::ocpp;
use crate::state::Snapshot;

/// An answer that could not be stored is told again after this.
const REPORT_AGAIN: TimeDelta = TimeDelta::seconds(1);

/// Between two looks whether an absent partner is there again, while something waits for it.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(1);

/// A future that gives a value, boxed.
pub type Sending<'a> = std::pin::Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Sends one command over a protocol; an edge implements it.
pub trait Sender: Send + Sync + 'static {
    /// Makes one request and says what is known afterwards.
    fn send<'a>(
        &'a self,
        site: &'a SiteKey,
        source: &'a EvseSource,
        command: &'a Command,
    ) -> Sending<'a>;

    /// The unit in which the EVSE takes limits, where that is not the usual one.
    fn unit_of(&self, _source: &EvseSource) -> Option<RateUnit> {
        None
    }

    /// How many seconds the peer there still wants to be left alone.
    fn patience_s(&self, _source: &EvseSource) -> Option<u32> {
        None
    }

    /// How many seconds nothing is asked of the peer there, since it does not answer.
    fn silence_s(&self, _source: &EvseSource) -> Option<u32> {
        None
    }
}

/// Sends to partners over OCPI. The edge needs the sites, and the sites need a way out: so the edge
/// is put in once both exist.
#[derive(Debug, Default)]
pub struct OcpiSender {
    edge: OnceLock<Edge>,
}

impl OcpiSender {
    /// Sends through this edge from now on.
    pub fn through(&self, edge: Edge) {
        // Set once by `run`; a second time changes nothing.
        let _ = self.edge.set(edge);
    }
}

impl Sender for OcpiSender {
    fn send<'a>(
        &'a self,
        site: &'a SiteKey,
        source: &'a EvseSource,
        command: &'a Command,
    ) -> Sending<'a> {
        Box::pin(async move {
            match self.edge.get() {
                Some(edge) => edge.send(site, source, command).await,
                None => Answer::NotSent {
                    detail: "the service is still starting".into(),
                },
            }
        })
    }

    fn unit_of(&self, source: &EvseSource) -> Option<RateUnit> {
        self.edge.get()?.unit_of(source)
    }

    fn patience_s(&self, source: &EvseSource) -> Option<u32> {
        match (self.edge.get(), source) {
            (Some(edge), EvseSource::Ocpi { partner, .. }) => edge.patience_s(partner),
            _ => None,
        }
    }

    fn silence_s(&self, source: &EvseSource) -> Option<u32> {
        match (self.edge.get(), source) {
            (Some(edge), EvseSource::Ocpi { partner, .. }) => edge.silence_s(partner),
            _ => None,
        }
    }
}

/// Hands commands to the outbox of the partner that holds the EVSE.
pub struct Outlets {
    sender: Arc<dyn Sender>,
    sites: OnceLock<Arc<dyn Sites>>,
    stations: OnceLock<ocpp::Edge>,
    clock: Arc<dyn Clock>,
    activity: Activity,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
    /// Where the partners' tasks run: not on the thread that happens to serve a request.
    runtime: tokio::runtime::Handle,
    partners: Mutex<BTreeMap<PartnerKey, mpsc::UnboundedSender<Addressed>>>,
}

impl fmt::Debug for Outlets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlets").finish_non_exhaustive()
    }
}

/// A parcel with the address it goes to.
struct Addressed {
    parcel: Parcel,
    source: EvseSource,
    busy: Busy,
}

impl Outlets {
    /// Outlets that send through `sender`. Their tasks will run on the runtime in which this is
    /// called.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn new(
        sender: Arc<dyn Sender>,
        clock: Arc<dyn Clock>,
        activity: Activity,
        metrics: Arc<Metrics>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            sender,
            sites: OnceLock::new(),
            stations: OnceLock::new(),
            clock,
            activity,
            metrics,
            stop,
            runtime: tokio::runtime::Handle::current(),
            partners: Mutex::default(),
        }
    }

    /// Where answers go; set once, before the first command.
    pub fn answer_to(&self, sites: Arc<dyn Sites>) {
        // Set once by `run`; a second time changes nothing.
        let _ = self.sites.set(sites);
    }

    fn outbox_of(&self, key: &PartnerKey) -> Option<mpsc::UnboundedSender<Addressed>> {
        let sites = self.sites.get()?.clone();
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        let outbox = partners.entry(key.clone()).or_insert_with(|| {
            // Bounded by dispatch: at most a few open commands per EVSE, and the outbox itself
            // drops beyond its own bound.
            let (sender, receiver) = mpsc::unbounded_channel();
            let task = PartnerTask {
                key: key.clone(),
                outbox: Outbox::default(),
                addresses: BTreeMap::new(),
                sender: self.sender.clone(),
                sites,
                clock: self.clock.clone(),
                activity: self.activity.clone(),
                metrics: self.metrics.clone(),
                stop: self.stop.clone(),
            };
            self.runtime.spawn(task.run(receiver));
            sender
        });
        Some(outbox.clone())
    }
}

impl Outlets {
    /// Sends to stations through this edge from now on.
    pub fn to_stations(&self, edge: ocpp::Edge) {
        // Set once by `run`; a second time changes nothing.
        let _ = self.stations.set(edge);
    }

    /// Hands a command to its station. Bounded by dispatch: a few open commands per EVSE.
    fn to_station(&self, site: &SiteKey, snapshot: &Snapshot, evse: &Evse, command: Command) {
        let (Some(edge), Some(sites)) = (self.stations.get(), self.sites.get()) else {
            return;
        };
        let (edge, sites, metrics) = (edge.clone(), sites.clone(), self.metrics.clone());
        let (site, evse) = (site.clone(), evse.clone());
        let lowers = lowers(snapshot, &command);
        let busy = self.activity.begin();
        let reporter = Reporter {
            sites,
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        self.runtime.spawn(async move {
            let began = reporter.clock.now();
            let answer = edge.send(&evse, &command, lowers).await;
            let took = reporter.clock.now() - began;
            metrics.station_commanded(result_name(&answer), took.as_seconds_f64());
            reporter.report(site, command.id, answer, busy).await;
        });
    }
}

impl Outlet for Outlets {
    fn release(&self, site: &SiteKey, snapshot: &Snapshot, commands: Vec<Command>) {
        for mut command in commands {
            let Some(evse) = snapshot.site.evse(&command.evse) else {
                continue;
            };
            let EvseSource::Ocpi { partner, .. } = &evse.source else {
                self.to_station(site, snapshot, evse, command);
                continue;
            };
            let key = PartnerKey {
                tenant: site.tenant.clone(),
                partner: partner.clone(),
            };
            let lowers = lowers(snapshot, &command);
            if let (Action::SetProfile { profile }, Some(unit)) =
                (&mut command.action, self.sender.unit_of(&evse.source))
            {
                *profile = evse.in_unit(profile, unit);
            }
            let parcel = Parcel {
                site: site.clone(),
                command,
                lowers,
            };
            let addressed = Addressed {
                parcel,
                source: evse.source.clone(),
                busy: self.activity.begin(),
            };
            if let Some(outbox) = self.outbox_of(&key) {
                // Fails only while the service stops; the command then counts as unknown.
                let _ = outbox.send(addressed);
            }
        }
    }
}

struct PartnerTask {
    key: PartnerKey,
    outbox: Outbox,
    addresses: BTreeMap<(SiteKey, EvseId), EvseSource>,
    sender: Arc<dyn Sender>,
    sites: Arc<dyn Sites>,
    clock: Arc<dyn Clock>,
    activity: Activity,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
}

impl PartnerTask {
    async fn run(mut self, mut parcels: mpsc::UnboundedReceiver<Addressed>) {
        let mut sending: JoinSet<(SiteKey, EvseId, Outcome)> = JoinSet::new();
        loop {
            let now = self.clock.now();
            if self.outbox.waits_for_absent() && !self.is_absent() {
                self.outbox.go_on();
            }
            while let Some(parcel) = self.outbox.next(now) {
                self.launch(parcel, &mut sending);
            }
            let mut wake = self.outbox.wake_at();
            if self.outbox.waits_for_absent() {
                // It may call us, or answer a pull, long before the next probe is due.
                wake = wake.min(Some(now + LOOK_EVERY));
            }
            let clock = self.clock.clone();
            tokio::select! {
                _ = self.stop.changed() => break,
                arrived = parcels.recv() => match arrived {
                    Some(addressed) => self.take(addressed),
                    None => break,
                },
                Some(done) = sending.join_next() => {
                    if let Ok((site, evse, outcome)) = done {
                        self.outbox.done(&site, &evse, outcome, self.clock.now());
                    }
                }
                () = wait(&clock, wake) => {}
            }
        }
        debug!(partner = %self.key, "outbox closed");
    }

    /// Whether the edge takes the partner to be absent; all its EVSEs are reached alike.
    fn is_absent(&self) -> bool {
        let source = self.addresses.values().next();
        source.is_some_and(|source| self.sender.silence_s(source).is_some())
    }

    fn take(&mut self, addressed: Addressed) {
        let Addressed {
            parcel,
            source,
            busy,
        } = addressed;
        let holder = self.sites.evse_at(&self.key.tenant, &source);
        if holder.is_some_and(|(site, _)| site != parcel.site) {
            let why = "the EVSE is another site's, which named it first";
            self.report_unsent(parcel, why, busy);
            return;
        }
        self.addresses
            .insert((parcel.site.clone(), parcel.command.evse.clone()), source);
        for dropped in self.outbox.push(parcel) {
            self.report_unsent(dropped, "superseded before it left", self.activity.begin());
        }
        drop(busy);
    }

    fn report_unsent(&self, parcel: Parcel, why: &str, busy: Busy) {
        let answer = Answer::NotSent { detail: why.into() };
        let report = self
            .reporter()
            .report(parcel.site, parcel.command.id, answer, busy);
        tokio::spawn(report);
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            sites: self.sites.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        }
    }

    fn launch(&self, parcel: Parcel, sending: &mut JoinSet<(SiteKey, EvseId, Outcome)>) {
        let Parcel { site, command, .. } = parcel;
        let evse = command.evse.clone();
        let Some(source) = self.addresses.get(&(site.clone(), evse.clone())).cloned() else {
            return;
        };
        let (sender, metrics) = (self.sender.clone(), self.metrics.clone());
        let reporter = self.reporter();
        let busy = self.activity.begin();
        let partner = self.key.clone();
        sending.spawn(async move {
            let began = reporter.clock.now();
            let answer = sender.send(&site, &source, &command).await;
            let took = reporter.clock.now() - began;
            let outcome = match &answer {
                _ if sender.patience_s(&source).is_some() => {
                    Outcome::TooOften(sender.patience_s(&source))
                }
                Answer::Refused {
                    reason: Refusal::TooOften,
                    ..
                } => Outcome::TooOften(None),
                Answer::NotSent { .. } if sender.silence_s(&source).is_some() => {
                    Outcome::Absent(sender.silence_s(&source).unwrap_or_default())
                }
                Answer::NotSent { .. } | Answer::Unknown { .. } => Outcome::Failed,
                _ => Outcome::Fine,
            };
            let result = result_name(&answer);
            metrics.profile_pushed(&partner.partner, result, took.as_seconds_f64());
            reporter
                .report(site.clone(), command.id, answer, busy)
                .await;
            (site, evse, outcome)
        });
    }
}

/// What became of a request, as the metrics name it.
fn result_name(answer: &Answer) -> &'static str {
    match answer {
        Answer::NotSent { .. } => "not_sent",
        Answer::Accepted { .. } => "accepted",
        Answer::Applied { .. } => "applied",
        Answer::Refused { .. } => "refused",
        Answer::Unknown { .. } => "unknown",
    }
}

/// Tells sites what is known of their commands.
struct Reporter {
    sites: Arc<dyn Sites>,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
}

impl Reporter {
    /// Tells it until it is stored: an answer that is lost would keep the command open until the
    /// next start. Ends when the site is gone or the service stops; the command then counts as
    /// unknown.
    async fn report(mut self, site: SiteKey, command: CommandId, answer: Answer, busy: Busy) {
        let mut busy = Some(busy);
        loop {
            let event = EventKind::CommandAnswered {
                command,
                answer: answer.clone(),
            };
            let told = self.sites.submit(&site, vec![event], Vec::new()).await;
            let Err(error) = told else { return };
            if busy.take().is_some() {
                warn!(site.id = %site, command.id = %command, %error, "an answer could not be stored");
            }
            if matches!(error, PortError::Unknown(_) | PortError::Stopping) {
                return;
            }
            let again = self.clock.now() + REPORT_AGAIN;
            tokio::select! {
                _ = self.stop.changed() => return,
                () = self.clock.sleep_until(again) => {}
            }
        }
    }
}

async fn wait(clock: &Arc<dyn Clock>, at: Option<crate::domain::time::Time>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
