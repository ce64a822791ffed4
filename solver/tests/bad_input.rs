//! Every fault of a problem file is found and named by its place.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper may fail as the test may"
)]

use evenload_solver::parse_problem;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "schema_version": 1, "currency": "EUR", "start": "2026-11-22T16:00:00Z",
        "slot_minutes": 15, "slots": 4, "import_price_per_kwh": [0.1, 0.2, 0.3, -0.1],
        "circuits": [
            {"id": "site", "parent": null, "import_limit_kw": 50.0},
            {"id": "east", "parent": "site", "import_limit_kw": [20.0, 20.0, 20.0, 20.0]}],
        "sessions": [
            {"id": "s1", "circuit": "site", "arrival_slot": 0, "departure_slot": 4,
             "energy_kwh": 5.0, "min_kw": 1.4, "max_kw": 11.0, "phases": ["L1"]},
            {"id": "s2", "circuit": "east", "arrival_slot": 2, "departure_slot": 2,
             "energy_kwh": 5.0, "max_kw": 11.0}],
        "batteries": [{"id": "b1", "circuit": "site", "capacity_kwh": 10, "soc_kwh": 5,
                       "charge_max_kw": 5, "discharge_max_kw": 5}]
    })
}

/// The pointers of the faults after `value` was put at `pointer`.
fn faults_with(pointer: &str, value: Value) -> Vec<String> {
    let mut problem = good();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match problem.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.insert(key.to_owned(), value);
        }
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => unreachable!(),
    }
    match parse_problem(&problem.to_string()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
    }
}

#[test]
fn a_good_problem_is_read() {
    let problem = parse_problem(&good().to_string()).unwrap();
    assert_eq!(problem.sessions.len(), 2);
    assert_eq!(problem.slots, 4);
}

#[test]
fn each_kind_of_bad_value_is_named_by_its_pointer() {
    let cases = [
        ("/schema_version", json!(2)),
        ("/start", json!("yesterday")),
        ("/start", json!(5)),
        ("/slot_minutes", json!(0)),
        ("/slot_minutes", json!(1441)),
        ("/slots", json!(0)),
        ("/slots", json!(-4)),
        ("/slots", json!(1e9)),
        ("/slots", json!("4")),
        ("/import_price_per_kwh", json!([1.0, 2.0])),
        ("/import_price_per_kwh/1", json!("x")),
        ("/import_price_per_kwh", json!(null)),
        ("/carbon_price_per_kg", json!(-1.0)),
        ("/unknown", json!(1)),
        ("/demand_charge", json!([])),
        ("/circuits", json!([])),
        ("/circuits", json!({})),
        ("/circuits/0/import_limit_kw", json!(-1.0)),
        ("/circuits/0/parent", json!("east")),
        ("/circuits/1/parent", json!("west")),
        ("/circuits/1/parent", json!(null)),
        ("/circuits/1/id", json!("site")),
        ("/circuits/1/import_limit_kw/2", json!(-0.1)),
        ("/circuits/1/phase_limit", json!(10)),
        ("/sessions/0/circuit", json!("west")),
        ("/sessions/0/arrival_slot", json!(5)),
        ("/sessions/0/arrival_slot", json!(1.5)),
        ("/sessions/0/departure_slot", json!(5)),
        ("/sessions/0/energy_kwh", json!(-1)),
        ("/sessions/0/min_kw", json!(12)),
        ("/sessions/0/max_kw", json!(1e12)),
        ("/sessions/0/phases", json!([])),
        ("/sessions/0/phases", json!(["L1", "L1"])),
        ("/sessions/0/phases/0", json!("L4")),
        ("/sessions/0/priority", json!(0)),
        ("/sessions/0/efficiency", json!(1.2)),
        ("/sessions/1/id", json!("s1")),
        ("/sessions/1", json!(7)),
        ("/batteries/0/soc_kwh", json!(11)),
        ("/batteries/0/circuit", json!(null)),
    ];
    for (pointer, value) in cases {
        let found = faults_with(pointer, value.clone());
        let named = found
            .iter()
            .any(|it| it.starts_with(pointer) || pointer.starts_with(it.as_str()));
        assert!(named, "{pointer} = {value}: {found:?}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let mut problem = good();
    problem["sessions"][0]["min_kw"] = json!(-1);
    problem["sessions"][1]["departure_slot"] = json!(9);
    problem["circuits"][1]["colour"] = json!("red");
    let faults = parse_problem(&problem.to_string()).unwrap_err();
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/circuits/1/colour",
            "/sessions/0/min_kw",
            "/sessions/1/departure_slot"
        ]
    );
}

#[test]
fn a_circle_of_circuits_is_named_on_each_of_its_members() {
    let mut problem = good();
    problem["circuits"][0]["parent"] = json!("east");
    let faults = parse_problem(&problem.to_string()).unwrap_err();
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/circuits", "/circuits/0/parent", "/circuits/1/parent"]
    );
}

#[test]
fn a_key_given_twice_is_refused() {
    let text = good()
        .to_string()
        .replacen("\"slots\":4", "\"slots\":4,\"slots\":4", 1);
    let faults = parse_problem(&text).unwrap_err();
    assert_eq!(faults[0].pointer, "/slots");
    assert_eq!(faults[0].detail, "is given twice");
}

#[test]
fn a_tree_deeper_than_fifty_circuits_is_refused() {
    let mut problem = good();
    let chain = |depth: usize| {
        let parent = (depth > 0).then(|| format!("c{}", depth - 1));
        json!({"id": format!("c{depth}"), "parent": parent, "import_limit_kw": 10})
    };
    problem["sessions"] = json!([]);
    problem["batteries"] = json!([]);
    problem["circuits"] = (0..=50).map(chain).collect();
    assert!(parse_problem(&problem.to_string()).is_ok());
    problem["circuits"] = (0..=53).map(chain).collect();
    let faults = parse_problem(&problem.to_string()).unwrap_err();
    assert_eq!(faults[0].pointer, "/circuits/51/parent");
}

#[test]
fn text_that_is_not_json_is_refused_without_a_panic() {
    for text in [
        "",
        "{",
        "[1,2",
        "nul",
        "{\"slots\": 1e999}",
        "\u{0}",
        "[[[[[[",
        "NaN",
        "7",
    ] {
        assert!(!parse_problem(text).unwrap_err().is_empty(), "{text:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(!parse_problem(&deep).unwrap_err().is_empty());
}

#[test]
fn a_problem_built_in_code_is_checked_like_a_file() {
    let mut problem = parse_problem(&good().to_string()).unwrap();
    assert!(problem.validate().is_ok());
    problem.sessions[0].max_kw = f64::NAN;
    problem.circuits[0].import_limit_kw = f64::INFINITY.into();
    let faults = problem.validate().unwrap_err();
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/circuits/0/import_limit_kw", "/sessions/0/max_kw"]
    );
}
