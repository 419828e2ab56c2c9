//! `sockets count`.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::{
    connect::ConnectArgs,
    json,
    pager::{self, Pager},
    params::ParamArgs,
    people,
    table::{Cell, Column, Table},
    view,
};
use crate::{
    cli::{
        Error,
        style::{COPY, DIM, HEADING, plain_json},
    },
    grpc::{
        convert,
        pb::{CountSocketsRequest, CountSocketsResponse, Group},
    },
};

/// Count the sockets that match, in groups if wanted.
#[derive(Debug, Args)]
pub struct Count {
    /// Which sockets: a CEL expression over `user`, `socket`, `gateway` and `params`.
    #[arg(default_value = "true")]
    filter: String,
    #[command(flatten)]
    params: ParamArgs,
    /// What to count by: `user.team`, `socket.namespace`, `gateway.labels.zone`.
    #[arg(long, value_name = "PATH")]
    by: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl Count {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self { filter, params, by, json, connect } = self;
        let question = params.with_filter(filter)?;
        let connection = connect.connect().await?;
        let request = CountSocketsRequest {
            filter: question.filter,
            params: question.params,
            group_by: by.clone().unwrap_or_default(),
        };
        let mut client = connection.client.clone();
        let answer = connection.answer(client.count_sockets(request)).await?;
        if json {
            print_json(&answer)?;
        } else {
            print_text(&answer, by.as_deref())?;
        }
        view::warn(answer.view.as_ref());
        Ok(())
    }
}

fn print_json(answer: &CountSocketsResponse) -> Result<(), Error> {
    let CountSocketsResponse { total, groups, view } = answer;
    let groups: Vec<_> = groups.iter().map(json::group).collect();
    let view = view.as_ref().map(json::view);
    Ok(writeln!(
        io::stdout(),
        "{}",
        plain_json(&json!({"total": total, "groups": groups, "view": view}).to_string())
    )?)
}

/// Characters of the largest group's bar.
const BAR: u64 = 24;

fn print_text(answer: &CountSocketsResponse, by: Option<&str>) -> Result<(), Error> {
    let CountSocketsResponse { total, groups, view: _ } = answer;
    let mut pager = Pager::new();
    let printed = (|| {
        writeln!(pager, "{HEADING}{}{HEADING:#}", people::sockets(*total))?;
        let Some(by) = by.filter(|_| !groups.is_empty()) else { return Ok(()) };
        writeln!(pager)?;
        let columns =
            vec![Column::text(by), Column::figure("sockets"), Column::figure("share"), Column::text("")];
        let largest = groups.iter().map(|group| group.count).max().unwrap_or(0);
        let rows: Vec<_> = groups.iter().map(|group| row(group, *total, largest)).collect();
        Table::print(&mut pager, columns, &rows, pager::terminal().map(|(width, _)| width))
    })();
    pager.finish(printed.map_err(Error::Output))?;
    Ok(())
}

fn row(group: &Group, total: u64, largest: u64) -> Vec<Cell> {
    let Group { key, count } = group;
    let key = match key.as_ref().map_or(Value::Null, convert::json) {
        Value::Null => Cell::styled("(nothing there)", DIM),
        key => Cell::new(&people::value(&key)),
    };
    vec![
        key,
        Cell::new(&people::number(*count)),
        Cell::new(&people::share(*count, total)),
        Cell::styled(&people::bar(*count, largest, BAR), COPY),
    ]
}
