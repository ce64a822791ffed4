//! A range of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses with a common prefix, written `10.20.0.0/16` or `fd12::/48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Whether an address is in it. An IPv4 address within an IPv6 one counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = mask_v4(self.prefix_bits);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = mask_v6(self.prefix_bits);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }

    /// True if all of it lies in a network that nobody routes on the internet: 10/8, 172.16/12,
    /// 192.168/16, 100.64/10 (shared by carriers) or `fc00::/7`.
    pub fn is_private(&self) -> bool {
        let private = [
            (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
            (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
            (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
        ];
        private.into_iter().any(|(base, prefix_bits)| {
            let wide = Self { base, prefix_bits };
            self.prefix_bits >= prefix_bits && wide.contains(self.base)
        })
    }
}

fn mask_v4(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask_v6(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:.60?} is no network such as 10.20.0.0/16");
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.trim().parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.trim().parse().map_err(|_| wrong())?;
        if prefix_bits > most {
            return Err(wrong());
        }
        Ok(Self { base, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let has = |text: &str, address: &str| network(text).contains(address.parse().unwrap());
        assert!(has("10.20.0.0/16", "10.20.255.1") && !has("10.20.0.0/16", "10.21.0.1"));
        assert!(has("10.20.0.0/16", "::ffff:10.20.0.9"));
        assert!(has("10.0.0.1/32", "10.0.0.1") && !has("10.0.0.1/32", "10.0.0.2"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "fd00::1"));
        assert!(has("fd12::/48", "fd12::1") && !has("fd12::/48", "fd12:0:1::1"));
    }

    #[test]
    fn only_what_lies_wholly_in_a_private_range_is_private() {
        for private in [
            "10.0.0.0/8",
            "172.18.0.0/16",
            "192.168.1.0/24",
            "100.64.0.0/10",
            "fd12::/48",
        ] {
            assert!(network(private).is_private(), "{private}");
        }
        for public in [
            "0.0.0.0/0",
            "10.0.0.0/7",
            "172.32.0.0/16",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "8.8.8.0/24",
            "fe80::/10",
            "2000::/3",
            "::/0",
        ] {
            assert!(!network(public).is_private(), "{public}");
        }
        for wrong in [
            "10.0.0.0",
            "10.0.0.0/33",
            "x/8",
            "10.0.0.0/-1",
            "fd00::/129",
            "",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
