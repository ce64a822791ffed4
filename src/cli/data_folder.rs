//! The data folder as the command line works on it: where it is, what went wrong there, what to do
//! next.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::check::refuse;
use super::exit::Exit;
use super::output;
use crate::config::{Config, Flag};
use crate::store::StoreError;

/// Which data folder.
#[derive(Debug, Args)]
pub(super) struct DataFolder {
    /// The data folder [default: as configured, else ./evenload-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The configuration file of the service, for its data folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFolder {
    /// The configuration with this folder in it.
    pub(super) fn load(&self, is_json: bool) -> Result<Config, Exit> {
        let flag = self.data.clone().map(|value| Flag {
            name: "--data",
            key: "data.dir",
            value,
        });
        Config::load_here(self.config.as_deref(), flag)
            .map(|loaded| loaded.config)
            .map_err(|error| refuse(&error, is_json))
    }
}

/// How a command ends whose store said this.
pub(super) fn exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Damaged { .. } | StoreError::Behind { .. } => Exit::CheckFailed,
        StoreError::Busy { .. } => Exit::Unreachable,
        StoreError::Locked { .. }
        | StoreError::Newer { .. }
        | StoreError::Missing { .. }
        | StoreError::Archive { .. }
        | StoreError::Full { .. }
        | StoreError::ReadOnly { .. } => Exit::Invalid,
        _ => Exit::Internal,
    }
}

/// What to do next, word for word, about a store in `dir`.
pub(super) fn advice(error: &StoreError, dir: &Path) -> Option<String> {
    let at = shell(dir);
    match error {
        StoreError::Damaged { .. } | StoreError::Behind { .. } => Some(damage_advice(dir)),
        StoreError::Missing { .. } => {
            Some("say which data folder is meant: --data DIR, or --config FILE".to_owned())
        }
        StoreError::Locked { .. } => Some(format!(
            "stop the service that has {at} open; a backup of a running one is taken through its \
             API: `evenload backup FILE --url URL`"
        )),
        StoreError::Full { .. } => Some(format!(
            "make room on the disk of {at}: 512 MiB must be free"
        )),
        StoreError::ReadOnly { .. } => Some(format!(
            "{at} and what is in it must be writable by the user that runs evenload, on a disk that \
             takes writes"
        )),
        _ => None,
    }
}

fn damage_advice(dir: &Path) -> String {
    let at = shell(dir);
    let (from, which) = match newest_snapshot(dir) {
        Some(path) => (shell(&path), "the newest snapshot"),
        None => ("FILE".to_owned(), "your newest backup"),
    };
    format!(
        "see the extent: `evenload store verify --data {at}`\n\
         go back to {which}: `evenload restore {from} --replace --data {at}` (the damaged store is \
         kept beside it)"
    )
}

/// The newest snapshot that the service made by itself.
fn newest_snapshot(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir.join("snapshots")).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .max()
}

/// A path as it can be pasted into a shell.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Says why a command failed and what to do next.
pub(super) fn report(error: &StoreError, dir: &Path, is_json: bool) -> Exit {
    let exit = exit(error);
    let next = advice(error, dir);
    output::complain(&error.to_string());
    if let Some(next) = &next {
        output::complain(next);
    }
    if is_json {
        output::object(&json!({
            "ok": false,
            "exit": exit.code(),
            "data": dir.display().to_string(),
            "detail": error.to_string(),
            "next": next.as_deref().map_or(Value::Null, |next| json!(next.lines().collect::<Vec<_>>())),
        }));
    }
    exit
}
