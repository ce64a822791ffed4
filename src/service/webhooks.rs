//! Calls webhooks: what happened is told in order, signed, with bounded patience.
//!
//! There is no queue here: a hook remembers how far it has been told, and the chronicle's ring is what
//! is told next. Who is away for longer than the ring remembers, or refuses for too long, is told so
//! (`missed`) and goes on with what is new.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use super::activity::Activity;
use super::sites::Registry;
use crate::api::chronicle::Chronicle;
use crate::api::webhooks::{Webhook, WebhookBook};
use crate::domain::hmac::{hex, hmac_sha256};
use crate::domain::id::SiteKey;
use crate::domain::ports::Clock;
use crate::domain::time::Time;
use crate::ocpi::guard::{Guard, GuardedResolver};

/// Between two looks at what is new.
const EVERY: TimeDelta = TimeDelta::seconds(1);
/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Notes of one call.
const MAX_NOTES: usize = 100;
/// Attempts at one call; the pauses between them double from five seconds: ten minutes in all.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE_S: i64 = 5;

/// How far a hook has been told of a site.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    told: u64,
    attempts: u32,
    not_before: Option<Time>,
    /// Notes that were never told before the next one.
    missed: u64,
}

/// Calls webhooks.
pub(super) struct Caller {
    registry: Registry,
    book: Arc<WebhookBook>,
    chronicle: Arc<Chronicle>,
    clock: Arc<dyn Clock>,
    activity: Activity,
    guard: Guard,
    http: reqwest::Client,
    cursors: BTreeMap<(String, SiteKey), Cursor>,
}

impl Caller {
    pub(super) fn new(
        registry: Registry,
        book: Arc<WebhookBook>,
        chronicle: Arc<Chronicle>,
        clock: Arc<dyn Clock>,
        activity: Activity,
        guard: Guard,
    ) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(GuardedResolver::new(guard.clone()))
            .build()
            .unwrap_or_default();
        Self {
            registry,
            book,
            chronicle,
            clock,
            activity,
            guard,
            http,
            cursors: BTreeMap::new(),
        }
    }

    /// Runs until the service stops. Without webhooks nothing wakes up for nothing.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let hooks: Vec<Webhook> = self.book.all().into_iter().map(|(hook, _)| hook).collect();
            self.cursors
                .retain(|(id, _), _| hooks.iter().any(|hook| hook.id == *id));
            for hook in &hooks {
                self.tell(hook).await;
            }
            let next = self.clock.now() + EVERY;
            tokio::select! {
                _ = stop.changed() => return,
                () = self.book.changed() => {}
                () = self.clock.sleep_until(next), if !hooks.is_empty() => {}
            }
        }
    }

    /// Tells a hook what is new at its sites. One that does not answer holds up its own sites only as
    /// long as one call may take.
    async fn tell(&mut self, hook: &Webhook) {
        let sites = self.registry.keys().into_iter().filter(|key| {
            key.tenant == hook.tenant
                && hook
                    .sites
                    .as_ref()
                    .is_none_or(|sites| sites.contains(&key.site))
        });
        for site in sites {
            let key = (hook.id.clone(), site.clone());
            let newest = self.chronicle.newest_note(&site);
            // What was before the hook is not told.
            let mut cursor = *self.cursors.entry(key.clone()).or_insert(Cursor {
                told: newest,
                ..Cursor::default()
            });
            let now = self.clock.now();
            if cursor.not_before.is_some_and(|at| at > now) || cursor.told >= newest {
                continue;
            }
            let news = self.chronicle.notes_after(&site, cursor.told, MAX_NOTES);
            cursor.missed += news.missed;
            let wanted = |note: &&Value| {
                let kind = note["kind"].as_str().unwrap_or_default();
                hook.events
                    .as_ref()
                    .is_none_or(|events| events.contains(kind))
            };
            let notes: Vec<&Value> = news.notes.iter().filter(wanted).collect();
            if notes.is_empty() {
                cursor.told = news.last;
                self.cursors.insert(key, cursor);
                continue;
            }
            let body = json!({
                "webhook": hook.id, "site": site.site, "missed": cursor.missed, "notes": notes,
            });
            let called = self.call(hook, &body.to_string(), now).await;
            self.settle(hook, &mut cursor, news.last, notes.len(), called);
            self.cursors.insert(key, cursor);
        }
    }

    /// Notes how a call went and when the next may be.
    fn settle(
        &self,
        hook: &Webhook,
        cursor: &mut Cursor,
        last: u64,
        notes: usize,
        called: Result<(), String>,
    ) {
        let now = self.clock.now();
        match called {
            Ok(()) => {
                *cursor = Cursor {
                    told: last,
                    ..Cursor::default()
                };
                self.book.note(&hook.id, |delivery| {
                    if delivery.failures > 0 {
                        info!(webhook.id = hook.id, "a webhook answers again");
                    }
                    delivery.delivered += 1;
                    delivery.failures = 0;
                    delivery.last_error = None;
                    delivery.last_ok_at = Some(now);
                });
            }
            Err(error) => {
                cursor.attempts += 1;
                let gives_up = cursor.attempts >= ATTEMPTS;
                if gives_up {
                    cursor.told = last;
                    cursor.missed += u64::try_from(notes).unwrap_or(0);
                    cursor.attempts = 0;
                }
                let pause = FIRST_PAUSE_S << cursor.attempts.min(ATTEMPTS);
                cursor.not_before = Some(now + TimeDelta::seconds(pause));
                self.book.note(&hook.id, |delivery| {
                    if delivery.failures == 0 {
                        warn!(
                            webhook.id = hook.id,
                            error, "a webhook does not take what is told"
                        );
                    }
                    delivery.failures = delivery.failures.saturating_add(1);
                    if gives_up {
                        delivery.dropped += u64::try_from(notes).unwrap_or(0);
                    }
                    delivery.last_error = Some(error);
                });
            }
        }
    }

    /// One call. The signature covers time and body, so that neither can be changed or sent again
    /// much later.
    async fn call(&self, hook: &Webhook, body: &str, now: Time) -> Result<(), String> {
        let _busy = self.activity.begin();
        let url = self
            .guard
            .check(&hook.url)
            .map_err(|refused| refused.to_string())?;
        let secret = self.book.secret(hook).map_err(|error| error.to_string())?;
        let stamp = now.timestamp();
        let code = hmac_sha256(&secret, format!("{stamp}.{body}").as_bytes());
        let code = hex(&code);
        let answer = self
            .http
            .post(url)
            .header("Content-Type", "application/json")
            .header(
                "User-Agent",
                concat!("evenload/", env!("CARGO_PKG_VERSION")),
            )
            .header("Evenload-Delivery", uuid::Uuid::new_v4().to_string())
            .header("Evenload-Signature", format!("t={stamp},v1={code}"))
            .body(body.to_owned())
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        status
            .is_success()
            .then_some(())
            .ok_or_else(|| format!("HTTP {status}"))
    }
}
