//! `evenload restore`: the store as a backup or a snapshot has it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::data_folder::{self, DataFolder};
use super::exit::Exit;
use super::output;
use crate::domain::ports::Clock as _;
use crate::service::clock::SystemClock;
use crate::store::sled_store::{self, Restored};

/// Arguments of `evenload restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup, or a snapshot in the folder `snapshots` of the data folder
    file: PathBuf,
    /// Replace the store that is there; it is kept beside the new one
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    folder: DataFolder,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl RestoreArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let is_json = self.json || !output::is_terminal();
        let config = match self.folder.load(is_json) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let dir = &config.data.dir;
        let label = SystemClock.now().format("%Y%m%dT%H%M%SZ").to_string();
        match sled_store::restore(&self.file, dir, self.replace, &label) {
            Ok(restored) => {
                self.report(&restored, dir, is_json);
                Exit::Done
            }
            Err(error) => data_folder::report(&error, dir, is_json),
        }
    }

    fn report(&self, restored: &Restored, dir: &Path, is_json: bool) {
        let kept = restored
            .kept
            .as_ref()
            .map(|path| path.display().to_string());
        let has_key = dir.join("secret.key").exists();
        if is_json {
            output::object(&json!({
                "ok": true,
                "file": self.file.display().to_string(),
                "data": dir.display().to_string(),
                "records": restored.records,
                "commit": restored.head.0,
                "kept": kept,
                "has_secret_key": has_key,
            }));
            return;
        }
        output::line(&format!(
            "{}: {} records, up to commit {}",
            dir.display(),
            restored.records,
            restored.head
        ));
        if let Some(kept) = kept {
            output::line(&format!(
                "the store that was there is in {kept}; remove it when it is not needed any more"
            ));
        }
        if !has_key {
            output::line(&format!(
                "there is no secret.key in {}: put yours there before the start; without it start \
                 with --new-secret-key and register every partner anew",
                dir.display()
            ));
        }
        output::line(
            "at the next start no profile counts as confirmed until it was sent or read again",
        );
    }
}
