//! Sites imported from partners' locations.

use serde_json::json;

use super::{Client, depot};
use crate::api::ports::{Guess, OfferedEvse};
use crate::domain::evse::{EvseSource, Supply};
use crate::domain::id::PartnerId;
use crate::domain::quantity::{Power, Voltage};

fn offered(uid: &str, kilowatts: Option<f64>) -> OfferedEvse {
    OfferedEvse {
        source: EvseSource::Ocpi {
            partner: PartnerId::new("acme").expect("valid"),
            location_id: "loc1".into(),
            evse_uid: uid.to_lowercase(),
        },
        evse_uid: uid.into(),
        location_id: "LOC1".into(),
        location: Some("Hamburg 1".into()),
        time_zone: Some("Europe/Berlin".into()),
        label: None,
        guess: kilowatts.map(|kilowatts| Guess {
            max: Power::from_kilowatts(kilowatts),
            min: Power::from_watts(1380),
            supply: Supply::Ac {
                phases: 1,
                nominal: Voltage::V230,
            },
        }),
        doubts: Vec::new(),
    }
}

fn offering(evses: Vec<OfferedEvse>) -> Client {
    let client = Client::new();
    *client.world.offered.lock().unwrap() = evses;
    client
}

#[actix_web::test]
async fn a_new_site_has_the_location_s_name_and_no_limit() {
    let client = offering(vec![offered("E 1", Some(7.36)), offered("E2", None)]);
    let body = json!({"partner": "acme"});
    let answer = client
        .post("/api/v1/sites/ham/import", &body)
        .await
        .expect(201)
        .json();
    assert_eq!(answer["added"][0]["id"], "E-1");
    assert_eq!(answer["added"][0]["phase_count"], 1);
    assert_eq!(answer["skipped"][0]["evse_uid"], "E2");
    let site = &answer["site"];
    assert_eq!(
        (&site["name"], &site["time_zone"]),
        (&json!("Hamburg 1"), &json!("Europe/Berlin"))
    );
    assert_eq!(site["status"]["effective_mode"], "observe");
    // What came out can be put back in, one phase and unknown wiring included.
    client.put("/api/v1/sites/ham", site).await.expect(200);
    let again = client.get("/api/v1/sites/ham").await.expect(200).json();
    assert_eq!(again["evses"], site["evses"]);
}

#[actix_web::test]
async fn what_the_operator_wrote_stays() {
    let client = offering(vec![offered("UID1", Some(7.36)), offered("E9", Some(7.36))]);
    client
        .put("/api/v1/sites/depot", &depot())
        .await
        .expect(201);
    let body = json!({"partner": "acme", "location_id": "loc1"});
    let answer = client
        .post("/api/v1/sites/depot/import", &body)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["added"].as_array().unwrap().len(), 1);
    // depot() describes UID1 as e1 with 11.04 kW.
    assert_eq!(answer["site"]["evses"][0]["max_kw"], 11.04);
    assert_eq!(answer["site"]["circuits"][0]["import_limit_kw"], 60.0);
}

#[actix_web::test]
async fn a_dry_run_changes_nothing_and_a_wrong_location_lists_the_right_ones() {
    let client = offering(vec![offered("E1", Some(7.36))]);
    let body = json!({"partner": "acme", "dry_run": true, "import_limit_kw": 50});
    let answer = client
        .post("/api/v1/sites/ham/import", &body)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["site"]["circuits"][0]["import_limit_kw"], 50.0);
    client.get("/api/v1/sites/ham").await.expect(404);
    let wrong = json!({"partner": "acme", "location_id": "LOC9"});
    let refused = client
        .post("/api/v1/sites/ham/import", &wrong)
        .await
        .expect(409)
        .json();
    assert!(refused["detail"].as_str().unwrap().contains("LOC1"));
    let typo = json!({"partner": "acme", "location": "LOC1"});
    client
        .post("/api/v1/sites/ham/import", &typo)
        .await
        .expect(400);
}
