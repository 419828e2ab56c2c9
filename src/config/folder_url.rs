//! The URL of a folder of sessions.

use std::{fmt, path::PathBuf, time::Duration};

use super::sql_url::file;

/// A folder that session-file-store writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderUrl {
    /// Where it is.
    pub path: PathBuf,
    /// How long a session lives whose cookie has no age of its own: the package's `ttl`.
    pub ttl: Duration,
}

/// session-file-store's own.
const USUAL_TTL: Duration = Duration::from_secs(3600);

impl FolderUrl {
    /// Reads `file:/path` and `file:/path?ttl=3600`, in seconds.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("file:").unwrap_or(url);
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let path = file(path)?;
        let mut ttl = USUAL_TTL;
        for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
            if name != "ttl" {
                return Err("it takes the parameter `ttl` alone".to_owned());
            }
            ttl = value
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| "`ttl` is a whole number of seconds, as session-file-store's is")?;
        }
        Ok(Self { path, ttl })
    }
}

impl fmt::Display for FolderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.path.display())?;
        if self.ttl == USUAL_TTL { Ok(()) } else { write!(f, "?ttl={}", self.ttl.as_secs()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (url, expected) in [
            ("file:/var/sessions", Ok("file:/var/sessions")),
            ("file:///var/a%20b?ttl=60", Ok("file:/var/a b?ttl=60")),
            ("file:./sessions", Ok("file:./sessions")),
        ] {
            assert_eq!(
                FolderUrl::parse(url).map(|url| url.to_string()),
                expected.map(str::to_owned),
                "{url}"
            );
        }
        for url in ["file:", "file:/a?ttl=1h", "file:/a?x=1", "file:/a#b"] {
            assert!(FolderUrl::parse(url).is_err(), "{url}");
        }
    }
}
