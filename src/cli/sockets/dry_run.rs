//! `--dry-run`: what a command would reach.

use super::{
    columns::{self, Column},
    connect::Connection,
    list::{self, Pages},
};
use crate::{
    cli::{Error, style::HEADING},
    grpc::pb::{CountSocketsRequest, FilterSocketsRequest},
};

/// How many sockets match now.
pub(in crate::cli) async fn count(
    connection: &Connection,
    question: &FilterSocketsRequest,
) -> Result<u64, Error> {
    let request = CountSocketsRequest {
        filter: question.filter.clone(),
        params: question.params.clone(),
        group_by: String::new(),
    };
    let mut client = connection.client.clone();
    Ok(connection.answer(client.count_sockets(request)).await?.total)
}

/// Counts and lists the sockets that match, and does nothing to them. What would be is said of so many.
pub(in crate::cli) async fn show(
    connection: Connection,
    question: FilterSocketsRequest,
    would_be: impl FnOnce(u64) -> String,
    json: bool,
) -> Result<(), Error> {
    let total = if json { 0 } else { count(&connection, &question).await? };
    let pages = Pages::new(connection, question, None);
    if json {
        return list::print_json(pages).await;
    }
    let columns: Vec<Column> = columns::DEFAULT.split(',').filter_map(|name| name.parse().ok()).collect();
    let above = format!("{HEADING}{}{HEADING:#}", would_be(total));
    list::print_table(pages, &columns, Some(above)).await
}
