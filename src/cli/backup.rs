//! `evenload backup`: everything that is kept, in one file. Of a stopped service it is read from the
//! data folder; a running one has that folder to itself and is asked through its API.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::data_folder::{self, DataFolder};
use super::exit::Exit;
use super::output;
use super::remote::Remote;
use crate::config::{Config, ServerConfig};
use crate::store::archive;
use crate::store::sled_store;
use crate::store::{Backup, StoreError};

/// Arguments of `evenload backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it appears when it is whole, and is readable by its owner alone
    file: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    folder: DataFolder,
    #[command(flatten)]
    remote: Remote,
}

impl BackupArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let is_json = self.remote.is_json();
        if self.file.exists() && !self.overwrite {
            let detail = format!(
                "{} exists already: choose another name, or --overwrite",
                self.file.display()
            );
            return refuse(&detail, is_json);
        }
        if self.remote.names_a_service() {
            return self.of_running(None);
        }
        let config = match self.folder.load(is_json) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let dir = &config.data.dir;
        match sled_store::backup(dir, &self.file) {
            Ok(backup) => self.done(backup, &dir.display().to_string()),
            Err(StoreError::Locked { .. }) => self.of_running(Some(&config)),
            Err(error) => data_folder::report(&error, dir, is_json),
        }
    }

    /// Through the API; `config` says where it listens if nobody else does.
    fn of_running(&self, config: Option<&Config>) -> Exit {
        let url = config.and_then(address_of);
        match self.download(url) {
            Ok((backup, url)) => self.done(backup, &url),
            Err(Failed::Call(error)) => {
                if config.is_some() {
                    output::complain(
                        "the service is running and has its data folder to itself: the backup is \
                         taken through its API, with a token that has the scope admin",
                    );
                }
                self.remote.report(&error)
            }
            Err(Failed::File(error)) => {
                let detail = format!("{}: {error}", self.file.display());
                refuse(&detail, self.remote.is_json())
            }
            Err(Failed::NotWhole(error)) => {
                output::complain(&format!("what came is not a whole backup: {error}"));
                Exit::Unreachable
            }
        }
    }

    fn download(&self, url: Option<url::Url>) -> Result<(Backup, String), Failed> {
        let mut beside = self.file.clone().into_os_string();
        beside.push(".writing");
        let beside = PathBuf::from(beside);
        let got = self.download_to(url, &beside);
        if got.is_err() {
            // What was begun is of no use to anybody.
            let _ = fs::remove_file(&beside);
        }
        got
    }

    fn download_to(
        &self,
        url: Option<url::Url>,
        beside: &Path,
    ) -> Result<(Backup, String), Failed> {
        let mut file = private_file(beside).map_err(Failed::File)?;
        let url = self
            .remote
            .download(url, "/backup", &mut file)
            .map_err(Failed::Call)?;
        file.flush()
            .and_then(|()| file.sync_all())
            .map_err(Failed::File)?;
        let backup = archive::check(beside).map_err(Failed::NotWhole)?;
        fs::rename(beside, &self.file).map_err(Failed::File)?;
        Ok((backup, url))
    }

    fn done(&self, backup: Backup, of: &str) -> Exit {
        let file = self.file.display().to_string();
        if self.remote.is_json() {
            output::object(&json!({
                "ok": true,
                "file": file,
                "of": of,
                "records": backup.records,
                "commit": backup.head.0,
            }));
        } else {
            output::line(&format!(
                "{file}: {} records of {of}, up to commit {}\n\
                 It does not hold secret.key, without which no partner's token in it can be read: \
                 keep a copy of that file apart from it.",
                backup.records, backup.head
            ));
        }
        Exit::Done
    }
}

fn refuse(detail: &str, is_json: bool) -> Exit {
    output::complain(detail);
    if is_json {
        output::object(&json!({
            "ok": false, "exit": Exit::Invalid.code(), "detail": detail,
        }));
    }
    Exit::Invalid
}

/// Why there is no backup of the running service.
enum Failed {
    Call(super::remote::CallError),
    File(io::Error),
    NotWhole(StoreError),
}

/// Where a service with this configuration answers on this machine.
fn address_of(config: &Config) -> Option<url::Url> {
    let server = &config.server;
    let text = if config.tls.is_some() {
        server.base_url(server.listen, true)
    } else {
        ServerConfig::local_url(server.listen, false)
    };
    url::Url::parse(&text).ok()
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
