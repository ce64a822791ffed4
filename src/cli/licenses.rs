//! `evenload licenses`: what this binary is made of, and under which terms.
//!
//! The list of crates is `Cargo.lock` as it was at the build. It names everything that a build may
//! use, those for tests and for other systems too.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output;
use crate::service;

const LOCK: &str = include_str!("../../Cargo.lock");
const OWN: &str = include_str!("../../LICENSE");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Arguments of `evenload licenses`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct LicensesArgs {
    /// A `CycloneDX` document for programs: the software bill of materials
    #[arg(long)]
    sbom: bool,
    /// Print one JSON object: the same as `--sbom`
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Absent for the crates of this repository.
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// JavaScript that is part of the dashboard, with its licence; the notice tells the version.
const VENDORED: [(&str, &str); 4] = [
    ("preact", "MIT"),
    ("@preact/signals", "MIT"),
    ("htm", "Apache-2.0"),
    ("uplot", "MIT"),
];

impl LicensesArgs {
    /// Prints them.
    pub fn run(&self) -> Exit {
        let lock: Lock = match toml::from_str(LOCK) {
            Ok(lock) => lock,
            Err(error) => {
                output::complain(&format!("the list of crates cannot be read: {error}"));
                return Exit::Internal;
            }
        };
        if self.sbom || self.json {
            output::object(&sbom(&lock));
        } else {
            output::line(OWN.trim_end());
            output::line("\n== Libraries in the dashboard\n");
            output::line(service::notice().trim_end());
            output::line("\n== Rust crates, from crates.io; their licences are in their sources\n");
            for package in lock.package.iter().filter(|p| p.source.is_some()) {
                output::line(&format!("{} {}", package.name, package.version));
            }
        }
        Exit::Done
    }
}

/// Source: `CycloneDX` 1.5, the members that tools for known vulnerabilities read.
fn sbom(lock: &Lock) -> Value {
    let crates = lock
        .package
        .iter()
        .filter(|package| package.source.is_some());
    let rust = crates.map(|package| {
        json!({
            "type": "library",
            "bom-ref": reference(&package.name, &package.version),
            "name": package.name,
            "version": package.version,
            "purl": reference(&package.name, &package.version),
            "hashes": package.checksum.iter()
                .map(|sum| json!({"alg": "SHA-256", "content": sum})).collect::<Vec<_>>(),
        })
    });
    let pages = VENDORED.iter().filter_map(|(name, licence)| {
        let version = version_in_notice(service::notice(), name)?;
        let purl = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
        Some(json!({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "licenses": [{"license": {"id": licence}}],
        }))
    });
    let graph = lock.package.iter().map(|package| {
        let needs = package.dependencies.iter();
        json!({
            "ref": reference(&package.name, &package.version),
            "dependsOn": needs.filter_map(|need| resolve(lock, need)).collect::<Vec<_>>(),
        })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": reference("evenload", VERSION),
            "name": "evenload", "version": VERSION,
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
        }},
        "components": rust.chain(pages).collect::<Vec<_>>(),
        "dependencies": graph.collect::<Vec<_>>(),
    })
}

fn reference(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

/// A dependency as `Cargo.lock` writes it: the name, and the version where there are several.
fn resolve(lock: &Lock, need: &str) -> Option<String> {
    let mut words = need.split(' ');
    let (name, version) = (words.next()?, words.next());
    let package = lock
        .package
        .iter()
        .find(|p| p.name == name && version.is_none_or(|version| p.version == version))?;
    Some(reference(&package.name, &package.version))
}

/// The notice begins each library with a line of its name and version.
fn version_in_notice<'a>(notice: &'a str, name: &str) -> Option<&'a str> {
    notice
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_of_materials_names_every_crate_once_and_what_it_needs() {
        let lock: Lock = toml::from_str(LOCK).expect("the lock file");
        let bill = sbom(&lock);
        let components = bill["components"].as_array().expect("a list");
        assert!(components.len() > 100, "{}", components.len());
        let mut names: Vec<_> = components.iter().map(|c| c["bom-ref"].as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "twice");
        let own = bill["dependencies"].as_array().expect("a list");
        let own = own
            .iter()
            .find(|entry| entry["ref"] == reference("evenload", VERSION));
        let needs = own.expect("this crate")["dependsOn"].to_string();
        assert!(needs.contains("pkg:cargo/actix-web@4"), "{needs}");
    }

    #[test]
    fn every_vendored_library_is_in_the_notice_with_its_version() {
        for (name, _) in VENDORED {
            let version = version_in_notice(service::notice(), name);
            assert!(version.is_some_and(|v| v.contains('.')), "{name}");
        }
    }
}
