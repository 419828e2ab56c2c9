//! A setting that cannot be is an error that names it.

use std::time::Duration;

use socketpass_client::{Builder, SocketPass, Tls};

async fn error(builder: Builder) -> String {
    match builder.connect().await {
        Ok(_) => panic!("an error"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn each_names_itself_and_what_it_takes() {
    let settings = SocketPass::builder;
    for address in
        ["", "socketpass", "http://socketpass:50051", "a@b:1", "socketpass:", "socketpass:99999", ":50051"]
    {
        assert!(
            error(settings().address(address)).await.starts_with("`address` takes `host:port`"),
            "{address}"
        );
    }
    for token in ["", "two\nlines", "ü", "a b"] {
        assert!(
            error(settings().token(token)).await.starts_with("`token` takes a text of visible ASCII"),
            "{token}"
        );
    }
    assert_eq!(
        error(settings().gateway_id("x".repeat(257))).await,
        "`gateway_id` takes 1 to 256 bytes without control characters; it has 257"
    );
    assert!(error(settings().gateway_id("")).await.starts_with("`gateway_id` takes"));
    assert!(error(settings().gateway_id("a\u{7}b")).await.starts_with("`gateway_id` takes"));
    let many = (0..33).fold(settings(), |settings, index| settings.label(index.to_string(), "x"));
    assert_eq!(error(many).await, "`labels` takes at most 32; there are 33");
    assert!(error(settings().label("", "x")).await.starts_with("`labels` takes names of 1 to 63 bytes"));
    assert!(
        error(settings().label("zone", "x".repeat(257)))
            .await
            .starts_with("`labels` takes values of at most 256")
    );
    for wrong in [Duration::ZERO, Duration::MAX] {
        assert!(error(settings().timeout(wrong)).await.starts_with("`timeout` takes a time"));
        assert!(error(settings().close_after_loss(wrong)).await.starts_with("`close_after_loss` takes a"));
    }
}

#[tokio::test]
async fn tls_is_looked_into_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (text, pem) = (file("text", "no PEM"), file("pem", broken));
    let tls = |tls| error(SocketPass::builder().tls(tls));
    assert!(
        tls(Tls::new().ca("/nowhere/ca.pem"))
            .await
            .starts_with("`tls.ca` names /nowhere/ca.pem, which cannot be read")
    );
    assert!(tls(Tls::new().ca(&text)).await.ends_with("which is no PEM file"));
    assert!(tls(Tls::new().cert(&pem)).await.starts_with("`tls.key` goes together with `tls.cert`"));
    assert!(tls(Tls::new().key(&pem)).await.starts_with("`tls.cert` goes together with `tls.key`"));
    assert!(tls(Tls::new().ca(&pem).cert(&pem).key(&pem)).await.starts_with("`tls` takes PEM files"));
}

#[tokio::test]
async fn a_name_is_made_where_none_is_given() {
    let pass = SocketPass::builder().address("127.0.0.1:1").connect().await.unwrap();
    let host = gethostname::gethostname().into_string().unwrap();
    let hex = pass.gateway_id().strip_prefix(&format!("{host}-")).unwrap();
    assert!(hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hex}");
}
