//! Passwords: Argon2id with its recommended costs (19 MiB, two passes).

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use rand::RngCore as _;

use crate::domain::ports::PortError;

/// Shortest password: what NIST SP 800-63B-4 asks of one that is not alone is 8; ours stands alone.
pub(super) const MIN_CHARS: usize = 12;
/// Longest password: beyond, hashing is a lever for who would keep us busy.
pub(super) const MAX_CHARS: usize = 200;

/// Hashes a password; takes some 20 ms.
pub(super) fn hash(password: &str) -> Result<String, PortError> {
    let wrong = |error| PortError::Storage(format!("the password could not be hashed: {error}"));
    let mut salt = [0_u8; 16];
    rand::rng().fill_bytes(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(wrong)?;
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(wrong)
}

/// True if the password is the one of the hash. Takes as long where there is no hash, so that the
/// time does not tell who has an account.
pub(super) fn is_right(password: &str, stored: Option<&str>) -> bool {
    let Some(stored) = stored else {
        let _ = hash(password);
        return false;
    };
    PasswordHash::new(stored).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}
