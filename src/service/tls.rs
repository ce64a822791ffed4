//! Our own certificate, where we serve TLS ourselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
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
    let chain = certificates(&config.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|error| failed(&config.key_file, error.to_string()))?;
    let builder = ServerConfig::builder();
    let builder = match &config.station_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| failed(file, error.to_string()))?;
            }
            // One listener for stations, partners and people: who shows no certificate is let in
            // and judged by what it shows instead; a bad certificate ends the handshake.
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .allow_unauthenticated()
                .build()
                .map_err(|error| failed(file, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(builder.with_single_cert(chain, key)?)
}

fn failed(file: &Path, detail: String) -> TlsError {
    TlsError::File {
        file: file.to_path_buf(),
        detail,
    }
}

/// The certificates of a PEM file; at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(file, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(file, "holds no certificate".into()));
    }
    Ok(chain)
}
