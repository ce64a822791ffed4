//! Where we listen and how partners see us.

use std::net::{Ipv4Addr, SocketAddr};

use super::kind::{BaseUrl, ListenAddress};
use super::reader::Reader;

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address and port of the one listener. Default: 127.0.0.1:8080, this machine only.
    pub listen: SocketAddr,
    /// Our address as partners see it, without a slash at its end; versions URL =
    /// `{public_url}/ocpi/versions`. Absent: see [`ServerConfig::base_url`].
    pub public_url: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
        }
    }
}

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            listen: reader.get("server.listen", &ListenAddress, Self::default().listen),
            public_url: reader.optional("server.public_url", &BaseUrl),
        }
    }

    /// `public_url`, or what reaches `bound` from this machine: the address itself, or loopback
    /// where we listen on every address.
    pub fn base_url(&self, bound: SocketAddr, tls: bool) -> String {
        self.public_url
            .clone()
            .unwrap_or_else(|| Self::local_url(bound, tls))
    }

    /// The URL that reaches an address we listen on from this machine.
    pub fn local_url(bound: SocketAddr, tls: bool) -> String {
        let scheme = if tls { "https" } else { "http" };
        let mut reached = bound;
        if bound.ip().is_unspecified() {
            reached.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("{scheme}://{reached}")
    }
}
