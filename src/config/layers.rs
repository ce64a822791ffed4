//! The raw settings: file, environment and flags laid over each other, not yet read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::fault::{ConfigFault, Origin};
use super::files;

/// Largest configuration file: far above any real one (some kilobytes).
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Begins every environment variable of ours. Variables with a single underscore are left alone:
/// Kubernetes makes some of that form for a service named `evenload`.
const PREFIX: &str = "EVENLOAD__";
/// The one short name: partners' view of our address.
const PUBLIC_URL: (&str, &str) = ("PUBLIC_URL", "server.public_url");

/// A setting given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag as typed, e.g. `--listen`.
    pub name: &'static str,
    /// The setting it stands for, e.g. `server.listen`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// One raw value.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All raw values by key; where several set a key, the winner.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) values: BTreeMap<String, Raw>,
    pub(super) faults: Vec<ConfigFault>,
}

impl Layers {
    /// Lays the settings of a file on top.
    pub(super) fn add_file(&mut self, path: &Path) {
        let text = match files::read_bounded(path, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(detail) => return self.fault("", &Origin::File(path.into()), detail),
        };
        match text.parse::<Table>() {
            Ok(table) => self.add_table(path, table),
            // The parser's own rendering quotes the line, which may hold a secret.
            Err(error) => {
                let line = error.span().map_or(0, |span| line_of(&text, span.start));
                let detail = format!("is not valid TOML at line {line}: {}", error.message());
                self.fault("", &Origin::File(path.into()), detail);
            }
        }
    }

    fn add_table(&mut self, path: &Path, table: Table) {
        for (section, value) in table {
            let Value::Table(entries) = value else {
                let detail = "stands outside of a [section]".to_owned();
                self.fault(&section, &Origin::File(path.into()), detail);
                continue;
            };
            for (key, value) in entries {
                self.put(format!("{section}.{key}"), value, Origin::File(path.into()));
            }
        }
    }

    /// Lays the variables of an environment on top. An empty variable counts as not set.
    pub(super) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        // Sorted, so that the outcome does not depend on the order of the environment.
        let ours: BTreeMap<String, String> = variables
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        for (name, text) in ours {
            let origin = Origin::Environment(name.clone());
            let rest = &name[PREFIX.len()..];
            let key = match rest.split_once("__") {
                _ if rest == PUBLIC_URL.0 => PUBLIC_URL.1.to_owned(),
                Some((section, key)) => {
                    format!(
                        "{}.{}",
                        section.to_ascii_lowercase(),
                        key.to_ascii_lowercase()
                    )
                }
                None => rest.to_ascii_lowercase(),
            };
            let twin = self.values.get(&key).map(|raw| &raw.origin);
            if let Some(twin @ Origin::Environment(_)) = twin {
                let detail = format!("is set twice, also by {twin}");
                self.fault(&key, &origin, detail);
            } else {
                self.put(key, Value::String(text), origin);
            }
        }
    }

    /// Lays flags of the command line on top.
    pub(super) fn add_flags(&mut self, flags: impl IntoIterator<Item = Flag>) {
        for flag in flags {
            self.put(
                flag.key.to_owned(),
                Value::String(flag.value),
                Origin::Flag(flag.name),
            );
        }
    }

    fn put(&mut self, key: String, value: Value, origin: Origin) {
        self.values.insert(key, Raw { value, origin });
    }

    pub(super) fn fault(&mut self, key: &str, origin: &Origin, detail: String) {
        self.faults.push(ConfigFault {
            key: key.to_owned(),
            origin: origin.clone(),
            detail,
        });
    }
}

/// The configuration file that is read where none is named: `evenload.toml` in the working
/// directory, if it is there.
pub(super) fn default_file() -> Option<PathBuf> {
    let path = PathBuf::from("evenload.toml");
    path.exists().then_some(path)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
