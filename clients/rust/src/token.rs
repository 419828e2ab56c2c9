//! What this process shows to be let in by socketpass.

use std::{error::Error, pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use tonic::Status;

type Given = Result<String, Box<dyn Error + Send + Sync>>;

/// The setting `token`.
#[derive(Clone, Default)]
pub(crate) enum Token {
    #[default]
    None,
    Text(HeaderValue),
    /// Asked for every call.
    From(Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Given> + Send>> + Send + Sync>),
}

impl Token {
    pub async fn put(&self, headers: &mut HeaderMap) -> Result<(), Status> {
        let value = match self {
            Self::None => return Ok(()),
            Self::Text(value) => value.clone(),
            Self::From(give) => {
                // The same code as of a wrong token: it is this program's own fault, and the same setting is to look at.
                let wrong = |why: &dyn std::fmt::Display| Status::unauthenticated(format!("`token`: {why}"));
                let token = give().await.map_err(|error| wrong(&error))?;
                bearer(&token).ok_or_else(|| wrong(&"the function gave no token of visible characters"))?
            }
        };
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }
}

/// The header for a token; none when no header can carry it.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| visible)?;
    value.set_sensitive(true);
    Some(value)
}
