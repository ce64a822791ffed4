//! The binary `evenload`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The one cryptography provider of every TLS connection; a second installation cannot happen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    evenload::cli::run().into()
}
