//! One exchange: bounded in time and size, recorded, classified.

use reqwest::Method;
use serde::Serialize;
use url::Url;

use super::exchange::{Exchange, Masker};
use super::{Client, Reply};
use crate::error::{Error, TransportKind};
use crate::headers::RequestIds;
use crate::read::{Deviations, FromOcpi};
use crate::response::{Answer, RawAnswer, classify};

/// A request before it is sent.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Result<Url, Error>,
    pub(super) body: Option<Vec<u8>>,
    /// Whether the module is a functional one, which is addressed by routing headers.
    pub(super) is_functional: bool,
}

impl Call {
    pub(super) fn get(operation: &'static str, url: Result<Url, Error>) -> Self {
        Self {
            operation,
            method: Method::GET,
            url,
            body: None,
            is_functional: true,
        }
    }

    pub(super) fn new(operation: &'static str, method: Method, url: Result<Url, Error>) -> Self {
        Self {
            operation,
            method,
            url,
            body: None,
            is_functional: true,
        }
    }

    /// With a JSON body. Our own types always serialise; a caller's may not.
    pub(super) fn with_body<T: Serialize>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes),
            Err(error) => {
                let detail = format!("the body cannot be written: {error}");
                self.url = Err(Error::Address {
                    operation: self.operation,
                    detail,
                });
            }
        }
        self
    }

    /// To a configuration module: without routing headers.
    pub(super) fn without_routing(mut self) -> Self {
        self.is_functional = false;
        self
    }
}

/// An answer with the headers that paging needs.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) answer: Answer,
    pub(super) headers: Vec<(String, String)>,
}

impl Client {
    /// Sends the call and reads one object from the answer.
    pub(super) async fn one<T: FromOcpi>(&self, call: Call) -> Reply<T> {
        let (result, exchange) = self.exchange(call).await;
        finish(result.and_then(|received| received.answer.one()), exchange)
    }

    /// Sends the call and reads a list from the answer.
    pub(super) async fn list<T: FromOcpi>(&self, call: Call) -> Reply<Vec<T>> {
        let (result, exchange) = self.exchange(call).await;
        finish(result.map(|received| received.answer.list()), exchange)
    }

    /// Sends the call; the answer carries no data.
    pub(super) async fn none(&self, call: Call) -> Reply<()> {
        let (result, exchange) = self.exchange(call).await;
        finish(
            result.map(|received| ((), received.answer.none())),
            exchange,
        )
    }

    /// Sends the call, with everything recorded.
    pub(super) async fn exchange(&self, call: Call) -> (Result<Received, Error>, Exchange) {
        let mut record = Exchange {
            method: call.method.to_string(),
            ..Exchange::default()
        };
        let operation = call.operation;
        let result = self.perform(call, &mut record).await;
        match &result {
            Ok(_) => tracing::debug!(operation, url = record.url, "call answered"),
            Err(error) => tracing::debug!(operation, url = record.url, %error, "call failed"),
        }
        (result, record)
    }

    async fn perform(&self, call: Call, record: &mut Exchange) -> Result<Received, Error> {
        let operation = call.operation;
        let masker = Masker::new(&self.token);
        let url = call.url?;
        record.url = masker.header("url", url.as_str()).1;
        let ids = RequestIds::generate();
        let mut request = self
            .http
            .request(call.method, url)
            .timeout(self.limits.deadline);
        let mut headers = vec![("Accept", "application/json".to_owned())];
        headers.push(("Authorization", self.token.authorization(self.encoding)));
        headers.extend(ids.write().map(|(name, value)| (name, value.to_owned())));
        if self.closes {
            headers.push(("Connection", "close".to_owned()));
        }
        if call.is_functional {
            let routing = self.routing.write();
            headers.extend(routing.map(|(name, value)| (name, value.to_owned())));
        }
        if let Some(body) = call.body {
            headers.push(("Content-Type", "application/json".to_owned()));
            record.request.body = masker.body(&body);
            request = request.body(body);
        }
        for (name, value) in headers {
            record.request.headers.push(masker.header(name, &value));
            request = request.header(name, value);
        }
        let response = request
            .send()
            .await
            .map_err(|error| transport(operation, error))?;
        let mut received = self.receive(operation, response, &masker, record).await?;
        let headers: Vec<(&str, &str)> = received
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        received.answer.deviations.extend(ids.check_echo(&headers));
        Ok(received)
    }

    async fn receive(
        &self,
        operation: &'static str,
        mut response: reqwest::Response,
        masker: &Masker<'_>,
        record: &mut Exchange,
    ) -> Result<Received, Error> {
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        record.status = Some(status);
        record.response.headers = headers
            .iter()
            .map(|(name, value)| masker.header(name, value))
            .collect();
        let mut body = Vec::new();
        let end = self.read_body(operation, &mut response, &mut body).await;
        record.response.body = masker.body(&body);
        end?;
        let header = |name: &str| {
            headers
                .iter()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, v)| &**v)
        };
        if let Some(encoding) = header("content-encoding").filter(|e| !e.trim().is_empty())
            && !encoding.eq_ignore_ascii_case("identity")
        {
            let detail = format!("it is encoded as {encoding:?}, which was not asked for");
            return Err(Error::NotJson {
                operation,
                status,
                detail,
            });
        }
        let raw = RawAnswer {
            status,
            content_type: header("content-type"),
            body: &body,
        };
        let answer = classify(operation, &raw)?;
        Ok(Received { answer, headers })
    }

    /// Reads the body piece by piece, so that a longer one is never held.
    async fn read_body(
        &self,
        operation: &'static str,
        response: &mut reqwest::Response,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let limit_bytes = self.limits.max_body_bytes;
        let chunk = |error| transport(operation, error);
        while let Some(piece) = response.chunk().await.map_err(chunk)? {
            if body.len() + piece.len() > limit_bytes {
                return Err(Error::TooLarge {
                    operation,
                    limit_bytes,
                });
            }
            body.extend_from_slice(&piece);
        }
        Ok(())
    }
}

/// The reply with the deviations found, or those of the refusal.
pub(super) fn finish<T>(result: Result<(T, Deviations), Error>, exchange: Exchange) -> Reply<T> {
    match result {
        Ok((value, deviations)) => Reply {
            result: Ok(value),
            deviations,
            exchange,
        },
        Err(error) => {
            let mut deviations = Deviations::new();
            if let Error::Unreadable { reason, .. } = &error {
                deviations.push((*reason.deviation).clone());
            }
            Reply {
                result: Err(error),
                deviations,
                exchange,
            }
        }
    }
}

fn transport(operation: &'static str, error: reqwest::Error) -> Error {
    let kind = if error.is_timeout() {
        TransportKind::Deadline
    } else if error.is_connect() {
        TransportKind::Connect
    } else if error.is_builder() || error.is_redirect() {
        TransportKind::Request
    } else {
        TransportKind::Interrupted
    };
    // The address is already known and may carry a one-time secret in its query.
    Error::Transport {
        operation,
        kind,
        source: Box::new(error.without_url()),
    }
}
