//! Our own certificate, where we serve TLS ourselves.

use std::path::{Path, PathBuf};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::TlsConfig;

/// Why certificate and key are not usable.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file could not be read as PEM.
    #[error("{file}: {detail}", file = file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        detail: String,
    },
    /// Certificate and key do not make a server.
    #[error("certificate and key do not fit: {0}")]
    Pair(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3 with our certificate.
pub fn server_config(config: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let failed = |file: &Path, detail: String| TlsError::File {
        file: file.to_path_buf(),
        detail,
    };
    let chain = CertificateDer::pem_file_iter(&config.cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&config.cert_file, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(&config.cert_file, "holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|error| failed(&config.key_file, error.to_string()))?;
    Ok(ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}
