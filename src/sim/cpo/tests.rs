//! The platform over real sockets, with a plain client and a small SCSP on the other side.

mod edge;
mod peer;

use chrono::TimeDelta;
use serde_json::{Value, json};

use self::peer::Scsp;
use super::*;
use crate::domain::evse::Phase;
use crate::domain::quantity::{Current, Energy, Power, Voltage};
use crate::domain::time::Time;
use crate::sim::world::{Car, Depot, Grid, PriceSeries, SimEvse, Taper};

fn start() -> Time {
    "2019-10-02T06:00:00Z".parse().expect("valid")
}

fn second(seconds: i64) -> Time {
    start() + TimeDelta::seconds(seconds)
}

/// A depot with two EVSEs of 32 A at 230 V, and a car that comes to the first after a minute.
fn depot() -> Depot {
    let grid = Grid::with_limit(Power::from_watts(10_000), PriceSeries::default());
    let evses = ["E1", "E2"]
        .map(|id| SimEvse::new(id, Current::from_amps(32.0), Voltage::V230, vec![Phase::L1]));
    let mut depot = Depot::new(start(), grid, evses.to_vec());
    let car = Car {
        id: "S1".into(),
        arrival: second(60),
        departure: second(3600),
        need: Energy::from_kilowatt_hours(50.0),
        max: Power::from_watts(7_360),
        phases: 1,
        taper: Taper::None,
    };
    assert!(depot.expect("E1", car));
    depot
}

fn cpo(options: CpoOptions) -> Cpo {
    Cpo::start(options, depot()).expect("a free port")
}

/// A platform that is registered with an SCSP, and the token that the SCSP sends.
async fn registered(options: CpoOptions) -> (Cpo, Scsp, String) {
    let cpo = cpo(options);
    let scsp = Scsp::start();
    let token = scsp.registers_at(&cpo).await;
    (cpo, scsp, token)
}

/// Moves virtual time and waits until all messages have arrived.
async fn advance(cpo: &Cpo, to: Time) {
    while cpo.next_event() < to {
        let due = cpo.advance_to(cpo.next_event());
        cpo.send(due);
        settled(cpo).await;
    }
    let due = cpo.advance_to(to);
    cpo.send(due);
    settled(cpo).await;
}

async fn settled(cpo: &Cpo) {
    for _ in 0..5_000 {
        if cpo.in_flight() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("messages are still under way after 5 s");
}

fn limit(scsp: &Scsp, amps: f64) -> Value {
    json!({
        "charging_profile": {
            "start_date_time": "2019-10-02T06:00:00Z",
            "charging_rate_unit": "A",
            "charging_profile_period": [{ "start_period": 0, "limit": amps }],
        },
        "response_url": scsp.url("/results/1"),
    })
}

#[actix_web::test]
async fn who_has_no_token_gets_401() {
    let cpo = cpo(CpoOptions::default());
    let scsp = Scsp::start();
    let reply = scsp.get(&cpo.versions_url(), "wrong").await;
    assert_eq!(reply.http, 401);
    let reply = scsp.get(&cpo.versions_url(), &cpo.token_a()).await;
    assert_eq!(
        (reply.http, reply.body["status_code"].as_u64()),
        (200, Some(1000))
    );
    // The token of the registration opens nothing but versions and credentials.
    let sessions = cpo.versions_url().replace("versions", "2.2.1/sessions");
    assert_eq!(scsp.get(&sessions, &cpo.token_a()).await.http, 401);
}

#[actix_web::test]
async fn an_scsp_registers_and_is_called_back_during_its_post() {
    let (cpo, scsp, token) = registered(CpoOptions::default()).await;
    assert!(cpo.is_registered());
    let seen = scsp.seen();
    assert!(
        seen.iter()
            .any(|r| r.path == "/ocpi/versions" && r.token == "token-b")
    );
    assert!(
        seen.iter()
            .any(|r| r.path == "/ocpi/2.3.0" && r.token == "token-b")
    );
    let url = cpo.versions_url();
    assert_eq!(scsp.get(&url, &cpo.token_a()).await.http, 401);
    assert_eq!(scsp.get(&url, &token).await.http, 200);
    let again = scsp.posts_credentials(&cpo, &token).await;
    assert_eq!(again.http, 405);
}

#[actix_web::test]
async fn the_platform_registers_at_an_scsp_and_answers_its_questions_meanwhile() {
    let cpo = cpo(CpoOptions::default());
    let scsp = Scsp::start();
    let versions = scsp.url("/ocpi/versions");
    let rows = cpo
        .register_at(&versions, "token-a")
        .await
        .expect("registers");
    let steps: Vec<_> = rows.iter().map(|row| row.step.as_str()).collect();
    assert_eq!(
        steps,
        ["GET versions", "GET 2.3.0 details", "POST credentials"]
    );
    assert!(cpo.is_registered());
    assert_eq!(scsp.called_back(), Some(200));
}

#[actix_web::test]
async fn an_scsp_without_profiles_is_told_3003() {
    let cpo = cpo(CpoOptions::default());
    let scsp = Scsp::without("chargingprofiles");
    let reply = scsp.posts_credentials(&cpo, &cpo.token_a()).await;
    assert_eq!(reply.body["status_code"], 3003);
    assert!(!cpo.is_registered());
}

#[actix_web::test]
async fn an_scsp_that_cannot_be_reached_is_told_3001() {
    let cpo = cpo(CpoOptions::default());
    let scsp = Scsp::start();
    let body = json!({
        "token": "token-b",
        "url": "http://127.0.0.1:1/ocpi/versions",
        "roles": [{"role": "SCSP", "country_code": "NL", "party_id": "EVL"}],
    });
    let url = cpo.versions_url().replace("versions", "2.2.1/credentials");
    let reply = scsp.send("POST", &url, &cpo.token_a(), Some(body)).await;
    assert_eq!(reply.body["status_code"], 3001);
}

#[actix_web::test]
async fn locations_tell_what_the_evses_can_do() {
    let (cpo, scsp, token) = registered(CpoOptions::default()).await;
    let url = cpo.versions_url().replace("versions", "2.2.1/locations");
    let reply = scsp.get(&url, &token).await;
    let evse = &reply.body["data"][0]["evses"][0];
    assert_eq!(evse["uid"], "E1");
    assert_eq!(evse["capabilities"][0], "CHARGING_PROFILE_CAPABLE");
    let connector = &evse["connectors"][0];
    assert_eq!(connector["power_type"], "AC_1_PHASE");
    assert_eq!(
        (&connector["max_voltage"], &connector["max_amperage"]),
        (&json!(230), &json!(32))
    );
    let one = scsp.get(&format!("{url}/depot/E1/1"), &token).await;
    assert_eq!(one.body["data"]["id"], "1");
    assert_eq!(scsp.get(&format!("{url}/DEPOT/E9"), &token).await.http, 404);
}

#[actix_web::test]
async fn a_session_is_put_patched_with_readings_and_ended() {
    let (cpo, scsp, _) = registered(CpoOptions::default()).await;
    advance(&cpo, second(3700)).await;
    let pushes: Vec<_> = scsp
        .seen()
        .into_iter()
        .filter(|r| r.path.ends_with("/S1"))
        .collect();
    let first = &pushes[0];
    assert_eq!(first.method, "PUT");
    assert_eq!(first.path, "/ocpi/2.3.0/sessions/NL/SIM/S1");
    assert_eq!(
        (&first.body["status"], &first.body["kwh"]),
        (&json!("ACTIVE"), &json!(0.0))
    );
    assert_eq!(first.body["start_date_time"], "2019-10-02T06:01:00Z");
    let wanted = &first.body["charging_preferences"];
    assert_eq!(wanted["departure_time"], "2019-10-02T07:00:00Z");
    assert_eq!(wanted["energy_need"], 50.0);
    // Read at 06:05: 240 s of 7.36 kW = 0.4907 kWh.
    let reading = &pushes[1];
    assert_eq!(reading.method, "PATCH");
    assert_eq!(reading.body["kwh"], 0.4907);
    let period = &reading.body["charging_periods"][0];
    assert_eq!(period["start_date_time"], "2019-10-02T06:01:00Z");
    assert_eq!(
        period["dimensions"][1],
        json!({"type": "POWER", "volume": 7.36})
    );
    assert_eq!(reading.body["last_updated"], "2019-10-02T06:05:00Z");
    // At 06:10 the total has grown, and the period says the mean of its own 300 s.
    assert_eq!(pushes[2].body["kwh"], 1.104);
    let period = &pushes[2].body["charging_periods"][0];
    assert_eq!(
        period["dimensions"][1],
        json!({"type": "POWER", "volume": 7.36})
    );
    let last = pushes.last().expect("some");
    assert_eq!(
        (&last.body["status"], &last.body["kwh"]),
        (&json!("COMPLETED"), &json!(7.2373))
    );
    assert_eq!(last.body["end_date_time"], "2019-10-02T07:00:00Z");
    assert_eq!(cpo.complaints(), Vec::<String>::new());
}

#[actix_web::test]
async fn preferences_can_be_forwarded_to_the_scsp_instead() {
    let options = CpoOptions {
        preferences: PreferencesBy::SenderEndpoint,
        ..CpoOptions::default()
    };
    let (cpo, scsp, _) = registered(options).await;
    advance(&cpo, second(70)).await;
    let seen = scsp.seen();
    let put = seen
        .iter()
        .find(|r| r.path.ends_with("/S1"))
        .expect("pushed");
    assert_eq!(put.body["charging_preferences"], Value::Null);
    let wanted = seen
        .iter()
        .find(|r| r.path.ends_with("/charging_preferences"));
    assert_eq!(wanted.expect("forwarded").body["energy_need"], 50.0);
}

#[actix_web::test]
async fn a_profile_lands_in_the_evse_and_its_result_is_posted() {
    let (cpo, scsp, token) = registered(CpoOptions::default()).await;
    advance(&cpo, second(100)).await;
    let url = cpo
        .versions_url()
        .replace("versions", "2.2.1/chargingprofiles/s1");
    let reply = scsp
        .send("PUT", &url, &token, Some(limit(&scsp, 10.0)))
        .await;
    assert_eq!(
        reply.body["data"],
        json!({"result": "ACCEPTED", "timeout": 30})
    );
    // Accepted is not applied: the station takes a second.
    assert_eq!(cpo.with_depot(Depot::power), Power::from_watts(7_360));
    advance(&cpo, second(101)).await;
    assert_eq!(cpo.with_depot(Depot::power), Power::from_watts(2_300));
    assert_eq!(scsp.results(), [json!({"result": "ACCEPTED"})]);

    let ask = format!(
        "{url}?duration=900&response_url={}",
        scsp.encoded_url("/results/2?a=b")
    );
    scsp.get(&ask, &token).await;
    advance(&cpo, second(102)).await;
    let active = &scsp.results()[1]["profile"];
    assert_eq!(active["start_date_time"], "2019-10-02T06:01:42Z");
    let periods = &active["charging_profile"]["charging_profile_period"];
    assert_eq!(*periods, json!([{ "start_period": 0, "limit": 10.0 }]));

    let clear = format!("{url}?response_url={}", scsp.encoded_url("/results/3"));
    scsp.send("DELETE", &clear, &token, None).await;
    advance(&cpo, second(103)).await;
    assert_eq!(scsp.results()[2], json!({"result": "ACCEPTED"}));
    assert_eq!(cpo.with_depot(Depot::power), Power::from_watts(7_360));
    assert_eq!(cpo.counts().callbacks, 3);
}

#[actix_web::test]
async fn a_profile_for_no_running_session_is_an_unknown_session() {
    let (cpo, scsp, token) = registered(CpoOptions::default()).await;
    let url = cpo
        .versions_url()
        .replace("versions", "2.2.1/chargingprofiles/S1");
    let reply = scsp
        .send("PUT", &url, &token, Some(limit(&scsp, 10.0)))
        .await;
    assert_eq!(reply.body["data"]["result"], "UNKNOWN_SESSION");
}

#[actix_web::test]
async fn a_request_against_the_text_is_refused_and_kept() {
    let (cpo, scsp, token) = registered(CpoOptions::default()).await;
    advance(&cpo, second(100)).await;
    let url = cpo
        .versions_url()
        .replace("versions", "2.2.1/chargingprofiles/S1");
    let reply = scsp
        .send("PUT", &url, &token, Some(limit(&scsp, 10.55)))
        .await;
    assert_eq!(reply.body["status_code"], 2001);
    let sessions = cpo.versions_url().replace("versions", "2.2.1/sessions");
    let reply = scsp.get(&sessions, &token).await;
    assert_eq!(reply.body["status_code"], 2001);
    let complaints = cpo.complaints();
    assert!(complaints[0].contains("decimal"), "{complaints:?}");
    assert!(complaints[1].contains("date_from"), "{complaints:?}");
}

#[actix_web::test]
async fn sessions_of_the_time_before_come_in_pages_oldest_first() {
    let recording = crate::sim::recorded::Recording::embedded().expect("sound");
    let options = CpoOptions {
        history: recording
            .between(second(-7 * 86_400), second(-86_400))
            .to_vec(),
        page_limit: 50,
        ..CpoOptions::default()
    };
    let expected = options.history.len();
    let (cpo, scsp, token) = registered(options).await;
    let base = cpo.versions_url().replace("versions", "2.2.1/sessions");
    let mut next = Some(format!("{base}?date_from=2019-01-01T00:00:00Z"));
    let (mut found, mut pages) = (Vec::new(), 0);
    while let Some(url) = next {
        let reply = scsp.get(&url, &token).await;
        let Value::Array(page) = &reply.body["data"] else {
            panic!("a list");
        };
        assert!(page.len() <= 50);
        found.extend(
            page.iter()
                .map(|s| s["last_updated"].as_str().expect("text").to_owned()),
        );
        next = reply.next_page;
        pages += 1;
    }
    assert_eq!((found.len(), pages), (expected, expected.div_ceil(50)));
    assert!(found.is_sorted());
}

#[actix_web::test]
async fn faults_lose_callbacks_and_refuse_profiles() {
    let options = CpoOptions {
        faults: Faults {
            lose_callback_every: Some(2),
            refuse_every: Some((3, Refusal::TooOften)),
            ..Faults::default()
        },
        ..CpoOptions::default()
    };
    let (cpo, scsp, token) = registered(options).await;
    advance(&cpo, second(100)).await;
    let url = cpo
        .versions_url()
        .replace("versions", "2.2.1/chargingprofiles/S1");
    let mut answers = Vec::new();
    for amps in [10.0, 11.0, 12.0] {
        let reply = scsp
            .send("PUT", &url, &token, Some(limit(&scsp, amps)))
            .await;
        answers.push(reply.body["data"]["result"].clone());
    }
    assert_eq!(answers, ["ACCEPTED", "ACCEPTED", "TOO_OFTEN"]);
    advance(&cpo, second(110)).await;
    assert_eq!(scsp.results().len(), 1);
    // 11 A x 230 V: the second was applied, though nobody said so.
    assert_eq!(cpo.with_depot(Depot::power), Power::from_watts(2_530));
}
