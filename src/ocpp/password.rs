//! Stations' passwords: kept as argon2id, so that a reader of the disk learns none.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Shortest and longest password that is taken. Source: OCPP 2.1 `BasicAuthPassword`, 16 to 64.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// A password's hash, to be kept.
pub(super) fn hash(password: &str) -> Result<String, String> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Whether what a station shows is the password of a hash. 1.6 keys are hexadecimal: some stations
/// show the text of the key, some its bytes; both are theirs.
pub(super) fn is(hash: &str, shown: &[u8]) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let matches = |bytes: &[u8]| Argon2::default().verify_password(bytes, &hash).is_ok();
    if matches(shown) {
        return true;
    }
    let is_text = shown.iter().all(u8::is_ascii_graphic);
    if is_text || shown.len() > 32 {
        return false;
    }
    let hex = shown.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    matches(hex.as_bytes()) || matches(hex.to_ascii_uppercase().as_bytes())
}

/// A new password: 20 random bytes as 40 hexadecimal digits, which every version takes.
pub(super) fn make() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 20];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// User and password of an `Authorization: Basic` header. The password may be any bytes.
pub(super) fn read_basic(header: &[u8]) -> Option<(String, Vec<u8>)> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

/// Remembers, for this process only, what was verified: thousands of stations that come back at
/// once cannot each cost an argon2.
#[derive(Clone, Debug)]
pub(super) struct Shortcut {
    key: [u8; 32],
}

impl Shortcut {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        Self { key }
    }

    pub(super) fn digest(&self, hash: &str, shown: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(hash.len().to_be_bytes());
        hasher.update(hash);
        hasher.update(shown);
        hasher.finalize().into()
    }

    pub(super) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
        one.as_slice().ct_eq(other.as_slice()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_as_text_and_as_the_bytes_of_its_digits() {
        let kept = hash("0A0B0C0D0E0F00010203").expect("hashed");
        assert!(!kept.contains("0A0B"));
        assert!(is(&kept, b"0A0B0C0D0E0F00010203"));
        assert!(is(&kept, &[10, 11, 12, 13, 14, 15, 0, 1, 2, 3]));
        assert!(!is(&kept, b"0A0B0C0D0E0F00010204"));
        assert!(!is(&kept, b""));
        assert!(!is("no hash", b"x"));
    }

    #[test]
    fn basic_is_split_at_the_first_colon_as_bytes() {
        let header = |user: &[u8]| format!("Basic {}", STANDARD.encode(user));
        let read = |user: &[u8]| read_basic(header(user).as_bytes());
        assert_eq!(read(b"CP:a:b"), Some(("CP".into(), b"a:b".to_vec())));
        assert_eq!(read(b"CP:\xff"), Some(("CP".into(), vec![0xff])));
        assert_eq!(read(b"CP"), None);
        assert_eq!(read_basic(b"Bearer x"), None);
        assert_eq!(read_basic(b"Basic %%%"), None);
        assert_eq!(read_basic(b"\xff"), None);
    }
}
