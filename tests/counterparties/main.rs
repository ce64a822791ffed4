//! Platforms that others wrote, over real sockets: the package `extrawest-ocpi` of `PyPI` and the
//! crate `ocpi-kit`, each as a CPO.
//!
//! The first needs Python 3 with `venv` and a package registry; the second is built by
//! `tests/counterparties/ocpi_kit.sh`, which runs these tests with it. Where one is missing this
//! says so, loudly, and passes, since the crate itself needs neither; where its name stands in
//! `EVENLOAD_REQUIRE_COUNTERPARTIES` (separated by commas) it fails instead.

#[path = "../common/installed.rs"]
mod installed;
#[path = "../common/served.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod served;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use installed::Installed;
use serde_json::{Value, json};

const TOKEN_A: &str = "token-a-of-extrawest-0123456789";

/// A process that is ended when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparties")
}

/// A Python that has the packages, made on first use beneath `target/`.
fn python() -> Result<PathBuf, String> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("counterparties");
    let python = venv.join("bin/python");
    let has = |python: &Path| {
        let mut asked = Command::new(python);
        asked.args(["-c", "import py_ocpi, uvicorn"]);
        asked.output().is_ok_and(|output| output.status.success())
    };
    if has(&python) {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| -> Result<(), String> {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(told)
    };
    let venv = venv.display().to_string();
    run(Path::new("python3"), &["-m", "venv", &venv])?;
    let wanted = folder().join("requirements.txt").display().to_string();
    run(
        &python,
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--timeout",
            "20",
            "-r",
            &wanted,
        ],
    )?;
    Ok(python)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Waits for something to hold, with a deadline.
async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = holds().await {
            return found;
        }
        #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
        let now = Instant::now();
        assert!(now < deadline, "not within 40 s: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn platform(python: &Path) -> (Process, String) {
    let port = free_port();
    let child = Command::new(python)
        .arg(folder().join("extrawest_cpo.py"))
        .args([&port.to_string(), TOKEN_A])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Python starts");
    let process = Process(child);
    until("the platform listens", async || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    })
    .await;
    (process, format!("http://127.0.0.1:{port}/ocpi/versions"))
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    let found = std::env::vars_os().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.into_string().ok())
}

/// Says that a platform could not be tried.
fn missing(what: &str, why: &str) {
    let required = variable("EVENLOAD_REQUIRE_COUNTERPARTIES").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == what);
    assert!(!is_required, "{what} is not to be had: {why}");
    #[expect(clippy::print_stderr, reason = "whoever runs the tests must see it")]
    {
        eprintln!("MISSING: {what} was not tried, since it is not to be had: {why}");
    }
}

/// A platform on `ocpi-kit` and what it has said so far.
struct Kit {
    _process: Process,
    versions_url: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Kit {
    fn start(program: &str, version: &str) -> Self {
        let mut child = Command::new(program)
            .args([TOKEN_A, version])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the platform starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        // Ends with the process, whose output it reads.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().expect("not poisoned").push(line);
            }
        });
        Self {
            _process: Process(child),
            versions_url: first,
            said,
        }
    }

    fn lines(&self, beginning: &str) -> Vec<String> {
        let said = self.said.lock().expect("not poisoned");
        let lines = said.iter().filter(|line| line.starts_with(beginning));
        lines.cloned().collect()
    }
}

/// Registers, is registered in both versions, plans its car, sends profiles that its validation
/// takes, and believes its results.
async fn kit_is_steered(program: &str, version: &str) {
    let kit = Kit::start(program, version);
    let service = Installed::start();
    let rest = service.served.rest();
    let add = ["partner", "add", "--name", "kit", "--token-a", "-"];
    let add = [&add[..], &["--versions-url", &kit.versions_url]].concat();
    let (exit, added) = service.evenload(&add, Some(TOKEN_A)).await;
    assert_eq!(exit, 0, "{added}");
    let (_, shown) = service.evenload(&["partner", "show", "kit"], None).await;
    assert_eq!(shown["status"], "registered", "{added}");
    assert_eq!(shown["version"], version);

    until("its session came", async || {
        let (exit, tested) = service.evenload(&["partner", "test", "kit"], None).await;
        let came = row(&tested, "response_url")["status"] == "ok";
        (exit == 0
            && came
            && row(&tested, "sessions")["detail"] == "1 active, 1 changed within a day")
            .then_some(())
    })
    .await;
    let import = [
        "site",
        "import",
        "depot",
        "--partner",
        "kit",
        "--limit",
        "30kW",
    ];
    let imported = until("its locations were read back", async || {
        let (exit, imported) = service.evenload(&import, None).await;
        (exit == 0).then_some(imported)
    })
    .await;
    assert_eq!(imported["added"][0]["max_kw"], 11.04, "{imported}");
    service
        .evenload(&["site", "mode", "depot", "live"], None)
        .await;

    // 30 kW bear the car and an arrival, and so the profile's being cleared later.
    until("a result came back", async || {
        (!kit.lines("DID post {\"result\":\"ACCEPTED\"}").is_empty()).then_some(())
    })
    .await;
    let taken = kit.lines("DID take profile of KIT-1");
    assert!(!taken.is_empty());
    let result = &kit.lines("DID post {\"result\":\"ACCEPTED\"}")[0];
    assert!(result.contains("Number(1000)"), "{result}");
    let active = until("the active profile was taken", async || {
        kit.lines("DID put active profile").into_iter().next()
    })
    .await;
    assert!(active.contains("Number(1000)"), "{active}");

    // Back to shadow: the profile is cleared, and the platform says that it is.
    service
        .evenload(&["site", "mode", "depot", "shadow"], None)
        .await;
    until("the profile was cleared", async || {
        (!kit.lines("DID clear profile of KIT-1").is_empty()).then_some(())
    })
    .await;
    until("the site was given up", async || {
        let gone = rest.ask("DELETE", "/sites/depot", None).await;
        gone.is_some_and(|(status, _)| status == 204).then_some(())
    })
    .await;
    let (exit, gone) = service.evenload(&["partner", "remove", "kit"], None).await;
    assert_eq!(exit, 0, "{gone}");
    assert_eq!(kit.lines("DID unregister").len(), 1);
    assert_eq!(kit.lines("VIOLATION"), Vec::<String>::new());
    assert_eq!(shown["deviations"], json!([]), "{}", shown["deviations"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ocpi_kit_registers_takes_profiles_and_finds_nothing_to_complain_of_in_both_versions() {
    let Some(program) = variable("EVENLOAD_OCPI_KIT_CPO") else {
        return missing("ocpi-kit", "run tests/counterparties/ocpi_kit.sh");
    };
    for version in ["2.3.0", "2.2.1"] {
        kit_is_steered(&program, version).await;
    }
}

fn row<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let rows = answer["checks"].as_array().expect("a check list");
    let found = rows.iter().find(|row| row["name"] == name);
    found.expect("a row of this name")
}

#[tokio::test(flavor = "multi_thread")]
async fn extrawest_registers_its_session_is_planned_and_its_deviations_are_told() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return missing("extrawest-ocpi", &why),
    };
    let (_platform, versions_url) = platform(&python).await;
    let service = Installed::start();
    let add = ["partner", "add", "--name", "exw", "--token-a", "-"];
    let add = [&add[..], &["--versions-url", &versions_url]].concat();
    let (_, added) = service.evenload(&add, Some(TOKEN_A)).await;
    let (_, shown) = service.evenload(&["partner", "show", "exw"], None).await;
    assert_eq!(shown["status"], "registered", "{added}");
    assert_eq!(shown["version"], "2.2.1");

    // Lists at addresses with a trailing slash, an empty Link header.
    let (_, tested) = service.evenload(&["partner", "test", "exw"], None).await;
    assert_eq!(row(&tested, "locations")["detail"], "1 listed", "{tested}");
    let sessions = row(&tested, "sessions")["detail"].as_str().expect("text");
    assert!(sessions.starts_with("1 active"), "{tested}");
    assert_eq!(row(&tested, "chargingprofiles")["status"], "ok", "{tested}");

    // 400 V on three phases is meant line to line: 16 A x 230 V x 3 = 11.04 kW, not 19.2.
    let import = [
        "site",
        "import",
        "depot",
        "--partner",
        "exw",
        "--limit",
        "15kW",
    ];
    let imported = until("its locations were read back", async || {
        let (exit, imported) = service.evenload(&import, None).await;
        (exit == 0).then_some(imported)
    })
    .await;
    assert_eq!(imported["added"][0]["max_kw"], 11.04, "{imported}");
    let session_is_known = async || {
        let (_, site) = service.evenload(&["site", "show", "depot"], None).await;
        (site["status"]["sessions_active"] == 1).then_some(())
    };
    until("the session is at its EVSE", session_is_known).await;
    service
        .evenload(&["site", "mode", "depot", "live"], None)
        .await;

    // A profile as specified is refused by its schema, which wants `min_charge_rate` and one period:
    // seen, told, and the EVSE counts as what it is, uncontrolled.
    let refused = until("a profile was sent", async || {
        let (_, seen) = service
            .evenload(&["partner", "exchanges", "exw"], None)
            .await;
        let all = seen["exchanges"].as_array().expect("a list").clone();
        all.into_iter()
            .find(|one| one["method"] == "PUT" && one["direction"] == "sent")
    })
    .await;
    assert_eq!(refused["status"], 422, "{refused}");
    let (_, shown) = service.evenload(&["partner", "show", "exw"], None).await;
    let seen = shown["deviations"].as_array().expect("a list");
    let has = |id: &str| seen.iter().any(|one| one["id"] == id);
    for id in [
        "object.in_list",
        "http.request_id_echo",
        "connector.line_to_line_voltage",
    ] {
        assert!(has(id), "{id} is not among {}", json!(seen));
    }
    let complete = seen.iter().all(|one| {
        ["path", "section", "detail"]
            .iter()
            .all(|field| one[field].is_string())
    });
    assert!(complete, "{}", json!(seen));
}
