//! Where the command line finds a running service, and the token it shows there.

use std::path::{Path, PathBuf};

use thiserror::Error;
use url::Url;

use super::files;
use super::secret::Secret;

/// The service that answers when nothing else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Longest token taken.
const MAX_TOKEN_CHARS: usize = 512;

/// Why the command line cannot call a service.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientFault {
    /// The address is none.
    #[error("{origin} is {text:?}; an http or https address is needed, like {DEFAULT_URL}")]
    Url {
        /// Where it was said.
        origin: &'static str,
        /// What was said.
        text: String,
    },
    /// There is no token.
    #[error(
        "no token: set {0}, or {0}_FILE to the name of a file that holds it, or give \
         --token-file FILE (`-` for standard input)"
    )]
    NoToken(&'static str),
    /// The file or standard input gave none.
    #[error("{name} {detail}")]
    Source {
        /// The file.
        name: String,
        /// What is wrong.
        detail: String,
    },
}

/// The address of the service: as given, else `EVENLOAD_URL`, else this machine's default port.
pub fn service_url(given: Option<Url>) -> Result<Url, ClientFault> {
    if let Some(url) = given {
        return checked("--url", url.as_str());
    }
    match variable("EVENLOAD_URL") {
        Some(text) => checked("EVENLOAD_URL", &text),
        None => checked("the default", DEFAULT_URL),
    }
}

/// The address in `EVENLOAD_URL`, if it is one.
pub fn service_variable() -> Option<Url> {
    Url::parse(&variable("EVENLOAD_URL")?).ok()
}

fn checked(origin: &'static str, text: &str) -> Result<Url, ClientFault> {
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    Url::parse(text)
        .ok()
        .filter(usable)
        .ok_or_else(|| ClientFault::Url {
            origin,
            text: text.into(),
        })
}

/// A secret that is never an argument, since everybody on the machine can read those: from the
/// file (`-`: standard input) if one is named, else from the environment variable `name`, else from
/// the file that the variable `{name}_FILE` names.
pub fn secret(name: &'static str, file: Option<&Path>) -> Result<Secret, ClientFault> {
    if let Some(path) = file {
        return from_path(path);
    }
    if let Some(text) = variable(name) {
        return usable(name, &text);
    }
    match variable(&format!("{name}_FILE")) {
        Some(path) => from_path(&PathBuf::from(path)),
        None => Err(ClientFault::NoToken(name)),
    }
}

fn from_path(path: &Path) -> Result<Secret, ClientFault> {
    let name = path.display().to_string();
    let fault = |detail| ClientFault::Source {
        name: name.clone(),
        detail,
    };
    let text = if path == Path::new("-") {
        files::read_stdin_line().map_err(|detail| ClientFault::Source {
            name: "standard input".into(),
            detail,
        })?
    } else {
        files::read_secret(path).map_err(fault)?
    };
    usable(&name, text.trim())
}

fn usable(name: &str, text: &str) -> Result<Secret, ClientFault> {
    let is_token = (1..=MAX_TOKEN_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token {
        Ok(Secret::new(text))
    } else {
        Err(ClientFault::Source {
            name: name.into(),
            detail: "does not hold a token: 1 to 512 printable ASCII characters without blanks"
                .into(),
        })
    }
}

/// A variable of the environment that is not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    let mut all = std::env::vars_os();
    let (_, value) = all.find(|(key, _)| key == name)?;
    Some(value.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_a_private_file_and_a_bad_one_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc def-secret\n").unwrap();
        private(&path);
        let refused = secret("EVENLOAD_TEST_NONE", Some(&path)).unwrap_err();
        assert!(!refused.to_string().contains("def-secret"), "{refused}");
        std::fs::write(&path, "abc-def\n").unwrap();
        let token = secret("EVENLOAD_TEST_NONE", Some(&path)).unwrap();
        assert_eq!(token.expose(), "abc-def");
    }

    #[test]
    fn without_a_token_it_says_where_to_put_one() {
        let none = secret("EVENLOAD_TEST_NONE", None).unwrap_err().to_string();
        assert!(none.contains("EVENLOAD_TEST_NONE_FILE"), "{none}");
    }

    #[test]
    fn an_address_of_another_scheme_is_refused() {
        let ftp = Url::parse("ftp://127.0.0.1/").unwrap();
        assert!(service_url(Some(ftp)).is_err());
    }

    #[cfg(unix)]
    fn private(path: &Path) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[cfg(not(unix))]
    fn private(_: &Path) {}
}
