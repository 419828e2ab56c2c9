//! `[tls]`: TLS on `grpc.addr`.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    reader::Reader,
    setting::{Kind, Setting},
};

/// `[tls]`, when TLS is on: what connections are taken with.
#[derive(Clone, Debug)]
pub struct Tls(pub Arc<ServerConfig>);

const CERT_FILE: Setting = Setting {
    name: "tls.cert_file",
    kind: Kind::File,
    default: None,
    about: "File of the service's certificate and those between it and its authority, in PEM. With it and `tls.key_file` \
            `grpc.addr` speaks TLS and nothing else. Read again when it changes and on SIGHUP; connections that are open \
            stay as they are.",
};

const KEY_FILE: Setting = Setting {
    name: "tls.key_file",
    kind: Kind::File,
    default: None,
    about: "File of the certificate's private key, in PEM. Read again together with `tls.cert_file`.",
};

pub(super) const CLIENT_CA_FILE: Setting = Setting {
    name: "tls.client_ca_file",
    kind: Kind::File,
    default: None,
    about: "File of the authorities that sign callers' certificates, in PEM. Who they are says `callers.certificates`. Read \
            again together with `tls.cert_file`.",
};

const CLIENT_CERTS: Setting = Setting {
    name: "tls.client_certs",
    kind: Kind::Choice(&["optional", "required"]),
    default: Some("optional"),
    about: "Whether a connection without a client certificate is taken when `tls.client_ca_file` is set. `optional`: yes, \
            and its calls need a bearer token. `required`: no.",
};

/// gRPC is HTTP/2.
const ALPN: &[u8] = b"h2";

impl Tls {
    pub(super) const SETTINGS: &[&Setting] = &[&CERT_FILE, &KEY_FILE, &CLIENT_CA_FILE, &CLIENT_CERTS];

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let chain = reader.file(&CERT_FILE, certificates);
        let key = reader.file(&KEY_FILE, |pem| {
            PrivateKeyDer::from_pem_slice(pem).map_err(|error| unreadable("private key", &error))
        });
        let authorities = reader.file(&CLIENT_CA_FILE, |pem| authorities(certificates(pem)?));
        let required =
            reader.choice(&CLIENT_CERTS, &[("optional", false), ("required", true)]).unwrap_or_default();
        let (chain, key) = match (chain, key) {
            (Some(chain), Some(key)) => (chain, key),
            (None, None) => {
                if !reader.is_absent(&CLIENT_CA_FILE) && reader.is_absent(&CERT_FILE) {
                    reader.fault(
                        &CLIENT_CA_FILE,
                        "it needs tls.cert_file and tls.key_file: without them there is no TLS",
                    );
                }
                return None;
            }
            (chain, _) => {
                for (setting, other, is_there) in
                    [(&CERT_FILE, &KEY_FILE, chain.is_some()), (&KEY_FILE, &CERT_FILE, chain.is_none())]
                {
                    if is_there && reader.is_absent(other) {
                        reader.fault(setting, format!("it needs {} too", other.name));
                    }
                }
                return None;
            }
        };
        if required && authorities.is_none() && reader.is_absent(&CLIENT_CA_FILE) {
            reader
                .fault(&CLIENT_CERTS, "it needs tls.client_ca_file, which says whose certificates are taken");
        }
        match server(chain, key, authorities, required) {
            Ok(server) => Some(Self(Arc::new(server))),
            Err(error) => {
                let problem = format!("it cannot be used with the key of tls.key_file: {error}");
                reader.fault(&CERT_FILE, problem);
                None
            }
        }
    }
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable("certificate", &error))?;
    if certificates.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(certificates) }
}

/// The parser's own words could repeat what is in the file.
fn unreadable(what: &str, error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in it, in PEM"),
        _ => format!("the {what} in it is no PEM"),
    }
}

pub(super) type Authorities = Arc<RootCertStore>;

pub(super) fn authorities(certificates: Vec<CertificateDer<'static>>) -> Result<Authorities, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// What connections of ours are opened with: servers whose certificate one of these signed are taken.
fn client(authorities: &Authorities) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(Arc::clone(authorities)).with_no_client_auth())
}

/// The system's, or those of the file `SSL_CERT_FILE`.
fn system_authorities() -> Result<Authorities, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => Err("this system has no certificate authorities".to_owned()),
        _ => Ok(Arc::new(roots)),
    }
}

/// What connections to servers are opened with: those whose certificate one of these authorities signed are taken, or one of
/// the system's where none are given. Nobody needs any where nothing is encrypted.
pub(super) fn to_servers(given: Option<&Authorities>, encrypted: bool) -> Result<Arc<ClientConfig>, String> {
    let roots = match given {
        Some(authorities) => Arc::clone(authorities),
        None if encrypted => system_authorities()?,
        None => Arc::new(RootCertStore::empty()),
    };
    client(&roots).map(Arc::new)
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Option<Authorities>,
    required: bool,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let checks_clients = authorities.is_some();
    let verifier: Arc<dyn ClientCertVerifier> = match authorities {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(roots) => {
            let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            let builder = if required { builder } else { builder.allow_unauthenticated() };
            builder.build().map_err(|error| error.to_string())?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    if checks_clients {
        // A session that is taken up again would not have its certificate checked again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}
