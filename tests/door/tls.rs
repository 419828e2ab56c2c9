//! TLS on the gRPC door: which certificates are taken, and as whom.

use std::{fs, sync::Arc};

use rcgen::{CertificateParams, SanType, date_time_ymd};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{count, registry, settings_of};
use crate::support::{
    service::{Service, ServiceProcess, config, socketpass},
    tls::Authority,
    until,
};

/// Files of a server's certificate.
struct Files(TempDir);

impl Files {
    fn new(authority: &Authority) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(authority);
        files
    }

    fn write(&self, authority: &Authority) {
        let (certificate, key) = authority.issue(&["localhost"]);
        fs::write(self.path("cert.pem"), certificate).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

fn trusts(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(authority.file()).unwrap()))
}

fn client_of(authority: &Authority, names: &[SanType], until_year: i32) -> Identity {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.to_vec();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(until_year, 1, 1);
    let (certificate, key) = authority.sign(&params);
    Identity::from_pem(certificate, key)
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

async fn connect(grpc: &str, tls: Option<ClientTlsConfig>) -> Result<Channel, tonic::transport::Error> {
    let port = grpc.rsplit(':').next().unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://localhost:{port}")).unwrap();
    match tls {
        Some(tls) => endpoint.tls_config(tls)?.connect().await,
        None => endpoint.connect().await,
    }
}

/// What a call comes to: with TLS 1.3 a client hears that its certificate is refused only when it calls.
async fn called(grpc: &str, tls: Option<ClientTlsConfig>, token: &str) -> Result<(), Code> {
    match connect(grpc, tls).await {
        Ok(channel) => count(&mut registry(channel, token)).await.map(drop).map_err(|status| status.code()),
        Err(_) => Err(Code::Unavailable),
    }
}

#[tokio::test]
async fn each_certificate_is_who_it_says_or_nobody() {
    let (ours, others) = (Authority::new(), Authority::new());
    let files = Files::new(&ours);
    let callers = json!([
        {"name": "*.gateways.example", "role": "gateway"},
        {"name": "spiffe://example/ops", "role": "admin"},
    ]);
    let tokens = json!([settings_of("right", "chat", "gateway")]).to_string();
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let authority = ours.file().display().to_string();
    let settings = [
        ("TLS_CERT_FILE", certificate.as_str()),
        ("TLS_KEY_FILE", &key),
        ("TLS_CLIENT_CA_FILE", &authority),
        ("CALLERS_CERTIFICATES", &callers.to_string()),
        ("CALLERS_TOKENS", &tokens),
    ];
    let gateway = [dns("chat-1.gateways.example")];
    let ops = [SanType::URI("spiffe://example/ops".try_into().unwrap())];
    let service = Service::start(&settings).await;
    let grpc = &service.grpc;
    let with = |identity| Some(trusts(&ours).identity(identity));
    let unauthenticated = Err(Code::Unauthenticated);
    for (what, tls, token, expected) in [
        ("a gateway", with(client_of(&ours, &gateway, 2100)), "", Ok(())),
        ("an admin", with(client_of(&ours, &ops, 2100)), "", Ok(())),
        (
            "one of several names",
            with(client_of(&ours, &[dns("x.example"), gateway[0].clone()], 2100)),
            "",
            Ok(()),
        ),
        (
            "a name that is not listed",
            with(client_of(&ours, &[dns("gateways.example")], 2100)),
            "",
            unauthenticated,
        ),
        ("no name", with(client_of(&ours, &[], 2100)), "", unauthenticated),
        ("no certificate and a token", Some(trusts(&ours)), "right", Ok(())),
        ("no certificate and no token", Some(trusts(&ours)), "", unauthenticated),
        (
            "a wrong token outweighs a right certificate",
            with(client_of(&ours, &gateway, 2100)),
            "wrong",
            unauthenticated,
        ),
        ("another authority's", with(client_of(&others, &gateway, 2100)), "", Err(Code::Unavailable)),
        ("an expired one", with(client_of(&ours, &gateway, 2020)), "", Err(Code::Unavailable)),
        (
            "an expired one and a token",
            with(client_of(&ours, &gateway, 2020)),
            "right",
            Err(Code::Unavailable),
        ),
        ("one who trusts others", Some(trusts(&others)), "right", Err(Code::Unavailable)),
        ("plaintext", None, "right", Err(Code::Unavailable)),
    ] {
        let answered = called(grpc, tls, token).await;
        match expected {
            // How a connection's end reads differs with the moment at which it comes.
            Err(Code::Unavailable) => {
                assert!(!matches!(answered, Ok(()) | Err(Code::Unauthenticated)), "{what}: {answered:?}");
            }
            expected => assert_eq!(answered, expected, "{what}"),
        }
    }
    // A gateway's certificate is no admin's.
    for (identity, code) in
        [(client_of(&ours, &gateway, 2100), Code::PermissionDenied), (client_of(&ours, &ops, 2100), Code::Ok)]
    {
        let channel = connect(grpc, with(identity)).await.unwrap();
        let listed = registry(channel, "").list_gateways(socketpass::grpc::pb::ListGatewaysRequest {}).await;
        assert_eq!(listed.map_or_else(|status| status.code(), |_| Code::Ok), code);
    }
    service.stop().await;

    let required = Service::start(&[settings.as_slice(), &[("TLS_CLIENT_CERTS", "required")]].concat()).await;
    assert_eq!(called(&required.grpc, with(client_of(&ours, &gateway, 2100)), "").await, Ok(()));
    assert!(!matches!(called(&required.grpc, Some(trusts(&ours)), "right").await, Ok(())));
    required.stop().await;
}

#[tokio::test]
async fn a_certificate_is_exchanged_while_the_service_runs() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old);
    let service = ServiceProcess::start(&[
        ("TLS_CERT_FILE", &files.path("cert.pem")),
        ("TLS_KEY_FILE", &files.path("key.pem")),
    ])
    .await;
    let mut open = registry(connect(&service.grpc, Some(trusts(&old))).await.unwrap(), "");
    count(&mut open).await.unwrap();
    // Half of it is there: what was stays.
    fs::write(files.path("cert.pem"), new.issue(&["localhost"]).0).unwrap();
    service.process.signal("HUP");
    service.process.output().line("old values stay in force").await;
    assert_eq!(called(&service.grpc, Some(trusts(&old)), "").await, Ok(()));
    files.write(&new);
    service.process.signal("HUP");
    until("the new certificate is shown", || async {
        called(&service.grpc, Some(trusts(&new)), "").await.is_ok()
    })
    .await;
    assert!(called(&service.grpc, Some(trusts(&old)), "").await.is_err());
    count(&mut open).await.expect("who is connected stays so");
}

#[tokio::test]
async fn commands_speak_tls() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let service = Service::start(&[
        ("TLS_CERT_FILE", &files.path("cert.pem")),
        ("TLS_KEY_FILE", &files.path("key.pem")),
    ])
    .await;
    let port = service.grpc.rsplit(':').next().unwrap();
    let https = format!("https://localhost:{port}");
    let mut command = socketpass();
    command.args(["sockets", "count", "true", "--addr", &https, "--tls-ca"]).arg(authority.file());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = socketpass().args(["sockets", "count", "true", "--addr", &https]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("certificate"), "{output:?}");
    service.stop().await;
}

/// What a command says that meets TLS in another way than it was told.
#[tokio::test]
async fn commands_say_how_to_speak_tls() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let ca = authority.file().display().to_string();
    let settings = [
        ("TLS_CERT_FILE", &*files.path("cert.pem")),
        ("TLS_KEY_FILE", &*files.path("key.pem")),
        ("TLS_CLIENT_CA_FILE", &*ca),
        ("TLS_CLIENT_CERTS", "required"),
    ];
    let strict = Service::start(&settings).await;
    let service = Service::start(&settings[..2]).await;
    let plain = Service::start(&[]).await;
    let port = |service: &Service| service.grpc.rsplit(':').next().unwrap().to_owned();
    let https = format!("https://localhost:{}", port(&service));
    let by_number = format!("https://127.0.0.1:{}", port(&service));
    let strictly = format!("https://localhost:{}", port(&strict));
    let to_plain = format!("https://localhost:{}", port(&plain));
    for (arguments, told) in [
        (vec!["--addr", &*service.grpc], "give --addr https://"),
        (vec!["--addr", &*https], "give --tls-ca"),
        (
            vec!["--addr", &*by_number, "--tls-ca", &*ca],
            "give the name in its certificate with --tls-server-name",
        ),
        (vec!["--addr", &*strictly, "--tls-ca", &*ca], "client certificate, give --tls-cert and --tls-key"),
        (vec!["--addr", &*to_plain, "--tls-ca", &*ca], "give --addr http://"),
        (vec!["--addr", &*by_number, "--tls-ca", &*ca, "--tls-server-name", "localhost"], ""),
    ] {
        let output = socketpass().args(["sockets", "count"]).args(&arguments).output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert_eq!(output.status.success(), told.is_empty(), "{arguments:?}: {error}");
    }
    for service in [service, strict, plain] {
        service.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_told() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let other = Files::new(&authority).path("key.pem");
    fs::write(files.path("other.pem"), authority.issue(&["x"]).1).unwrap();
    let other_key = files.path("other.pem");
    for (settings, problem) in [
        (vec![("TLS_CERT_FILE", certificate.as_str())], "tls.cert_file: it needs tls.key_file too"),
        (vec![("TLS_KEY_FILE", &key)], "tls.key_file: it needs tls.cert_file too"),
        (vec![("TLS_CERT_FILE", &key), ("TLS_KEY_FILE", &key)], "there is no certificate in it"),
        (
            vec![("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &certificate)],
            "there is no private key in it",
        ),
        (vec![("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &other)], "cannot be read"),
        (vec![("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &other_key)], "cannot be used with the key"),
        (vec![("TLS_CLIENT_CA_FILE", &certificate)], "there is no TLS"),
        (
            vec![("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &key), ("TLS_CLIENT_CERTS", "required")],
            "it needs tls.client_ca_file",
        ),
    ] {
        let faults = config(&settings).unwrap_err().to_string();
        assert!(faults.contains(problem), "{problem}: {faults}");
        assert!(!faults.contains("PRIVATE KEY"), "{faults}");
    }
}

/// Bytes that follow from a seed (xorshift).
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    (0..length)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[0]
        })
        .collect()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS without any (RFC 9113, 6.5).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test]
async fn noise_does_not_bring_the_door_down() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let plain = Service::start(&[]).await;
    let secure = Service::start(&[
        ("TLS_CERT_FILE", &files.path("cert.pem")),
        ("TLS_KEY_FILE", &files.path("key.pem")),
    ])
    .await;
    for seed in 1..300 {
        for service in [&plain, &secure] {
            let address = service.grpc.strip_prefix("http://").unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let noise = noise(seed, usize::try_from(seed * 7 % 900).unwrap());
            let begin: &[u8] = match seed % 4 {
                0 => b"",
                1 => PREFACE,
                2 => &[PREFACE, &SETTINGS].concat(),
                // A TLS handshake record, with a length that is not its own.
                _ => &[0x16, 3, 1, 2, 0, 1],
            };
            // It may be closed before all is written.
            let _ = stream.write_all(&[begin, &noise].concat()).await;
            if seed % 3 == 0 {
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0; 64]).await;
            }
        }
    }
    assert_eq!(called(&plain.grpc, None, "").await, Ok(()));
    assert_eq!(called(&secure.grpc, Some(trusts(&authority)), "").await, Ok(()));
    plain.stop().await;
    secure.stop().await;
}

/// A session that is taken up again would not have its certificate looked at again.
#[tokio::test]
async fn where_clients_have_certificates_no_tls_session_is_taken_up_again() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let ca = authority.file().display().to_string();
    let settings = [
        ("TLS_CERT_FILE", &*files.path("cert.pem")),
        ("TLS_KEY_FILE", &*files.path("key.pem")),
        ("TLS_CLIENT_CA_FILE", &*ca),
    ];
    let service = Service::start(&settings).await;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority.file()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    for versions in [[&TLS12], [&TLS13]] {
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(client));
        for _ in 0..2 {
            let stream = TcpStream::connect(service.grpc.rsplit('/').next().unwrap()).await.unwrap();
            let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
            // Tickets, if there were any, would come with what the server says first.
            stream.read_u8().await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
    service.stop().await;
}
