//! Which addresses we call. A partner names the addresses itself, so none of them is trusted: only
//! https to public addresses, on the host it registered with, and what was checked is what is
//! connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use url::{Host, Url};

use crate::config::Network;

/// Longest address that is taken, in bytes; OCPI allows 255.
const MAX_URL_BYTES: usize = 2048;

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not an absolute address.
    #[error("{0:?} is no absolute http or https address")]
    NotAnAddress(String),
    /// Not https.
    #[error("{0:?} is not https; set allow_insecure for closed networks and tests only")]
    Scheme(String),
    /// Carries a user name or password.
    #[error("an address must not carry a user name or password")]
    UserInfo,
    /// Another port than the scheme's.
    #[error("port {0} is neither the default port nor the registered one")]
    Port(u16),
    /// Leads into a private network, to this machine or nowhere.
    #[error("{0} is not a public address")]
    NotPublic(String),
    /// On another host than the partner registered with.
    #[error("{found} is not on the registered host {registered}")]
    ForeignHost {
        /// The host of the address.
        found: String,
        /// The host the partner registered with.
        registered: String,
    },
}

/// The rules for addresses of partners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard {
    allow_insecure: bool,
    networks: Arc<[Network]>,
}

impl Guard {
    /// Strict rules; with `allow_insecure` plain http and this machine are let through, and of
    /// private networks those that are named. Never link-local addresses and those where clouds
    /// keep credentials.
    pub fn new(allow_insecure: bool, networks: &[Network]) -> Self {
        Self {
            allow_insecure,
            networks: networks.into(),
        }
    }

    /// Checks an address that an operator entered: the versions URL.
    pub fn check(&self, address: &str) -> Result<Url, Refused> {
        let url = self.check_shape(address)?;
        if !self.allow_insecure && url.port_or_known_default() != Some(443) && !is_high_port(&url) {
            return Err(Refused::Port(url.port().unwrap_or_default()));
        }
        Ok(url)
    }

    /// Checks an address that a partner named, against the one it registered with: same host (or
    /// one beneath or above it), same scheme, and the same or the default port.
    pub fn check_of(&self, registered: &Url, address: &str) -> Result<Url, Refused> {
        let url = self.check_shape(address)?;
        let (found, home) = (host_name(&url), host_name(registered));
        let related = found == home || is_beneath(&found, &home) || is_beneath(&home, &found);
        if !related {
            return Err(Refused::ForeignHost {
                found,
                registered: home,
            });
        }
        let default_port = url.port().is_none();
        if !default_port && url.port_or_known_default() != registered.port_or_known_default() {
            return Err(Refused::Port(url.port().unwrap_or_default()));
        }
        if registered.scheme() == "https" && url.scheme() != "https" {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        Ok(url)
    }

    fn check_shape(&self, address: &str) -> Result<Url, Refused> {
        let shown = || address.chars().take(120).collect::<String>();
        if address.len() > MAX_URL_BYTES {
            return Err(Refused::NotAnAddress(shown()));
        }
        let url = Url::parse(address).map_err(|_| Refused::NotAnAddress(shown()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_insecure => {}
            "http" => return Err(Refused::Scheme("http".into())),
            _ => return Err(Refused::NotAnAddress(shown())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo);
        }
        match url.host() {
            None => return Err(Refused::NotAnAddress(shown())),
            Some(Host::Ipv4(address)) => self.check_ip(IpAddr::V4(address))?,
            Some(Host::Ipv6(address)) => self.check_ip(IpAddr::V6(address))?,
            Some(Host::Domain(name)) => self.check_name(name)?,
        }
        Ok(url)
    }

    fn check_name(&self, name: &str) -> Result<(), Refused> {
        let name = name.trim_end_matches('.');
        let local = [
            "localhost",
            "local",
            "internal",
            "intranet",
            "lan",
            "home.arpa",
            "test",
        ];
        let reserved = local
            .iter()
            .any(|end| name == *end || is_beneath(name, end));
        // Names of one's own networks; what they lead to is checked when it is connected to.
        let has_own = self.allow_insecure || !self.networks.is_empty();
        let is_this_machine = name == "localhost" || is_beneath(name, "localhost");
        let is_local = reserved || !name.contains('.');
        if is_local && (!has_own || (is_this_machine && !self.allow_insecure)) {
            return Err(Refused::NotPublic(name.to_owned()));
        }
        Ok(())
    }

    /// Checks an address that is about to be connected to.
    pub fn check_ip(&self, address: IpAddr) -> Result<(), Refused> {
        let is_own = self
            .networks
            .iter()
            .any(|network| network.contains(address))
            && is_closed_network(address);
        let is_this_machine = self.allow_insecure && address.to_canonical().is_loopback();
        if is_public(address) || is_own || is_this_machine {
            Ok(())
        } else {
            Err(Refused::NotPublic(address.to_string()))
        }
    }
}

/// A port beyond the well-known ones: where closed platforms run, and no mail or database server
/// would be reached by accident. Ports 1 to 1023 other than 443 are refused.
fn is_high_port(url: &Url) -> bool {
    url.port().is_some_and(|port| port >= 1024)
}

fn host_name(url: &Url) -> String {
    url.host_str()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// True for `api.example.com` beneath `example.com`; a single label such as `com` has nothing
/// beneath it here unless it is one of the reserved names.
fn is_beneath(name: &str, parent: &str) -> bool {
    let dotted = parent.contains('.')
        || ["localhost", "local", "internal", "intranet", "lan", "test"].contains(&parent);
    // Numbers are addresses, not names.
    let number = name.parse::<IpAddr>().is_ok() || name.starts_with('[');
    dotted
        && !number
        && name
            .strip_suffix(parent)
            .is_some_and(|front| front.ends_with('.'))
}

/// True for addresses of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// True for private networks, where closed platforms run, but not for addresses at which clouds
/// serve credentials.
fn is_closed_network(address: IpAddr) -> bool {
    /// Where clouds serve the credentials of the machine, beside the link-local 169.254.169.254.
    const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..=127).contains(&b);
            address != METADATA_V4 && (address.is_private() || is_shared)
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inside) => is_closed_network(IpAddr::V4(inside)),
            None => address != METADATA_V6 && address.is_unique_local(),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        // This network, private, loopback; multicast, reserved, broadcast.
        0 | 10 | 127 | 224..=255 => true,
        // Shared (CGNAT).
        100 => (64..=127).contains(&b),
        // Link-local with cloud metadata.
        169 => b == 254,
        172 => (16..=31).contains(&b),
        // Private; protocol assignments, documentation; 6to4 relays.
        192 => b == 168 || (b == 0 && matches!(c, 0 | 2)) || (b == 88 && c == 99),
        // Benchmarks, documentation.
        198 => matches!(b, 18 | 19) || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = address.to_ipv4_mapped() {
        return is_public_v4(inside);
    }
    let parts = address.segments();
    // Global unicast is 2000::/3; all else is loopback, ULA, link-local, multicast or reserved.
    if parts[0] & 0xe000 != 0x2000 {
        return match parts {
            // NAT64 leads to the IPv4 address inside.
            [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4_of(high, low)),
            _ => false,
        };
    }
    match parts {
        // Teredo, benchmarks, ORCHID and the other protocol assignments of 2001::/23.
        [0x2001, second, ..] if second < 0x0200 => false,
        // Documentation.
        [0x2001, 0x0db8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // 6to4 leads to the IPv4 address inside.
        [0x2002, high, low, ..] => is_public_v4(v4_of(high, low)),
        _ => true,
    }
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// Resolves names and gives only addresses that may be connected to. What it returns is what is
/// connected to, so a name server that changes its answer in between gains nothing.
#[derive(Clone, Debug)]
pub struct GuardedResolver {
    guard: Guard,
}

impl GuardedResolver {
    /// A resolver under these rules.
    pub fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = permitted(&guard, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses if every one may be connected to: a name with one private address among public
/// ones is up to no good.
fn permitted(
    guard: &Guard,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Refused> {
    let found: Vec<_> = found.take(32).collect();
    for address in &found {
        guard.check_ip(address.ip())?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
