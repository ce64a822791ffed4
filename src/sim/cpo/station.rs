//! Requests about charging profiles, and the stations that follow them.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::answer::Answer;
use super::platform::{Due, Platform};
use super::quirks::Quirk;
use super::{profile_wire, spoil};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::time::Time;
use crate::sim::world::Layer;

/// Seconds within which the result of a request about profiles comes, as the platform promises.
const RESULT_TIMEOUT_S: u32 = 30;

impl Platform {
    /// A request to set a profile.
    pub(super) fn set(&mut self, session: &str, body: &Value) -> Answer {
        self.counts.profiles_set += 1;
        let now = self.depot.now();
        self.delays.profile_came(session, now);
        let Some((id, started_at)) = self.running(session) else {
            return self.refuse("UNKNOWN_SESSION");
        };
        match profile_wire::read_set(body, started_at) {
            Err(detail) => self.complain(format!("PUT chargingprofiles: {detail}")),
            Ok((profile, _))
                if profile.unit == RateUnit::Amps
                    && self.options.quirks.contains(&Quirk::WattsOnly) =>
            {
                self.refuse("REJECTED")
            }
            Ok((profile, url)) => self.take(|_| Due::Set {
                session: id,
                profile,
                url,
            }),
        }
    }

    /// A request to clear the profile.
    pub(super) fn clear(&mut self, session: &str, url: Option<&str>) -> Answer {
        self.counts.profiles_cleared += 1;
        let Some((id, _)) = self.running(session) else {
            return self.refuse("UNKNOWN_SESSION");
        };
        match checked(url) {
            Err(detail) => self.complain(format!("DELETE chargingprofiles: {detail}")),
            Ok(url) => self.take(|_| Due::Clear { session: id, url }),
        }
    }

    /// A request for the active profile.
    pub(super) fn report(
        &mut self,
        session: &str,
        duration: Option<&str>,
        url: Option<&str>,
    ) -> Answer {
        self.counts.profiles_read += 1;
        let Some((id, _)) = self.running(session) else {
            return self.refuse("UNKNOWN_SESSION");
        };
        let seconds = duration.and_then(|text| text.parse::<u32>().ok());
        match (checked(url), seconds) {
            (Err(detail), _) => self.complain(format!("GET chargingprofiles: {detail}")),
            (_, None) => {
                self.complain("GET chargingprofiles: duration is not whole seconds".into())
            }
            (Ok(url), Some(seconds)) => self.take(|_| Due::Report {
                session: id,
                duration: TimeDelta::seconds(i64::from(seconds)),
                url,
            }),
        }
    }

    /// The station takes or clears the profile, or says no.
    pub(super) fn apply(&mut self, session: String, profile: Option<Profile>, url: String) {
        let faults = &self.options.faults;
        let rejects = self.turns.reject_later.is_due(faults.reject_later_every);
        let forgets = self.turns.forget.is_due(faults.forget_profile_every);
        let evse = self
            .book
            .running_session(&session)
            .map(|entry| entry.evse.clone());
        let result = match evse {
            Some(evse) if !rejects => {
                let told = describe(&evse, profile.as_ref(), self.depot.now());
                let had = self
                    .depot
                    .evse(&evse)
                    .and_then(|evse| evse.profile(Layer::Session))
                    .is_some();
                let unknown = profile.is_none() && !had;
                let is_clearing = profile.is_none();
                if !forgets {
                    self.depot.set_profile(&evse, Layer::Session, profile);
                }
                let quirks = &self.options.quirks;
                let has_own_limit = quirks.contains(&Quirk::LocalLimit);
                let denies = is_clearing && quirks.contains(&Quirk::WrongResults);
                if has_own_limit {
                    let own = own_limit(self.depot.now());
                    self.depot.set_profile(&evse, Layer::Station, Some(own));
                }
                if self.options.tells_active || has_own_limit {
                    let (at, session) = (self.depot.now(), session.clone());
                    self.enqueue(at, Due::Active { session });
                }
                let result = match (unknown, denies) {
                    (true, _) => "UNKNOWN",
                    (false, true) => "REJECTED",
                    (false, false) => "ACCEPTED",
                };
                self.tell(&format!("{told}: {result}"));
                result
            }
            _ => "REJECTED",
        };
        self.answer_later(session, url, json!({ "result": result }));
    }

    /// The station says what it follows.
    pub(super) fn answer_report(&mut self, session: String, duration: TimeDelta, url: String) {
        let now = self.depot.now();
        let evse = self
            .book
            .running_session(&session)
            .and_then(|entry| self.depot.evse(&entry.evse));
        let body = match evse {
            None => json!({ "result": "REJECTED" }),
            Some(evse) => json!({
                "result": "ACCEPTED",
                "profile": profile_wire::active(evse, now, duration),
            }),
        };
        self.answer_later(session, url, body);
    }

    /// What the EVSE of a running session follows in the next hour.
    pub(super) fn active_now(&self, session: &str) -> Option<Value> {
        let entry = self.book.running_session(session)?;
        let evse = self.depot.evse(&entry.evse)?;
        let hour = TimeDelta::hours(1);
        Some(profile_wire::active(evse, self.depot.now(), hour))
    }

    fn answer_later(&mut self, session: String, url: String, body: Value) {
        let faults = &self.options.faults;
        if self.turns.lose_callback.is_due(faults.lose_callback_every) {
            return;
        }
        let again = self
            .turns
            .repeat_callback
            .is_due(faults.repeat_callback_every);
        let at = self.depot.now() + faults.callback_later_by.unwrap_or_default();
        let has = |quirk| self.options.quirks.contains(&quirk);
        let (forges, says_nothing) = (has(Quirk::ForgedResults), has(Quirk::EmptyResults));
        let before = |url: String, body: Value| Due::Result {
            session: session.clone(),
            url,
            body,
        };
        let forged = forges.then(|| before(format!("{url}0"), body.clone()));
        let empty = says_nothing.then(|| before(url.clone(), json!({})));
        for due in forged.into_iter().chain(empty) {
            self.enqueue(at, due);
        }
        let body = spoil::result(&self.options.quirks, body);
        let due = Due::Result { session, url, body };
        if again {
            self.enqueue(at, due.clone());
        }
        self.enqueue(at, due);
    }

    fn running(&self, session: &str) -> Option<(String, Time)> {
        let entry = self.book.running_session(session)?;
        Some((entry.id.clone(), entry.started_at))
    }

    fn refuse(&mut self, result: &str) -> Answer {
        self.counts.refused += 1;
        Answer::ok(json!({ "result": result, "timeout": 0 }))
    }

    /// Accepts a request, to be done when the station has got it; unless a fault says no.
    fn take(&mut self, due: impl FnOnce(&Self) -> Due) -> Answer {
        if let Some((every, refusal)) = self.options.faults.refuse_every
            && self.turns.refuse.is_due(Some(every))
        {
            return self.refuse(refusal.as_wire());
        }
        let slower = self.options.faults.station_slower_by.unwrap_or_default();
        let at = self.depot.now() + self.options.station_delay + slower;
        let due = due(self);
        self.enqueue(at, due);
        Answer::ok(json!({ "result": "ACCEPTED", "timeout": RESULT_TIMEOUT_S }))
    }
}

/// A limit of 10 A that an EVSE has of its own.
fn own_limit(now: Time) -> Profile {
    Profile {
        unit: RateUnit::Amps,
        start: now,
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: Tenths(100),
        }],
        duration_s: None,
    }
}

fn checked(url: Option<&str>) -> Result<String, String> {
    let url = url.ok_or("response_url is missing")?;
    profile_wire::check_url(url).map(|()| url.to_owned())
}

fn describe(evse: &str, profile: Option<&Profile>, now: Time) -> String {
    match profile {
        None => format!("{evse} profile cleared"),
        Some(profile) => {
            let limit = profile.limit_at(now).unwrap_or_default();
            let unit = match profile.unit {
                RateUnit::Amps => "A",
                RateUnit::Watts => "W",
            };
            let periods = profile.periods.len();
            format!(
                "{evse} profile {}.{} {unit} now, {periods} periods",
                limit.0 / 10,
                limit.0 % 10
            )
        }
    }
}
