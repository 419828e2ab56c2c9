//! Where cases are played: the service's own path, on sessions in memory.

use std::sync::Arc;

use secrecy::SecretString;

use super::cases::{self, Case};
use crate::{
    authorize::{
        Authorizer, Decision, Handshake,
        explain::{Step, Steps},
        handshake::Headers,
        signature::Keys,
    },
    cli::{Error, demo::cookie_header},
    config::{Config, layers::Layers},
    server,
    session_store::MemoryStore,
};

/// What decides apart from who is asked about. Everything else of the settings, such as files of secrets and certificates
/// that a CI does not have, is not looked at.
const DECIDING: [&str; 7] = [
    "session.cookie",
    "session.passport_key",
    "session.id_outside_cookie",
    "session.allowed_origins",
    "policy.accept",
    "policy.message",
    "limits.max_session_bytes",
];

/// Nothing that anybody has to keep is signed with it.
const SECRET: &str = "socketpass policy test";

/// Decides about cases.
pub(super) struct Stage {
    pub(super) config: Config,
    authorizer: Authorizer,
    store: Arc<MemoryStore>,
    keys: Keys,
}

impl Stage {
    /// With what the settings say of who may come in.
    pub(super) fn new(mut layers: Layers) -> Result<Self, Error> {
        layers.keep_only(&DECIDING);
        let fixed = [("session.store", "memory:"), ("session.secrets", SECRET), ("user.source", "session")];
        layers.add_fixed("socketpass policy test", &fixed);
        let config = Config::load(&layers)?;
        let store = Arc::new(MemoryStore::new());
        let authorizer = server::authorizer(&config, Arc::clone(&store) as Arc<_>)?;
        let keys = Keys::new(&[SecretString::from(SECRET)]).map_err(server::Error::Secrets)?;
        Ok(Self { config, authorizer, store, keys })
    }

    /// What is decided, and how it came about.
    pub(super) async fn decide(&self, case: &Case) -> Result<(Decision, Vec<Step>), Error> {
        const SESSION_ID: &str = "of-the-case";
        let session = case.session(&self.config.session.passport_key).map_err(Error::Input)?;
        let cookie = session.map(|session| {
            self.store.insert(SESSION_ID, session);
            cookie_header(&self.config.session.cookie, &self.keys.sign(SESSION_ID).unwrap_or_default())
        });
        let handshake = handshake(case, cookie)?;
        let mut steps = Steps::default();
        let decision = self.authorizer.decide(&handshake, &mut steps).await;
        self.store.remove(SESSION_ID);
        Ok((decision, steps.0))
    }
}

fn handshake(case: &Case, cookie: Option<String>) -> Result<Handshake, Error> {
    let cases::Socket { namespace, remote_address, origin } = &case.socket;
    let cases::Handshake { headers, url, auth, xdomain } = &case.handshake;
    let mut headers = headers.clone();
    headers.extend(origin.clone().map(|origin| ("origin".to_owned(), origin)));
    if let Some(cookie) = cookie {
        // A header's name may be written in any case.
        let name = headers.keys().find(|name| name.eq_ignore_ascii_case("cookie")).cloned();
        let name = name.unwrap_or_else(|| "cookie".to_owned());
        let others = headers.remove(&name).map_or_else(String::new, |others| format!("; {others}"));
        headers.insert(name, cookie + &others);
    }
    let headers =
        Headers::new(headers).map_err(|twice| Error::Input(format!("case {:?}: {twice}", case.name)))?;
    Ok(Handshake {
        headers,
        url: url.clone(),
        auth_session_id: auth.session_id.clone(),
        remote_address: remote_address.clone(),
        xdomain: *xdomain,
        namespace: namespace.clone(),
    })
}
