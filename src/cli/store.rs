//! `evenload store`: look into the store of a service that is stopped.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::data_folder::{self, DataFolder};
use super::exit::Exit;
use super::output;
use super::remote::{Column, table};
use crate::domain::audit::{AuditEnds, AuditEntry};
use crate::store::StoreError;
use crate::store::report::Report;
use crate::store::sled_store;

/// Arguments of `evenload store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read every record and say whether all that was acknowledged is there and sound
    Verify {
        #[command(flatten)]
        folder: DataFolder,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl StoreArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let Verb::Verify { folder, json } = &self.verb;
        let is_json = *json || !output::is_terminal();
        match folder.load(is_json) {
            Ok(config) => verify(&config.data.dir, is_json),
            Err(exit) => exit,
        }
    }
}

fn verify(dir: &Path, is_json: bool) -> Exit {
    let mut audit = Audit::default();
    let report = match sled_store::verify_with(dir, &mut |key, value| audit.take(key, value)) {
        Ok(report) => report,
        Err(error) => return data_folder::report(&error, dir, is_json),
    };
    let unsound = verdict(&report, dir).or_else(|| audit.verdict(dir));
    if is_json {
        let mut object = json!(report);
        object["ok"] = json!(unsound.is_none());
        object["audit"] = audit.view();
        object["data"] = json!(dir.display().to_string());
        if let Some(error) = &unsound {
            object["exit"] = json!(data_folder::exit(error).code());
            object["detail"] = json!(error.to_string());
            let next = data_folder::advice(error, dir);
            object["next"] = json!(next.as_deref().map(|it| it.lines().collect::<Vec<_>>()));
        }
        output::object(&object);
    } else {
        output::line(&shown(&report, dir));
        output::line(&audit.shown());
    }
    let Some(error) = unsound else {
        return Exit::Done;
    };
    output::complain(&error.to_string());
    if let Some(next) = data_folder::advice(&error, dir) {
        output::complain(&next);
    }
    data_folder::exit(&error)
}

/// The audit of the store: who changed what, as a chain.
#[derive(Default)]
struct Audit {
    entries: Vec<AuditEntry>,
    ends: Option<AuditEnds>,
    unreadable: u64,
}

impl Audit {
    fn take(&mut self, key: &str, value: &[u8]) {
        if key == "audit-ends" {
            self.ends = serde_json::from_slice(value).ok();
        } else if key.starts_with("audit/") {
            match serde_json::from_slice(value) {
                Ok(entry) => self.entries.push(entry),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    /// How many entries the chain holds, or why it does not hold.
    fn checked(&self) -> Result<u64, String> {
        if self.unreadable > 0 {
            return Err(format!(
                "{} entries of the audit are no entries",
                self.unreadable
            ));
        }
        match &self.ends {
            Some(ends) => ends
                .check(self.entries.iter())
                .map_err(|fault| fault.to_string()),
            None if self.entries.iter().all(|entry| entry.chain.is_empty()) => Ok(0),
            None => Err("the end of the audit is missing".to_owned()),
        }
    }

    fn verdict(&self, dir: &Path) -> Option<StoreError> {
        let detail = self.checked().err()?;
        Some(StoreError::Damaged {
            operation: "verify",
            place: dir.display().to_string().into(),
            detail,
        })
    }

    fn view(&self) -> Value {
        let checked = self.checked();
        json!({
            "intact": checked.is_ok(),
            "entries": self.entries.len(),
            "chained": checked.as_ref().ok(),
            "fault": checked.as_ref().err(),
            "chain": self.ends.as_ref().map(|ends| &ends.chain),
        })
    }

    fn shown(&self) -> String {
        match self.checked() {
            Ok(chained) => format!("audit: {chained} entries in an unbroken chain"),
            Err(fault) => format!("audit: NOT as it was written: {fault}"),
        }
    }
}

/// The error with which the service would refuse this store.
fn verdict(report: &Report, dir: &Path) -> Option<StoreError> {
    let place = dir.display().to_string().into();
    report.refuse_unsound("verify", &place).err()
}

fn shown(report: &Report, dir: &Path) -> String {
    let word = if report.is_sound() {
        "sound"
    } else {
        "NOT sound"
    };
    let end = if report.sealed {
        "closed cleanly"
    } else {
        "not closed cleanly (killed, or the power went): judged by its records alone"
    };
    let mut text = format!(
        "{}: {word}, {end}\n{} records in {} bytes; last commit {}, last acknowledged {}\n",
        dir.display(),
        report.records,
        report.value_bytes,
        report.head_seq,
        report.witnessed_seq,
    );
    let rows: Vec<_> = report.tables.iter().collect();
    if !rows.is_empty() {
        text.push_str(&table(&[
            Column::new("table", &rows, |(name, _)| (*name).clone()),
            Column::new("records", &rows, |(_, table)| table.records.to_string()),
            Column::new("bytes", &rows, |(_, table)| table.value_bytes.to_string()),
        ]));
    }
    for fault in &report.faults {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {} {}", fault.at, fault.what);
    }
    text
}
