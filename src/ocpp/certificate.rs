//! Whom a client certificate names. The TLS library has verified it before: its chain, its time and
//! that the peer holds its key. Only the names are read here, without trusting their lengths.

use std::any::Any;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

/// Object identifier of a common name: 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Object identifier of the alternative names of a subject: 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// Most names that are read of one certificate.
const MAX_NAMES: usize = 16;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;

/// The names in the client certificate of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CertificateNames(pub Vec<String>);

/// Notes the names of a connection's client certificate, to be found by its requests.
pub fn note_certificate(connection: &dyn Any, data: &mut Extensions) {
    let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
        return;
    };
    let (_, session) = tls.get_ref();
    if let Some(first) = session.peer_certificates().and_then(<[_]>::first) {
        data.insert(CertificateNames(names(first)));
    }
}

/// The common name and the DNS names of a certificate in DER. Source: RFC 5280, 4.1.
fn names(certificate: &[u8]) -> Vec<String> {
    read(certificate).unwrap_or_default()
}

fn read(certificate: &[u8]) -> Option<Vec<String>> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(whole, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = any(rest)?.2;
    }
    // Serial number, signature, issuer, validity.
    for _ in 0..4 {
        rest = any(rest)?.2;
    }
    let (subject, mut rest) = element(rest, SEQUENCE)?;
    let mut names = common_names(subject);
    // The public key, then what is optional.
    while let Some((tag, value, after)) = any(rest) {
        if tag == EXTENSIONS {
            names.extend(alternative_names(value).unwrap_or_default());
        }
        rest = after;
    }
    names.truncate(MAX_NAMES);
    Some(names)
}

fn common_names(mut subject: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((tag, mut set, after)) = any(subject) {
        subject = after;
        while let Some((pair, left)) = (tag == SET).then(|| element(set, SEQUENCE)).flatten() {
            set = left;
            if let Some((id, value)) = element(pair, OBJECT_ID)
                && id == COMMON_NAME
                && let Some((_, text, _)) = any(value)
            {
                names.extend(String::from_utf8(text.to_vec()));
            }
        }
    }
    names
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let (mut list, _) = element(extensions, SEQUENCE)?;
    while let Some((extension, after)) = element(list, SEQUENCE) {
        list = after;
        let (id, mut rest) = element(extension, OBJECT_ID)?;
        if id != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical may stand before its value.
        if rest.first() != Some(&OCTETS) {
            rest = any(rest)?.2;
        }
        let (value, _) = element(rest, OCTETS)?;
        let (mut names, _) = element(value, SEQUENCE)?;
        let mut found = Vec::new();
        while let Some((tag, name, after)) = any(names) {
            names = after;
            if tag == DNS_NAME {
                found.extend(String::from_utf8(name.to_vec()));
            }
        }
        return Some(found);
    }
    None
}

/// The element that begins here, if it is of this kind, and what follows it.
fn element(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, value, after) = any(bytes)?;
    (tag == wanted).then_some((value, after))
}

/// The element that begins here: its tag, its value, and what follows it. Source: X.690, 8.1.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count)?;
            let length = digits
                .iter()
                .fold(0_usize, |n, digit| n << 8 | usize::from(*digit));
            (length, rest.get(count..)?)
        }
        _ => return None,
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A certificate's skeleton with a common name and, behind it, an alternative name.
    fn certificate(common: &[u8], dns: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, parts: &[&[u8]]| {
            let value = parts.concat();
            let length = u8::try_from(value.len()).expect("short");
            [&[tag, 0x81, length][..], &value].concat()
        };
        let common = wrap(
            SEQUENCE,
            &[&wrap(OBJECT_ID, &[COMMON_NAME]), &wrap(0x0c, &[common])],
        );
        let subject = wrap(SEQUENCE, &[&wrap(SET, &[&common])]);
        let names = wrap(OCTETS, &[&wrap(SEQUENCE, &[&wrap(DNS_NAME, &[dns])])]);
        let extension = wrap(SEQUENCE, &[&wrap(OBJECT_ID, &[ALTERNATIVE_NAMES]), &names]);
        let extensions = wrap(EXTENSIONS, &[&wrap(SEQUENCE, &[&extension])]);
        let version = wrap(VERSION, &[&[2, 1, 2]]);
        let empty = wrap(SEQUENCE, &[]);
        let before = [&version[..], &[2, 1, 7], &empty, &empty, &empty].concat();
        wrap(
            SEQUENCE,
            &[&wrap(SEQUENCE, &[&before, &subject, &empty, &extensions])],
        )
    }

    #[test]
    fn common_and_alternative_names_are_read() {
        assert_eq!(
            names(&certificate(b"CP-1", b"cp-1.example")),
            ["CP-1", "cp-1.example"]
        );
        assert!(names(b"").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in 0_usize..120, byte: u8, cut in 0_usize..200) {
            let mut bytes = certificate(b"CP-1", b"cp-1.example");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            names(&bytes);
        }
    }
}
