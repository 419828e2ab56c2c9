//! The arrows of the house: which part may know which. ARCHITECTURE.md draws them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each part of `src/` and the parts it may use.
const MAY_USE: [(&str, &[&str]); 26] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "reason",
            "authorize",
            "config",
            "expression",
            "grpc",
            "server",
            "session_store",
            "task",
            "telemetry",
        ],
    ),
    (
        "server",
        &[
            "authorize",
            "config",
            "door",
            "grpc",
            "http",
            "logout",
            "registry",
            "session_end",
            "session_store",
            "task",
            "telemetry",
            "user_source",
        ],
    ),
    (
        "grpc",
        &[
            "authorize",
            "config",
            "door",
            "expression",
            "json",
            "reason",
            "registry",
            "seldom",
            "session_end",
            "task",
            "telemetry",
        ],
    ),
    ("http", &["config", "door", "logout", "seldom", "telemetry"]),
    ("logout", &["config", "http_client", "json", "task"]),
    ("door", &["config", "seldom", "telemetry"]),
    ("telemetry", &["authorize", "config", "expression", "logout", "reason", "session_store", "user_source"]),
    ("session_end", &["authorize", "expression", "reason", "registry", "session_store", "task"]),
    ("authorize", &["config", "expression", "json", "reason", "seldom", "session_store", "user_source"]),
    ("registry", &["config", "expression", "health", "reason", "redis_connection", "seldom", "task"]),
    ("reason", &[]),
    ("session_store", &["config", "health", "redis_connection", "remote", "sql"]),
    ("redis_connection", &["config", "health", "task"]),
    (
        "user_source",
        &["causes", "config", "health", "http_client", "json", "redis_connection", "remote", "sql", "task"],
    ),
    ("http_client", &["causes"]),
    ("causes", &[]),
    ("json", &[]),
    ("remote", &["health", "task"]),
    ("sql", &["config", "health", "remote", "task"]),
    ("expression", &[]),
    ("config", &["expression"]),
    ("health", &[]),
    ("seldom", &[]),
    ("task", &[]),
    ("lib", &[]),
];

/// Crates that only some files may name.
const DRIVERS: [(&str, &[&str]); 10] = [
    ("redis::", &["redis_connection/", "session_store/redis.rs", "user_source/redis.rs", "registry/redis/"]),
    ("mongodb::", &["session_store/mongodb/"]),
    ("sqlx", &["sql/"]),
    ("tokio_postgres::", &["sql/"]),
    (
        "prost_types",
        &[
            "grpc/",
            "user_source/grpc.rs",
            "cli/explain/mod.rs",
            "cli/sessions/",
            "cli/sockets/",
            "cli/bench/gateways/",
        ],
    ),
    (
        "tonic",
        &[
            "grpc/",
            "user_source/grpc.rs",
            "door/connections.rs",
            "http/mod.rs",
            "server.rs",
            "cli/",
            "telemetry/traces.rs",
        ],
    ),
    ("axum::", &["http/", "server.rs"]),
    ("prometheus_client", &["telemetry/metrics/"]),
    ("opentelemetry", &["telemetry/traces.rs"]),
    ("ring::", &["config/tls.rs", "config/trust.rs", "logout/jwk.rs"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name == "tests.rs") {
            // Unit tests in a file of their own.
            continue;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Path within `src/`, and what the file does outside its unit tests.
fn files() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    sources(&source, &mut paths);
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (path.strip_prefix(&source).unwrap().display().to_string(), code.join("\n"))
    };
    paths.iter().map(read).collect()
}

fn part_of(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap()
}

/// The parts that code names: `crate::part`, also within `use crate::{part, part::thing}`.
fn used_parts(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => drop(used.insert(name(after))),
            Some(group) => {
                let mut depth = 0;
                let mut at_name = true;
                for (index, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_name = true,
                        c if at_name && c.is_ascii_lowercase() => {
                            used.insert(name(&group[index..]));
                            at_name = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn data_flows_one_way() {
    for (path, code) in files() {
        let part = part_of(&path);
        let (_, allowed) =
            MAY_USE.iter().find(|(name, _)| *name == part).unwrap_or_else(|| panic!("{path}: a new part?"));
        for used in used_parts(&code) {
            assert!(
                used == part || allowed.contains(&used.as_str()),
                "{path} uses {used}, which {part} may not know"
            );
        }
    }
}

#[test]
fn each_driver_is_known_to_its_own_file() {
    for (path, code) in files() {
        for (driver, allowed) in DRIVERS {
            // A module of ours that is named after its driver.
            if code.contains(&format!("mod {};", driver.trim_end_matches(':'))) {
                continue;
            }
            let named = code.match_indices(driver).any(|(index, _)| {
                // `crate::session_store::redis::` and the like are ours.
                !code[..index].ends_with("::")
                    && !code[..index].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            assert!(
                !named || allowed.iter().any(|allowed| path.starts_with(allowed)),
                "{path} names {driver}"
            );
        }
    }
}

#[test]
fn the_test_reads_what_the_compiler_reads() {
    let used = used_parts(
        "use crate::{\n    authorize::{Close, Reason},\n    config::Config,\n    server,\n};\ncrate::telemetry::log()",
    );
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["authorize", "config", "server", "telemetry"]);
}
