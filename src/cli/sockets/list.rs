//! `sockets list`, and the pages of sockets that other commands show.

use std::{
    io::{self, Write as _},
    time::{Duration, SystemTime},
};

use clap::Args;
use rand::Rng as _;

use super::{
    columns::{self, Column},
    connect::{ConnectArgs, Connection, is_lost},
    hint, json, pager,
    pager::Pager,
    params::ParamArgs,
    people,
    table::Table,
    view,
};
use crate::{
    cli::{Error, style::plain_json},
    grpc::pb::{FilterSocketsRequest, Socket, View},
};

/// List the sockets that match, ordered by gateway and socket id.
#[derive(Debug, Args)]
pub struct List {
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`.
    #[arg(default_value = "true")]
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// At most this many [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// What to show of them: gateway_id, socket_id, namespace, remote_address, origin, connected_at, user, data, or paths
    /// such as user.team.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = columns::DEFAULT, conflicts_with = "json")]
    columns: Vec<Column>,
    /// Print JSON, a socket a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, limit, columns, json, connect } = self;
        let question = params.with_filter(filter)?;
        let pages = Pages::new(connect.connect().await?, question, limit);
        if json { print_json(pages).await } else { print_table(pages, &columns, None).await }
    }
}

/// Sockets that are asked for at a time: little enough to be held, enough that a round trip for each does not count.
const PAGE: u32 = 1_000;

/// The sockets that match, a page at a time.
pub(super) struct Pages {
    connection: Connection,
    request: FilterSocketsRequest,
    /// How many may still come; `None`: all.
    left: Option<u32>,
    done: bool,
    /// What all pages so far know together.
    view: Option<View>,
}

impl Pages {
    pub(super) fn new(connection: Connection, request: FilterSocketsRequest, limit: Option<u32>) -> Self {
        Self { connection, request, left: limit, done: false, view: None }
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Socket>>, Error> {
        /// A replica that goes while it answers is no reason to begin anew: the next one goes on from the same cursor.
        const ATTEMPTS: u32 = 5;
        if self.done {
            return Ok(None);
        }
        self.request.limit = self.left.unwrap_or(PAGE).min(PAGE);
        let mut attempt = 1;
        let page = loop {
            match self.page().await {
                Ok(page) => break page,
                Err(status) if is_lost(&status) && attempt < ATTEMPTS => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                Err(status) => return Err(self.connection.refused(&status)),
            }
        };
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        }
        self.done = self.request.cursor.is_empty() || self.left == Some(0);
        Ok(Some(page))
    }

    async fn page(&mut self) -> Result<Vec<Socket>, tonic::Status> {
        let mut answers = self.connection.client.filter_sockets(self.request.clone()).await?.into_inner();
        let (mut page, mut cursor) = (Vec::new(), String::new());
        while let Some(answer) = answers.message().await? {
            page.extend(answer.sockets);
            cursor = answer.next_cursor;
            if let Some(view) = answer.view {
                view::add(&mut self.view, view);
            }
        }
        // Only a page that came whole is gone on from.
        self.request.cursor = cursor;
        Ok(page)
    }
}

impl Pages {
    /// Says that the limit has cut something off, on standard error, so that what programs read is not disturbed.
    fn tell_if_cut(&self, count: u64) {
        if self.left == Some(0) && !self.request.cursor.is_empty() {
            // Where even this cannot be written, there is nobody to be told.
            let _ = writeln!(anstream::stderr(), "the first {}; there may be more", people::sockets(count));
        }
    }
}

/// How long to wait before another attempt: longer each time, and not the same for all who were cut off at once.
pub(in crate::cli) fn backoff(attempt: u32) -> Duration {
    let longest = Duration::from_millis(200).saturating_mul(1 << attempt.min(4));
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}

pub(super) async fn print_json(mut pages: Pages) -> Result<(), Error> {
    let mut out = io::BufWriter::new(io::stdout());
    let mut count = 0_u64;
    while let Some(page) = pages.next().await? {
        count = count.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        for socket in &page {
            writeln!(out, "{}", plain_json(&json::socket(socket).to_string()))?;
        }
        out.flush()?;
    }
    pages.tell_if_cut(count);
    view::warn(pages.view.as_ref());
    Ok(())
}

/// A table of all pages, through the pager when it is longer than the screen. The first page decides the widths.
pub(super) async fn print_table(
    mut pages: Pages,
    columns: &[Column],
    above: Option<String>,
) -> Result<(), Error> {
    let mut pager = Pager::new();
    let printed = async {
        let (mut table, mut count) = (None, 0_u64);
        while let Some(page) = pages.next().await? {
            let now = SystemTime::now();
            let rows: Vec<_> = page.iter().map(|socket| columns::row(columns, socket, now)).collect();
            if rows.is_empty() {
                continue;
            }
            if table.is_none() {
                let width = pager::terminal().map(|(width, _)| width);
                if let Some(above) = &above {
                    writeln!(pager, "{above}\n")?;
                }
                let fitted = Table::fit(columns::headings(columns), &rows, width);
                fitted.headings(&mut pager)?;
                table = Some(fitted);
            }
            if let Some(table) = &table {
                rows.iter().try_for_each(|row| table.row(&mut pager, row))?;
            }
            count = count.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        }
        Ok(count)
    };
    let printed: Result<u64, Error> = printed.await;
    let Some(count) = pager.finish(printed)? else { return Ok(()) };
    if count == 0 {
        let _ = writeln!(anstream::stderr(), "no socket matches");
        hint::nothing_matches(&pages.request);
    }
    pages.tell_if_cut(count);
    view::warn(pages.view.as_ref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_ever_later_up_to_a_bound() {
        for (attempt, least, most) in [(1, 200, 400), (2, 400, 800), (40, 1_600, 3_200)] {
            let backoff = backoff(attempt);
            assert!(
                (Duration::from_millis(least)..Duration::from_millis(most)).contains(&backoff),
                "{attempt}: {backoff:?}"
            );
        }
    }
}
