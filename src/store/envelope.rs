//! The envelope of a record on disk: format, checksum, version.
//!
//! `format (1 byte) | commit (8, big endian) | CRC-32 (4, big endian) | value`. The checksum covers
//! the key as well, so that a value under a wrong key is damage, not data.

use sha2::{Digest, Sha256};

use super::batch::Seq;

/// The newest format of records and of the store's files that this version reads and writes.
pub(super) const FORMAT: u32 = 1;

const FORMAT_BYTE: u8 = 1;
/// 1 (format) + 8 (commit) + 4 (checksum).
const HEADER_BYTES: usize = 13;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeError {
    /// Fewer bytes than a header.
    Cut,
    /// The checksum does not fit key and bytes.
    Checksum,
    /// A whole record of a newer format.
    Newer(u32),
}

impl std::fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cut => write!(f, "is cut off"),
            Self::Checksum => write!(f, "does not match its checksum"),
            Self::Newer(format) => write!(f, "has the newer format {format}"),
        }
    }
}

/// A record as read from its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    /// The commit that wrote it.
    pub(super) version: Seq,
    /// What it holds.
    pub(super) value: &'a [u8],
    /// Its share of the store's digest.
    pub(super) fingerprint: u128,
}

/// Puts a value into its envelope.
pub(super) fn seal(key: &str, version: Seq, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + value.len());
    bytes.push(FORMAT_BYTE);
    bytes.extend_from_slice(&version.0.to_be_bytes());
    let sum = checksum(key, &bytes, value);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// Takes a value out of its envelope.
pub(super) fn open<'a>(key: &str, bytes: &'a [u8]) -> Result<Opened<'a>, EnvelopeError> {
    let (header, value) = bytes
        .split_at_checked(HEADER_BYTES)
        .ok_or(EnvelopeError::Cut)?;
    let (head, sum) = header.split_at(HEADER_BYTES - 4);
    if checksum(key, head, value).to_be_bytes() != sum {
        return Err(EnvelopeError::Checksum);
    }
    if head[0] > FORMAT_BYTE {
        return Err(EnvelopeError::Newer(u32::from(head[0])));
    }
    let mut version = [0; 8];
    version.copy_from_slice(&head[1..]);
    Ok(Opened {
        version: Seq(u64::from_be_bytes(version)),
        value,
        fingerprint: fingerprint(key, header),
    })
}

/// The share of a record in the store's digest, from its envelope.
pub(super) fn fingerprint_of(key: &str, sealed: &[u8]) -> u128 {
    fingerprint(key, &sealed[..HEADER_BYTES.min(sealed.len())])
}

fn checksum(key: &str, head: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(&key.len().to_be_bytes());
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

fn fingerprint(key: &str, header: &[u8]) -> u128 {
    let hash = Sha256::new()
        .chain_update(header)
        .chain_update(key.as_bytes())
        .finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_version() {
        let sealed = seal("a/b", Seq(7), b"value");
        let opened = open("a/b", &sealed).unwrap();
        assert_eq!((opened.version, opened.value), (Seq(7), &b"value"[..]));
        assert_eq!(opened.fingerprint, fingerprint_of("a/b", &sealed));
    }

    #[test]
    fn every_flipped_bit_every_cut_and_a_wrong_key_are_found() {
        let sealed = seal("a/b", Seq(7), b"value");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open("a/b", &flipped).is_err(), "bit {bit}");
        }
        for kept in 0..sealed.len() {
            assert!(open("a/b", &sealed[..kept]).is_err(), "{kept} bytes kept");
        }
        assert_eq!(open("a/c", &sealed), Err(EnvelopeError::Checksum));
    }
}
