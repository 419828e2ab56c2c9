//! Settings: one name in three places, all faults at once, files of their own that are read again.

use std::{collections::BTreeMap, fs};

use socketpass::{
    config::{Config, SETTINGS, callers::hash_of, layers::Layers, setting::Setting},
    grpc::convert::reason_name,
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    ANA, ANA_ID,
    process::Process,
    redis::Redis,
    service::{ServiceProcess, authorize, command, config, request, socketpass, with_cookie, with_headers},
    signed, until,
};

fn faulty_settings(settings: &[(&str, &str)]) -> Vec<String> {
    config(settings).unwrap_err().0.into_iter().map(|fault| fault.setting).collect()
}

#[test]
fn all_faults_are_reported_together_and_name_the_setting() {
    let faults = faulty_settings(&[
        ("GRPC_ADDR", "localhost"),
        ("HTTP_ADDR", "127.0.0.1"),
        ("SESSION_SECRETS", r#"["", "x"]"#),
        ("SESSION_STORE", "ftp://x"),
        ("SESSION_ID_OUTSIDE_COOKIE", "maybe"),
        ("SESSION_ALLOWED_ORIGINS", "app.example"),
        ("SESSION_STORE_TIMEOUT", "soon"),
        ("SESSION_STORE_CONNECT_TIMEOUT", "0s"),
        ("USER_SOURCE", "ldap"),
        ("USER_ID_FIELD", ""),
        ("REVALIDATE_INTERVAL", "0s"),
        ("POLICY_ACCEPT", "user.role =="),
        ("LIMITS_MAX_SESSION_BYTES", "0"),
        ("CALLERS_ALLOW_ANONYMOUS", "yes"),
        ("GRPC_REFLECTION", "1"),
        ("LOG_FORMAT", "xml"),
        ("LOG_FILTER", "=x=y="),
        ("TELEMETRY_OTLP_ENDPOINT", "otel-collector:4317"),
        ("TELEMETRY_TRACES_SAMPLE_RATIO", "1.5"),
        ("AUDIT_SINK", "on"),
    ]);
    for setting in [
        "grpc.addr",
        "http.addr",
        "session.secrets",
        "session.store",
        "session.id_outside_cookie",
        "session.allowed_origins",
        "session.store_timeout",
        "session.store_connect_timeout",
        "user.source",
        "user.id_field",
        "revalidate.interval",
        "policy.accept",
        "limits.max_session_bytes",
        "callers.allow_anonymous",
        "grpc.reflection",
        "log.format",
        "log.filter",
        "telemetry.otlp_endpoint",
        "telemetry.traces_sample_ratio",
        "audit.sink",
    ] {
        assert_eq!(faults.iter().filter(|fault| *fault == setting).count(), 1, "{setting} in {faults:?}");
    }
}

#[test]
fn a_fault_says_what_the_setting_should_be() {
    for (name, value, words) in [
        ("REVALIDATE_INTERVAL", "0s", "it should be from 1s to 1h"),
        ("REVALIDATE_INTERVAL", "2h", "it should be from 1s to 1h"),
        ("USER_ID_FIELD", "", "such as `id`"),
        (
            "SESSION_ALLOWED_ORIGINS",
            "https://a.example, https://b.example",
            r#"several in a variable are a JSON array: ["https://a.example","https://b.example"] (SOCKETPASS_SESSION_ALLOWED_ORIGINS)"#,
        ),
        (
            "REGISTRY_INDEXES",
            "user.team,user.role",
            r#"several in a variable are a JSON array: ["user.team","user.role"] (SOCKETPASS_REGISTRY_INDEXES)"#,
        ),
        ("SESSION_ALLOWED_ORIGINS", "app.example", "(SOCKETPASS_SESSION_ALLOWED_ORIGINS)"),
        ("REGISTRY_INDEXES", "team", "(SOCKETPASS_REGISTRY_INDEXES)"),
    ] {
        let faults = config(&[(name, value)]).unwrap_err().to_string();
        assert!(faults.contains(words) && !faults.contains("syntax"), "{faults}");
    }
}

#[test]
fn a_value_of_another_type_is_told_how_the_file_writes_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (written, words) in [
        (
            "[revalidate]\ninterval = 30",
            r#"it should be a duration in quotes, for example "15s", and is a number"#,
        ),
        (
            "[limits]\nmax_session_bytes = true",
            r#"it should be a size, for example 4096 or "4MiB", and is a boolean"#,
        ),
        (
            "[registry]\nindexes = 1",
            r#"it should be a list of texts, for example ["one", "two"], and is a number"#,
        ),
        ("[log]\nformat = 1", "it should be one of these in quotes: "),
    ] {
        fs::write(file.path(), written).unwrap();
        let mut layers = Layers::default();
        layers.add_file(file.path());
        let faults = Config::load(&layers).unwrap_err().to_string();
        assert!(faults.contains(words), "{faults}");
    }
}

#[test]
fn layouts_tables_and_prefixes_fit_their_store() {
    let postgres = ("SESSION_STORE", "postgres://h/app");
    assert!(
        config(&[postgres, ("SESSION_LAYOUT", "connect-session-knex"), ("SESSION_TABLE", "a.b")]).is_ok()
    );
    for (settings, faulty) in [
        (vec![postgres, ("SESSION_LAYOUT", "connect-sqlite3")], "session.layout"),
        (vec![postgres, ("SESSION_LAYOUT", "connect-mongo")], "session.layout"),
        (vec![postgres, ("SESSION_LAYOUT", "connect-anything")], "session.layout"),
        (vec![postgres, ("SESSION_TABLE", "a.")], "session.table"),
        (vec![postgres, ("SESSION_COLUMNS", "data=x")], "session.columns"),
        (vec![("SESSION_STORE", "postgres://h")], "session.store"),
        (vec![("SESSION_STORE", "memcache://a,b")], "session.store"),
        (vec![("SESSION_STORE", "mongodb://u:p@h?tlsInsecure=true")], "session.store"),
    ] {
        assert_eq!(faulty_settings(&settings), [faulty], "{settings:?}");
    }
    for (settings, prefix) in [
        (vec![("SESSION_STORE", "redis://h")], "sess:"),
        (vec![("SESSION_STORE", "memcache://h")], ""),
        (vec![("SESSION_STORE", "memcache://h"), ("SESSION_PREFIX", "sess:")], "sess:"),
    ] {
        assert_eq!(config(&settings).unwrap().session.prefix, prefix, "{settings:?}");
    }
}

/// Each setting that is warned of, and why.
fn warnings(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let warnings = config(settings).unwrap().warnings.into_iter();
    warnings.map(|warning| (warning.setting, warning.problem)).collect()
}

#[test]
fn what_is_set_and_counts_for_nothing_is_warned_of_by_name() {
    let cookie_session = ("SESSION_STORE", "cookie-session:");
    let http = ("USER_SOURCE", "http://127.0.0.1/{id}");
    for (settings, unused) in [
        (
            vec![("SESSION_STORE", "redis://localhost"), ("SESSION_LAYOUT", "connect-pg-simple")],
            "session.layout",
        ),
        (vec![("SESSION_STORE", "memcache://localhost"), ("SESSION_TABLE", "x")], "session.table"),
        (vec![("SESSION_STORE", "file:/x"), ("SESSION_COLUMNS", "sid=x")], "session.columns"),
        (vec![("SESSION_STORE", "sqlite:/x"), ("SESSION_PREFIX", "sess:")], "session.prefix"),
        (vec![("SESSION_KEYGRIP_ALGORITHM", "sha1")], "session.keygrip_algorithm"),
        (vec![cookie_session, ("SESSION_ID_OUTSIDE_COOKIE", "off")], "session.id_outside_cookie"),
        (vec![cookie_session, ("SESSION_STORE_TIMEOUT", "2s")], "session.store_timeout"),
        (vec![cookie_session, ("SESSION_PREFIX", "sess:")], "session.prefix"),
        (vec![cookie_session, ("LIMITS_EVICT_OLDEST", "true")], "limits.evict_oldest"),
        (vec![("LIMITS_EVICT_OLDEST", "true")], "limits.evict_oldest"),
        (vec![("USER_LOOKUP", "u:{id}")], "user.lookup"),
        (vec![http, ("USER_LOOKUP", "u:{id}")], "user.lookup"),
        (vec![("USER_AUTHORIZATION", "Bearer x")], "user.authorization"),
        (
            vec![("USER_SOURCE", "redis://localhost"), ("USER_AUTHORIZATION", "Bearer x")],
            "user.authorization",
        ),
        (vec![("USER_TIMEOUT", "1s")], "user.timeout"),
        (vec![("USER_CACHE_TTL", "5s")], "user.cache_ttl"),
        (vec![("USER_STALE_FOR", "1m")], "user.stale_for"),
        (vec![("REGISTRY_PREFIX", "x:")], "registry.prefix"),
    ] {
        let warned = warnings(&settings);
        assert!(
            matches!(&warned[..], [(setting, problem)] if setting == unused && problem.contains("nothing uses it")),
            "{settings:?}: {warned:?}"
        );
    }
    let used = [cookie_session, ("SESSION_KEYGRIP_ALGORITHM", "sha512"), http, ("USER_CACHE_TTL", "5s")];
    assert_eq!(warnings(&used), []);
    assert_eq!(warnings(&[("LIMITS_EVICT_OLDEST", "true"), ("LIMITS_MAX_SOCKETS_PER_USER", "3")]), []);
    assert!(!config(&[cookie_session, ("LIMITS_EVICT_OLDEST", "true")]).unwrap().limits.evict_oldest);
}

#[test]
fn what_goes_to_another_machine_in_plaintext_is_warned_of() {
    const LOOKUP: (&str, &str) = ("USER_LOOKUP", "SELECT * FROM users WHERE id = {id}");
    const AUTHORIZATION: (&str, &str) = ("USER_AUTHORIZATION", "Bearer x");
    for (setting, settings, way_out) in [
        ("session.store", vec![("SESSION_STORE", "redis://h")], "rediss://"),
        ("session.store", vec![("SESSION_STORE", "redis+cluster://localhost,h")], "rediss://"),
        ("session.store", vec![("SESSION_STORE", "postgres://h/app")], "sslmode="),
        ("session.store", vec![("SESSION_STORE", "mysql://h/app?ssl-mode=disabled")], "ssl-mode="),
        ("session.store", vec![("SESSION_STORE", "mongodb://localhost,h/app")], "tls=true"),
        ("session.store", vec![("SESSION_STORE", "memcache://h")], "a tunnel"),
        ("registry.store", vec![("REGISTRY_STORE", "redis://10.0.0.1")], "rediss://"),
        ("user.source", vec![("USER_SOURCE", "redis://h")], "rediss://"),
        ("user.source", vec![("USER_SOURCE", "postgres://h/app"), LOOKUP], "sslmode="),
        ("user.source", vec![("USER_SOURCE", "http://h/{id}"), AUTHORIZATION], "https://"),
        ("user.source", vec![("USER_SOURCE", "grpc://h:1"), AUTHORIZATION], "grpcs://"),
    ] {
        let warned = warnings(&settings);
        assert!(
            matches!(&warned[..], [(named, problem)] if named == setting && problem.contains(way_out)),
            "{settings:?}: {warned:?}"
        );
    }
    for settings in [
        vec![("SESSION_STORE", "redis://127.0.0.1"), ("REGISTRY_STORE", "redis://[::1]")],
        vec![("SESSION_STORE", "rediss://h")],
        vec![("SESSION_STORE", "postgres://h/app?sslmode=require")],
        vec![("SESSION_STORE", "postgres://localhost/app")],
        vec![("SESSION_STORE", "mongodb://h/app?tls=true")],
        vec![("SESSION_STORE", "mongodb+srv://h/app")],
        vec![("SESSION_STORE", "mongodb://%2Ftmp%2Fmongodb-27017.sock")],
        vec![("USER_SOURCE", "http://h/{id}")],
        vec![("USER_SOURCE", "http://localhost:3000/{id}"), AUTHORIZATION],
        vec![("USER_SOURCE", "grpc://[::1]:1"), AUTHORIZATION],
    ] {
        assert_eq!(warnings(&settings), [], "{settings:?}");
    }
}

#[tokio::test]
async fn warnings_are_told_at_the_start_and_with_the_settings() {
    let unused = [("SESSION_KEYGRIP_ALGORITHM", "sha1")];
    let service = ServiceProcess::start(&unused).await;
    let line = service.process.output().line("nothing uses it").await;
    assert!(line.contains("WARN") && line.contains("session.keygrip_algorithm"), "{line}");
    let mut command = socketpass();
    command
        .arg("config")
        .env("SOCKETPASS_SESSION_SECRETS", "x")
        .env("SOCKETPASS_SESSION_KEYGRIP_ALGORITHM", "sha1");
    let mut process = Process::start(&mut command);
    assert_eq!(process.exit_code().await, Some(0));
    process.output().line("warning: session.keygrip_algorithm: nothing uses it").await;
}

#[tokio::test]
async fn faults_at_the_start_are_for_people_and_exit_2() {
    let mut process = Process::start(&mut command(&[("SESSION_SECRETS", ""), ("SESSION_STORE", "nowhere")]));
    assert_eq!(process.exit_code().await, Some(2));
    process.output().line("2 faults in the settings").await;
    process.output().line("session.secrets: ").await;
    process.output().line("session.store: ").await;
}

#[tokio::test]
async fn an_address_that_is_taken_names_its_setting() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for name in ["GRPC_ADDR", "HTTP_ADDR"] {
        let mut process = Process::start(&mut command(&[(name, &taken.local_addr().unwrap().to_string())]));
        assert_eq!(process.exit_code().await, Some(1));
        process.output().line(&name.to_ascii_lowercase().replace('_', ".")).await;
    }
}

#[test]
fn beyond_loopback_only_when_anonymous_callers_are_allowed() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        assert_eq!(faulty_settings(&[("GRPC_ADDR", addr)]), ["grpc.addr"], "{addr}");
        assert!(config(&[("GRPC_ADDR", addr), ("CALLERS_ALLOW_ANONYMOUS", "true")]).is_ok(), "{addr}");
    }
    for addr in ["127.0.0.1:0", "127.8.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        assert!(config(&[("GRPC_ADDR", addr)]).is_ok(), "{addr}");
    }
}

#[test]
fn the_later_of_file_environment_and_command_line_wins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[session]\nsecrets = [\"of the file\"]\ncookie = \"file\"\nprefix = \"file\"\npassport_key = \"file\"\n").unwrap();
    let mut layers = Layers::default();
    layers.add_file(file.path());
    let environment =
        [("SOCKETPASS_SESSION_PREFIX", "environment"), ("SOCKETPASS_SESSION_PASSPORT_KEY", "environment")];
    layers.add_environment(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let flags = BTreeMap::from([("session-passport-key", vec!["flag".to_owned()])]);
    layers.add_command_line(|flag| flags.get(flag).cloned());
    let session = Config::load(&layers).unwrap().session;
    assert_eq!((&*session.cookie, &*session.prefix, &*session.passport_key), ("file", "environment", "flag"));
}

#[test]
fn a_policy_reads_as_a_boolean_where_it_stands_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "[session]\nsecrets = \"x\"\n[policy]\naccept = true\n").unwrap();
    let mut layers = Layers::default();
    layers.add_file(file.path());
    assert_eq!(Config::load(&layers).unwrap().policy.accept.text, "true");
    fs::write(file.path(), "[session]\nsecrets = \"x\"\ncookie = true\n").unwrap();
    let mut layers = Layers::default();
    layers.add_file(file.path());
    assert_eq!(Config::load(&layers).unwrap_err().0[0].setting, "session.cookie");
}

#[test]
fn what_config_prints_of_a_secret_is_no_secret() {
    assert_eq!(faulty_settings(&[("SESSION_SECRETS", "<1 hidden>")]), ["session.secrets"]);
}

#[test]
fn an_empty_variable_is_an_empty_value() {
    let config = config(&[("SESSION_PREFIX", ""), ("SESSION_COOKIE", "")]).unwrap();
    assert_eq!((&*config.session.prefix, &*config.session.cookie), ("", ""));
    assert_eq!(faulty_settings(&[("SESSION_SECRETS", "")]), ["session.secrets"]);
}

#[test]
fn a_list_is_a_json_array_or_one_bare_value() {
    let origins =
        |value: &str| config(&[("SESSION_ALLOWED_ORIGINS", value)]).unwrap().session.allowed_origins;
    assert_eq!(origins("https://a").map(|origins| origins[0].to_string()).as_deref(), Some("https://a"));
    assert_eq!(origins(r#"["https://a","https://b"]"#).map(|origins| origins.len()), Some(2));
    assert_eq!(origins("[]"), Some(vec![]));
    // A comma is part of a secret.
    assert_eq!(config(&[("SESSION_SECRETS", "a,b")]).unwrap().session.secrets.len(), 1);
}

#[test]
fn what_is_no_setting_is_a_fault_in_the_file_and_a_warning_in_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "sesion = 1\n[session]\nsecrets = \"x\"\ncokie = \"x\"\n[session.more]\nx = 1\n")
        .unwrap();
    let mut layers = Layers::default();
    layers.add_file(file.path());
    layers.add_environment([
        ("SOCKETPASS_PORT_50051_TCP".to_owned(), "tcp://x".to_owned()),
        ("OTHER".to_owned(), "x".to_owned()),
    ]);
    let warned: Vec<_> = layers.warnings().iter().map(|warning| &*warning.setting).collect();
    assert_eq!(warned, ["SOCKETPASS_PORT_50051_TCP"]);
    let faults = Config::load(&layers).unwrap_err().to_string();
    assert!(
        faults.contains("session.cokie: there is no such setting")
            && faults.contains("is it `session.cookie`?"),
        "{faults}"
    );
    assert!(
        faults.contains("sesion: there is no such setting") && faults.contains("session.more"),
        "{faults}"
    );
}

#[tokio::test]
async fn an_unknown_variable_is_warned_of_by_name() {
    let is_it = "names no setting; is it `SOCKETPASS_SESSION_STORE`?";
    let mistyped = warnings(&[("SESION_STORE", "memory:"), ("SERVICE_PORT", "50051")]);
    let [(other, none), (mistyped, nearest)] = mistyped.as_slice() else { panic!("{mistyped:?}") };
    assert_eq!((&**other, &**mistyped), ("SOCKETPASS_SERVICE_PORT", "SOCKETPASS_SESION_STORE"));
    assert!(none.ends_with("names no setting") && nearest.ends_with(is_it), "{none}; {nearest}");

    let mut command = socketpass();
    command.arg("config").env("SOCKETPASS_SESSION_SECRETS", "x").env("SOCKETPASS_SESION_STORE", "memory:");
    command.env("SOCKETPASS_TOKEN", "for commands");
    let mut process = Process::start(&mut command);
    assert_eq!(process.exit_code().await, Some(0));
    let line = process.output().line("warning: SOCKETPASS_SESION_STORE").await;
    assert!(line.ends_with(is_it) && !process.output().text().contains("SOCKETPASS_TOKEN"), "{line}");

    let service = ServiceProcess::start(&[("SERVICE_PORT", "50051")]).await;
    let line = service.process.output().line("names no setting").await;
    assert!(line.contains("SOCKETPASS_SERVICE_PORT"), "{line}");
    service.process.output().line("nobody can log in").await;
}

#[test]
fn a_setting_and_its_file_together_are_a_fault() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "x\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(faulty_settings(&[("SESSION_SECRETS_FILE", path)]), ["session.secrets"]);
    assert_eq!(faulty_settings(&[("SESSION_STORE_FILE", "/nowhere")]), ["session.store"]);
}

#[test]
fn an_empty_file_of_secrets_is_named_with_the_way_out() {
    let [file, secrets] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
    let path = secrets.path().display();
    fs::write(file.path(), format!("[session]\nsecrets_file = \"{path}\"\n")).unwrap();
    for written in ["", "a secret\n\n"] {
        fs::write(secrets.path(), written).unwrap();
        let mut layers = Layers::default();
        layers.add_file(file.path());
        let faults = Config::load(&layers).unwrap_err().to_string();
        for words in [&*format!("its file {path} is empty"), "gives to express-session into it, one a line"] {
            assert!(faults.contains(words) && !faults.contains("a secret"), "{faults}");
        }
        assert!(faults.ends_with(&format!("({})", file.path().display())), "{faults}");
    }
    let faults = config(&[("SESSION_SECRETS", "")]).unwrap_err().to_string();
    assert!(faults.contains("into it (SOCKETPASS_SESSION_SECRETS)"), "{faults}");
}

#[test]
fn of_a_file_only_the_line_ending_is_cut() {
    use secrecy::ExposeSecret as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, expected) in [("one \n two\r\n", vec!["one ", " two"]), ("one", vec!["one"])] {
        fs::write(file.path(), text).unwrap();
        let mut layers = Layers::default();
        layers.add_environment([(
            "SOCKETPASS_SESSION_SECRETS_FILE".to_owned(),
            file.path().display().to_string(),
        )]);
        let config = Config::load(&layers).unwrap();
        let secrets: Vec<_> = config.session.secrets.iter().map(|secret| secret.expose_secret()).collect();
        assert_eq!(secrets, expected);
    }
    for empty in ["", "\n", "one\n\ntwo\n"] {
        fs::write(file.path(), empty).unwrap();
        let mut layers = Layers::default();
        layers.add_environment([(
            "SOCKETPASS_SESSION_SECRETS_FILE".to_owned(),
            file.path().display().to_string(),
        )]);
        assert!(Config::load(&layers).is_err(), "{empty:?}");
    }
}

#[tokio::test]
async fn secrets_and_the_store_are_read_again_when_their_files_change() {
    let (first, second) = (Redis::start().await, Redis::start().await);
    first.put(ANA_ID, ANA.as_bytes()).await;
    let directory = tempfile::TempDir::new().unwrap();
    let (secrets, store) = (directory.path().join("secrets"), directory.path().join("store"));
    fs::write(&secrets, "before\n").unwrap();
    fs::write(&store, first.url()).unwrap();
    let mut command = command(&[
        ("SESSION_SECRETS_FILE", secrets.to_str().unwrap()),
        ("SESSION_STORE_FILE", store.to_str().unwrap()),
    ]);
    command.env_remove("SOCKETPASS_SESSION_SECRETS");
    let process = Process::start(&mut command);
    let line: serde_json::Value = serde_json::from_str(&process.output().line("\"serving\"").await).unwrap();
    let mut client =
        crate::support::service::client(&format!("http://{}", line["grpc_addr"].as_str().unwrap())).await;
    let with = |secret: &str| with_cookie(&format!("connect.sid=s:{}", signed(secret, ANA_ID)));
    let mut reason =
        async |secret: &str| reason_name(authorize(&mut client, with(secret)).await.reason()).into_owned();
    assert_eq!(
        (reason("before").await, reason("after").await),
        ("AUTHORIZED".to_owned(), "BAD_SIGNATURE".to_owned())
    );

    fs::write(&secrets, "after\nbefore\n").unwrap();
    process.signal("HUP");
    process.output().line("were read again").await;
    assert_eq!(
        (reason("before").await, reason("after").await),
        ("AUTHORIZED".to_owned(), "AUTHORIZED".to_owned())
    );

    // A faulty file changes nothing.
    fs::write(&secrets, "").unwrap();
    process.signal("HUP");
    process.output().line("the old values stay in force").await;
    assert_eq!(reason("after").await, "AUTHORIZED");

    // Another store, noticed without being told.
    fs::write(&secrets, "after\n").unwrap();
    fs::write(&store, second.url()).unwrap();
    let mut client = client.clone();
    until("the other store is asked", || {
        let mut client = client.clone();
        let handshake = with("after");
        async move { reason_name(authorize(&mut client, handshake).await.reason()) == "SESSION_NOT_FOUND" }
    })
    .await;
    second.put(ANA_ID, ANA.as_bytes()).await;
    assert!(authorize(&mut client, with("after")).await.accepted);
}

#[test]
fn names_are_one_word_a_part_and_defaults_are_values() {
    let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for Setting { name, about, .. } in SETTINGS.iter() {
        assert!(name.split('.').count() == 2 && about.ends_with('.'), "{name}");
    }
    assert_eq!(config(&[]).unwrap().session.cookie, "connect.sid");
}

#[tokio::test]
async fn on_sighup_the_file_of_settings_is_read_again() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("socketpass.toml");
    let write = |lines: &str| fs::write(&file, lines).unwrap();
    write("[policy]\naccept = \"user.logged_in\"\n");
    let service = ServiceProcess::start(&[("CONFIG", file.to_str().unwrap())]).await;
    let mut client = service.client().await;
    assert!(!authorize(&mut client, with_cookie("")).await.accepted);

    write("[policy]\naccept = \"true\"\n[limits]\nmax_calls = 7\n");
    service.process.signal("HUP");
    until("the policy counts", || async { authorize(&mut client.clone(), with_cookie("")).await.accepted })
        .await;
    let told = service.process.output().line("from the next start on").await;
    assert!(told.contains("limits.max_calls"), "{told}");

    // A fault keeps what there is, and the next reading counts again.
    write("[policy]\naccept = 7\n");
    service.process.signal("HUP");
    service.process.output().line("old values stay in force").await;
    assert!(authorize(&mut client, with_cookie("")).await.accepted);
    write("[session]\nallowed_origins = [\"https://app.example\"]\n[policy]\naccept = \"true\"\n");
    service.process.signal("HUP");
    until("origins are checked", || async {
        let handshake = with_headers(&[("origin", "https://evil.example")]);
        !authorize(&mut client.clone(), handshake).await.accepted
    })
    .await;
}

#[tokio::test]
async fn on_sighup_the_log_gets_another_filter() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("socketpass.toml");
    fs::write(&file, "").unwrap();
    let service = ServiceProcess::start(&[("CONFIG", file.to_str().unwrap())]).await;
    fs::write(&file, "[log]\nfilter = \"debug\"\n").unwrap();
    service.process.signal("HUP");
    service.process.output().line("settings were read again").await;
    let mut stranger = TcpStream::connect(service.grpc.trim_start_matches("http://")).await.unwrap();
    stranger.write_all(b"no HTTP/2 client would say this").await.unwrap();
    service.process.output().line("a connection ended").await;
}

#[tokio::test]
async fn nobody_becomes_an_admin_by_settings_that_are_read_again() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("socketpass.toml");
    let token = hash_of("a token");
    fs::write(
        &file,
        format!("[[callers.tokens]]\nname = \"chat\"\nhash = \"{token}\"\nrole = \"gateway\"\n"),
    )
    .unwrap();
    let service = ServiceProcess::start(&[("CONFIG", file.to_str().unwrap())]).await;
    fs::write(&file, "").unwrap();
    service.process.signal("HUP");
    let told = service.process.output().line("the old values stay in force").await;
    assert!(told.contains("callers.tokens"), "{told}");
    let refused = service.client().await.authorize(request(with_cookie(""))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[test]
fn faults_in_tokens_say_which_and_repeat_nothing() {
    let hash = |token: &str| hash_of(token);
    let token = |name: &str, hash: &str, role: &str| {
        format!(r#"{{"name":"{name}","hash":"{hash}","role":"{role}"}}"#)
    };
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens");
    let good = token("a", &hash("a"), "gateway");
    for (tokens, told) in [
        (vec![&*good, &token("b", &hash("b"), "hunter2")], "number 2: its role is neither"),
        (vec![&*good, &token("b", "hunter2", "admin")], "number 2: its hash is not"),
        (vec![r#"{"name":"a","hunter2":"b"}"#], "number 1: it has a key that is none of name, hash"),
        (vec![&*good, r#"{"name":"a"}"#], "number 2: missing field"),
        (vec![&*good, "", "hunter2"], "number 3: each should be a JSON object with name, hash, role"),
        (vec!["hunter2"], "what `socketpass token --json` prints as `settings`"),
        (vec![&*good, &token("b", &hash("a"), "admin")], "`a` and `b` have the same hash"),
    ] {
        fs::write(&file, tokens.join("\n")).unwrap();
        let faults = config(&[("CALLERS_TOKENS_FILE", file.to_str().unwrap())]).unwrap_err();
        let text = faults.to_string();
        assert!(text.contains(told) && !text.contains("hunter2"), "{text}");
    }
    fs::write(&file, format!("{good}\n\n")).unwrap();
    assert!(config(&[("CALLERS_TOKENS_FILE", file.to_str().unwrap())]).is_ok());
}
