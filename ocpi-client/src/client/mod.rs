//! Calls to a peer over HTTP.

mod address;
mod call;
mod crawl;
mod exchange;
mod perform;
mod requests;

pub use address::{below, parse};
pub use crawl::{Crawl, Page};
pub use exchange::{Exchange, MAX_KEPT_CHARS, Message};
pub use perform::{Connection, Performed};
pub use requests::MAX_URL_CHARS;

use std::time::Duration;

use crate::error::Error;
use crate::headers::Routing;
use crate::read::Deviations;
use crate::token::{Token, TokenEncoding};

/// Bounds of every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of the name lookup to the last byte of the body.
    pub deadline: Duration,
    /// Longest body, in bytes after decompression.
    pub max_body_bytes: usize,
}

impl Default for Limits {
    /// 10 s, and 2 MiB: a page of 100 sessions with 100 periods each is about 1 MiB.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            max_body_bytes: 2 * 1024 * 1024,
        }
    }
}

/// A client for one peer.
///
/// The `reqwest::Client` is the caller's: name resolution, proxies, TLS and guards against
/// addresses of one's own network are his. It must not follow redirects; [`default_http`] makes
/// one that does not.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    token: Token,
    encoding: TokenEncoding,
    routing: Routing,
    limits: Limits,
    closes: bool,
}

/// What came of a call: the result, what was tolerated, and the exchange for a viewer.
#[derive(Debug)]
pub struct Reply<T> {
    /// The result.
    pub result: Result<T, Error>,
    /// What the peer wrote differently from the specification.
    pub deviations: Deviations,
    /// The exchange with secrets masked.
    pub exchange: Exchange,
}

impl<T> Reply<T> {
    /// The result alone.
    pub fn into_result(self) -> Result<T, Error> {
        self.result
    }
}

impl Client {
    /// A client that shows `token` in the way the peer wants it.
    pub fn new(http: reqwest::Client, token: Token, encoding: TokenEncoding) -> Self {
        let (routing, limits) = (Routing::default(), Limits::default());
        Self {
            http,
            token,
            encoding,
            routing,
            limits,
            closes: false,
        }
    }

    /// The same, but each connection is closed after its answer.
    ///
    /// Some platforms do the work that a request asks for before they take the next one from the
    /// same connection: it would wait for minutes.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The same with routing headers on every call to a functional module.
    #[must_use]
    pub fn with_routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// A `reqwest::Client` with sane defaults: no redirects, a limit for connecting, no `Referer`, no
/// proxy from the environment.
///
/// The process must have installed a rustls crypto provider before. Where the system has no root
/// certificates (a bare container), the client is made all the same, with a warning: plain http
/// works, every https peer is refused.
pub fn default_http(user_agent: &str) -> Result<reqwest::Client, reqwest::Error> {
    default_builder(user_agent).build().or_else(|error| {
        let client = default_builder(user_agent).tls_certs_only([]).build()?;
        tracing::warn!(%error, "no root certificates on this system: every https peer is refused");
        Ok(client)
    })
}

/// The builder behind [`default_http`], for a caller who adds his own resolver or certificates.
pub fn default_builder(user_agent: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(Duration::from_mins(1))
}
