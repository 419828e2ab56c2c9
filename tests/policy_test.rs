//! `policy test`, and the policies of the documents, which it is run on as they stand.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::service::socketpass;

struct Ran {
    code: Option<i32>,
    out: String,
    error: String,
}

/// A folder with `socketpass.toml` and `cases.toml`, as documents name them.
struct Folder(TempDir);

impl Folder {
    fn with(settings: &str, cases: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("socketpass.toml", settings);
        folder.write("cases.toml", cases);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    async fn test(&self, more: &[&str]) -> Ran {
        let mut command = socketpass();
        command.args(["policy", "test", "cases.toml", "--config", "socketpass.toml"]).args(more);
        let output = command.current_dir(self.0.path()).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }
}

const SETTINGS: &str = r#"
[policy]
accept = 'user.logged_in && user.role == "admin"'
message = "Admins only"
"#;

#[tokio::test]
async fn what_the_documents_say_is_so() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md")).unwrap();
    let (mut settings, mut cases, mut tested) = ("", "", 0);
    let mut blocks = text.split("\n```");
    blocks.next();
    // Every other one is the text between two blocks.
    for block in blocks.step_by(2) {
        let (language, block) = block.split_once('\n').unwrap();
        match language {
            "toml" if block.starts_with("# socketpass.toml\n") => settings = block,
            "toml" if block.starts_with("# cases.toml\n") => {
                cases = block;
                let ran = Folder::with(settings, cases).test(&[]).await;
                assert_eq!(ran.code, Some(0), "{block}\n{}\n{}", ran.out, ran.error);
                assert_eq!(ran.out.matches('✓').count(), block.matches("[[case]]").count());
                tested += 1;
            }
            "console" => {
                let (command, shown) = block.split_once('\n').unwrap();
                assert_eq!(command, "$ socketpass policy test cases.toml --config socketpass.toml");
                assert_eq!(Folder::with(settings, cases).test(&[]).await.out.trim_end(), shown);
                tested += 1;
            }
            "" if block.starts_with("error: 1 fault in the settings\n") => {
                let policy = block.lines().nth(2).unwrap().trim();
                let folder = Folder::with(&format!("policy.accept = '{policy}'\n"), cases_of_nobody());
                let ran = folder.test(&[]).await;
                assert_eq!((ran.code, ran.error.trim_end()), (Some(2), block));
                tested += 1;
            }
            other => panic!("nothing tests this block of {other:?}:\n{block}"),
        }
    }
    assert_eq!(tested, 7);
}

fn cases_of_nobody() -> &'static str {
    "[[case]]\nname = \"nobody\"\nexpect = \"rejected\"\n"
}

#[tokio::test]
async fn a_case_that_comes_out_otherwise_is_shown_with_why() {
    let cases = r#"
[[case]]
name = "an admin"
user = { role = "admin" }
expect = "accepted"

[[case]]
name = "a member, wrongly expected in"
user = { role = "member" }
expect = "accepted"

[[case]]
name = "an admin, wrongly expected out"
user = { role = "admin" }
expect = { reason = "DENIED_BY_POLICY", message = "Nobody" }

[[case]]
name = "somebody without a role"
user = { id = 7 }
expect = "accepted"
"#;
    let folder = Folder::with(SETTINGS, cases);
    let ran = folder.test(&[]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.error);
    assert_eq!(ran.error, "error: 3 of 4 cases did not come out as expected\n");
    assert_eq!(
        ran.out,
        r#"policy.accept user.logged_in && user.role == "admin"

✓ an admin
✗ a member, wrongly expected in
    expected  accepted
    came      refused   DENIED_BY_POLICY  “Admins only”  close 4504 denied_by_policy
              user      {"logged_in":false}
    ✗ policy     policy.accept, `user.logged_in && user.role == "admin"`: it does not hold for this user
✗ an admin, wrongly expected out
    expected  DENIED_BY_POLICY  “Nobody”
    came      accepted  AUTHORIZED
              user      {"logged_in":true,"role":"admin"}
    ✓ policy     policy.accept, `user.logged_in && user.role == "admin"`: it holds
✗ somebody without a role
    expected  accepted
    came      refused   DENIED_BY_POLICY  “Admins only”  close 4504 denied_by_policy
              user      {"logged_in":false}
    ✗ policy     policy.accept, `user.logged_in && user.role == "admin"`: the policy failed: there is no `user.role`, which denies
                 → `has(user.field)` asks whether this user has a field at all
"#
    );

    let ran = folder.test(&["--json"]).await;
    assert_eq!(ran.code, Some(1));
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ok: Vec<_> = lines.iter().map(|line| line["ok"].as_bool().unwrap()).collect();
    assert_eq!(ok, [true, false, false, false]);
    assert_eq!(lines[1]["name"], "a member, wrongly expected in");
    assert_eq!(lines[1]["expected"], json!({"accepted": true, "reason": null, "message": null}));
    assert_eq!(lines[1]["decision"]["reason"], "DENIED_BY_POLICY");
    assert_eq!(lines[1]["decision"]["steps"].as_array().unwrap().last().unwrap()["name"], "policy");
}

#[tokio::test]
async fn whole_handshakes_are_decided_as_the_service_decides() {
    let cases = r#"
[[case]]
name = "a cookie that nobody signed"
handshake = { headers = { Cookie = "app.sid=s%3Aid.signature" } }
expect = { accepted = false, reason = "BAD_SIGNATURE" }

[[case]]
name = "another cookie beside the session's"
session = '{"auth":{"user":{"role":"admin"}}}'
handshake = { headers = { Cookie = "theme=dark" } }
expect = "accepted"

[[case]]
name = "a bare id in the url"
handshake = { url = "/socket.io/?session_id=abc" }
expect = { reason = "BAD_SIGNATURE" }

[[case]]
name = "a bare id in the auth payload, from another site"
handshake = { auth = { session_id = "abc" }, xdomain = true }
expect = { message = "Can not read cookies from CORS-Requests. See CORS-Workaround in the readme." }

[[case]]
name = "a session that has expired"
session = { cookie = { expires = "2001-01-01T00:00:00.000Z" }, auth = { user = { role = "admin" } } }
expect = { reason = "SESSION_NOT_FOUND" }
"#;
    let settings = r#"
[session]
cookie = "app.sid"
passport_key = "auth"
# What a CI does not have is not looked for.
secrets_file = "/nowhere/secrets"
store = "redis://127.0.0.1:1"
[tls]
cert_file = "/nowhere/cert.pem"
key_file = "/nowhere/key.pem"
[grpc]
addr = "0.0.0.0:50051"
"#;
    let ran = Folder::with(&format!("{SETTINGS}{settings}"), cases).test(&[]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
}

#[tokio::test]
async fn what_is_wrong_with_file_or_settings_is_named() {
    let case = |text: &str| format!("[[case]]\nname = \"x\"\n{text}\n");
    for (settings, cases, words) in [
        (SETTINGS, "[[case]]\nexpect = \"accepted\"".to_owned(), "missing field `name`"),
        (SETTINGS, case("usr = {}\nexpect = \"accepted\""), "unknown field `usr`"),
        (SETTINGS, case("socket = { namspace = \"/\" }\nexpect = \"accepted\""), "unknown field `namspace`"),
        (SETTINGS, case(""), "missing field `expect`"),
        (SETTINGS, case("expect = \"allowed\""), "`expect` is \"accepted\", \"rejected\""),
        (SETTINGS, case("expect = { acepted = true }"), "`expect` is"),
        (SETTINGS, case("expect = {}"), "`expect` is"),
        (
            SETTINGS,
            case("expect = { reason = \"EVICTED\" }"),
            "no decision has the reason \"EVICTED\"; there are",
        ),
        (SETTINGS, case("expect = \"accepted\"\nuser = {}\nsession = {}"), "only one can be given"),
        (SETTINGS, case("expect = \"accepted\"\nuser = { born = 2001-01-01 }"), "JSON has no dates"),
        (SETTINGS, case("expect = \"accepted\"\nuser = { score = nan }"), "neither infinity nor NaN"),
        (
            SETTINGS,
            case("expect = \"accepted\"\nhandshake = { headers = { A = \"1\", a = \"2\" } }"),
            "twice",
        ),
        (SETTINGS, "[[case]".to_owned(), "line 1"),
        (SETTINGS, String::new(), "has no cases"),
        ("policy.accept = 'user.'", case("expect = \"accepted\""), "policy.accept: 1:6: syntax"),
        ("policy.acept = 'true'", case("expect = \"accepted\""), "is it `policy.accept`?"),
    ] {
        let ran = Folder::with(settings, &cases).test(&[]).await;
        assert_eq!(ran.code, Some(2), "{cases}: {}", ran.error);
        assert!(ran.error.contains(words), "{cases}: {}", ran.error);
    }
    let mut command = socketpass();
    let output = command.args(["policy", "test", "/nowhere/cases.toml"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nowhere/cases.toml cannot be read"));
}
