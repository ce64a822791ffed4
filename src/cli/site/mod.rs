//! `evenload site`: list, show, set, mode, import.

mod render;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Exit;
use super::remote::{Ask, CallError, Remote, part, read_json_file};

/// Arguments of `evenload site`.
#[derive(Debug, Args)]
pub struct SiteArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All sites
    List,
    /// One site: limits, EVSEs, fallbacks
    Show {
        /// Its name
        name: String,
    },
    /// Set its limit, or its whole description from a JSON file
    Set {
        /// Its name
        name: String,
        /// Highest import at the grid connection, like 250kW
        #[arg(long, value_name = "POWER", required_unless_present = "file")]
        limit: Option<String>,
        /// The whole description, as `show --json` gives it
        #[arg(long, value_name = "FILE", conflicts_with = "limit")]
        file: Option<PathBuf>,
    },
    /// What evenload may do there: observe, shadow, canary, live
    Mode {
        /// Its name
        name: String,
        /// The mode
        #[arg(value_parser = ["observe", "shadow", "canary", "live"])]
        mode: String,
        /// Only to these EVSEs, which makes `live` a canary
        #[arg(long, value_name = "EVSE")]
        only_evse: Vec<String>,
    },
    /// Take over the EVSEs of a partner's locations, with our guess of their powers
    Import {
        /// The site's name; it is made if it is not there
        name: String,
        /// Whose locations
        #[arg(long)]
        partner: String,
        /// One location only
        #[arg(long, value_name = "ID")]
        location: Option<String>,
        /// Highest import at the grid connection, like 250kW
        #[arg(long, value_name = "POWER")]
        limit: Option<String>,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Give it up; refused while a profile of ours may be installed there (mode `shadow` clears them)
    Remove {
        /// Its name
        name: String,
    },
}

impl SiteArgs {
    /// Does it.
    pub fn run(&self) -> Exit {
        let remote = &self.remote;
        match &self.verb {
            Verb::List => remote.run(Ask::get("/sites"), render::list),
            Verb::Show { name } => remote.run(Ask::get(&path(name, "")), render::site),
            Verb::Remove { name } => remote.remove(&path(name, ""), name),
            Verb::Set { name, limit, file } => {
                match self.described(name, limit.as_deref(), file.as_deref()) {
                    Ok(body) => {
                        let path = path(name, "");
                        remote.run(Ask::with(Method::PUT, &path, body), render::site)
                    }
                    Err(error) => remote.report(&error),
                }
            }
            Verb::Mode {
                name,
                mode,
                only_evse,
            } => {
                let body = match (mode.as_str(), only_evse.is_empty()) {
                    ("live" | "canary", false) => json!({"mode": "canary", "evses": only_evse}),
                    _ => json!({ "mode": mode }),
                };
                let path = path(name, "/mode");
                remote.run(Ask::with(Method::PUT, &path, body), render::mode)
            }
            Verb::Import {
                name,
                partner,
                location,
                limit,
                dry_run,
            } => {
                let mut body = json!({ "partner": partner, "dry_run": dry_run });
                if let Some(location) = location {
                    body["location_id"] = json!(location);
                }
                match limit.as_deref().map(kilowatts).transpose() {
                    Ok(Some(limit)) => body["import_limit_kw"] = json!(limit),
                    Ok(None) => {}
                    Err(error) => return remote.report(&error),
                }
                let path = path(name, "/import");
                remote.run(Ask::with(Method::POST, &path, body), render::import)
            }
        }
    }

    /// The description to put: that of a file, or the present one with another limit.
    fn described(
        &self,
        name: &str,
        limit: Option<&str>,
        file: Option<&Path>,
    ) -> Result<Value, CallError> {
        if let Some(path) = file {
            return read_json_file(path);
        }
        let limit = kilowatts(limit.unwrap_or_default())?;
        let mut site = self.remote.call(Ask::get(&path(name, "")))?;
        let circuits = site["circuits"].as_array_mut();
        let root = circuits
            .into_iter()
            .flatten()
            .find(|circuit| circuit["parent"].is_null());
        if let Some(root) = root {
            root["import_limit_kw"] = json!(limit);
        }
        Ok(site)
    }
}

/// `250kW`, `250 kW`, `0.25MW`, `250000W`; a bare number is refused, since nobody knows its unit.
fn kilowatts(text: &str) -> Result<f64, CallError> {
    let lower = text.trim().to_ascii_lowercase();
    let units = [("kw", 1.0), ("mw", 1000.0), ("w", 0.001)];
    units
        .iter()
        .find_map(|(unit, factor)| {
            let number: f64 = lower.strip_suffix(unit)?.trim().parse().ok()?;
            Some(number * factor)
        })
        .filter(|kw| kw.is_finite() && *kw >= 0.0)
        .ok_or_else(|| {
            CallError::Setup(format!(
                "{text:?} is no power; a number with its unit is needed, like 250kW"
            ))
        })
}

fn path(name: &str, rest: &str) -> String {
    format!("/sites/{}{rest}", part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_needs_its_unit() {
        let close = |text: &str, kw: f64| (kilowatts(text).unwrap() - kw).abs() < 1e-9;
        assert!(close("250kW", 250.0) && close("0.25 MW", 250.0) && close("4200W", 4.2));
        for text in ["250", "", "kW", "-1kW", "NaNkW", "1e400kW"] {
            assert!(kilowatts(text).is_err(), "{text}");
        }
    }
}
