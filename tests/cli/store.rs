//! `store verify`, `backup` and `restore` as an operator meets them: of a stopped service, of a
//! running one, and of a store that is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::served::{TOKEN, free_port, serve};
use crate::{evenload, folder, object, text};

/// A folder with the store of a service that ran once and was stopped: a site and a person.
fn stopped_service() -> TempDir {
    let folder = folder();
    let answers = "Yard North\nEurope/Amsterdam\n120\n0,25\ncorrect horse battery\n";
    let output = evenload(&folder)
        .arg("init")
        .write_stdin(answers)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    folder
}

/// Exit code, the JSON object, and what was said to people.
fn run(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = evenload(folder).args(arguments).output().expect("runs");
    let said = text(&output.stderr).to_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), object(&output), said)
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("evenload-data")
}

fn damage(data: &Path) {
    let path = data.join("sled/db");
    let mut bytes = fs::read(&path).expect("the database");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).expect("written");
}

#[test]
fn a_stopped_store_is_verified_backed_up_and_restored_elsewhere() {
    let folder = stopped_service();
    let (code, report, _) = run(&folder, &["store", "verify", "--json"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(
        (&report["ok"], &report["sealed"]),
        (&true.into(), &true.into())
    );
    assert!(report["tables"]["journal"]["records"].as_u64() > Some(0));

    let (code, made, _) = run(&folder, &["backup", "b.jsonl", "--json"]);
    assert_eq!(code, Some(0), "{made}");
    assert_eq!(made["records"], report["records"]);
    let (code, _, said) = run(&folder, &["backup", "b.jsonl", "--json"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("--overwrite"), "{said}");
    let again = ["backup", "b.jsonl", "--overwrite", "--json"];
    assert_eq!(run(&folder, &again).0, Some(0));

    let elsewhere = ["restore", "b.jsonl", "--data", "elsewhere", "--json"];
    let (code, restored, _) = run(&folder, &elsewhere);
    assert_eq!(code, Some(0), "{restored}");
    assert_eq!(restored["records"], made["records"]);
    assert_eq!(restored["has_secret_key"], false);
    let verify = ["store", "verify", "--data", "elsewhere", "--json"];
    assert_eq!(run(&folder, &verify).0, Some(0));
}

#[test]
fn a_backup_is_for_its_owner_alone_and_holds_no_key() {
    let folder = stopped_service();
    assert_eq!(run(&folder, &["backup", "b.jsonl", "--json"]).0, Some(0));
    let file = folder.path().join("b.jsonl");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    let key = fs::read_to_string(data(&folder).join("secret.key")).expect("a key");
    let all = fs::read_to_string(&file).expect("text");
    assert!(!all.contains(key.trim()));
}

#[test]
fn a_damaged_store_is_refused_with_the_way_back_and_the_way_works() {
    let folder = stopped_service();
    assert_eq!(run(&folder, &["backup", "b.jsonl", "--json"]).0, Some(0));
    // As the service makes them by itself.
    let snapshots = data(&folder).join("snapshots");
    fs::create_dir(&snapshots).expect("made");
    fs::copy(
        folder.path().join("b.jsonl"),
        snapshots.join("20261122T160000Z.jsonl"),
    )
    .expect("copied");
    damage(&data(&folder));

    let served = evenload(&folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .expect("runs");
    let said = text(&served.stderr);
    assert_eq!(served.status.code(), Some(5), "{said}");
    assert!(
        said.contains("evenload store verify") && said.contains("evenload restore"),
        "{said}"
    );
    assert!(
        said.contains("20261122T160000Z.jsonl"),
        "it names the newest snapshot: {said}"
    );
    assert!(!said.contains("panicked"), "{said}");

    let (code, report, said) = run(&folder, &["store", "verify", "--json"]);
    assert_eq!(code, Some(5), "{report}");
    assert_eq!(report["faults"][0]["at"], "sled/db", "{report}");
    assert!(said.contains("evenload restore"), "{said}");
    assert!(run(&folder, &["backup", "c.jsonl", "--json"]).0 == Some(5));
    assert!(!folder.path().join("c.jsonl").exists());

    let (code, _, said) = run(&folder, &["restore", "b.jsonl", "--json"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("--replace"), "{said}");
    let snapshot = "evenload-data/snapshots/20261122T160000Z.jsonl";
    let (code, restored, _) = run(&folder, &["restore", snapshot, "--replace", "--json"]);
    assert_eq!(code, Some(0), "{restored}");
    assert_eq!(restored["has_secret_key"], true);
    let kept = restored["kept"]
        .as_str()
        .expect("the damaged store is kept");
    assert!(folder.path().join(kept).join("sled/db").exists());
    assert_eq!(run(&folder, &["store", "verify", "--json"]).0, Some(0));
    let check = evenload(&folder).args(["check"]).output().expect("runs");
    assert_eq!(check.status.code(), Some(0));
}

#[test]
fn what_is_not_there_or_not_a_backup_is_said_with_what_to_do() {
    let folder = folder();
    for arguments in [
        &["store", "verify", "--json"][..],
        &["backup", "b.jsonl", "--json"],
    ] {
        let (code, answer, said) = run(&folder, arguments);
        assert_eq!(code, Some(3), "{answer}");
        assert!(
            said.contains("no store") && said.contains("--data"),
            "{said}"
        );
    }
    assert!(!data(&folder).exists(), "looking makes nothing");
    fs::write(folder.path().join("b.jsonl"), "{}\n").expect("written");
    for file in ["b.jsonl", "nothing.jsonl"] {
        let (code, answer, _) = run(&folder, &["restore", file, "--json"]);
        assert_eq!(code, Some(3), "{answer}");
        assert!(
            answer["detail"]
                .as_str()
                .is_some_and(|text| text.contains(file))
        );
    }
    assert!(!data(&folder).join("sled").exists());
}

#[test]
fn a_running_service_is_backed_up_through_its_api() {
    let folder = stopped_service();
    let port = free_port();
    let served = serve(&data(&folder), port);
    let backup = |token: Option<&str>, arguments: &[&str]| {
        let mut command = evenload(&folder);
        command.args(arguments);
        if let Some(token) = token {
            command.env("EVENLOAD_TOKEN", token);
        }
        let output = command.output().expect("runs");
        (
            output.status.code(),
            text(&output.stderr).to_owned(),
            output,
        )
    };
    let listen = served.base.clone();
    // Without a token it says what is needed; with a wrong one that it is wrong.
    let by_url = ["backup", "b.jsonl", "--url", &listen, "--json"];
    let (code, said, _) = backup(None, &by_url);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("EVENLOAD_TOKEN"), "{said}");
    let (code, said, _) = backup(Some("not-the-token"), &by_url);
    assert_eq!(code, Some(3), "{said}");
    assert!(!folder.path().join("b.jsonl").exists());
    assert!(!folder.path().join("b.jsonl.writing").exists());
    let (code, said, output) = backup(Some(TOKEN), &by_url);
    assert_eq!(code, Some(0), "{said}");
    let made = object(&output);

    // The same where only the data folder is named: the configuration says where it listens.
    fs::write(
        folder.path().join("running.toml"),
        format!("[server]\nlisten = \"127.0.0.1:{port}\"\n"),
    )
    .expect("written");
    let by_folder = ["backup", "c.jsonl", "--config", "running.toml", "--json"];
    let (code, said, _) = backup(Some(TOKEN), &by_folder);
    assert_eq!(code, Some(0), "{said}");
    // Whatever needs the folder for itself says who has it.
    for arguments in [
        &["store", "verify", "--json"][..],
        &["restore", "b.jsonl", "--replace", "--json"],
    ] {
        let (code, answer, said) = run(&folder, arguments);
        assert_eq!(code, Some(3), "{answer}");
        assert!(said.contains("another instance"), "{said}");
    }
    drop(served);
    let (code, restored, _) = run(
        &folder,
        &["restore", "b.jsonl", "--data", "elsewhere", "--json"],
    );
    assert_eq!(code, Some(0), "{restored}");
    assert_eq!(restored["records"], made["records"]);
}

#[test]
fn the_audit_is_verified_with_the_store() {
    use evenload::store::sled_store::{SledOptions, SledStore};
    use evenload::store::{Batch, Flush, Store as _};
    use futures_util::FutureExt as _;

    let folder = stopped_service();
    let served = serve(&data(&folder), free_port());
    for name in ["one", "two", "three"] {
        let made = evenload(&folder)
            .args([
                "token", "create", "--name", name, "--scope", "read", "--json",
            ])
            .args(["--url", &served.base])
            .env("EVENLOAD_TOKEN", TOKEN)
            .output()
            .expect("runs");
        assert_eq!(made.status.code(), Some(0), "{made:?}");
    }
    drop(served);
    let (code, report, _) = run(&folder, &["store", "verify", "--json"]);
    assert_eq!(code, Some(0), "{report}");
    let chained = report["audit"]["chained"].as_u64().expect("a number");
    assert!(chained >= 3, "{report}");

    // Somebody who can write to the store, not to its files alone, changes who did it.
    let key = format!("audit/{:020}", chained - 1);
    let store = SledStore::open(&data(&folder), SledOptions::default()).expect("opens");
    let entry = store
        .get(&key)
        .now_or_never()
        .expect("at once")
        .expect("read");
    let text = String::from_utf8(entry.expect("there").value).expect("text");
    let changed = text.replace("\"actor\":\"admin\"", "\"actor\":\"mallory\"");
    assert_ne!(changed, text);
    let batch = Batch::new().put(key, changed).flush(Flush::State);
    let done = store.commit(batch).now_or_never().expect("at once");
    done.expect("stored");
    drop(store);
    let (code, report, said) = run(&folder, &["store", "verify", "--json"]);
    assert_eq!(code, Some(5), "{report}");
    assert_eq!(report["fault_count"], 0, "the records themselves are sound");
    let named = format!("entry {} of the audit", chained - 1);
    assert!(said.contains(&named), "{said}");
}
