//! Every kind of bad problem ends with exit code 3 and names the place.

use serde_json::{Value, json};

use crate::{evenload, folder, object, objects, text};

/// One way to be wrong.
pub(crate) struct Bad {
    pub(crate) name: &'static str,
    /// Where the fault is reported.
    pointer: &'static str,
    /// Whether the JSON schema sees it, or only the parser (references and comparisons).
    pub(crate) seen_by_schema: bool,
    spoil: fn(&mut Value),
}

impl Bad {
    pub(crate) fn problem(&self) -> Value {
        let mut problem = good();
        (self.spoil)(&mut problem);
        problem
    }
}

/// A valid problem that uses every key.
pub(crate) fn good() -> Value {
    json!({
        "schema_version": 1, "name": "all keys", "currency": "EUR",
        "start": "2026-11-22T16:00:00Z", "slot_minutes": 15, "slots": 4,
        "import_price_per_kwh": [0.3, -0.1, 0.2, 0.2], "export_price_per_kwh": 0.05,
        "carbon_g_per_kwh": [300, 200, 100, 100], "carbon_price_per_kg": 0.1,
        "demand_charge": {"per_kw": 5.0, "peak_so_far_kw": 10.0},
        "circuits": [
            {"id": "site", "parent": null, "import_limit_kw": 50.0, "export_limit_kw": 0.0,
             "base_load_kw": [1, 2, 3, 4], "phase_limit_kw": 20.0},
            {"id": "feeder", "parent": "site", "import_limit_kw": [20, 20, 20, 20],
             "base_load_phase_kw": {"L1": 0.1, "L2": 0.2, "L3": 0.3}},
        ],
        "sessions": [
            {"id": "s1", "circuit": "feeder", "arrival_slot": 0, "departure_slot": 4,
             "energy_kwh": 5.0, "min_kw": 4.14, "max_kw": 11.04, "phases": ["L1", "L2", "L3"],
             "priority": 1, "efficiency": 0.9, "discharge_max_kw": 0.0, "energy_max_kwh": 6.0},
            {"id": "s2", "circuit": "site", "arrival_slot": 1, "departure_slot": 3,
             "energy_kwh": 1.0, "max_kw": 3.68, "phases": ["L2"]},
        ],
        "batteries": [
            {"id": "b1", "circuit": "site", "capacity_kwh": 10, "soc_kwh": 5, "min_soc_kwh": 1,
             "charge_max_kw": 5, "discharge_max_kw": 5, "efficiency": 0.95,
             "cycle_cost_per_kwh": 0.02},
        ],
        "previous": {"s1": [0, 4.14, 4.14, 0]},
    })
}

macro_rules! bad {
    ($name:literal, $pointer:literal, $seen:literal, $problem:ident => $spoil:expr) => {
        Bad {
            name: $name,
            pointer: $pointer,
            seen_by_schema: $seen,
            spoil: |$problem| {
                $spoil;
            },
        }
    };
}

fn remove(value: &mut Value, key: &str) {
    value.as_object_mut().expect("an object").remove(key);
}

#[rustfmt::skip]
pub(crate) fn all() -> Vec<Bad> {
    vec![
        bad!("not an object", "", true, it => *it = json!([1, 2])),
        bad!("unknown key", "/bananas", true, it => it["bananas"] = json!(1)),
        bad!("unknown key of a session", "/sessions/0/max_kwh", true, it => it["sessions"][0]["max_kwh"] = json!(1)),
        bad!("unknown key of a circuit", "/circuits/1/limit", true, it => it["circuits"][1]["limit"] = json!(1)),
        bad!("unknown key of a battery", "/batteries/0/soc", true, it => it["batteries"][0]["soc"] = json!(1)),
        bad!("unknown key of the demand charge", "/demand_charge/per_kwh", true, it => it["demand_charge"]["per_kwh"] = json!(1)),
        bad!("missing version", "/schema_version", true, it => remove(it, "schema_version")),
        bad!("wrong version", "/schema_version", true, it => it["schema_version"] = json!(2)),
        bad!("missing start", "/start", true, it => remove(it, "start")),
        bad!("start without offset", "/start", false, it => it["start"] = json!("2026-11-22T16:00:00")),
        bad!("start is a number", "/start", true, it => it["start"] = json!(1_764_000_000)),
        bad!("no slots", "/slots", true, it => it["slots"] = json!(0)),
        bad!("fractional slots", "/slots", true, it => it["slots"] = json!(4.5)),
        bad!("too many slots", "/slots", true, it => it["slots"] = json!(1_000_000_000)),
        bad!("slot of no length", "/slot_minutes", true, it => it["slot_minutes"] = json!(0)),
        bad!("negative slot length", "/slot_minutes", true, it => it["slot_minutes"] = json!(-15)),
        bad!("missing price", "/import_price_per_kwh", true, it => remove(it, "import_price_per_kwh")),
        bad!("too few prices", "/import_price_per_kwh", false, it => it["import_price_per_kwh"] = json!([0.1, 0.2])),
        bad!("a price is text", "/import_price_per_kwh/2", true, it => it["import_price_per_kwh"][2] = json!("0.2")),
        bad!("price of null", "/import_price_per_kwh/1", true, it => it["import_price_per_kwh"][1] = json!(null)),
        bad!("absurd export price", "/export_price_per_kwh", true, it => it["export_price_per_kwh"] = json!(1e9)),
        bad!("negative carbon", "/carbon_g_per_kwh/0", true, it => it["carbon_g_per_kwh"][0] = json!(-1)),
        bad!("negative demand charge", "/demand_charge/per_kw", true, it => it["demand_charge"]["per_kw"] = json!(-5)),
        bad!("circuits is an object", "/circuits", true, it => it["circuits"] = json!({"id": "site"})),
        bad!("no circuits", "/circuits", true, it => { it["circuits"] = json!([]); it["sessions"] = json!([]); it["batteries"] = json!([]) }),
        bad!("two roots", "/circuits/1/parent", false, it => it["circuits"][1]["parent"] = json!(null)),
        bad!("no root", "/circuits", false, it => it["circuits"][0]["parent"] = json!("feeder")),
        bad!("parent that does not exist", "/circuits/1/parent", false, it => it["circuits"][1]["parent"] = json!("moon")),
        bad!("repeated circuit", "/circuits/1/id", false, it => it["circuits"][1]["id"] = json!("site")),
        bad!("missing limit", "/circuits/0/import_limit_kw", true, it => remove(&mut it["circuits"][0], "import_limit_kw")),
        bad!("negative limit", "/circuits/0/import_limit_kw", true, it => it["circuits"][0]["import_limit_kw"] = json!(-1)),
        bad!("negative limit in a slot", "/circuits/1/import_limit_kw/3", true, it => it["circuits"][1]["import_limit_kw"][3] = json!(-1)),
        bad!("two phases of three", "/circuits/1/base_load_phase_kw/L3", true, it => remove(&mut it["circuits"][1]["base_load_phase_kw"], "L3")),
        bad!("long base load", "/circuits/0/base_load_kw", false, it => it["circuits"][0]["base_load_kw"] = json!([1, 2, 3, 4, 5])),
        bad!("repeated session", "/sessions/1/id", false, it => it["sessions"][1]["id"] = json!("s1")),
        bad!("empty session id", "/sessions/0/id", true, it => it["sessions"][0]["id"] = json!("")),
        bad!("session on no circuit", "/sessions/0/circuit", false, it => it["sessions"][0]["circuit"] = json!("moon")),
        bad!("departure before arrival", "/sessions/0/arrival_slot", false, it => { it["sessions"][0]["arrival_slot"] = json!(3); it["sessions"][0]["departure_slot"] = json!(1) }),
        bad!("departure beyond the end", "/sessions/0/departure_slot", false, it => it["sessions"][0]["departure_slot"] = json!(5)),
        bad!("negative energy", "/sessions/0/energy_kwh", true, it => it["sessions"][0]["energy_kwh"] = json!(-1)),
        bad!("minimum above maximum", "/sessions/0/min_kw", false, it => it["sessions"][0]["min_kw"] = json!(12)),
        bad!("missing maximum", "/sessions/1/max_kw", true, it => remove(&mut it["sessions"][1], "max_kw")),
        bad!("a fourth phase", "/sessions/0/phases/0", true, it => it["sessions"][0]["phases"] = json!(["L4"])),
        bad!("a phase twice", "/sessions/0/phases", true, it => it["sessions"][0]["phases"] = json!(["L1", "L1"])),
        bad!("no phase", "/sessions/0/phases", true, it => it["sessions"][0]["phases"] = json!([])),
        bad!("priority of zero", "/sessions/0/priority", true, it => it["sessions"][0]["priority"] = json!(0)),
        bad!("efficiency above one", "/sessions/0/efficiency", true, it => it["sessions"][0]["efficiency"] = json!(1.1)),
        bad!("less room than need", "/sessions/0/energy_kwh", false, it => it["sessions"][0]["energy_max_kwh"] = json!(4)),
        bad!("battery fuller than full", "/batteries/0/soc_kwh", false, it => it["batteries"][0]["soc_kwh"] = json!(11)),
        bad!("battery on no circuit", "/batteries/0/circuit", false, it => it["batteries"][0]["circuit"] = json!("moon")),
        bad!("previous plan too short", "/previous/s1", false, it => it["previous"]["s1"] = json!([0])),
        bad!("previous plan of text", "/previous/s1/0", true, it => it["previous"]["s1"][0] = json!("x")),
        bad!("name is a number", "/name", true, it => it["name"] = json!(7)),
        bad!("currency is a list", "/currency", true, it => it["currency"] = json!([])),
        bad!("version is text", "/schema_version", true, it => it["schema_version"] = json!("1")),
        bad!("slots as text", "/slots", true, it => it["slots"] = json!("4")),
        bad!("negative slots", "/slots", true, it => it["slots"] = json!(-4)),
        bad!("slot longer than a day", "/slot_minutes", true, it => it["slot_minutes"] = json!(1441)),
        bad!("slot length of text", "/slot_minutes", true, it => it["slot_minutes"] = json!("15")),
        bad!("missing slots", "/slots", true, it => remove(it, "slots")),
        bad!("missing slot length", "/slot_minutes", true, it => remove(it, "slot_minutes")),
        bad!("price is an object", "/import_price_per_kwh", true, it => it["import_price_per_kwh"] = json!({})),
        bad!("absurd price in a slot", "/import_price_per_kwh/3", true, it => it["import_price_per_kwh"][3] = json!(1e9)),
        bad!("too many export prices", "/export_price_per_kwh", false, it => it["export_price_per_kwh"] = json!([0.1, 0.1, 0.1, 0.1, 0.1])),
        bad!("carbon is text", "/carbon_g_per_kwh", true, it => it["carbon_g_per_kwh"] = json!("much")),
        bad!("absurd carbon", "/carbon_g_per_kwh/1", true, it => it["carbon_g_per_kwh"][1] = json!(1e6)),
        bad!("negative carbon price", "/carbon_price_per_kg", true, it => it["carbon_price_per_kg"] = json!(-0.1)),
        bad!("demand charge is a number", "/demand_charge", true, it => it["demand_charge"] = json!(5)),
        bad!("missing demand price", "/demand_charge/per_kw", true, it => remove(&mut it["demand_charge"], "per_kw")),
        bad!("negative peak so far", "/demand_charge/peak_so_far_kw", true, it => it["demand_charge"]["peak_so_far_kw"] = json!(-1)),
        bad!("peak so far is true", "/demand_charge/peak_so_far_kw", true, it => it["demand_charge"]["peak_so_far_kw"] = json!(true)),
        bad!("circuits missing", "/circuits", true, it => remove(it, "circuits")),
        bad!("a circuit is text", "/circuits/1", true, it => it["circuits"][1] = json!("feeder")),
        bad!("circuit id is a number", "/circuits/1/id", true, it => it["circuits"][1]["id"] = json!(2)),
        bad!("circuit id missing", "/circuits/1/id", true, it => remove(&mut it["circuits"][1], "id")),
        bad!("circuit id empty", "/circuits/0/id", true, it => it["circuits"][0]["id"] = json!("")),
        bad!("parent is a number", "/circuits/1/parent", true, it => it["circuits"][1]["parent"] = json!(0)),
        bad!("a circuit is its own parent", "/circuits/1/parent", false, it => it["circuits"][1]["parent"] = json!("feeder")),
        bad!("limit is text", "/circuits/0/import_limit_kw", true, it => it["circuits"][0]["import_limit_kw"] = json!("50 kW")),
        bad!("absurd limit", "/circuits/0/import_limit_kw", true, it => it["circuits"][0]["import_limit_kw"] = json!(1e9)),
        bad!("limit of null in a slot", "/circuits/1/import_limit_kw/0", true, it => it["circuits"][1]["import_limit_kw"][0] = json!(null)),
        bad!("too few limits", "/circuits/1/import_limit_kw", false, it => it["circuits"][1]["import_limit_kw"] = json!([20])),
        bad!("negative export limit", "/circuits/0/export_limit_kw", true, it => it["circuits"][0]["export_limit_kw"] = json!(-1)),
        bad!("base load is an object", "/circuits/0/base_load_kw", true, it => it["circuits"][0]["base_load_kw"] = json!({})),
        bad!("absurd base load", "/circuits/0/base_load_kw/2", true, it => it["circuits"][0]["base_load_kw"][2] = json!(-1e9)),
        bad!("negative phase limit", "/circuits/0/phase_limit_kw", true, it => it["circuits"][0]["phase_limit_kw"] = json!(-0.1)),
        bad!("phase load of text", "/circuits/1/base_load_phase_kw/L1", true, it => it["circuits"][1]["base_load_phase_kw"]["L1"] = json!("x")),
        bad!("a fourth phase of base load", "/circuits/1/base_load_phase_kw/L4", true, it => it["circuits"][1]["base_load_phase_kw"]["L4"] = json!(1)),
        bad!("sessions missing", "/sessions", true, it => remove(it, "sessions")),
        bad!("sessions is null", "/sessions", true, it => it["sessions"] = json!(null)),
        bad!("a session is a list", "/sessions/1", true, it => it["sessions"][1] = json!([])),
        bad!("session id is null", "/sessions/0/id", true, it => it["sessions"][0]["id"] = json!(null)),
        bad!("session circuit missing", "/sessions/1/circuit", true, it => remove(&mut it["sessions"][1], "circuit")),
        bad!("session circuit is null", "/sessions/0/circuit", true, it => it["sessions"][0]["circuit"] = json!(null)),
        bad!("arrival before the start", "/sessions/1/arrival_slot", true, it => it["sessions"][1]["arrival_slot"] = json!(-1)),
        bad!("fractional arrival", "/sessions/1/arrival_slot", true, it => it["sessions"][1]["arrival_slot"] = json!(1.5)),
        bad!("arrival beyond the end", "/sessions/1/arrival_slot", false, it => it["sessions"][1]["arrival_slot"] = json!(9)),
        bad!("departure of text", "/sessions/1/departure_slot", true, it => it["sessions"][1]["departure_slot"] = json!("3")),
        bad!("missing departure", "/sessions/1/departure_slot", true, it => remove(&mut it["sessions"][1], "departure_slot")),
        bad!("energy of text", "/sessions/0/energy_kwh", true, it => it["sessions"][0]["energy_kwh"] = json!("5")),
        bad!("absurd energy", "/sessions/1/energy_kwh", true, it => it["sessions"][1]["energy_kwh"] = json!(1e9)),
        bad!("missing energy", "/sessions/1/energy_kwh", true, it => remove(&mut it["sessions"][1], "energy_kwh")),
        bad!("negative minimum", "/sessions/0/min_kw", true, it => it["sessions"][0]["min_kw"] = json!(-1)),
        bad!("negative maximum", "/sessions/1/max_kw", true, it => it["sessions"][1]["max_kw"] = json!(-3.68)),
        bad!("absurd maximum", "/sessions/1/max_kw", true, it => it["sessions"][1]["max_kw"] = json!(1e12)),
        bad!("phases is text", "/sessions/0/phases", true, it => it["sessions"][0]["phases"] = json!("L1")),
        bad!("a phase is a number", "/sessions/0/phases/1", true, it => it["sessions"][0]["phases"][1] = json!(2)),
        bad!("negative priority", "/sessions/0/priority", true, it => it["sessions"][0]["priority"] = json!(-1)),
        bad!("absurd priority", "/sessions/0/priority", true, it => it["sessions"][0]["priority"] = json!(1e9)),
        bad!("efficiency of zero", "/sessions/0/efficiency", true, it => it["sessions"][0]["efficiency"] = json!(0)),
        bad!("efficiency of text", "/sessions/0/efficiency", true, it => it["sessions"][0]["efficiency"] = json!("90 %")),
        bad!("negative discharge", "/sessions/0/discharge_max_kw", true, it => it["sessions"][0]["discharge_max_kw"] = json!(-7)),
        bad!("negative room", "/sessions/0/energy_max_kwh", true, it => it["sessions"][0]["energy_max_kwh"] = json!(-6)),
        bad!("batteries is an object", "/batteries", true, it => it["batteries"] = json!({})),
        bad!("a battery is null", "/batteries/0", true, it => it["batteries"][0] = json!(null)),
        bad!("negative capacity", "/batteries/0/capacity_kwh", true, it => it["batteries"][0]["capacity_kwh"] = json!(-10)),
        bad!("missing capacity", "/batteries/0/capacity_kwh", true, it => remove(&mut it["batteries"][0], "capacity_kwh")),
        bad!("negative state of charge", "/batteries/0/soc_kwh", true, it => it["batteries"][0]["soc_kwh"] = json!(-5)),
        bad!("negative charging power", "/batteries/0/charge_max_kw", true, it => it["batteries"][0]["charge_max_kw"] = json!(-5)),
        bad!("discharging power of text", "/batteries/0/discharge_max_kw", true, it => it["batteries"][0]["discharge_max_kw"] = json!("5")),
        bad!("battery efficiency above one", "/batteries/0/efficiency", true, it => it["batteries"][0]["efficiency"] = json!(1.1)),
        bad!("negative wear", "/batteries/0/cycle_cost_per_kwh", true, it => it["batteries"][0]["cycle_cost_per_kwh"] = json!(-0.02)),
        bad!("least energy above capacity", "/batteries/0/min_soc_kwh", false, it => it["batteries"][0]["min_soc_kwh"] = json!(11)),
        bad!("previous is a list", "/previous", true, it => it["previous"] = json!([])),
        bad!("previous plan of one number", "/previous/s1", true, it => it["previous"]["s1"] = json!(4.14)),
        bad!("absurd previous power", "/previous/s1/1", true, it => it["previous"]["s1"][1] = json!(1e9)),
    ]
}

#[test]
fn the_problem_they_are_made_of_is_good() {
    let output = evenload(&folder())
        .args(["plan", "-", "--json"])
        .write_stdin(good().to_string())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(object(&output)["audit"]["violations"], 0);
}

#[test]
fn each_bad_problem_ends_with_exit_3_and_its_pointer() {
    assert!(all().len() >= 100);
    for bad in all() {
        let output = evenload(&folder())
            .args(["plan", "--json", "-"])
            .write_stdin(bad.problem().to_string())
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(3), "{}: {output:?}", bad.name);
        let answer = object(&output);
        assert_eq!(answer["status"], "invalid", "{}", bad.name);
        let errors = answer["errors"].as_array().expect("a list of errors");
        let found = errors.iter().any(|error| error["pointer"] == bad.pointer);
        assert!(found, "{}: {} is not in {answer}", bad.name, bad.pointer);
        let detailed = errors
            .iter()
            .all(|error| error["detail"].as_str().is_some_and(|it| !it.is_empty()));
        assert!(detailed, "{}: {answer}", bad.name);
        let complaint = if bad.pointer.is_empty() {
            "(document)"
        } else {
            bad.pointer
        };
        assert!(
            text(&output.stderr).contains(complaint),
            "{}: {output:?}",
            bad.name
        );
    }
}

#[test]
fn all_faults_of_a_problem_are_told_at_once() {
    let mut problem = good();
    problem["bananas"] = json!(1);
    problem["sessions"][0]["priority"] = json!("high");
    problem["sessions"][1]["circuit"] = json!("moon");
    let output = evenload(&folder())
        .args(["plan", "--json", "-"])
        .write_stdin(problem.to_string())
        .output()
        .expect("runs");
    let answer = object(&output);
    let errors = answer["errors"].as_array().expect("a list of errors");
    let pointers: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    for pointer in ["/bananas", "/sessions/0/priority", "/sessions/1/circuit"] {
        assert!(
            pointers.contains(&pointer),
            "{pointer} is not in {pointers:?}"
        );
    }
    assert_eq!(pointers.len(), 3, "{pointers:?}");
}

#[test]
fn what_is_no_json_or_no_file_ends_with_exit_3() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cut.json"), &good().to_string()[..100]).expect("written");
    std::fs::write(path("empty.json"), "").expect("written");
    std::fs::write(path("bytes.json"), [0xff, 0xfe, 0x00]).expect("written");
    std::fs::write(path("deep.json"), "[".repeat(100_000)).expect("written");
    std::fs::write(
        path("infinite.json"),
        good().to_string().replace("0.3", "1e999"),
    )
    .expect("written");
    let names = [
        "cut.json",
        "empty.json",
        "bytes.json",
        "deep.json",
        "infinite.json",
        "absent.json",
        ".",
    ];
    for name in names {
        let output = evenload(&folder)
            .args(["plan", "--json", name])
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
        assert_eq!(object(&output)["errors"][0]["pointer"], "", "{name}");
        assert!(text(&output.stderr).contains(name), "{name}: {output:?}");
    }
}

#[test]
fn an_invalid_file_of_several_does_not_stop_the_others() {
    let folder = folder();
    let mut bad = good();
    bad["slots"] = json!(0);
    std::fs::write(folder.path().join("good.json"), good().to_string()).expect("written");
    std::fs::write(folder.path().join("bad.json"), bad.to_string()).expect("written");
    let output = evenload(&folder)
        .args(["plan", "good.json", "bad.json", "good.json"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(3));
    let lines = objects(&output);
    let valid: Vec<bool> = lines
        .iter()
        .map(|line| line["status"] != "invalid")
        .collect();
    assert_eq!(valid, [true, false, true]);
    assert_eq!(lines[1]["file"], "bad.json");
}
