//! Which addresses we call. A partner names the addresses itself, so none of them is trusted: only
//! https to public addresses, on the host it registered with, and what was checked is what is
//! connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use url::{Host, Url};

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

/// The rules for addresses of partners.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    allow_insecure: bool,
}

impl Guard {
    /// Strict rules, or with `allow_insecure` rules that let http, this machine and private
    /// networks through; never link-local addresses and those where clouds keep credentials.
    pub fn new(allow_insecure: bool) -> Self {
        Self { allow_insecure }
    }

    /// Checks an address that an operator entered: the versions URL.
    pub fn check(self, address: &str) -> Result<Url, Refused> {
        let url = self.check_shape(address)?;
        if !self.allow_insecure && url.port_or_known_default() != Some(443) && !is_high_port(&url) {
            return Err(Refused::Port(url.port().unwrap_or_default()));
        }
        Ok(url)
    }

    /// Checks an address that a partner named, against the one it registered with: same host (or
    /// one beneath or above it), same scheme, and the same or the default port.
    pub fn check_of(self, registered: &Url, address: &str) -> Result<Url, Refused> {
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

    fn check_shape(self, address: &str) -> Result<Url, Refused> {
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

    fn check_name(self, name: &str) -> Result<(), Refused> {
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
        if !self.allow_insecure && (reserved || !name.contains('.')) {
            return Err(Refused::NotPublic(name.to_owned()));
        }
        Ok(())
    }

    /// Checks an address that is about to be connected to.
    pub fn check_ip(self, address: IpAddr) -> Result<(), Refused> {
        if is_public(address) || (self.allow_insecure && is_closed_network(address)) {
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

/// True for this machine and for private networks, where closed platforms run.
fn is_closed_network(address: IpAddr) -> bool {
    /// Where clouds serve the credentials of the machine, beside the link-local 169.254.169.254.
    const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..=127).contains(&b);
            address != METADATA_V4 && (address.is_loopback() || address.is_private() || is_shared)
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inside) => is_closed_network(IpAddr::V4(inside)),
            None => address != METADATA_V6 && (address.is_loopback() || address.is_unique_local()),
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
#[derive(Clone, Copy, Debug)]
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
        let guard = self.guard;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = permitted(guard, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses if every one may be connected to: a name with one private address among public
/// ones is up to no good.
fn permitted(
    guard: Guard,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Refused> {
    let found: Vec<_> = found.take(32).collect();
    for address in &found {
        guard.check_ip(address.ip())?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &[&str] = &[
        // Not an address, another scheme.
        "",
        "ocpi.example.com/versions",
        "/ocpi/versions",
        "//example.com/ocpi",
        "https://",
        "http://ocpi.example.com/versions",
        "ftp://ocpi.example.com/versions",
        "file:///etc/passwd",
        "gopher://example.com:70/_x",
        "data:text/plain,x",
        "javascript:alert(1)",
        "ws://example.com/",
        "unix:/run/x.sock",
        "https:///versions",
        // User names.
        "https://user@ocpi.example.com/",
        "https://user:pw@ocpi.example.com/",
        "https://ocpi.example.com@127.0.0.1/",
        "https://:pw@ocpi.example.com/",
        // This machine.
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://a.localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://127.255.255.254/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://１２７.0.0.1/",
        "https://127。0。0。1/",
        // Private networks.
        "https://10.0.0.1/",
        "https://10.255.255.255/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://100.127.255.255/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://2852039166/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[2001::1]/",
        // Nowhere.
        "https://192.0.2.1/",
        "https://198.51.100.1/",
        "https://203.0.113.9/",
        "https://198.18.0.1/",
        "https://192.88.99.1/",
        "https://224.0.0.1/",
        "https://239.255.255.255/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://192.0.0.1/",
        "https://[ff02::1]/",
        "https://[2001:db8::1]/",
        "https://[100::1]/",
        "https://[3fff::1]/",
        // Names without a network.
        "https://intranet/",
        "https://router.lan/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://db/",
        "https://host.home.arpa/",
        // Ports of other services.
        "https://ocpi.example.com:22/",
        "https://ocpi.example.com:25/",
        "https://ocpi.example.com:80/",
        "https://ocpi.example.com:0/",
    ];

    const ALLOWED: &[&str] = &[
        "https://ocpi.example.com/versions",
        "https://ocpi.example.com:443/versions",
        "https://ocpi.example.com:8443/ocpi/versions",
        "https://example.co.uk/",
        "https://93.184.215.14/versions",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://münchen.example.com/ocpi",
        "https://ocpi.example.com./versions",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://192.169.0.1/",
        "https://11.0.0.1/",
        "https://localhost.example.com/",
        "https://[64:ff9b::5db8:d70e]/",
    ];

    #[test]
    fn nothing_but_https_to_the_public_internet_is_called() {
        assert!(REFUSED.len() >= 60, "{}", REFUSED.len());
        let guard = Guard::new(false);
        let through: Vec<_> = REFUSED
            .iter()
            .filter(|url| guard.check(url).is_ok())
            .collect();
        assert!(through.is_empty(), "got through: {through:?}");
    }

    #[test]
    fn what_partners_really_use_is_not_blocked() {
        let guard = Guard::new(false);
        for url in ALLOWED {
            assert_eq!(guard.check(url).map(|_| ()), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_insecure_setting_opens_this_machine_and_private_networks_and_nothing_else() {
        let guard = Guard::new(true);
        assert!(guard.check("http://127.0.0.1:9000/ocpi/versions").is_ok());
        assert!(guard.check("http://cpo:9000/").is_ok());
        assert!(guard.check("file:///etc/passwd").is_err());
        assert!(guard.check("http://u:p@127.0.0.1/").is_err());
        assert!(guard.check("http://[fd12::1]:9000/").is_ok());
        assert!(guard.check("http://172.18.0.3:9000/").is_ok());
        for never in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://0.0.0.0:9000/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
        ] {
            assert!(guard.check(never).is_err(), "{never}");
        }
    }

    #[test]
    fn a_partner_names_addresses_on_its_registered_host_only() {
        let guard = Guard::new(false);
        let home = Url::parse("https://ocpi.cpo.example.com/versions").unwrap();
        assert!(
            guard
                .check_of(&home, "https://ocpi.cpo.example.com/2.2.1/sessions")
                .is_ok()
        );
        assert!(
            guard
                .check_of(&home, "https://OCPI.CPO.example.com./2.2.1/sessions")
                .is_ok()
        );
        assert!(
            guard
                .check_of(&home, "https://api.ocpi.cpo.example.com/x")
                .is_ok()
        );
        assert!(guard.check_of(&home, "https://cpo.example.com/x").is_ok());
        for foreign in [
            "https://evil.example.org/x",
            "https://xocpi.cpo.example.com.evil.org/",
            "https://evilocpi.cpo.example.com/",
            "https://ocpi.cpo.example.com:8443/x",
            "http://ocpi.cpo.example.com/x",
            "https://com/",
            "https://93.184.215.14/",
        ] {
            assert!(guard.check_of(&home, foreign).is_err(), "{foreign}");
        }
        let number = Url::parse("https://93.184.215.14/").unwrap();
        assert!(guard.check_of(&number, "https://1.93.184.215.14/").is_err());
    }

    #[test]
    fn a_name_that_also_resolves_to_a_private_address_is_not_called() {
        let guard = Guard::new(false);
        let public: SocketAddr = "93.184.215.14:0".parse().unwrap();
        let private: SocketAddr = "10.0.0.1:0".parse().unwrap();
        assert!(permitted(guard, [public].into_iter()).is_ok());
        assert!(permitted(guard, [public, private].into_iter()).is_err());
    }
}
