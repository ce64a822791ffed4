//! What is allowed, but not what one wants in production.

use url::{Host, Url};

use super::{Config, Origin, Setting};

/// Advice about a setting in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting, e.g. `server.public_url`.
    pub key: &'static str,
    /// What may go wrong, and what to do.
    pub detail: String,
}

/// Shortest administrator's token that is not warned about: 22 characters of base64 hold 128 bits,
/// 16 hold 96, too many to guess.
const TOKEN_CHARS_MIN: usize = 16;

/// All advice about a configuration.
pub(super) fn all(config: &Config, settings: &[Setting]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |key, detail: &str| {
        warnings.push(Warning {
            key,
            detail: detail.to_owned(),
        });
    };
    let server = &config.server;
    let local_only = server.listen.ip().is_loopback();
    if !local_only && config.tls.is_none() {
        warn(
            "server.listen",
            "is open to other machines without TLS; set tls.cert_file and tls.key_file, or put a \
             TLS proxy in front",
        );
    }
    match &server.public_url {
        None => warn(
            "server.public_url",
            "is not set: partners on other machines cannot reach us",
        ),
        Some(url) if plain_and_remote(url) => warn(
            "server.public_url",
            "is plain http: tokens and sessions are readable on the way",
        ),
        Some(_) => {}
    }
    if config.ocpi.allow_insecure {
        warn(
            "ocpi.allow_insecure",
            "accepts partners over plain http and on this machine; for tests, demos and closed \
             networks only",
        );
    }
    for (key, what) in [
        ("ocpi.country_code", "country code"),
        ("ocpi.party_id", "party id"),
    ] {
        let set = settings
            .iter()
            .any(|it| it.key == key && it.origin != Origin::Default);
        if !set {
            warn(
                key,
                &format!("is a placeholder; set your {what} before registering"),
            );
        }
    }
    if let Some(token) = &config.api.admin_token
        && token.expose().len() < TOKEN_CHARS_MIN
    {
        warn(
            "api.admin_token",
            "is shorter than 16 characters, so it can be guessed",
        );
    }
    warnings
}

fn plain_and_remote(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return true;
    };
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !local
}
