//! Where we keep what must survive.

use std::path::PathBuf;

use super::kind::FilePath;
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
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("./evenload-data"),
            new_secret_key: false,
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
        Self {
            dir,
            new_secret_key: false,
        }
    }
}
