//! A MariaDB for all tests, in a time zone that nobody would guess.

use std::{
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, mysql::MySqlConnectOptions};
use tempfile::TempDir;

use super::{
    ports::lasting_port,
    shared_server::{SharedServer, certify, is_root, run},
};

const TIME_ZONE: &str = "+12:45";

pub const PASSWORD: &str = "my:p@ss/word";
const PASSWORD_IN_URL: &str = "my%3Ap%40ss%2Fword";

struct Server {
    port: u16,
    authority: PathBuf,
    _server: SharedServer,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = TempDir::new().unwrap().keep();
        let option = |name: &str, value: String| format!("--{name}={value}");
        let data = folder.join("data");
        let [certificate, key, authority] = certify(&folder);
        let mut common = vec![option("datadir", data.display().to_string())];
        if is_root() {
            common.push("--user=root".to_owned());
        }
        let mut install = vec!["mariadb-install-db".to_owned(), "--no-defaults".to_owned()];
        install.extend(common.iter().cloned());
        install.extend(["--auth-root-authentication-method=normal", "--skip-test-db"].map(str::to_owned));
        run(&install);
        let port = lasting_port();
        let mut mariadbd = vec!["mariadbd".to_owned(), "--no-defaults".to_owned()];
        mariadbd.extend(common);
        mariadbd.extend([
            option("ssl-cert", certificate.display().to_string()),
            option("ssl-key", key.display().to_string()),
            option("port", port.to_string()),
            option("bind-address", "127.0.0.1".to_owned()),
            option("socket", folder.join("socket").display().to_string()),
            option("pid-file", folder.join("pid").display().to_string()),
            option("default-time-zone", TIME_ZONE.to_owned()),
            option("character-set-server", "utf8mb4".to_owned()),
            option("innodb-flush-log-at-trx-commit", "0".to_owned()),
            "--skip-name-resolve".to_owned(),
        ]);
        Server { port, authority, _server: SharedServer::start(&folder, port, &mariadbd) }
    })
}

/// A database of a test's own.
pub struct MariaDb {
    pub port: u16,
    pub name: String,
}

impl MariaDb {
    pub async fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = tokio::task::spawn_blocking(|| server().port).await.unwrap();
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut administrator = connect(port, "mysql").await;
        for statement in [
            format!("CREATE DATABASE {name}"),
            format!("CREATE USER app_of_{name}@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT ALL ON {name}.* TO app_of_{name}@'%'"),
            format!("CREATE USER reader_of_{name}@'%' IDENTIFIED BY '{PASSWORD}'"),
        ] {
            administrator.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        Self { port, name }
    }

    /// A connection that may do everything.
    pub async fn connection(&self) -> MySqlConnection {
        connect(self.port, &self.name).await
    }

    /// As the web app comes in.
    pub fn url(&self) -> String {
        self.url_of("app_of")
    }

    /// Who signed its certificate, which is for 127.0.0.1.
    pub fn authority(&self) -> &'static Path {
        &server().authority
    }

    /// As somebody who may read one table and nothing else.
    pub async fn reader(&self, table: &str) -> String {
        self.grant("SELECT", table).await;
        self.url_of("reader_of")
    }

    /// Lets the reader do more with its table.
    pub async fn grant(&self, right: &str, table: &str) {
        let Self { name, .. } = self;
        let grant = format!("GRANT {right} ON {name}.{table} TO reader_of_{name}@'%'");
        self.connection().await.execute(AssertSqlSafe(grant)).await.unwrap();
    }

    fn url_of(&self, role: &str) -> String {
        let Self { port, name } = self;
        format!("mysql://{role}_{name}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{name}")
    }
}

async fn connect(port: u16, database: &str) -> MySqlConnection {
    let root = MySqlConnectOptions::new().host("127.0.0.1").port(port).username("root").database(database);
    root.connect().await.unwrap()
}
