//! Compiles `proto/` with protox, so that nobody needs protoc. The same descriptors serve gRPC reflection.

use std::{env, error::Error, path::PathBuf};

const ROOT: &str = "proto";
/// What the service serves.
const SERVED: [&str; 2] =
    ["proto/socketpass/v1/authorization_service.proto", "proto/socketpass/v1/registry_service.proto"];
/// What the app serves, and the service asks.
const ASKED: [&str; 1] = ["proto/socketpass/v1/user_source_service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::Compiler::new([ROOT])?
        .include_source_info(false)
        .include_imports(true)
        .open_files(SERVED)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), &descriptors)?;

    let descriptors = protox::compile(SERVED, [ROOT])?;
    tonic_prost_build::configure()
        // A handshake has a dozen headers: an ordered map of that size is quicker to fill than a hashed one.
        .btree_map(".")
        // Ours turns a message it cannot read into INVALID_ARGUMENT, the caller's fault, where tonic's says INTERNAL.
        .codec_path("crate::grpc::codec::Codec")
        .compile_fds(descriptors)?;

    // A module of its own: the door knows nothing of it, and the user source nothing of the door.
    let asked = out.join("asked");
    std::fs::create_dir_all(&asked)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .out_dir(asked)
        .compile_fds(protox::compile(ASKED, [ROOT])?)?;
    Ok(())
}
