//! The URLs that name a user source.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{plaintext::is_this_machine, redis_url::RedisUrl, sql_url::SqlUrl, user::SESSION};

/// What stands where the id goes.
const ID: &str = "{id}";

/// What `encodeURIComponent` leaves as it is, beside letters and digits.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `user.source` as it is written. Prints without passwords.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum UserUrl {
    Session,
    Redis(RedisUrl),
    Http(HttpUrl),
    Grpc(GrpcUrl),
    Sql(SqlUrl),
}

impl UserUrl {
    /// The error repeats nothing of the URL.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split(':').next().unwrap_or("");
        match scheme {
            _ if text == SESSION => Ok(Self::Session),
            _ if RedisUrl::is_redis(text) => RedisUrl::parse(text).map(Self::Redis),
            "http" | "https" => HttpUrl::parse(text).map(Self::Http),
            "grpc" | "grpcs" => GrpcUrl::parse(text).map(Self::Grpc),
            _ if SqlUrl::is_sql(text) => SqlUrl::parse(text).map(Self::Sql),
            _ => Err(
                "it is no user source; there are session, redis:// and its kin, http://, https://, grpc://, \
                      grpcs://, postgres://, mysql:// and sqlite:"
                    .to_owned(),
            ),
        }
    }

    /// How to encrypt what is said, if it can be read on the way there, and more than names of users is said.
    pub(super) fn plaintext_way_out(&self, has_authorization: bool) -> Option<&'static str> {
        let is_elsewhere = |host: &str| has_authorization && !is_this_machine(host);
        match self {
            Self::Session => None,
            Self::Redis(url) => url.plaintext_way_out(),
            Self::Sql(url) => url.plaintext_way_out(),
            Self::Http(url) => (!url.tls && is_elsewhere(&url.host)).then_some("TLS, as in https://,"),
            Self::Grpc(url) => {
                let host = url.authority.rsplit_once(':').map_or("", |(host, _)| host);
                (!url.tls && is_elsewhere(host)).then_some("TLS, as in grpcs://,")
            }
        }
    }

    /// It is the app that is asked, over TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        match self {
            Self::Session | Self::Redis(_) | Self::Sql(_) => false,
            Self::Http(url) => url.tls,
            Self::Grpc(url) => url.tls,
        }
    }
}

impl fmt::Display for UserUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session => f.write_str(SESSION),
            Self::Redis(url) => url.fmt(f),
            Self::Http(url) => url.fmt(f),
            Self::Grpc(url) => url.fmt(f),
            Self::Sql(url) => url.fmt(f),
        }
    }
}

/// A text with places for the id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<String>);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(ID).map(str::to_owned).collect();
        if parts.len() < 2 {
            return Err("it has no `{id}`, so that everybody would be the same user".to_owned());
        }
        Ok(Self(parts))
    }

    /// How often the id stands in it.
    pub fn places(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The text for this id.
    pub fn fill(&self, id: &str) -> String {
        self.0.join(id)
    }
}

/// A query that finds one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup(pub Template);

impl Lookup {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches(';');
        let first = text.split_whitespace().next().unwrap_or("").to_ascii_lowercase();
        if !matches!(first.as_str(), "select" | "with") {
            return Err("it is no query: it begins with neither SELECT nor WITH".to_owned());
        }
        if ["'{id}'", "\"{id}\"", "`{id}`"].iter().any(|quoted| text.contains(quoted)) {
            return Err("`{id}` stands in quotes; it is bound, and stands alone".to_owned());
        }
        Template::parse(text).map(Self)
    }
}

/// `https://app.example/users/{id}`. Prints without its query, which may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    template: Template,
    /// The id is all that stands between two slashes.
    is_segment: bool,
    host: String,
    /// It is spoken over TLS.
    pub tls: bool,
}

/// Why an id cannot be asked for over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an id that is empty, `.` or `..` cannot stand in a URL's path: it would be that of another resource"
)]
pub struct NoSegment;

impl HttpUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text)?;
        let (_, rest) = text.split_once("://").ok_or("it has no `://` after its scheme")?;
        if rest.contains('@') {
            // Behind a `/` it may belong to a password all the same, of which the host and the path are parts then.
            return Err("it has an `@`: credentials go into user.authorization, and in a path or query it is written %40"
                .to_owned());
        }
        let path_begins = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_begins);
        if authority.contains(['{', '}']) {
            return Err("`{id}` stands in its host, and belongs in its path or query".to_owned());
        }
        let url = Url::parse(&template.fill("0")).map_err(|error| format!("it is no URL: {error}"))?;
        if url.fragment().is_some() {
            return Err("it has a `#`, and what follows that is never sent".to_owned());
        }
        if !text.is_ascii() || template.fill("0").parse::<http::Uri>().is_err() {
            return Err("it has characters that a URL holds only percent-encoded".to_owned());
        }
        let path = path.split('?').next().unwrap_or("");
        let is_segment = path.split('/').any(|segment| segment == ID);
        let host = url.host_str().unwrap_or("").to_owned();
        Ok(Self { template, is_segment, host, tls: url.scheme() == "https" })
    }

    /// The URL of this id, percent-encoded.
    pub fn of(&self, id: &str) -> Result<String, NoSegment> {
        // Servers take both for another path, also percent-encoded.
        if self.is_segment && matches!(id, "" | "." | "..") {
            return Err(NoSegment);
        }
        Ok(self.template.fill(&utf8_percent_encode(id, IN_URL).to_string()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.template.fill(ID);
        match text.split_once('?') {
            Some((shown, _)) => write!(f, "{shown}?<hidden>"),
            None => f.write_str(&text),
        }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

/// `grpc://app:50051`, `grpcs://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcUrl {
    /// Host and port.
    pub authority: String,
    /// It is spoken over TLS.
    pub tls: bool,
}

impl GrpcUrl {
    fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "it is written grpc://host:port or grpcs://host:port, and nothing else";
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}; {EXAMPLE}"))?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        match (url.host_str(), url.port()) {
            (Some(host), Some(port)) if is_plain && !host.is_empty() => {
                Ok(Self { authority: format!("{host}:{port}"), tls: url.scheme() == "grpcs" })
            }
            _ => Err(EXAMPLE.to_owned()),
        }
    }
}

impl fmt::Display for GrpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grpc{}://{}", if self.tls { "s" } else { "" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> HttpUrl {
        HttpUrl::parse(text).expect(text)
    }

    #[test]
    fn ids_are_percent_encoded_as_javascript_does() {
        let url = http("https://app.example/users/{id}");
        for (id, expected) in [
            ("7", "7"),
            ("ana@app.example", "ana%40app.example"),
            ("../admin", "..%2Fadmin"),
            ("a b?c#d", "a%20b%3Fc%23d"),
            ("żółć", "%C5%BC%C3%B3%C5%82%C4%87"),
            ("1e+21", "1e%2B21"),
            ("a-b_c.d!e~f*g'h(i)", "a-b_c.d!e~f*g'h(i)"),
        ] {
            assert_eq!(url.of(id), Ok(format!("https://app.example/users/{expected}")), "{id}");
        }
    }

    #[test]
    fn an_id_that_would_be_another_path_is_refused() {
        for text in ["https://a/users/{id}", "https://a/{id}/profile"] {
            for id in ["", ".", ".."] {
                assert_eq!(http(text).of(id), Err(NoSegment), "{text} {id}");
            }
        }
        assert_eq!(http("https://a/user?id={id}").of("").as_deref(), Ok("https://a/user?id="));
        assert_eq!(http("https://a/u-{id}").of("..").as_deref(), Ok("https://a/u-.."));
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for text in [
            "https://a/users",
            "https://ana:hunter2@a/{id}",
            "https://hunter2@a/{id}",
            "https://12:34/hunter2@a/{id}",
            "https://12:34?hunter2@a/{id}",
            "https:\\\\ana:hunter2@a/{id}",
            "https://{id}.hunter2/x",
            "https://a/{id}#hunter2",
            "https:a/{id}",
            "https:///{id}",
            "http://a b/{id}",
            "http://a/ż/{id}",
            "grpc://app",
            "grpc://app:50051/hunter2",
            "grpc://ana:hunter2@app:1",
            "grpc://:1",
            "redis://hunter2@h",
            "ftp://hunter2@h/{id}",
            "sessions",
            "",
        ] {
            let problem = UserUrl::parse(text).expect_err(text);
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn urls_print_without_what_may_be_secret() {
        for (text, expected) in [
            ("session", "session"),
            ("redis://:hunter2@h", "redis://:<hidden>@h:6379/0"),
            ("https://a/users/{id}?key=hunter2", "https://a/users/{id}?<hidden>"),
            ("https://a/users/{id}", "https://a/users/{id}"),
            ("grpcs://app:50051", "grpcs://app:50051"),
            ("grpc://[::1]:50051/", "grpc://[::1]:50051"),
        ] {
            let url = UserUrl::parse(text).expect(text);
            assert_eq!(url.to_string(), expected);
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }
}
