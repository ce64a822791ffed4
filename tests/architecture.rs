//! Who imports whom, as a test: the table of docs/ARCHITECTURE.md held against the code.
//!
//! Every `crate::<module>` path in `src/` must be allowed by the table; test modules too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module and what it may import: modules of this crate, then the crates of this workspace.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &[]),
    ("config", &["domain"], &[]),
    ("state", &["domain"], &[]),
    ("planner", &["domain", "state"], &["evenload_solver"]),
    ("dispatch", &["domain", "state"], &[]),
    ("ocpi", &["config", "domain"], &["ocpi_client"]),
    ("ocpp", &["config", "domain"], &[]),
    ("signals", &["config", "domain"], &[]),
    ("store", &["config", "domain"], &[]),
    (
        "api",
        &["config", "dispatch", "domain", "planner", "state"],
        &[],
    ),
    (
        "service",
        &[
            "api", "config", "dispatch", "domain", "ocpi", "ocpp", "planner", "signals", "state",
            "store",
        ],
        &[],
    ),
    (
        "sim",
        &[
            "api", "config", "dispatch", "domain", "ocpi", "ocpp", "planner", "service", "signals",
            "state", "store",
        ],
        &["evenload_solver", "ocpi_client"],
    ),
    (
        "cli",
        &[
            "config", "domain", "planner", "service", "sim", "state", "store",
        ],
        &["evenload_solver"],
    ),
];

/// Modules that are pure: no I/O, no async runtime, no clock.
const PURE: &[&str] = &["domain", "state", "planner", "dispatch"];

/// What a pure module must not name.
const IMPURE: &[&str] = &[
    "tokio::",
    "actix",
    "reqwest",
    "std::fs",
    "std::net",
    "sled",
    "async fn",
    "Utc::now",
    "Instant::now",
    "SystemTime",
    "rand::",
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    for entry in entries.map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The files of `src/`, by the module at the top they belong to.
fn modules() -> BTreeMap<String, Vec<PathBuf>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut modules: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let inside = file
            .strip_prefix(&source)
            .expect("inside src")
            .to_path_buf();
        let module = inside
            .iter()
            .next()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if module != "lib.rs" && module != "main.rs" {
            modules
                .entry(module.trim_end_matches(".rs").to_owned())
                .or_default()
                .push(file);
        }
    }
    modules
}

/// The code of a file without its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("the file is readable");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names that follow `prefix` in the code, also inside a group `prefix{a::.., b}`.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let ident = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = code[at + prefix.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(ident(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => {
                    names.insert(ident(item.trim_start()));
                    item.clear();
                }
                _ => {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    item.push(c);
                }
            }
        }
        names.insert(ident(item.trim_start()));
    }
    names.remove("");
    names
}

#[test]
fn every_module_imports_only_what_the_table_allows() {
    let modules = modules();
    let mut broken = Vec::new();
    for (module, files) in &modules {
        let Some((_, allowed, crates)) = ALLOWED.iter().find(|(name, ..)| name == module) else {
            broken.push(format!("src/{module} is not in the table"));
            continue;
        };
        for file in files {
            let code = code(file);
            for name in named_after(&code, "crate::") {
                let known = modules.contains_key(&name);
                if known && name != *module && !allowed.contains(&name.as_str()) {
                    broken.push(format!(
                        "{}: {module} may not import {name}",
                        file.display()
                    ));
                }
            }
            for name in ["evenload_solver", "ocpi_client"] {
                if code.contains(&format!("{name}::")) && !crates.contains(&name) {
                    broken.push(format!(
                        "{}: {module} may not import {name}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "the architecture is broken:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_core_is_pure() {
    let modules = modules();
    let mut broken = Vec::new();
    for module in PURE {
        for file in modules.get(*module).into_iter().flatten() {
            let code = code(file);
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                broken.push(format!("{}: names {word}", file.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "the core is not pure:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_workspace_crates_know_nothing_of_the_service() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, other) in [
        ("solver", "ocpi_client"),
        ("ocpi-client", "evenload_solver"),
    ] {
        let mut files = Vec::new();
        rust_files(&root.join(name).join("src"), &mut files);
        for file in files {
            let code = code(&file);
            assert!(
                !code.contains("evenload::"),
                "{} knows the service",
                file.display()
            );
            assert!(
                !code.contains(&format!("{other}::")),
                "{} knows {other}",
                file.display()
            );
        }
    }
}

#[test]
fn an_import_inside_a_group_is_seen() {
    let code = "use crate::{api::x, service::{a, b}, state};";
    let names = named_after(code, "crate::");
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["api", "service", "state"]
    );
}

/// What a text names in backquotes as a file or folder of this repository.
fn named_paths(text: &str) -> Vec<&str> {
    let is_path = |word: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/.-".contains(c);
        let is_file = word.rsplit('.').next().is_some_and(|end| end == "rs");
        word.chars().all(plain) && (is_file || word.contains('/') && !word.starts_with('/'))
    };
    text.split('`').skip(1).step_by(2).filter(is_path).collect()
}

#[test]
fn every_file_that_the_architecture_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).expect("readable");
    let named = named_paths(&text);
    assert!(named.len() > 50, "only {} are named", named.len());
    let is_missing =
        |path: &&&str| !root.join(path).exists() && !root.join("src").join(path).exists();
    let missing: Vec<_> = named.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}
