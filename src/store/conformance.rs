//! What every store must do: one set of tests, run against each implementation.

use std::sync::Arc;

use super::batch::{Batch, Expected, Flush, MAX_KEY_BYTES, MAX_VALUE_BYTES, Seq};
use super::{Store, StoreError};

/// Runs the whole suite; `fresh` gives an empty store each time.
pub(super) async fn run(fresh: impl AsyncFn() -> Arc<dyn Store>) {
    what_was_committed_is_read_back_with_its_version(&*fresh().await).await;
    a_batch_is_one_commit_and_the_last_write_of_a_key_counts(&*fresh().await).await;
    a_scan_gives_the_prefix_in_order_and_goes_on_after_a_key(&*fresh().await).await;
    expectations_hold_or_nothing_is_written(&*fresh().await).await;
    of_two_writers_of_one_version_one_wins(fresh().await).await;
    every_class_becomes_durable(&*fresh().await).await;
    bad_keys_and_large_values_are_refused(&*fresh().await).await;
    the_stores_own_records_are_not_seen(&*fresh().await).await;
    a_backup_is_of_one_instant_and_one_at_a_time(fresh().await).await;
    a_closed_store_refuses(&*fresh().await).await;
}

/// A sink that writes to the store while the backup is read from it.
struct Meddling {
    store: Arc<dyn Store>,
    lines: usize,
    bytes: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl std::io::Write for Meddling {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lines += 1;
        if self.lines.is_multiple_of(100) {
            let late = format!("t/{:05}", 1_999 - self.lines / 2);
            let batch = Batch::new()
                .put("t/00000", "changed")
                .put(late.clone() + "x", "new")
                .del(late)
                .flush(Flush::State);
            let store = self.store.clone();
            // Without a runtime of its own a commit of this class is done in place.
            std::thread::spawn(move || {
                futures_util::FutureExt::now_or_never(store.commit(batch))
                    .expect("at once")
                    .expect("stored");
            })
            .join()
            .expect("no panic");
        }
        self.bytes
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn a_backup_is_of_one_instant_and_one_at_a_time(store: Arc<dyn Store>) {
    let all = (0..2_000).fold(Batch::new(), |batch, n| {
        batch.put(format!("t/{n:05}"), "as it was")
    });
    let head = store.commit(all).await.unwrap();
    let bytes = Arc::default();
    let sink = Meddling {
        store: store.clone(),
        lines: 0,
        bytes: Arc::clone(&bytes),
    };
    let backup = store.backup(Box::new(sink)).await.unwrap();
    assert_eq!((backup.records, backup.head), (2_000, head));
    let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
    // Base64 of "as it was".
    assert_eq!(text.matches("YXMgaXQgd2Fz").count(), 2_000);
    let changed = store.get("t/00000").await.unwrap().unwrap();
    assert_eq!(changed.value, b"changed");
}

async fn value(store: &dyn Store, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap().map(|record| record.value)
}

async fn what_was_committed_is_read_back_with_its_version(store: &dyn Store) {
    assert_eq!(store.get("t/a").await.unwrap(), None);
    let first = store.commit(Batch::new().put("t/a", "1")).await.unwrap();
    assert_eq!(first, Seq(1));
    let second = store.commit(Batch::new().put("t/a", "2")).await.unwrap();
    assert_eq!(second, Seq(2));
    let record = store.get("t/a").await.unwrap().unwrap();
    assert_eq!(
        (record.value.as_slice(), record.version),
        (&b"2"[..], second)
    );
    store
        .commit(Batch::new().del("t/a").del("t/never"))
        .await
        .unwrap();
    assert_eq!(store.get("t/a").await.unwrap(), None);
    // An empty value is a value, and an empty batch is no commit.
    store.commit(Batch::new().put("t/e", "")).await.unwrap();
    assert_eq!(value(store, "t/e").await, Some(Vec::new()));
    assert_eq!(store.commit(Batch::new()).await.unwrap(), Seq(4));
}

async fn a_batch_is_one_commit_and_the_last_write_of_a_key_counts(store: &dyn Store) {
    let batch = Batch::new()
        .put("t/a", "1")
        .put("t/b", "2")
        .del("t/a")
        .put("t/c", "3");
    let seq = store.commit(batch).await.unwrap();
    assert_eq!(value(store, "t/a").await, None);
    for key in ["t/b", "t/c"] {
        assert_eq!(store.get(key).await.unwrap().unwrap().version, seq);
    }
}

async fn a_scan_gives_the_prefix_in_order_and_goes_on_after_a_key(store: &dyn Store) {
    let batch = ["t/10", "t/2", "t/1", "ta", "s/1", "u", "t"]
        .into_iter()
        .fold(Batch::new(), |batch, key| batch.put(key, key));
    store.commit(batch).await.unwrap();
    let keys = async |prefix: &str, after: Option<&str>, limit: usize| -> Vec<String> {
        let records = store.scan(prefix, after, limit).await.unwrap();
        records.into_iter().map(|record| record.key).collect()
    };
    assert_eq!(keys("t/", None, 9).await, ["t/1", "t/10", "t/2"]);
    assert_eq!(keys("t/", None, 2).await, ["t/1", "t/10"]);
    assert_eq!(keys("t/", Some("t/10"), 9).await, ["t/2"]);
    assert_eq!(keys("t/", Some("a"), 1).await, ["t/1"], "before the prefix");
    assert!(
        keys("t/", Some("z"), 9).await.is_empty(),
        "behind the prefix"
    );
    assert_eq!(keys("", None, 9).await.len(), 7);
    assert!(keys("t/", None, 0).await.is_empty());
}

async fn expectations_hold_or_nothing_is_written(store: &dyn Store) {
    let seq = store.commit(Batch::new().put("t/a", "1")).await.unwrap();
    let holding = [
        ("t/a", Expected::Present),
        ("t/a", Expected::Version(seq)),
        ("t/a", Expected::Value(b"1".to_vec())),
        ("t/x", Expected::Absent),
    ];
    for (key, expected) in holding {
        let batch = Batch::new().put("t/ok", "1").expect(key, expected);
        store.commit(batch).await.unwrap();
    }
    let failing = [
        ("t/x", Expected::Present),
        ("t/a", Expected::Version(Seq(99))),
        ("t/x", Expected::Version(seq)),
        ("t/a", Expected::Value(b"2".to_vec())),
        ("t/a", Expected::Absent),
    ];
    for (key, expected) in failing {
        let batch = Batch::new()
            .put("t/no", "1")
            .expect("t/a", Expected::Present)
            .expect(key, expected);
        let refused = store.commit(batch).await.unwrap_err();
        assert!(
            refused.is_conflict() && refused.to_string().contains(key),
            "{refused}"
        );
    }
    assert_eq!(value(store, "t/no").await, None);
}

async fn of_two_writers_of_one_version_one_wins(store: Arc<dyn Store>) {
    let seq = store.commit(Batch::new().put("t/a", "0")).await.unwrap();
    let write = async |text: &str| {
        let batch = Batch::new()
            .put("t/a", text)
            .expect("t/a", Expected::Version(seq));
        store.commit(batch).await
    };
    let (one, two) = futures_util::future::join(write("1"), write("2")).await;
    let winner = match (one, two) {
        (Ok(_), Err(error)) if error.is_conflict() => b"1",
        (Err(error), Ok(_)) if error.is_conflict() => b"2",
        both => unreachable!("exactly one may win: {both:?}"),
    };
    assert_eq!(value(&*store, "t/a").await.unwrap(), winner);
}

async fn every_class_becomes_durable(store: &dyn Store) {
    for flush in [Flush::Telemetry, Flush::State, Flush::Control] {
        let batch = Batch::new().put("t/a", "1").flush(flush);
        let seq = store.commit(batch).await.unwrap();
        store.durable(seq).await.unwrap();
        store.durable(Seq(1)).await.unwrap();
    }
    let batch = Batch::new().put("t/b", "1").flush(Flush::Telemetry);
    let seq = store.commit_durable(batch).await.unwrap();
    let never = store.durable(Seq(seq.0 + 1)).await.unwrap_err();
    assert!(matches!(never, StoreError::NeverMade { .. }), "{never}");
}

async fn bad_keys_and_large_values_are_refused(store: &dyn Store) {
    for key in ["", "a\0b", "store/head", &"k".repeat(MAX_KEY_BYTES + 1)] {
        let refused = store.commit(Batch::new().put(key, "1")).await.unwrap_err();
        assert!(matches!(refused, StoreError::BadKey { .. }), "{refused}");
        assert!(store.get(key).await.is_err());
    }
    let large = Batch::new().put("t/a", vec![0; MAX_VALUE_BYTES + 1]);
    let refused = store.commit(large).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    // A value of 1 MiB lies outside the log of some databases; the longest key is a key.
    let long = "k".repeat(MAX_KEY_BYTES);
    let batch = Batch::new()
        .put("t/a", vec![7; 1024 * 1024])
        .put(long.as_str(), "1");
    store.commit(batch).await.unwrap();
    assert_eq!(value(store, "t/a").await.unwrap(), vec![7; 1024 * 1024]);
    assert_eq!(value(store, &long).await.unwrap(), b"1");
}

async fn the_stores_own_records_are_not_seen(store: &dyn Store) {
    let batch = Batch::new()
        .put("s", "1")
        .put("store", "1")
        .put("stores/x", "1");
    store.commit(batch).await.unwrap();
    let keys: Vec<_> = store.scan("s", None, 3).await.unwrap();
    assert_eq!(keys.len(), 3);
    assert!(store.scan("store/", None, 9).await.unwrap().is_empty());
}

async fn a_closed_store_refuses(store: &dyn Store) {
    store.commit(Batch::new().put("t/a", "1")).await.unwrap();
    store.close().await.unwrap();
    let closed = |error: StoreError| assert!(matches!(error, StoreError::Closed { .. }), "{error}");
    closed(store.get("t/a").await.unwrap_err());
    closed(store.scan("t/", None, 1).await.unwrap_err());
    closed(
        store
            .commit(Batch::new().put("t/a", "2"))
            .await
            .unwrap_err(),
    );
}
