//! Why a token is refused.

/// Why a token is refused: a word for programs, and what is wrong for people. It repeats nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// What is wrong, and where to look.
    pub words: &'static str,
}

/// The codes of RFC 8935, 2.4, that tokens are refused with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It is no such token, or does not say what it has to.
    InvalidRequest,
    /// It is not signed with a key of the issuer's.
    InvalidKey,
    /// Its issuer is another.
    InvalidIssuer,
    /// It is for somebody else.
    InvalidAudience,
}

impl Code {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
        }
    }
}

const fn request(words: &'static str) -> Refusal {
    Refusal { code: Code::InvalidRequest, words }
}

const fn key(words: &'static str) -> Refusal {
    Refusal { code: Code::InvalidKey, words }
}

impl Refusal {
    /// There is not one token in the request.
    pub const NO_TOKEN: Self =
        request("the form has to have the field logout_token once, as application/x-www-form-urlencoded");
    /// The body is no token.
    pub const NO_SET: Self = request("the body has to be a token, as application/secevent+jwt");
    /// The body is too large.
    pub const TOO_LARGE: Self = request("the request is larger than 32 KiB");
    /// The body did not come.
    pub const INCOMPLETE: Self = request("the request did not arrive whole, or not in time");

    pub(super) const NO_JWS: Self =
        request("it is no signed JWT in the compact form; encrypted ones are not taken");
    pub(super) const NO_HEADER: Self = request("its header is no JSON object with `alg`, or has `crit`");
    pub(super) const ALGORITHM: Self = key(
        "its `alg` is none of RS256, PS256, ES256 and EdDSA: is the issuer set to sign with one of them?",
    );
    pub(super) const UNKNOWN_KEY: Self = key(
        "the issuer's keys (logout.jwks_url) have none that it can be signed with: its `kid` is unknown, of another kind, or \
         missing where there are several",
    );
    pub(super) const SIGNATURE: Self = key("its signature is not one of the key that it names");
    pub(super) const NO_CLAIMS: Self =
        request("what it says is no JSON object of at most 24 levels, in UTF-8");
    pub(super) const LOGOUT_TYPE: Self =
        request("its `typ` is that of another kind of token: a logout token has logout+jwt");
    pub(super) const EVENT_TYPE: Self = request("its `typ` has to be secevent+jwt");
    pub(super) const ISSUER: Self =
        Self { code: Code::InvalidIssuer, words: "its `iss` is not logout.issuer" };
    pub(super) const AUDIENCE: Self = Self {
        code: Code::InvalidAudience,
        words: "its `aud` is not of logout.audience, or, of a logout token, names others too",
    };
    pub(super) const ISSUED: Self = request("it has no `iat`, or one that is no time");
    pub(super) const EARLY: Self =
        request("its `iat` lies ahead: are the clocks of the issuer and of this machine right?");
    pub(super) const OLD: Self = request("it was issued more than an hour ago");
    pub(super) const EXPIRES: Self = request("it has no `exp`, or one that is no time");
    pub(super) const EXPIRED: Self =
        request("it has expired: are the clocks of the issuer and of this machine right?");
    pub(super) const ID: Self = request("it has no `jti` of 1 to 256 bytes");
    pub(super) const REPEATED: Self = request("a token with its `jti` was taken before");
    pub(super) const NONCE: Self = request("it has a `nonce`, which is for ID tokens");
    pub(super) const EVENTS: Self =
        request("its `events` is no object of objects, or says nothing of what it should");
    pub(super) const SUBJECT: Self = request("it does not say whom it is about");
}
