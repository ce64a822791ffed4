//! Flags, help, version: what every command shares.

use crate::{evenload, folder, object, text};

#[test]
fn a_wrong_command_line_ends_with_exit_2() {
    let wrong: [&[&str]; 10] = [
        &[],
        &["fly"],
        &["plan"],
        &["plan", "x.json", "--bananas"],
        &["plan", "x.json", "--backend", "abacus"],
        &["plan", "x.json", "--time-limit-ms", "-1"],
        &["backtest", "s.csv", "--limit-kw", "60"],
        &["backtest", "s.csv", "--prices", "p.csv", "--limit-kw", "no"],
        &[
            "backtest",
            "s.csv",
            "--prices",
            "p.csv",
            "--limit-kw",
            "60",
            "--knowledge",
            "some",
        ],
        &[
            "backtest",
            "s.csv",
            "--prices",
            "p.csv",
            "--limit-kw",
            "60",
            "--policy",
            "hope=1",
        ],
    ];
    for arguments in wrong {
        let output = evenload(&folder()).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = evenload(&folder()).arg("--help").output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for word in [
        "plan",
        "backtest",
        "check",
        "health",
        "version",
        "6 at risk",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}

#[test]
fn version_is_one_line_or_one_object() {
    let output = evenload(&folder()).arg("version").output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with(concat!("evenload ", env!("CARGO_PKG_VERSION"))));
    let answer = object(
        &evenload(&folder())
            .args(["version", "--json"])
            .output()
            .expect("runs"),
    );
    assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        answer["ocpi_versions"],
        serde_json::json!(["2.2.1", "2.3.0"])
    );
    assert!(
        answer
            .as_object()
            .expect("an object")
            .contains_key("commit")
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_evenload"))
        .args(["check", "--json"])
        .current_dir(folder().path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    drop(child.stdout.take());
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(0));
}
