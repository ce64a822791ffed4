//! The journal over the memory store, with faults.

use chrono::DateTime;
use futures_util::FutureExt as _;

use super::*;
use crate::domain::event::EventKind;
use crate::store::memory::{MemoryStore, WriteFault};

fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store never waits")
}

fn site(name: &str) -> SiteKey {
    SiteKey {
        tenant: TenantId::default_tenant(),
        site: SiteId::new(name).unwrap(),
    }
}

fn events(seqs: impl IntoIterator<Item = u64>) -> Vec<Event> {
    seqs.into_iter()
        .map(|seq| Event {
            seq,
            at: DateTime::from_timestamp(1_795_000_000 + i64::try_from(seq).unwrap(), 0).unwrap(),
            kind: EventKind::Ticked,
        })
        .collect()
}

fn journal() -> (MemoryStore, Journal) {
    let store = MemoryStore::new();
    (store.clone(), Journal::new(Arc::new(store)))
}

fn append(journal: &Journal, seqs: impl IntoIterator<Item = u64>) -> Result<Seq, JournalError> {
    ready(journal.append(&site("HAM-1"), &events(seqs), Vec::new()))
}

fn load(journal: &Journal) -> Result<Loaded, JournalError> {
    ready(journal.load(&site("HAM-1")))
}

fn record(key: &str, value: Option<&str>) -> RecordWrite {
    RecordWrite {
        key: key.to_owned(),
        value: value.map(|text| text.as_bytes().to_vec()),
    }
}

#[test]
fn a_site_without_a_journal_loads_empty() {
    let (_, journal) = journal();
    let loaded = load(&journal).unwrap();
    assert_eq!((loaded.last_seq(), loaded), (0, Loaded::default()));
}

#[test]
fn events_come_back_in_order_with_the_records_written_beside_them() {
    let (store, journal) = journal();
    append(&journal, 1..=9).unwrap();
    let site = site("HAM-1");
    let records = vec![record("ocpi/a", Some("1")), record("ocpi/b", None)];
    ready(journal.append(&site, &events(10..=12), records)).unwrap();
    store.crash();
    let journal = Journal::new(Arc::new(store.reopen().unwrap()));
    let loaded = load(&journal).unwrap();
    assert_eq!(loaded.events, events(1..=12));
    assert_eq!(loaded.last_seq(), 12);
    assert!(ready(journal.store().get("ocpi/a")).unwrap().is_some());
}

#[test]
fn records_alone_and_nothing_at_all_are_appends_too() {
    let (store, journal) = journal();
    let records = vec![record("ocpi/a", Some("1"))];
    ready(journal.append(&site("HAM-1"), &[], records)).unwrap();
    assert!(ready(store.get("ocpi/a")).unwrap().is_some());
    ready(journal.append(&site("HAM-1"), &[], Vec::new())).unwrap();
}

#[test]
fn an_append_that_does_not_follow_is_refused_and_writes_nothing() {
    let (store, journal) = journal();
    append(&journal, 1..=3).unwrap();
    for wrong in [vec![5], vec![3], vec![1], vec![3, 4]] {
        let refused = append(&journal, wrong.clone()).unwrap_err();
        assert!(
            matches!(refused, JournalError::NotNext { .. }),
            "{wrong:?}: {refused}"
        );
    }
    for wrong in [vec![4, 6], vec![4, 4], vec![0]] {
        let refused = append(&journal, wrong.clone()).unwrap_err();
        assert!(
            matches!(refused, JournalError::OutOfOrder { .. }),
            "{wrong:?}: {refused}"
        );
    }
    let own = vec![record("journal/default/HAM-1/x", None)];
    let refused = ready(journal.append(&site("HAM-1"), &events([4]), own)).unwrap_err();
    assert!(
        matches!(refused, JournalError::OwnTable { .. }),
        "{refused}"
    );
    store.fail_write(1, WriteFault::Full);
    assert!(append(&journal, [4]).is_err());
    assert_eq!(load(&journal).unwrap().events, events(1..=3));
    append(&journal, [4]).unwrap();
}

#[test]
fn a_snapshot_replaces_the_events_it_contains() {
    let (store, journal) = journal();
    append(&journal, 1..=2_500).unwrap();
    ready(journal.write_snapshot(&site("HAM-1"), 2_400, b"state\nof it")).unwrap();
    append(&journal, 2_501..=2_502).unwrap();
    store.crash();
    let store = store.reopen().unwrap();
    let journal = Journal::new(Arc::new(store.clone()));
    let loaded = load(&journal).unwrap();
    let snapshot = loaded.snapshot.clone().unwrap();
    assert_eq!(
        (snapshot.seq, snapshot.body.as_slice()),
        (2_400, &b"state\nof it"[..])
    );
    assert_eq!(loaded.events, events(2_401..=2_502));
    // 2,400 is the anchor; 2,401 to 2,502 are 102 more.
    let kept = ready(store.scan("journal/", None, 9_999)).unwrap();
    assert_eq!(kept.len(), 103);
}

#[test]
fn a_journal_that_ends_with_its_snapshot_goes_on_behind_it() {
    let (_, journal) = journal();
    append(&journal, 1..=5).unwrap();
    ready(journal.write_snapshot(&site("HAM-1"), 5, b"state")).unwrap();
    assert_eq!(load(&journal).unwrap().last_seq(), 5);
    assert!(append(&journal, [1]).is_err(), "it does not begin anew");
    assert!(append(&journal, [7]).is_err(), "it has no gap");
    append(&journal, [6]).unwrap();
    assert_eq!(load(&journal).unwrap().events, events([6]));
}

#[test]
fn a_snapshot_of_the_future_or_of_the_past_is_refused() {
    let (_, journal) = journal();
    append(&journal, 1..=5).unwrap();
    let write = |seq| ready(journal.write_snapshot(&site("HAM-1"), seq, b"state"));
    assert!(matches!(write(6), Err(JournalError::NotNext { .. })));
    assert!(matches!(write(0), Err(JournalError::OutOfOrder { .. })));
    write(4).unwrap();
    assert!(matches!(write(3), Err(JournalError::OutOfOrder { .. })));
    write(4).unwrap();
}

#[test]
fn events_that_a_crash_left_before_the_snapshot_do_no_harm() {
    let (store, journal) = journal();
    append(&journal, 1..=5).unwrap();
    ready(journal.write_snapshot(&site("HAM-1"), 5, b"state")).unwrap();
    // The removal of the old events is of class State: lost here, the snapshot is not.
    store.crash();
    let store = store.reopen().unwrap();
    let journal = Journal::new(Arc::new(store.clone()));
    assert_eq!(ready(store.scan("journal/", None, 99)).unwrap().len(), 5);
    assert_eq!(load(&journal).unwrap().last_seq(), 5);
    append(&journal, [6]).unwrap();
    ready(journal.write_snapshot(&site("HAM-1"), 6, b"state")).unwrap();
    assert_eq!(ready(store.scan("journal/", None, 99)).unwrap().len(), 1);
}

#[test]
fn a_gap_a_foreign_event_and_a_missing_anchor_are_damage() {
    let damage = |harm: &dyn Fn(&MemoryStore)| {
        let (store, journal) = journal();
        append(&journal, 1..=5).unwrap();
        ready(journal.write_snapshot(&site("HAM-1"), 2, b"state")).unwrap();
        harm(&store);
        let refused = load(&journal).unwrap_err();
        assert!(matches!(refused, JournalError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains("HAM-1"), "{refused}");
    };
    let key = |seq| event_key(&site("HAM-1"), seq);
    let commit = |store: &MemoryStore, batch| ready(store.commit(batch)).map(drop).unwrap();
    damage(&|store| commit(store, Batch::new().del(key(4))));
    damage(&|store| commit(store, Batch::new().del(key(2))));
    damage(&|store| {
        let all = [2, 3, 4, 5].into_iter().map(key);
        commit(store, all.fold(Batch::new(), Batch::del));
    });
    damage(&|store| commit(store, Batch::new().put(key(4), "{}")));
    damage(&|store| {
        let body = serde_json::to_vec(&events([5])[0]).unwrap();
        commit(store, Batch::new().put(key(4), body));
    });
    damage(&|store| {
        commit(
            store,
            Batch::new().put(snapshot_key(&site("HAM-1")), "no number"),
        );
    });
}

#[test]
fn all_sites_are_listed_once_also_those_whose_names_begin_alike() {
    let (_, journal) = journal();
    let names = ["HAM-1", "HAM", "HAM-10", "HAM~", "B"];
    for name in names {
        ready(journal.append(&site(name), &events(1..=3), Vec::new())).unwrap();
    }
    ready(journal.write_snapshot(&site("HAM"), 3, b"state")).unwrap();
    let mut expected: Vec<_> = names.into_iter().map(site).collect();
    expected.sort();
    assert_eq!(ready(journal.sites()).unwrap(), expected);
    for name in names {
        let loaded = ready(journal.load(&site(name))).unwrap();
        assert_eq!(loaded.last_seq(), 3, "{name}");
    }
}
