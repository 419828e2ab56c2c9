//! What databases do to those who ask them: they lock tables, take leave, and forget what they prepared.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures_util::future::join_all;
use socketpass::session_store::Health;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};
use tokio::time::timeout;

use crate::support::{
    ANA, ANA_ID, PATIENCE,
    mariadb::MariaDb,
    postgres::Postgres,
    store::{becomes, finds_ana, found, load, open},
};

const SHORT: [(&str, &str); 1] = [("SESSION_STORE_TIMEOUT", "50ms")];
const PATIENT: [(&str, &str); 2] =
    [("SESSION_STORE_TIMEOUT", "20s"), ("SESSION_STORE_CONNECT_TIMEOUT", "20s")];

/// Ana's session in a database whose administrator the test is.
#[async_trait]
trait Administered {
    fn url(&self) -> String;

    async fn lock(&mut self);

    async fn unlock(&mut self);

    /// How many connections the service has, and a mark of the latest question asked there.
    async fn seen(&mut self) -> (i64, String);

    /// Ends the connections that the service has.
    async fn end_connections(&mut self);
}

struct OnPostgres(Postgres);

impl OnPostgres {
    async fn create() -> Self {
        let database = Postgres::create().await;
        let create = format!(
            "CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamp);
             INSERT INTO session VALUES ('{ANA_ID}', '{ANA}', 'infinity')"
        );
        database.client.batch_execute(&create).await.unwrap();
        Self(database)
    }
}

const OURS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'socketpass'";

#[async_trait]
impl Administered for OnPostgres {
    fn url(&self) -> String {
        self.0.url()
    }

    async fn lock(&mut self) {
        let lock = "BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE";
        self.0.client.batch_execute(lock).await.unwrap();
    }

    async fn unlock(&mut self) {
        self.0.client.batch_execute("COMMIT").await.unwrap();
    }

    async fn seen(&mut self) -> (i64, String) {
        let seen = format!("SELECT count(*), max(query_start)::text {OURS}");
        // Within a transaction it would stay the same.
        self.0.client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        let row = self.0.client.query_one(&seen, &[]).await.unwrap();
        (row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default())
    }

    async fn end_connections(&mut self) {
        let end = format!("SELECT pg_terminate_backend(pid) {OURS}");
        self.0.client.batch_execute(&end).await.unwrap();
    }
}

struct OnMariaDb {
    database: MariaDb,
    administrator: MySqlConnection,
}

impl OnMariaDb {
    async fn create() -> Self {
        let database = MariaDb::create().await;
        let mut administrator = database.connection().await;
        for statement in [
            "CREATE TABLE sessions (session_id varchar(128) PRIMARY KEY, expires int unsigned, data text)"
                .to_owned(),
            format!("INSERT INTO sessions VALUES ('{ANA_ID}', 4000000000, '{ANA}')"),
        ] {
            administrator.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        Self { database, administrator }
    }

    async fn ids(&mut self) -> Vec<(i64, i64)> {
        let ours = format!(
            "SELECT ID, QUERY_ID FROM information_schema.processlist WHERE USER = 'app_of_{}'",
            self.database.name
        );
        let rows = sqlx::query(AssertSqlSafe(ours)).fetch_all(&mut self.administrator).await.unwrap();
        rows.iter().map(|row| (row.get_unchecked(0), row.get_unchecked(1))).collect()
    }
}

#[async_trait]
impl Administered for OnMariaDb {
    fn url(&self) -> String {
        self.database.url()
    }

    async fn lock(&mut self) {
        self.administrator.execute("LOCK TABLES sessions WRITE").await.unwrap();
    }

    async fn unlock(&mut self) {
        self.administrator.execute("UNLOCK TABLES").await.unwrap();
    }

    async fn seen(&mut self) -> (i64, String) {
        let ids = self.ids().await;
        let latest = ids.iter().map(|(_, query)| *query).max().unwrap_or_default();
        (i64::try_from(ids.len()).unwrap(), latest.to_string())
    }

    async fn end_connections(&mut self) {
        for (id, _) in self.ids().await {
            self.administrator.execute(AssertSqlSafe(format!("KILL {id}"))).await.unwrap();
        }
    }
}

async fn every() -> [Box<dyn Administered>; 2] {
    [Box::new(OnPostgres::create().await), Box::new(OnMariaDb::create().await)]
}

#[tokio::test]
async fn a_table_that_is_locked_takes_no_connection_for_each_look_at_it() {
    for mut database in every().await {
        let store = open(&database.url(), &SHORT);
        finds_ana(&*store).await;
        database.lock().await;
        join_all((0..20).map(|_| load(&*store, ANA_ID))).await;
        becomes(&*store, Health::Down).await;
        let looked_at = async {
            // The questions of those who had asked before that was known.
            while database.seen().await.0 > 2 {
                load(&*store, ANA_ID).await.unwrap_err();
            }
            let mut looks = BTreeSet::new();
            while looks.len() < 6 {
                let (connections, latest) = database.seen().await;
                assert!(connections <= 2, "{connections}");
                looks.insert(latest);
                load(&*store, ANA_ID).await.unwrap_err();
            }
        };
        timeout(PATIENCE, looked_at).await.expect("few connections");
        database.unlock().await;
        finds_ana(&*store).await;
    }
}

#[tokio::test]
async fn when_the_server_ends_a_connection_another_one_is_asked() {
    for mut database in every().await {
        let store = open(&database.url(), &PATIENT);
        for _ in 0..5 {
            becomes(&*store, Health::Up).await;
            join_all((0..8).map(|_| load(&*store, ANA_ID))).await;
            database.end_connections().await;
            for answer in join_all((0..8).map(|_| load(&*store, ANA_ID))).await {
                assert_eq!(answer, found(ANA));
            }
        }
    }
}

#[tokio::test]
async fn when_a_question_under_way_is_ended_it_is_asked_again() {
    for mut database in every().await {
        let store = open(&database.url(), &PATIENT);
        finds_ana(&*store).await;
        database.lock().await;
        let before = database.seen().await.1;
        let asked = load(&*store, ANA_ID);
        let ended = async {
            while database.seen().await.1 == before {}
            database.end_connections().await;
            database.unlock().await;
        };
        let answered = timeout(PATIENCE, async { tokio::join!(asked, ended).0 });
        assert_eq!(answered.await, Ok(found(ANA)));
    }
}
