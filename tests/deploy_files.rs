//! The files under examples/deploy, held against the service they are for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).expect("the file is there")
}

/// The names that metrics are registered under, as they are scraped.
fn published() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["src/api/metrics.rs", "src/api/scrape.rs", "src/api/told.rs"] {
        let code = read(file);
        for call in code.split("registry.register(").skip(1) {
            let name = call.split('"').nth(1).expect("a name");
            for suffix in ["", "_total", "_bucket", "_sum", "_count", "_info"] {
                names.insert(format!("evenload_{name}{suffix}"));
            }
        }
    }
    names
}

/// Every word in a text that begins like a metric of ours.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !is_word(c))
        .filter(|word| word.starts_with("evenload_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_grafana_dashboard_asks_for_metrics_that_exist() {
    let text = read("examples/deploy/grafana.json");
    let board: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(board["panels"].as_array().is_some_and(|p| p.len() >= 8));
    let named = named(&text);
    assert!(named.len() >= 8, "{named:?}");
    let unknown: Vec<_> = named.difference(&published()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_operations_page_names_metrics_that_exist() {
    let unknown: Vec<_> = named(&read("docs/operations.md"))
        .difference(&published())
        .cloned()
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_unit_and_the_image_start_the_service_with_options_it_has() {
    for file in [
        "examples/deploy/evenload.service",
        "examples/deploy/Dockerfile",
        "examples/deploy/compose.yaml",
    ] {
        let text = read(file);
        let known = read("examples/evenload.toml");
        for word in text.split(|c: char| c.is_whitespace() || "=:[\"".contains(c)) {
            let Some(name) = word.strip_prefix("EVENLOAD__") else {
                continue;
            };
            let key = name.rsplit("__").next().expect("a key").to_lowercase();
            assert!(known.contains(&format!("{key} =")), "{file}: {word}");
        }
    }
}
