//! Health, metrics, and the start page: what a machine watches.

use chrono::TimeDelta;
use serde_json::json;

use super::cars::{car_arrives, is_applied, partner, planned, profile_leaves};
use super::{Client, live_depot, now};
use crate::api::ports::{PartHealth, PartStatus};

#[actix_web::test]
async fn ready_means_that_no_part_has_failed() {
    let client = Client::new().with_token(None);
    assert_eq!(
        client.get("/health/live").await.expect(200).json()["status"],
        "ok"
    );
    let ready = client.get("/health/ready").await.expect(200).json();
    assert_eq!(ready["parts"][0]["name"], "store");
    assert_eq!(ready["parts"][0]["age_s"], 0.5);
    let part = |status| PartHealth {
        name: "planner".to_owned(),
        status,
        age_s: None,
        detail: Some("does not answer".to_owned()),
    };
    client
        .world
        .parts
        .lock()
        .unwrap()
        .push(part(PartStatus::Degraded));
    assert_eq!(
        client.get("/health/ready").await.expect(200).json()["status"],
        "degraded"
    );
    client
        .world
        .parts
        .lock()
        .unwrap()
        .push(part(PartStatus::Failed));
    assert_eq!(
        client.get("/health/ready").await.expect(503).json()["status"],
        "failed"
    );
    client.get("/health/live").await.expect(200);
}

#[actix_web::test]
async fn the_start_page_names_what_is_here() {
    let page = Client::new().with_token(None).get("/").await.expect(200);
    for word in ["evenload", "/api/v1", "/api/docs", "/health", "/metrics"] {
        assert!(page.text.contains(word), "{word}");
    }
}

#[actix_web::test]
async fn metrics_carry_what_is_counted_and_what_the_sites_say() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    let command = profile_leaves(&client, 6);
    is_applied(&client, command);
    planned(&client);
    client.metrics.solved("optimal", 0.02);
    client.metrics.solved("clipped", 0.02);
    client.metrics.profile_pushed(&partner(), "applied", 0.5);
    client.metrics.profile_pushed(&partner(), "unknown", 90.0);
    client.time_is(now() + TimeDelta::seconds(30));
    let text = client
        .with_token(None)
        .get("/metrics")
        .await
        .expect(200)
        .text;
    for line in [
        "evenload_build_info{version=\"0.1.0\",commit=\"abc123\"} 1",
        "evenload_site_power_watts{site=\"depot\",kind=\"measured\"} 0",
        "evenload_site_power_watts{site=\"depot\",kind=\"uncontrolled\"} 0",
        "evenload_site_limit_watts{site=\"depot\",source=\"configured\"} 60000",
        "evenload_site_limit_watts{site=\"depot\",source=\"effective\"} 60000",
        "evenload_evse_limit_watts{site=\"depot\",evse=\"e1\",state=\"confirmed\"} 4554",
        "evenload_evse_limit_watts{site=\"depot\",evse=\"e1\",state=\"sent\"} 4554",
        "evenload_sessions_active{site=\"depot\"} 1",
        "evenload_plan_age_seconds{site=\"depot\"} 30",
        "evenload_solve_total{status=\"optimal\"} 1",
        "evenload_solve_duration_seconds_count 2",
        "evenload_solve_fallback_total{reason=\"clipped\"} 1",
        "evenload_ocpi_callback_timeout_total{partner=\"acme\"} 1",
        "evenload_ocpi_request_duration_seconds_total{partner=\"acme\",direction=\"received\"} 0.25",
        "evenload_profile_push_duration_seconds_count 2",
        "evenload_evse_obedience_ratio 1.0",
        "evenload_session_energy_joules_total{site=\"depot\"} 0",
        "evenload_site_limit_violation_seconds_total{site=\"depot\"} 0",
        "evenload_departures_total{site=\"depot\",result=\"missed\"} 0",
        "evenload_cost_total{site=\"depot\",currency=\"EUR\",kind=\"actual\"} 0.0",
        "evenload_ocpi_requests_total{partner=\"acme\",module=\"sessions\",direction=\"received\",status=\"200\"} 1",
        "evenload_profile_push_total{partner=\"acme\",result=\"applied\"} 1",
        "evenload_self_caused_total 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}

#[actix_web::test]
async fn an_excursion_is_counted_once_although_metrics_are_read_again_and_again() {
    let client = live_depot().await;
    car_arrives(&client, 12.0);
    let mut site = super::depot();
    for limit in [5, 60, 5] {
        client.time_is(client.state().updated_at + TimeDelta::seconds(1));
        site["circuits"][0]["import_limit_kw"] = json!(limit);
        client.put("/api/v1/sites/depot", &site).await.expect(200);
    }
    for _ in 0..3 {
        let text = client.get("/metrics").await.expect(200).text;
        let line = "evenload_excursions_total{site=\"depot\",cause=\"configuration\"} 2";
        assert!(text.contains(line), "{text}");
        assert!(
            text.contains("evenload_excursions_open{site=\"depot\"} 1"),
            "{text}"
        );
    }
}
