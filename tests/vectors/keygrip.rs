//! Keygrip's signatures: made and verified by the library, and as the signature of a cookie-session's cookie by the
//! service.

use socketpass::{
    authorize::keygrip::Keygrip, config::session::KeygripAlgorithm, grpc::convert::reason_name,
};

use super::{
    case::{Case, Door},
    cookie_session::{Services, keys},
    report::Report,
};
use crate::support::service::with_cookie;

pub async fn run(report: &mut Report, services: &mut Services) {
    for case in Case::read_all("keygrip") {
        report.add_plain_case("keygrip", case.id(), Door::Library, ask_library(&case));
        // A cookie has a name.
        if let Some((name, value)) = text(&case, "data").split_once('=') {
            let failure = ask_service(&case, name, value, services).await;
            report.add_plain_case("keygrip", case.id(), Door::Grpc, failure);
        }
    }
}

fn text<'c>(case: &'c Case, field: &str) -> &'c str {
    case.0[field].as_str().unwrap()
}

fn algorithm(case: &Case) -> &str {
    case.0["config"]["algorithm"].as_str().unwrap()
}

fn ask_library(case: &Case) -> Option<String> {
    let algorithm = match algorithm(case) {
        "sha1" => KeygripAlgorithm::Sha1,
        "sha256" => KeygripAlgorithm::Sha256,
        "sha384" => KeygripAlgorithm::Sha384,
        "sha512" => KeygripAlgorithm::Sha512,
        "md5" => KeygripAlgorithm::Md5,
        other => panic!("{}: no algorithm {other}", case.id()),
    };
    let secrets: Vec<_> = keys(case).iter().map(|key| key.as_str().into()).collect();
    let keys = Keygrip::new(&secrets, algorithm).unwrap();
    let signed = keys.sign(text(case, "data")).unwrap();
    let index = keys.index(text(case, "data"), text(case, "digest"));
    let index = index.map_or(-1, |index| i64::try_from(index).unwrap());
    let same = case.expect("sign") == signed.as_str()
        && case.expect("index") == index
        && case.expect("verify") == (index >= 0);
    (!same).then(|| format!("expected {}, got {signed} and {index}", case.0["expect"]))
}

async fn ask_service(case: &Case, name: &str, value: &str, services: &mut Services) -> Option<String> {
    let cookie = format!("{name}={value}; {name}.sig={}", text(case, "digest"));
    let answer = services.ask(name, &keys(case), algorithm(case), with_cookie(&cookie)).await;
    let reason = reason_name(answer.reason()).into_owned();
    let as_expected = match (case.expect("verify") == true, value.is_empty()) {
        // Whether that is signed makes no difference.
        (_, true) => reason == "NO_SESSION_ID",
        (true, false) => !matches!(reason.as_str(), "NO_SESSION_ID" | "BAD_SIGNATURE"),
        (false, false) => reason == "BAD_SIGNATURE",
    };
    (!as_expected).then(|| format!("expected {}, got {reason}", case.0["expect"]))
}
