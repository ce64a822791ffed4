//! One call of the REST API, bounded in time and size.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::Ask;
use crate::cli::exit::Exit;
use crate::config::Secret;

/// How long an answer is waited for: a registration makes a dozen calls of up to 10 s each, and
/// a test waits for a result.
const DEADLINE: Duration = Duration::from_secs(150);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why a call gave nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Address or token are missing or of no use.
    Setup(String),
    /// Nobody answered.
    Unreachable(String),
    /// The service said no.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its problem document, if it sent one.
        problem: Value,
    },
    /// A defect of this program or machine.
    Internal(String),
}

impl CallError {
    /// How the program ends.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            // The partner did not do what was asked of it.
            Self::Refused { status: 502, .. } => Exit::CheckFailed,
            Self::Unreachable(_)
            | Self::Refused {
                status: 503 | 504, ..
            } => Exit::Unreachable,
            Self::Refused { status, .. } if *status >= 500 => Exit::Internal,
            Self::Setup(_) | Self::Refused { .. } => Exit::Invalid,
            Self::Internal(_) => Exit::Internal,
        }
    }

    /// What the service said.
    pub(in crate::cli) fn problem(&self) -> Option<&Value> {
        match self {
            Self::Refused { problem, .. } => Some(problem).filter(|problem| problem.is_object()),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(detail) | Self::Unreachable(detail) | Self::Internal(detail) => {
                f.write_str(detail)
            }
            Self::Refused { status: 401, .. } => {
                f.write_str("the service does not know this token (HTTP 401)")
            }
            Self::Refused { status, problem } => {
                let detail = problem["detail"].as_str().or(problem["title"].as_str());
                write!(f, "{} (HTTP {status})", detail.unwrap_or("refused"))?;
                let faults = problem["errors"].as_array();
                for fault in faults.into_iter().flatten() {
                    let text = |field: &str| fault[field].as_str().unwrap_or_default();
                    write!(f, "\n  {} {}", text("pointer"), text("detail"))?;
                }
                Ok(())
            }
        }
    }
}

/// A client of one service.
pub(super) struct Caller<'a> {
    http: reqwest::Client,
    base: String,
    token: &'a Secret,
}

impl<'a> Caller<'a> {
    pub(super) fn new(url: &Url, token: &'a Secret) -> Result<Self, CallError> {
        let mut client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if url.scheme() == "http" {
            // Certificates are of no use here, and a container may have none at all.
            client = client.tls_certs_only([]);
        }
        let http = client
            .build()
            .map_err(|error| CallError::Internal(format!("no HTTP client: {error}")))?;
        Ok(Self {
            http,
            base: format!("{}/api/v1", url.as_str().trim_end_matches('/')),
            token,
        })
    }

    /// Makes a call that is answered with JSON.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Value, CallError> {
        let url = format!("{}{}", self.base, ask.path);
        let bytes = self.answer(&url, ask).await?;
        match serde_json::from_slice(&bytes) {
            Ok(answer) => Ok(answer),
            Err(_) if bytes.is_empty() => Ok(Value::Null),
            Err(_) => Err(CallError::Unreachable(format!(
                "{url} answered, but not with JSON: is it an evenload?"
            ))),
        }
    }

    /// Makes a call that is answered with anything.
    pub(super) async fn bytes(&self, ask: Ask<'_>) -> Result<Vec<u8>, CallError> {
        let url = format!("{}{}", self.base, ask.path);
        self.answer(&url, ask).await
    }

    async fn answer(&self, url: &str, ask: Ask<'_>) -> Result<Vec<u8>, CallError> {
        let mut request = self
            .http
            .request(ask.method, url)
            .bearer_auth(self.token.expose());
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let gone = |error: reqwest::Error| CallError::Unreachable(in_full(url, error));
        let mut response = request.send().await.map_err(gone)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(gone)? {
            if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
                let detail = format!("the answer of {url} is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(CallError::Internal(detail));
            }
            bytes.extend_from_slice(&piece);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(CallError::Refused {
            status: status.as_u16(),
            problem: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }
}

/// How long a file may take: a large store over a slow line.
const DOWNLOAD_DEADLINE: Duration = Duration::from_hours(1);

impl Caller<'_> {
    /// Asks for a file and writes it to `sink` as it comes.
    pub(super) async fn download(
        &self,
        path: &str,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<(), CallError> {
        let url = format!("{}{path}", self.base);
        let gone = |error: reqwest::Error| CallError::Unreachable(in_full(&url, error));
        let request = self.http.post(&url).timeout(DOWNLOAD_DEADLINE);
        let request = request.bearer_auth(self.token.expose());
        let mut response = request.send().await.map_err(gone)?;
        let status = response.status();
        if !status.is_success() {
            let bytes = response.bytes().await.map_err(gone)?;
            return Err(CallError::Refused {
                status: status.as_u16(),
                problem: serde_json::from_slice(&bytes).unwrap_or_default(),
            });
        }
        while let Some(piece) = response.chunk().await.map_err(gone)? {
            sink.write_all(&piece).map_err(|error| {
                CallError::Setup(format!("the file cannot be written: {error}"))
            })?;
        }
        Ok(())
    }
}

fn in_full(url: &str, error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = format!("{url} is not reachable: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
