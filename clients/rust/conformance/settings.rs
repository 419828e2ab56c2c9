//! What the subject is started with.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::json;
use socketpass_client::{
    Attempt, Builder, HookResult, OnUnavailable, SettingError, SocketPass, Tls, Verdict,
};

use crate::says::say;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct Settings {
    pub kind: String,
    pub bare: bool,
    pub reject_after_upgrade: bool,
    address: Option<String>,
    token: Option<String>,
    tls: Option<TlsFiles>,
    gateway_id: Option<String>,
    labels: BTreeMap<String, String>,
    on_unavailable: Option<String>,
    timeout_ms: Option<u64>,
    close_after_loss_ms: Option<u64>,
    success: Option<String>,
    fail: Option<String>,
}

#[derive(Deserialize)]
struct TlsFiles {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Settings {
    /// The client; none when the server is bare.
    pub async fn connect(&self) -> Result<Option<SocketPass>, SettingError> {
        if self.bare { Ok(None) } else { self.builder().connect().await.map(Some) }
    }

    fn builder(&self) -> Builder {
        let mut builder = SocketPass::builder().user_changed(|socket| {
            say(&json!({"event": "user_changed", "socket_id": socket.id(), "user": socket.user()}));
        });
        if let Some(address) = &self.address {
            builder = builder.address(address);
        }
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        if let Some(files) = &self.tls {
            builder = builder.tls(files.tls());
        }
        if let Some(gateway_id) = &self.gateway_id {
            builder = builder.gateway_id(gateway_id);
        }
        for (name, value) in &self.labels {
            builder = builder.label(name, value);
        }
        if self.on_unavailable.as_deref() == Some("accept") {
            builder = builder.on_unavailable(OnUnavailable::Accept);
        }
        if let Some(timeout) = self.timeout_ms {
            builder = builder.timeout(Duration::from_millis(timeout));
        }
        if let Some(after) = self.close_after_loss_ms {
            builder = builder.close_after_loss(Duration::from_millis(after));
        }
        if let Some(does) = self.success.clone() {
            builder = builder.success(move |attempt| succeeded(attempt, does.clone()));
        }
        if let Some(does) = self.fail.clone() {
            builder = builder.fail(move |attempt| failed(attempt, does.clone()));
        }
        builder
    }
}

impl TlsFiles {
    fn tls(&self) -> Tls {
        let mut tls = Tls::new();
        if let Some(ca) = &self.ca {
            tls = tls.ca(ca);
        }
        if let Some(cert) = &self.cert {
            tls = tls.cert(cert);
        }
        if let Some(key) = &self.key {
            tls = tls.key(key);
        }
        tls
    }
}

async fn succeeded(attempt: Attempt, does: String) -> HookResult {
    say(&json!({"event": "success", "user": attempt.decision.user}));
    match does.as_str() {
        "reject" => Ok(Verdict::Reject("refused by the application".into())),
        "throw" => Err("the hook fails".into()),
        _ => Ok(Verdict::Stands),
    }
}

async fn failed(attempt: Attempt, does: String) -> HookResult {
    let decision = attempt.decision;
    let reason = decision.reason.as_str_name();
    say(&json!({
        "event": "fail",
        "reason": reason.strip_prefix("REASON_").unwrap_or(reason),
        "message": decision.message,
        "error": decision.error,
        "close": decision.close,
    }));
    match does.as_str() {
        "accept" => Ok(Verdict::Accept),
        "throw" => Err("the hook fails".into()),
        _ => Ok(Verdict::Stands),
    }
}
