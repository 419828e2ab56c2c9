//! What the databases have in common that sqlx asks. They cannot be asked for a row as JSON, so it is made here, its
//! columns typed as JSON can say it.

use serde_json::{Map, Number, Value};
use sqlx::{
    AssertSqlSafe, Column as _, ColumnIndex, Database, Decode, Encode, Error, Executor, IntoArguments, Row,
    Type,
};

use super::{Answer, Argument, Query, Wanted};
use crate::remote::Failure;

/// What a database keeps in columns.
pub(super) trait Columns: Database {
    /// How many bytes a column of this row takes.
    fn length(row: &Self::Row, column: &Self::Column) -> Result<usize, Error>;

    /// What it holds; `None` for types that JSON has nothing for.
    fn value(row: &Self::Row, column: &Self::Column) -> Result<Option<Value>, Error>;

    /// What kind of failure an error is.
    fn failure(error: &Error) -> Failure;

    /// Whether it is that an argument has letters which the column that it is compared with cannot hold.
    fn is_of_letters(_error: &Error) -> bool {
        false
    }
}

/// Asks a query over a connection.
pub(super) async fn ask<DB>(connection: &mut DB::Connection, query: &Query) -> Result<Answer, Failure>
where
    DB: Columns,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q str>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Option<Vec<u8>>: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut prepared = sqlx::query::<DB>(AssertSqlSafe(&*query.statement));
    for argument in &query.arguments {
        prepared = match argument {
            Argument::Text(text) => prepared.bind(text.as_str()),
            Argument::Integer(number) => prepared.bind(*number),
            Argument::Untyped(text) => prepared.bind(text.as_deref()),
        };
    }
    let row = match prepared.fetch_optional(connection).await {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(Answer::Nothing),
        // It equals nothing that is there. ASCII every column can hold.
        Err(error) if DB::is_of_letters(&error) && !query.is_ascii() => return Ok(Answer::Nothing),
        Err(error) => return Err(DB::failure(&error)),
    };
    match query.wanted {
        Wanted::Columns => {
            let column = |at| -> Result<Option<Vec<u8>>, Failure> {
                row.try_get_unchecked(at).map_err(|error| DB::failure(&error))
            };
            let Some(first) = column(0)? else { return Ok(Answer::Nothing) };
            let second = if row.len() > 1 { column(1)? } else { None };
            Ok(Answer::Found(first, second))
        }
        Wanted::Row { max_bytes } => object::<DB>(&row, max_bytes).map_err(Failure::Refused),
        Wanted::Done => Ok(Answer::Nothing),
    }
}

/// A row as an object, each column with its name.
fn object<DB: Columns>(row: &DB::Row, max_bytes: usize) -> Result<Answer, String> {
    let mut object = Map::new();
    let mut bytes = 0_usize;
    for column in row.columns() {
        let problem = |error: Error| format!("its column `{}`: {error}", column.name());
        bytes = bytes.saturating_add(DB::length(row, column).map_err(problem)?);
        if bytes > max_bytes {
            return Ok(Answer::TooLarge);
        }
        let value = DB::value(row, column).map_err(problem)?.ok_or_else(|| {
            format!(
                "its column `{}` is of a type that no user has: leave it out of user.lookup or convert it there",
                column.name()
            )
        })?;
        object.insert(column.name().to_owned(), value);
    }
    let object = serde_json::to_vec(&object).map_err(|error| error.to_string())?;
    Ok(if object.len() > max_bytes { Answer::TooLarge } else { Answer::Found(object, None) })
}

/// `None` for what JSON cannot say.
pub(super) fn double(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}
