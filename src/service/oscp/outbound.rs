//! What goes to capacity providers: answers, heartbeats, measurements; and who was not heard in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;
use tracing::{info, warn};
use url::Url;

use super::Desk;
use crate::api::chronicle::Chronicle;
use crate::api::oscp::{OUR_TOKEN, OscpHealth, Parcel, THEIR_TOKEN};
use crate::domain::id::SiteKey;
use crate::domain::oscp::{OscpAuth, OscpLink, OscpStage};
use crate::domain::ports::Clock;
use crate::domain::time::Time;
use crate::ocpi::guard::{Guard, GuardedResolver};
use crate::service::activity::Activity;
use crate::service::outside::{Credentials, bytes, client};
use crate::signals::oscp::{heartbeat, measurements, registration, tick};

/// Attempts at one message; the pauses between them double from a second: four minutes in all.
const ATTEMPTS: u32 = 8;
/// Energies are told at multiples of a quarter of an hour, a while later.
const MEASURE_S: i64 = 900;
const MEASURE_AFTER: TimeDelta = TimeDelta::seconds(60);
/// Registers are remembered for two days.
const REMEMBERED: TimeDelta = TimeDelta::days(2);
/// Between two looks that nobody asked for.
const SHORTEST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// Tokens are asked for again after a failure not before.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

/// Talks to the providers.
pub(crate) struct Outbound {
    desk: Desk,
    chronicle: Arc<Chronicle>,
    clock: Arc<dyn Clock>,
    activity: Activity,
    guard: Guard,
    http: reqwest::Client,
    tokens: BTreeMap<(SiteKey, String), (String, Time)>,
}

impl Outbound {
    pub(crate) fn new(
        desk: Desk,
        chronicle: Arc<Chronicle>,
        clock: Arc<dyn Clock>,
        activity: Activity,
        guard: Guard,
    ) -> Self {
        let http = client()
            .dns_resolver(GuardedResolver::new(guard.clone()))
            .build()
            .unwrap_or_default();
        Self {
            desk,
            chronicle,
            clock,
            activity,
            guard,
            http,
            tokens: BTreeMap::new(),
        }
    }

    /// Runs until the service stops. Without providers nothing wakes up for nothing.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        // A registration that was under way when we died goes on.
        let now = self.clock.now();
        for (link, _) in self.desk.book.all() {
            if link.offered.is_some() {
                let body = registration("", &self.desk.base_url());
                self.desk.book.send(&link, parcel("register", body, now));
            }
        }
        loop {
            self.desk.withdraw_orphans().await;
            let busy = self.activity.begin();
            self.pass_time().await;
            self.deliver().await;
            drop(busy);
            // Whatever cannot be stored is not tried again and again without a pause.
            let soonest = self.clock.now() + SHORTEST_PAUSE;
            let next = self.next().map(|at| at.max(soonest));
            tokio::select! {
                _ = stop.changed() => return,
                () = self.desk.book.changed() => {}
                () = self.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
    }

    /// When something is to be done by itself.
    fn next(&self) -> Option<Time> {
        let links = self.desk.book.all();
        let of = |(link, health): &(OscpLink, OscpHealth)| {
            let offline = link.offline_at.filter(|_| link.stage == OscpStage::Online);
            let talks = link.stage == OscpStage::Online;
            let beat = health.beat_at.filter(|_| talks);
            let measure = (talks && link.wants_measurements).then(|| measured_next(link));
            // The others wait for the first.
            let waiting = health.waiting.first().map(|parcel| parcel.due_at);
            [offline, beat, measure, waiting]
                .into_iter()
                .flatten()
                .min()
        };
        links.iter().filter_map(of).min()
    }

    /// What time alone brings about.
    async fn pass_time(&self) {
        let _alone = self.desk.book.alone.lock().await;
        let now = self.clock.now();
        for (mut link, health) in self.desk.book.all() {
            if !tick(&mut link, now).is_empty() {
                warn!(site.id = %link.site, provider = link.name, "a capacity provider is offline; its fallback holds");
                let told = self.desk.tell(&link, now).await;
                let kept = match told {
                    Ok(()) => self.desk.book.store(link.clone()).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = kept {
                    warn!(site.id = %link.site, %error, "that a capacity provider is offline cannot be kept");
                }
            }
            if link.stage != OscpStage::Online {
                continue;
            }
            if let Some(seconds) = link.heartbeat_s
                && health.beat_at.is_none_or(|at| at <= now)
            {
                let every = TimeDelta::seconds(i64::from(seconds));
                self.desk
                    .book
                    .note(&link, |health| health.beat_at = Some(now + every));
                let beat = parcel("heartbeat", heartbeat(every, now), now);
                self.desk.book.send(&link, beat);
            }
            if link.wants_measurements && measured_next(&link) <= now {
                self.measure(link, now).await;
            }
        }
    }

    /// Tells what the EVSEs drew up to the last quarter of an hour.
    async fn measure(&self, mut link: OscpLink, now: Time) {
        let Some(state) = self.desk.registry.snapshot(&link.site) else {
            return;
        };
        let to = quarter(now - MEASURE_AFTER);
        let from = link
            .reported_to
            .unwrap_or(link.created_at)
            .max(to - REMEMBERED);
        let beneath = |id: &crate::domain::id::EvseId| {
            let evse = state.site.evse(id);
            link.circuit.as_ref().is_none_or(|circuit| {
                evse.is_some_and(|evse| state.site.is_beneath(&evse.circuit, circuit))
            })
        };
        let past = self.chronicle.past(&link.site, (from, to), &beneath);
        let gained = past.measured.energy;
        let body = measurements(&link, gained, to);
        link.reported += gained;
        link.reported_to = Some(to);
        match self.desk.book.store(link.clone()).await {
            Ok(()) => {
                let told = parcel("update_group_measurements", body, now);
                self.desk.book.send(&link, told);
            }
            Err(error) => {
                warn!(site.id = %link.site, %error, "what was measured cannot be kept");
            }
        }
    }

    /// Sends what is due, to all providers at once, to each in order.
    async fn deliver(&mut self) {
        let now = self.clock.now();
        let links = self.desk.book.all();
        for (link, health) in &links {
            let has_mail = health.waiting.iter().any(|parcel| parcel.due_at <= now);
            if has_mail && let Err(error) = self.admit(link, now).await {
                self.desk.book.note(link, |health| {
                    health.last_error = Some(error);
                    for parcel in &mut health.waiting {
                        parcel.due_at = now + PAUSE;
                    }
                });
            }
        }
        let this = &*self;
        join_all(links.iter().map(|(link, _)| this.deliver_to(link, now))).await;
    }

    /// Gets a token where the provider wants one of `OAuth`.
    async fn admit(&mut self, link: &OscpLink, now: Time) -> Result<(), String> {
        let OscpAuth::OAuth {
            token_url,
            client_id,
            scope,
        } = &link.auth
        else {
            return Ok(());
        };
        let key = (link.site.clone(), link.name.clone());
        if self.tokens.get(&key).is_some_and(|(_, until)| *until > now) {
            return Ok(());
        }
        let sealed = link.sealed.as_deref().ok_or("it has no secret")?;
        let secret = self.desk.book.unseal(link, THEIR_TOKEN, sealed);
        let secret = secret.map_err(|error| error.to_string())?;
        let asked = Credentials {
            token_url: Url::parse(token_url).map_err(|_| "token_url is no address")?,
            client: client_id,
            secret: &secret,
            scope: scope.as_deref(),
        };
        let token = asked.token(&self.http, now).await?;
        self.tokens.insert(key, token);
        Ok(())
    }

    async fn deliver_to(&self, link: &OscpLink, now: Time) {
        // Bounded: each turn takes one message out, or ends.
        loop {
            let Some((current, health)) = self.desk.book.get(&link.site, &link.name) else {
                return;
            };
            let Some(mut parcel) = health
                .waiting
                .first()
                .filter(|it| it.due_at <= now)
                .cloned()
            else {
                return;
            };
            let sent = self.send(&current, &parcel).await;
            self.desk.book.note(link, |health| {
                // It is still the first, unless so many came that it had to give way.
                if health.waiting.first() == Some(&parcel) {
                    health.waiting.remove(0);
                }
            });
            match sent {
                Ok(()) => {
                    self.desk.book.note(link, |health| {
                        health.sent_at = Some(now);
                        health.last_error = None;
                    });
                    if parcel.path == "register" {
                        self.is_registered(link).await;
                    }
                }
                Err(error) => {
                    warn!(site.id = %link.site, provider = link.name, message = parcel.path, error, "a capacity provider does not take a message");
                    self.desk
                        .book
                        .note(link, |health| health.last_error = Some(error));
                    parcel.attempts += 1;
                    // A heartbeat is of its moment; without a registration nothing else would come.
                    let goes_on = match parcel.path {
                        "heartbeat" => false,
                        "register" => true,
                        _ => parcel.attempts < ATTEMPTS,
                    };
                    if goes_on {
                        let pause = TimeDelta::seconds(1 << parcel.attempts.min(ATTEMPTS));
                        parcel.due_at = now + pause;
                        self.desk
                            .book
                            .note(link, |health| health.waiting.insert(0, parcel));
                    }
                    return;
                }
            }
        }
    }

    /// The provider has our token: the one it showed first is not taken any more.
    async fn is_registered(&self, link: &OscpLink) {
        let _alone = self.desk.book.alone.lock().await;
        let Some((mut link, _)) = self.desk.book.get(&link.site, &link.name) else {
            return;
        };
        let newest = link.admits.last().cloned();
        link.admits = newest.into_iter().collect();
        link.offered = None;
        info!(site.id = %link.site, provider = link.name, "registered with a capacity provider");
        if let Err(error) = self.desk.book.store(link).await {
            warn!(%error, "a registration cannot be kept");
        }
    }

    async fn send(&self, link: &OscpLink, parcel: &Parcel) -> Result<(), String> {
        let base = link.base_url.as_deref().ok_or("it has no address yet")?;
        let url = self
            .guard
            .check(&format!("{base}/{}", parcel.path))
            .map_err(|refused| refused.to_string())?;
        let unsealed = |what: &str, sealed: &Option<Vec<u8>>| {
            let sealed = sealed.as_deref().ok_or("it has no token yet")?;
            let text = self.desk.book.unseal(link, what, sealed);
            text.map_err(|error| error.to_string())
        };
        let mut request = self.http.post(url);
        request = match link.auth {
            OscpAuth::Token => {
                let token = unsealed(THEIR_TOKEN, &link.sealed)?;
                request.header("Authorization", format!("Token {}", token.as_str()))
            }
            OscpAuth::OAuth { .. } => {
                let token = self.tokens.get(&(link.site.clone(), link.name.clone()));
                let (token, _) = token.ok_or("there is no token of OAuth")?;
                request.bearer_auth(token)
            }
        };
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        request = request.header("X-Request-ID", uuid::Uuid::new_v4().to_string());
        if let Some(id) = &parcel.answers {
            request = request.header("X-Correlation-ID", id);
        }
        let mut body = parcel.body.clone();
        if parcel.path == "register" {
            let token = unsealed(OUR_TOKEN, &link.offered)?;
            body["token"] = json!(token.as_str());
        }
        let (status, answer) = bytes(request.json(&body)).await?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&answer);
        let why: String = answer.chars().take(200).collect();
        Err(format!("{}: HTTP {status} {why}", parcel.path))
    }
}

fn parcel(path: &'static str, body: serde_json::Value, now: Time) -> Parcel {
    Parcel {
        path,
        body,
        answers: None,
        attempts: 0,
        due_at: now,
    }
}

/// The last multiple of a quarter of an hour.
fn quarter(at: Time) -> Time {
    let second = at.timestamp().div_euclid(MEASURE_S) * MEASURE_S;
    chrono::DateTime::from_timestamp(second, 0).unwrap_or(at)
}

/// When the next energies are to be told.
fn measured_next(link: &OscpLink) -> Time {
    let last = quarter(link.reported_to.unwrap_or(link.created_at));
    last + TimeDelta::seconds(MEASURE_S) + MEASURE_AFTER
}
