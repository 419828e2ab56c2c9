//! What cookie-session and Passport make of a Cookie header, asked of the library and of the service.

use std::collections::HashMap;

use serde_json::{Value, json};
use socketpass::{
    authorize::explain::Silent,
    grpc::{
        convert,
        pb::{AuthorizeResponse, Handshake},
    },
    server, session_store,
};

use super::{
    case::{Case, Door},
    expected::{Answer, accepted, rejected},
    report::Report,
};
use crate::support::service::{Client, Service, authorize, config};

pub async fn run(report: &mut Report, services: &mut Services) {
    for case in Case::read_all("cookie-session") {
        let name = case.0["config"]["name"].as_str().unwrap();
        let keys = keys(&case);
        let expected = expected(&case);
        let library = ask_library(name, &keys, case.handshake()).await;
        report.add_plain_case("cookie-session", case.id(), Door::Library, expected.difference(&library));
        let service = Answer::from(services.ask(name, &keys, "sha1", case.handshake()).await);
        report.add_plain_case("cookie-session", case.id(), Door::Grpc, expected.difference(&service));
    }
}

pub fn keys(case: &Case) -> Vec<String> {
    let keys = case.0["config"]["keys"].as_array().unwrap();
    keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// What passport.socketio would have said of the session that cookie-session found.
fn expected(case: &Case) -> Answer {
    let no_session = |reason| rejected(reason, "No session found", false, String::new());
    if case.expect("value").as_str().unwrap_or("").is_empty() {
        return no_session("NO_SESSION_ID or BAD_SIGNATURE");
    }
    // What the package cannot read it takes for no session, and begins a new one.
    if case.expect("is_new") == true {
        return no_session("SESSION_NOT_FOUND");
    }
    if case.expect("has_passport") == false {
        let message = "Passport was not initialized";
        return rejected("PASSPORT_NOT_INITIALIZED", message, true, String::new());
    }
    match case.expect("session")["passport"].get("user") {
        None => {
            let message = "User not authorized through passport. (User Property not found)";
            rejected("NOT_LOGGED_IN", message, false, String::new())
        }
        Some(Value::Null) => rejected("USER_NOT_FOUND", "User not found", false, String::new()),
        Some(Value::Object(user)) => {
            let mut user = user.clone();
            user.insert("logged_in".to_owned(), Value::Bool(true));
            accepted(String::new(), Value::Object(user))
        }
        Some(id) => accepted(String::new(), json!({"id": id, "logged_in": true})),
    }
}

fn settings(name: &str, keys: &[String], algorithm: &str) -> [(&'static str, String); 4] {
    [
        ("SESSION_STORE", "cookie-session:".to_owned()),
        ("SESSION_COOKIE", name.to_owned()),
        ("SESSION_SECRETS", json!(keys).to_string()),
        ("SESSION_KEYGRIP_ALGORITHM", algorithm.to_owned()),
    ]
}

async fn ask_library(name: &str, keys: &[String], handshake: Handshake) -> Answer {
    let settings = settings(name, keys, "sha1");
    let config = config(&settings.each_ref().map(|(name, value)| (*name, value.as_str()))).unwrap();
    let authorizer = server::authorizer(&config, session_store::open(&config.session)).unwrap();
    let handshake = convert::handshake(Some(handshake), "").unwrap();
    Answer::from(convert::decision(authorizer.decide(&handshake, &mut Silent).await))
}

/// Services on `cookie-session:`, by settings.
#[derive(Default)]
pub struct Services(HashMap<Vec<String>, (Service, Client)>);

impl Services {
    pub async fn ask(
        &mut self,
        name: &str,
        keys: &[String],
        algorithm: &str,
        handshake: Handshake,
    ) -> AuthorizeResponse {
        let settings = settings(name, keys, algorithm);
        let by = settings.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        if !self.0.contains_key(&by) {
            let service =
                Service::start(&settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
            let client = service.client().await;
            self.0.insert(by.clone(), (service, client));
        }
        let (_, client) = self.0.get_mut(&by).unwrap();
        authorize(client, handshake).await
    }
}
