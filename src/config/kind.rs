//! The kinds of values a setting can have: how each is read, shown, and what is allowed.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde_json::{Value as Json, json};
use toml::Value;
use url::{Host, Url};

use super::network::Network;
use super::secret::Secret;

/// Longest text that a setting takes, in bytes.
const TEXT_BYTES_MAX: usize = 4096;
/// Longest base URL, in bytes: OCPI's URL type holds 255 characters, and our longest path below it
/// takes less than half of them.
const URL_BYTES_MAX: usize = 120;
/// Longest name of ours that OCPI's `BusinessDetails.name` takes, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A kind of value.
pub(super) trait Kind {
    /// What it is read into.
    type Value;

    /// Reads the text of an environment variable or a flag; `None` = not allowed.
    fn read_text(&self, text: &str) -> Option<Self::Value>;

    /// Reads a value of the file; `None` = not allowed.
    fn read_toml(&self, value: &Value) -> Option<Self::Value> {
        self.read_text(value.as_str()?)
    }

    /// The value as shown by `evenload check`.
    fn show(&self, value: &Self::Value) -> Json;

    /// What is allowed, for error messages.
    fn allowed(&self) -> String;

    /// A refused value, as an error message may show it.
    fn refused(&self, found: &str) -> String {
        const SHOWN_CHARS_MAX: usize = 60;
        let shown: String = found.chars().take(SHOWN_CHARS_MAX).collect();
        let more = if shown.len() < found.len() { ".." } else { "" };
        format!("is {shown:?}{more}")
    }
}

/// A whole number within a range.
pub(super) struct Whole<T>(pub(super) RangeInclusive<T>);

impl<T> Kind for Whole<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + Display + Into<Json>,
{
    type Value = T;

    fn read_text(&self, text: &str) -> Option<T> {
        self.read_toml(&Value::Integer(text.trim().parse().ok()?))
    }

    fn read_toml(&self, value: &Value) -> Option<T> {
        let whole = T::try_from(value.as_integer()?).ok()?;
        self.0.contains(&whole).then_some(whole)
    }

    fn show(&self, value: &T) -> Json {
        (*value).into()
    }

    fn allowed(&self) -> String {
        format!("a whole number, {} to {}", self.0.start(), self.0.end())
    }
}

/// A number within a range.
pub(super) struct Decimal(pub(super) RangeInclusive<f64>);

impl Kind for Decimal {
    type Value = f64;

    fn read_text(&self, text: &str) -> Option<f64> {
        self.read_toml(&Value::Float(text.trim().parse().ok()?))
    }

    fn read_toml(&self, value: &Value) -> Option<f64> {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(whole) => f64::from(i32::try_from(*whole).ok()?),
            _ => return None,
        };
        // NaN is in no range.
        self.0.contains(&number).then_some(number)
    }

    fn show(&self, value: &f64) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        format!("a number, {} to {}", self.0.start(), self.0.end())
    }
}

/// On or off.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn read_text(&self, text: &str) -> Option<bool> {
        text.trim().parse().ok()
    }

    fn read_toml(&self, value: &Value) -> Option<bool> {
        value.as_bool()
    }

    fn show(&self, value: &bool) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }
}

/// One of a few words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read_text(&self, text: &str) -> Option<T> {
        let found = self.0.iter().find(|(word, _)| *word == text.trim())?;
        Some(found.1)
    }

    fn show(&self, value: &T) -> Json {
        let found = self.0.iter().find(|(_, known)| known == value);
        json!(found.map(|(word, _)| word))
    }

    fn allowed(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        words.join(", ")
    }
}

/// One of a few whole numbers.
pub(super) struct OneOf(pub(super) &'static [u32]);

impl Kind for OneOf {
    type Value = u32;

    fn read_text(&self, text: &str) -> Option<u32> {
        self.read_toml(&Value::Integer(text.trim().parse().ok()?))
    }

    fn read_toml(&self, value: &Value) -> Option<u32> {
        let whole = u32::try_from(value.as_integer()?).ok()?;
        self.0.contains(&whole).then_some(whole)
    }

    fn show(&self, value: &u32) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    }
}

/// An address and port to listen on.
pub(super) struct ListenAddress;

impl Kind for ListenAddress {
    type Value = SocketAddr;

    fn read_text(&self, text: &str) -> Option<SocketAddr> {
        let text = text.trim();
        if let Some(port) = text.strip_prefix("localhost:") {
            return Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into());
        }
        text.parse().ok()
    }

    fn show(&self, value: &SocketAddr) -> Json {
        json!(value.to_string())
    }

    fn allowed(&self) -> String {
        "IP:PORT, as 127.0.0.1:8080, [::]:8080 or localhost:8080".to_owned()
    }
}

/// An http or https address without user, query and fragment; kept without a slash at its end.
pub(super) struct BaseUrl;

impl Kind for BaseUrl {
    type Value = String;

    fn read_text(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let url = Url::parse(text).ok()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let named = match url.host()? {
            Host::Domain(domain) => !domain.is_empty(),
            Host::Ipv4(ip) => !ip.is_unspecified(),
            Host::Ipv6(ip) => !ip.is_unspecified(),
        };
        let web = matches!(url.scheme(), "http" | "https");
        let kept = url.as_str().trim_end_matches('/');
        (plain && named && web && kept.len() <= URL_BYTES_MAX).then(|| kept.to_owned())
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        "http(s)://HOST[:PORT][/PATH], at most 120 characters, without user, query and fragment"
            .to_owned()
    }

    fn refused(&self, found: &str) -> String {
        if found.contains('@') {
            return "holds a user or password".to_owned();
        }
        format!("is {:?}", found.chars().take(130).collect::<String>())
    }
}

/// A path of the file system; relative ones start at the working directory.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn read_text(&self, text: &str) -> Option<PathBuf> {
        let fits = !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
        fits.then(|| PathBuf::from(text))
    }

    fn show(&self, value: &PathBuf) -> Json {
        json!(value.display().to_string())
    }

    fn allowed(&self) -> String {
        "a path".to_owned()
    }
}

/// So many upper-case letters or digits, as OCPI's country code and party id.
pub(super) struct Code {
    pub(super) chars: usize,
    pub(super) digits: bool,
}

impl Kind for Code {
    type Value = String;

    fn read_text(&self, text: &str) -> Option<String> {
        let allowed = |c: char| c.is_ascii_uppercase() || (self.digits && c.is_ascii_digit());
        let fits = text.len() == self.chars && text.chars().all(allowed);
        fits.then(|| text.to_owned())
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        let of = if self.digits {
            "upper-case letters or digits"
        } else {
            "upper-case letters"
        };
        format!("{} {of}", self.chars)
    }
}

/// Networks of one's own, as a list or separated by commas.
pub(super) struct PrivateNetworks;

/// Most networks of one's own.
const NETWORKS_MAX: usize = 16;

impl Kind for PrivateNetworks {
    type Value = Vec<Network>;

    fn read_text(&self, text: &str) -> Option<Vec<Network>> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let networks: Vec<Network> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let all_private = networks.iter().all(Network::is_private);
        (all_private && networks.len() <= NETWORKS_MAX).then_some(networks)
    }

    fn read_toml(&self, value: &Value) -> Option<Vec<Network>> {
        let Value::Array(entries) = value else {
            return self.read_text(value.as_str()?);
        };
        let texts: Vec<&str> = entries.iter().map(Value::as_str).collect::<Option<_>>()?;
        self.read_text(&texts.join(","))
    }

    fn show(&self, value: &Vec<Network>) -> Json {
        value
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .into()
    }

    fn allowed(&self) -> String {
        format!(
            "up to {NETWORKS_MAX} networks within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, \
             100.64.0.0/10 or fc00::/7, such as 10.20.0.0/16"
        )
    }
}

/// A name for people.
pub(super) struct Name;

impl Kind for Name {
    type Value = String;

    fn read_text(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let count = text.chars().count();
        let fits = (1..=NAME_CHARS_MAX).contains(&count) && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        format!("1 to {NAME_CHARS_MAX} printable characters")
    }
}

/// A bearer token that is never shown.
pub(super) struct Token;

impl Kind for Token {
    type Value = Secret;

    fn read_text(&self, text: &str) -> Option<Secret> {
        const TOKEN_CHARS_MAX: usize = 512;
        let fits = (1..=TOKEN_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Secret::new(text))
    }

    fn show(&self, _: &Secret) -> Json {
        json!(Secret::REDACTED)
    }

    fn allowed(&self) -> String {
        "1 to 512 printable ASCII characters without spaces".to_owned()
    }

    fn refused(&self, _: &str) -> String {
        "is not a token (its value is not shown)".to_owned()
    }
}
