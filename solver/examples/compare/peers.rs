//! The others: solved by one Python script on the same files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a peer made of a problem.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) ms: f64,
    /// Without building.
    pub(crate) solve_ms: f64,
    pub(crate) cost: f64,
    pub(crate) unmet: f64,
    /// How far it may be from the best by its own account.
    pub(crate) gap: f64,
}

/// Answers of one peer to the files, or why there are none.
pub(crate) fn ask(
    python: &str,
    peer: &str,
    seconds: u32,
    files: &[PathBuf],
) -> Vec<Result<Answer, String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compare/peers.py");
    let run = Command::new(python)
        .arg(script)
        .arg(peer)
        .arg(seconds.to_string())
        .args(files)
        .env("OMP_NUM_THREADS", "1")
        .stderr(Stdio::inherit())
        .output();
    let text = match run {
        Ok(run) => String::from_utf8_lossy(&run.stdout).into_owned(),
        Err(error) => return vec![Err(format!("{python} does not run: {error}")); files.len()],
    };
    let mut answers: Vec<_> = text.lines().map(read).collect();
    let filler = answers
        .last()
        .and_then(|last| last.clone().err())
        .unwrap_or_else(|| "no answer".to_owned());
    answers.resize(files.len(), Err(filler));
    answers
}

fn read(line: &str) -> Result<Answer, String> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if let Some(why) = value["missing"].as_str() {
        return Err(why.to_owned());
    }
    let number = |key: &str| value[key].as_f64().unwrap_or_default();
    Ok(Answer {
        ms: number("ms"),
        solve_ms: number("solve_ms"),
        cost: number("cost"),
        unmet: number("unmet"),
        gap: number("gap"),
    })
}
