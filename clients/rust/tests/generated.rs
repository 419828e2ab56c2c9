//! Holds the committed stubs to the protocol. `clients/rust/generate` writes them anew.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails says where")]

use std::{env, fs, path::Path};

const ROOT: &str = "../../proto";
const FILES: [&str; 2] =
    ["socketpass/v1/authorization_service.proto", "socketpass/v1/registry_service.proto"];

/// Where the stubs are, and what is made: the package asks, its tests also answer.
const STUBS: [(&str, Side); 2] = [("src/proto.rs", Side::Client), ("tests/support/proto.rs", Side::Server)];

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

fn generate(side: Side) -> String {
    let out = tempfile::tempdir().unwrap();
    let stubs = tonic_prost_build::configure()
        .out_dir(out.path())
        .btree_map(".")
        .build_client(side == Side::Client)
        .build_server(side == Side::Server);
    let stubs = match side {
        Side::Client => stubs,
        Side::Server => stubs.extern_path(".socketpass.v1", "::socketpass_client::proto"),
    };
    stubs.compile_fds(protox::compile(FILES, [ROOT]).unwrap()).unwrap();
    fs::read_to_string(out.path().join("socketpass.v1.rs")).unwrap()
}

#[test]
fn the_stubs_are_those_of_the_protocol() {
    for (path, side) in STUBS {
        let stubs = generate(side);
        if env::var_os("GENERATE").is_some() {
            fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            fs::write(path, stubs).unwrap();
        } else {
            let committed = fs::read_to_string(path).unwrap_or_default();
            assert!(committed == stubs, "{path} is not what the protocol makes: run clients/rust/generate");
        }
    }
}
