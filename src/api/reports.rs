//! `/reports/savings` and `/reports/sessions`: what charging cost against a named baseline, from what
//! was measured and is kept.
//!
//! Each baseline gives every session the energy it really took, at the prices of that time; a session
//! that runs counts with what it has so far. See [`super::baseline`].

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::auth::{Access, Scope};
use super::chronicle::{Outcome, Sample};
use super::problem::{Faults, Problem};
use super::query::Query;
use super::sites::Answer;
use super::{ApiState, baseline};
use crate::domain::quantity::{Energy, Money, Power, Price};
use crate::domain::time::Time;
use crate::state::SiteState;

/// How the figures are made, for people.
const METHOD: &str = "Actual: mean power of the EVSEs per minute, as measured, times the import \
    price of that minute. Unmanaged: every session takes the energy it really took, from its \
    arrival on and as fast as its car was seen to take it, at the prices of those minutes, limits \
    ignored. Hindsight: the same energy at the cheapest minutes of each stay under the limit, with \
    everything known beforehand and no minimum power: a bound that no method reaches for certain. \
    A saving is the difference of the mean prices times the energy measured. Not counted: taxes, \
    grid fees, demand charges, load that is not charging.";
/// A car that left with this share of what it wanted was served, in percent.
const SERVED_PERCENT: i64 = 99;
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// Minutes of the peaks: what tariffs measure.
const PEAK_MINUTES: usize = 15;

pub(super) async fn savings(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let now = api.clock.now();
    let span = Span::of(&request, now, true)?;
    let (key, state) = access.snapshot(&api, &span.site)?;
    let samples: Vec<Sample> = api.chronicle.samples(&key, span.from, span.to).await?;
    let outcomes: Vec<Outcome> = api.chronicle.read(&key, |site| {
        let came = |outcome: &&Outcome| span.holds(outcome.started_at);
        site.sessions.iter().filter(came).cloned().collect()
    });
    let mut body = report(&state, &samples, &outcomes);
    body["site"] = json!(key.site);
    body["at"] = json!(now);
    body["excursions"] = state
        .excursions
        .closed
        .iter()
        .chain(&state.excursions.open)
        .filter(|e| span.holds(e.opened_at))
        .map(|e| {
            json!({
                "circuit": e.circuit, "cause": e.cause, "evse": e.evse,
                "opened_at": e.opened_at, "closed_at": e.closed_at,
                "worst_kw": e.worst.kilowatts(), "energy_kwh": e.energy.kilowatt_hours(),
            })
        })
        .collect();
    body["self_caused"] = json!(state.excursions.self_caused);
    Ok(HttpResponse::Ok().json(body))
}

/// The sessions of a span as they were, the oldest first: what `backtest` reads, and what the
/// baselines above are reckoned from.
pub(super) async fn sessions(api: Data<ApiState>, request: HttpRequest) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    let span = Span::of(&request, api.clock.now(), false)?;
    let (key, state) = access.snapshot(&api, &span.site)?;
    let mut outcomes: Vec<Outcome> = api.chronicle.read(&key, |site| {
        let came = |outcome: &&Outcome| span.holds(outcome.started_at);
        site.sessions.iter().filter(came).cloned().collect()
    });
    outcomes.sort_by_key(|outcome| outcome.started_at);
    let sessions: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            let mut view = session_view(outcome);
            view["fastest_kw"] = state
                .site
                .evse(&outcome.evse)
                .map(|evse| baseline::rate(evse, outcome).kilowatts())
                .into();
            view
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"site": key.site, "sessions": sessions})))
}

/// Which site, from when to when.
pub(super) struct Span {
    pub(super) site: String,
    pub(super) from: Time,
    pub(super) to: Time,
}

impl Span {
    /// Of the query; without `from` two days. `named`: a baseline may be named.
    fn of(request: &HttpRequest, now: Time, named: bool) -> Result<Self, Problem> {
        let faults = Faults::default();
        let query = Query::of(request, &faults);
        let span = Self::read(&query, now);
        if named
            && query
                .text("baseline")
                .is_some_and(|name| name != "unmanaged")
        {
            query.fault("baseline", "is not known; known is unmanaged");
        }
        query.close();
        faults.check()?;
        Ok(span)
    }

    /// From the parameters `site`, `from` and `to` of a query.
    pub(super) fn read(query: &Query<'_>, now: Time) -> Self {
        let site = query.text("site").map(str::to_owned);
        if site.is_none() {
            query.fault("site", "is missing");
        }
        Self {
            site: site.unwrap_or_default(),
            from: query.instant("from").unwrap_or(now - TimeDelta::days(2)),
            to: query.instant("to").unwrap_or(now),
        }
    }

    pub(super) fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

/// Power per minute, priced.
#[derive(Clone, Debug, Default)]
struct Side {
    energy: Energy,
    cost: Money,
    watts: Vec<i64>,
}

impl Side {
    fn of(samples: &[Sample], watts: Vec<i64>) -> Self {
        let mut side = Self {
            watts,
            ..Self::default()
        };
        for (sample, watts) in samples.iter().zip(&side.watts) {
            // A minute without a price is in neither sum.
            let Some(price) = sample.price_micros else {
                continue;
            };
            let energy = Power::from_watts(*watts).over(MINUTE);
            side.energy += energy;
            side.cost += energy.cost_at(Price::from_micros(price));
        }
        side
    }

    fn mean_price(&self) -> Option<f64> {
        let kwh = self.energy.kilowatt_hours();
        (kwh > 0.0).then(|| self.cost.amount() / kwh)
    }

    /// The highest mean over a quarter of an hour, with other load.
    fn peak_kw(&self, samples: &[Sample]) -> f64 {
        let total: Vec<i64> = self
            .watts
            .iter()
            .zip(samples)
            .map(|(watts, sample)| watts + sample.uncontrolled_w)
            .collect();
        let count = i64::try_from(PEAK_MINUTES).unwrap_or(15);
        let highest = total
            .windows(PEAK_MINUTES)
            .map(|window| window.iter().sum::<i64>() / count)
            .max();
        Power::from_watts(highest.unwrap_or(0)).kilowatts()
    }

    fn view(&self, samples: &[Sample]) -> Value {
        let over = self
            .watts
            .iter()
            .zip(samples)
            .filter(|(watts, sample)| {
                sample
                    .limit_w
                    .is_some_and(|limit| *watts + sample.uncontrolled_w > limit)
            })
            .count();
        json!({
            "energy_kwh": self.energy.kilowatt_hours(),
            "cost": self.cost.amount(),
            "mean_price_per_kwh": self.mean_price(),
            "peak_15min_kw": self.peak_kw(samples),
            "minutes_over_limit": over,
        })
    }
}

fn report(state: &SiteState, samples: &[Sample], outcomes: &[Outcome]) -> Value {
    let actual = Side::of(samples, samples.iter().map(|s| s.evses_w).collect());
    let unmanaged = Side::of(samples, baseline::unmanaged(state, samples, outcomes));
    let (watts, unplaced) = baseline::hindsight(state, samples, outcomes);
    let hindsight = Side::of(samples, watts);
    let saved = |better: &Side, worse: &Side| match (better.mean_price(), worse.mean_price()) {
        (Some(own), Some(other)) => Some((other - own) * actual.energy.kilowatt_hours()),
        _ => None,
    };
    let left: Vec<&Outcome> = outcomes.iter().filter(|o| o.ended_at.is_some()).collect();
    let judged: Vec<&&Outcome> = left.iter().filter(|o| o.wanted.is_some()).collect();
    let served = judged.iter().filter(|o| is_served(o)).count();
    json!({
        "from": samples.first().and_then(Sample::at),
        "to": samples.last().and_then(Sample::at).map(|at| at + MINUTE),
        "currency": state.site.currency,
        "method": METHOD,
        "actual": actual.view(samples),
        "baseline": { "name": "unmanaged", "figures": unmanaged.view(samples) },
        "saving": saved(&actual, &unmanaged),
        "hindsight": {
            "figures": hindsight.view(samples),
            "unplaced_kwh": unplaced.kilowatt_hours(),
            "saving": saved(&hindsight, &unmanaged),
        },
        "sessions": {
            "seen": outcomes.len(),
            "left": left.len(),
            "left_with_known_need": judged.len(),
            "served": served,
        },
        "unserved": judged
            .iter()
            .filter(|o| !is_served(o))
            .map(|o| session_view(o))
            .collect::<Vec<_>>(),
    })
}

fn is_served(outcome: &Outcome) -> bool {
    outcome.wanted.is_none_or(|wanted| {
        outcome.energy.joules().saturating_mul(100) >= wanted.joules() * SERVED_PERCENT
    })
}

fn session_view(outcome: &Outcome) -> Value {
    json!({
        "evse": outcome.evse,
        "session": outcome.session,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "departure": outcome.departure,
        "energy_kwh": outcome.energy.kilowatt_hours(),
        "wanted_kwh": outcome.wanted.map(Energy::kilowatt_hours),
    })
}
