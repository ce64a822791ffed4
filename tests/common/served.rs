//! The real binary as a service in a test: started, asked over REST, killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The administrator's token of every service in tests.
pub(crate) const TOKEN: &str = "test-admin-token-0123456789abcdef";

/// A running `evenload serve`, killed when dropped: SIGKILL, so no destructor and no flush.
pub(crate) struct Served {
    child: Child,
    /// Its address.
    pub(crate) base: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// The command that serves `data`, with nothing of the caller's settings.
pub(crate) fn command(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenload"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVENLOAD") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .env("EVENLOAD__API__ADMIN_TOKEN", TOKEN)
        .env("EVENLOAD__OCPI__ALLOW_INSECURE", "true")
        .env("EVENLOAD__LOG__LEVEL", "warn");
    command
}

/// Starts the service and waits for its first line; what it said otherwise if it did not start.
pub(crate) fn try_serve(data: &Path, port: u16) -> Result<Served, String> {
    start(&mut command(data, port))
}

/// As [`try_serve`], with a command that was changed.
pub(crate) fn start(command: &mut Command) -> Result<Served, String> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let first = BufReader::new(stdout).lines().next();
    let mut served = Served {
        child,
        base: String::new(),
    };
    if let Some(Ok(line)) = &first
        && let Some((_, address)) = line.rsplit_once(' ')
        && line.contains("ready")
    {
        address.trim_end_matches('/').clone_into(&mut served.base);
        // Somebody has to read what it logs.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        return Ok(served);
    }
    let status = served.child.wait().expect("it has ended");
    let mut said = String::new();
    // What cannot be read was not said.
    let _ = stderr.read_to_string(&mut said);
    Err(format!("{status}: {first:?} {said}"))
}

/// Starts the service.
pub(crate) fn serve(data: &Path, port: u16) -> Served {
    try_serve(data, port).expect("the service starts")
}

impl Served {
    /// Stops it as an operator does (SIGTERM) and waits for its end. The shell has a `kill` of its own
    /// where the system has none.
    pub(crate) async fn stop(mut self) {
        let told = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status();
        assert!(told.expect("a shell").success());
        for _ in 0..1_500 {
            if !self.is_running() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        unreachable!("it did not stop within 30 s");
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }

    /// A client of its API.
    pub(crate) fn rest(&self) -> Rest {
        // Fails where one is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        Rest {
            base: self.base.clone(),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(20))
                .build()
                .expect("a client"),
        }
    }
}

/// Calls of `/api/v1`.
#[derive(Clone)]
pub(crate) struct Rest {
    base: String,
    http: reqwest::Client,
}

impl Rest {
    /// HTTP status and body; `None` if the connection broke.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let method = method.parse().expect("a method");
        let url = if path.starts_with("/health") {
            format!("{}{path}", self.base)
        } else {
            format!("{}/api/v1{path}", self.base)
        };
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// A call that must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, path, body.as_ref()).await;
        let (status, value) = answer.expect("an answer");
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {value}"
        );
        value
    }

    /// What a path gives.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await
    }
}
