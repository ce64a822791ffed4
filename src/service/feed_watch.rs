//! Asks for feeds again and again, and tells what they say as signals. One that gives nothing is asked
//! with growing pauses; what it announced goes on, then what stands in (`planner/price.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use tokio::sync::watch;
use tracing::{info, warn};

use super::activity::Activity;
use super::outside::{bytes, client};
use super::sites::Registry;
use super::vtn::{Sources, Vtns};
use crate::api::feeds::{FeedBook, SourceState};
use crate::domain::event::EventKind;
use crate::domain::feed::{FEED_PREFIX, Feed, FeedFormat, SECRET, VtnAccess, filled_in};
use crate::domain::id::SiteKey;
use crate::domain::ports::{Clock, Sites as _};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::signal_unit::is_limit;
use crate::domain::time::Time;
use crate::signals::feed::{merged, read, tariff};

/// First pause after an attempt that gave nothing; it doubles up to the feed's own interval.
const FIRST_PAUSE_S: i64 = 30;
/// What is asked for reaches from the beginning of the local day to the end of the next.
const DAYS_AHEAD: i64 = 2;

/// Watches the feeds of all sites.
pub(super) struct FeedWatch {
    registry: Registry,
    /// Of reports to VTNs.
    sources: Sources,
    book: Arc<FeedBook>,
    clock: Arc<dyn Clock>,
    activity: Activity,
    http: reqwest::Client,
    vtns: Vtns,
    next: BTreeMap<(SiteKey, String), Time>,
}

/// What one look at a feed gave.
struct Found {
    slots: Vec<SignalSlot>,
    notes: Vec<String>,
    /// All that the source says, so that what it does not say any more is withdrawn.
    is_whole: bool,
    /// When it is to be asked at the latest.
    ask_by: Option<Time>,
}

impl FeedWatch {
    pub(super) fn new(
        sources: Sources,
        book: Arc<FeedBook>,
        clock: Arc<dyn Clock>,
        activity: Activity,
    ) -> Self {
        // An administrator chose these addresses: no guard here, but no redirects and no proxy either.
        let http = client().build().unwrap_or_default();
        Self {
            registry: sources.registry.clone(),
            sources,
            book,
            clock,
            activity,
            http,
            vtns: Vtns::default(),
            next: BTreeMap::new(),
        }
    }

    /// Runs until the service stops. Without feeds nothing wakes up for nothing.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let feeds = self.book.all();
            self.withdraw_orphans().await;
            let names: Vec<_> = feeds
                .iter()
                .map(|(f, _)| (f.site.clone(), f.name.clone()))
                .collect();
            self.next.retain(|key, _| names.contains(key));
            self.vtns.keep(&names);
            for (feed, health) in &feeds {
                let key = (feed.site.clone(), feed.name.clone());
                // One that was just set up or changed has no history: it is asked at once.
                let is_due = health.last_try_at.is_none()
                    || self.next.get(&key).is_none_or(|at| *at <= self.clock.now());
                if is_due {
                    let pause = self.look(feed).await;
                    self.next.insert(key, self.clock.now() + pause);
                }
            }
            let next = self.next.values().min().copied();
            tokio::select! {
                _ = stop.changed() => return,
                () = self.book.changed() => {}
                () = self.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
    }

    /// Asks a feed once; gives the pause until it is asked again.
    async fn look(&mut self, feed: &Feed) -> TimeDelta {
        let every = TimeDelta::seconds(i64::from(feed.every_s));
        let Some(state) = self.registry.snapshot(&feed.site) else {
            return every;
        };
        let busy = self.activity.begin();
        let now = self.clock.now();
        let zone = state.site.time_zone;
        let found = match feed.format {
            FeedFormat::Static => Ok(Found {
                slots: tariff(feed, zone, local_day(now, zone)),
                notes: Vec::new(),
                is_whole: false,
                ask_by: None,
            }),
            FeedFormat::OpenAdr(ref access) => {
                self.ask_vtn(feed, access, &state.site.currency, now).await
            }
            _ => self.ask(feed, &state.site.currency, zone, now).await,
        };
        drop(busy);
        let ask_by = found.as_ref().ok().and_then(|found| found.ask_by);
        let told = match found {
            Ok(found) => self.tell(feed, &state.signals, found).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(()) => {
                let at_once = TimeDelta::seconds(1);
                ask_by.map_or(every, |at| every.min((at - now).max(at_once)))
            }
            Err(error) => {
                let mut failures = 0;
                self.book.note(feed, |health| {
                    if health.failures == 0 {
                        warn!(site.id = %feed.site, feed.name = feed.name, error, "a feed gives nothing; what it announced goes on, then what stands in");
                    }
                    health.failures = health.failures.saturating_add(1);
                    health.last_try_at = Some(now);
                    health.last_error = Some(error);
                    failures = health.failures;
                });
                TimeDelta::seconds(FIRST_PAUSE_S << failures.min(16).saturating_sub(1)).min(every)
            }
        }
    }

    /// The events of a VTN: a whole reading, since an event that is gone is cancelled.
    async fn ask_vtn(
        &mut self,
        feed: &Feed,
        access: &VtnAccess,
        currency: &str,
        now: Time,
    ) -> Result<Found, String> {
        let secret = self.book.secret(feed).map_err(|error| error.to_string())?;
        let secret = secret.ok_or("it has no secret")?;
        let heard = self
            .vtns
            .ask(
                &self.http,
                feed,
                access,
                &secret,
                (currency, now),
                &self.sources,
            )
            .await?;
        Ok(Found {
            slots: heard.series.slots,
            notes: heard.series.notes,
            is_whole: true,
            ask_by: heard.report_at,
        })
    }

    async fn ask(&self, feed: &Feed, currency: &str, zone: Tz, now: Time) -> Result<Found, String> {
        let template = feed.url.as_deref().ok_or("it has no address")?;
        let secret = self.book.secret(feed).map_err(|error| error.to_string())?;
        let with_secret = |text: &str| match &secret {
            Some(secret) => text.replace(SECRET, secret),
            None => text.to_owned(),
        };
        let today = local_day(now, zone);
        let from = day_start(today, zone);
        let to = day_start(today + TimeDelta::days(DAYS_AHEAD), zone);
        // A document per day is asked for day by day; the one of tomorrow may not be there yet.
        let days: Vec<NaiveDate> = if template.contains("{date}") {
            (0..DAYS_AHEAD)
                .map(|day| today + TimeDelta::days(day))
                .collect()
        } else {
            vec![today]
        };
        let mut found: Option<Found> = None;
        for (index, day) in days.iter().enumerate() {
            let url = filled_in(template, from, to, &day.format("%Y-%m-%d").to_string());
            let answer = self.fetch(feed, &with_secret(&url), &with_secret).await;
            let document = answer.and_then(|text| {
                read(feed, &text, currency, zone).map_err(|error| error.to_string())
            });
            match (document, &mut found) {
                (Ok(series), None) => {
                    found = Some(Found {
                        slots: series.slots,
                        notes: series.notes,
                        is_whole: false,
                        ask_by: None,
                    });
                }
                (Ok(series), Some(found)) => {
                    found.slots = merged(&found.slots, &series.slots, now);
                    found.notes.extend(series.notes);
                }
                (Err(_), Some(_)) if index > 0 => {}
                (Err(error), _) => return Err(error),
            }
        }
        found.ok_or_else(|| "it was not asked".to_owned())
    }

    /// One document, or why there is none; never with the address, which may hold the secret.
    async fn fetch(
        &self,
        feed: &Feed,
        url: &str,
        with_secret: &impl Fn(&str) -> String,
    ) -> Result<String, String> {
        let mut request = self.http.get(url);
        for (name, value) in &feed.headers {
            request = request.header(name, with_secret(value));
        }
        let (status, body) = bytes(request).await?;
        // ENTSO-E says "no data" in a document, whatever the status: its reader says it better.
        let speaks = matches!(feed.format, FeedFormat::Entsoe) && !body.is_empty();
        if !(200..300).contains(&status) && !speaks {
            return Err(format!("HTTP {status}"));
        }
        String::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())
    }

    /// Tells the site what is new, beside what it was told before.
    async fn tell(
        &self,
        feed: &Feed,
        signals: &BTreeMap<crate::domain::id::SignalKey, Arc<SignalSeries>>,
        found: Found,
    ) -> Result<(), String> {
        let key = feed.signal_key().ok_or("its name is too long")?;
        let now = self.clock.now();
        let known = signals.get(&key);
        let stored = known.map_or(&[][..], |series| &series.slots);
        let slots = if found.is_whole {
            found.slots
        } else {
            merged(stored, &found.slots, now)
        };
        let until = slots.last().map(|slot| slot.end);
        let valid_until = valid_until(feed, known.and_then(|known| known.valid_until), now);
        let is_news = known.is_none_or(|known| {
            !says_the_same(&known.slots, &slots, now)
                || known.kind != feed.kind
                || known.priority != feed.priority
                || known.circuit != feed.circuit
                || known.valid_until != valid_until
        });
        let event = if slots.is_empty() {
            // Nothing is wanted (any more).
            known.map(|_| EventKind::SignalWithdrawn { key })
        } else if is_news {
            info!(site.id = %feed.site, feed.name = feed.name, slots = slots.len(), "a feed says something new");
            let series = SignalSeries {
                key,
                source: format!("feed {}", feed.name),
                revision: known.map_or(1, |known| known.revision + 1),
                kind: feed.kind,
                circuit: feed.circuit.clone(),
                slots,
                priority: feed.priority,
                hard: feed.kind != SignalKind::PowerTarget,
                issued_at: now,
                received_at: now,
                valid_until,
                evse: None,
                evses_only: false,
            };
            Some(EventKind::SignalSet {
                series: Box::new(series),
            })
        } else {
            None
        };
        if let Some(event) = event {
            let submitted = self
                .registry
                .submit(&feed.site, vec![event], Vec::new())
                .await;
            submitted.map_err(|error| error.to_string())?;
        }
        self.book.note(feed, |health| {
            let before = health.state(feed, now);
            if matches!(before, SourceState::Stale | SourceState::Failed)
                && health.last_ok_at.is_some()
            {
                health.recovered_at = Some(now);
            }
            health.failures = 0;
            health.last_error = None;
            health.last_try_at = Some(now);
            health.last_ok_at = Some(now);
            health.known_until = until;
            health.notes = found.notes;
        });
        Ok(())
    }

    /// What a feed gave that is gone is of no meaning.
    async fn withdraw_orphans(&self) {
        let feeds = self.book.all();
        for site in self.registry.keys() {
            let Some(state) = self.registry.snapshot(&site) else {
                continue;
            };
            for key in state.signals.keys() {
                let Some(name) = key.as_str().strip_prefix(FEED_PREFIX) else {
                    continue;
                };
                if feeds
                    .iter()
                    .any(|(feed, _)| feed.site == site && feed.name == name)
                {
                    continue;
                }
                let gone = EventKind::SignalWithdrawn { key: key.clone() };
                if let Err(error) = self.registry.submit(&site, vec![gone], Vec::new()).await {
                    warn!(site.id = %site, %error, "what a feed that is gone gave was not withdrawn");
                }
            }
        }
    }
}

/// When a limit counts as lost if nothing more is heard of its source; moved on only when half of that
/// is over, so that a reading without news is none.
fn valid_until(feed: &Feed, before: Option<Time>, now: Time) -> Option<Time> {
    let patience = TimeDelta::seconds(i64::from(feed.stale_after_s));
    let is_enough = |until: &Time| *until - now >= patience / 2 && *until <= now + patience;
    is_limit(feed.kind).then(|| before.filter(is_enough).unwrap_or(now + patience))
}

/// True if two readings differ in what is over at most.
fn says_the_same(one: &[SignalSlot], other: &[SignalSlot], now: Time) -> bool {
    let to_come = |slots: &[SignalSlot]| -> Vec<SignalSlot> {
        slots
            .iter()
            .filter(|slot| slot.end > now)
            .copied()
            .collect()
    };
    to_come(one) == to_come(other)
}

fn local_day(now: Time, zone: Tz) -> NaiveDate {
    now.with_timezone(&zone).date_naive()
}

/// The beginning of a local day; where midnight does not come, the next hour.
fn day_start(day: NaiveDate, zone: Tz) -> Time {
    (0..3)
        .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
        .find_map(|local| local.and_local_timezone(zone).earliest())
        .map_or_else(DateTime::default, |at| at.to_utc())
}
