//! Which certificates of a server are believed: one that is known itself, or one that is signed by an authority that is.
//!
//! Called by [`super`]. rustls takes no certificate that signed itself, as `openssl req -x509` makes it, for a server's; one
//! that is in the file that was named is believed all the same.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::StartupError;

/// What TLS needs, believing the certificates in `file`, or the authorities of this system where no file is named.
///
/// # Errors
/// A file that cannot be read, or holds none.
pub fn client(file: Option<(&str, &Path)>) -> Result<Arc<ClientConfig>, StartupError> {
    let known = match file {
        Some((flag, path)) => read(flag, path)?,
        // Authorities that cannot be read are left out; a server that one of them has signed is then refused, and that is told.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(known.iter().cloned());
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok();
    let itself = if file.is_some() { known } else { Vec::new() };
    let verifier = Believed { itself, chains, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartupError::Config(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StartupError> {
    let complaint = |reason: &str| StartupError::Config(format!("{flag} {}: {reason}", path.display()));
    let text = std::fs::read(path).map_err(|error| complaint(&error.to_string()))?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| complaint(&format!("{error}; it must hold certificates in PEM")))?;
    if all.is_empty() { Err(complaint("there is no certificate in it; it must hold some in PEM")) } else { Ok(all) }
}

#[derive(Debug)]
struct Believed {
    itself: Vec<CertificateDer<'static>>,
    /// `None` where there is no authority at all.
    chains: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // That the server holds its key is shown by the signature, which is checked below in any case.
        if self.itself.iter().any(|known| known == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.chains {
            Some(chains) => chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
