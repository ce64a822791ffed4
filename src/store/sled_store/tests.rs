//! The embedded store on a real disk: what it promises, and what it finds when it is damaged.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::store::batch::Batch;
use crate::store::conformance;

fn options() -> SledOptions {
    SledOptions {
        min_free_bytes: 0,
        ..SledOptions::default()
    }
}

fn open(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, options())
}

/// A closed store with `records` records, each the second state of its key.
async fn closed_store(records: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    for text in ["old", "new"] {
        for index in 0..records {
            let batch = Batch::new()
                .put(format!("t/{index:05}"), format!("{text} {index}"))
                .flush(Flush::State);
            store.commit(batch).await.unwrap();
        }
    }
    store.close().await.unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let dirs = std::cell::RefCell::new(Vec::new());
    conformance::run(async || {
        let dir = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(open(dir.path()).unwrap());
        dirs.borrow_mut().push(dir);
        store
    })
    .await;
}

#[test]
fn it_works_without_a_runtime() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let committed = futures_util::future::FutureExt::now_or_never(
        store.commit(Batch::new().put("t/a", "1").flush(Flush::State)),
    );
    assert_eq!(committed.unwrap().unwrap(), Seq(1));
}

#[tokio::test]
async fn what_was_durable_is_there_after_opening_again() {
    let dir = TempDir::new().unwrap();
    for round in 1..=3u64 {
        let store = open(dir.path()).unwrap();
        let seq = store
            .commit(Batch::new().put("t/a", format!("{round}")))
            .await
            .unwrap();
        assert_eq!(seq, Seq(round));
        assert_eq!(store.durable_seq(), seq);
    }
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get("t/a").await.unwrap().unwrap().value, b"3");
}

#[tokio::test]
async fn state_and_telemetry_reach_the_disk_by_themselves() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    for flush in [Flush::Telemetry, Flush::State] {
        let batch = Batch::new().put("t/a", "1").flush(flush);
        let seq = store.commit(batch).await.unwrap();
        let mut progress = store.shared.progress();
        let reached = progress.wait_for(|progress| progress.durable >= seq);
        let deadline = Duration::from_secs(30);
        tokio::time::timeout(deadline, reached)
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn after_a_failed_flush_nothing_is_written_any_more_and_reads_go_on() {
    let dir = closed_store(1).await;
    let store = open(dir.path()).unwrap();
    let failed = std::io::Error::other("the disk has gone");
    store
        .shared
        .end(StoreError::from_io("flush", store.shared.place(), failed));
    let refused = store
        .commit(Batch::new().put("t/b", "1"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("the disk has gone"),
        "{refused}"
    );
    assert!(store.accepts_writes().is_err());
    assert!(store.get("t/00000").await.unwrap().is_some());
    assert!(store.close().await.is_err());
}

#[tokio::test]
async fn a_second_instance_is_refused_until_the_first_has_gone() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert!(matches!(
        verify(dir.path()).unwrap_err(),
        StoreError::Locked { .. }
    ));
    drop(first);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_store_older_than_what_was_acknowledged_is_refused() {
    let dir = closed_store(3).await;
    let kept = dir.path().join("kept");
    fs::copy(dir.path().join("sled/db"), &kept).unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(Batch::new().put("t/b", "1")).await.unwrap();
    drop(store);
    fs::copy(&kept, dir.path().join("sled/db")).unwrap();
    fs::remove_file(dir.path().join("sealed")).unwrap();
    for _ in 0..2 {
        let refused = open(dir.path()).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, StoreError::Behind { .. }), "{text}");
        assert!(text.contains("`evenload store verify`") && text.contains("`evenload restore`"));
    }
    assert!(!verify(dir.path()).unwrap().is_sound());
}

#[tokio::test]
async fn a_missing_witness_and_a_missing_database_are_damage() {
    let dir = closed_store(3).await;
    let witness = fs::read(dir.path().join("head")).unwrap();
    fs::remove_file(dir.path().join("sealed")).unwrap();
    fs::remove_file(dir.path().join("head")).unwrap();
    assert!(matches!(
        open(dir.path()).unwrap_err(),
        StoreError::Damaged { .. }
    ));
    fs::write(dir.path().join("head"), witness).unwrap();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert!(matches!(
        open(dir.path()).unwrap_err(),
        StoreError::Behind { .. }
    ));
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let dir = closed_store(1).await;
    fs::remove_file(dir.path().join("sealed")).unwrap();
    let mut slot = fs::read(dir.path().join("head")).unwrap()[..32].to_vec();
    slot[8..12].copy_from_slice(&2u32.to_be_bytes());
    slot[12..20].copy_from_slice(&99u64.to_be_bytes());
    let sum = crc32fast::hash(&slot[..28]);
    slot[28..].copy_from_slice(&sum.to_be_bytes());
    fs::write(dir.path().join("head"), &slot).unwrap();
    let before = fs::read(dir.path().join("sled/db")).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(fs::read(dir.path().join("sled/db")).unwrap(), before);
}

#[tokio::test]
async fn a_disk_without_room_refuses_writes_and_still_reads_and_removes() {
    let dir = closed_store(1).await;
    let full = SledOptions {
        min_free_bytes: u64::MAX,
        ..options()
    };
    let store = SledStore::open(dir.path(), full).unwrap();
    let refused = store
        .commit(Batch::new().put("t/b", "1"))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    let unready = store.accepts_writes().unwrap_err();
    assert!(matches!(unready, StoreError::Full { .. }), "{unready}");
    assert!(store.get("t/00000").await.unwrap().is_some());
    store.commit(Batch::new().del("t/00000")).await.unwrap();
    assert!(store.get("t/00000").await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_an_error() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(open(&file).unwrap_err(), StoreError::Io { .. }));
}

#[tokio::test]
async fn verify_counts_what_is_there() {
    let dir = closed_store(2_500).await;
    for _ in 0..2 {
        let report = verify(dir.path()).unwrap();
        assert!(report.is_sound() && report.sealed, "{report:?}");
        // Each of the 2,500 keys was committed twice.
        assert_eq!((report.records, report.head_seq), (2_500, 5_000));
    }
    assert!(verify(&dir.path().join("nothing")).is_err());
}

#[tokio::test]
async fn verify_names_a_changed_file_and_leaves_all_as_it_is() {
    let dir = closed_store(3).await;
    let db = dir.path().join("sled/db");
    let mut bytes = fs::read(&db).unwrap();
    bytes[100] ^= 1;
    fs::write(&db, &bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(!report.is_sound());
    assert_eq!(report.faults[0].at, "sled/db");
    assert_eq!(fs::read(&db).unwrap(), bytes);
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(
        refused.contains("sled/db") && refused.contains("`evenload restore`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_backup_restores_to_an_equal_store() {
    let dir = closed_store(1_200).await;
    let store = open(dir.path()).unwrap();
    let file = dir.path().join("backup.jsonl");
    let made = archive::to_file(&store, &file).await.unwrap();
    assert_eq!((made.records, made.head), (1_200, Seq(2_400)));
    assert_eq!(archive::check(&file).unwrap(), made);
    store
        .commit(Batch::new().put("t/later", "1"))
        .await
        .unwrap();

    let target = dir.path().join("restored");
    fs::create_dir(&target).unwrap();
    let restored = restore(&file, &target, false, "now").unwrap();
    assert_eq!((restored.records, restored.kept), (1_200, None));
    let restored = open(&target).unwrap();
    let all = restored.scan("", None, 5_000).await.unwrap();
    let (notice, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.key == RESTORED);
    assert_eq!((notice.len(), all.len()), (1, 1_200));
    let original = store.scan("t/0", None, 5_000).await.unwrap();
    assert_eq!(all, original);
    // Numbers go on where the backup ended, so that a version never means two things.
    let seq = restored.commit(Batch::new().put("t/x", "1")).await.unwrap();
    assert_eq!(seq, Seq(2_402));
    drop(restored);
    let again = dir.path().join("again.jsonl");
    assert_eq!(backup(&target, &again).unwrap().records, 1_202);
    let missing = backup(&dir.path().join("nothing"), &again).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
}

/// A store of one record in `dir`, closed, and a backup of another one in a file beside it.
async fn store_and_backup(dir: &Path) -> std::path::PathBuf {
    let file = dir.join("backup.jsonl");
    for (folder, text) in [("other", "backup"), ("data", "present")] {
        let store = open(&dir.join(folder)).unwrap();
        store.commit(Batch::new().put("t/a", text)).await.unwrap();
        if folder == "other" {
            archive::to_file(&store, &file).await.unwrap();
        }
        store.close().await.unwrap();
    }
    file
}

async fn what_it_holds(dir: &Path) -> String {
    let record = open(dir).unwrap().get("t/a").await.unwrap().unwrap();
    String::from_utf8(record.value).unwrap()
}

#[tokio::test]
async fn a_restore_takes_the_place_of_a_store_only_on_wish_and_keeps_it() {
    let dir = TempDir::new().unwrap();
    let file = store_and_backup(dir.path()).await;
    let data = dir.path().join("data");
    fs::write(data.join("secret.key"), "key").unwrap();
    let refused = restore(&file, &data, false, "now").unwrap_err().to_string();
    assert!(refused.contains("--replace"), "{refused}");
    assert_eq!(what_it_holds(&data).await, "present");
    let held = open(&data).unwrap();
    let refused = restore(&file, &data, true, "now").unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    drop(held);
    for label in ["20261122T160000Z", "20261122T160000Z", "../../x"] {
        let restored = restore(&file, &data, true, label).unwrap();
        let kept = restored.kept.unwrap();
        assert_eq!(kept.parent(), Some(&*data));
        assert!(kept.join("sled").exists());
    }
    assert_eq!(what_it_holds(&data).await, "backup");
    assert_eq!(
        what_it_holds(&data.join("replaced-20261122T160000Z")).await,
        "present"
    );
    assert!(data.join("secret.key").exists());
    assert!(!data.join("restoring").exists() && !data.join("restore-swap").exists());
}

#[tokio::test]
async fn a_restore_that_is_broken_off_is_undone_or_finished_and_never_half() {
    let dir = TempDir::new().unwrap();
    let file = store_and_backup(dir.path()).await;
    let data = dir.path().join("data");
    // Broken off before the marker: what was built is of no effect.
    fs::create_dir_all(data.join("restoring/sled")).unwrap();
    assert_eq!(what_it_holds(&data).await, "present");
    // Broken off at each later step: whoever opens it next finishes it. A step moves one part of the
    // old store away, then one part of the new one in.
    for steps in 0..=6 {
        let data = dir.path().join(format!("broken-{steps}"));
        let present = dir.path().join("data");
        copy(&present, &data);
        let built = dir.path().join(format!("built-{steps}"));
        restore(&file, &built, false, "x").unwrap();
        fs::rename(&built, data.join("restoring")).unwrap();
        fs::write(data.join("restore-swap"), "replaced-x").unwrap();
        fs::create_dir(data.join("replaced-x")).unwrap();
        for step in 0..steps {
            let part = ["sealed", "head", "sled"][step / 2];
            let (from, to) = if step % 2 == 0 {
                (data.join(part), data.join("replaced-x").join(part))
            } else {
                (data.join("restoring").join(part), data.join(part))
            };
            fs::rename(from, to).unwrap();
        }
        if steps % 2 == 0 {
            assert!(verify(&data).unwrap().is_sound(), "{steps}");
        }
        assert_eq!(what_it_holds(&data).await, "backup", "{steps}");
        assert_eq!(what_it_holds(&data.join("replaced-x")).await, "present");
        assert!(!data.join("restore-swap").exists());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("sled")).unwrap();
    for part in ["sealed", "head"] {
        fs::copy(from.join(part), to.join(part)).unwrap();
    }
    for entry in fs::read_dir(from.join("sled")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join("sled").join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn a_backup_with_any_byte_changed_or_cut_is_refused() {
    let dir = closed_store(3).await;
    let file = dir.path().join("backup.jsonl");
    let store = open(dir.path()).unwrap();
    archive::to_file(&store, &file).await.unwrap();
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&file, &changed).unwrap();
        let target = dir.path().join("r");
        assert!(restore(&file, &target, false, "x").is_err(), "byte {at}");
        // Without its last line break alone a backup is still whole.
        fs::write(&file, &whole[..at.saturating_sub(1)]).unwrap();
        assert!(restore(&file, &target, false, "x").is_err(), "cut at {at}");
    }
    assert!(!dir.path().join("r").exists());
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone_also_in_a_folder_of_an_older_version() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let modes = || {
        let inside = |dir: &Path| fs::read_dir(dir).unwrap().map(|it| it.unwrap());
        let mut all: Vec<_> = inside(&data).chain(inside(&data.join("sled"))).collect();
        all.retain(|entry| entry.path().exists());
        all.iter()
            .map(|entry| (entry.path(), entry.metadata().unwrap().permissions().mode()))
            .chain([(
                data.clone(),
                fs::metadata(&data).unwrap().permissions().mode(),
            )])
            .collect::<Vec<_>>()
    };
    drop(SledStore::open(&data, SledOptions::default()).unwrap());
    for (path, mode) in modes() {
        assert_eq!(mode & 0o077, 0, "{path:?} {mode:o}");
    }
    for (path, mode) in modes() {
        let open = fs::Permissions::from_mode(mode | 0o055);
        fs::set_permissions(path, open).unwrap();
    }
    drop(SledStore::open(&data, SledOptions::default()).unwrap());
    for (path, mode) in modes() {
        assert_eq!(mode & 0o077, 0, "{path:?} {mode:o}");
    }
}
