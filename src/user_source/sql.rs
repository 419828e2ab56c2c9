//! `postgres://`, `mysql://`, `sqlite:`: a row for each user, found by one query.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Number, Value};
use tokio::{sync::watch, time::Instant};

use super::{
    Fields,
    lookup::{Failure, Found, Lookup, MAX_USER_BYTES, too_large},
    presence,
};
use crate::{
    config::{
        sql_url::{Dialect, SqlUrl},
        user_url::Lookup as Query,
    },
    health::{Health, Told},
    remote::{Failure as NoAnswer, Patience},
    sql::{self, Answer, Argument, Database, Wanted},
};

/// Reads users from an SQL database.
#[derive(Debug)]
pub struct SqlUsers {
    dialect: Dialect,
    statement: Arc<str>,
    /// How many placeholders stand for the id.
    bound: usize,
    url: String,
    database: Database,
}

impl SqlUsers {
    /// Starts to connect.
    pub fn open(url: &SqlUrl, lookup: &Query, timeout: Duration) -> Self {
        let Query(template) = lookup;
        let dialect = url.dialect();
        let (statement, bound) = match dialect {
            Dialect::Postgres => (template.fill("$1"), 1),
            Dialect::MySql | Dialect::Sqlite => (template.fill("?"), template.places()),
        };
        let statement = Arc::from(statement);
        let told = Told {
            url: url.to_string(),
            log_answers: presence::log_answers,
            log_silent: presence::log_silent,
        };
        // The same query, so that it needs the same rights; NULL is nobody's id, and of every type.
        let probe = query(&statement, bound, None);
        let patience = Patience { connect: timeout, answer: timeout };
        let database = Database::open(url, patience, told, probe);
        Self { dialect, statement, bound, url: url.to_string(), database }
    }
}

fn query(statement: &Arc<str>, bound: usize, id: Option<&str>) -> sql::Query {
    sql::Query {
        statement: Arc::clone(statement),
        arguments: vec![Argument::Untyped(id.map(str::to_owned)); bound],
        wanted: Wanted::Row { max_bytes: MAX_USER_BYTES },
    }
}

fn failure(no_answer: NoAnswer) -> Failure {
    match no_answer {
        NoAnswer::Away(cause) => Failure::unreachable(cause),
        NoAnswer::NoAnswer(cause) => Failure::timed_out(cause),
        NoAnswer::Broken(cause) => Failure::Died(cause),
        NoAnswer::Refused(cause) | NoAnswer::Denied(cause) => Failure::refused(
            "the database did not answer with a user; the service's log has the cause; does user.lookup run there, for an id \
             of this kind?",
            cause,
        ),
    }
}

/// Beyond it a double does not tell a whole number from the next.
const EXACT: u64 = 1 << 53;

/// Numbers are doubles. Those of an id that would lose digits become texts, as `pg` has them: two people must not become one.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let whole = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            if whole.is_some_and(|whole| whole > EXACT) {
                return Value::String(number.to_string());
            }
            number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
        }
        Value::Array(elements) => elements.into_iter().map(settled).collect(),
        Value::Object(members) => Value::Object(fields(members)),
        other => other,
    }
}

fn fields(members: Fields) -> Fields {
    members.into_iter().map(|(name, member)| (name, settled(member))).collect()
}

#[async_trait]
impl Lookup for SqlUsers {
    async fn ask(&self, id: &str, deadline: Instant) -> Result<Option<Found>, Failure> {
        // PostgreSQL's text has no NUL, so nobody can have the id; asked, it would answer with an error.
        if self.dialect == Dialect::Postgres && id.contains('\0') {
            return Ok(None);
        }
        let query = query(&self.statement, self.bound, Some(id));
        let row = match self.database.ask_until(deadline, &query).await {
            Ok(Answer::Found(row, _)) => row,
            Ok(Answer::Nothing) => return Ok(None),
            Ok(Answer::TooLarge) => return Err(too_large()),
            Err(no_answer) => return Err(failure(no_answer)),
        };
        let members = serde_json::from_slice(&row).map_err(|error| {
            Failure::unusable(
                "what the query finds is no user, or one nested deeper than 24 levels",
                error.to_string(),
            )
        })?;
        Ok(Some(Found { fields: Arc::new(fields(members)) }))
    }

    /// The database has a keeper.
    async fn reach(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn watched(&self) -> Option<watch::Receiver<Health>> {
        Some(self.database.health())
    }

    fn name(&self) -> &'static str {
        "sql"
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn place(&self, id: &str) -> String {
        id.to_owned()
    }

    fn when_missing(&self) -> &'static str {
        "the query finds no row: is user.lookup right? Otherwise they have been removed since they logged in"
    }
}
