//! Day by day: departures, overrides.

use actix_web::http::Method;
use serde_json::json;

use super::live_depot;
use crate::domain::event::OverrideAction;
use crate::domain::id::{EvseId, TenantId};
use crate::domain::key::hashed_key;
use crate::domain::quantity::Energy;

const DEPARTURES: &str = "/api/v1/sites/depot/departures";

#[actix_web::test]
async fn a_departure_of_a_person_is_filed_under_a_hash_and_found_by_the_plain_id() {
    let client = live_depot().await;
    let path = format!("{DEPARTURES}/DE-ABC-C12345");
    let body = json!({"departure": "2026-11-23T07:00:00+01:00", "energy_kwh": 30.5});
    let answer = client.put(&path, &body).await.expect(201);
    assert!(!answer.text.contains("ABC"), "{}", answer.text);
    client.put(&path, &body).await.expect(200);
    let key = hashed_key(&TenantId::default_tenant(), "de-abc-c12345").unwrap();
    let filed = client.state().departures[&key].clone();
    assert_eq!(filed.energy, Some(Energy::from_kilowatt_hours(30.5)));
    assert_eq!(
        filed.departure,
        Some("2026-11-23T06:00:00Z".parse().unwrap())
    );
    let shown = client
        .get(&format!("{DEPARTURES}/de-abc-C12345"))
        .await
        .expect(200)
        .json();
    assert_eq!(shown["energy_kwh"], 30.5);
    // The list shows the hash, and the hash reaches it too.
    let list = client.get(DEPARTURES).await.expect(200).json();
    let hash = list["departures"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(hash, key.as_str());
    client
        .delete(&format!("{DEPARTURES}/{hash}"))
        .await
        .expect(204);
    client.delete(&path).await.expect(404);
}

#[actix_web::test]
async fn a_departure_of_an_evse_is_filed_under_its_name() {
    let client = live_depot().await;
    let body = json!({"departure": "2026-11-23T06:00:00Z"});
    client
        .put(&format!("{DEPARTURES}/e1"), &body)
        .await
        .expect(201);
    let state = client.state();
    let filed = state.departures.values().next().unwrap();
    assert_eq!((filed.key.as_str(), filed.energy), ("e1", None));
}

#[actix_web::test]
async fn a_state_of_charge_becomes_energy_only_if_the_present_one_is_known() {
    let client = live_depot().await;
    let known = json!({"soc_target_percent": 80, "soc_percent": 35, "capacity_kwh": 60});
    let answer = client
        .put(&format!("{DEPARTURES}/van1"), &known)
        .await
        .expect(201);
    // (80 - 35) % of 60 kWh = 27 kWh
    assert_eq!(answer.json()["energy_kwh"], 27.0);
    let unknown = json!({"soc_target_percent": 80, "capacity_kwh": 60});
    let answer = client
        .put(&format!("{DEPARTURES}/van2"), &unknown)
        .await
        .expect(201);
    assert_eq!(
        answer.json()["energy_kwh"],
        json!(null),
        "unknown is never read as 0 %"
    );
    assert!(answer.warnings().contains("not known"));
}

#[actix_web::test]
async fn a_table_replaces_the_whole_table() {
    let client = live_depot().await;
    let first = json!([{"key": "e1", "energy_kwh": 10}, {"key": "van", "energy_kwh": 20}]);
    let answer = client.put(DEPARTURES, &first).await.expect(200).json();
    assert_eq!((&answer["new"], &answer["removed"]), (&json!(2), &json!(0)));
    let second = json!([{"key": "e1", "energy_kwh": 15}, {"key": "e2", "energy_kwh": 5}]);
    let answer = client.put(DEPARTURES, &second).await.expect(200).json();
    assert_eq!(answer["replaced"], 1);
    assert_eq!(answer["new"], 1);
    assert_eq!(answer["removed"], 1);
    let keys: Vec<_> = client
        .state()
        .departures
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(keys, ["e1", "e2"]);
}

#[actix_web::test]
async fn a_spreadsheet_may_be_sent_as_csv() {
    let client = live_depot().await;
    let csv = [("content-type", "text/csv; charset=utf-8")];
    let sheet = "key,departure,energy_kwh\n\
                 e1,2026-11-23T06:00:00Z,30\n\
                 0012345,2026-11-23T07:30:00Z,\n";
    let body = Some(sheet.as_bytes().to_vec());
    client
        .send(Method::PUT, DEPARTURES, &csv, body)
        .await
        .expect(200);
    let state = client.state();
    // A key of digits stays a text with its zeros.
    let key = hashed_key(&TenantId::default_tenant(), "0012345").unwrap();
    assert_eq!(state.departures[&key].energy, None);
    assert_eq!(state.departures.len(), 2);

    let wrong = "key,leaves\ne1,2026-11-23T06:00:00Z\ne2,soon\n";
    let body = Some(wrong.as_bytes().to_vec());
    let reply = client
        .send(Method::PUT, DEPARTURES, &csv, body)
        .await
        .expect(400);
    assert_eq!(
        reply.pointers(),
        ["/0/departure", "/0/leaves", "/1/departure", "/1/leaves"]
    );
    let ragged = Some(b"key,energy_kwh\ne1\n".to_vec());
    client
        .send(Method::PUT, DEPARTURES, &csv, ragged)
        .await
        .expect(400);
    assert_eq!(client.state(), state, "nothing of them was applied");
}

#[actix_web::test]
async fn a_spreadsheet_with_an_energy_that_is_no_number_is_refused() {
    let client = live_depot().await;
    let csv = [("content-type", "text/csv")];
    for energy in ["NaN", "inf", "-inf", "1e999", "infinity"] {
        let sheet = format!("key,departure,energy_kwh\ne1,2026-11-23T06:00:00Z,{energy}\n");
        let reply = client
            .send(Method::PUT, DEPARTURES, &csv, Some(sheet.into_bytes()))
            .await
            .expect(400);
        assert_eq!(reply.pointers(), ["/0/energy_kwh"], "{energy}");
    }
    assert!(client.state().departures.is_empty());
}

#[actix_web::test]
async fn an_override_holds_until_it_is_released() {
    let client = live_depot().await;
    let path = "/api/v1/sites/depot/evses/e1/override";
    let body = json!({"action": "charge_now", "until": "2026-11-22T18:00:00Z"});
    let answer = client
        .with_token(Some("operator"))
        .post(path, &body)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["action"], "charge_now");
    assert_eq!(answer["until"], "2026-11-22T18:00:00Z");
    let evse = EvseId::new("e1").unwrap();
    let action = |at| client.state().evses[&evse].override_at(at);
    assert_eq!(action(super::now()), Some(OverrideAction::ChargeNow));
    let answer = client
        .post(path, &json!({"action": "release"}))
        .await
        .expect(200)
        .json();
    assert_eq!(answer["action"], "release");
    assert_eq!(action(super::now()), None);
    let nowhere = "/api/v1/sites/depot/evses/e9/override";
    client.post(nowhere, &body).await.expect(404);
}
