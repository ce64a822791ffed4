//! What is wrong with a problem, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most faults one reading reports; a file with more is cut off here, the last fault says so.
pub(crate) const FAULTS_MAX: usize = 500;

/// One thing wrong with a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the problem; empty = the whole document.
    pub pointer: String,
    /// What was found and what is allowed.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "(document)"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {}", self.detail)
    }
}

/// Collects faults in the order found, at most [`FAULTS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    cut: bool,
}

impl Faults {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.list.len() >= FAULTS_MAX {
            self.cut = true;
            return;
        }
        self.list.push(Fault {
            pointer: pointer.into(),
            detail: detail.into(),
        });
    }

    /// True when a fault is recorded at `pointer`, above it or below it.
    pub(crate) fn touches(&self, pointer: &str) -> bool {
        self.list
            .iter()
            .any(|fault| is_prefix(&fault.pointer, pointer) || is_prefix(pointer, &fault.pointer))
    }

    /// True when no fault was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes over the faults of `later` that are not consequences of one recorded here.
    pub(crate) fn merge(&mut self, later: Vec<Fault>) {
        let fresh: Vec<Fault> = later
            .into_iter()
            .filter(|fault| !self.touches(&fault.pointer))
            .collect();
        for fault in fresh {
            self.add(fault.pointer, fault.detail);
        }
    }

    pub(crate) fn into_vec(mut self) -> Vec<Fault> {
        if self.cut {
            self.list.push(Fault {
                pointer: String::new(),
                detail: format!("more than {FAULTS_MAX} faults; the rest is not listed"),
            });
        }
        self.list
    }
}

fn is_prefix(above: &str, below: &str) -> bool {
    !above.is_empty()
        && below
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Appends one key to a pointer, escaped as RFC 6901 asks.
pub(crate) fn child(pointer: &str, key: impl fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_slash_is_escaped() {
        assert_eq!(child("/previous", "a/b~c"), "/previous/a~1b~0c");
    }

    #[test]
    fn a_consequence_of_a_known_fault_is_not_reported_again() {
        let mut faults = Faults::default();
        faults.add("/sessions/1/min_kw", "is a string");
        faults.merge(vec![
            Fault {
                pointer: "/sessions/1/min_kw".into(),
                detail: "above max_kw".into(),
            },
            Fault {
                pointer: "/sessions/10".into(),
                detail: "other".into(),
            },
        ]);
        assert_eq!(faults.into_vec().len(), 2);
    }
}
