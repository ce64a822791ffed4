//! Python with the package `ocpp` of others, made once under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Held while the environment is made.
static MAKING: Mutex<()> = Mutex::new(());

/// The interpreter, or why there is none.
pub(crate) fn python() -> Result<PathBuf, String> {
    let _making = MAKING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let python = folder.join("bin/python");
    let works = || {
        Command::new(&python)
            .args(["-c", "import ocpp, websockets"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if works() {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| -> Result<(), String> {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(text)
    };
    let folder = folder.display().to_string();
    run(Path::new("python3"), &["-m", "venv", &folder])?;
    let packages = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "ocpp==2.1.0",
        "websockets==15.0.1",
    ];
    run(&python, &packages)?;
    works()
        .then_some(python)
        .ok_or("the packages do not import".into())
}

/// Says that something was not tested: nobody shall think that it was.
pub(crate) fn missing(what: &str, why: &str) {
    #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
    {
        eprintln!("MISSING, so not tested: {what}: {}", why.trim());
    }
}
