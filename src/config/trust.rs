//! Whose certificates are trusted: one rule for callers, servers and sources.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem, pem::PemObject as _},
};

/// Those who sign certificates.
pub type Authorities = Arc<RootCertStore>;

/// The certificates of a file, of which there is at least one. The error repeats nothing of it.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable("certificate", &error))?;
    if certificates.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(certificates) }
}

/// The parser's own words could repeat what is in the file.
pub(super) fn unreadable(what: &str, error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in it, in PEM"),
        _ => format!("the {what} in it is no PEM"),
    }
}

/// These and no others.
pub fn authorities(certificates: Vec<CertificateDer<'static>>) -> Result<Authorities, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// What connections of ours are opened with: servers whose certificate one of these signed are taken.
pub fn client(authorities: &Authorities) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(Arc::clone(authorities)).with_no_client_auth())
}

/// The system's, or those of the file `SSL_CERT_FILE`.
pub fn system_authorities() -> Result<Authorities, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => {
            Err("this system has no certificate authorities: name a file of them, if only with SSL_CERT_FILE"
                .to_owned())
        }
        _ => Ok(Arc::new(roots)),
    }
}

/// What connections to servers are opened with: those whose certificate one of these authorities signed are taken, or one of
/// the system's where none are given. Nobody needs any where nothing is encrypted.
pub fn to_servers(given: Option<&Authorities>, encrypted: bool) -> Result<Arc<ClientConfig>, String> {
    let roots = match given {
        Some(authorities) => Arc::clone(authorities),
        None if encrypted => system_authorities()?,
        None => Arc::new(RootCertStore::empty()),
    };
    client(&roots).map(Arc::new)
}
