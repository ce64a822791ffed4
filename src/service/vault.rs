//! Secrets: sealed where they must be sent again, hashed where they only come in, and never shown.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::{RngCore as _, TryRngCore as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::domain::ports::{PortError, Vault};

/// Bytes of the key: 256 bits.
pub const KEY_BYTES: usize = 32;
/// Bytes of the nonce: so many that random ones never meet.
const NONCE_BYTES: usize = 24;
/// First byte of what is sealed: which cipher.
const XCHACHA20_POLY1305: u8 = 1;
/// What is hashed before a token, so that the digest is of no use elsewhere.
const TOKEN_DOMAIN: &[u8] = b"evenload token 1\0";
/// The name of the key's file in the data folder.
const KEY_FILE: &str = "secret.key";
/// Longest key file that is read: far above 44 characters of Base64.
const MAX_KEY_FILE_BYTES: u64 = 1024;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The file can be read by others.
    #[error("{path} can be read by others (mode {mode:03o}); `chmod 600 {path}` and start again")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path} does not hold a key of {KEY_BYTES} bytes in Base64")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is gone, but secrets in the store were sealed with it.
    #[error(
        "{path} is missing, but the store holds secrets sealed with it: put it back from a backup \
         and start again. If it is lost for good, start once with --new-secret-key and register \
         every partner anew"
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The file holds another key than the one the secrets in the store were sealed with.
    #[error(
        "{path} is not the key that the secrets in the store were sealed with: put the right one \
         back from a backup and start again. If it is lost for good, start once with \
         --new-secret-key and register every partner anew"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The store could not be asked what it holds.
    #[error("asking the store for its secrets: {0}")]
    Store(#[from] PortError),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

/// A secret text: not shown, not logged, wiped when dropped, compared in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into care.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; the caller sees to it that it goes nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same_text(&self.0, &other.0)
    }
}

impl Eq for Secret {}

/// The key that seals secrets.
#[derive(Clone)]
pub struct VaultKey(Zeroizing<[u8; KEY_BYTES]>);

impl VaultKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random key.
    pub fn generate() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::rngs::OsRng
            .try_fill_bytes(&mut *bytes)
            .map_err(|error| VaultError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(hidden)")
    }
}

/// Seals with XChaCha20-Poly1305 under one key and a random nonce for each secret.
///
/// `cipher (1 byte) | nonce (24) | text and tag`. The context is authenticated, not stored: what is
/// sealed opens only where it belongs.
pub struct KeyVault {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyVault(hidden)")
    }
}

impl KeyVault {
    /// The vault of a key.
    pub fn new(key: &VaultKey) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new((&*key.0).into()),
        }
    }
}

impl Vault for KeyVault {
    fn seal(&self, context: &str, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload {
            msg: secret,
            aad: context.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a text in memory is shorter than the 256 GiB the cipher takes");
        let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        bytes.push(XCHACHA20_POLY1305);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        bytes
    }

    fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, PortError> {
        let refused = |why: &str| PortError::Storage(format!("the secret of {context:?} {why}"));
        let (&cipher, rest) = sealed.split_first().ok_or_else(|| refused("is empty"))?;
        if cipher != XCHACHA20_POLY1305 {
            return Err(refused("was sealed by a newer version of evenload"));
        }
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| refused("is cut off"))?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| refused("does not open: another secret.key, or it was changed"))
    }
}

/// Reads `secret.key` in the data folder; `None` if there is none. Whoever loses it registers all
/// partners anew; whoever has it and the store can act as us.
pub(super) fn find_key(data_dir: &Path) -> Result<Option<VaultKey>, VaultError> {
    let path = key_path(data_dir);
    match fs::File::open(&path) {
        Ok(file) => read_key(&path, file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VaultError::Io { path, source }),
    }
}

/// Makes a key that only its owner can read.
pub(super) fn make_key(data_dir: &Path) -> Result<VaultKey, VaultError> {
    let path = key_path(data_dir);
    let key = VaultKey::generate()?;
    write_key(&path, &key).map_err(|source| VaultError::Io { path, source })?;
    Ok(key)
}

/// Where the key is kept.
pub(super) fn key_path(data_dir: &Path) -> PathBuf {
    data_dir.join(KEY_FILE)
}

fn read_key(path: &Path, file: fs::File) -> Result<VaultKey, VaultError> {
    let path = || path.to_owned();
    let failed = |source| VaultError::Io {
        path: path(),
        source,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed { path: path(), mode });
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_FILE_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let no_key = || VaultError::NoKey { path: path() };
    let bytes = STANDARD.decode(text.trim()).map_err(|_| no_key())?;
    let bytes = Zeroizing::new(bytes);
    let mut key = [0; KEY_BYTES];
    if bytes.len() != KEY_BYTES {
        return Err(no_key());
    }
    key.copy_from_slice(&bytes);
    let loaded = VaultKey::from_bytes(key);
    key.zeroize();
    Ok(loaded)
}

/// The file appears under its name when it is whole and on disk.
fn write_key(path: &Path, key: &VaultKey) -> io::Result<()> {
    let beside = path.with_extension("key.writing");
    // What an interrupted start left is of no use to anybody.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&beside)?;
    let text = Zeroizing::new(STANDARD.encode(key.0.as_slice()) + "\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// What is kept of a token that only comes in: SHA-256 in hex. Tokens are 256 random bits, so that
/// a slow hash would add nothing.
pub fn hash_token(token: &str) -> String {
    use fmt::Write as _;
    let hash = Sha256::new()
        .chain_update(TOKEN_DOMAIN)
        .chain_update(token.as_bytes())
        .finalize();
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Whether two texts, such as two digests of [`hash_token`], are equal, in a time that does not
/// depend on where they differ.
pub fn same_text(one: &str, two: &str) -> bool {
    one.as_bytes().ct_eq(two.as_bytes()).into()
}

/// A new token: 32 random bytes in URL-safe Base64 without padding, 43 characters.
pub fn new_token() -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(&mut *bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> KeyVault {
        KeyVault::new(&VaultKey::from_bytes([byte; KEY_BYTES]))
    }

    #[test]
    fn what_was_sealed_opens_under_its_key_and_context_only() {
        let sealed = vault(1).seal("partner/acme", b"token");
        assert_eq!(vault(1).unseal("partner/acme", &sealed).unwrap(), b"token");
        assert!(vault(1).unseal("partner/other", &sealed).is_err());
        assert!(vault(2).unseal("partner/acme", &sealed).is_err());
        assert!(!sealed.windows(5).any(|window| window == b"token"));
        assert_ne!(sealed, vault(1).seal("partner/acme", b"token"));
    }

    #[test]
    fn a_changed_or_cut_secret_does_not_open_and_does_not_panic() {
        let vault = vault(1);
        let sealed = vault.seal("c", b"token");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.unseal("c", &changed).is_err(), "byte {at}");
            assert!(vault.unseal("c", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_then_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert!(find_key(dir.path()).unwrap().is_none());
        let made = make_key(dir.path()).unwrap();
        let found = find_key(dir.path()).unwrap().unwrap();
        assert_eq!(*made.0, *found.0);
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left beside it");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        make_key(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for exposed in [0o644, 0o640, 0o604] {
            mode(exposed);
            let refused = find_key(dir.path()).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
        mode(0o400);
        find_key(dir.path()).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        make_key(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        for text in ["", "short", "!!", &"A".repeat(5_000)] {
            fs::write(&path, text).unwrap();
            let refused = find_key(dir.path()).unwrap_err();
            assert!(matches!(refused, VaultError::NoKey { .. }), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_secret_shows_itself_only_when_asked() {
        let secret = Secret::new("tok");
        assert!(!format!("{secret} {secret:?} {secret:#?}").contains("tok"));
        assert_eq!(secret.expose(), "tok");
        assert_eq!(secret, Secret::from("tok".to_owned()));
        assert_ne!(secret, Secret::new("tok2"));
        let key = VaultKey::from_bytes([7; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "VaultKey(hidden)");
    }

    #[test]
    fn tokens_are_long_different_and_fit_into_a_url() {
        let (one, two) = (new_token(), new_token());
        assert_eq!(one.expose().len(), 43);
        assert!(
            one.expose()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
        assert_ne!(one, two);
    }

    #[test]
    fn a_token_is_kept_as_a_digest_of_its_own_kind() {
        // printf 'evenload token 1\0abc' | sha256sum
        let expected = "8a0053ee507524502a637b325e9c40b7d83a19b5335b2f5f94d3156ce1b2084c";
        assert_eq!(hash_token("abc"), expected);
        assert!(same_text(&hash_token("abc"), expected));
        assert!(!same_text(&hash_token("abd"), expected));
        assert!(!same_text("", expected));
    }
}
