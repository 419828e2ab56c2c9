//! What is on standard input: a raw HTTP request, or a curl command line.

use super::{curl, request};
use crate::{cli::Error, grpc::pb::Handshake};

pub(super) fn handshake(bytes: &[u8]) -> Result<Handshake, Error> {
    // A request's bytes beyond ASCII are Latin-1, as Node reads them; a command line was copied as text.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.trim_start().starts_with("curl ") || text.trim_start().starts_with("curl.exe ") => {
            return curl::handshake(curl::words(text)?);
        }
        _ => bytes.iter().copied().map(char::from).collect::<String>(),
    };
    request::parse(&text).ok_or_else(|| {
        Error::Input("standard input holds neither an HTTP request, `GET /path HTTP/1.1` and its headers, nor a curl command line".to_owned())
    })
}
