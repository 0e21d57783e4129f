//! TLS: reads the certificate and its key, and hands the one that is good now to every handshake.
//!
//! Made by [`crate::server::bind`], read again by the server's reloader. Knows nothing of what is carried.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::auth::file;
use crate::config::TlsFiles;
use crate::error::StartupError;

/// The certificate that is good now.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    /// Read at each handshake for the time of a clone; written when the files are read again.
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads both files.
    pub fn load(files: &TlsFiles) -> Result<Arc<Self>, StartupError> {
        let current = RwLock::new(Arc::new(read(files)?));
        Ok(Arc::new(Self { files: files.clone(), current }))
    }

    /// Reads both files again, and says in the log what came of it. When they are broken the old certificate stays.
    pub fn reload(&self) {
        match read(&self.files) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                log::info!("--tls-cert {}: read again", self.files.cert.display());
            }
            Err(error) => log::error!("{error}; the old certificate stays"),
        }
    }

    /// What a listener needs: TLS 1.2 and 1.3. actix names the one protocol, http/1.1, itself.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, StartupError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| StartupError::Config(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        // A resumed session would go on with a certificate that has been replaced.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The chain of one file with the key of the other, to sign handshakes with.
fn read(files: &TlsFiles) -> Result<CertifiedKey, StartupError> {
    let of_cert = |what: &str| file::complaint("--tls-cert", &files.cert, what);
    let of_key = |what: &str| file::complaint("--tls-key", &files.key, what);

    let bytes = file::read("--tls-cert", &files.cert)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| of_cert(damage(&error)))?;
    if chain.is_empty() {
        return Err(of_cert("there is no certificate in it; it must be PEM, with -----BEGIN CERTIFICATE-----"));
    }

    let bytes = file::read_secret("--tls-key", &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(&bytes) => of_key(
            "the key is encrypted, and nobody is there to type its passphrase; \
             `openssl pkey -in FILE -out NEW` writes it without one",
        ),
        pem::Error::NoItemsFound => {
            of_key("there is no private key in it; it must be PEM, with -----BEGIN PRIVATE KEY-----")
        }
        error => of_key(damage(&error)),
    })?;
    let key = ring::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| of_key(&format!("the key cannot be used: {error}")))?;

    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(of_key(&format!(
            "this is not the key of the first certificate in --tls-cert {}; give the two that belong together, \
             and in a chain the server's own certificate first",
            files.cert.display()
        ))),
        Err(error) => Err(of_cert(&format!("the certificate cannot be used ({error}); it must be X.509 version 3"))),
    }
}

/// What is wrong with a PEM file.
fn damage(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it ends in the middle of a PEM block; copy it again",
        _ => "it is not well-formed PEM; copy it again",
    }
}

/// Whether a PEM file's key needs a passphrase, in the form of PKCS #8 or the older one.
fn is_encrypted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_a_certificate_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert"), key: folder.path().join("key") };
        for (cert, hint) in [
            (None, "No such file"),
            (Some(""), "no certificate in it"),
            (Some("nonsense"), "no certificate in it"),
            (Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "no certificate in it"),
            (Some("-----BEGIN CERTIFICATE-----\nAAAA\n"), "in the middle"),
            (Some("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), "not well-formed"),
        ] {
            if let Some(text) = cert {
                std::fs::write(&files.cert, text).unwrap();
            }
            let error = Certificates::load(&files).unwrap_err();
            assert!(error.to_string().contains("--tls-cert") && error.to_string().contains(hint), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn files_without_a_key_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert"), key: folder.path().join("key") };
        std::fs::write(&files.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        for (key, hint) in [
            ("nonsense", "no private key in it"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "openssl pkey"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "in the middle"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
        ] {
            std::fs::write(&files.key, key).unwrap();
            let error = Certificates::load(&files).unwrap_err();
            assert!(error.to_string().contains("--tls-key") && error.to_string().contains(hint), "{error}");
        }
    }
}
