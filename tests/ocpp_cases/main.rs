//! The cases of the Open Charge Alliance's test tool for a CSMS, re-implemented: each is a short
//! script in a file beside this one, played by a station on a real socket against the whole service,
//! with an operator at its REST API. `docs/ocpp-conformance.md` lists them; it is held against the
//! files, and every message that the stations got is held against the schemas of `PyPI` `ocpp`.

#[path = "../peers/python.rs"]
mod python;

mod pattern;
mod player;
mod script;
mod service;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use evenload::ocpp::version::Version;
use serde_json::Value;

use script::Case;
use service::Service;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ocpp_cases")
}

fn cases(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join(file)).expect("a file of cases");
    script::read(&text).unwrap_or_else(|error| unreachable!("{file}: {error}"))
}

/// Plays a file of cases; all that fail are named.
async fn play(file: &str, version: Version) {
    let only =
        std::env::args().find_map(|argument| argument.strip_prefix("case=").map(str::to_owned));
    let service = Service::start().await;
    let (mut failed, mut heard, mut played) = (Vec::new(), Vec::new(), 0);
    for case in cases(file) {
        if only.as_ref().is_some_and(|only| *only != case.id) {
            continue;
        }
        played += 1;
        let outcome = player::play(&service, &case, version, &mut heard).await;
        if let Err(why) = outcome {
            failed.push(format!("{} {} ({version}): {why}", case.id, case.title));
        }
    }
    service.running.stop().await;
    assert!(
        failed.is_empty(),
        "{} of {played} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
    check(file, version, &heard);
}

/// Holds what the stations heard against the schemas of `PyPI` `ocpp`.
fn check(file: &str, version: Version, heard: &[Value]) {
    let python = match python::python() {
        Ok(python) => python,
        Err(why) => return python::missing("the schemas of PyPI ocpp", &why),
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{file}-{version}.jsonl"));
    let mut lines = std::fs::File::create(&path).expect("a file");
    for message in heard {
        writeln!(lines, "{message}").expect("written");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&path)
        .output()
        .expect("python starts");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        unreachable!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    assert_eq!(seen["checked"], heard.len());
    assert_eq!(
        seen["invalid"],
        serde_json::json!([]),
        "{file} as {version}"
    );
}

/// Our name of a file as the documentation has it, with the versions it is played in.
const FILES: [&str; 6] = [
    "core_16.cases",
    "more_16.cases",
    "core_2x.cases",
    "charging_2x.cases",
    "charging_21.cases",
    "more_2x.cases",
];

#[actix_web::test]
async fn core_of_1_6() {
    play("core_16.cases", Version::V16).await;
}

#[actix_web::test]
async fn lists_firmware_reservations_triggers_charging_and_security_of_1_6() {
    play("more_16.cases", Version::V16).await;
}

#[actix_web::test]
async fn core_of_2_0_1() {
    play("core_2x.cases", Version::V201).await;
}

#[actix_web::test]
async fn core_of_2_1() {
    play("core_2x.cases", Version::V21).await;
}

#[actix_web::test]
async fn smart_charging_of_2_0_1() {
    play("charging_2x.cases", Version::V201).await;
}

#[actix_web::test]
async fn smart_charging_of_2_1() {
    play("charging_2x.cases", Version::V21).await;
}

#[actix_web::test]
async fn dynamic_profiles_priority_and_distributed_energy_of_2_1() {
    play("charging_21.cases", Version::V21).await;
}

#[actix_web::test]
async fn lists_firmware_reservations_certificates_and_diagnostics_of_2_0_1() {
    play("more_2x.cases", Version::V201).await;
}

#[actix_web::test]
async fn lists_firmware_reservations_certificates_and_diagnostics_of_2_1() {
    play("more_2x.cases", Version::V21).await;
}

#[test]
fn every_case_is_in_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ocpp-conformance.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let missing: Vec<String> = FILES
        .iter()
        .flat_map(|file| cases(file))
        .map(|case| format!("| {} | {} |", case.id, case.title))
        .filter(|line| !text.contains(line.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/ocpp-conformance.md:\n{}",
        missing.join("\n")
    );
}
