//! `evenload health`: is a running service ready? Made for container health checks.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::config::{Config, ServerConfig};

use super::check::refuse;
use super::exit::Exit;
use super::output;

/// How long to wait for the whole answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Arguments of `evenload health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The service, e.g. <http://127.0.0.1:8080>; without it where the configuration says it
    /// listens (with TLS its public URL, the name its certificate is for)
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
    /// The configuration file of the service, for its address
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the service said.
struct Answer {
    status: u16,
    body: Value,
}

impl HealthArgs {
    /// Asks it.
    pub fn run(&self) -> Exit {
        let base = match &self.url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => match Config::load_here(self.config.as_deref(), []) {
                Ok(loaded) => address_of(&loaded.config),
                Err(error) => return refuse(&error, self.json),
            },
        };
        let url = format!("{base}/health/ready");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let asked = match runtime {
            Ok(runtime) => runtime.block_on(ask(&url)),
            Err(error) => {
                output::complain(&format!("cannot start: {error}"));
                return Exit::Internal;
            }
        };
        match asked {
            Ok(answer) => self.report(&url, &answer),
            Err(error) => self.report_unreachable(&url, &error),
        }
    }

    fn report(&self, url: &str, answer: &Answer) -> Exit {
        let ready = answer.status == 200;
        if self.json {
            output::object(&json!({
                "url": url,
                "reachable": true,
                "ready": ready,
                "http_status": answer.status,
                "answer": answer.body,
            }));
        } else {
            let word = if ready { "ready" } else { "not ready" };
            output::line(&format!("{word}: {url} answered {}", answer.status));
            if !ready && !answer.body.is_null() {
                output::line(&answer.body.to_string());
            }
        }
        if ready { Exit::Done } else { Exit::CheckFailed }
    }

    fn report_unreachable(&self, url: &str, error: &reqwest::Error) -> Exit {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            reason = format!("{reason}: {deeper}");
            cause = deeper.source();
        }
        if self.json {
            output::object(&json!({
                "url": url,
                "reachable": false,
                "ready": false,
                "detail": reason,
            }));
        }
        output::complain(&format!("{url} is not reachable: {reason}"));
        Exit::Unreachable
    }
}

/// Where a service with this configuration answers.
fn address_of(config: &Config) -> String {
    let server = &config.server;
    if config.tls.is_some() {
        server.base_url(server.listen, true)
    } else {
        ServerConfig::local_url(server.listen, false)
    }
}

async fn ask(url: &str) -> Result<Answer, reqwest::Error> {
    let mut client = reqwest::Client::builder()
        .timeout(DEADLINE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if url.starts_with("http://") {
        // Certificates are of no use here, and a container may have none at all.
        client = client.tls_certs_only([]);
    }
    let mut response = client.build()?.get(url).send().await?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            bytes.clear();
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Answer { status, body })
}
