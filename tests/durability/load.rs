//! Writes without end, and what was acknowledged of them.
//!
//! Each kind of write counts up. What is found after a kill lies between the last number that was
//! acknowledged and the last that was tried: the one under way may have been taken in.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::served::{Rest, Served};
use super::world::{World, now};

/// A row of writes of one kind.
#[derive(Debug, Default)]
struct Row {
    tried: u64,
    acked: u64,
    /// Over all lives.
    acked_count: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Load {
    signal: Mutex<Row>,
    departure: Mutex<Row>,
    site: Mutex<Row>,
    session: Mutex<Row>,
}

/// The session that the partner pushes again and again.
const SESSION: &str = "PUSHED";

impl Load {
    /// Writes of every kind, one after the other each, all kinds side by side.
    pub(crate) async fn run_for(&self, world: &World, served: &Served, time: Duration) {
        let rest = served.rest();
        let all = async {
            tokio::join!(
                repeat(&self.signal, |n| put_signal(&rest, n)),
                repeat(&self.departure, |n| put_departure(&rest, n)),
                repeat(&self.site, |n| put_site(&rest, n)),
                repeat(&self.session, |n| push_session(world, n)),
            );
        };
        // Cut off in the middle of whatever is under way.
        let _ = tokio::time::timeout(time, all).await;
    }

    /// Everything that was acknowledged is there.
    pub(crate) async fn check(&self, world: &World, served: &Served, what: &str) {
        let rest = served.rest();
        let found = |row: &Mutex<Row>, kind: &str, found: Option<u64>| {
            let mut row = row.lock().expect("not poisoned");
            let n = found.unwrap_or(0);
            assert!(
                (row.acked..=row.tried).contains(&n),
                "{what}: {kind} {n} was found, {} acknowledged, {} tried",
                row.acked,
                row.tried
            );
            // It was never acknowledged, but it is there: it must not vanish later either.
            row.acked = n;
            row.tried = n;
        };
        let signal = get(&rest, "/sites/depot/signals/dso").await;
        found(
            &self.signal,
            "signal",
            signal["value_now"].as_f64().map(of_limit),
        );
        let departure = get(&rest, "/sites/depot/departures/E1").await;
        let energy = departure["energy_kwh"].as_f64();
        found(&self.departure, "departure", energy.map(of_energy));
        let site = get(&rest, "/sites/other").await;
        let name = site["name"].as_str().and_then(|name| name.parse().ok());
        found(&self.site, "site", name);
        let session = if self.session.lock().expect("not poisoned").tried == 0 {
            None
        } else {
            world.cpo.read_back(SESSION).await.ok()
        };
        let kwh = session.and_then(|session| session["kwh"].as_f64());
        found(&self.session, "session", kwh.map(of_energy));
    }

    /// How many of each kind were acknowledged.
    pub(crate) fn summary(&self) -> String {
        let count = |row: &Mutex<Row>| row.lock().expect("not poisoned").acked_count;
        format!(
            "acknowledged {} signals, {} departures, {} sites, {} sessions pushed",
            count(&self.signal),
            count(&self.departure),
            count(&self.site),
            count(&self.session),
        )
    }
}

async fn get(rest: &Rest, path: &str) -> Value {
    match rest.ask("GET", path, None).await {
        Some((200, value)) => value,
        Some((404, _)) => Value::Null,
        other => unreachable!("{path}: {other:?}"),
    }
}

/// Writes number after number; one counts when its answer is in. Ends when the connection breaks.
async fn repeat<F: Future<Output = Option<bool>>>(row: &Mutex<Row>, write: impl Fn(u64) -> F) {
    loop {
        let n = {
            let mut row = row.lock().expect("not poisoned");
            row.tried += 1;
            row.tried
        };
        match write(n).await {
            Some(true) => {
                let mut row = row.lock().expect("not poisoned");
                row.acked = n;
                row.acked_count += 1;
            }
            Some(false) => unreachable!("number {n} was refused"),
            None => return,
        }
    }
}

async fn put(rest: &Rest, path: &str, body: Value) -> Option<bool> {
    let (status, answer) = rest.ask("PUT", path, Some(&body)).await?;
    assert!(
        matches!(status, 200 | 201 | 503 | 429),
        "{path}: {status} {answer}"
    );
    Some(matches!(status, 200 | 201))
}

/// A limit of the day that carries the number in its watts: from 20 kW down, so that it always bites.
async fn put_signal(rest: &Rest, n: u64) -> Option<bool> {
    let start = now() - TimeDelta::hours(1);
    let body = json!({
        "kind": "import_limit", "unit": "kW",
        "start": start.to_rfc3339_opts(SecondsFormat::Secs, true), "resolution": "PT24H",
        "values": [limit_of(n)],
    });
    put(rest, "/sites/depot/signals/dso", body).await
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn limit_of(n: u64) -> f64 {
    20.0 - n as f64 / 1000.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits of this test"
)]
fn of_limit(kw: f64) -> u64 {
    ((20.0 - kw) * 1000.0).round() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "energies of this test"
)]
fn of_energy(kwh: f64) -> u64 {
    (kwh * 1000.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn energy_of(n: u64) -> f64 {
    n as f64 / 1000.0
}

async fn put_departure(rest: &Rest, n: u64) -> Option<bool> {
    let leaves = now() + TimeDelta::hours(7);
    let body = json!({
        "departure": leaves.to_rfc3339_opts(SecondsFormat::Secs, true),
        "energy_kwh": energy_of(n),
    });
    put(rest, "/sites/depot/departures/E1", body).await
}

async fn put_site(rest: &Rest, n: u64) -> Option<bool> {
    let body = json!({
        "name": n.to_string(), "time_zone": "UTC", "currency": "EUR",
        "circuits": [{"id": "site", "parent": null, "import_limit_kw": 10.0}],
        "evses": [], "arrival_reserve": "none",
    });
    put(rest, "/sites/other", body).await
}

/// A session at an EVSE that is no site's, so that only its record counts.
async fn push_session(world: &World, n: u64) -> Option<bool> {
    let stamp = now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let body = json!({
        "country_code": "NL", "party_id": "SIM", "id": SESSION,
        "start_date_time": "2026-11-22T16:00:00Z", "kwh": energy_of(n),
        "cdr_token": {"country_code": "NL", "party_id": "SIM", "uid": "X", "type": "RFID",
                      "contract_id": "X"},
        "auth_method": "WHITELIST", "location_id": "ELSEWHERE", "evse_uid": "X1",
        "connector_id": "1", "currency": "EUR", "status": "ACTIVE", "last_updated": stamp,
    });
    match world.cpo.push_made(SESSION, &body).await {
        Ok(()) => Some(true),
        Err(error) if error.contains("HTTP") => unreachable!("a push was refused: {error}"),
        Err(_) => None,
    }
}
