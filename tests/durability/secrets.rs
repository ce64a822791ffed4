//! What a reader of the disk, of a backup or of a snapshot learns: none of the secrets that were issued
//! or taken while the real binary ran.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::served::{TOKEN, serve};
use super::world::World;

/// Every file beneath a folder with its bytes.
fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.push((path.display().to_string(), bytes));
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// The records of a backup as they are, without their Base64.
fn unpacked(backup: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for line in backup.split(|byte| *byte == b'\n') {
        let value = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
        if let Some(text) = value["value"].as_str() {
            all.extend(STANDARD.decode(text).expect("Base64"));
            all.push(b'\n');
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_lies_readable_on_the_disk_or_in_a_backup() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World::new();
    let served = serve(world.data.path(), world.port);
    world.set_up(&served).await;
    let rest = served.rest();
    let password = "correct horse battery staple";
    let person = json!({"role": "operator", "password": password});
    rest.call("PUT", "/users/anna", Some(person)).await;
    let token = json!({"name": "grid", "scopes": ["signals:write"]});
    let token = rest.call("POST", "/tokens", Some(token)).await;
    let invited = json!({"name": "second"});
    let invited = rest.call("POST", "/partners/invite", Some(invited)).await;
    let station = json!({"site": "depot"});
    let station = rest.call("PUT", "/stations/CP1", Some(station)).await;
    let chosen = json!({"site": "depot", "password": "0123456789abcdef-chosen"});
    rest.call("PUT", "/stations/CP2", Some(chosen)).await;
    let text = |value: &serde_json::Value| value.as_str().expect("a secret").to_owned();
    let mut secrets = vec![
        TOKEN.to_owned(),
        password.to_owned(),
        text(&token["token"]),
        text(&invited["token_a"]),
        text(&station["password"]),
        "0123456789abcdef-chosen".to_owned(),
        world.cpo.token_a(),
    ];
    secrets.extend(world.cpo.tokens());
    assert_eq!(secrets.len(), 9);
    let backup = world.data.path().join("backup.jsonl");
    let made = Command::new(env!("CARGO_BIN_EXE_evenload"))
        .args(["backup", "--url", &served.base])
        .arg(&backup)
        .env("EVENLOAD_TOKEN", TOKEN)
        .output()
        .expect("runs");
    assert!(made.status.success(), "{made:?}");
    served.stop().await;

    let mut found = Vec::new();
    files(world.data.path(), &mut found);
    let bytes = fs::read(&backup).expect("the backup");
    found.push(("the records of the backup".to_owned(), unpacked(&bytes)));
    let key = found
        .iter()
        .find(|(name, _)| name.ends_with("secret.key"))
        .expect("a key");
    let key = String::from_utf8(key.1.clone()).expect("text");
    // The looking itself works: what is no secret is found.
    let plain = found.iter().filter(|(_, bytes)| contains(bytes, b"depot"));
    assert!(
        plain.count() >= 2,
        "the store and the records of the backup"
    );
    for secret in secrets {
        let bytes = secret.as_bytes();
        let hex = bytes
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        for shape in [
            secret.clone(),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            hex,
        ] {
            for (name, bytes) in &found {
                assert!(!contains(bytes, shape.as_bytes()), "{name} holds {shape}");
            }
        }
    }
    let others = found
        .iter()
        .filter(|(name, _)| !name.ends_with("secret.key"));
    for (name, bytes) in others {
        assert!(
            !contains(bytes, key.trim().as_bytes()),
            "{name} holds the key"
        );
    }
}
