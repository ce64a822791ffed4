//! Reads a page of sessions as platforms really send them, and says what was odd about it.
//!
//! `cargo run -p ocpi-client --example read_a_page`
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use ocpi_client::plausibility::Units;
use ocpi_client::response::{RawAnswer, classify};
use ocpi_client::types::Session;

/// Four sessions: one as specified but for its meter values, one with a dozen liberties, one that
/// nobody can read, and one that is no object at all.
const BODY: &str = r#"{
  "status_code": 1000,
  "timestamp": "2026-05-04T10:00:00+02:00",
  "data": [
    {
      "country_code": "NL", "party_id": "TNM", "id": "5c1", "kwh": 7.5,
      "start_date_time": "2026-05-04T07:00:00Z", "status": "ACTIVE",
      "cdr_token": {
        "country_code": "NL", "party_id": "TNM", "uid": "04A1", "type": "RFID", "contract_id": "C1"
      },
      "auth_method": "WHITELIST", "location_id": "depot", "evse_uid": "e1", "connector_id": "1",
      "currency": "EUR", "last_updated": "2026-05-04T07:55:00Z",
      "charging_periods": [{
        "start_date_time": "2026-05-04T07:00:00Z",
        "dimensions": [{"type": "ENERGY", "volume": 7500}]
      }]
    },
    {
      "country_code": "nl", "party_id": "tnm", "id": 5062, "kwh": "3.2",
      "start_date_time": "2026-05-04 07:30:00", "status": "Active", "end_date_time": "",
      "cdr_token": {"uid": "04A2", "type": "RFID", "contract_id": "C2"},
      "auth_method": "APP", "location_id": "depot", "evse_uid": "e2", "connector_id": "",
      "currency": "EUR", "total_cost": 1.2, "lastUpdated": "2026-05-04T09:50:00+02:00",
      "_shard": 3
    },
    {"country_code": "NL", "party_id": "TNM", "id": "5c3", "status": "ACTIVE"},
    "5c4"
  ]
}"#;

fn main() -> Result<(), ocpi_client::Error> {
    let raw = RawAnswer {
        status: 200,
        content_type: Some("application/json"),
        body: BODY.as_bytes(),
    };
    let (sessions, deviations) = classify("get sessions", &raw)?.list::<Session>();

    println!("{} sessions understood:", sessions.len());
    for session in &sessions {
        let units = Units::of(session);
        let note = if units.energy_in_wh {
            " (energies of its periods are in Wh)"
        } else {
            ""
        };
        println!(
            "  {} on {}: {} kWh, {}, last updated {}{note}",
            session.id, session.evse_uid, session.kwh, session.status, session.last_updated
        );
    }
    println!(
        "\n{} deviations to be repaired by the sender:",
        deviations.as_slice().len()
    );
    for deviation in &deviations {
        println!("  {deviation}");
        println!("      -> {}", deviation.advice().unwrap_or_default());
    }
    Ok(())
}
