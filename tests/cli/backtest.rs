//! `evenload backtest` as a user meets it.

use std::fs;
use std::path::Path;

use crate::{evenload, folder, object, text};

/// Two cars at a site of 10 kW, with EVSEs of 10 kW each. Both come at eight and want 10 kWh; a
/// stays four hours, b two. Energy costs 0.10, then 0.20, then 0.05 per kWh.
const SESSIONS: &str = "evse,arrival,departure,energy_kwh\n\
    a,2019-10-02T08:00:00+02:00,2019-10-02T12:00:00+02:00,10\n\
    b,2019-10-02T08:00:00+02:00,2019-10-02T10:00:00+02:00,10\n";
const PRICES: &str = "start,price_per_kwh\n\
    2019-10-02T06:00:00Z,0.10\n\
    2019-10-02T07:00:00Z,0.20\n\
    2019-10-02T08:00:00Z,0.05\n\
    2019-10-02T09:00:00Z,0.05\n";

fn backtest(folder: &tempfile::TempDir, sessions: &str, more: &[&str]) -> std::process::Output {
    write(folder.path(), "sessions.csv", sessions);
    write(folder.path(), "prices.csv", PRICES);
    let arguments = [
        "backtest",
        "sessions.csv",
        "--prices",
        "prices.csv",
        "--limit-kw",
        "10",
        "--evse-kw",
        "10",
        "--json",
    ];
    evenload(folder)
        .args(arguments)
        .args(more)
        .output()
        .expect("runs")
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), content).expect("a file in a temporary folder");
}

#[test]
fn a_day_reckoned_by_hand_comes_out_as_reckoned() {
    let folder = folder();
    let output = backtest(&folder, SESSIONS, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = object(&output);
    assert_eq!(report["days"], 1);
    assert_eq!(report["sessions"], 2);
    let of = |method: &str, key: &str| {
        report["methods"][method][key]
            .as_f64()
            .unwrap_or_else(|| panic!("{method} {key}"))
    };
    let near = |method: &str, key: &str, expected: f64, within: f64| {
        let found = of(method, key);
        assert!(
            (found - expected).abs() <= within,
            "{method} {key}: {found}, not {expected}"
        );
    };
    // Both at 10 kW from eight to nine: 20 kWh x 0.10, and twice the limit.
    near("unmanaged", "cost", 2.0, 1e-3);
    near("unmanaged", "peak_kw", 20.0, 1e-3);
    near("unmanaged", "limit_violations", 1.0, 0.0);
    // a from eight to nine, then b: 10 x 0.10 + 10 x 0.20.
    near("first_come", "cost", 3.0, 5e-3);
    // 5 kW each for two hours costs the same.
    near("equal_share", "cost", 3.0, 5e-3);
    // b first, a after ten: 10 x 0.10 + 10 x 0.05.
    near("clairvoyant", "cost", 1.5, 1e-3);
    near("evenload", "worth", 1.5, 0.15);
    for method in [
        "unmanaged",
        "first_come",
        "equal_share",
        "evenload",
        "clairvoyant",
    ] {
        near(method, "kwh", 20.0, 0.1);
        near(method, "needed_kwh", 20.0, 1e-3);
    }
    for method in ["first_come", "equal_share", "evenload"] {
        near(method, "limit_violations", 0.0, 0.0);
        assert!(
            of(method, "worth") >= of("clairvoyant", "worth") - 1e-3,
            "{method}"
        );
        assert!(of(method, "profile_pushes") > 0.0, "{method}");
    }
    near("evenload", "ready_on_time", 2.0, 0.0);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_progress_goes_to_standard_error() {
    let folder = folder();
    for knowledge in ["perfect", "estimated", "none"] {
        let once = backtest(&folder, SESSIONS, &["--knowledge", knowledge]);
        let again = backtest(&folder, SESSIONS, &["--knowledge", knowledge]);
        assert_eq!(once.stdout, again.stdout, "{knowledge}");
        assert_eq!(object(&once)["knowledge"], knowledge);
        assert!(
            text(&once.stderr).contains("2 of 2 sessions played"),
            "{once:?}"
        );
    }
}

#[test]
fn a_faulty_file_ends_with_exit_3_and_says_where() {
    let folder = folder();
    let cases = [
        ("evse,arrival,departure\n", "column energy_kwh: is missing"),
        (
            "arrival,departure,energy_kwh\nx,y,z\n",
            "line 2, column arrival",
        ),
        (
            "arrival,departure,energy_kwh\n2019-10-02T08:00:00Z,2019-10-02T07:00:00Z,1\n",
            "line 2, column departure: is not after",
        ),
        (
            "arrival,departure,energy_kwh\n2020-10-02T08:00:00Z,2020-10-02T09:00:00Z,1\n",
            "line 2: the stay from",
        ),
        ("", "is missing in the header"),
    ];
    for (sessions, expected) in cases {
        let output = backtest(&folder, sessions, &[]);
        assert_eq!(output.status.code(), Some(3), "{sessions}: {output:?}");
        let told = text(&output.stderr);
        assert!(
            told.contains("sessions.csv") && told.contains(expected),
            "{sessions}: {told}"
        );
        assert_eq!(object(&output)["status"], "invalid");
    }
    let output = backtest(&folder, SESSIONS, &["--from", "2019-11-01"]);
    assert_eq!(output.status.code(), Some(3));
    let output = evenload(&folder)
        .args([
            "backtest",
            "nowhere.csv",
            "--prices",
            "prices.csv",
            "--limit-kw",
            "10",
        ])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("nowhere.csv: cannot be read"));
}
