//! Messages about transactions in any order, repeated, late and lost.

use super::*;

fn at(second: i64) -> Time {
    chrono::DateTime::from_timestamp(1_795_000_000 + second, 0).expect("in range")
}

fn kwh(value: f64) -> Energy {
    Energy::from_kilowatt_hours(value)
}

fn start(second: i64, register: f64) -> Transaction {
    Transaction {
        stage: Stage::Started,
        id: None,
        evse: Some(1),
        at: Some(at(second)),
        token: Some("T".into()),
        token_kind: None,
        is_open: false,
        register: Some(kwh(register)),
        samples: Vec::new(),
        offline: false,
        seq_no: None,
        reason: None,
    }
}

fn stop(id: &str, second: i64, register: f64) -> Transaction {
    Transaction {
        stage: Stage::Ended,
        id: Some(id.into()),
        evse: None,
        ..start(second, register)
    }
}

fn event(stage: Stage, seq_no: i64, register: f64) -> Transaction {
    Transaction {
        stage,
        id: Some("tx".into()),
        seq_no: Some(seq_no),
        ..start(seq_no, register)
    }
}

#[test]
fn a_repeated_start_gets_the_same_id() {
    let mut books = Books::default();
    let first = books
        .book(&start(0, 5.0), vec![], "7", at(1))
        .expect("booked");
    let again = books
        .book(&start(0, 5.0), vec![], "8", at(60))
        .expect("booked");
    assert_eq!(
        (first.entry.id.as_str(), again.entry.id.as_str()),
        ("7", "7")
    );
    let other = books
        .book(&start(90, 5.0), vec![], "8", at(91))
        .expect("booked");
    assert_eq!(other.entry.id, "8");
}

#[test]
fn energy_is_what_the_register_gained_and_never_shrinks() {
    let mut books = Books::default();
    books.book(&start(0, 100.0), vec![], "7", at(1));
    let reading = |register| {
        vec![Sample {
            register: Some(kwh(register)),
            ..Sample::default()
        }]
    };
    let energy = |booked: Option<Booked>| booked.expect("booked").entry.energy;
    assert_eq!(
        energy(books.meter(1, None, &reading(103.0), at(60))),
        kwh(3.0)
    );
    // The register starts again at nothing, then gains 2 kWh.
    assert_eq!(
        energy(books.meter(1, Some("-1"), &reading(0.0), at(61))),
        kwh(3.0)
    );
    assert_eq!(
        energy(books.meter(1, Some("7"), &reading(2.0), at(62))),
        kwh(5.0)
    );
    let over = books
        .book(&stop("7", 100, 2.5), vec![], "8", at(101))
        .expect("booked");
    assert_eq!(
        (over.entry.energy, over.entry.ended_at),
        (kwh(5.5), Some(at(100)))
    );
}

#[test]
fn a_stop_without_an_id_ends_the_only_one_that_runs() {
    let mut books = Books::default();
    assert_eq!(books.book(&stop("-1", 0, 1.0), vec![], "7", at(0)), None);
    books.book(&start(0, 1.0), vec![], "7", at(0));
    assert_eq!(books.book(&stop("99", 5, 1.0), vec![], "8", at(5)), None);
    let ended = books
        .book(&stop("-1", 5, 1.0), vec![], "8", at(5))
        .expect("booked");
    assert_eq!(ended.entry.id, "7");
}

#[test]
fn late_events_are_booked_at_their_time_and_say_nothing_about_now() {
    let mut books = Books::default();
    let mut late = event(Stage::Started, 0, 1.0);
    late.samples = vec![Sample {
        at: Some(at(0)),
        power: Some(Power::from_watts(7000)),
        ..Sample::default()
    }];
    let booked = books.book(&late, vec![], "", at(7200)).expect("booked");
    assert_eq!(booked.entry.started_at, at(0));
    assert_eq!(booked.reading, None);
}

#[test]
fn events_out_of_order_count_for_energy_only() {
    let mut books = Books::default();
    books.book(&event(Stage::Started, 0, 1.0), vec![], "", at(0));
    books.book(&event(Stage::Updated, 2, 4.0), vec![], "", at(2));
    let mut old = event(Stage::Updated, 1, 2.0);
    old.samples = vec![Sample {
        at: Some(at(2)),
        power: Some(Power::from_watts(7000)),
        ..Sample::default()
    }];
    let booked = books.book(&old, vec![], "", at(2)).expect("booked");
    assert_eq!((booked.entry.energy, booked.reading), (kwh(3.0), None));
}

#[test]
fn an_event_whose_start_was_lost_opens_its_transaction() {
    let mut books = Books::default();
    let booked = books.book(&event(Stage::Updated, 3, 1.0), vec![], "", at(3));
    assert!(booked.expect("booked").entry.is_running());
}

#[test]
fn a_clock_far_ahead_is_not_believed() {
    let mut books = Books::default();
    let booked = books
        .book(&start(90_000, 1.0), vec![], "7", at(0))
        .expect("booked");
    assert_eq!(booked.entry.started_at, at(0));
}

#[test]
fn the_books_stay_bounded() {
    let mut books = Books::default();
    for number in 0..200 {
        let spare = number.to_string();
        books.book(&start(number, 1.0), vec![], &spare, at(number));
    }
    assert_eq!(books.prune().len(), 200 - MAX_KEPT);
    assert_eq!(books.entries().count(), MAX_KEPT);
}
