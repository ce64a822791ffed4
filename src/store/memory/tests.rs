//! The store in memory: it conforms, and its faults are real ones.

use futures_util::FutureExt as _;

use super::*;
use crate::store::conformance;

fn put(key: &str, flush: Flush) -> Batch {
    Batch::new().put(key, "1").flush(flush)
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store never waits")
}

fn has(store: &MemoryStore, key: &str) -> bool {
    ready(store.get(key)).unwrap().is_some()
}

#[test]
fn it_conforms() {
    ready(conformance::run(async || {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store
    }));
}

#[test]
fn a_crash_loses_what_was_not_flushed_and_nothing_else() {
    let store = MemoryStore::new();
    ready(store.commit(put("t/state", Flush::State))).unwrap();
    ready(store.commit(put("t/control", Flush::Control))).unwrap();
    ready(store.commit(put("t/late", Flush::Telemetry))).unwrap();
    ready(store.commit(Batch::new().del("t/state").flush(Flush::State))).unwrap();
    store.crash();
    assert!(matches!(
        ready(store.get("t/state")),
        Err(StoreError::Closed { .. })
    ));
    let store = store.reopen().unwrap();
    assert!(has(&store, "t/state") && has(&store, "t/control") && !has(&store, "t/late"));
    assert_eq!(
        ready(store.commit(put("t/next", Flush::State))).unwrap(),
        Seq(3)
    );
}

#[test]
fn a_torn_batch_is_found_wherever_it_was_torn() {
    // Two records and the ledger's own make three writes; all three are a whole batch.
    for kept in 0..=3 {
        let store = MemoryStore::new();
        ready(store.commit(put("t/a", Flush::Control))).unwrap();
        let batch = Batch::new()
            .put("t/a", "2")
            .put("t/b", "2")
            .flush(Flush::State);
        ready(store.commit(batch)).unwrap();
        store.crash_torn(kept);
        let opened = store.reopen();
        if kept == 0 || kept == 3 {
            assert_eq!(has(&opened.unwrap(), "t/b"), kept == 3);
        } else {
            let refused = opened.unwrap_err();
            assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
        }
    }
}

#[test]
fn the_write_that_was_told_to_fail_fails_and_changes_nothing() {
    let store = MemoryStore::new();
    for (fault, full, read_only) in [
        (WriteFault::Full, true, false),
        (WriteFault::ReadOnly, false, true),
        (WriteFault::Io, false, false),
    ] {
        store.fail_write(2, fault);
        ready(store.commit(put("t/first", Flush::Control))).unwrap();
        let refused = ready(store.commit(put("t/second", Flush::Control))).unwrap_err();
        assert_eq!(matches!(refused, StoreError::Full { .. }), full);
        assert_eq!(matches!(refused, StoreError::ReadOnly { .. }), read_only);
        assert!(!has(&store, "t/second"));
        ready(store.commit(put("t/third", Flush::Control))).unwrap();
    }
    assert!(store.accepts_writes().is_ok());
    store.fail_all_writes(Some(WriteFault::Full));
    assert!(store.accepts_writes().is_err());
    assert!(ready(store.commit(put("t/x", Flush::State))).is_err());
    assert!(has(&store, "t/third"));
    store.fail_all_writes(None);
    ready(store.commit(put("t/x", Flush::State))).unwrap();
    store.crash();
    store.reopen().unwrap();
}

#[test]
fn a_flush_that_failed_is_not_trusted_again() {
    let store = MemoryStore::new();
    store.fail_flush(1);
    assert!(ready(store.commit(put("t/a", Flush::Control))).is_err());
    assert!(ready(store.commit(put("t/b", Flush::State))).is_err());
    assert!(store.flush().is_err());
    store.crash();
    assert!(!has(&store.reopen().unwrap(), "t/a"));
}

#[test]
fn a_flipped_bit_and_a_lost_record_are_found_when_opened() {
    let fresh = || {
        let store = MemoryStore::new();
        let batch = Batch::new().put("t/a", "1").put("t/b", "2");
        ready(store.commit(batch)).unwrap();
        store
    };
    let mut bit = 0;
    loop {
        let store = fresh();
        if !store.flip_bit("t/a", bit) {
            break;
        }
        assert!(ready(store.get("t/a")).is_err());
        store.crash();
        assert!(store.reopen().is_err(), "bit {bit}");
        bit += 1;
    }
    assert!(bit > 8 * 13, "every bit of header and value was tried");
    let store = fresh();
    let old = store.ledger.medium().lock().now[&b"t/a"[..]].clone();
    ready(store.commit(Batch::new().put("t/a", "2"))).unwrap();
    store
        .ledger
        .medium()
        .lock()
        .now
        .insert(b"t/a".to_vec(), old);
    store.crash();
    let refused = store.reopen().unwrap_err().to_string();
    assert!(refused.contains("older state"), "{refused}");
    for key in ["t/b", "store/head"] {
        let store = fresh();
        assert!(store.lose_record(key));
        store.crash();
        assert!(store.reopen().is_err(), "{key}");
    }
}
