//! TLS, and certificates for both sides.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use socketpass_client::{Handshake, SocketPass, Tls};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::support::peer::Peer;

struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { directory: tempfile::tempdir().unwrap(), issuer };
        fs::write(authority.file("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

async fn comes_in(pass: &SocketPass) -> bool {
    pass.authorize(Handshake::default()).await.is_ok()
}

#[tokio::test]
async fn the_authority_is_whom_the_client_trusts() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert, key) = authority.issue("localhost");
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
    let peer = Peer::start_at("127.0.0.1:0".parse().unwrap(), Some(tls)).await;
    let settings = || SocketPass::builder().address(format!("localhost:{}", peer.address.port()));
    let pass = settings().tls(Tls::new().ca(authority.file("ca.pem"))).connect().await.unwrap();
    assert!(comes_in(&pass).await);
    peer.welcomed(0).await;
    for settings in
        [settings(), settings().tls(Tls::new()), settings().tls(Tls::new().ca(stranger.file("ca.pem")))]
    {
        assert!(!comes_in(&settings.connect().await.unwrap()).await);
    }
    // The name must be that of the certificate.
    let other =
        SocketPass::builder().address(peer.address.to_string()).tls(Tls::new().ca(authority.file("ca.pem")));
    assert!(!comes_in(&other.connect().await.unwrap()).await);
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_service_that_wants_one() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("localhost");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(cert, key))
        .client_ca_root(Certificate::from_pem(authority.issuer.pem()));
    let peer = Peer::start_at("127.0.0.1:0".parse().unwrap(), Some(tls)).await;
    let (cert, key) = authority.issue("chat.gateways.example");
    fs::write(authority.file("cert.pem"), cert).unwrap();
    fs::write(authority.file("key.pem"), key).unwrap();
    let trusts = Tls::new().ca(authority.file("ca.pem"));
    let shows = trusts.clone().cert(authority.file("cert.pem")).key(authority.file("key.pem"));
    let settings = |tls| SocketPass::builder().address(format!("localhost:{}", peer.address.port())).tls(tls);
    assert!(comes_in(&settings(shows).connect().await.unwrap()).await);
    assert!(!comes_in(&settings(trusts).connect().await.unwrap()).await);
}
