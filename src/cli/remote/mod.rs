//! A running service as the command line calls it: through its REST API and nothing else.

mod call;
mod table;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

pub(super) use call::CallError;
use call::Caller;
pub(super) use table::{Column, table};

use super::exit::Exit;
use super::output;
use crate::config::Secret;
use crate::config::client::{ClientFault, secret, service_url, service_variable};

/// Where the service is, and as whom it is asked.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The service [env: `EVENLOAD_URL`] [default: <http://127.0.0.1:8080>]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<url::Url>,
    /// A file that holds the API token, `-` for standard input [env: `EVENLOAD_TOKEN`,
    /// `EVENLOAD_TOKEN_FILE`]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

/// One call: method, path beneath `/api/v1`, body.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: Option<Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
        }
    }

    pub(super) fn with(method: Method, path: &'a str, body: Value) -> Self {
        Self {
            method,
            path,
            body: Some(body),
        }
    }
}

impl Remote {
    /// Makes a call and shows its answer: as one object, or to a person with `show`.
    pub(super) fn run(&self, ask: Ask<'_>, show: impl FnOnce(&Value) -> String) -> Exit {
        match self.call(ask) {
            Ok(answer) => {
                self.show(&answer, show);
                Exit::Done
            }
            Err(error) => self.report(&error),
        }
    }

    /// Takes something away.
    pub(super) fn remove(&self, path: &str, name: &str) -> Exit {
        let ask = Ask {
            method: Method::DELETE,
            path,
            body: None,
        };
        match self.call(ask) {
            Ok(_) => {
                let done = json!({ "name": name, "ok": true, "result": "removed" });
                self.show(&done, |_| format!("{name} is removed"));
                Exit::Done
            }
            Err(error) => self.report(&error),
        }
    }

    /// Makes a call.
    pub(super) fn call(&self, ask: Ask<'_>) -> Result<Value, CallError> {
        let (url, token) = self.service()?;
        runtime()?.block_on(Caller::new(&url, &token)?.ask(ask))
    }

    /// Asks for something that is answered with anything, such as a table or a file.
    pub(super) fn bytes(&self, path: &str) -> Result<Vec<u8>, CallError> {
        let (url, token) = self.service()?;
        runtime()?.block_on(Caller::new(&url, &token)?.bytes(Ask::get(path)))
    }

    fn service(&self) -> Result<(url::Url, Secret), CallError> {
        let url = service_url(self.url.clone()).map_err(|fault| setup(&fault))?;
        let token = secret("EVENLOAD_TOKEN", self.token_file.as_deref());
        Ok((url, token.map_err(|fault| setup(&fault))?))
    }

    /// Shows an answer.
    pub(super) fn show(&self, answer: &Value, show: impl FnOnce(&Value) -> String) {
        if self.is_json() {
            output::object(answer);
        } else {
            output::line(&show(answer));
        }
    }

    /// Says why a call gave nothing; on standard output too where a program reads it.
    pub(super) fn report(&self, error: &CallError) -> Exit {
        let exit = error.exit();
        output::complain(&error.to_string());
        if self.is_json() {
            let mut object = error.problem().cloned().unwrap_or_else(|| json!({}));
            object["ok"] = json!(false);
            object["exit"] = json!(exit.code());
            if object.get("detail").is_none() {
                object["detail"] = json!(error.to_string());
            }
            output::object(&object);
        }
        exit
    }

    /// Whether the token of the API comes from standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.token_file.as_deref() == Some(Path::new("-"))
    }

    /// Whether the service was named, rather than left to the defaults.
    pub(super) fn names_a_service(&self) -> bool {
        self.url.is_some()
    }

    /// Asks for a file (POST) and writes it to `sink`. `otherwise`: where the service is if nothing
    /// else says so. Gives the address that was asked.
    pub(super) fn download(
        &self,
        otherwise: Option<url::Url>,
        path: &str,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<String, CallError> {
        let named = self.url.clone().or_else(service_variable).or(otherwise);
        let url = service_url(named).map_err(|fault| setup(&fault))?;
        let token = secret("EVENLOAD_TOKEN", self.token_file.as_deref());
        let token = token.map_err(|fault| setup(&fault))?;
        runtime()?.block_on(async { Caller::new(&url, &token)?.download(path, sink).await })?;
        Ok(url.to_string())
    }

    /// Whether JSON was asked for by name.
    pub(super) fn wants_json(&self) -> bool {
        self.json
    }

    pub(super) fn is_json(&self) -> bool {
        self.json || !output::is_terminal()
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CallError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CallError::Internal(format!("cannot start: {error}")))
}

fn setup(fault: &ClientFault) -> CallError {
    CallError::Setup(fault.to_string())
}

/// Longest document that is read from a file.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// JSON of a file; `-` is standard input.
pub(super) fn read_json_file(path: &Path) -> Result<Value, CallError> {
    let fault = |detail: String| CallError::Setup(format!("{}: {detail}", path.display()));
    let source: Box<dyn io::Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| fault(error.to_string()))?)
    };
    let mut text = String::new();
    source
        .take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| fault(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fault(format!("is not JSON: {error}")))
}

/// A name as a part of a path.
pub(super) fn part(name: &str) -> String {
    // Our ids have no slash; what else a URL gives a meaning is encoded.
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// A text of an answer; `-` where there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            let all: Vec<_> = entries.iter().map(text).collect();
            all.join(", ")
        }
        other => other.to_string(),
    }
}
