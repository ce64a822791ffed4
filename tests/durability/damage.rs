//! One flipped bit, or a file cut short, anywhere in the data folder of a service that was stopped or
//! killed, as its operator meets it: the real binary finds it and says what to do, or nothing is
//! missing. Never a panic, never an older state.
//!
//! 50 flips and 50 cuts here, 500 of each by `tests/durability/long.sh`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::number;
use super::served::{free_port, serve};

/// Trials of each kind in the test command.
const TRIALS: u64 = 50;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How the service ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Stopped,
    Killed,
}

/// What is done to the folder.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Bit,
    Cut,
}

/// The files of a service that ran, was stopped, ran again, and ended.
async fn folder_of_a_service(end: End) -> Files {
    let data = tempfile::tempdir().expect("a folder");
    let port = free_port();
    for life in 1..=3 {
        let served = serve(data.path(), port);
        let rest = served.rest();
        for n in 1..=20 {
            let body = json!({
                "name": format!("life {life}"), "time_zone": "UTC", "currency": "EUR",
                "circuits": [{"id": "site", "parent": null, "import_limit_kw": 10.0}],
                "evses": [], "arrival_reserve": "none",
            });
            rest.call("PUT", &format!("/sites/s{n}"), Some(body)).await;
        }
        if life == 3 && end == End::Killed {
            break;
        }
        served.stop().await;
    }
    read_files(data.path())
}

fn read_files(dir: &Path) -> Files {
    let mut files = Files::new();
    for folder in ["", "sled", "sled/blobs"].map(PathBuf::from) {
        let Ok(entries) = fs::read_dir(dir.join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.expect("an entry");
            let name = folder.join(entry.file_name());
            let is_kept = !["lock", "secret.key"].contains(&name.to_str().unwrap_or_default());
            if entry.file_type().expect("a type").is_file() && is_kept {
                files.insert(name, fs::read(entry.path()).expect("read"));
            }
        }
    }
    files
}

fn write_files(files: &Files, dir: &Path) {
    fs::create_dir_all(dir.join("sled/blobs")).expect("made");
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("written");
    }
}

fn evenload(arguments: &[&str], dir: &Path) -> Output {
    let output = assert_cmd::Command::cargo_bin("evenload")
        .expect("built")
        .args(arguments)
        .arg("--data")
        .arg(dir)
        .current_dir(dir)
        .timeout(std::time::Duration::from_mins(1))
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    output
}

/// Every record of the folder, or `None` if the damage was found.
fn content(dir: &Path, what: &str) -> Option<String> {
    let verified = evenload(&["store", "verify", "--json"], dir);
    match verified.status.code() {
        Some(0) => {}
        Some(5) => {
            // The service refuses it as well, and says the way back.
            let refused = evenload(&["serve", "--listen", "127.0.0.1:0"], dir);
            let said = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(5), "{what}: {said}");
            for command in ["evenload store verify", "evenload restore"] {
                assert!(said.contains(command), "{what}: {said}");
            }
            return None;
        }
        _ => unreachable!("{what}: {verified:?}"),
    }
    let made = evenload(&["backup", "backup.jsonl", "--json"], dir);
    assert_eq!(made.status.code(), Some(0), "{what}: {made:?}");
    Some(fs::read_to_string(dir.join("backup.jsonl")).expect("text"))
}

/// A file and a place in it: every second time each byte of the folder is as likely as any other,
/// else each file is, so that the small ones get their share.
fn place(files: &Files, random: &mut StdRng) -> (PathBuf, usize) {
    let full: Vec<_> = files.iter().filter(|(_, it)| !it.is_empty()).collect();
    let total: usize = full.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut at, mut index) = (random.random_range(0..total), 0);
    while at >= full[index].1.len() {
        at -= full[index].1.len();
        index += 1;
    }
    if random.random() {
        index = random.random_range(0..full.len());
        at = random.random_range(0..full[index].1.len());
    }
    (full[index].0.clone(), at)
}

/// Found and harmless, of all trials.
fn run(files: &Files, end: End, harm: Harm, seeds: std::ops::Range<u64>) -> (u64, u64) {
    let whole = {
        let dir = tempfile::tempdir().expect("a folder");
        write_files(files, dir.path());
        content(dir.path(), "unharmed").expect("the folder is sound")
    };
    let (mut found, mut harmless) = (0, 0);
    for seed in seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let mut harmed = files.clone();
        let (name, at) = place(files, &mut random);
        let bytes = harmed.get_mut(&name).expect("chosen from these");
        match harm {
            Harm::Bit => bytes[at] ^= 1 << random.random_range(0..8),
            Harm::Cut => bytes.truncate(at),
        }
        let what = format!("{end:?}, {harm:?}, seed {seed}: {} at {at}", name.display());
        let dir = tempfile::tempdir().expect("a folder");
        write_files(&harmed, dir.path());
        match content(dir.path(), &what) {
            None => found += 1,
            Some(content) => {
                assert_eq!(content, whole, "{what}: it is silently another state");
                harmless += 1;
            }
        }
    }
    (found, harmless)
}

#[tokio::test]
async fn every_flipped_bit_and_every_cut_is_found_or_harmless() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let half = number("EVENLOAD_DAMAGE_TRIALS", TRIALS) / 2;
    let stopped = folder_of_a_service(End::Stopped).await;
    let killed = folder_of_a_service(End::Killed).await;
    for harm in [Harm::Bit, Harm::Cut] {
        let (found, harmless) = run(&stopped, End::Stopped, harm, 0..half);
        assert_eq!(
            harmless, 0,
            "{harm:?}: of a stopped service everything is found"
        );
        let (more, unread) = run(&killed, End::Killed, harm, half..half * 2);
        println!(
            "{harm:?}: {half} trials of a stopped service: {found} found; {half} of a killed one: \
             {more} found, {unread} harmless (the records are all there); 0 silent, 0 panics"
        );
    }
}
