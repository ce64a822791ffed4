//! A thousand running sessions at ten sites, a kill, and the time until the service steers again.

use std::time::Duration;

use chrono::TimeDelta;
use evenload::sim::cpo::{Cpo, CpoOptions};
use serde_json::{Value, json};

use super::served::{Rest, free_port, serve};
use super::world::{depot, now, site};

const SITES: usize = 10;
const PER_SITE: usize = 100;
/// Of each site: a third of what its cars can draw.
const LIMIT_KW: f64 = 245.0;

/// Steers: the partner is read back, and every site has a plan that was made after the start.
async fn steers(rest: &Rest, since: &str) -> bool {
    if rest.get("/partners/cpo").await["health"] != "current" {
        return false;
    }
    for n in 1..=SITES {
        let plan = rest.get(&format!("/sites/s{n}/plan?compact=true")).await;
        let made = plan["made_at"]
            .as_str()
            .or(plan["plan"]["made_at"].as_str());
        if made.is_none_or(|made| made < since) {
            return false;
        }
    }
    true
}

async fn sessions(rest: &Rest) -> usize {
    let mut all = 0;
    for n in 1..=SITES {
        let list = rest.get(&format!("/sites/s{n}/sessions")).await;
        let list = list.as_array().or(list["sessions"].as_array()).cloned();
        all += list.map_or(0, |list: Vec<Value>| list.len());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_are_steered_again_soon_after_a_kill() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let served = serve(data.path(), port);
    let rest = served.rest();
    let whole = LIMIT_KW * 10.0;
    let cpo = Cpo::start(CpoOptions::default(), depot(SITES * PER_SITE, whole)).expect("a port");
    let partner = json!({
        "name": "cpo", "versions_url": cpo.versions_url(), "token_a": cpo.token_a(),
    });
    rest.call("POST", "/partners", Some(partner)).await;
    for n in 1..=SITES {
        let evses = (n - 1) * PER_SITE + 1..=n * PER_SITE;
        let body = site("Site", evses, LIMIT_KW);
        rest.call("PUT", &format!("/sites/s{n}"), Some(body)).await;
        // Planned and shown, not sent: how fast the simulated platform is, is not the question.
        let mode = json!({"mode": "shadow"});
        rest.call("PUT", &format!("/sites/s{n}/mode"), Some(mode))
            .await;
    }
    let deadline = now() + TimeDelta::seconds(300);
    while sessions(&rest).await < SITES * PER_SITE {
        assert!(now() < deadline, "the sessions did not begin within 300 s");
        cpo.send(cpo.advance_to(now()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // SIGKILL.
    drop(served);
    let begun = now();
    let since = begun.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let served = serve(data.path(), port);
    let ready = now() - begun;
    let rest = served.rest();
    assert_eq!(
        sessions(&rest).await,
        SITES * PER_SITE,
        "all are known at once"
    );
    let deadline = begun + TimeDelta::seconds(120);
    while !steers(&rest, &since).await {
        assert!(now() < deadline, "it does not steer 120 s after the start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let steering = now() - begun;
    println!(
        "restart with {} sessions at {SITES} sites: ready after {} ms, partner read back and every \
         site planned anew after {} ms",
        SITES * PER_SITE,
        ready.num_milliseconds(),
        steering.num_milliseconds()
    );
    // Not optimised and beside other tests it may be slower than what is promised of a release.
    if !cfg!(debug_assertions) {
        assert!(
            steering < TimeDelta::seconds(5),
            "{steering} is more than 5 s"
        );
    }
    cpo.stop().await;
}
