//! History that outlives a restart: the events of a site are told on, with their numbers, after the
//! service was stopped and started again.

use serde_json::{Value, json};

use super::served::{Served, free_port, serve};

async fn notes(served: &Served) -> Vec<(u64, String)> {
    let journal = served.rest().get("/sites/yard/journal").await;
    let notes = journal["notes"].as_array().cloned().unwrap_or_default();
    let note = |note: &Value| {
        let kind = note["kind"].as_str().expect("a word").to_owned();
        (note["number"].as_u64().expect("a number"), kind)
    };
    notes.iter().rev().map(note).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_on_where_they_ended_after_a_stop() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let mut before = Vec::new();
    for life in 1..=3 {
        let served = serve(data.path(), port);
        if life > 1 {
            let now = notes(&served).await;
            assert_eq!(now.get(..before.len()), Some(&before[..]), "life {life}");
        }
        let site = json!({
            "name": format!("life {life}"), "time_zone": "UTC", "currency": "EUR",
            "circuits": [{"id": "site", "parent": null, "import_limit_kw": 10.0}],
            "evses": [], "arrival_reserve": "none",
        });
        served.rest().call("PUT", "/sites/yard", Some(site)).await;
        before = notes(&served).await;
        let kinds: Vec<_> = before.iter().map(|(_, kind)| kind.as_str()).collect();
        assert!(kinds.contains(&"site_configured"), "{kinds:?}");
        let numbers: Vec<_> = before.iter().map(|(number, _)| *number).collect();
        let expected: Vec<_> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "life {life}");
        served.stop().await;
    }
}
