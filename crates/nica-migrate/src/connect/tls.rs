//! TLS towards the server: which roots are trusted and how much of the certificate is checked, by `sslmode`.

use super::url::{DbUrl, SslMode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io::BufReader;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why no TLS could even be tried; a fragment that follows "because".
#[derive(Debug, thiserror::Error)]
pub(super) enum RootsError {
    #[error("the root certificate {path} cannot be read: {why}")]
    File { path: String, why: String },
    #[error("this system has no root certificates; install ca-certificates or name sslrootcert=")]
    NoneHere,
    #[error("{0}")]
    Rustls(String),
}

/// The driver's TLS for one address.
pub(super) fn connector(url: &DbUrl) -> Result<MakeRustlsConnect, RootsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(url, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| RootsError::Rustls(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn verifier(url: &DbUrl, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, RootsError> {
    let chain = match (url.ssl_mode, &url.ssl_root_cert) {
        (SslMode::VerifyFull, _) => return Ok(webpki(url, provider)?),
        (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Some(webpki(url, provider)?),
        _ => None,
    };
    Ok(Arc::new(Lenient { chain, provider: provider.clone() }))
}

fn webpki(url: &DbUrl, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, RootsError> {
    let roots = Arc::new(roots(url)?);
    WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|e| RootsError::Rustls(e.to_string()))
}

fn roots(url: &DbUrl) -> Result<RootCertStore, RootsError> {
    let mut store = RootCertStore::empty();
    match &url.ssl_root_cert {
        Some(path) if path.as_os_str() != "system" => {
            let fail = |why: String| RootsError::File { path: path.display().to_string(), why };
            let file = std::fs::File::open(path).map_err(|e| fail(e.to_string()))?;
            for cert in rustls_pemfile::certs(&mut BufReader::new(file)) {
                store.add(cert.map_err(|e| fail(e.to_string()))?).map_err(|e| fail(e.to_string()))?;
            }
            if store.is_empty() {
                return Err(fail("it holds no certificate".to_string()));
            }
        }
        _ => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(RootsError::NoneHere);
            }
        }
    }
    Ok(store)
}

/// Checks less than the whole: the chain but not the name (`verify-ca`), or nothing (`require`, `prefer`: as in
/// libpq they protect from listening only). The handshake's signature is always checked.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // webpki checks the name last: an error about the name means that the chain was good.
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
