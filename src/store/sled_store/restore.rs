//! From a backup to a store. The new store is built and verified beside the one it replaces, inside
//! the same folder (which may be a mount of its own), then takes its place: from the moment its
//! marker is on disk it is finished by whoever opens the folder next, however often it is broken off.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::archive::ArchiveReader;
use crate::store::batch::{Record, Seq};
use crate::store::error::StoreError;
use crate::store::ledger::Ledger;

use super::files::{self, Folder};
use super::medium::SledMedium;
use super::{SledOptions, SledStore, enter, seal, verify};

/// The record that says that this store was restored and not yet opened by the service: what it
/// believes of chargers may be older than what they were told since.
pub const RESTORED: &str = "restored/pending";

/// What a replaced store's folder begins with.
const KEPT: &str = "replaced-";
/// What makes up a store.
const PARTS: [&str; 3] = ["sealed", "head", "sled"];

/// A store that was made from a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Number of records.
    pub records: u64,
    /// The last commit that the backup holds.
    pub head: Seq,
    /// Where the store that was there before is kept.
    pub kept: Option<PathBuf>,
}

/// Makes the store in `dir` from a backup: built, read back and verified before it takes its place.
/// A store that is there already is kept in a folder inside named after `label`, and only if `replace`;
/// without it is refused.
pub fn restore(
    file: &Path,
    dir: &Path,
    replace: bool,
    label: &str,
) -> Result<Restored, StoreError> {
    let mut archive = ArchiveReader::open(file)?;
    let folder = Folder::create(dir)?;
    let _lock = folder.lock()?;
    finish(&folder)?;
    let was_there = folder.holds_store();
    if was_there && !replace {
        return Err(StoreError::Archive {
            operation: "restore",
            path: dir.display().to_string(),
            detail: "there is a store already; --replace puts the backup in its place and keeps \
                     the present one beside it"
                .to_owned(),
        });
    }
    let building = folder.building();
    files::remove_tree(&building)?;
    let head = archive.head();
    let records = build(&building, &mut archive)?;
    let report = verify(&building)?;
    report.refuse_unsound("restore", &files::place(&building))?;
    let name = unused_name(&folder, label);
    let marker = files::replace_file(&folder.swap_marker(), |file| {
        file.write_all(name.as_bytes())
    });
    folder.io("restore", marker)?;
    finish(&folder)?;
    let kept = dir.join(name);
    Ok(Restored {
        records,
        head,
        kept: kept.exists().then_some(kept),
    })
}

/// A new store of the records of a backup, closed.
fn build(dir: &Path, archive: &mut ArchiveReader) -> Result<u64, StoreError> {
    let options = SledOptions {
        min_free_bytes: 0,
        ..SledOptions::default()
    };
    let entered = enter(dir)?;
    let medium = SledMedium::open(&entered.folder, &options)?;
    let ledger = Ledger::open(medium, Seq(0))?;
    let mut records = 0;
    while let Some(mut page) = archive.next_page()? {
        // One that was in the backup is written anew below.
        page.retain(|record| record.key != RESTORED);
        records += page.len() as u64;
        ledger.import(page)?;
    }
    let head = archive.head();
    let notice = Record {
        key: RESTORED.to_owned(),
        value: format!("{{\"backup_head\":{head}}}").into_bytes(),
        version: head.next(),
    };
    ledger.import(vec![notice])?;
    ledger.seal_import(head.next())?;
    drop(SledStore::start(ledger, entered, options)?);
    Ok(records)
}

/// A folder for the replaced store that is not there yet.
fn unused_name(folder: &Folder, label: &str) -> String {
    let plain: String = label
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    let mut name = format!("{KEPT}{plain}");
    let mut more = 1;
    while folder.dir().join(&name).exists() {
        more += 1;
        name = format!("{KEPT}{plain}-{more}");
    }
    name
}

/// Ends a restore whose store is whole: moves what is here away, then what was built here. Each
/// step is passed over if it was done before.
pub(super) fn finish(folder: &Folder) -> Result<(), StoreError> {
    let marker = folder.swap_marker();
    let name = match fs::read_to_string(&marker) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return folder.io("restore", Err(error)),
    };
    let is_ours = name
        .strip_prefix(KEPT)
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    if !is_ours {
        let detail = "the file `restore-swap` does not say where the replaced store goes";
        return Err(StoreError::damaged("restore", folder.place(), detail));
    }
    folder.io("restore", swap(folder, &folder.dir().join(name)))?;
    if let seal::SealCheck::Absent = seal::check(folder)? {
        let detail = "the restored store has lost its seal";
        return Err(StoreError::damaged("restore", folder.place(), detail));
    }
    folder.io("restore", fs::remove_file(marker))?;
    folder.sync("restore")?;
    files::remove_tree(&folder.building())
}

fn swap(folder: &Folder, kept: &Path) -> io::Result<()> {
    for part in PARTS {
        let (here, new) = (folder.dir().join(part), folder.building().join(part));
        if !new.exists() {
            continue;
        }
        if here.exists() {
            files::create_private_dir(kept)?;
            fs::rename(&here, kept.join(part))?;
            files::sync_dir(kept)?;
        }
        fs::rename(&new, &here)?;
        files::sync_dir(folder.dir())?;
    }
    Ok(())
}
