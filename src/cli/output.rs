//! The only place that writes to standard output and standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// True when a person looks at standard output: tables are for them, JSON is for the rest.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes one line to standard output. A reader that has gone away (`| head`) is no error of ours.
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        complain(&format!("standard output cannot be written: {error}"));
    }
}

/// Writes one JSON object on a line of its own.
pub(super) fn object(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(error) => complain(&format!("the answer cannot be written as JSON: {error}")),
    }
}

/// Writes one line to standard error; if even that fails, nobody is left to tell.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "evenload: {text}");
}
