//! Serving over TLS ourselves, instead of behind a proxy that does.

use std::path::PathBuf;

use super::files;
use super::kind::FilePath;
use super::reader::Reader;

/// The section `[tls]`, where it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Our certificate and those above it, PEM, ours first.
    pub cert_file: PathBuf,
    /// The private key of our certificate, PEM; not readable by everybody.
    pub key_file: PathBuf,
    /// The authorities that sign the certificates of charging stations, PEM: stations may then come
    /// with a certificate of their own (OCPP security profile 3).
    pub station_ca_file: Option<PathBuf>,
}

impl TlsConfig {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        const CERT: &str = "tls.cert_file";
        const KEY: &str = "tls.key_file";
        const STATION_CA: &str = "tls.station_ca_file";
        let cert_file = reader.optional(CERT, &FilePath);
        let key_file = reader.optional(KEY, &FilePath);
        if let Some(path) = &cert_file
            && !path.is_file()
        {
            let shown = path.display().to_string();
            reader.fault(CERT, format!("is {shown:?}, which is not a file"));
        }
        if let Some(path) = &key_file
            && let Err(detail) = files::must_be_private(path)
        {
            let shown = path.display().to_string();
            reader.fault(KEY, format!("is {shown:?}, which {detail}"));
        }
        let station_ca_file = reader.optional(STATION_CA, &FilePath);
        if let Some(path) = station_ca_file.as_ref().filter(|path| !path.is_file()) {
            let shown = path.display().to_string();
            reader.fault(STATION_CA, format!("is {shown:?}, which is not a file"));
        }
        match (cert_file, key_file) {
            (Some(cert_file), Some(key_file)) => Some(Self {
                cert_file,
                key_file,
                station_ca_file,
            }),
            (None, None) => {
                if station_ca_file.is_some() {
                    reader.fault(CERT, format!("is missing beside {STATION_CA}"));
                }
                None
            }
            (Some(_), None) => {
                reader.fault(KEY, format!("is missing beside {CERT}; give both or none"));
                None
            }
            (None, Some(_)) => {
                reader.fault(CERT, format!("is missing beside {KEY}; give both or none"));
                None
            }
        }
    }
}
