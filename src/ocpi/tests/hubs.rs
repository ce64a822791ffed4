//! Through a hub, and through an eMSP that passes on what it got from others.

use serde_json::{Value, json};

use super::calling::registered;
use super::cpo::Cpo;
use super::world::{World, partner_id, session};
use crate::domain::command::Answer;
use crate::domain::id::SessionId;

fn role(role: &str, party: &str) -> Value {
    json!({"role": role, "country_code": "NL", "party_id": party,
        "business_details": {"name": "x"}})
}

impl World {
    /// The partner's platform has these parties; it is a hub if one is named.
    async fn partner_is(&self, roles: &Value, hub: Option<&str>) {
        self.edge
            .change(&partner_id(), |record| {
                record.roles = serde_json::from_value(roles.clone()).unwrap();
                record.hub = hub.map(|id| ocpi_client::headers::Party::new("NL", id));
                Ok(())
            })
            .await
            .unwrap();
    }

    async fn sends_for(&self, session: &str, native: &str) -> Answer {
        let mut command = self.set_profile();
        command.session = Some(SessionId::new(session).unwrap());
        command.native_session = Some(native.into());
        self.sends(&command).await
    }
}

/// To whom the last request about a profile was addressed.
fn addressed(cpo: &Cpo) -> (Option<String>, Option<String>) {
    cpo.with(|platform| {
        let headers = platform.profile_headers.clone();
        let of = |name: &str| headers.get(name).cloned();
        (of("ocpi-to-party-id"), of("ocpi-from-party-id"))
    })
}

#[actix_web::test]
async fn a_profile_through_a_hub_is_addressed_to_the_owner_of_the_session() {
    let (world, cpo) = registered().await;
    world.partner_is(&json!([role("HUB", "HUB")]), None).await;
    let answer = world.sends_for("nl*abc*7", "7").await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(addressed(&cpo), (Some("ABC".into()), Some("EVL".into())));
}

#[actix_web::test]
async fn a_client_that_its_hub_calls_offline_gets_no_request_until_it_is_connected() {
    let world = World::with_partner().await;
    world
        .partner_is(&json!([role("CPO", "ABC")]), Some("HUB"))
        .await;
    let path = "/ocpi/2.3.0/hubclientinfo/NL/ABC";
    let client = |status: &str, at: &str| {
        json!({"country_code": "NL", "party_id": "ABC", "role": "CPO", "status": status,
            "last_updated": at})
    };
    let offline = client("OFFLINE", "2026-11-22T15:00:00Z");
    let put = world.asks("PUT", path, Some(&offline)).await;
    assert_eq!(put.codes(), (201, 1000));
    assert_eq!(put.header("OCPI-from-party-id"), None, "no routing headers");
    assert_eq!(world.asks("GET", path, None).await.body["data"], offline);
    let record = world.edge.peer(&partner_id()).unwrap().record();
    let party = ocpi_client::headers::Party::new("NL", "ABC");
    let why = world.edge.unreachable(&record, Some(&party)).await.unwrap();
    assert!(why.unwrap().contains("OFFLINE"));
    // What is older changes nothing, what is newer does.
    let older = client("CONNECTED", "2026-11-22T14:00:00Z");
    assert_eq!(
        world.asks("PUT", path, Some(&older)).await.codes(),
        (200, 1000)
    );
    assert!(
        world
            .edge
            .unreachable(&record, Some(&party))
            .await
            .unwrap()
            .is_some()
    );
    let newer = client("CONNECTED", "2026-11-22T15:30:00Z");
    world.asks("PUT", path, Some(&newer)).await;
    assert_eq!(
        world.edge.unreachable(&record, Some(&party)).await.unwrap(),
        None
    );
    // Another party than the URL's, and one who is no hub.
    let foreign = world
        .asks("PUT", "/ocpi/2.3.0/hubclientinfo/NL/XYZ", Some(&newer))
        .await;
    assert_eq!(foreign.codes(), (200, 2001));
    world.partner_is(&json!([role("CPO", "CPO")]), None).await;
    assert_eq!(world.asks("PUT", path, Some(&newer)).await.http, 404);
}

#[actix_web::test]
async fn a_hub_may_bring_sessions_of_any_party_and_a_cpo_only_its_own() {
    let world = World::with_partner().await;
    let foreign = session(&json!({"party_id": "ABC"}));
    let path = "/ocpi/2.3.0/sessions/NL/ABC/S1";
    assert_eq!(world.asks("PUT", path, Some(&foreign)).await.http, 404);
    world
        .partner_is(&json!([role("CPO", "CPO")]), Some("HUB"))
        .await;
    let put = world.asks("PUT", path, Some(&foreign)).await;
    assert_eq!(put.codes(), (201, 1000));
    assert_eq!(world.sessions_told()[0].id.as_str(), "nl*abc*s1");
}

#[actix_web::test]
async fn a_session_passed_on_by_an_emsp_is_steered_through_the_emsp_under_its_id() {
    let (world, cpo) = registered().await;
    world.partner_is(&json!([role("EMSP", "EMP")]), None).await;
    // The CPO's party, the eMSP's own id for the session.
    let answer = world.sends_for("nl*abc*emp-7", "EMP-7").await;
    assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
    assert_eq!(cpo.asked("PUT", "/profiles/EMP-7").len(), 1);
    assert_eq!(addressed(&cpo).0.as_deref(), Some("EMP"));
}

#[actix_web::test]
async fn what_a_hub_cannot_deliver_is_told_apart() {
    let (world, cpo) = registered().await;
    world.partner_is(&json!([role("HUB", "HUB")]), None).await;
    let mut outcomes = Vec::new();
    for code in [4001, 4002, 4003] {
        cpo.with(|platform| platform.profile_code = Some(code));
        outcomes.push(world.sends_for("nl*abc*7", "7").await);
    }
    // An unknown receiver surely got nothing; after a time-out or a broken connection nobody knows.
    assert!(
        matches!(outcomes[0], Answer::Refused { .. }),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Answer::Unknown { .. }),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[2], Answer::Unknown { .. }),
        "{outcomes:?}"
    );
}
