//! `[session]`: how the web app keeps its sessions.

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

#[cfg(feature = "mongodb")]
use super::mongo_url::MongoUrl;
use super::{
    folder_url::FolderUrl,
    layers::{Found, Layers},
    layout::{Layout, PACKAGES, Place},
    memcached_url,
    origin::AllowedOrigin,
    plaintext,
    reader::Reader,
    redis_url::RedisUrl,
    server_url::ServerUrl,
    setting::{Kind, Setting},
    sql_url::SqlUrl,
};

/// `[session]`.
#[derive(Clone, Debug)]
pub struct Session {
    /// The cookie's name.
    pub cookie: String,
    /// What cookies are signed with, the newest first. None is empty, and there is at least one.
    pub secrets: Vec<SecretString>,
    /// Where sessions are.
    pub store: StoreUrl,
    /// What cookie-session signs with.
    pub keygrip_algorithm: KeygripAlgorithm,
    /// What a session's key begins with.
    pub prefix: String,
    /// Whether ids outside the cookie are taken.
    pub id_outside_cookie: OutsideCookie,
    /// The session's member that Passport uses.
    pub passport_key: String,
    /// Origins that may ask; `None`: not checked.
    pub allowed_origins: Option<Vec<AllowedOrigin>>,
    /// How long a connection to the store may take.
    pub store_connect_timeout: Duration,
    /// How long the store may take to answer.
    pub store_timeout: Duration,
}

/// `session.id_outside_cookie`: whether ids in the query and the auth payload are taken, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideCookie {
    /// Only with a good signature.
    Signed,
    /// Bare ids too, as passport.socketio took them: whoever learns an id is logged in with it.
    Unsigned,
    /// Query and auth payload are not looked at.
    Off,
}

/// `session.keygrip_algorithm`: what Keygrip signs with, always as a keyed hash (HMAC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeygripAlgorithm {
    /// Keygrip's default.
    Sha1,
    /// `sha256`
    Sha256,
    /// `sha384`
    Sha384,
    /// `sha512`
    Sha512,
    /// `md5`
    Md5,
}

impl KeygripAlgorithm {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Md5];

    /// As Node and the setting name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Md5 => "md5",
        }
    }

    /// Characters of a signature: its bits in base64 without padding.
    pub const fn signature_length(self) -> usize {
        let bits: usize = match self {
            Self::Sha1 => 160,
            Self::Sha256 => 256,
            Self::Sha384 => 384,
            Self::Sha512 => 512,
            Self::Md5 => 128,
        };
        bits.div_ceil(6)
    }
}

/// `session.store`. Prints without the password.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreUrl {
    /// `memory:`
    Memory,
    /// `cookie-session:`: there is none, each session is in its cookie.
    CookieSession,
    /// `redis://` and its kin.
    Redis(RedisUrl),
    /// `postgres://`, `mysql://`, `sqlite:`, and what is in the table.
    Sql(SqlUrl, Layout),
    /// `mongodb://`, and what is in the collection.
    #[cfg(feature = "mongodb")]
    Mongo(MongoUrl, Layout),
    /// `memcache://`
    Memcached(ServerUrl),
    /// `file:`
    File(FolderUrl),
}

/// How the URLs of those stores begin that this program was built with.
const BUILT_IN: &[&str] = &[
    "memory:",
    "cookie-session:",
    "redis://",
    "rediss://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
    #[cfg(feature = "postgres")]
    "postgres://",
    #[cfg(feature = "mysql")]
    "mysql://",
    #[cfg(feature = "sqlite")]
    "sqlite:",
    #[cfg(feature = "mongodb")]
    "mongodb://",
    #[cfg(feature = "mongodb")]
    "mongodb+srv://",
    "memcache://",
    "file:",
];

impl StoreUrl {
    fn parse(url: &str) -> Result<Self, String> {
        match url {
            "memory:" => Ok(Self::Memory),
            "cookie-session:" => Ok(Self::CookieSession),
            url if RedisUrl::is_redis(url) => RedisUrl::parse(url).map(Self::Redis),
            url if SqlUrl::is_sql(url) => {
                let url = SqlUrl::parse(url)?;
                let layout = Layout::of(Place::Sql(url.dialect()), None)?;
                Ok(Self::Sql(url, layout))
            }
            #[cfg(feature = "mongodb")]
            url if MongoUrl::is_mongo(url) => {
                Ok(Self::Mongo(MongoUrl::parse(url)?, Layout::of(Place::Mongo, None)?))
            }
            #[cfg(not(feature = "mongodb"))]
            url if url.starts_with("mongodb:") || url.starts_with("mongodb+srv:") => {
                Err("this program was built without that kind of store; its cargo features have it"
                    .to_owned())
            }
            url if url.starts_with("memcache:") => memcached_url::parse(url).map(Self::Memcached),
            url if url.starts_with("file:") => FolderUrl::parse(url).map(Self::File),
            _ => Err(format!("it is no store's URL; there are {}", BUILT_IN.join(", "))),
        }
    }

    /// What is in its tables, where the web app has a say in that.
    fn layout(&mut self) -> Option<(Place, &mut Layout)> {
        match self {
            Self::Memory | Self::CookieSession | Self::Redis(_) | Self::Memcached(_) | Self::File(_) => None,
            Self::Sql(url, layout) => Some((Place::Sql(url.dialect()), layout)),
            #[cfg(feature = "mongodb")]
            Self::Mongo(_, layout) => Some((Place::Mongo, layout)),
        }
    }

    /// How to encrypt what is said to it, if that can be read on the way there.
    fn plaintext_way_out(&self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::CookieSession | Self::File(_) => None,
            Self::Redis(url) => url.plaintext_way_out(),
            Self::Sql(url, _) => url.plaintext_way_out(),
            #[cfg(feature = "mongodb")]
            Self::Mongo(url, _) => url.plaintext_way_out(),
            Self::Memcached(url) => url.is_in_plaintext().then_some(plaintext::TUNNEL),
        }
    }

    /// What keys begin with where nobody says; `None`: there are none that begin with anything.
    fn usual_prefix(&self) -> Option<&'static str> {
        match self {
            // `memory:` stands in for whatever the settings are meant for.
            Self::Redis(_) | Self::Memory => Some("sess:"),
            Self::Memcached(_) => Some(""),
            #[cfg(feature = "mongodb")]
            Self::Mongo(..) => None,
            Self::CookieSession | Self::Sql(..) | Self::File(_) => None,
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::CookieSession => f.write_str("cookie-session:"),
            Self::Redis(url) => url.fmt(f),
            Self::Sql(url, _) => url.fmt(f),
            #[cfg(feature = "mongodb")]
            Self::Mongo(url, _) => url.fmt(f),
            Self::Memcached(url) => url.fmt(f),
            Self::File(url) => url.fmt(f),
        }
    }
}

const COOKIE: Setting = Setting {
    name: "session.cookie",
    kind: Kind::Text,
    default: Some("connect.sid"),
    about: "Name of the session cookie: express-session's `name`, passport.socketio's `key`. With `cookie-session:` set it to \
            that middleware's `name`, which is `session` unless the app says otherwise.",
};

const SECRETS: Setting = Setting {
    name: "session.secrets",
    kind: Kind::Secrets,
    default: None,
    about: "What the web app signs the session cookie with: express-session's `secret`, the newest first. Required, \
            except by the demo. A cookie that any of them signed is genuine, so a secret can be exchanged without \
            logging anybody out. With `cookie-session:` they are its `keys`.",
};

const STORE: Setting = Setting {
    name: "session.store",
    kind: Kind::Url,
    default: Some("memory:"),
    about: "Where the web app keeps its sessions. `redis://user:password@host:6379/0`, \
            `redis+sentinel://host1,host2/primary/0` (the credentials are those of the Redis servers), \
             `redis+cluster://host1,host2`, and each with `rediss` for TLS; `postgres://user:password@host/database`, \
             `mysql://user:password@host/database`, `sqlite:/path/to/file`; `mongodb://user:password@host/database`; \
             `memcache://host`; `file:/path/to/folder`. docs/stores.md has what is read of each, and TLS. Certificates are \
             checked against the system's, or those of the file `SSL_CERT_FILE`. `cookie-session:` is for apps on the \
             middleware of that name, which keeps each session in the cookie itself: it ends when the browser forgets it, \
             and open sockets are not asked again. With `memory:` nobody can log in: it is for trying things out.",
};

const LAYOUT: Setting = Setting {
    name: "session.layout",
    kind: Kind::Choice(PACKAGES),
    default: None,
    about: "The npm package whose tables the database of `session.store` has. Not set: connect-pg-simple in PostgreSQL, \
            express-mysql-session in MySQL, connect-sqlite3 in SQLite, connect-mongo in MongoDB.",
};

const TABLE: Setting = Setting {
    name: "session.table",
    kind: Kind::Text,
    default: None,
    about: "The table or collection of the sessions, or `schema.table`, where the web app gave it another name: \
            `tableName` and `schemaName` of connect-pg-simple, `table` of connect-sqlite3, `collectionName` of \
            connect-mongo, `tableName` or `collection` of the others. Not set: the package's own.",
};

const COLUMNS: Setting = Setting {
    name: "session.columns",
    kind: Kind::List,
    default: None,
    about: "Columns that the web app gave other names, each as `own=name`: express-mysql-session's `columnNames`, \
            connect-session-knex's `sidFieldName`, connect-mongodb-session's `idField`. An example is `session_id=sid`.",
};

const KEYGRIP_ALGORITHM: Setting = Setting {
    name: "session.keygrip_algorithm",
    kind: Kind::Choice(&["sha1", "sha256", "sha384", "sha512", "md5"]),
    default: Some("sha1"),
    about: "What cookie-session signs its cookies with: `sha1`, as a keyed hash, unless the app gives it a Keygrip of its own \
            with another algorithm. Only for `cookie-session:`.",
};

const PREFIX: Setting = Setting {
    name: "session.prefix",
    kind: Kind::Text,
    default: Some("sess:"),
    about: "What a session's key in the store begins with: the `prefix` of connect-redis, and of connect-memcached, where \
            it is empty unless set. The other stores have none.",
};

const ID_OUTSIDE_COOKIE: Setting = Setting {
    name: "session.id_outside_cookie",
    kind: Kind::Choice(&["signed", "unsigned", "off"]),
    default: Some("signed"),
    about: "Whether a session id is taken from `session_id` in the url's query and in Socket.IO's `auth` payload. \
            `signed`: only the whole signed value, as it stands in the cookie. `unsigned`: a bare id too, as \
            passport.socketio did, and whoever learns an id is logged in with it. `off`: neither is looked at.",
};

const PASSPORT_KEY: Setting = Setting {
    name: "session.passport_key",
    kind: Kind::Text,
    default: Some("passport"),
    about: "The session's member that Passport uses: Passport's `key`, and passport.socketio's through `passport._key`.",
};

const ALLOWED_ORIGINS: Setting = Setting {
    name: "session.allowed_origins",
    kind: Kind::List,
    default: None,
    about: "Origins whose pages may open sockets, to the letter (`https://app.example`) or by pattern: \
            `https://*.app.example` is all names below the domain, however deep, and not the domain itself; \
            `*://app.example` is http and https; `http://localhost:*` is any port. A handshake without an Origin header \
            passes, since only browsers send one; `Origin: null` does not. Not set: origins are not checked, and any \
            site that a logged-in person visits can open a socket as them.",
};

const STORE_CONNECT_TIMEOUT: Setting = Setting {
    name: "session.store_connect_timeout",
    kind: Kind::Duration,
    default: Some("2s"),
    about: "How long one attempt to connect to the store may take, TLS and login included.",
};

const STORE_TIMEOUT: Setting = Setting {
    name: "session.store_timeout",
    kind: Kind::Duration,
    default: Some("1s"),
    about: "How long the store may take to answer; longer is STORE_UNAVAILABLE.",
};

impl Session {
    /// Whether sessions are read from the same store in the same way.
    pub fn has_same_store(&self, other: &Self) -> bool {
        let of =
            |session: &Self| (session.prefix.clone(), session.store_connect_timeout, session.store_timeout);
        self.store == other.store && of(self) == of(other)
    }

    pub(super) const SETTINGS: &[&Setting] = &[
        &COOKIE,
        &SECRETS,
        &STORE,
        &LAYOUT,
        &TABLE,
        &COLUMNS,
        &KEYGRIP_ALGORITHM,
        &PREFIX,
        &ID_OUTSIDE_COOKIE,
        &PASSPORT_KEY,
        &ALLOWED_ORIGINS,
        &STORE_CONNECT_TIMEOUT,
        &STORE_TIMEOUT,
    ];

    /// The cookie's name alone, for commands that have no other use for the settings.
    pub fn cookie_name(layers: &Layers) -> String {
        Reader::new(layers).text(&COOKIE)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let store = store(reader);
        if store == StoreUrl::CookieSession {
            for setting in [&ID_OUTSIDE_COOKIE, &STORE_CONNECT_TIMEOUT, &STORE_TIMEOUT] {
                reader.unused(setting, "with cookie-session: there is neither an id nor a store");
            }
        } else {
            reader.unused(&KEYGRIP_ALGORITHM, "session.store = \"cookie-session:\" does");
        }
        if let Some(way_out) = store.plaintext_way_out() {
            reader.warn(&STORE, plaintext::warning("sessions and the store's password go", way_out));
        }
        Self {
            cookie: reader.text(&COOKIE),
            secrets: secrets(reader),
            prefix: prefix(reader, &store),
            store,
            keygrip_algorithm: reader
                .choice(
                    &KEYGRIP_ALGORITHM,
                    &KeygripAlgorithm::ALL.map(|algorithm| (algorithm.name(), algorithm)),
                )
                .unwrap_or(KeygripAlgorithm::Sha1),
            id_outside_cookie: reader
                .choice(
                    &ID_OUTSIDE_COOKIE,
                    &[
                        ("signed", OutsideCookie::Signed),
                        ("unsigned", OutsideCookie::Unsigned),
                        ("off", OutsideCookie::Off),
                    ],
                )
                .unwrap_or(OutsideCookie::Off),
            passport_key: reader.text(&PASSPORT_KEY),
            allowed_origins: allowed_origins(reader),
            store_connect_timeout: reader.duration(&STORE_CONNECT_TIMEOUT),
            store_timeout: reader.duration(&STORE_TIMEOUT),
        }
    }
}

fn store(reader: &mut Reader<'_>) -> StoreUrl {
    let store = reader.parse_and_show(&STORE, |url| {
        let store = StoreUrl::parse(url)?;
        let shown = store.to_string();
        Ok((store, shown))
    });
    let names: Vec<_> = PACKAGES.iter().map(|package| (*package, *package)).collect();
    let package = reader.choice(&LAYOUT, &names);
    let table = reader.parse(&TABLE, |name| Ok(name.to_owned()));
    let columns = reader.list(&COLUMNS);
    let mut store = store.unwrap_or(StoreUrl::Memory);
    let Some((place, layout)) = store.layout() else {
        for setting in [&LAYOUT, &TABLE, &COLUMNS] {
            reader.unused(setting, "the store of session.store has no tables");
        }
        return store;
    };
    match Layout::of(place, package) {
        Ok(chosen) => *layout = chosen,
        Err(problem) => reader.fault(&LAYOUT, problem),
    }
    if let Some(Err(problem)) = table.map(|table| layout.rename_table(place, &table)) {
        reader.fault(&TABLE, problem);
    }
    for column in columns.unwrap_or_default() {
        if let Err(problem) = layout.rename_column(&column) {
            reader.fault(&COLUMNS, problem);
        }
    }
    store
}

fn prefix(reader: &mut Reader<'_>, store: &StoreUrl) -> String {
    let prefix = reader.text(&PREFIX);
    match store.usual_prefix() {
        Some(usual) if reader.is_absent(&PREFIX) => return usual.to_owned(),
        Some(_) => {}
        None => reader.unused(&PREFIX, "the store of session.store has no prefixes"),
    }
    prefix
}

fn secrets(reader: &mut Reader<'_>) -> Vec<SecretString> {
    let secrets = reader.secrets(&SECRETS);
    let Some(Found { origin, from_file, value }) = reader.found(&SECRETS) else {
        reader.fault(
            &SECRETS,
            "it is required: set SOCKETPASS_SESSION_SECRETS or session.secrets_file to the secret that the web app \
             gives to express-session, or the keys that it gives to cookie-session",
        );
        return secrets;
    };
    if !reader.has_fault(&SECRETS) && (secrets.is_empty() || secrets.iter().any(is_empty)) {
        const EMPTY: &str =
            "is empty or one of the secrets is: every signature would be one that anybody can make";
        const WAY_OUT: &str = "put the secret that the web app gives to express-session into it";
        // Of a file the value is its path, and no secret.
        let problem = match value.as_str().filter(|_| *from_file) {
            Some(path) => format!("its file {path} {EMPTY}; {WAY_OUT}, one a line ({origin})"),
            None => format!("it {EMPTY}; {WAY_OUT} ({origin})"),
        };
        reader.fault(&SECRETS, problem);
    }
    secrets
}

fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

fn allowed_origins(reader: &mut Reader<'_>) -> Option<Vec<AllowedOrigin>> {
    reader.list_of(&ALLOWED_ORIGINS, |text| {
        AllowedOrigin::parse(text).map_err(|problem| format!("{text:?}: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_there_is_told_from_one_that_was_left_out() {
        let none = StoreUrl::parse("ftp://x").expect_err("no store");
        for (url, is_built_in) in [
            ("postgres://host/database", cfg!(feature = "postgres")),
            ("mysql://host/database", cfg!(feature = "mysql")),
            ("sqlite:/file", cfg!(feature = "sqlite")),
            ("mongodb://host", cfg!(feature = "mongodb")),
            ("mongodb+srv://host", cfg!(feature = "mongodb")),
        ] {
            let scheme = &url[..=url.find(':').expect("a scheme")];
            assert_eq!(none.contains(scheme), is_built_in, "{none}");
            let problem = StoreUrl::parse(url).err();
            let is_left_out = problem.is_some_and(|problem| problem.contains("built without"));
            assert_ne!(is_built_in, is_left_out, "{url}");
        }
    }
}
