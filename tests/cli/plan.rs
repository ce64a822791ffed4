//! `evenload plan` on good problems.

use serde_json::{Value, json};

use crate::{evenload, folder, object, objects, repository, text};

const SLOTS: usize = 8;

/// A site of 20 kW with a feeder of 12 kW; two hours, the second half hour is cheap.
fn tree() -> Value {
    json!({
        "schema_version": 1, "currency": "EUR", "start": "2026-11-22T16:00:00Z",
        "slot_minutes": 15, "slots": SLOTS,
        "import_price_per_kwh": [0.4, 0.4, 0.1, 0.1, 0.4, 0.4, 0.4, 0.4],
        "circuits": [
            {"id": "site", "parent": null, "import_limit_kw": 20.0, "base_load_kw": 5.0},
            {"id": "feeder", "parent": "site", "import_limit_kw": 12.0},
        ],
        "sessions": [
            {"id": "a", "circuit": "feeder", "arrival_slot": 0, "departure_slot": 8,
             "energy_kwh": 8.0, "min_kw": 4.0, "max_kw": 11.0},
            {"id": "b", "circuit": "feeder", "arrival_slot": 0, "departure_slot": 8,
             "energy_kwh": 8.0, "min_kw": 4.0, "max_kw": 11.0},
        ],
    })
}

fn plan(problem: &Value, flags: &[&str]) -> std::process::Output {
    let folder = folder();
    let mut command = evenload(&folder);
    command.args(["plan", "-"]).args(flags);
    command
        .write_stdin(problem.to_string())
        .output()
        .expect("runs")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter()
        .map(|it| it.as_f64().expect("a number"))
        .collect()
}

#[test]
fn a_limit_tree_with_prices_is_planned_within_every_limit() {
    let output = plan(&tree(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer = object(&output);
    assert_eq!(answer["schema_version"], 1);
    assert_eq!(answer["audit"]["violations"], 0);
    assert!(
        answer["unmet_kwh"].as_f64().expect("a number") < 1e-6,
        "{answer}"
    );
    let (a, b) = (
        numbers(&answer["sessions"][0]["power_kw"]),
        numbers(&answer["sessions"][1]["power_kw"]),
    );
    for slot in 0..SLOTS {
        // The feeder carries 12 kW; the site 20 - 5 = 15 kW beside its base load.
        assert!(
            a[slot] + b[slot] <= 12.0 + 1e-9,
            "slot {slot}: {} kW",
            a[slot] + b[slot]
        );
        for power in [a[slot], b[slot]] {
            let charging = (4.0 - 1e-9..=11.0 + 1e-9).contains(&power);
            assert!(power.abs() < 1e-9 || charging, "slot {slot}: {power} kW");
        }
    }
    // 16 kWh are wanted; the cheap half hour carries 12 kW * 0.5 h = 6 kWh of them, of which
    // 0-or-minimum power may cost a little.
    let total: f64 = a.iter().chain(&b).sum::<f64>() * 0.25;
    assert!((total - 16.0).abs() < 0.01, "{total} kWh");
    let cheap = (a[2] + a[3] + b[2] + b[3]) * 0.25;
    assert!(
        (5.5..6.01).contains(&cheap),
        "{cheap} kWh in the cheap half hour"
    );
}

#[test]
fn the_answer_has_the_keys_users_build_on() {
    let mut problem = tree();
    problem["batteries"] = json!([{"id": "b1", "circuit": "site", "capacity_kwh": 10, "soc_kwh": 5,
        "min_soc_kwh": 1, "charge_max_kw": 5, "discharge_max_kw": 5}]);
    let answer = object(&plan(&problem, &["--json"]));
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&answer),
        [
            "audit",
            "backend",
            "batteries",
            "build_ms",
            "circuits",
            "cost",
            "peak_kw",
            "schema_version",
            "sessions",
            "solve_ms",
            "status",
            "unmet_kwh"
        ]
    );
    assert_eq!(
        keys(&answer["cost"]),
        ["carbon", "demand", "energy", "total"]
    );
    assert_eq!(
        keys(&answer["sessions"][0]),
        [
            "energy_kwh",
            "id",
            "limited_by",
            "power_kw",
            "ready_slot",
            "reasons",
            "unmet_kwh"
        ]
    );
    assert_eq!(
        keys(&answer["circuits"][0]),
        ["headroom_kw", "id", "power_kw", "shadow_price_per_kwh"]
    );
    assert_eq!(keys(&answer["batteries"][0]), ["id", "power_kw", "soc_kwh"]);
    for list in [
        &answer["sessions"][0]["power_kw"],
        &answer["circuits"][1]["headroom_kw"],
        &answer["circuits"][1]["shadow_price_per_kwh"],
        &answer["batteries"][0]["soc_kwh"],
    ] {
        assert_eq!(numbers(list).len(), SLOTS);
    }
    for ms in ["build_ms", "solve_ms"] {
        assert!(
            answer[ms].as_f64().expect("a number") > 0.0,
            "{ms}: {answer}"
        );
    }
}

#[test]
fn without_a_terminal_the_answer_is_json_too() {
    let answer = object(&plan(&tree(), &[]));
    assert_eq!(answer["sessions"][0]["id"], "a");
}

#[test]
fn the_same_problem_gives_the_same_plan() {
    let once = || {
        let mut answer = object(&plan(&tree(), &["--json"]));
        for timing in ["build_ms", "solve_ms"] {
            answer[timing] = Value::Null;
        }
        answer
    };
    assert_eq!(once(), once());
}

#[test]
fn several_files_give_one_line_each_in_their_order() {
    let folder = folder();
    let names: Vec<String> = (0..40).map(|index| format!("{index}.json")).collect();
    for (index, name) in names.iter().enumerate() {
        let mut problem = tree();
        problem["sessions"][0]["id"] = json!(format!("session-{index}"));
        std::fs::write(folder.path().join(name), problem.to_string()).expect("written");
    }
    let output = evenload(&folder)
        .arg("plan")
        .args(&names)
        .arg("--json")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = objects(&output);
    assert_eq!(lines.len(), names.len());
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["sessions"][0]["id"], format!("session-{index}"));
    }
}

#[test]
fn strict_ends_with_exit_6_when_somebody_stays_short() {
    let mut problem = tree();
    assert_eq!(plan(&problem, &["--strict"]).status.code(), Some(0));
    // 2 h * 11 kW = 22 kWh at most.
    problem["sessions"][0]["energy_kwh"] = json!(30.0);
    let output = plan(&problem, &["--strict"]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(object(&output)["unmet_kwh"].as_f64().expect("a number") >= 8.0);
    assert_eq!(
        plan(&problem, &[]).status.code(),
        Some(0),
        "short is an outcome, not an error"
    );
}

#[test]
fn strict_ends_with_exit_6_when_base_load_alone_exceeds_a_limit() {
    let mut problem = tree();
    problem["sessions"] = json!([]);
    problem["circuits"][0]["base_load_kw"] = json!(21.0);
    assert_eq!(plan(&problem, &["--strict"]).status.code(), Some(6));
}

#[test]
fn relax_lets_power_fall_below_the_minimum() {
    let mut problem = tree();
    // 3 kW beside the base load: below the minimum of 4 kW.
    problem["circuits"][0]["import_limit_kw"] = json!(8.0);
    let energy = |flags: &[&str]| {
        let answer = object(&plan(&problem, flags));
        numbers(&answer["sessions"][0]["power_kw"])
            .iter()
            .sum::<f64>()
            + numbers(&answer["sessions"][1]["power_kw"])
                .iter()
                .sum::<f64>()
    };
    assert!(energy(&[]).abs() < 1e-9);
    // 8 slots * 3 kW.
    assert!((energy(&["--relax"]) - 24.0).abs() < 0.01);
}

#[test]
fn no_time_at_all_still_gives_a_plan_that_passes_the_audit() {
    let output = plan(&tree(), &["--time-limit-ms", "0"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer = object(&output);
    assert_ne!(answer["status"], "optimal");
    assert_eq!(answer["audit"]["violations"], 0);
}

#[test]
fn every_backend_can_be_asked_for() {
    for backend in ["auto", "flow", "clarabel", "microlp", "highs"] {
        let output = plan(&tree(), &["--backend", backend]);
        assert_eq!(output.status.code(), Some(0), "{backend}: {output:?}");
        assert_eq!(object(&output)["audit"]["violations"], 0, "{backend}");
    }
}

#[test]
fn a_backend_that_is_not_built_in_is_told_and_replaced() {
    let output = plan(&tree(), &["--backend", "highs"]);
    let used = object(&output)["backend"].clone();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if cfg!(feature = "highs") {
        assert_eq!((used, complaint.as_str()), ("highs".into(), ""));
    } else {
        assert_eq!(used, "clarabel");
        assert!(complaint.contains("HiGHS is not built in"), "{complaint}");
    }
}

#[test]
fn the_examples_can_be_planned() {
    for name in ["depot", "infeasible", "demand-charge"] {
        let path = repository(&format!("examples/plan/{name}.json"));
        let output = evenload(&folder())
            .arg("plan")
            .arg(path)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let answer = object(&output);
        assert_eq!(answer["audit"]["violations"], 0, "{name}");
        // 0-or-minimum power may cost a session a fraction of a slot's least energy (1.04 kWh).
        let short = answer["unmet_kwh"].as_f64().expect("a number") > 0.2;
        assert_eq!(short, name == "infeasible", "{}", answer["unmet_kwh"]);
    }
}

#[test]
fn standard_input_can_be_read_once_only() {
    let output = evenload(&folder())
        .args(["plan", "-", "-"])
        .write_stdin("{}")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("once"));
}
