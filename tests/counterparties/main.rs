//! Platforms that others wrote, over real sockets: the package `extrawest-ocpi` of `PyPI` as a CPO.
//!
//! It needs Python 3 with `venv` and a package registry. Where they are missing this says so, loudly,
//! and passes, since the crate itself needs neither; with `EVENLOAD_REQUIRE_COUNTERPARTIES=1` it
//! fails instead.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

fn row<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let rows = answer["checks"].as_array().expect("a check list");
    let found = rows.iter().find(|row| row["name"] == name);
    found.expect("a row of this name")
}

#[test]
fn extrawest_registers_its_session_is_planned_and_its_deviations_are_told() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            let is_required = std::env::vars_os()
                .any(|(name, value)| name == "EVENLOAD_REQUIRE_COUNTERPARTIES" && value == "1");
            assert!(!is_required, "extrawest-ocpi is not to be had: {why}");
            #[expect(clippy::print_stderr, reason = "whoever runs the tests must see it")]
            {
                eprintln!(
                    "MISSING: extrawest-ocpi was not tried, since it is not to be had: {why}"
                );
            }
            return;
        }
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
