//! The steps of a registration over HTTP.

use url::Url;

use super::address::parse;
use super::{Client, Exchange, Limits, Reply};
use crate::error::Error;
use crate::read::Deviations;
use crate::registration::{Refusal, Step, StepResult};
use crate::token::{Token, TokenEncoding};

/// How to reach a platform whose token changes from step to step.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The caller's HTTP client, see [`Client`].
    pub http: reqwest::Client,
    /// How the platform wants tokens.
    pub encoding: TokenEncoding,
    /// Bounds of each call.
    pub limits: Limits,
}

/// What came of one step.
#[derive(Debug)]
pub struct Performed {
    /// To be fed back.
    pub result: StepResult,
    /// What was tolerated.
    pub deviations: Deviations,
    /// The exchange for a viewer; absent when the address could not be read.
    pub exchange: Option<Exchange>,
}

impl Connection {
    /// Performs a step that needs the network; `None` for the others, which are the caller's:
    /// storing, finishing, failing.
    ///
    /// Addresses come from the other platform. A caller that must not reach into his own network
    /// looks at the step before he lets it be performed.
    pub async fn perform(&self, step: &Step) -> Option<Performed> {
        match step {
            Step::GetVersions { url, token } => Some(match parse("get versions", url) {
                Ok(url) => done(
                    self.client(token).get_versions(&url).await,
                    StepResult::Versions,
                ),
                Err(error) => not_sent(&error, StepResult::Versions),
            }),
            Step::GetDetails { url, token, .. } => Some(match parse("get version details", url) {
                Ok(url) => done(
                    self.client(token).get_details(&url).await,
                    StepResult::Details,
                ),
                Err(error) => not_sent(&error, StepResult::Details),
            }),
            Step::SendCredentials {
                method,
                url,
                token,
                credentials,
            } => {
                let send = async |url: &Url| {
                    let client = self.client(token);
                    let reply = client.send_credentials(*method, url, credentials).await;
                    done(reply, |result| {
                        StepResult::Credentials(result.map(Box::new))
                    })
                };
                Some(match parse("send credentials", url) {
                    Ok(url) => send(&url).await,
                    Err(error) => not_sent(&error, StepResult::Credentials),
                })
            }
            Step::Store(_) | Step::Finished { .. } | Step::Failed(_) => None,
        }
    }

    fn client(&self, token: &Token) -> Client {
        Client::new(self.http.clone(), token.clone(), self.encoding).with_limits(self.limits)
    }
}

fn done<T>(reply: Reply<T>, wrap: impl FnOnce(Result<T, Refusal>) -> StepResult) -> Performed {
    let result = wrap(reply.result.map_err(|error| Refusal::from(&error)));
    Performed {
        result,
        deviations: reply.deviations,
        exchange: Some(reply.exchange),
    }
}

fn not_sent<T>(error: &Error, wrap: impl FnOnce(Result<T, Refusal>) -> StepResult) -> Performed {
    let result = wrap(Err(Refusal::from(error)));
    Performed {
        result,
        deviations: Deviations::new(),
        exchange: None,
    }
}
