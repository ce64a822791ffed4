//! `doctor`, `token`, `report` against a running service; `man` and `licenses` without one.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::{evenload, folder, object, text};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Service {
    child: Child,
    url: String,
    data: TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start() -> Self {
        let data = folder();
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenload"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .current_dir(data.path())
            .env("EVENLOAD__API__ADMIN_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let first = BufReader::new(stdout).lines().next();
        let first = first.expect("a line").expect("text");
        let url = first.rsplit(' ').next().expect("an address").to_owned();
        Self { child, url, data }
    }

    fn ask(&self, args: &[&str]) -> Output {
        evenload(&self.data)
            .args(args)
            .env("EVENLOAD_URL", &self.url)
            .env("EVENLOAD_TOKEN", TOKEN)
            .output()
            .expect("runs")
    }
}

#[test]
fn a_service_without_a_site_is_told_by_the_doctor_and_a_token_lives_until_it_is_revoked() {
    let service = Service::start();
    let sick = service.ask(&["doctor", "--json"]);
    assert_eq!(sick.status.code(), Some(5), "{sick:?}");
    let told = object(&sick);
    assert_eq!(told["ok"], false);
    let sites = told["checks"].as_array().expect("a list");
    let sites = sites.iter().find(|row| row["name"] == "sites");
    assert_eq!(sites.map(|row| &row["ok"]), Some(&Value::Bool(false)));

    let create = ["token", "create", "--name", "script", "--scope", "read"];
    let made = service.ask(&create);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let made = object(&made);
    let listed = object(&service.ask(&["token", "list"]));
    assert_eq!(listed["tokens"][0]["name"], "script", "{listed}");
    assert!(
        !listed
            .to_string()
            .contains(made["token"].as_str().expect("a token"))
    );
    let id = made["id"].as_str().expect("an id");
    let revoked = service.ask(&["token", "revoke", id]);
    assert_eq!(revoked.status.code(), Some(0), "{revoked:?}");
    let listed = object(&service.ask(&["token", "list"]));
    assert_eq!(listed["tokens"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_report_of_a_site_nobody_knows_is_refused_with_its_name() {
    let service = Service::start();
    let unknown = service.ask(&["report", "NOWHERE"]);
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
    assert!(text(&unknown.stderr).contains("NOWHERE"), "{unknown:?}");
}

#[test]
fn a_service_that_is_not_there_ends_with_4_and_says_where_it_was_looked_for() {
    let gone = evenload(&folder())
        .args(["report", "DEPOT", "--url", "http://127.0.0.1:9"])
        .env("EVENLOAD_TOKEN", TOKEN)
        .output()
        .expect("runs");
    assert_eq!(gone.status.code(), Some(4), "{gone:?}");
    assert!(text(&gone.stderr).contains("127.0.0.1:9"), "{gone:?}");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let first = evenload(&folder()).arg("man").output().expect("runs");
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert!(text(&first.stdout).contains(".TH EVENLOAD 1"), "{first:?}");
    let folder = folder();
    let all = evenload(&folder)
        .args(["man", "--to", "pages"])
        .output()
        .expect("runs");
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    assert!(folder.path().join("pages/evenload-serve.1").is_file());
    let none = evenload(&folder).args(["man", "magic"]).output();
    assert_eq!(none.expect("runs").status.code(), Some(2));
}

#[test]
fn the_licences_name_what_is_inside_and_the_bill_of_materials_is_one_object() {
    let read = evenload(&folder()).arg("licenses").output().expect("runs");
    let read = text(&read.stdout);
    for word in ["Apache License", "preact", "actix-web 4."] {
        assert!(read.contains(word), "{word}");
    }
    let bill = evenload(&folder())
        .args(["licenses", "--sbom"])
        .output()
        .expect("runs");
    let bill = object(&bill);
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let components = bill["components"].as_array().map(Vec::len);
    assert!(components.is_some_and(|count| count > 100));
}

#[test]
fn a_signal_is_checked_set_listed_and_withdrawn() {
    let service = Service::start();
    let site = service.data.path().join("site.json");
    let body = serde_json::json!({
        "time_zone": "Europe/Berlin", "currency": "EUR",
        "circuits": [{"id": "site", "import_limit_kw": 60}], "price": {"flat_per_kwh": 0.3},
        "evses": [{"id": "E1", "max_kw": 11.04, "source": {"ocpp": {"station": "CP-1", "evse": 1}}}],
    });
    std::fs::write(&site, body.to_string()).expect("written");
    let file = site.to_str().expect("text");
    let made = service.ask(&["site", "set", "depot", "--file", file]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let says = [
        "depot",
        "dso",
        "--kind",
        "import_limit",
        "--unit",
        "kW",
        "--values",
        "40,50",
    ];
    let ask =
        |verb: &str, more: &[&str]| service.ask(&[&["signal", verb], &says[..], more].concat());
    for checked in [ask("check", &[]), ask("put", &["--dry-run"])] {
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
        assert_eq!(object(&checked)["effect"]["vehicles_at_risk"], 0);
    }
    let list = || object(&service.ask(&["signal", "list", "depot", "--kind", "import_limit"]));
    assert_eq!(
        list()["signals"].as_array().map(Vec::len),
        Some(0),
        "nothing was changed"
    );
    let set = ask("put", &["--priority", "10", "--wish"]);
    assert_eq!(set.status.code(), Some(0), "{set:?}");
    assert_eq!(object(&set)["accepted_slots"], 2);
    let listed = list();
    let signal = &listed["signals"][0];
    assert_eq!(
        (&signal["key"], &signal["priority"]),
        (&Value::from("dso"), &Value::from(10))
    );
    assert_eq!(signal["hard"], false, "{listed}");
    let shown = object(&service.ask(&["signal", "show", "depot", "dso"]));
    assert_eq!(shown["slots"].as_array().map(Vec::len), Some(2));
    let bad = service.ask(&[
        "signal",
        "put",
        "depot",
        "dso",
        "--kind",
        "import_limit",
        "--unit",
        "EUR",
        "--values=-1",
    ]);
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    assert!(text(&bad.stderr).contains("/unit"), "{bad:?}");
    let gone = service.ask(&["signal", "withdraw", "depot", "dso"]);
    assert_eq!(gone.status.code(), Some(0), "{gone:?}");
    assert_eq!(list()["signals"].as_array().map(Vec::len), Some(0));
}
