//! One flipped bit, or a file cut short, anywhere in a store that is not open: it is found, or
//! nothing was lost. Both for a store that was closed cleanly and for one that was killed.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use super::*;

/// Trials of each kind.
const TRIALS: u64 = 50;
const RECORDS: usize = 400;

type Files = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Closed: with the seal.
    Closed,
    /// Closed, but the seal was removed: the records alone must tell.
    Unsealed,
    /// The files as they were at some moment after a durable commit.
    Killed,
}

fn options() -> SledOptions {
    SledOptions {
        min_free_bytes: 0,
        ..SledOptions::default()
    }
}

/// The files of a store whose records were written in several lives.
async fn files_of_a_store(end: End) -> Files {
    let dir = TempDir::new().unwrap();
    let mut files = Files::new();
    for life in 0..3 {
        let store = SledStore::open(dir.path(), options()).unwrap();
        // Larger than what sled keeps in its log: it goes into a file of its own.
        let large = format!("life {life} {}", "y".repeat(300_000));
        store
            .commit(Batch::new().put("large", large))
            .await
            .unwrap();
        for page in 0..8 {
            let batch = (0..RECORDS / 8).fold(Batch::new(), |batch, index| {
                let key = format!("t/{:04}", page * (RECORDS / 8) + index);
                batch.put(key, format!("life {life} {}", "x".repeat(200)))
            });
            store.commit(batch).await.unwrap();
        }
        if life == 2 && end == End::Killed {
            files = read_files(dir.path());
        }
        store.close().await.unwrap();
    }
    match end {
        End::Killed => {}
        End::Closed => files = read_files(dir.path()),
        End::Unsealed => {
            files = read_files(dir.path());
            files.remove(Path::new("sealed")).unwrap();
        }
    }
    files
}

fn read_files(dir: &Path) -> Files {
    let mut files = Files::new();
    for folder in ["", "sled", "sled/blobs"].map(PathBuf::from) {
        for entry in fs::read_dir(dir.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_file() && name != Path::new("lock") {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

fn write_files(files: &Files, dir: &Path) {
    fs::create_dir_all(dir.join("sled/blobs")).unwrap();
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// Opens a damaged copy. `true` = the damage was found; otherwise everything is there.
fn is_found(files: &Files, what: &str) -> bool {
    let dir = TempDir::new().unwrap();
    write_files(files, dir.path());
    let opened = catch_unwind(AssertUnwindSafe(|| SledStore::open(dir.path(), options())));
    let store = match opened.unwrap_or_else(|_| panic!("{what}: a panic came out")) {
        Ok(store) => store,
        Err(error) => {
            assert!(
                matches!(
                    error,
                    StoreError::Damaged { .. } | StoreError::Behind { .. } | StoreError::Io { .. }
                ),
                "{what}: {error}"
            );
            return true;
        }
    };
    let all = store.shared.ledger.scan("", None, 9_999).unwrap();
    assert_eq!(all.len(), RECORDS + 1, "{what}: records are missing");
    for record in all {
        assert!(
            record.value.starts_with(b"life 2 "),
            "{what}: {} is old",
            record.key
        );
    }
    drop(store);
    false
}

/// A file and a place in it: every second time each byte of the store is as likely as any other,
/// else each file is, so that the small ones get their share.
fn place(files: &Files, random: &mut StdRng) -> (PathBuf, usize) {
    let full: Vec<_> = files
        .iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
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

fn trials(files: &Files, kind: &str, harm: impl Fn(&mut Files, &mut StdRng) -> String) -> u64 {
    assert!(!is_found(files, "unharmed"), "the files open unharmed");
    (0..TRIALS)
        .filter(|seed| {
            let mut harmed = files.clone();
            let what = harm(&mut harmed, &mut StdRng::seed_from_u64(*seed));
            is_found(&harmed, &format!("{kind}, seed {seed}: {what}"))
        })
        .count() as u64
}

fn flip_a_bit(files: &mut Files, random: &mut StdRng) -> String {
    let (name, at) = place(files, random);
    let bit = random.random_range(0..8);
    files.get_mut(&name).unwrap()[at] ^= 1 << bit;
    format!("bit {bit} of byte {at} of {}", name.display())
}

fn cut_a_tail(files: &mut Files, random: &mut StdRng) -> String {
    let (name, at) = place(files, random);
    files.get_mut(&name).unwrap().truncate(at);
    format!("{} cut at {at}", name.display())
}

#[tokio::test]
async fn a_closed_store_tells_every_flipped_bit_and_every_cut() {
    let files = files_of_a_store(End::Closed).await;
    assert_eq!(trials(&files, "closed", flip_a_bit), TRIALS);
    assert_eq!(trials(&files, "closed", cut_a_tail), TRIALS);
}

#[tokio::test]
async fn without_its_seal_a_closed_store_never_opens_at_an_older_state() {
    let files = files_of_a_store(End::Unsealed).await;
    assert!(trials(&files, "unsealed", flip_a_bit) > 0);
    assert!(trials(&files, "unsealed", cut_a_tail) > 0);
}

#[tokio::test]
async fn a_killed_store_never_opens_at_an_older_state() {
    let files = files_of_a_store(End::Killed).await;
    assert!(trials(&files, "killed", flip_a_bit) > 0);
    assert!(trials(&files, "killed", cut_a_tail) > 0);
}
