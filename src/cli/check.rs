//! `evenload check`: is the configuration valid, and what is in effect?

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::config::{Config, ConfigError, Loaded, Secret};

use super::exit::Exit;
use super::output;

/// Arguments of `evenload check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration file; without it `evenload.toml` in this folder, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl CheckArgs {
    /// Checks it.
    pub fn run(&self) -> Exit {
        match Config::load_here(self.config.as_deref(), []) {
            Ok(loaded) if self.json => {
                output::object(&valid(&loaded));
                Exit::Done
            }
            Ok(loaded) => {
                output::line(&text(&loaded));
                Exit::Done
            }
            Err(error) => refuse(&error, self.json),
        }
    }
}

/// Reports an invalid configuration: a sentence a fault on standard error, and the same as an
/// object on standard output where JSON was asked for.
pub(super) fn refuse(error: &ConfigError, json: bool) -> Exit {
    output::complain(&error.to_string());
    if json {
        let faults = error.faults.iter().map(|fault| {
            json!({
                "key": fault.key,
                "origin": fault.origin.to_string(),
                "detail": fault.detail,
            })
        });
        output::object(&json!({ "valid": false, "errors": faults.collect::<Vec<_>>() }));
    }
    Exit::Invalid
}

fn valid(loaded: &Loaded) -> Value {
    let mut sections = Map::new();
    let mut origins = Map::new();
    for setting in &loaded.settings {
        let (section, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        let entry = sections.entry(section).or_insert_with(|| json!({}));
        entry[key] = setting.value.clone();
        origins.insert(setting.key.to_owned(), json!(setting.origin.to_string()));
    }
    let warnings = loaded
        .warnings
        .iter()
        .map(|warning| json!({ "key": warning.key, "detail": warning.detail }));
    json!({
        "valid": true,
        "file": loaded.file,
        "config": sections,
        "origins": origins,
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

fn text(loaded: &Loaded) -> String {
    let mut lines = vec![match &loaded.file {
        Some(path) => format!("# configuration file: {}", path.display()),
        None => "# no configuration file".to_owned(),
    }];
    let mut section_before = "";
    for setting in &loaded.settings {
        let (section, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if section != section_before {
            lines.push(format!("\n[{section}]"));
            section_before = section;
        }
        // What is printed can be used as a file: what is not set or not shown is a comment.
        lines.push(match &setting.value {
            Value::Null => format!("# {key} is not set"),
            Value::String(text) if text == Secret::REDACTED => {
                format!("# {key} is set, not shown: {}", setting.origin)
            }
            value => format!("{:40} # {}", format!("{key} = {value}"), setting.origin),
        });
    }
    lines.push("\n# valid".to_owned());
    for warning in &loaded.warnings {
        lines.push(format!("# warning: {} {}", warning.key, warning.detail));
    }
    lines.join("\n")
}
