//! Registration from both ends, over real sockets.

use chrono::TimeDelta;
use ocpi_client::registration::Method;
use ocpi_client::types::Credentials;
use serde_json::{Value, json};
use url::Url;

use super::calling::registered;
use super::cpo::{Cpo, client};
use super::world::{TOKEN_B, World, partner_id, session, shown, site};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::ocpi::Reach;
use crate::ocpi::check::{CheckRow, CheckStatus, all_passed};
use crate::ocpi::edge::EdgeError;
use crate::ocpi::partner::Handshake;

fn row<'r>(rows: &'r [CheckRow], step: &str) -> &'r CheckRow {
    rows.iter()
        .find(|row| row.step == step)
        .unwrap_or_else(|| panic!("{step} in {rows:?}"))
}

#[actix_web::test]
async fn we_register_while_the_partner_calls_back_and_it_is_tried_out() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    cpo.with(|platform| {
        platform.sessions = vec![session(&json!({}))];
        platform.early_result = Some(json!({"result": "ACCEPTED"}));
        platform.locations = vec![
            json!({"id": "LOC1"}),
            json!({"id": "LOC2"}),
            json!({"id": "L"}),
        ];
    });
    let rows = world
        .edge
        .register(&partner_id(), &cpo.versions_url(), "token-a-0123456789")
        .await
        .unwrap();
    assert!(all_passed(&rows), "{rows:#?}");
    assert_eq!(row(&rows, "locations").detail, "3 listed");
    assert_eq!(
        row(&rows, "sessions").detail,
        "1 active, 1 changed within a day"
    );
    let view = world.edge.show(&partner_id()).unwrap();
    assert_eq!(view.handshake, Handshake::Registered);
    assert_eq!(view.version.as_deref(), Some("2.3.0"));
    assert_eq!(view.parties, ["CPO NL-CPO"]);
    // The token we gave opens everything for the partner, also after a restart.
    let shows = cpo.with(|platform| platform.shows.clone().unwrap());
    let world = world.restarted().await;
    let token = shown(&shows);
    let headers = [("Authorization", token.as_str())];
    let body = session(&json!({})).to_string();
    let put = world
        .asks_as("PUT", super::world::S1, &body, &headers)
        .await;
    assert_eq!(put.codes(), (201, 1000));
    // And the token it gave us is the one we show. Results would go to the edge of before.
    cpo.with(|platform| platform.sessions.clear());
    assert!(all_passed(&world.edge.test(&partner_id()).await.unwrap()));
}

#[actix_web::test]
async fn nothing_is_sent_to_a_partner_that_lacks_what_we_need() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    cpo.with(|platform| platform.lacks = Some("chargingprofiles"));
    let rows = world.register_at(&cpo).await;
    assert_eq!(
        row(&rows, "module chargingprofiles RECEIVER").status,
        CheckStatus::Failed
    );
    assert!(cpo.asked("POST", "/").is_empty());
    cpo.with(|platform| {
        platform.lacks = None;
        platform.versions = vec!["2.1.1", "3.0"];
    });
    assert!(!all_passed(&world.register_at(&cpo).await));
    assert!(cpo.asked("POST", "/").is_empty());
    cpo.with(|platform| platform.versions = vec!["2.2.1"]);
    assert!(all_passed(&world.register_at(&cpo).await));
    assert_eq!(
        world.edge.show(&partner_id()).unwrap().version.as_deref(),
        Some("2.2.1")
    );
}

#[actix_web::test]
async fn a_token_sent_as_it_is_works_where_base64_does_not() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    cpo.with(|platform| platform.expects = "Token token-a-0123456789".into());
    let rows = world.register_at(&cpo).await;
    assert_eq!(
        row(&rows, "credentials").status,
        CheckStatus::Ok,
        "{rows:?}"
    );
    let view = serde_json::to_value(world.edge.show(&partner_id()).unwrap()).unwrap();
    assert_eq!(view["token_encoding"], json!("raw"));
}

#[actix_web::test]
async fn a_refused_registration_leaves_no_token_behind() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    cpo.with(|platform| platform.credentials_status = Some(405));
    let rows = world.register_at(&cpo).await;
    assert_eq!(row(&rows, "credentials").status, CheckStatus::Failed);
    let peer = world.edge.peer(&partner_id()).unwrap().record();
    assert_eq!(peer.handshake, Handshake::Unregistered);
    assert!(peer.accepted.is_empty(), "{peer:?}");
    // An address that cannot be used is a row too.
    let rows = world
        .edge
        .register(&partner_id(), "ftp://x/versions", "abc")
        .await
        .unwrap();
    assert_eq!(row(&rows, "address").status, CheckStatus::Failed);
}

#[actix_web::test]
async fn a_partner_registers_with_its_invitation_once() {
    let world = World::served().await;
    let invitation = world.edge.invite(&partner_id()).await.unwrap();
    let cpo = Cpo::expecting("token-b-of-partner");
    let token_a = invitation.token_a.reveal().to_owned();
    let answer = world
        .is_registered_by(&cpo, &token_a, "2.2.1")
        .await
        .unwrap();
    assert_ne!(answer.token.reveal(), token_a);
    assert_eq!(answer.roles[0].role, ocpi_client::types::Role::Scsp);
    let view = world.edge.show(&partner_id()).unwrap();
    assert_eq!(view.handshake, Handshake::Registered);
    assert_eq!(view.version.as_deref(), Some("2.2.1"));
    // The invitation is used up; the new token opens everything; a second POST is 405.
    let url = Url::parse(&invitation.versions_url).unwrap();
    assert!(
        client(&token_a)
            .get_versions(&url)
            .await
            .into_result()
            .is_err()
    );
    let token_c = answer.token.reveal().to_owned();
    assert!(
        client(&token_c)
            .get_versions(&url)
            .await
            .into_result()
            .is_ok()
    );
    let second = world.is_registered_by(&cpo, &token_c, "2.2.1").await;
    assert_eq!(second.unwrap_err().http_status(), Some(405));
    // We show the token from its credentials.
    assert!(all_passed(&world.edge.test(&partner_id()).await.unwrap()));
}

#[actix_web::test]
async fn a_partner_that_cannot_be_used_is_told_why() {
    let world = World::served().await;
    let invitation = world.edge.invite(&partner_id()).await.unwrap();
    let token_a = invitation.token_a.reveal().to_owned();
    let cpo = Cpo::expecting("token-b-of-partner");
    for (versions, lacks, expects, code) in [
        (
            vec!["2.2.1"],
            Some("chargingprofiles"),
            "token-b-of-partner",
            3003,
        ),
        (vec!["2.1.1"], None, "token-b-of-partner", 3002),
        (vec!["2.2.1"], None, "another-token", 3001),
    ] {
        cpo.with(|platform| {
            platform.versions = versions;
            platform.lacks = lacks;
            platform.expects = shown(expects);
        });
        let error = world
            .is_registered_by(&cpo, &token_a, "2.2.1")
            .await
            .unwrap_err();
        assert_eq!(error.status_code().map(|code| code.0), Some(code));
    }
    assert_eq!(
        world.edge.show(&partner_id()).unwrap().handshake,
        Handshake::Invited
    );
    // It may try again once it is repaired.
    cpo.with(|platform| platform.expects = shown("token-b-of-partner"));
    assert!(
        world
            .is_registered_by(&cpo, &token_a, "2.2.1")
            .await
            .is_ok()
    );
}

#[actix_web::test]
async fn a_registration_is_changed_by_put_and_the_old_token_stays_for_a_minute() {
    let world = World::served().await;
    let invitation = world.edge.invite(&partner_id()).await.unwrap();
    let cpo = Cpo::expecting("token-b-of-partner");
    let token_a = invitation.token_a.reveal().to_owned();
    let first = world
        .is_registered_by(&cpo, &token_a, "2.2.1")
        .await
        .unwrap();
    let first = first.token.reveal().to_owned();
    // To another version, with another token, in place.
    cpo.with(|platform| platform.expects = shown("token-b-next"));
    let url = world.credentials_url("2.3.0");
    let theirs = theirs(&cpo, "token-b-next");
    let reply = client(&first)
        .send_credentials(Method::Put, &url, &theirs)
        .await;
    let second = reply.into_result().unwrap().token.reveal().to_owned();
    assert_eq!(
        world.edge.show(&partner_id()).unwrap().version.as_deref(),
        Some("2.3.0")
    );
    let versions = Url::parse(&invitation.versions_url).unwrap();
    assert!(
        client(&first)
            .get_versions(&versions)
            .await
            .into_result()
            .is_ok()
    );
    world.goes_on(TimeDelta::seconds(61));
    assert!(
        client(&first)
            .get_versions(&versions)
            .await
            .into_result()
            .is_err()
    );
    assert!(
        client(&second)
            .get_versions(&versions)
            .await
            .into_result()
            .is_ok()
    );
    assert!(all_passed(&world.edge.test(&partner_id()).await.unwrap()));
    // PUT without a registration is 405.
    let invited = world.edge.invite(&"other".parse().unwrap()).await.unwrap();
    let reply = client(invited.token_a.reveal())
        .send_credentials(Method::Put, &url, &theirs)
        .await;
    assert_eq!(reply.into_result().unwrap_err().http_status(), Some(405));
}

#[actix_web::test]
async fn a_partner_that_leaves_is_locked_out_and_its_sites_know() {
    let world = World::with_partner().await;
    let path = "/ocpi/2.2.1/credentials";
    let read = world.asks("GET", path, None).await;
    assert_eq!(
        read.body["data"]["token"],
        json!(TOKEN_B),
        "its own token is given back"
    );
    assert_eq!(world.asks("DELETE", path, None).await.codes(), (200, 1000));
    let told = world.memory.take_told();
    let stale = EventKind::PartnerSeen {
        partner: partner_id(),
        health: PartnerHealth::Stale,
    };
    assert_eq!(told, [(site(), stale)]);
    assert_eq!(world.asks("GET", path, None).await.http, 401);
    assert_eq!(
        world.edge.show(&partner_id()).unwrap().handshake,
        Handshake::Unregistered
    );
}

#[actix_web::test]
async fn tokens_are_rotated_and_a_partner_is_removed_with_all_it_sent() {
    let world = World::served().await;
    let cpo = Cpo::expecting("token-a-0123456789");
    assert!(all_passed(&world.register_at(&cpo).await));
    assert!(matches!(
        world.register_again(&cpo).await,
        Err(EdgeError::Taken(_))
    ));
    let before = cpo.with(|platform| platform.shows.clone());
    let rows = world.edge.rotate(&partner_id()).await.unwrap();
    assert!(all_passed(&rows), "{rows:?}");
    assert_ne!(cpo.with(|platform| platform.shows.clone()), before);
    assert!(all_passed(&world.edge.test(&partner_id()).await.unwrap()));
    cpo.with(|platform| platform.sessions = vec![session(&json!({}))]);
    world.edge.pull(&partner_id(), Reach::Full).await.unwrap();
    assert!(
        world.edge.remove(&partner_id()).await.unwrap(),
        "it was told"
    );
    assert!(world.memory.records.lock().unwrap().is_empty());
    assert!(world.edge.show(&partner_id()).is_err());
}

fn theirs(cpo: &Cpo, token: &str) -> Credentials {
    serde_json::from_value(
        json!({"token": token, "url": cpo.versions_url(), "roles": [{
        "role": "CPO", "party_id": "CPO", "country_code": "NL",
        "business_details": {"name": "A CPO"}}]}),
    )
    .unwrap()
}

impl World {
    async fn register_at(&self, cpo: &Cpo) -> Vec<CheckRow> {
        self.register_again(cpo).await.unwrap()
    }

    async fn register_again(&self, cpo: &Cpo) -> Result<Vec<CheckRow>, EdgeError> {
        let url = cpo.versions_url();
        self.edge
            .register(&partner_id(), &url, "token-a-0123456789")
            .await
    }

    fn credentials_url(&self, version: &str) -> Url {
        let base = &self.edge.settings().public_url;
        Url::parse(&format!("{base}/ocpi/{version}/credentials")).unwrap()
    }

    async fn is_registered_by(
        &self,
        cpo: &Cpo,
        token: &str,
        version: &str,
    ) -> Result<Credentials, ocpi_client::Error> {
        let theirs = theirs(cpo, "token-b-of-partner");
        let url = self.credentials_url(version);
        client(token)
            .send_credentials(Method::Post, &url, &theirs)
            .await
            .into_result()
    }
}

#[actix_web::test]
async fn a_partner_whose_token_does_not_open_any_more_can_be_registered_anew() {
    let (world, _cpo) = registered().await;
    let key = format!("partner/default/{}", partner_id());
    {
        let mut records = world.memory.records.lock().unwrap();
        let mut record: Value = serde_json::from_slice(&records[&key]).unwrap();
        record["sends"] = json!("bm90IHNlYWxlZCB3aXRoIHRoaXMga2V5");
        records.insert(key, serde_json::to_vec(&record).unwrap());
    }
    let world = world.restarted().await;
    let view = world.edge.show(&partner_id()).unwrap();
    assert_eq!(view.handshake, Handshake::Unregistered);
    world.edge.invite(&partner_id()).await.unwrap();
}

#[actix_web::test]
async fn a_registration_without_roles_is_refused_and_leaves_the_token_good() {
    let world = World::served().await;
    let invitation = world.edge.invite(&partner_id()).await.unwrap();
    let cpo = Cpo::expecting("token-b-of-partner");
    let token_a = invitation.token_a.reveal().to_owned();
    let mut nobody = theirs(&cpo, "token-b-of-partner");
    nobody.roles.clear();
    let url = world.credentials_url("2.2.1");
    let reply = client(&token_a)
        .send_credentials(Method::Post, &url, &nobody)
        .await;
    let error = reply.into_result().unwrap_err();
    assert_eq!(error.status_code().map(|code| code.0), Some(2001));
    let again = world.is_registered_by(&cpo, &token_a, "2.2.1").await;
    assert!(again.is_ok(), "{again:?}");
}
