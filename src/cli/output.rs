//! The only place that writes to standard output and standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// True when a person looks at standard output: tables are for them, JSON is for the rest.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes one line to standard output. A reader that has gone away (`| head`) is no error of ours.
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", printable(text)).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        complain(&format!("standard output cannot be written: {error}"));
    }
}

/// Writes a question without ending its line.
pub(super) fn prompt(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody who reads means nobody who answers: the answer will say so.
    let _ = write!(out, "{}", printable(text)).and_then(|()| out.flush());
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
    let _ = writeln!(io::stderr().lock(), "evenload: {}", printable(text));
}

/// Writes one line about how far something is to standard error.
pub(super) fn progress(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

/// Names come from files and peers: none of them may steer the terminal they are shown on.
fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n';
    if text.contains(steers) {
        text.replace(steers, "\u{fffd}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\nc");
        assert_eq!(printable("plain ▁█"), "plain ▁█");
    }
}
