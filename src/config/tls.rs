//! `[tls]`: TLS on `grpc.addr`.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    reader::Reader,
    setting::{Kind, Setting},
    trust::{Authorities, authorities, certificates, unreadable},
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
