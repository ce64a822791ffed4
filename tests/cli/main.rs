//! The command line as a user meets it: the built binary, its exit codes and its output.

mod backtest;
mod bad_problems;
#[cfg(unix)]
mod configuration;
mod health;
mod operating;
mod plan;
mod problem_schema;
#[cfg(unix)]
mod secrets;
#[path = "../common/served.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod served;
mod setting_up;
mod store;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// The binary, in an empty folder and without any setting of ours in its environment.
fn evenload(folder: &TempDir) -> Command {
    let mut command = Command::cargo_bin("evenload").expect("the binary is built with the tests");
    command.current_dir(folder.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EVENLOAD")) {
        command.env_remove(name);
    }
    command
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

/// Each line of standard output as JSON.
fn objects(output: &Output) -> Vec<Value> {
    let lines = text(&output.stdout).lines();
    let parse = |line| serde_json::from_str(line).expect("each line is one JSON value");
    lines.map(parse).collect()
}

/// The one JSON object on standard output.
fn object(output: &Output) -> Value {
    let mut objects = objects(output);
    assert_eq!(objects.len(), 1, "exactly one object: {output:?}");
    objects.remove(0)
}
