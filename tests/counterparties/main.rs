//! Platforms that others wrote, over real sockets: the package `extrawest-ocpi` of `PyPI` and the
//! crate `ocpi-kit`, each as a CPO.
//!
//! The first needs Python 3 with `venv` and a package registry; the second is built by
//! `tests/counterparties/ocpi_kit.sh`, which runs these tests with it. Where one is missing this
//! says so, loudly, and passes, since the crate itself needs neither; where its name stands in
//! `EVENLOAD_REQUIRE_COUNTERPARTIES` (separated by commas) it fails instead.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const ADMIN: &str = "test-admin-token-0123456789abcdef";
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
fn until<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = holds() {
            return found;
        }
        #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
        let now = Instant::now();
        assert!(now < deadline, "not within 40 s: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn platform(python: &Path) -> (Process, String) {
    let port = free_port();
    let child = Command::new(python)
        .arg(folder().join("extrawest_cpo.py"))
        .args([&port.to_string(), TOKEN_A])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Python starts");
    let process = Process(child);
    until("the platform listens", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (process, format!("http://127.0.0.1:{port}/ocpi/versions"))
}

struct Service {
    _process: Process,
    url: String,
    _data: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenload"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .current_dir(data.path())
            .env("EVENLOAD__API__ADMIN_TOKEN", ADMIN)
            .env("EVENLOAD__OCPI__ALLOW_INSECURE", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let first = BufReader::new(stdout).lines().next();
        let first = first.expect("a line").expect("text");
        Self {
            _process: Process(child),
            url: first.rsplit(' ').next().expect("an address").to_owned(),
            _data: data,
        }
    }

    /// The status of a DELETE.
    fn deletes(&self, path: &str) -> u16 {
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut socket = TcpStream::connect(host).expect("the service listens");
        let request = format!(
            "DELETE {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ADMIN}\r\n\
             Connection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).expect("a status line");
        status.parse().expect("a number")
    }

    /// What `evenload` says with these arguments: exit code and object.
    fn evenload(&self, arguments: &[&str], stdin: &str) -> (i32, Value) {
        let output = assert_cmd::Command::cargo_bin("evenload")
            .expect("built")
            .args(arguments)
            .env("EVENLOAD_URL", &self.url)
            .env("EVENLOAD_TOKEN", ADMIN)
            .write_stdin(stdin)
            .output()
            .expect("runs");
        let object = serde_json::from_slice(&output.stdout).expect("one JSON object");
        (output.status.code().expect("an exit code"), object)
    }
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
fn kit_is_steered(program: &str, version: &str) {
    let kit = Kit::start(program, version);
    let service = Service::start();
    let add = ["partner", "add", "--name", "kit", "--token-a", "-"];
    let add = [&add[..], &["--versions-url", &kit.versions_url]].concat();
    let (exit, added) = service.evenload(&add, TOKEN_A);
    assert_eq!(exit, 0, "{added}");
    let (_, shown) = service.evenload(&["partner", "show", "kit"], "");
    assert_eq!(shown["status"], "registered", "{added}");
    assert_eq!(shown["version"], version);

    until("its session came", || {
        let (exit, tested) = service.evenload(&["partner", "test", "kit"], "");
        let came = row(&tested, "response_url")["status"] == "ok";
        (exit == 0
            && came
            && row(&tested, "sessions")["detail"] == "1 active, 1 changed within a day")
            .then_some(())
    });
    let import = [
        "site",
        "import",
        "depot",
        "--partner",
        "kit",
        "--limit",
        "30kW",
    ];
    let imported = until("its locations were read back", || {
        let (exit, imported) = service.evenload(&import, "");
        (exit == 0).then_some(imported)
    });
    assert_eq!(imported["added"][0]["max_kw"], 11.04, "{imported}");
    service.evenload(&["site", "mode", "depot", "live"], "");

    // 30 kW bear the car and an arrival, and so the profile's being cleared later.
    until("a result came back", || {
        (!kit.lines("DID post {\"result\":\"ACCEPTED\"}").is_empty()).then_some(())
    });
    let taken = kit.lines("DID take profile of KIT-1");
    assert!(!taken.is_empty());
    let result = &kit.lines("DID post {\"result\":\"ACCEPTED\"}")[0];
    assert!(result.contains("Number(1000)"), "{result}");
    let active = until("the active profile was taken", || {
        kit.lines("DID put active profile").into_iter().next()
    });
    assert!(active.contains("Number(1000)"), "{active}");

    // Back to shadow: the profile is cleared, and the platform says that it is.
    service.evenload(&["site", "mode", "depot", "shadow"], "");
    until("the profile was cleared", || {
        (!kit.lines("DID clear profile of KIT-1").is_empty()).then_some(())
    });
    until("the site was given up", || {
        (service.deletes("/api/v1/sites/depot") == 204).then_some(())
    });
    let (exit, gone) = service.evenload(&["partner", "remove", "kit"], "");
    assert_eq!(exit, 0, "{gone}");
    assert_eq!(kit.lines("DID unregister").len(), 1);
    assert_eq!(kit.lines("VIOLATION"), Vec::<String>::new());
    assert_eq!(shown["deviations"], json!([]), "{}", shown["deviations"]);
}

#[test]
fn ocpi_kit_registers_takes_profiles_and_finds_nothing_to_complain_of_in_both_versions() {
    let Some(program) = variable("EVENLOAD_OCPI_KIT_CPO") else {
        return missing("ocpi-kit", "run tests/counterparties/ocpi_kit.sh");
    };
    for version in ["2.3.0", "2.2.1"] {
        kit_is_steered(&program, version);
    }
}

fn row<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let rows = answer["checks"].as_array().expect("a check list");
    let found = rows.iter().find(|row| row["name"] == name);
    found.expect("a row of this name")
}

#[test]
fn extrawest_registers_its_session_is_planned_and_its_deviations_are_told() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return missing("extrawest-ocpi", &why),
    };
    let (_platform, versions_url) = platform(&python);
    let service = Service::start();
    let add = ["partner", "add", "--name", "exw", "--token-a", "-"];
    let add = [&add[..], &["--versions-url", &versions_url]].concat();
    let (_, added) = service.evenload(&add, TOKEN_A);
    let (_, shown) = service.evenload(&["partner", "show", "exw"], "");
    assert_eq!(shown["status"], "registered", "{added}");
    assert_eq!(shown["version"], "2.2.1");

    // Lists at addresses with a trailing slash, an empty Link header.
    let (_, tested) = service.evenload(&["partner", "test", "exw"], "");
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
    let imported = until("its locations were read back", || {
        let (exit, imported) = service.evenload(&import, "");
        (exit == 0).then_some(imported)
    });
    assert_eq!(imported["added"][0]["max_kw"], 11.04, "{imported}");
    let session_is_known = || {
        let (_, site) = service.evenload(&["site", "show", "depot"], "");
        (site["status"]["sessions_active"] == 1).then_some(())
    };
    until("the session is at its EVSE", session_is_known);
    service.evenload(&["site", "mode", "depot", "live"], "");

    // A profile as specified is refused by its schema, which wants `min_charge_rate` and one period:
    // seen, told, and the EVSE counts as what it is, uncontrolled.
    let refused = until("a profile was sent", || {
        let (_, seen) = service.evenload(&["partner", "exchanges", "exw"], "");
        let all = seen["exchanges"].as_array().expect("a list").clone();
        all.into_iter()
            .find(|one| one["method"] == "PUT" && one["direction"] == "sent")
    });
    assert_eq!(refused["status"], 422, "{refused}");
    let (_, shown) = service.evenload(&["partner", "show", "exw"], "");
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
