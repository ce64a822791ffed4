//! Reads a problem file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use evenload_solver::{Fault, Problem, parse_problem};

/// Largest problem file: the largest problem the solver takes, with room for spaces.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// True for the path that stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a problem; `Err` has every fault of it.
pub(super) fn read(path: &Path) -> Result<Problem, Vec<Fault>> {
    let text = if is_stdin(path) {
        text(std::io::stdin().lock())
    } else {
        File::open(path).and_then(text)
    };
    let text = text.map_err(|error| whole(format!("cannot be read: {error}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(whole(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    // Windows' editors put this mark before the text; JSON does not know it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse_problem(text)
}

fn text(source: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    source.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A fault of the file as a whole.
fn whole(detail: String) -> Vec<Fault> {
    vec![Fault {
        pointer: String::new(),
        detail,
    }]
}
