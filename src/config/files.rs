//! Files the configuration points to: read with a bound, and refused where others could read a
//! secret.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

/// Longest secret file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Reads a text file of at most so many bytes; `Err` says what is wrong.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(bytes_max + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > bytes_max {
        return Err(format!("is larger than {bytes_max} bytes"));
    }
    Ok(text)
}

/// Reads a secret from a file that not everybody may read; white space at its end is dropped.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    must_be_private(path)?;
    let text = read_bounded(path, SECRET_BYTES_MAX)?;
    Ok(text.trim_end().to_owned())
}

/// `Err` when everybody on the machine may read the file.
pub(super) fn must_be_private(path: &Path) -> Result<(), String> {
    let found = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !found.is_file() {
        return Err("is not a file".to_owned());
    }
    if open_to_all(&found) {
        let advice = format!("chmod 600 {}", path.display());
        return Err(format!(
            "may be read by everybody on this machine; {advice}"
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn open_to_all(found: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn open_to_all(_: &Metadata) -> bool {
    false
}

/// Reads the first line of standard input; `Err` says what is wrong.
pub(super) fn read_stdin_line() -> Result<String, String> {
    use std::io::BufRead;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .take(SECRET_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| format!("cannot be read: {error}"))?;
    Ok(line.trim_end().to_owned())
}
