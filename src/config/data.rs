//! Where we keep what must survive.

use std::path::PathBuf;

use super::kind::{FilePath, Whole};
use super::reader::Reader;

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataConfig {
    /// The folder of the store and of our own keys; made if it is not there.
    /// Default: `./evenload-data`.
    pub dir: PathBuf,
    /// A key for secrets that is lost, or not the right one, is replaced by a new one; every
    /// partner must then be registered anew. Only by the flag `--new-secret-key`. Default: false.
    pub new_secret_key: bool,
    /// How often a snapshot of the store is made in the folder `snapshots` within `dir`, to go back
    /// to with `evenload restore`, in minutes; 0 = never. Default: 60.
    pub snapshot_every_minutes: u32,
    /// How many of these are kept. Default: 24, a day of hours.
    pub snapshots_kept: u32,
    /// Below this much free disk nothing is raised any more and only what sites need to stay under
    /// their limits is written, in MiB; below an eighth of it nothing is written. Default: 512.
    pub min_free_mib: u32,
    /// How many days of powers per minute are kept; 0 = history is in memory alone and a restart
    /// begins anew. Default: 35.
    pub history_days: u32,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("./evenload-data"),
            new_secret_key: false,
            snapshot_every_minutes: 60,
            snapshots_kept: 24,
            min_free_mib: 512,
            history_days: 35,
        }
    }
}

impl DataConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let dir = reader.get("data.dir", &FilePath, Self::default().dir);
        if dir.exists() && !dir.is_dir() {
            let detail = format!("is {:?}, which is not a folder", dir.display().to_string());
            reader.fault("data.dir", detail);
        }
        let default = Self::default();
        Self {
            dir,
            snapshot_every_minutes: reader.get(
                "data.snapshot_every_minutes",
                // A week at most.
                &Whole(0..=10_080),
                default.snapshot_every_minutes,
            ),
            snapshots_kept: reader.get(
                "data.snapshots_kept",
                &Whole(1..=1_000),
                default.snapshots_kept,
            ),
            min_free_mib: reader.get(
                "data.min_free_mib",
                // Up to a PiB: for tests, and for whoever wants to be told early.
                &Whole(0..=1_073_741_824),
                default.min_free_mib,
            ),
            // Ten years at most.
            history_days: reader.get("data.history_days", &Whole(0..=3_653), default.history_days),
            ..default
        }
    }
}
