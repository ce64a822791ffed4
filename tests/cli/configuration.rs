//! `evenload check`: what is valid, what is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::{evenload, folder, object, repository, text};

pub(crate) const SECRET: &str = "hunter2-hunter2-hunter2";

pub(crate) fn write(folder: &Path, name: &str, content: &str, mode: u32) {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
}

/// Names and values of environment variables.
pub(crate) type Variables = [(&'static str, &'static str)];

pub(crate) struct Checked {
    pub(crate) code: Option<i32>,
    pub(crate) answer: Value,
    pub(crate) everything: String,
}

/// Checks a configuration file (if any) and variables.
pub(crate) fn check(file: Option<&str>, variables: &[(&str, &str)]) -> Checked {
    let folder = folder();
    let mut command = evenload(&folder);
    command
        .args(["check", "--json"])
        .envs(variables.iter().copied());
    if let Some(content) = file {
        write(folder.path(), "my.toml", content, 0o600);
        command.args(["--config", "my.toml"]);
    }
    let output = command.output().expect("runs");
    Checked {
        code: output.status.code(),
        answer: object(&output),
        everything: format!("{}{}", text(&output.stdout), text(&output.stderr)),
    }
}

fn keys(checked: &Checked) -> Vec<&str> {
    let errors = checked.answer["errors"]
        .as_array()
        .expect("a list of errors");
    errors
        .iter()
        .filter_map(|error| error["key"].as_str())
        .collect()
}

#[test]
fn nothing_has_to_be_configured() {
    let checked = check(None, &[]);
    assert_eq!(checked.code, Some(0));
    assert_eq!(checked.answer["valid"], true);
    assert_eq!(checked.answer["file"], Value::Null);
    assert_eq!(
        checked.answer["config"]["server"]["listen"],
        "127.0.0.1:8080"
    );
    assert_eq!(checked.answer["config"]["data"]["dir"], "./evenload-data");
    assert_eq!(checked.answer["config"]["ocpi"]["allow_insecure"], false);
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[server]\nlisten = \"0.0.0.0:1\"\n[ocpi]\npull_interval_s = 60\n";
    let checked = check(
        Some(file),
        &[
            ("EVENLOAD__SERVER__LISTEN", "127.0.0.1:2"),
            ("EVENLOAD__PUBLIC_URL", "https://evenload.example/base/"),
            ("EVENLOAD__OCPI__ALLOW_INSECURE", "true"),
        ],
    );
    assert_eq!(checked.code, Some(0), "{}", checked.everything);
    let config = &checked.answer["config"];
    assert_eq!(config["server"]["listen"], "127.0.0.1:2");
    assert_eq!(
        config["server"]["public_url"],
        "https://evenload.example/base"
    );
    assert_eq!(config["ocpi"]["pull_interval_s"], 60);
    assert_eq!(config["ocpi"]["allow_insecure"], true);
    let origins = &checked.answer["origins"];
    assert_eq!(
        origins["server.listen"],
        "environment EVENLOAD__SERVER__LISTEN"
    );
    assert_eq!(origins["ocpi.pull_interval_s"], "file my.toml");
    assert_eq!(origins["log.level"], "default");
}

#[test]
fn evenload_toml_of_the_working_directory_is_read_without_being_named() {
    let folder = folder();
    write(
        folder.path(),
        "evenload.toml",
        "[log]\nlevel = \"debug\"\n",
        0o644,
    );
    let output = evenload(&folder)
        .args(["check", "--json"])
        .output()
        .expect("runs");
    let answer = object(&output);
    assert_eq!(answer["config"]["log"]["level"], "debug");
    assert_eq!(answer["file"], "evenload.toml");
}

#[test]
fn unknown_keys_are_refused_wherever_they_stand() {
    let file = "[server]\nlissen = \"127.0.0.1:1\"\n[bananas]\nripe = true\n";
    let checked = check(
        Some(file),
        &[("EVENLOAD__OCPI__PARTY", "ABC"), ("EVENLOAD__X", "1")],
    );
    assert_eq!(checked.code, Some(3));
    assert_eq!(
        keys(&checked),
        ["bananas.ripe", "ocpi.party", "server.lissen", "x"]
    );
    // The message helps: what there is instead, and where it was found.
    assert!(
        checked.everything.contains("listen, public_url"),
        "{}",
        checked.everything
    );
    assert!(
        checked.everything.contains("EVENLOAD__OCPI__PARTY"),
        "{}",
        checked.everything
    );
}

#[test]
fn a_bad_value_is_refused_with_key_value_and_what_is_allowed() {
    let bad = [
        (
            "EVENLOAD__SERVER__LISTEN",
            "8080",
            "server.listen",
            "IP:PORT",
        ),
        (
            "EVENLOAD__SERVER__LISTEN",
            "127.0.0.1:99999",
            "server.listen",
            "IP:PORT",
        ),
        (
            "EVENLOAD__PUBLIC_URL",
            "ftp://x",
            "server.public_url",
            "http(s)://",
        ),
        (
            "EVENLOAD__PUBLIC_URL",
            "https://x/?a=1",
            "server.public_url",
            "http(s)://",
        ),
        (
            "EVENLOAD__PUBLIC_URL",
            "http://0.0.0.0:1",
            "server.public_url",
            "http(s)://",
        ),
        (
            "EVENLOAD__OCPI__ALLOW_INSECURE",
            "maybe",
            "ocpi.allow_insecure",
            "true or false",
        ),
        (
            "EVENLOAD__OCPI__PULL_INTERVAL_S",
            "0",
            "ocpi.pull_interval_s",
            "10 to 86400",
        ),
        (
            "EVENLOAD__OCPI__REQUEST_TIMEOUT_S",
            "ten",
            "ocpi.request_timeout_s",
            "1 to 120",
        ),
        (
            "EVENLOAD__OCPI__MAX_IN_FLIGHT",
            "-4",
            "ocpi.max_in_flight",
            "1 to 64",
        ),
        (
            "EVENLOAD__OCPP__BOOT_QUIET_S",
            "61",
            "ocpp.boot_quiet_s",
            "0 to 60",
        ),
        (
            "EVENLOAD__OCPP__METER_INTERVAL_S",
            "5",
            "ocpp.meter_interval_s",
            "10 to 900",
        ),
        (
            "EVENLOAD__OCPI__COUNTRY_CODE",
            "de",
            "ocpi.country_code",
            "2 upper-case letters",
        ),
        (
            "EVENLOAD__OCPI__PARTY_ID",
            "ABCD",
            "ocpi.party_id",
            "3 upper-case",
        ),
        (
            "EVENLOAD__PLANNER__SLOT_S",
            "600",
            "planner.slot_s",
            "300, 900, 1800, 3600",
        ),
        (
            "EVENLOAD__PLANNER__DEAD_BAND_KW",
            "NaN",
            "planner.dead_band_kw",
            "0 to 50",
        ),
        ("EVENLOAD__LOG__FORMAT", "xml", "log.format", "text, json"),
        (
            "EVENLOAD__LOG__LEVEL",
            "loud",
            "log.level",
            "error, warn, info, debug, trace",
        ),
    ];
    for (name, value, key, allowed) in bad {
        let checked = check(None, &[(name, value)]);
        assert_eq!(checked.code, Some(3), "{name}={value}");
        assert_eq!(keys(&checked), [key], "{name}={value}");
        let detail = checked.answer["errors"][0]["detail"]
            .as_str()
            .expect("a sentence");
        assert!(detail.contains(value), "{name}: {detail}");
        assert!(detail.contains(allowed), "{name}: {detail}");
        assert!(
            checked.everything.contains(name),
            "{name}: {}",
            checked.everything
        );
    }
}

#[test]
fn the_file_takes_values_of_the_right_type_only() {
    let file = "stray = 1\n[ocpi]\nallow_insecure = \"true\"\nmax_in_flight = \"4\"\n\
                [planner]\ndead_band_kw = 1\n[server]\nlisten = 8080\n";
    let checked = check(Some(file), &[]);
    assert_eq!(checked.code, Some(3));
    assert_eq!(
        keys(&checked),
        [
            "ocpi.allow_insecure",
            "ocpi.max_in_flight",
            "server.listen",
            "stray"
        ]
    );
}

#[test]
fn a_file_that_is_absent_or_no_toml_is_refused_without_being_quoted() {
    let output = evenload(&folder())
        .args(["check", "--config", "absent.toml"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("absent.toml"), "{output:?}");
    let checked = check(Some(&format!("[api]\nadmin_token = {SECRET}\n")), &[]);
    assert_eq!(checked.code, Some(3));
    assert!(
        checked.everything.contains("line 2"),
        "{}",
        checked.everything
    );
    assert!(
        !checked.everything.contains("hunter2"),
        "{}",
        checked.everything
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let checked = check(
        None,
        &[
            ("EVENLOAD__API__ADMIN_TOKEN", ""),
            ("EVENLOAD__LOG__LEVEL", ""),
        ],
    );
    assert_eq!(checked.code, Some(0), "{}", checked.everything);
    assert_eq!(checked.answer["config"]["api"]["admin_token"], Value::Null);
}

#[test]
fn a_setting_given_by_two_variables_is_refused() {
    let checked = check(
        None,
        &[
            ("EVENLOAD__PUBLIC_URL", "https://a"),
            ("EVENLOAD__SERVER__PUBLIC_URL", "https://b"),
        ],
    );
    assert_eq!(checked.code, Some(3));
    assert_eq!(keys(&checked), ["server.public_url"]);
}

#[test]
fn certificate_and_key_belong_together() {
    let folder = folder();
    write(folder.path(), "cert.pem", "x", 0o644);
    write(folder.path(), "key.pem", "x", 0o600);
    write(folder.path(), "open.pem", "x", 0o644);
    let run = |cert: &str, key: &str| {
        let output = evenload(&folder)
            .args(["check", "--json"])
            .env("EVENLOAD__TLS__CERT_FILE", cert)
            .env("EVENLOAD__TLS__KEY_FILE", key)
            .output()
            .expect("runs");
        output.status.code()
    };
    assert_eq!(run("cert.pem", "key.pem"), Some(0));
    assert_eq!(run("cert.pem", ""), Some(3));
    assert_eq!(run("", "key.pem"), Some(3));
    assert_eq!(run("absent.pem", "key.pem"), Some(3));
    assert_eq!(run("cert.pem", "open.pem"), Some(3));
}

#[test]
fn what_is_allowed_but_unwise_is_warned_about() {
    let checked = check(
        None,
        &[
            ("EVENLOAD__SERVER__LISTEN", "0.0.0.0:8080"),
            ("EVENLOAD__PUBLIC_URL", "http://evenload.example"),
            ("EVENLOAD__OCPI__ALLOW_INSECURE", "true"),
            ("EVENLOAD__API__ADMIN_TOKEN", "short"),
        ],
    );
    assert_eq!(checked.code, Some(0));
    let warnings = checked.answer["warnings"].as_array().expect("a list");
    let keys: Vec<&Value> = warnings.iter().map(|warning| &warning["key"]).collect();
    assert_eq!(
        json!(keys),
        json!([
            "server.listen",
            "server.public_url",
            "ocpi.allow_insecure",
            "ocpi.country_code",
            "ocpi.party_id",
            "api.admin_token"
        ])
    );
    let silent = check(
        None,
        &[
            ("EVENLOAD__PUBLIC_URL", "https://evenload.example"),
            ("EVENLOAD__OCPI__COUNTRY_CODE", "NL"),
            ("EVENLOAD__OCPI__PARTY_ID", "ABC"),
        ],
    );
    assert_eq!(silent.answer["warnings"], json!([]));
}

#[test]
fn what_check_prints_is_a_valid_configuration_itself() {
    let folder = folder();
    let printed = evenload(&folder)
        .arg("check")
        .env("EVENLOAD__API__ADMIN_TOKEN", SECRET)
        .output()
        .expect("runs");
    write(folder.path(), "evenload.toml", text(&printed.stdout), 0o600);
    let again = evenload(&folder)
        .args(["check", "--json"])
        .output()
        .expect("runs");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(object(&again)["origins"]["log.level"], "file evenload.toml");
    assert_eq!(object(&again)["config"]["api"]["admin_token"], Value::Null);
}

#[test]
fn the_example_file_names_every_setting_with_its_default() {
    let example = std::fs::read_to_string(repository("examples/evenload.toml")).expect("read");
    let defaults = check(None, &[]).answer["config"].clone();
    let mut set = Vec::new();
    let mut section = String::new();
    let mut named = Vec::new();
    for line in example.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            set.push(line);
        } else if let Some(setting) = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '))
            && let Some((key, _)) = setting.split_once(" = ")
        {
            named.push(format!("{section}.{key}"));
            // What has no default is named with an example, which is not in force here.
            if !defaults[&section][key].is_null() {
                set.push(setting);
            }
        }
    }
    let checked = check(Some(&set.join("\n")), &[]);
    assert_eq!(checked.code, Some(0), "{}", checked.everything);
    assert_eq!(checked.answer["config"], defaults);
    let origins = checked.answer["origins"].as_object().expect("an object");
    let mut known: Vec<String> = origins.keys().cloned().collect();
    known.sort();
    named.sort();
    assert_eq!(named, known);
}
